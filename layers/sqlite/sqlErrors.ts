/** What an error says about the database, whichever client or statement it came from. */
import * as Record from "effect/Record"
import { codeOf } from "../machine/SystemFailure.ts"
import { chainOf } from "../start/CauseDetail.ts"
import { isRefusal } from "../start/TaggedRefusal.ts"
import { codeReason } from "./codeReason.ts"

/**
 * Whether another connection's lock was in the way: `SQLITE_BUSY`, `SQLITE_LOCKED`, `SQLITE_PROTOCOL`. Run the
 * whole transaction again, not its last statement. Like the others of its kind it takes any error: a `SqlError` of any
 * client on SQLite, an error of this library, or what was caused by one.
 *
 * @example
 * ```ts
 * import type { SqlError } from "@effect/sql/SqlError"
 * import { isBusy, isUniqueViolation } from "database-ready"
 * import { Effect, Schedule } from "effect"
 *
 * export const insert = <R>(transaction: Effect.Effect<void, SqlError, R>) =>
 *   transaction.pipe(
 *     Effect.retry({ while: isBusy, schedule: Schedule.exponential("10 millis"), times: 5 }),
 *     Effect.catchIf(isUniqueViolation, () => Effect.logInfo("It is there already"))
 *   )
 * ```
 */
export const isBusy = (error: unknown): boolean => means(error, "busy")

/** Whether the disk, or the quota on it, is full: `SQLITE_FULL`. */
export const isFull = (error: unknown): boolean => means(error, "full")

/**
 * Whether this connection or this process may only read, or not even that: `SQLITE_READONLY`, `SQLITE_PERM`,
 * `SQLITE_AUTH`. A file that was replaced, and one that a crash left to be rolled back, are something else.
 */
export const isReadOnly = (error: unknown): boolean => means(error, "readOnly")

/** Whether the file is damaged, or not a SQLite database: `SQLITE_CORRUPT`, `SQLITE_NOTADB`. */
export const isDamaged = (error: unknown): boolean => means(error, "damaged")

/** Whether the disk failed: `SQLITE_IOERR`. One that is full is something else: `isFull`. */
export const isIoError = (error: unknown): boolean => means(error, "ioError")

/** Whether a row was refused by a constraint of the schema: `SQLITE_CONSTRAINT`, of whatever kind. */
export const isConstraint = (error: unknown): boolean => isViolated(error, "")

/** Whether the row is there already: a `UNIQUE` constraint or index, a primary key, or a rowid. */
export const isUniqueViolation = (error: unknown): boolean => isViolated(error, "_UNIQUE", "_PRIMARYKEY", "_ROWID")

/** Whether a row that is referred to is not there, or one that is still referred to would go. */
export const isForeignKeyViolation = (error: unknown): boolean => isViolated(error, "_FOREIGNKEY")

/** Whether a column that is `NOT NULL` would have no value. */
export const isNotNullViolation = (error: unknown): boolean => isViolated(error, "_NOTNULL")

/** Whether a `CHECK` constraint does not hold. */
export const isCheckViolation = (error: unknown): boolean => isViolated(error, "_CHECK")

const meanings = {
  busy: ["Busy"],
  full: ["DiskFull", "NoSpace"],
  readOnly: ["PermissionDenied", "ReadOnly", "ReadOnlyFilesystem"],
  damaged: ["Damaged", "NotADatabase", "DamagedPages"],
  ioError: ["IoError"]
} as const

type Meaning = keyof typeof meanings

/** The outermost error that tells anything decides: a `WriteError` knows more than SQLite's code in its cause. */
const means = (error: unknown, meaning: Meaning): boolean => {
  for (const one of chainOf(error)) {
    const told = meaningOf(isRefusal(one) ? one.reason : undefined) ?? meaningOf(codeReason(codeOf(one) ?? ""))
    if (told !== undefined) return told === meaning
  }
  return false
}

const meaningOf = (reason: string | undefined): Meaning | undefined =>
  Record.keys(meanings).find((meaning) => meanings[meaning].some((one) => one === reason))

const isViolated = (error: unknown, ...kinds: ReadonlyArray<string>): boolean =>
  chainOf(error).some((one) => kinds.some((kind) => codeOf(one)?.startsWith(`SQLITE_CONSTRAINT${kind}`)))
