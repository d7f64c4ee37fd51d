/** A checked copy of a database now, to any place. */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import { type Compression, compressFile, endings, hasCompression, headOf } from "../machine/compression.ts"
import { permissionsFor } from "../machine/FilePermissions.ts"
import { files, trySync } from "../machine/files.ts"
import { upTo } from "../machine/monotonic.ts"
import { createExclusively } from "../machine/newFile.ts"
import { readHistory } from "../sqlite/AppliedMigrations/MigrationHistory.ts"
import { tellProgressOf } from "../sqlite/Backup.ts"
import { flush, removeOrWarn, removeUnused, siblingFiles } from "../sqlite/BackupFiles.ts"
import { formatCopyName, unfinishedCopy } from "../sqlite/BackupNames.ts"
import { reasonOf, refusal } from "../sqlite/ConnectionError.ts"
import { type CopyError, copyError, copyReasonOf } from "../sqlite/CopyError.ts"
import { largeCopy } from "../sqlite/DatabaseCopy.ts"
import { prepareDirectory } from "../sqlite/DatabaseDirectory.ts"
import { absoluteName, isInMemory } from "../sqlite/DatabasePath.ts"
import { DirectoryError } from "../sqlite/DirectoryError.ts"
import { atEdge } from "../sqlite/edge.ts"
import { look, requireRemovableSidecars } from "../sqlite/FileLook.ts"
import { lockForCopies } from "../sqlite/LockFile.ts"
import { copyOnline } from "../sqlite/OnlineCopy.ts"
import { type OnOpen, withOnOpen } from "../sqlite/OnOpen.ts"
import { newestVersion, whatIsWrong } from "../sqlite/RestoreChoice.ts"
import { soundDriver } from "../sqlite/SoundDriver.ts"
import { openSqlite, text } from "../sqlite/Sqlite.ts"
import type { Attempt } from "../start/Attempt.ts"
import { withDatabaseSpan } from "../start/databaseSpan.ts"
import { whileAnotherWorks } from "../start/policy.ts"
import { inDatabase } from "../start/Refusal.ts"
import { flushNamed, freeTime, nameCopy, placeOf } from "./BackupPlace.ts"

/** What to back up, and where to. */
export interface BackUpOptions {
  /** The database file, relative to the working directory. */
  readonly filename: string
  /**
   * A directory that is there: the name then is that of the database with the time, such as
   * `app.db.20261127T163000123Z.backup`. Or a file that is not there yet. Default: the directory of the database.
   */
  readonly to?: string | undefined
  /** Default none. It is unpacked again and compared before it is kept. */
  readonly compress?: Compression | undefined
  /** Deadline of the whole. Default none: a copy takes about ten seconds per GB. Fails with `CopyError`, reason `TimedOut`. */
  readonly timeout?: Duration.DurationInput | undefined
  /** How long to wait for another process's lock. Default 5 s. */
  readonly lockPatience?: Duration.DurationInput | undefined
  /** Types of filesystems that are trusted although they are not known to be local, as for a start. Default none. */
  readonly trustedFilesystems?: ReadonlyArray<string> | undefined
  /** What each connection needs before anything else, as for a start. Default none. */
  readonly onOpen?: OnOpen | undefined
  /** Called every two seconds with the bytes that are done, for a database that takes longer. Default none. */
  readonly onProgress?: ((doing: string, done: number, total: number) => Effect.Effect<void>) | undefined
}

/** A backup that was made. */
export interface MadeBackup {
  /** Absolute path of the database. */
  readonly database: string
  /** Absolute path of the backup. */
  readonly backup: string
  /** The newest version that it records; undefined where it has no history. */
  readonly schemaVersion: string | undefined
  /** When it was begun, ISO 8601, UTC. */
  readonly at: string
  /** Bytes of the database in it. */
  readonly databaseBytes: number
  /** Bytes of the backup. */
  readonly bytes: number
  /** How it is compressed, or `none`. */
  readonly compression: Compression | "none"
}

/**
 * Copies a database while others write, and checks the pages of the copy. The copy is one state: that of a moment after
 * this began. It is flushed, only its owner may use it, and nothing is overwritten. Killed at any moment, it leaves no
 * file under the name of the backup, or a whole one; the next backup to the same place deletes what is left. With a
 * rollback journal and more than 32 MiB the copying begins again at each commit of others. Fails with `CopyError`, with
 * `DirectoryError` or `ConnectionError` where a start could not use the database either.
 *
 * @example
 * ```ts
 * import { NodeContext, NodeRuntime } from "@effect/platform-node"
 * import { backUp } from "database-ready/operate"
 * import { Console, Effect } from "effect"
 *
 * backUp({ filename: "data/app.db", to: "/backups", compress: "gzip" }).pipe(
 *   Effect.flatMap(({ backup, schemaVersion }) => Console.log(`${backup} is at ${schemaVersion}`)),
 *   Effect.provide(NodeContext.layer),
 *   NodeRuntime.runMain
 * )
 * ```
 */
export const backUp = (options: BackUpOptions) => {
  const { filename, onOpen, timeout } = options
  const file = absoluteName(filename)
  const made =
    timeout === undefined
      ? copyNow(options)
      : Effect.timeoutFail(copyNow(options), {
          duration: timeout,
          onTimeout: () => copyError(options.to ?? `of ${file}`)("TimedOut", { retryable: true })
        })
  return made.pipe(
    withOnOpen(onOpen),
    Effect.mapError((refused) => inDatabase(file, refused)),
    (backup) => withDatabaseSpan(backup, file, "backup")
  )
}

const copyNow = Effect.fnUntraced(function* ({
  compress,
  filename,
  lockPatience = "5 seconds",
  onProgress = () => Effect.void,
  to,
  trustedFilesystems
}: BackUpOptions) {
  if (isInMemory(filename)) {
    const detail = "a database in memory has no file"
    return yield* new DirectoryError({ reason: "InvalidFilename", path: filename, detail, retryable: false })
  }
  const { file, isWritable } = yield* prepareDirectory({ filename, access: "inspect", trustedFilesystems })
  yield* soundDriver(file)
  const found = yield* look(file, "inspect")
  if (!found.exists) {
    return yield* refusal(file, "Absent", { code: "ENOENT", detail: "no such file", retryable: false })
  }
  // Who may only read is no process that has it open in WAL mode: to open the file here drops no lock of SQLite.
  yield* Effect.catchAll(requireRemovableSidecars(file, isWritable), (refused) =>
    Effect.whenEffect(
      refused,
      Effect.orElseSucceed(
        trySync(() => headOf(file, 20)[18] === 2),
        () => true
      )
    )
  )
  if (compress !== undefined && !hasCompression(compress)) {
    return yield* copyError(to ?? file)("NoCompression", {
      detail: `Node.js ${process.versions.node} has no ${compress}`
    })
  }
  const place = yield* placeOf(file, to)
  const patiently = <A, E extends { readonly retryable: boolean }, R>(step: Effect.Effect<A, E, R>) =>
    Effect.retry(step, { schedule: upTo(whileAnotherWorks, lockPatience), while: ({ retryable }) => retryable })
  // SQLite removes the files beside a database in WAL mode again if a connection may write.
  const readonly = found.wal
  const { bytes, mode } = yield* Effect.mapError(patiently(Effect.scoped(headerOf(file, readonly))), (failure) =>
    refusal(file, reasonOf(failure.code), failure)
  )
  const orRefuse = <A, R>(step: Effect.Effect<A, StepFailure, R>) =>
    Effect.mapError(
      step,
      (failure): CopyError =>
        copyError(place.shown)(copyReasonOf(failure), { ...failure, detail: whatIsWrong(failure) })
    )
  const owner = yield* orRefuse(trySync(() => ({ ...permissionsFor(file), mode: 0o600 })))
  return yield* Effect.scoped(
    Effect.gen(function* () {
      yield* orRefuse(patiently(lockForCopies(place.stem, file)))
      // The process that began these has ended, or is a service's own maintenance.
      const remains = yield* orRefuse(siblingFiles(place.stem, unfinishedCopy))
      yield* orRefuse(Effect.forEach(remains, ({ path }) => removeUnused(path), { discard: true }))
      const begun = yield* Clock.currentTimeMillis
      const ending = compress === undefined ? "" : endings[compress]
      const at = place.file === undefined ? yield* orRefuse(freeTime(place.stem, begun, ending)) : begun
      const backup = place.file ?? `${place.stem}${formatCopyName(at, ending)}`
      const partial = `${place.stem}${formatCopyName(at)}.partial`
      const packed = `${place.stem}${formatCopyName(at, ending)}.partial`
      const clear = Effect.forEach(new Set([partial, `${partial}-journal`, packed]), removeOrWarn, { discard: true })
      yield* Effect.addFinalizer(() => clear)
      // A reader with a rollback journal keeps others from committing: not for long.
      const isHeld = mode === "wal" || bytes <= largeCopy
      const copy = copyOnline(file, partial, { isHeld, readonly, permissions: owner, progress: onProgress })
      yield* orRefuse(patiently(Effect.zipRight(clear, tellProgressOf(file, partial, onProgress, copy))))
      const schemaVersion = yield* orRefuse(versionOf(partial))
      const size = (path: string) => orRefuse(trySync(() => files.stat(path)?.size ?? 0))
      const databaseBytes = yield* size(partial)
      if (compress !== undefined) {
        yield* orRefuse(createExclusively(packed, owner))
        yield* orRefuse(packedWith(onProgress, partial, packed, compress, databaseBytes))
        yield* orRefuse(flush(packed))
      }
      yield* orRefuse(nameCopy(packed, backup))
      yield* orRefuse(flushNamed(backup))
      const made: MadeBackup = {
        database: file,
        backup,
        schemaVersion,
        at: new Date(at).toISOString(),
        databaseBytes,
        bytes: yield* size(backup),
        compression: compress ?? "none"
      }
      return made
    })
  )
})

interface StepFailure {
  readonly code: string
  readonly message: string
  readonly sentence?: string
  readonly retryable: boolean
}

const headerOf = Effect.fnUntraced(function* (file: string, readonly: boolean) {
  const { run } = yield* openSqlite({ filename: file, readonly })
  const [row] = yield* run(
    "SELECT page_count * page_size AS bytes, journal_mode AS mode FROM pragma_page_count, pragma_page_size, pragma_journal_mode"
  )
  yield* run("SELECT count(*) FROM sqlite_schema")
  return { bytes: Number(text(row, "bytes")), mode: text(row, "mode") }
})

const versionOf = (copy: string) =>
  Effect.scoped(
    Effect.flatMap(openSqlite({ filename: copy, readonly: true }), (sqlite) =>
      atEdge(() => readHistory(sqlite), identity)
    )
  ).pipe(
    Effect.map(({ rows }) => newestVersion(rows)),
    // The history of another tool has no version of ours.
    Effect.catchTag("HistoryError", () => Effect.succeed(undefined))
  )

const packedWith = (progress: Attempt["progress"], from: string, to: string, format: Compression, total: number) =>
  Effect.suspend(() => {
    let done = 0
    const told = Effect.delay(
      Effect.suspend(() => progress("compressing the backup", done, total)),
      "2 seconds"
    )
    return Effect.raceFirst(
      compressFile(from, to, format, (bytes) => {
        done = bytes
      }),
      Effect.forever(told)
    )
  })
