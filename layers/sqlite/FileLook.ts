/** What lies at the path of a database, before anything opens it. */
import type { Stats } from "node:fs"
import * as Effect from "effect/Effect"
import { locksOn, nameHolders, strangersOn } from "../machine/FileLocks.ts"
import { faultOfSharing } from "../machine/FilePermissions.ts"
import { files, kindOf, trySync } from "../machine/files.ts"
import { type ConnectionError, refusal, systemReasons } from "./ConnectionError.ts"

/** Refuses a database that its group may not use, where the settings give it to the group. */
export const refuseUnshared = (file: string): Effect.Effect<void, ConnectionError> =>
  trySync(() => faultOfSharing(file)).pipe(
    Effect.mapError((failure) => refusal(file, "CannotOpen", failure)),
    Effect.flatMap((found) =>
      found === undefined
        ? Effect.void
        : refusal(file, "NotShared", { code: "", detail: `${found.path}: ${found.fault}`, retryable: false })
    )
  )

export const look = Effect.fnUntraced(function* (file: string, access: "initialize" | "inspect") {
  const { journal, main, shm, wal } = yield* Effect.mapError(
    trySync(() => filesOf(file, { writing: access === "initialize" })),
    (failure) => refusal(file, systemReasons[failure.code] ?? "CannotOpen", failure)
  )
  // SQLite follows no link to one of them (`O_NOFOLLOW`), and could only say that it cannot open it.
  for (const [suffix, beside] of Object.entries({ "-wal": wal, "-shm": shm, "-journal": journal })) {
    if (beside !== undefined && !beside.isFile()) {
      const facts = { code: kindOf(beside), detail: "not a regular file", retryable: false }
      return yield* refusal(`${file}${suffix}`, "NotAFile", facts)
    }
  }
  if (access === "inspect" && journal !== undefined && journal.size > 0 && (main?.size === 0 || (yield* isHot(file)))) {
    return yield* refusal(file, "NotRecovered", { code: "", detail: `${file}-journal`, retryable: false })
  }
  const moved = shm === undefined ? undefined : yield* movedFrom(file, main)
  if (moved !== undefined) return yield* refusal(file, "Moved", { code: "", detail: moved, retryable: false })
  const isPart = (found: Stats | undefined) => found !== undefined && found.size > 0
  // A journal whose header is zeros holds nothing that anybody could miss.
  const isHotPart = isPart(journal) && (main !== undefined || (yield* isHot(file)))
  // A transaction that made the first page may have left a journal beside an empty file; nothing leaves a WAL there.
  const gone = isHotPart ? journal : isPart(wal) ? wal : undefined
  const part = main === undefined ? gone : main.size <= 1 && isPart(wal) ? wal : undefined
  if (part !== undefined) {
    // SQLite would take an empty file for the whole database, and delete what belongs to the lost one.
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
 * Who uses the `-shm` of a database without having it open: theirs was renamed, deleted or replaced, and its WAL would
 * become that of this one. A `-shm` that is in use is never that of a file without a page.
 */
const movedFrom = Effect.fnUntraced(function* (file: string, main: Stats | undefined) {
  // Where the locks cannot be seen, nobody is.
  const none = { isUsed: false, strangers: [] }
  const { isUsed, strangers } = yield* Effect.orElseSucceed(
    trySync(() => strangersOn(file)),
    () => none
  )
  if (strangers.length > 0) return `${file}-shm is locked by ${nameHolders(strangers)}`
  const isBlank = main === undefined || main.size === 0
  return isBlank && isUsed ? `${file}-shm is locked` : undefined
})

/**
 * Whether a transaction was not finished. With `journal_mode = persist` a journal stays behind whose header was
 * overwritten with zeros (https://sqlite.org/pragma.html#pragma_journal_mode).
 */
const isHot = (file: string): Effect.Effect<boolean, ConnectionError> =>
  Effect.mapError(
    trySync(() => (files.firstByte(`${file}-journal`) ?? 0) !== 0),
    (failure) => refusal(file, systemReasons[failure.code] ?? "CannotOpen", failure)
  )

/** Of a database's pages (https://sqlite.org/fileformat2.html#pages). SQLite takes a file of one byte for an empty one. */
export const smallestPage = 512

/** Undefined where a date cannot hold it: some filesystems have 64 bits for the seconds. */
const newestTime = (main: Stats, wal: Stats | undefined): number | undefined => {
  const millis = Math.round(Math.max(main.mtimeMs, wal?.mtimeMs ?? 0))
  return Math.abs(millis) <= 8.64e15 ? millis : undefined
}

/** What there is of a database, all of which this user may use. */
const filesOf = (file: string, use: { readonly writing: boolean }) => {
  // The file last: a neighbour who makes all of them begins with it.
  const [wal, journal, shm] = [files.lstat(`${file}-wal`), files.lstat(`${file}-journal`), files.lstat(`${file}-shm`)]
  const main = files.stat(file)
  // SQLite would open what it may not write without a word, and only the first write would tell. A neighbour
  // who closes takes what is beside the file away at any moment.
  for (const suffix of ["", "-wal", "-shm"]) files.requireAccessIfThere(`${file}${suffix}`, use)
  return { main, wal, journal, shm }
}

/**
 * An inspection may make files only where it can take them away again: those of another user would be in the
 * way of the next start. Where a program has the database open they are there already.
 */
export const requireRemovableSidecars = (
  file: string,
  isDirectoryWritable: boolean
): Effect.Effect<void, ConnectionError> =>
  Effect.suspend(() => {
    const may = (suffix: string, writing: boolean) => files.isUsable(`${file}${suffix}`, { writing })
    const stays = (isDirectoryWritable && may("", true)) || (may("-wal", false) && may("-shm", false))
    return stays
      ? Effect.void
      : refusal(file, "NotReadable", { code: "", detail: "nobody has it open", retryable: false })
  })

/** What the files beside a database tell of whoever had it open last. */
export type Shutdown = "clean" | "unclean" | "shared"

/**
 * Whether a living process has the database open in WAL mode: it then holds a shared lock on the
 * `-shm` file (https://sqlite.org/walformat.html, 2.3.1). Not to find one is no proof that nobody is
 * there, so "unclean" is the answer that makes us look harder.
 */
export const shutdownOf = (file: string): Effect.Effect<"shared" | "unclean"> =>
  Effect.map(locksOn(`${file}-shm`), (locks) => (locks.length > 0 ? "shared" : "unclean"))
