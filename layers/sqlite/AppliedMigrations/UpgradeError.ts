/** Why migrations are not applied. */
import type { Statement } from "../../schema/SqlScript.ts"
import { ofSqlite } from "../../start/codeMeaning.ts"
import { codeRemedy } from "../../start/codeRemedy.ts"
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../../start/TaggedRefusal.ts"
import type { SqliteFailure } from "../Sqlite.ts"

/** A table that has fewer rows than it had, 0 where it is gone; or a column of it that refers to fewer. */
export interface Loss {
  /** The name of the table. */
  readonly table: string
  /** The column that refers to fewer rows; undefined where rows of the table itself are gone. */
  readonly column?: string
  /** How many rows there were. */
  readonly before: number
  /** How many there would be. */
  readonly after: number
}

/** The pending migrations could not be applied. What was not committed is rolled back: `applied` says what was. */
export class UpgradeError extends TaggedRefusal("UpgradeError")<{
  /**
   * - `Pending`: an inspection finds migrations to apply.
   * - `Busy`: another process is writing.
   * - `DeadlineTooShort`: the deadline does not allow for the backup.
   * - `StatementFailed`: a statement failed.
   * - `EffectFailed`: a migration that is an Effect failed.
   * - `TransactionEnded`: an Effect ended the transaction.
   * - `NotAllowed`: a statement cannot be run in a migration.
   * - `Incomplete`: a comment, string or trigger has no end, or the file is empty or a template.
   * - `NotSql`: something is for another program.
   * - `ForeignKeyViolations`: rows would refer to nothing.
   * - `ForeignKeyMismatch`: a foreign key refers to no key.
   * - `RowsDeleted`: rows would go that no declaration names.
   * - `SchemaBroken`: a view or trigger would not compile.
   * - `HistoryRewritten`: a migration changed the history.
   * - `NotWritten`: the commit failed.
   */
  readonly reason:
    | "Pending"
    | "Busy"
    | "DeadlineTooShort"
    | "StatementFailed"
    | "EffectFailed"
    | "TransactionEnded"
    | "NotAllowed"
    | "Incomplete"
    | "NotSql"
    | "ForeignKeyViolations"
    | "ForeignKeyMismatch"
    | "RowsDeleted"
    | "SchemaBroken"
    | "HistoryRewritten"
    | "NotWritten"
  /** The migration at fault, as `NNN_name`; all that are pending where none is. */
  readonly migration: string
  /** The statement at fault, shortened, or "". */
  readonly statement: string
  /** Line of that statement in its file, counted from 1; 0 where there is none. */
  readonly line: number
  /** What SQLite said, or what is wrong. */
  readonly detail: string
  /** What `RowsDeleted` would have deleted; else empty. */
  readonly losses: ReadonlyArray<Loss>
  /** SQLite's code where SQLite refused, else "". */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** Absolute path of the database file, or `:memory:`. Set when the error leaves its stage. */
  readonly database?: string | undefined
  /** What can be done about this one, where that is more than the reason says: then it is the remedy. */
  readonly cure?: string | undefined
  /** What an Effect failed with. */
  readonly cause?: unknown
}> {
  /** What this start had committed before it failed, as `NNN_name`: the transaction ends where foreign keys are switched. */
  applied: ReadonlyArray<string> = []
  /** Absolute path of the copy that it made before that. */
  backup: string | undefined = undefined

  /** @internal Without what only the remedy or the detail tells of. */
  override toJSON(): object {
    // Anything may be in a cause, even what cannot be written; the detail tells of it, as the remedy does of the cure.
    return { ...super.toJSON(), cause: undefined, cure: undefined }
  }

  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }

  /** @internal The entry's sentence with the facts. */
  override get sentence(): string {
    const where = this.line === 0 ? "" : ` in line ${this.line}, \`${this.statement}\``
    const code = this.code === "" ? "" : `${this.code}: `
    return `${this.entry.sentence}${where} (${code}${this.detail})`
  }

  /** @internal The entry's remedy with the facts. */
  override get remedy(): string {
    const cure = this.cure ?? codeRemedy(this.code) ?? this.entry.remedy
    return this.reason === "Pending" || this.reason === "TransactionEnded" ? cure : `${cure} ${standing(this)}`
  }
}

export type Reason = UpgradeError["reason"]

/** What the failed upgrade left. */
const standing = ({ applied, backup, reason }: UpgradeError): string => {
  if (applied.length > 0) {
    const copy = backup === undefined ? "" : ` What was there before is in ${backup}.`
    return `Applied and kept: ${applied.join(", ")}; the rest was rolled back.${copy}`
  }
  return beforeAnything.has(reason) ? "Nothing was changed." : "Everything was rolled back."
}

const beforeAnything: ReadonlySet<Reason> = new Set<Reason>([
  "Busy",
  "DeadlineTooShort",
  "NotAllowed",
  "Incomplete",
  "NotSql"
])

const catalogue: Catalogue<UpgradeError> = {
  Pending: {
    sentence: ({ migration }) =>
      migration === "" ? "The database has not been taken over yet" : `Migrations are pending: ${migration}`,
    remedy: "Start this program, or run `database-ready init`: that applies them.",
    means: "tryAgain"
  },
  Busy: {
    sentence: ({ migration }) => `Another process is writing to the database; ${migration} must wait`,
    remedy: "Let the other process finish, or stop it.",
    means: ofSqlite
  },
  DeadlineTooShort: {
    sentence: ({ migration }) => `The deadline is too short for the backup before ${migration}`,
    remedy: "Set a longer deadline.",
    means: "usage"
  },
  StatementFailed: {
    sentence: ({ migration }) => `Migration ${migration} failed`,
    remedy: "Fix the statement and start again.",
    means: ofSqlite
  },
  EffectFailed: {
    sentence: ({ migration }) => `Migration ${migration} failed`,
    remedy: "Fix the migration's Effect and start again.",
    means: ofSqlite
  },
  TransactionEnded: {
    sentence: ({ migration }) => `Migration ${migration} ended the transaction in which all migrations are applied`,
    remedy: "Remove COMMIT and ROLLBACK from the Effect. What it committed stays: restore a backup.",
    means: ofSqlite
  },
  NotAllowed: {
    sentence: ({ migration }) => `Migration ${migration} contains a statement that a migration cannot run`,
    remedy: "Remove the statement: the library begins and ends the transaction of the pending migrations.",
    means: ofSqlite
  },
  Incomplete: {
    sentence: ({ migration }) => `Migration ${migration} is incomplete`,
    remedy: "Write the missing part.",
    means: ofSqlite
  },
  NotSql: {
    sentence: ({ migration }) => `Migration ${migration} contains something that SQLite does not understand`,
    remedy: "Remove it.",
    means: ofSqlite
  },
  ForeignKeyViolations: {
    sentence: ({ migration }) => `After ${migration}, rows refer to rows that do not exist`,
    remedy: "Change the migration so that it repairs or deletes those rows.",
    means: ofSqlite
  },
  ForeignKeyMismatch: {
    sentence: ({ migration }) =>
      `After ${migration}, a foreign key refers to columns that are not a key of their table`,
    remedy:
      "Make those columns a PRIMARY KEY or UNIQUE, or refer to others (https://sqlite.org/foreignkeys.html#fk_indexes).",
    means: ofSqlite
  },
  RowsDeleted: {
    sentence: ({ migration }) => `Migration ${migration} would delete rows without declaring it`,
    remedy:
      "If that is meant, write `-- database-ready: deletes = TABLE, TABLE` above the first statement. If the file rebuilds a table, write `-- database-ready: foreign_keys = off` there: otherwise dropping the old table deletes the rows that refer to it.",
    means: ofSqlite
  },
  SchemaBroken: {
    sentence: ({ migration }) => `After ${migration}, views or triggers cannot be used`,
    remedy:
      "Create the view or trigger again in a migration, with the current names of tables and columns, or drop it. SQLite looks at it only when it is used.",
    means: ofSqlite
  },
  HistoryRewritten: {
    sentence: ({ migration }) => `After ${migration}, every start would refuse the database`,
    remedy:
      "Remove the statements that change the table schema_migrations, user_version or application_id. Only the library may write them.",
    means: ofSqlite
  },
  NotWritten: {
    sentence: ({ migration }) => `Applying ${migration} could not be finished`,
    remedy: "Fix what SQLite's message names, then start again.",
    means: ofSqlite
  }
}

export const upgradeError = (
  reason: Reason,
  facts: {
    readonly migration: string
    readonly statement?: Statement
    readonly detail?: string
    readonly failure?: Pick<SqliteFailure, "code" | "detail" | "retryable">
    readonly losses?: ReadonlyArray<Loss>
    readonly cure?: string | undefined
    readonly cause?: unknown
  }
): UpgradeError =>
  new UpgradeError({
    reason,
    migration: facts.migration,
    statement: shorten(facts.statement?.text ?? ""),
    line: facts.statement?.line ?? 0,
    detail: facts.failure?.detail ?? facts.detail ?? "",
    losses: facts.losses ?? [],
    code: facts.failure?.code ?? "",
    retryable: facts.failure?.retryable ?? false,
    cure: facts.cure,
    ...("cause" in facts ? { cause: facts.cause } : {})
  })

const shorten = (statement: string): string => {
  const line = statement.replace(/\s+/g, " ")
  return line.length > 120 ? `${line.slice(0, 117)}...` : line
}
