/** A fleet of this library, as a service has it: one request after the other asks for a database. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { DatabaseFleet, Migrations } from "../../../layers/index.ts"
import { kept, type OpenFleet } from "../fleet.ts"

export const openFleet: OpenFleet = async (directory, migrations, look) => {
  const service = ManagedRuntime.make(
    DatabaseFleet.layer({
      directory,
      migrations: Migrations.fromDirectory(migrations),
      integrity: look === "pages" ? "auto" : "schema",
      maxOpen: kept
    }).pipe(Layer.provide(NodeContext.layer))
  )
  const { get } = await service.runPromise(DatabaseFleet)
  return {
    open: async (name) => {
      const exit = await service.runPromiseExit(Effect.scoped(get(name)))
      return Exit.isSuccess(exit) ? undefined : exit.cause.toString()
    },
    close: () => service.dispose()
  }
}
