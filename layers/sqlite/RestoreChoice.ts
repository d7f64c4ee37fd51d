/** Chooses and proves the backup to restore. */
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import { readHistory } from "./AppliedMigrations/MigrationHistory.ts"
import { type BackupFile, backupsOf, infoOf, isAbsent, siblingFiles } from "./BackupFiles.ts"
import { newestCandidates } from "./BackupNames.ts"
import { refuseEmpty } from "./DatabaseCopy.ts"
import { faultOfName, isInMemory, withoutSecrets } from "./DatabasePath.ts"
import { atEdge } from "./edge.ts"
import { cureOfMissing } from "./MissingExtension.ts"
import { proveCopy } from "./PageCheck.ts"
import { inMemory, noFile, nothing, reasonOf, refusalOf } from "./RestoreError.ts"
import { takesNote } from "./RestoreNote.ts"
import { openSqlite } from "./Sqlite.ts"

/** A backup to restore, and its name if it was chosen by it. */
interface Chosen {
  readonly path: string
  readonly named?: BackupFile
}

/** The backup that was asked for. A link to a file is accepted. */
export const backupAt = Effect.fnUntraced(function* (file: string, backup: string) {
  const path = yield* Path.Path
  const fault = isInMemory(backup) ? inMemory : faultOfName(backup)
  if (fault !== undefined) {
    return yield* refusalOf(file, JSON.stringify(withoutSecrets(backup)))("NoBackup", { ...nothing, detail: fault })
  }
  const chosen: Chosen = { path: path.resolve(backup) }
  const refuse = refusalOf(file, chosen.path)
  const there = yield* Effect.mapError(infoOf(chosen.path), (failure) =>
    refuse(/^(ENOTDIR|ELOOP|ENAMETOOLONG)$/.test(failure.code) ? "NoBackup" : "NotProven", failure)
  )
  if (there === undefined) return yield* refuse("NoBackup", nothing)
  if (there.type !== "File") return yield* refuse("NotABackup", noFile(chosen.path, there))
  return chosen
})

/** The newest backup beside the database, by name. If the names do not tell, it refuses instead of guessing. */
export const newestBeside = Effect.fnUntraced(function* (file: string) {
  const refuse = refusalOf(file, "")
  const backups = yield* Effect.mapError(backupsOf(file), (failure) =>
    refuse(isAbsent(failure) ? "NoBackup" : reasonOf(failure.code), failure)
  )
  const [newest, ...others] = newestCandidates(backups)
  if (newest === undefined) {
    const copies = yield* Effect.orElseSucceed(siblingFiles(file, /\.backup(?:\.gz|\.zst)?$/), () => [])
    const detail = copies.length === 0 ? "" : `there is ${copies.map(({ path }) => path).join(", ")}`
    return yield* refuse("NoBackup", { ...nothing, detail })
  }
  const candidates = [newest, ...others]
  if (others.length > 0) {
    return yield* refuse("Ambiguous", { ...nothing, detail: candidates.map(describeBackup).join("; ") }, candidates)
  }
  const chosen: Chosen = { path: newest.path, named: newest }
  return chosen
})

const describeBackup = ({ bytes, from, modifiedAt, path, to }: BackupFile): string =>
  `${path} from version ${from ?? "none"}, before ${to}, ${bytes} bytes, modified ${new Date(modifiedAt).toISOString()}`

export const isSameVersion = (one: string | undefined, other: string | undefined): boolean =>
  one === undefined || other === undefined ? one === other : Number(one) === Number(other)

/** Whether an error is about the backup itself, not about a lock, the disk, a right, the driver or a missing extension. */
export const isVerdict = ({ code, detail, retryable }: typeof nothing): boolean =>
  !retryable && /^(SQLITE_(?!IOERR|FULL|NOMEM|READONLY)|$)/.test(code) && cureOfMissing(detail) === undefined

/** Checks a backup. Gives the newest version that it records, and whether its history takes a note. */
export const proveBackup = (backup: string) =>
  proveCopy(backup).pipe(
    Effect.zipRight(openSqlite({ filename: backup, readonly: true })),
    Effect.tap(refuseEmpty),
    Effect.flatMap((sqlite) => atEdge(() => readHistory(sqlite), identity)),
    Effect.scoped,
    Effect.map((history) => ({ schemaVersion: newestVersion(history.rows), takesNote: takesNote(history) })),
    Effect.mapError((failure) => ({
      code: failure.code,
      detail: whatIsWrong(failure),
      retryable: failure.retryable
    }))
  )

/** Without the remedy that a message ends with: it is about the database, and this is a copy. */
export const whatIsWrong = (failure: { readonly message: string; readonly sentence?: string }): string =>
  failure.sentence ?? failure.message

/** The newest of the versions that a history records. */
export const newestVersion = (rows: ReadonlyArray<{ readonly version: string }>): string | undefined =>
  [...rows].sort((one, other) => Number(one.version) - Number(other.version)).at(-1)?.version
