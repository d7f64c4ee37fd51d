/** The checks of a database, and what each of them can say. */
import type { InitializationError } from "../../sqlite/InitializationReport.ts"

/** The name of a check, in the order of the list. */
export type CheckName =
  | "SQLite version"
  | "directory"
  | "file"
  | "file rights"
  | "journal mode"
  | "history"
  | "schema"
  | "views and triggers"
  | "pages"
  | "foreign keys"
  | "statistics"
  | "WAL"
  | "free pages"
  | "backups"
  | "free space"

/** What one check found. */
export interface DatabaseCheck {
  /** What was looked at. */
  readonly name: CheckName
  /** `unknown`: it could not be looked at, or was not to be; `found` says why. */
  readonly status: "pass" | "warn" | "fail" | "unknown"
  /** What was found, for people. */
  readonly found: string
  /** What to do now, for people; "" where nothing is to be done. */
  readonly remedy: string
}

/** What a check says, and what kept the database from being ready. */
export interface Judged extends Omit<DatabaseCheck, "name"> {
  readonly refusal?: InitializationError
}

export const pass = (found: string): Judged => ({ status: "pass", found, remedy: "" })
export const warn = (found: string, remedy: string): Judged => ({ status: "warn", found, remedy })
export const fail = (found: string, remedy: string): Judged => ({ status: "fail", found, remedy })
export const unknown = (found: string): Judged => ({ status: "unknown", found, remedy: "" })

const said = (refusal: InitializationError) => ({ found: refusal.sentence, remedy: refusal.remedy, refusal })
export const failWith = (refusal: InitializationError): Judged => ({ status: "fail", ...said(refusal) })
export const unknownFor = (refusal: InitializationError): Judged => ({ status: "unknown", ...said(refusal) })
