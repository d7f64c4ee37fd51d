/** Restores a backup in place of a database, and keeps what was there beside it. */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { describeHolders, holdersOf } from "../machine/FileLocks.ts"
import { files, kindOf, trySync } from "../machine/files.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import { withDatabaseSpan } from "../start/databaseSpan.ts"
import { inDatabase } from "../start/Refusal.ts"
import type { CopyFailure } from "./BackupError.ts"
import { forgetUncommitted, infoOf } from "./BackupFiles.ts"
import { compactTime } from "./BackupNames.ts"
import { ConnectionError } from "./ConnectionError.ts"
import { prepareDirectory } from "./DatabaseDirectory.ts"
import { absoluteName, isInMemory } from "./DatabasePath.ts"
import { DirectoryError } from "./DirectoryError.ts"
import { readBeside, standstill } from "./LeftoverWal.ts"
import { whileRestoringAlone } from "./LockFile.ts"
import { type OnOpen, withOnOpen } from "./OnOpen.ts"
import { readable } from "./ReadableCopy.ts"
import { backupAt, isSameVersion, isVerdict, newestBeside, proveBackup } from "./RestoreChoice.ts"
import { inMemory, isUnreadable, noFile, nothing, reasonOf, refusalOf } from "./RestoreError.ts"
import { overwrite, partsOf, refuseInUse, replace, type Source } from "./RestoreFile.ts"
import { noteIn, restoreNote, writeNote } from "./RestoreNote.ts"
import { type RestoreStep, type Tell, tellLarge } from "./RestoreStep.ts"
import { soundDriver } from "./SoundDriver.ts"
import { isLock } from "./Sqlite.ts"

/** What a restore did. */
export interface Restored {
  /** Absolute path of the database. */
  readonly database: string
  /** Absolute path of the backup that it is now a copy of, but for what its history says of the restore. */
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
  /** What each connection needs before anything else, as for a start: the check of the backup runs the schema's functions. */
  readonly onOpen?: OnOpen | undefined
  /** Called before each step that takes long, for files of more than 32 MiB. */
  readonly onProgress?: ((step: RestoreStep) => Effect.Effect<unknown>) | undefined
}

/**
 * Puts a backup in the place of a database, once the backup is proven sound and nobody else has the database open.
 * What was there is kept as `FILE.replaced-TIME`. If SQLite can open the database, it is overwritten in one
 * transaction, and the old content is kept under the lock of that transaction. If SQLite cannot open it, it is
 * replaced by a rename; its WAL and journal are moved away first, because SQLite would play them into the new one
 * (https://sqlite.org/howtocorrupt.html, 1.4). Owner and mode stay those of the database, or follow the directory
 * where there is none. The history of the restored database says from which backup it was restored, when and by whom; one
 * without a history of this library is left as it is. Killed at any moment, it leaves the old or the new database. Fails with `RestoreError`, with
 * `DirectoryError` where a start could not use the path either, and with `ConnectionError` where the path is no file
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
}: RestoreOptions) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const wanted = absoluteName(filename)
    const tooLate = { ...nothing, retryable: true }
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

const restoreFrom = Effect.fnUntraced(function* ({
  backup,
  dryRun,
  filename,
  onProgress,
  program,
  timeout,
  trustedFilesystems
}: RestoreOptions & {
  readonly onProgress: (step: RestoreStep) => Effect.Effect<unknown>
  readonly program: string
  readonly timeout: Duration.DurationInput
}) {
  const tell = tellLarge(onProgress)
  const path = yield* Path.Path
  if (isInMemory(filename)) return yield* noFileAt(filename)
  const found = yield* Effect.either(prepareDirectory({ filename, access: "replace", trustedFilesystems }))
  if (Either.isLeft(found) && found.left.reason !== "NotFound") return yield* found.left
  const file = Either.isLeft(found) ? path.resolve(filename) : found.right.file
  yield* soundDriver(file)
  yield* refuseOtherThanFiles(file)

  const chosen = yield* backup === undefined ? newestBeside(file) : backupAt(file, backup)
  const from = chosen.path
  const refuse = refusalOf(file, from)
  const orRefuse = <A, R>(step: Effect.Effect<A, CopyFailure, R>) =>
    Effect.catchAll(step, ({ code, detail, retryable }) =>
      Effect.flatMap(isLock(code) ? holdersOf(file) : Effect.succeed([]), (holders) =>
        refuse(reasonOf(code), { code, detail: `${detail}${describeHolders(holders)}`, retryable })
      )
    )
  yield* Effect.mapError(
    // Check here: SQLite would only say that it cannot open the file, which counts as retryable.
    trySync(() => files.requireAccess(from, { writing: false })),
    (failure) => refuse("NotProven", failure)
  )
  yield* orRefuse(
    trySync(() => {
      for (const part of partsOf(file)) files.requireAccessIfThere(part, { writing: true })
    })
  )
  if (yield* orRefuse(trySync(() => files.identity(from) === files.identity(file)))) {
    return yield* refuse("SameFile", nothing)
  }
  yield* tell("checking the backup", from)
  const notProven = (failure: { readonly code: string; readonly detail: string; readonly retryable: boolean }) =>
    refuse(isVerdict(failure) ? "NotABackup" : "NotProven", failure)
  const source = yield* Effect.mapError(readable(from, dryRun === true), ({ code, detail, retryable }) =>
    // What zlib says of damaged data.
    notProven({ code: /^Z_/.test(code) ? "" : code, detail, retryable })
  )
  const { schemaVersion, takesNote } = yield* Effect.mapError(proveBackup(source.path), notProven)
  if (chosen.named !== undefined && !isSameVersion(chosen.named.from, schemaVersion)) {
    const detail = `the history in ${from} ends at ${schemaVersion ?? "none"}`
    return yield* refuse("Ambiguous", { ...nothing, detail }, [chosen.named])
  }

  if (dryRun === true) {
    yield* orRefuse(refuseInUse(file))
    const isThere = yield* orRefuse(isFile(file))
    const would: Restored = {
      database: file,
      backup: from,
      schemaVersion,
      replaced: isThere ? keptName(file, yield* Clock.currentTimeMillis) : undefined
    }
    return would
  }
  // A start creates missing parents as well.
  if (Either.isLeft(found)) yield* prepareDirectory({ filename, access: "initialize", trustedFilesystems })
  const note = takesNote ? yield* restoreNote(from, program) : undefined
  // Where it is already a copy, no other one is needed.
  const isNoted = source.isOurs && note !== undefined
  if (isNoted) yield* orRefuse(noteIn(source.path, note))
  const noted: Source = {
    from: source.path,
    note: isNoted || note === undefined ? undefined : (copy) => writeNote(copy, note)
  }
  const restored: Restored = {
    database: file,
    backup: from,
    schemaVersion,
    replaced: yield* orRefuse(
      whileRestoringAlone(file, putBack(noted, file, tell, Duration.toMillis(timeout) < standstill))
    )
  }
  return restored
})

/** Returns the path under which what was there is kept. */
const putBack = Effect.fnUntraced(function* (from: Source, file: string, tell: Tell, isShort: boolean) {
  const isThere = yield* isFile(file)
  yield* refuseInUse(file)
  // SQLite may block at its first read for longer than this deadline.
  if (isThere && isShort) yield* Effect.scoped(readBeside(file))
  const kept = keptName(file, yield* Clock.currentTimeMillis)
  if (yield* isFile(kept)) return yield* new SystemFailure({ code: "EEXIST", detail: `${kept} already exists` })
  yield* isThere
    ? Effect.catchIf(overwrite(from, file, kept, tell), isUnreadable, () => replace(from, file, kept, tell))
    : replace(from, file, kept, tell)
  yield* Effect.catchAll(forgetUncommitted(file), ({ detail }) =>
    Effect.logWarning(`Not all marks of unfinished upgrades beside ${file} were deleted: ${detail}`)
  )
  return isThere ? kept : undefined
})

const keptName = (file: string, at: number): string => `${file}.replaced-${compactTime(at)}`

const noFileAt = (filename: string) =>
  new DirectoryError({ reason: "InvalidFilename", path: filename, detail: inMemory, retryable: false })

/** Refuses what a start refuses too: a directory, FIFO, socket or device where a file should be. */
const refuseOtherThanFiles = Effect.fnUntraced(function* (file: string) {
  for (const part of partsOf(file)) {
    const found = yield* Effect.mapError(
      trySync(() => files.stat(part)),
      (failure) => refusalOf(file, "")("NotWritten", failure)
    )
    if (found !== undefined && !found.isFile()) {
      const facts = { code: kindOf(found), detail: "not a regular file", retryable: false }
      return yield* new ConnectionError({ reason: "NotAFile", file: part, ...facts })
    }
  }
})

/** False if there is nothing. Fails if there is something other than a file: that can be neither read nor replaced. */
const isFile = (target: string): Effect.Effect<boolean, SystemFailure, FileSystem.FileSystem> =>
  Effect.flatMap(infoOf(target), (there) =>
    there === undefined || there.type === "File"
      ? Effect.succeed(there !== undefined)
      : Effect.fail(new SystemFailure(noFile(target, there)))
  )
