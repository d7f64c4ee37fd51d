/** How a program ends with a refusal: what it logs, and its exit code. */
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type Catalogued, isRefusal } from "../start/TaggedRefusal.ts"
import { exitCode, exitCodeOf } from "./exitCode.ts"
import { refusalLines } from "./reportLines.ts"

/**
 * Logs at error why a layer was refused, in the lines that `database-ready` prints, with `database`, `refusal` and
 * `exitCode` as annotations. Any layer that is built on a database will do. Its other errors are not logged.
 *
 * @example
 * ```ts
 * import { NodeContext, NodeRuntime } from "@effect/platform-node"
 * import { DatabaseReady, logRefusal, Migrations, teardown } from "database-ready"
 * import { Effect, Layer } from "effect"
 *
 * const Database = DatabaseReady.layer({
 *   filename: "data/app.db",
 *   migrations: Migrations.fromDirectory("migrations")
 * }).pipe(logRefusal, Layer.provide(NodeContext.layer))
 *
 * export const main = () =>
 *   NodeRuntime.runMain(Effect.provide(Effect.never, Database), { disableErrorReporting: true, teardown })
 * ```
 */
export const logRefusal = <A, E, R>(layer: Layer.Layer<A, E, R>): Layer.Layer<A, E, R> =>
  Layer.tapError(layer, (error) => (isRefusal(error) ? log(error) : Effect.void))

const log = (error: Catalogued): Effect.Effect<void> =>
  Effect.logError(refusalLines(error).join("\n")).pipe(
    Effect.annotateLogs({
      database: error.database ?? "",
      refusal: `${error._tag}.${error.reason}`,
      exitCode: exitCodeOf(error)
    })
  )

/**
 * Ends a program with the exit code of the refusal that it failed with, for `runMain` of a platform. Everything else
 * ends as `runMain` ends it by itself: 0 for a success and an interruption, 1 for other failures and defects. `logRefusal`
 * has an example.
 */
export const teardown = <E, A>(exit: Exit.Exit<E, A>, onExit: (code: number) => void): void =>
  onExit(Exit.match(exit, { onFailure: codeOf, onSuccess: () => exitCode.ready }))

const codeOf = (cause: Cause.Cause<unknown>): number =>
  Chunk.findFirst(Cause.failures(cause), isRefusal).pipe(
    Option.match({ onNone: () => (Cause.isInterruptedOnly(cause) ? 0 : 1), onSome: exitCodeOf })
  )
