/** What is at the path of a database, before anything opens it. */
import type { Stats } from "node:fs"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { locksOn, nameHolders, strangersOn } from "../machine/FileLocks.ts"
import { faultOfSharing } from "../machine/FilePermissions.ts"
import { files, kindOf } from "../machine/files.ts"
import type { SystemFailure } from "../machine/SystemFailure.ts"
import { type ConnectionError, refusal, systemReasons } from "./ConnectionError.ts"
import { atOnce, systemOutcomeOf } from "./edge.ts"

/** Refuses a database that its group may not use, if `permissions` is `group`. */
export const refuseUnshared = (file: string): Effect.Effect<void, ConnectionError> =>
  atOnce(function* () {
    const found = yield* systemOutcomeOf(
      () => faultOfSharing(file),
      (failure) => refusal(file, "CannotOpen", failure)
    )
    if (found === undefined) return
    const facts = { code: "", detail: `${found.path}: ${found.fault}`, retryable: false }
    return yield* refusal(file, "NotShared", facts)
  })

/** Looks when it is called, as the rest of this file does: an `Exit` where nothing is in the way. */
export const look = (file: string, access: "initialize" | "inspect") =>
  atOnce(function* () {
    const isHot = () => systemOutcomeOf(() => isUnfinished(file), notAnswered(file))
    const { journal, main, shm, wal } = yield* systemOutcomeOf(
      () => filesOf(file, { writing: access === "initialize" }),
      notAnswered(file)
    )
    // SQLite does not follow links to these files (`O_NOFOLLOW`), and would only say that it cannot open them.
    for (const [suffix, beside] of Object.entries({ "-wal": wal, "-shm": shm, "-journal": journal })) {
      if (beside !== undefined && !beside.isFile()) {
        const facts = { code: kindOf(beside), detail: "not a regular file", retryable: false }
        return yield* refusal(`${file}${suffix}`, "NotAFile", facts)
      }
    }
    if (access === "inspect" && journal !== undefined && journal.size > 0 && (main?.size === 0 || (yield* isHot()))) {
      return yield* refusal(file, "NotRecovered", { code: "", detail: `${file}-journal`, retryable: false })
    }
    const moved = shm === undefined ? undefined : movedFrom(file)
    if (moved !== undefined) return yield* refusal(file, "Moved", { code: "", detail: moved, retryable: false })
    const isPart = (found: Stats | undefined) => found !== undefined && found.size > 0
    // A journal whose header is zeros holds nothing of value.
    const isHotPart = isPart(journal) && (main !== undefined || (yield* isHot()))
    // A transaction that wrote the first page may have left a journal beside an empty file. Nothing leaves a WAL beside
    // one.
    const gone = isHotPart ? journal : isPart(wal) ? wal : undefined
    const part = main === undefined ? gone : main.size <= 1 && isPart(wal) ? wal : undefined
    if (part !== undefined) {
      // SQLite would treat an empty file as the whole database, and delete the WAL or journal of the lost one.
      const detail = `${file}${part === wal ? "-wal" : "-journal"}, ${part.size} bytes`
      return yield* refusal(file, "Orphaned", { code: "", detail, retryable: false })
    }
    if (main !== undefined && !main.isFile()) {
      return yield* refusal(file, "NotAFile", { code: kindOf(main), detail: "not a regular file", retryable: false })
    }
    if (main !== undefined && main.size > 0 && main.size < smallestPage && !isPart(journal)) {
      const detail = `${main.size} bytes; a database has at least one page`
      return yield* refusal(file, "NotADatabase", { code: "SQLITE_NOTADB", detail, retryable: false })
    }
    return {
      exists: main !== undefined,
      empty: main === undefined || main.size === 0,
      wal: main !== undefined && wal !== undefined,
      lastWritten: main === undefined || main.size === 0 ? undefined : newestTime(main, wal),
      walBytes: main === undefined ? 0 : (wal?.size ?? 0),
      shm: shm !== undefined,
      main
    }
  })

/**
 * Tells of processes that use the `-shm` of a database but do not have the database open: their file was renamed,
 * deleted or replaced, and this database would share its WAL. A `-shm` in use never belongs to an empty file.
 */
const movedFrom = (file: string): string | undefined => {
  try {
    const { isUsed, strangers } = strangersOn(file)
    if (strangers.length > 0) return `${file}-shm is locked by ${nameHolders(strangers)}`
    // Looked at after the locks: a neighbour that creates the database writes its first page before it has a -shm.
    return isUsed && (files.stat(file)?.size ?? 0) === 0 ? `${file}-shm is locked` : undefined
  } catch {
    // If locks cannot be seen, assume none.
    return undefined
  }
}

/**
 * Whether a transaction was left unfinished. With `journal_mode = persist` a finished journal stays, with a header of
 * zeros (https://sqlite.org/pragma.html#pragma_journal_mode).
 */
const isUnfinished = (file: string): boolean => (files.firstByte(`${file}-journal`) ?? 0) !== 0

const notAnswered = (file: string) => (failure: SystemFailure) =>
  refusal(file, systemReasons[failure.code] ?? "CannotOpen", failure)

/** Of a database's pages (https://sqlite.org/fileformat2.html#pages). SQLite treats a file of one byte as empty. */
export const smallestPage = 512

/** Undefined if a date cannot hold it: some filesystems store 64-bit seconds. */
const newestTime = (main: Stats, wal: Stats | undefined): number | undefined => {
  const millis = Math.round(Math.max(main.mtimeMs, wal?.mtimeMs ?? 0))
  return Math.abs(millis) <= 8.64e15 ? millis : undefined
}

/** The files of a database. Throws if this user may not use one of them. */
const filesOf = (file: string, use: { readonly writing: boolean }) => {
  // Read the database file last: a process that creates all of them begins with it.
  const [wal, journal, shm] = [files.lstat(`${file}-wal`), files.lstat(`${file}-journal`), files.lstat(`${file}-shm`)]
  const main = files.stat(file)
  // SQLite silently opens what it may not write, and only the first write would fail. A process that closes the
  // database may delete the files beside it at any moment.
  for (const suffix of ["", "-wal", "-shm"]) files.requireAccessIfThere(`${file}${suffix}`, use)
  return { main, wal, journal, shm }
}

/**
 * `status` may create -wal and -shm only if it can delete them: files of another user would block the next start. While
 * a program has the database open they exist already.
 */
export const requireRemovableSidecars = (
  file: string,
  isDirectoryWritable: boolean
): Effect.Effect<void, ConnectionError> => {
  const may = (suffix: string, writing: boolean) => files.isUsable(`${file}${suffix}`, { writing })
  const stays = (isDirectoryWritable && may("", true)) || (may("-wal", false) && may("-shm", false))
  return stays ? Exit.void : refusal(file, "NotReadable", { code: "", detail: "nobody has it open", retryable: false })
}

/** What the files beside a database tell about the process that had it open last. */
export type Shutdown = "clean" | "unclean" | "shared"

/**
 * Whether a running process has the database open in WAL mode: it then holds a shared lock on the `-shm`
 * (https://sqlite.org/walformat.html, 2.3.1). Finding no lock proves nothing, so the answer is then "unclean", which
 * makes the start look harder.
 */
export const shutdownOf = (file: string): "shared" | "unclean" =>
  locksOn(`${file}-shm`).length > 0 ? "shared" : "unclean"
