/** What a code of SQLite or the system means, where the reason of a refusal leaves that to the code. */
import type { Meaning } from "./TaggedRefusal.ts"

interface Coded {
  readonly code: string
}

/** Another file is at the path, or a crash left work to complete first. The next start may succeed. */
const mayPassNextTime = (code: string): boolean => /^SQLITE_READONLY_(DBMOVED|ROLLBACK|RECOVERY)$/.test(code)

export const ofSqlite = ({ code }: Coded): Meaning => {
  if (mayPassNextTime(code)) return "tryAgain"
  if (/^SQLITE_(FULL|IOERR)/.test(code)) return "inputOutput"
  if (/^SQLITE_(READONLY|PERM|AUTH)/.test(code)) return "permission"
  return code.startsWith("SQLITE_CANTOPEN") ? "cannotCreate" : "data"
}

/** The code of a copy that could not be made. */
export const ofWriting = ({ code }: Coded): Meaning => {
  if (mayPassNextTime(code)) return "tryAgain"
  return /^(EACCES|EPERM|EROFS|SQLITE_READONLY)/.test(code) ? "permission" : "inputOutput"
}

/** The code of a directory that could not be read. */
export const ofSystem = ({ code }: Coded): Meaning => {
  if (code === "EACCES" || code === "EPERM") return "permission"
  return code === "ENOENT" || code === "ENOTDIR" ? "usage" : "inputOutput"
}
