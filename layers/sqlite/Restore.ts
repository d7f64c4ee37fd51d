/** Restores a backup in place of a database, and keeps what was there beside it. */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { withDatabaseSpan } from "../start/databaseSpan.ts"
import { inDatabase } from "../start/Refusal.ts"
import type { ConnectionError } from "./ConnectionError.ts"
import { absoluteName } from "./DatabasePath.ts"
import type { DirectoryError } from "./DirectoryError.ts"
import { type OnOpen, withOnOpen } from "./OnOpen.ts"
import { nothing, type RestoreError, refusalOf } from "./RestoreError.ts"
import type { RestoreStep } from "./RestoreStep.ts"

/** What a restore did. */
export interface Restored {
  /** Absolute path of the database. */
  readonly database: string
  /** Absolute path of the backup that it is now a copy of, apart from the note of the restore in its history. */
  readonly backup: string
  /** The newest version that the backup records; undefined where it has no history. */
  readonly schemaVersion: string | undefined
  /** Absolute path under which what was there is kept; undefined where nothing was. */
  readonly replaced: string | undefined
}

/** What to restore, and where. */
export interface RestoreOptions {
  /** The database file, relative to the working directory. */
  readonly filename: string
  /** Path of the backup, which may be compressed with gzip or zstd. It is then unpacked in the directory for temporary files. Default: the newest one that an upgrade left beside the database, when the names tell which that is. */
  readonly backup?: string | undefined
  /** Checks everything, and writes nothing: the result says what would be done. Default false. */
  readonly dryRun?: boolean | undefined
  /** Deadline of the whole restore. Default 60 s. Fails with `RestoreError`, reason `TimedOut`. */
  readonly timeout?: Duration.DurationInput | undefined
  /** Name and version of the program, for the history of the restored database. Default "". */
  readonly program?: string | undefined
  /** Types of filesystems that are trusted although they are not known to be local, as for a start. Default none. */
  readonly trustedFilesystems?: ReadonlyArray<string> | undefined
  /** What each connection needs before anything else, as for a start: the check of the backup runs the schema's functions. Default none. */
  readonly onOpen?: OnOpen | undefined
  /** Called before each step that takes long, for files of more than 32 MiB. Default none. */
  readonly onProgress?: ((step: RestoreStep) => Effect.Effect<unknown>) | undefined
}

/**
 * Puts a backup in the place of a database, once the backup is proven sound and nobody else has the database open.
 * What was there is kept as `FILE.replaced-TIME`. If SQLite can open the database, it is overwritten in one
 * transaction, and the old content is kept under the lock of that transaction. If SQLite cannot open it, it is
 * replaced by a rename, with its WAL and journal. Owner and mode stay those of the database, or follow the directory
 * where there is none. The history of the restored database says from which backup it was restored, when and by whom; one
 * without a history of this library is left as it is. Killed at any moment, it leaves the old or the new database. Fails with `RestoreError`, with
 * `DirectoryError` where a start could not use the path either, and with `ConnectionError` where the path is not a file
 * or the driver would end the process.
 *
 * @example
 * ```ts
 * import { NodeContext, NodeRuntime } from "@effect/platform-node"
 * import { restoreBackup } from "database-ready"
 * import { Console, Effect } from "effect"
 *
 * restoreBackup({ filename: "data/app.db" }).pipe(
 *   Effect.flatMap(({ backup, replaced }) => Console.log(`restored from ${backup}, kept ${replaced}`)),
 *   Effect.provide(NodeContext.layer),
 *   NodeRuntime.runMain
 * )
 * ```
 */
export const restoreBackup = ({
  backup,
  dryRun = false,
  filename,
  onOpen,
  onProgress = () => Effect.void,
  program = "",
  timeout = "60 seconds",
  trustedFilesystems
}: RestoreOptions): Effect.Effect<
  Restored,
  ConnectionError | DirectoryError | RestoreError,
  FileSystem.FileSystem | Path.Path
> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const wanted = absoluteName(filename)
    const tooLate = { ...nothing, retryable: true }
    // Loaded now: nothing else of a program needs it, nor what unpacks.
    const { restoreFrom } = yield* Effect.promise(() => import("./RestoreFrom.ts"))
    return yield* Effect.scoped(
      restoreFrom({ backup, dryRun, filename, onProgress, program, timeout, trustedFilesystems })
    ).pipe(
      Effect.timeoutFail({
        duration: timeout,
        onTimeout: () => refusalOf(wanted, backup === undefined ? "" : path.resolve(backup))("TimedOut", tooLate)
      })
    )
  }).pipe(
    withOnOpen(onOpen),
    Effect.mapError((refusal) => inDatabase(absoluteName(filename), refusal)),
    (restore) => withDatabaseSpan(restore, absoluteName(filename), "restore")
  )
