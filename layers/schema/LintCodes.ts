/** What `lint` can find: the codes, which never change their meaning, and how bad each is. */

/** `error`: it fails, or loses something, on a database with rows. `warning`: it may, or costs something. */
export type LintLevel = "error" | "warning"

/** Every code with its level. The page of migrations has a line for each. */
export const lintCodes: Readonly<Record<LintCode, LintLevel>> = {
  incomplete: "error",
  "not-sql": "error",
  "not-allowed": "error",
  "statement-fails": "error",
  "not-replayed": "warning",
  "double-quoted-string": "error",
  "dropped-column-used": "error",
  "broken-object": "error",
  "rebuild-undeclared": "error",
  "deletes-undeclared": "error",
  "drop-referenced": "error",
  "reference-to-missing": "error",
  "foreign-key-mismatch": "error",
  "foreign-key-without-index": "warning",
  "not-null-without-default": "error",
  "add-column-refused": "error",
  "not-null-on-existing": "warning",
  "unique-on-existing": "warning",
  "type-change": "warning",
  "rebuild-loses": "warning",
  "autoincrement-lost": "warning",
  "rowid-lost": "warning",
  "insert-select-star": "warning",
  "columns-mixed-up": "error",
  "whole-table-update": "warning",
  "depends-on-time": "warning",
  "hidden-drift": "warning",
  "ignore-without-reason": "warning",
  "ignore-unused": "warning",
  "ignore-unknown": "warning"
}

/** A code of a finding. */
export type LintCode =
  | "incomplete"
  | "not-sql"
  | "not-allowed"
  | "statement-fails"
  | "not-replayed"
  | "double-quoted-string"
  | "dropped-column-used"
  | "broken-object"
  | "rebuild-undeclared"
  | "deletes-undeclared"
  | "drop-referenced"
  | "reference-to-missing"
  | "foreign-key-mismatch"
  | "foreign-key-without-index"
  | "not-null-without-default"
  | "add-column-refused"
  | "not-null-on-existing"
  | "unique-on-existing"
  | "type-change"
  | "rebuild-loses"
  | "autoincrement-lost"
  | "rowid-lost"
  | "insert-select-star"
  | "columns-mixed-up"
  | "whole-table-update"
  | "depends-on-time"
  | "hidden-drift"
  | "ignore-without-reason"
  | "ignore-unused"
  | "ignore-unknown"

export const isLintCode = (code: string): code is LintCode => Object.hasOwn(lintCodes, code)

/** What is dangerous in a migration. */
export interface LintFinding {
  /** Never changes its meaning: for programs, and for `-- lint-ignore CODE: reason`. */
  readonly code: LintCode
  /** How bad it is. */
  readonly level: LintLevel
  /** The file in its directory, or `NNN_name` of a migration that is not a file. */
  readonly file: string
  /** Counted from 1. */
  readonly line: number
  /** What is wrong, for people. */
  readonly message: string
  /** What to do, for people. */
  readonly remedy: string
  /** The declaration that says that it is meant, such as `deletes = owners`; undefined where there is none. */
  readonly declares?: string | undefined
}

/** A finding in one file, before its comments are read. */
export interface Found extends Pick<LintFinding, "code" | "line" | "message" | "remedy" | "declares"> {}
