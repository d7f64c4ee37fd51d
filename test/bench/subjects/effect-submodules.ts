/** `@effect/sql`'s Migrator with nothing imported that is not needed. */
import { mkdirSync } from "node:fs"
import { dirname } from "node:path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SqliteMigrator from "@effect/sql-sqlite-node/SqliteMigrator"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Scope from "effect/Scope"
import type { Start } from "../subject.ts"

const service = ManagedRuntime.make(NodeContext.layer)

export const start: Start = async (filename, { effectSubmodules }) => {
  mkdirSync(dirname(filename), { recursive: true })
  const client = SqliteClient.layer({ filename })
  const migrator = SqliteMigrator.layer({ loader: SqliteMigrator.fromFileSystem(effectSubmodules) })
  const scope = Effect.runSync(Scope.make())
  await Layer.provideMerge(migrator, client).pipe(Layer.buildWithScope(scope), service.runPromise)
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
