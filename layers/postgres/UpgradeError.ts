/** Why migrations are not applied. */
import * as Data from "effect/Data"
import { jsonOf, messageOf } from "../start/Refusal.ts"
import type { PostgresFailure } from "./PostgresFailure.ts"

/** A table that has fewer rows than it had. */
export interface Loss {
  /** The name of the table, with its schema where that is another one. */
  readonly table: string
  /** How many rows fewer; undefined: all of them. */
  readonly rows: number | undefined
}

/** The pending migrations could not be applied. Everything was rolled back. */
export class UpgradeError extends Data.TaggedError("UpgradeError")<{
  /**
   * - `Pending`: an inspection finds migrations to apply.
   * - `Busy`: another program migrates this database, or has locked a table.
   * - `StatementFailed`: a statement failed.
   * - `EffectFailed`: a migration that is an Effect failed.
   * - `TransactionEnded`: a migration ended the transaction.
   * - `NotAllowed`: a statement cannot be run in a migration.
   * - `NotForPostgres`: a migration declares, or is, something that only SQLite has.
   * - `Incomplete`: there is nothing to run.
   * - `RowsDeleted`: rows would go that no declaration names.
   * - `NotWritten`: the history could not be written, or the commit failed.
   */
  readonly reason:
    | "Pending"
    | "Busy"
    | "StatementFailed"
    | "EffectFailed"
    | "TransactionEnded"
    | "NotAllowed"
    | "NotForPostgres"
    | "Incomplete"
    | "RowsDeleted"
    | "NotWritten"
  /** The migration at fault, as `NNN_name`; all that are pending where none is. */
  readonly migration: string
  /** The statement at fault, shortened, or "". */
  readonly statement: string
  /** The line at fault in its file, counted from 1; 0 where there is none. */
  readonly line: number
  /** What PostgreSQL said, or what is wrong. */
  readonly detail: string
  /** What `RowsDeleted` would have deleted; else empty. */
  readonly losses: ReadonlyArray<Loss>
  /** PostgreSQL's code where it refused, else "". */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** The URL of the database, without user and password. */
  readonly database?: string | undefined
  /** What an Effect failed with. */
  readonly cause?: unknown
}> {
  /** The sentence, the database and the remedy in one line. */
  override get message(): string {
    return messageOf(this)
  }

  /** What JSON loggers write: the sentence as `message`, the remedy, and the facts. */
  override toJSON(): object {
    // Anything may be in a cause, even what cannot be written; the detail tells of it.
    return { ...jsonOf(this), cause: undefined }
  }

  /** What is wrong, for people. */
  get sentence(): string {
    const where = this.line === 0 ? "" : ` in line ${this.line}, \`${this.statement}\``
    const code = this.code === "" ? "" : `${this.code}: `
    return `${catalogue[this.reason][0](this.migration)}${where} (${code}${this.detail})`
  }

  /** What to do now, for people. */
  get remedy(): string {
    const remedy = catalogue[this.reason][1]
    return this.reason === "Pending" ? remedy : `${remedy} Nothing was changed.`
  }
}

type Reason = UpgradeError["reason"]

const catalogue: Record<Reason, readonly [sentence: (migration: string) => string, remedy: string]> = {
  Pending: [
    (migration) => `Migrations are pending: ${migration}`,
    "Start this program without `access: inspect`: that applies them."
  ],
  Busy: [
    (migration) => `Another program has locked what ${migration} needs`,
    "Let the other program finish, or end its session with `pg_terminate_backend`."
  ],
  StatementFailed: [(migration) => `Migration ${migration} failed`, "Fix the statement and start again."],
  EffectFailed: [(migration) => `Migration ${migration} failed`, "Fix the migration's Effect and start again."],
  TransactionEnded: [
    (migration) => `Migration ${migration} ended the transaction in which all migrations are applied`,
    "Remove COMMIT and ROLLBACK from it."
  ],
  NotAllowed: [
    (migration) => `Migration ${migration} contains a statement that a migration cannot run`,
    "Remove the statement. The library begins and ends the transaction of all pending migrations."
  ],
  NotForPostgres: [
    (migration) => `Migration ${migration} cannot be applied to PostgreSQL`,
    "Keep the migrations of PostgreSQL in a directory of their own, without it."
  ],
  Incomplete: [(migration) => `Migration ${migration} is incomplete`, "Write the missing part."],
  RowsDeleted: [
    (migration) => `Migration ${migration} would delete rows without declaring it`,
    "If that is meant, write `-- database-ready: deletes = TABLE, TABLE` above the first statement."
  ],
  NotWritten: [
    (migration) => `Applying ${migration} could not be finished`,
    "Fix what PostgreSQL's message names, then start again."
  ]
}

export const upgradeError = (
  reason: Reason,
  migration: string,
  facts: {
    readonly detail?: string
    readonly statement?: string
    readonly line?: number
    readonly failure?: PostgresFailure
    readonly losses?: ReadonlyArray<Loss>
    readonly cause?: unknown
  }
): UpgradeError =>
  new UpgradeError({
    // A lock that is waited for too long is the same whatever ran.
    reason: facts.failure?.code === "55P03" ? "Busy" : reason,
    migration,
    statement: shorten(facts.statement ?? ""),
    line: facts.line ?? 0,
    detail: facts.detail ?? facts.failure?.detail ?? "",
    losses: facts.losses ?? [],
    code: facts.failure?.code ?? "",
    retryable: facts.failure?.retryable ?? reason === "Busy",
    ...("cause" in facts ? { cause: facts.cause } : {})
  })

const shorten = (statement: string): string => {
  const line = statement.replace(/\s+/g, " ")
  return line.length > 120 ? `${line.slice(0, 117)}...` : line
}
