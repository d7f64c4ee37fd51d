/** How one migration is run, as text or as an Effect, and what it fails with. */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { statementsIn } from "../../schema/Checksum.ts"
import { identifier, type Statement } from "../../schema/SqlScript.ts"
import { isLostSetting, obstacleIn } from "../../schema/StatementRules.ts"
import { failedWith } from "../../start/CauseDetail.ts"
import { codeRemedy } from "../../start/codeRemedy.ts"
import { type Migration, titleOf } from "../../start/MigrationSource.ts"
import { jsonOf, messageOf } from "../../start/Refusal.ts"
import { type Connected, clientOf } from "../Client.ts"
import { type Sqlite, SqliteFailure, text } from "../Sqlite.ts"
import { cureOf } from "./Cures.ts"

type Reason =
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

/** A table that has fewer rows than it had, 0 where it is gone; or a column of it that refers to fewer. */
export interface Loss {
  readonly table: string
  readonly column?: string
  readonly before: number
  readonly after: number
}

/** The pending migrations could not be applied. What was not committed is rolled back: `applied` says what was. */
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
  /** What can be done about this one, where that is more than the reason says. */
  readonly cure?: string | undefined
  /** What an Effect failed with. */
  readonly cause?: unknown
}> {
  /** What this start had committed before it failed, as `NNN_name`: the transaction ends where foreign keys are switched. */
  applied: ReadonlyArray<string> = []
  /** Absolute path of the copy that it made before that. */
  backup: string | undefined = undefined

  override get message(): string {
    return messageOf(this)
  }

  override toJSON(): object {
    // Anything may be in a cause, even what cannot be written; the detail tells of it, as the remedy does of the cure.
    return { ...jsonOf(this), cause: undefined, cure: undefined }
  }

  get sentence(): string {
    const where = this.line === 0 ? "" : ` in line ${this.line}, \`${this.statement}\``
    const code = this.code === "" ? "" : `${this.code}: `
    return `${sentences[this.reason](this.migration)}${where} (${code}${this.detail})`
  }

  get remedy(): string {
    const cure = this.cure ?? codeRemedy(this.code) ?? remedies[this.reason]
    return this.reason === "Pending" || this.reason === "TransactionEnded" ? cure : `${cure} ${standing(this)}`
  }
}

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

const sentences: Record<Reason, (migration: string) => string> = {
  Pending: (migration) =>
    migration === "" ? "The database has not been taken over yet" : `Migrations are pending: ${migration}`,
  Busy: (migration) => `Another process is writing to the database; ${migration} must wait`,
  DeadlineTooShort: (migration) => `The deadline is too short for the copy that is made for ${migration}`,
  StatementFailed: (migration) => `Migration ${migration} failed`,
  EffectFailed: (migration) => `Migration ${migration} failed`,
  TransactionEnded: (migration) => `Migration ${migration} ended the transaction in which all migrations are applied`,
  NotAllowed: (migration) => `Migration ${migration} holds a statement that a migration cannot run`,
  Incomplete: (migration) => `Migration ${migration} is incomplete`,
  NotSql: (migration) => `Migration ${migration} holds something that SQLite does not understand`,
  ForeignKeyViolations: (migration) => `After ${migration}, rows refer to rows that do not exist`,
  ForeignKeyMismatch: (migration) =>
    `After ${migration}, a foreign key refers to columns that are not a key of their table`,
  RowsDeleted: (migration) => `Migration ${migration} would delete rows without declaring it`,
  SchemaBroken: (migration) => `After ${migration}, views or triggers cannot be used`,
  HistoryRewritten: (migration) => `After ${migration}, every start would refuse the database`,
  NotWritten: (migration) => `Applying ${migration} could not be finished`
}

const remedies: Record<Reason, string> = {
  Pending: "Start this program, or run `database-ready init`: that applies them.",
  Busy: "Let the other process finish, or stop it.",
  DeadlineTooShort: "Set a longer deadline.",
  StatementFailed: "Fix the statement and start again.",
  EffectFailed: "Fix the migration's Effect and start again.",
  TransactionEnded: "Take COMMIT and ROLLBACK out of the Effect. What it committed stays: restore a backup.",
  NotAllowed: "Take the statement out: the library begins and ends the transaction of the pending migrations.",
  Incomplete: "Write what is missing.",
  NotSql: "Take it out.",
  ForeignKeyViolations: "Change the migration so that it repairs or deletes those rows.",
  ForeignKeyMismatch:
    "Make those columns a PRIMARY KEY or UNIQUE, or refer to others (https://sqlite.org/foreignkeys.html#fk_indexes).",
  RowsDeleted:
    "If that is meant, write `-- database-ready: deletes = TABLE, TABLE` above the first statement. If the file rebuilds a table, write `-- database-ready: foreign_keys = off` there: otherwise dropping the old table deletes the rows that refer to it.",
  SchemaBroken:
    "Create the view or trigger again in a migration, with the names that the tables and columns have now, or drop it. SQLite looks at it only when it is used.",
  HistoryRewritten:
    "Take out the statements that change the table schema_migrations, user_version or application_id. Only the library may write them.",
  NotWritten: "Fix what SQLite's message names, then start again."
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
    statement: shortened(facts.statement?.text ?? ""),
    line: facts.statement?.line ?? 0,
    detail: facts.failure?.detail ?? facts.detail ?? "",
    losses: facts.losses ?? [],
    code: facts.failure?.code ?? "",
    retryable: facts.failure?.retryable ?? false,
    cure: facts.cure,
    ...("cause" in facts ? { cause: facts.cause } : {})
  })

const shortened = (statement: string): string => {
  const line = statement.replace(/\s+/g, " ")
  return line.length > 120 ? `${line.slice(0, 117)}...` : line
}

/** A migration with the statements that are run; an Effect has none. */
export interface Script {
  readonly migration: Migration
  readonly statements: ReadonlyArray<Statement>
}

export const scriptOf = (migration: Migration): Script => ({
  migration,
  statements: migration.body._tag === "Sql" ? runIn(migration.body, migration.declared) : []
})

/** Settings that are declared to be ignored are skipped: run, some of them would outlive the migration. */
const runIn = (body: { readonly text: string }, { settings }: Migration["declared"]): ReadonlyArray<Statement> =>
  settings === "ignored" ? statementsIn(body).filter((statement) => !isLostSetting(statement)) : statementsIn(body)

/** Refuses, before the first write, what cannot be run as its file says. */
export const allowed = (migrations: ReadonlyArray<Migration>): Effect.Effect<void, UpgradeError> =>
  Effect.suspend(() => {
    for (const migration of migrations) {
      const { body, declared, id } = migration
      if (body._tag === "Effect") continue
      const obstacle = obstacleIn({ id, text: body.text, declared, statements: statementsIn(body) })
      if (obstacle !== undefined) {
        const { reason, remedy: cure, ...facts } = obstacle
        return upgradeError(reason, { migration: titleOf(migration), cure, ...facts })
      }
    }
    return Effect.void
  })

/** Runs a migration whole, within the transaction that is open on the connection. */
export const runMigration = (
  sqlite: Connected,
  { migration, statements }: Script,
  between: Effect.Effect<void>,
  begins: (statement: Statement, index: number) => Effect.Effect<void> = () => Effect.void
): Effect.Effect<void, UpgradeError> =>
  migration.body._tag === "Effect"
    ? // Whatever the Effect asks for is asked within our transaction; a transaction of its own is a savepoint.
      withinSavepoint(sqlite, migration, sqlite.within(migration.body.run)).pipe(
        Effect.provideServiceEffect(
          SqlClient.SqlClient,
          Effect.map(Reactivity.make, (reactivity) => clientOf(sqlite, reactivity))
        )
      )
    : Effect.gen(function* () {
        for (const [index, statement] of statements.entries()) {
          yield* begins(statement, index)
          yield* Effect.catchAll(sqlite.run(statement.text), (failure) =>
            Effect.flatMap(cureOf(sqlite, statement.text, failure), (cure) =>
              upgradeError("StatementFailed", { migration: titleOf(migration), statement, failure, cure })
            )
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
const effectFailure = (migration: Migration, failed: Cause.Cause<unknown>) => {
  const { cause, chain, detail } = failedWith(failed)
  const failure = chain.map(SqliteFailure.from).find(({ code }) => code.startsWith("SQLITE_"))
  const { code = "", retryable = false } = failure ?? {}
  return { migration: titleOf(migration), cause, failure: { code, detail, retryable } }
}
