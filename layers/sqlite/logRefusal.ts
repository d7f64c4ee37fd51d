/** How a program ends with a refusal: what it logs, and its exit code. */
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { LockError } from "../start/LockError.ts"
import { MigrationFilesError } from "../start/MigrationFilesError.ts"
import { MigrationSourceError } from "../start/MigrationSourceError.ts"
import { RehearsalError } from "../start/RehearsalError.ts"
import { StageTimeoutError } from "../start/StageTimeoutError.ts"
import { HistoryError } from "./AppliedMigrations/HistoryError.ts"
import { UpgradeError } from "./AppliedMigrations/UpgradeError.ts"
import { BackupError } from "./BackupError.ts"
import { ConnectionError } from "./ConnectionError.ts"
import { CopyError } from "./CopyError.ts"
import { DirectoryError } from "./DirectoryError.ts"
import { exitCode, exitCodeOf, type RefusedError } from "./exitCode.ts"
import { FleetError } from "./FleetError.ts"
import { IntegrityError } from "./IntegrityError.ts"
import { PragmaError } from "./PragmaError.ts"
import { ReadError } from "./ReadError.ts"
import { RestoreError } from "./RestoreError.ts"
import { refusalLines } from "./reportLines.ts"
import { WriteError } from "./WriteError.ts"

/** A new kind of refusal does not compile until it is here. */
const kinds: { readonly [Kind in RefusedError as Kind["_tag"]]: new (...facts: never) => Kind } = {
  MigrationSourceError,
  DirectoryError,
  ConnectionError,
  PragmaError,
  HistoryError,
  BackupError,
  UpgradeError,
  IntegrityError,
  LockError,
  StageTimeoutError,
  FleetError,
  MigrationFilesError,
  RehearsalError,
  RestoreError,
  CopyError,
  SqlError: WriteError
}

/** Whether an error is a refusal of this library, of whatever kind. */
export const isRefusal = (error: unknown): error is RefusedError =>
  error instanceof ReadError || Object.values(kinds).some((kind) => error instanceof kind)

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

const log = (error: RefusedError): Effect.Effect<void> =>
  Effect.logError(refusalLines(error).join("\n")).pipe(
    Effect.annotateLogs({
      database: error.database ?? "",
      refusal: `${error._tag}.${error.reason}`,
      exitCode: exitCodeOf(error)
    })
  )

/**
 * Ends a program with the exit code of the refusal that it failed with, for `runMain` of a platform. Everything else
 * ends as `runMain` ends it by itself: 0 for a success and an interruption, 1 for other failures and defects.
 */
export const teardown = <E, A>(exit: Exit.Exit<E, A>, onExit: (code: number) => void): void =>
  onExit(Exit.match(exit, { onFailure: codeOf, onSuccess: () => exitCode.ready }))

const codeOf = (cause: Cause.Cause<unknown>): number =>
  Chunk.findFirst(Cause.failures(cause), isRefusal).pipe(
    Option.match({ onNone: () => (Cause.isInterruptedOnly(cause) ? 0 : 1), onSome: exitCodeOf })
  )
