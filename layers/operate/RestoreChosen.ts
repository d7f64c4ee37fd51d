/** Restores the backup of a time or of a version, also to another place. */
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { digestOf } from "../machine/digest.ts"
import { files, kindOf, trySync } from "../machine/files.ts"
import { isOlder, parseBackupName } from "../sqlite/BackupNames.ts"
import { absoluteName, faultOfName, isInMemory, realFile } from "../sqlite/DatabasePath.ts"
import { DirectoryError, refusalOfName } from "../sqlite/DirectoryError.ts"
import { type RestoreOptions, restoreBackup } from "../sqlite/Restore.ts"
import { newestBeside } from "../sqlite/RestoreChoice.ts"
import { nothing, refusalOf } from "../sqlite/RestoreError.ts"
import { withDatabaseSpan } from "../start/databaseSpan.ts"
import { inDatabase } from "../start/Refusal.ts"
import { type ListedBackup, listBackups } from "./BackupList.ts"

/** Which backup to restore, and where to. */
export interface RestoreChosenOptions extends RestoreOptions {
  /** Take the newest one that was made at or before this time, in milliseconds since the epoch. Default: any time. */
  readonly at?: number | undefined
  /**
   * Take the newest one whose schema is at this version, such as `002`. Of a compressed one the header tells it, which
   * has versions up to 2147483647. Default: any version.
   */
  readonly version?: string | undefined
  /** Look for it in this directory too, and take the newest one where neither a time nor a version is given. Default none. */
  readonly directory?: string | undefined
  /** Restore to this path instead, at which nothing may be yet. The database is not touched, and may be in use. Default: the database. */
  readonly output?: string | undefined
}

/**
 * `restoreBackup` with a backup that is chosen by its time or its version, or by its path, and to another place where
 * `output` is given. What an earlier restore replaced is no backup here: name it with `backup`. If names and times of
 * files contradict each other, it refuses with `RestoreError`, reason `Ambiguous`. Fails as `restoreBackup` does.
 *
 * @example
 * ```ts
 * import { restoreChosen } from "database-ready/operate"
 *
 * export const lookAtYesterday = restoreChosen({
 *   filename: "data/app.db",
 *   at: Date.parse("2026-11-27T12:00:00Z"),
 *   output: "/tmp/yesterday.db"
 * })
 * ```
 */
export const restoreChosen = ({ at, directory, output, version, ...options }: RestoreChosenOptions) =>
  Effect.gen(function* () {
    const { backup, filename } = options
    const wrong = refusalOfName(filename)
    if (wrong !== undefined) return yield* wrong
    const isChosen = at !== undefined || version !== undefined || directory !== undefined
    if (output !== undefined) yield* requireFree(filename, output)
    const target = output ?? filename
    if (!isChosen && (backup !== undefined || output === undefined)) {
      return yield* restoreBackup({ ...options, filename: target })
    }
    const path = yield* Path.Path
    const wanted = absoluteName(filename)
    if (backup !== undefined) {
      const detail = "a path was given together with a time, a version or a directory"
      return yield* refusalOf(wanted, path.resolve(backup))("TwoChoices", { ...nothing, detail })
    }
    if (!isChosen) {
      const file = yield* Effect.orElseSucceed(
        trySync(() => realFile(path, wanted) ?? wanted),
        () => wanted
      )
      return yield* restoreBackup({ ...options, backup: (yield* newestBeside(file)).path, filename: target })
    }
    const found = yield* listBackups({ filename, directory, onOpen: options.onOpen })
    const chosen = yield* chooseFrom(wanted, found, at, version)
    if (version !== undefined) {
      // The list may know a version from the header alone. The history is what counts.
      const { schemaVersion } = yield* restoreBackup({
        ...options,
        backup: chosen.file,
        filename: target,
        dryRun: true
      })
      if (schemaVersion === undefined || Number(schemaVersion) !== Number(version)) {
        const detail = `the history in ${chosen.file} ends at ${schemaVersion ?? "none"}, and not at ${version}`
        return yield* refusalOf(wanted, chosen.file)("Ambiguous", { ...nothing, detail })
      }
    }
    return yield* restoreBackup({ ...options, backup: chosen.file, filename: target })
  }).pipe(
    Effect.mapError((refused) => inDatabase(absoluteName(output ?? options.filename), refused)),
    (restore) => withDatabaseSpan(restore, absoluteName(output ?? options.filename), "restore")
  )

/** What belongs to the database, or to somebody else, is not restored over. */
const requireFree = Effect.fnUntraced(function* (filename: string, output: string) {
  const path = yield* Path.Path
  const refuse = (detail: string) => new DirectoryError({ reason: "Taken", path: output, detail, retryable: false })
  if (faultOfName(output) !== undefined || isInMemory(output)) return
  const realOf = (wanted: string) =>
    Effect.orElseSucceed(
      trySync(() => realFile(path, wanted) ?? wanted),
      () => wanted
    )
  const database = yield* realOf(path.resolve(filename))
  const wanted = yield* realOf(path.resolve(output))
  if (wanted === database) {
    return yield* refuse("it is the database itself: leave the output out to restore in its place")
  }
  // SQLite would take it for a part of the database.
  if (["-wal", "-shm", "-journal"].some((suffix) => wanted === `${database}${suffix}`)) {
    return yield* refuse("it belongs to the database")
  }
  const there = yield* Effect.mapError(
    trySync(() => files.lstat(path.resolve(output))),
    ({ detail }) => refuse(detail)
  )
  if (there !== undefined) return yield* refuse(`a ${kindOf(there).toLowerCase()} is there already`)
})

const chooseFrom = Effect.fnUntraced(function* (
  file: string,
  found: ReadonlyArray<ListedBackup>,
  at: number | undefined,
  version: string | undefined
) {
  const refuse = refusalOf(file, "")
  const backups = found.filter(
    ({ kind, schemaVersion }) =>
      (kind === "upgrade" || kind === "copy") &&
      (version === undefined || (schemaVersion !== undefined && Number(schemaVersion) === Number(version)))
  )
  const isInTime = (backup: ListedBackup) => at === undefined || Date.parse(backup.at) <= at
  // Sorted by time.
  const chosen = backups.find(isInTime)
  const sought = [
    version === undefined ? "" : `is at version ${version}`,
    at === undefined ? "" : `was made at or before ${new Date(at).toISOString()}`
  ]
  if (chosen === undefined) {
    return yield* refuse("NoBackup", {
      ...nothing,
      detail: ["none", sought.filter((part) => part !== "").join(" and ")].join(" ").trim()
    })
  }
  // The time of a file changes when it is copied. Names tell the order of those that upgrades made.
  const name = nameOf(chosen)
  const contradicting = backups.filter((other) => {
    const otherName = nameOf(other)
    if (name === undefined || otherName === undefined) return false
    return isInTime(other) ? isOlder(name, otherName) : isOlder(otherName, name)
  })
  if (contradicting.length > 0) {
    const detail = `by their names and by the times of the files another one is newer: ${[chosen, ...contradicting].map(({ at: time, file: one }) => `${one} of ${time}`).join("; ")}`
    return yield* refuse("Ambiguous", { ...nothing, detail })
  }
  const rivals = yield* differing(chosen, backups)
  if (rivals.length > 0) {
    const detail = `made at the same time, and not the same: ${[chosen, ...rivals].map(({ file: one }) => one).join("; ")}`
    return yield* refuse("Ambiguous", { ...nothing, detail })
  }
  return chosen
})

/** Others whose names have the same time. A copy of the same backup in another directory is as good. */
const differing = Effect.fnUntraced(function* (chosen: ListedBackup, backups: ReadonlyArray<ListedBackup>) {
  const isRival = ({ at, atFrom, file }: ListedBackup) =>
    file !== chosen.file && at === chosen.at && atFrom === "name" && chosen.atFrom === "name"
  const rivals = backups.filter(isRival)
  if (rivals.length === 0) return []
  const digest = yield* Effect.option(digestOf(chosen.file))
  return yield* Effect.filter(rivals, ({ file }) =>
    Effect.map(
      Effect.option(digestOf(file)),
      (other) => Option.isNone(digest) || Option.getOrNull(other) !== digest.value
    )
  )
})

const nameOf = ({ file, kind }: ListedBackup) =>
  kind === "upgrade" ? parseBackupName(/\.(?:none|\d+)-to-\d+(?:\.\d+)?\.backup$/.exec(file)?.[0] ?? "") : undefined
