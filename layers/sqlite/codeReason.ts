/** What an SQLite code says about a database, whatever statement it came from. */
import { files } from "../machine/files.ts"
import { isLock } from "./Sqlite.ts"

export type CodeReason =
  | "NotADatabase"
  | "Damaged"
  | "Busy"
  | "NotRecovered"
  | "Replaced"
  | "PermissionDenied"
  | "DiskFull"
  | "IoError"

/** Undefined if a code has many causes. */
export const codeReason = (code: string): CodeReason | undefined => {
  if (code.startsWith("SQLITE_NOTADB")) return "NotADatabase"
  if (code.startsWith("SQLITE_CORRUPT")) return "Damaged"
  if (isLock(code)) return "Busy"
  if (code === "SQLITE_READONLY_ROLLBACK") return "NotRecovered"
  // Before it creates a journal, SQLite compares the file at the path with the one that it has open.
  if (code === "SQLITE_READONLY_DBMOVED") return "Replaced"
  if (/^SQLITE_(READONLY|PERM|AUTH)/.test(code)) return "PermissionDenied"
  if (code.startsWith("SQLITE_FULL")) return "DiskFull"
  return code.startsWith("SQLITE_IOERR") && code !== "SQLITE_IOERR_NOMEM" ? "IoError" : undefined
}

/**
 * Whether an I/O error means that the disk is full. SQLite says `FULL` only if a write fails with ENOSPC. If a `-shm`
 * cannot grow, it says that an I/O error occurred (`unixShmMap` in os_unix.c).
 */
export const isDiskFull = (database: string, code: string): boolean =>
  /^SQLITE_IOERR_(WRITE|SHMSIZE|TRUNCATE|FSYNC)$/.test(code) &&
  (files.freeBytes(database) ?? Number.POSITIVE_INFINITY) < smallest

/** Bytes by which SQLite grows a `-shm`. */
const smallest = 32 * 1024
