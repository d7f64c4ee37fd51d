/** Why migrations are not applied. */
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"
import type { PostgresFailure } from "./PostgresFailure.ts"
import { ofPostgres, remedyOr } from "./serverCodes.ts"

/** A table that has fewer rows than it had. */
export interface Loss {
  /** The name of the table, with its schema where that is another one. */
  readonly table: string
  /** How many rows fewer; undefined: all of them. */
  readonly rows: number | undefined
}

/** The pending migrations could not be applied. What is one transaction was rolled back whole. */
export class UpgradeError extends TaggedRefusal("UpgradeError")<{
  /**
   * - `Pending`: an inspection finds migrations to apply.
   * - `Busy`: another program migrates this database, or has locked a table.
   * - `StatementFailed`: a statement failed.
   * - `EffectFailed`: a migration that is an Effect failed.
   * - `TransactionEnded`: a migration ended the transaction.
   * - `NotAllowed`: a statement cannot be run in a migration.
   * - `NotForPostgres`: a migration declares, or is, something that only SQLite has.
   * - `Incomplete`: the file is empty or a template.
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
  /** Migrations that were committed before, as `NNN_name`: they stand. None where nothing was. */
  readonly stands?: ReadonlyArray<string> | undefined
  /** What an Effect failed with. */
  readonly cause?: unknown
}> {
  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }

  /** @internal Without what only the remedy or the detail tells of. */
  override toJSON(): object {
    // Anything may be in a cause, even what cannot be written; the detail tells of it.
    return { ...super.toJSON(), cause: undefined }
  }

  /** @internal The entry's sentence with the facts. */
  override get sentence(): string {
    const where = this.line === 0 ? "" : ` in line ${this.line}, \`${this.statement}\``
    const code = this.code === "" ? "" : `${this.code}: `
    return `${this.entry.sentence}${where} (${code}${this.detail})`
  }

  /** @internal The entry's remedy with the facts. */
  override get remedy(): string {
    const { remedy } = this.entry
    if (this.reason === "Pending") return remedy
    const { stands = [] } = this
    return `${remedy} ${stands.length === 0 ? "Nothing was changed." : `What was applied before stands: ${stands.join(", ")}.`}`
  }
}

type Reason = UpgradeError["reason"]

const catalogue: Catalogue<UpgradeError> = {
  Pending: {
    sentence: ({ migration }) => `Migrations are pending: ${migration}`,
    remedy: "Start this program, or run `database-ready init`: that applies them.",
    means: "tryAgain"
  },
  Busy: {
    sentence: ({ migration }) => `Another program has locked what ${migration} needs`,
    remedy: "Let the other program finish, or end its session with `pg_terminate_backend`.",
    means: "tryAgain"
  },
  StatementFailed: {
    sentence: ({ migration }) => `Migration ${migration} failed`,
    remedy: remedyOr("Fix the statement and start again."),
    means: ofPostgres
  },
  EffectFailed: {
    sentence: ({ migration }) => `Migration ${migration} failed`,
    remedy: remedyOr("Fix the migration's Effect and start again."),
    means: ofPostgres
  },
  TransactionEnded: {
    sentence: ({ migration }) => `Migration ${migration} ended the transaction in which all migrations are applied`,
    remedy: "Remove COMMIT and ROLLBACK from it.",
    means: "data"
  },
  NotAllowed: {
    sentence: ({ migration }) => `Migration ${migration} contains a statement that a migration cannot run`,
    remedy: "Remove the statement. The library begins and ends the transaction of all pending migrations.",
    means: "data"
  },
  NotForPostgres: {
    sentence: ({ migration }) => `Migration ${migration} cannot be applied to PostgreSQL`,
    remedy: "Keep the migrations of PostgreSQL in a directory of their own, without it.",
    means: "data"
  },
  Incomplete: {
    sentence: ({ migration }) => `Migration ${migration} is incomplete`,
    remedy: "Write the missing part.",
    means: "data"
  },
  RowsDeleted: {
    sentence: ({ migration }) => `Migration ${migration} would delete rows without declaring it`,
    remedy: "If that is meant, write `-- database-ready: deletes = TABLE, TABLE` above the first statement.",
    means: "data"
  },
  NotWritten: {
    sentence: ({ migration }) => `Applying ${migration} could not be finished`,
    remedy: remedyOr("Fix what PostgreSQL's message names, then start again."),
    means: ofPostgres
  }
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

/** The same with what was committed before it. */
export const withStanding = (error: UpgradeError, stands: ReadonlyArray<string>): UpgradeError => {
  const { cause, code, detail, line, losses, migration, reason, retryable, statement } = error
  const facts = { code, detail, line, losses, migration, reason, retryable, stands, statement }
  return stands.length === 0 ? error : new UpgradeError(cause === undefined ? facts : { ...facts, cause })
}

const shorten = (statement: string): string => {
  const line = statement.replace(/\s+/g, " ")
  return line.length > 120 ? `${line.slice(0, 117)}...` : line
}
