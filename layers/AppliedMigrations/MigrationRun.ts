/** How one migration is run, as text or as an Effect, and what it fails with. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { jsonOf, messageOf } from "../Refusal.ts"
import { type Sqlite, SqliteFailure, text } from "../seams.ts"
import { statementsIn } from "./Checksum.ts"
import { type Migration, titleOf } from "./MigrationSource.ts"
import { identifier, openingWords, type Statement } from "./SqlScript.ts"

type Reason =
  | "Pending"
  | "Busy"
  | "StatementFailed"
  | "EffectFailed"
  | "TransactionEnded"
  | "NotAllowed"
  | "ForeignKeyViolations"
  | "ForeignKeyMismatch"
  | "RowsDeleted"
  | "SchemaBroken"
  | "HistoryRewritten"
  | "NotWritten"

/** A table that has fewer rows than it had, 0 where it is gone; or a column of it that refers to fewer. */
export interface Loss {
  readonly table: string
  readonly column?: string
  readonly before: number
  readonly after: number
}

/** The pending migrations could not be applied. They were rolled back: the database is as it was. */
export class UpgradeError extends Data.TaggedError("UpgradeError")<{
  readonly reason: Reason
  /** The migration at fault, as `NNN_name`; all that are pending where none is. */
  readonly migration: string
  /** The statement at fault, shortened, or "". */
  readonly statement: string
  /** Line of that statement in its file, counted from 1; 0 where there is none. */
  readonly line: number
  readonly detail: string
  /** What `RowsDeleted` would have deleted; else empty. */
  readonly losses: ReadonlyArray<Loss>
  /** SQLite's code where SQLite refused, else "". */
  readonly code: string
  readonly retryable: boolean
  /** Absolute path of the database file, once it has left its stage. */
  readonly database?: string | undefined
}> {
  override get message(): string {
    return messageOf(this)
  }

  override toJSON(): object {
    return jsonOf(this)
  }

  get sentence(): string {
    const where = this.line === 0 ? "" : ` in line ${this.line}, \`${this.statement}\``
    const code = this.code === "" ? "" : `${this.code}: `
    return `${sentences[this.reason](this.migration)}${where} (${code}${this.detail})`
  }

  get remedy(): string {
    return codeRemedies[this.code] ?? remedies[this.reason]
  }
}

const sentences: Record<Reason, (migration: string) => string> = {
  Pending: (migration) => `Migrations are pending: ${migration}`,
  Busy: (migration) => `Another process is writing to the database; ${migration} must wait`,
  StatementFailed: (migration) => `Migration ${migration} failed`,
  EffectFailed: (migration) => `Migration ${migration} failed`,
  TransactionEnded: (migration) => `Migration ${migration} ended the transaction in which all migrations are applied`,
  NotAllowed: (migration) => `Migration ${migration} holds a statement that cannot be part of a transaction`,
  ForeignKeyViolations: (migration) => `After ${migration}, rows refer to rows that do not exist`,
  ForeignKeyMismatch: (migration) =>
    `After ${migration}, a foreign key refers to columns that are no key of their table`,
  RowsDeleted: (migration) => `Migration ${migration} would delete rows without declaring it`,
  SchemaBroken: (migration) => `After ${migration}, views or triggers cannot be used`,
  HistoryRewritten: (migration) => `After ${migration}, every start would refuse the database`,
  NotWritten: (migration) => `Applying ${migration} could not be finished`
}

const remedies: Record<Reason, string> = {
  Pending: "Initialize the database with this program.",
  Busy: "Let the other process finish, or stop it; nothing was changed.",
  StatementFailed: "Mend the statement and start again; everything was rolled back.",
  EffectFailed: "Mend the migration's Effect and start again; everything was rolled back.",
  TransactionEnded: "Take COMMIT and ROLLBACK out of the Effect. What it committed stays: restore a backup.",
  NotAllowed: "Take the statement out: the library begins and ends the one transaction of all pending migrations.",
  ForeignKeyViolations: "Let the migration repair or delete those rows; everything was rolled back.",
  ForeignKeyMismatch:
    "Make the columns that are referred to a PRIMARY KEY or UNIQUE, or refer to others (https://sqlite.org/foreignkeys.html#fk_indexes); everything was rolled back.",
  RowsDeleted:
    "Where that is meant, write `-- database-ready: deletes = TABLE, TABLE` above the first statement. Where it is a table rebuild, write `-- database-ready: foreign_keys = off`, or dropping the old table deletes the rows that refer to it. Everything was rolled back.",
  SchemaBroken:
    "Create the view or trigger again in a migration, with the names that the tables and columns have now, or drop it. SQLite looks at it only when it is used; everything was rolled back.",
  HistoryRewritten:
    "Take out what changes the table schema_migrations, user_version or application_id, which the library alone may write; everything was rolled back.",
  NotWritten: "Look at SQLite's message; everything was rolled back."
}

const codeRemedies: Partial<Record<string, string>> = {
  SQLITE_FULL: "Free some space on the filesystem and start again; everything was rolled back.",
  SQLITE_READONLY: "Give the file to the user that runs this program, or mount its filesystem for writing."
}

export const upgradeError = (
  reason: Reason,
  facts: {
    readonly migration: string
    readonly statement?: Statement
    readonly detail?: string
    readonly failure?: SqliteFailure
    readonly losses?: ReadonlyArray<Loss>
  }
): UpgradeError =>
  new UpgradeError({
    reason,
    migration: facts.migration,
    statement: shortened(facts.statement?.text ?? ""),
    line: facts.statement?.line ?? 0,
    detail: facts.failure?.detail ?? facts.detail ?? "",
    losses: facts.losses ?? [],
    code: facts.failure?.code ?? "",
    retryable: facts.failure?.retryable ?? false
  })

const shortened = (statement: string): string => {
  const line = statement.replace(/\s+/g, " ")
  return line.length > 120 ? `${line.slice(0, 117)}...` : line
}

/** A migration with its statements, cut once; an Effect has none. */
export interface Script {
  readonly migration: Migration
  readonly statements: ReadonlyArray<Statement>
}

export const scriptOf = (migration: Migration): Script => ({
  migration,
  statements: migration.body._tag === "Sql" ? statementsIn(migration.body) : []
})

/** Refuses, before the first write, what cannot be run within one transaction of all pending migrations. */
export const allowed = (scripts: ReadonlyArray<Script>): Effect.Effect<void, UpgradeError> =>
  Effect.suspend(() => {
    for (const { migration, statements } of scripts) {
      for (const statement of statements) {
        const detail = obstacleIn(statement)
        if (detail !== undefined) {
          return upgradeError("NotAllowed", { migration: titleOf(migration), statement, detail })
        }
      }
    }
    return Effect.void
  })

/** Statements with an obstacle in them begin with one of these words, all others need not be read further. */
const suspects = /^(?:ATTACH|BEGIN|COMMIT|DETACH|END|PRAGMA|ROLLBACK|VACUUM)\b/i

const obstacleIn = ({ text }: Statement): string | undefined => {
  if (text.includes("\0")) return "SQLite reads nothing behind a NUL character"
  if (!suspects.test(text)) return undefined
  const [first = "", second = "", third = "", fourth = ""] = openingWords(text, 4)
  if (first === "ATTACH" || first === "DETACH") return "another database is not part of this one's history"
  if (["BEGIN", "COMMIT", "END"].includes(first)) return `${first} would begin or end a transaction`
  if (first === "ROLLBACK" && second !== "TO" && third !== "TO") return "ROLLBACK would undo the other migrations"
  if (first === "VACUUM") return "SQLite refuses VACUUM inside a transaction"
  const pragma = third === "." ? fourth : second
  if (first === "PRAGMA" && pragma === "FOREIGN_KEYS") {
    return "SQLite ignores PRAGMA foreign_keys inside a transaction; declare `-- database-ready: foreign_keys = off` instead"
  }
  if (first === "PRAGMA" && /^(JOURNAL_MODE|SYNCHRONOUS)$/.test(pragma)) {
    return `SQLite ignores or refuses PRAGMA ${pragma.toLowerCase()} inside a transaction`
  }
  return undefined
}

/** Runs a migration whole, within the transaction that is open on the connection. */
export const runMigration = (
  sqlite: Sqlite,
  { migration, statements }: Script,
  between: Effect.Effect<void>
): Effect.Effect<void, UpgradeError> =>
  migration.body._tag === "Effect"
    ? withinSavepoint(sqlite, migration, migration.body.run).pipe(
        // Whatever the Effect asks for is asked within our transaction; a transaction of its own is a savepoint.
        Effect.provideService(SqlClient.TransactionConnection, [sqlite.connection, 0]),
        Effect.provideService(SqlClient.SqlClient, sqlite.client)
      )
    : Effect.gen(function* () {
        for (const statement of statements) {
          yield* Effect.mapError(sqlite.run(statement.text), (failure) =>
            upgradeError("StatementFailed", { migration: titleOf(migration), statement, failure })
          )
          yield* between
        }
      })

/**
 * What a migration leaves on this connection alone would hide what is in the file, and neither the next start nor
 * the next file of one that is applied by itself would have it.
 */
export const dropTemporary = Effect.fnUntraced(function* (sqlite: Sqlite) {
  // Virtual tables before others: theirs go with them.
  const left = yield* sqlite.run(
    `SELECT type, name FROM temp.sqlite_schema WHERE type <> 'index' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
ORDER BY type = 'table', sql NOT LIKE 'CREATE VIRTUAL %'`
  )
  for (const row of left) {
    yield* sqlite.run(`DROP ${text(row, "type")} IF EXISTS temp.${identifier(text(row, "name"))}`)
  }
})

/** A savepoint is gone when the transaction is: an Effect that ended ours is found out, though it cannot be undone. */
const withinSavepoint = <R>(
  sqlite: Sqlite,
  migration: Migration,
  run: Effect.Effect<unknown, unknown, R>
): Effect.Effect<void, UpgradeError, R> => {
  const refused = (reason: Reason) => (failure: SqliteFailure) =>
    upgradeError(reason, { migration: titleOf(migration), failure })
  return Effect.mapError(sqlite.run("SAVEPOINT database_ready_migration"), refused("EffectFailed")).pipe(
    Effect.zipRight(
      Effect.catchAllCause(run, (cause) =>
        Cause.isInterruptedOnly(cause)
          ? Effect.interrupt
          : upgradeError("EffectFailed", effectFailure(migration, cause))
      )
    ),
    Effect.zipRight(Effect.mapError(sqlite.run("RELEASE database_ready_migration"), refused("TransactionEnded"))),
    Effect.asVoid
  )
}

/** SQLite's own answer where the Effect failed with one, so that BUSY stays worth another attempt. */
const effectFailure = (migration: Migration, cause: Cause.Cause<unknown>) => {
  const squashed = Cause.squash(cause)
  const inner = squashed instanceof Error && squashed.cause !== undefined ? squashed.cause : squashed
  const failure = SqliteFailure.from(inner)
  return failure.code.startsWith("SQLITE_")
    ? { migration: titleOf(migration), failure }
    : { migration: titleOf(migration), detail: Cause.pretty(cause).split("\n", 1).join("") }
}
