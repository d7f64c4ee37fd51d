/** The steps of a restore. */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { describeHolders, holdersOf } from "../machine/FileLocks.ts"
import { files, kindOf, trySync } from "../machine/files.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import type { CopyFailure } from "./BackupError.ts"
import { forgetUncommitted, infoOf, partsOf } from "./BackupFiles.ts"
import { compactTime } from "./BackupNames.ts"
import { ConnectionError } from "./ConnectionError.ts"
import { prepareDirectory } from "./DatabaseDirectory.ts"
import { isInMemory } from "./DatabasePath.ts"
import { DirectoryError } from "./DirectoryError.ts"
import { readBeside, standstill } from "./LeftoverWal.ts"
import { whileRestoringAlone } from "./LockFile.ts"
import { readable } from "./ReadableCopy.ts"
import type { Restored, RestoreOptions } from "./Restore.ts"
import { backupAt, isSameVersion, isVerdict, newestBeside, proveBackup } from "./RestoreChoice.ts"
import { inMemory, isUnreadable, noFile, nothing, reasonOf, refusalOf } from "./RestoreError.ts"
import { overwrite, refuseInUse, replace, type Source } from "./RestoreFile.ts"
import { noteIn, restoreNote, writeNote } from "./RestoreNote.ts"
import { type RestoreStep, type Tell, tellLarge } from "./RestoreStep.ts"
import { soundDriver } from "./SoundDriver.ts"
import { isLock } from "./Sqlite.ts"

/** From the choice of the backup to the database that it takes the place of, within one scope. */
export const restoreFrom = Effect.fnUntraced(function* ({
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
