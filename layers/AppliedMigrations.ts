/** Room 4: from a connection to one on a database whose history is exactly the program's migrations. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import {
  type Completed,
  type History,
  type HistoryError,
  historyFailure,
  judge,
  prepareHistory,
  readHistory,
  recordAdopted,
  recordCompleted,
  recordSchema,
  type Verdict
} from "./AppliedMigrations/MigrationHistory.ts"
import { type Migration, MigrationSource, titleOf } from "./AppliedMigrations/MigrationSource.ts"
import {
  differenceOf,
  fingerprintOf,
  isAccepted,
  objectsOf,
  type SchemaDifference,
  type SchemaObject,
  schemaStatement,
  withoutExtra
} from "./AppliedMigrations/SchemaFingerprint.ts"
import { openingWords, type Statement, statementsOf } from "./AppliedMigrations/SqlScript.ts"
import { DatabaseConfig } from "./DatabaseConfig.ts"
import { type Attempt, Initialization, type StageTimeoutError } from "./Initialization.ts"
import { IntegrityError } from "./IntegrityError.ts"
import { SqliteConnection } from "./SqliteConnection.ts"
import { integer, type Sqlite, SqliteFailure, sqliteOf, text, thrownAsFailure } from "./seams.ts"
import { type PragmaError, VerifiedPragmas } from "./VerifiedPragmas.ts"

type Reason = "Pending" | "StatementFailed" | "EffectFailed" | "NotAllowed" | "ForeignKeyViolations" | "NotWritten"

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
  /** SQLite's code where SQLite refused, else "". */
  readonly code: string
  readonly retryable: boolean
}> {
  override get message(): string {
    const where = this.line === 0 ? "" : ` in line ${this.line}, \`${this.statement}\``
    const code = this.code === "" ? "" : `${this.code}: `
    return `${sentences[this.reason](this.migration)}${where} (${code}${this.detail})`
  }

  get remedy(): string {
    return this.retryable
      ? "Let the other process finish, or stop it; nothing was changed."
      : (codeRemedies[this.code] ?? remedies[this.reason])
  }
}

const sentences: Record<Reason, (migration: string) => string> = {
  Pending: (migration) => `Migrations are pending: ${migration}`,
  StatementFailed: (migration) => `Migration ${migration} failed`,
  EffectFailed: (migration) => `Migration ${migration} failed`,
  NotAllowed: (migration) => `Migration ${migration} holds a statement that cannot be part of a transaction`,
  ForeignKeyViolations: (migration) => `After ${migration}, rows refer to rows that do not exist`,
  NotWritten: (migration) => `Applying ${migration} could not be finished`
}

const remedies: Record<Reason, string> = {
  Pending: "Initialize the database with this program.",
  StatementFailed: "Mend the statement and start again; everything was rolled back.",
  EffectFailed: "Mend the migration's Effect and start again; everything was rolled back.",
  NotAllowed: "Take the statement out: the library begins and ends the one transaction of all pending migrations.",
  ForeignKeyViolations: "Let the migration repair or delete those rows; everything was rolled back.",
  NotWritten: "Look at SQLite's message; everything was rolled back."
}

const codeRemedies: Partial<Record<string, string>> = {
  SQLITE_FULL: "Free some space on the filesystem and start again; everything was rolled back.",
  SQLITE_READONLY: "Give the file to the user that runs this program, or mount its filesystem for writing."
}

/** How the live schema relates to the one that the migrations make. */
export interface SchemaState {
  /** SHA-256 of the schema's objects, without those that no migration made. */
  readonly fingerprint: string
  /** Objects that no migration made. */
  readonly extra: ReadonlyArray<string>
}

/** Evidence that the history in the file is exactly the program's migrations. */
export class AppliedMigrations extends Context.Tag("database-ready/AppliedMigrations")<
  AppliedMigrations,
  {
    /** The newest version, as in its file's name; undefined where there are no migrations. */
    readonly version: string | undefined
    /** What this start applied. */
    readonly applied: ReadonlyArray<{
      readonly version: string
      readonly name: string
      readonly executionTimeMs: number
    }>
    /** Rows of the system before this library that this start took over, as `NNN_name`. */
    readonly adopted: ReadonlyArray<string>
    /** Reads the live schema and compares it with the one that the migrations make. */
    readonly schema: Effect.Effect<SchemaState, IntegrityError | HistoryError>
  }
>() {
  /**
   * Applies what is pending in one `BEGIN IMMEDIATE` transaction. Where nothing is pending no write
   * lock is taken. Fails with `HistoryError`, `IntegrityError` (the schema has drifted) or
   * `UpgradeError`, `PragmaError` (the journal mode), or `StageTimeoutError`.
   */
  static readonly layer: Layer.Layer<
    AppliedMigrations,
    UpgradeError | HistoryError | IntegrityError | PragmaError | StageTimeoutError,
    DatabaseConfig | Initialization | MigrationSource | SqliteConnection | VerifiedPragmas
  > = Layer.effect(
    AppliedMigrations,
    Effect.gen(function* () {
      const { stage } = yield* Initialization
      const room = yield* Effect.all({
        config: DatabaseConfig,
        source: MigrationSource,
        database: SqliteConnection,
        pragmas: VerifiedPragmas
      })
      return yield* stage(
        "migrations",
        (attempt) => upgrade(room, attempt),
        ({ adopted, applied, version }) =>
          version === undefined
            ? "no migrations"
            : `at ${version}, ${listed("applied", applied.map(titleOf)) || listed("took over", adopted) || "nothing to apply"}`
      )
    })
  )
}

const listed = (verb: string, titles: ReadonlyArray<string>): string =>
  titles.length === 0 ? "" : titles.length > 5 ? `${verb} ${titles.length}` : `${verb} ${titles.join(", ")}`

interface Room {
  readonly config: DatabaseConfig["Type"]
  readonly source: ReadonlyArray<Migration>
  readonly database: SqliteConnection["Type"]
  readonly pragmas: VerifiedPragmas["Type"]
}

const upgrade = Effect.fnUntraced(function* (room: Room, attempt: Attempt) {
  const { config, database, pragmas, source } = room
  const { sqlite } = database
  const first = yield* reading(sqlite, look(room))
  const unmarked = config.applicationId !== undefined && first.applicationId !== config.applicationId

  if (first.verdict.pending.length === 0 && first.verdict.adopted.length === 0 && !unmarked) {
    yield* pragmas.settle
    return evidence(room, [], [])
  }
  if (config.access === "inspect") {
    return yield* upgradeError("Pending", {
      migration: [...first.verdict.pending, ...first.verdict.adopted.map(({ migration }) => migration)]
        .map(titleOf)
        .join(", "),
      detail: first.history.exists ? "not applied yet" : "the database was never initialized"
    })
  }
  const scripts = yield* scriptsOf(first.verdict.pending)
  // A file without a page has nothing to lose, and its first transaction is cheaper in WAL mode. Any other
  // file keeps its journal mode until the migrations are in it.
  if (first.isBlank) yield* pragmas.settle

  const outcome = yield* writing(
    sqlite,
    Effect.gen(function* () {
      // What was read without the lock may have changed while we waited for it.
      const { applicationId, history, objects, verdict } = yield* look(room)
      const { adopted, pending } = verdict
      if (pending.length > 0 || adopted.length > 0) {
        const extra = yield* driftBefore(verdict, objects)
        yield* written(pending, prepareHistory(sqlite, history))
        const completed = yield* Effect.forEach(pending, (migration) =>
          applyOne(room, migration, scripts.get(migration))
        )
        yield* checkForeignKeys(sqlite, pending)
        yield* written(pending, recordCompleted(sqlite, completed, config.program))
        yield* written(pending, recordAdopted(sqlite, adopted))
        const fingerprint = yield* fingerprintAfter(room, extra || adopted.length > 0)
        const newest = source.at(-1)
        if (newest !== undefined) yield* written(pending, recordSchema(sqlite, newest, fingerprint))
        yield* mark(room, applicationId)
        yield* attempt.inTime
        return { completed, adopted: adopted.map(({ migration }) => titleOf(migration)) }
      }
      yield* mark(room, applicationId)
      return { completed: [], adopted: [] }
    })
  )
  yield* pragmas.settle
  return evidence(room, outcome.completed, outcome.adopted)
})

const evidence = (
  room: Room,
  completed: ReadonlyArray<Completed>,
  adopted: ReadonlyArray<string>
): AppliedMigrations["Type"] => ({
  version: room.source.at(-1)?.version,
  applied: completed.map(({ executionTimeMs, migration: { name, version } }) => ({ version, name, executionTimeMs })),
  adopted,
  // No snapshot is needed: at this version nobody but another program changes what is read.
  schema: Effect.flatMap(look(room), ({ objects, verdict }) => schemaState(verdict, objects))
})

/** What the database says of itself, judged. Read in one snapshot, so that no other process can come between. */
const look = Effect.fnUntraced(function* ({ database: { sqlite }, source }: Room) {
  const [header] = yield* asked(
    sqlite.run("SELECT user_version, application_id FROM pragma_user_version, pragma_application_id")
  )
  const objects = objectsOf(yield* asked(sqlite.run(schemaStatement)))
  const history: History = yield* readHistory(sqlite)
  const verdict = yield* judge(source, history, integer(header, "user_version"))
  return {
    applicationId: integer(header, "application_id"),
    history,
    isBlank: objects.length === 0 && !history.exists,
    objects,
    verdict
  }
})

const asked = Effect.mapError(historyFailure)

/** Runs reads in one snapshot. It holds no lock that a writer in WAL mode would wait for. */
const reading = <A, E, R>(sqlite: Sqlite, reads: Effect.Effect<A, E, R>): Effect.Effect<A, E | HistoryError, R> =>
  transaction(sqlite, "BEGIN", historyFailure, reads)

/**
 * Runs writes in one transaction that has the write lock from its first moment: a transaction that
 * reads first and then writes is refused at once when another wrote in between
 * (https://sqlite.org/lang_transaction.html).
 */
const writing = <A, E, R>(sqlite: Sqlite, writes: Effect.Effect<A, E, R>): Effect.Effect<A, E | UpgradeError, R> =>
  transaction(sqlite, "BEGIN IMMEDIATE", notWritten("the pending migrations"), writes)

/** Commits what succeeds, rolls back what fails, is interrupted or dies. */
const transaction = <A, E, E2, R>(
  sqlite: Sqlite,
  begin: "BEGIN" | "BEGIN IMMEDIATE",
  refused: (failure: SqliteFailure) => E2,
  body: Effect.Effect<A, E, R>
): Effect.Effect<A, E | E2, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.mapError(sqlite.run(begin), refused).pipe(
      Effect.zipRight(
        restore(body).pipe(
          Effect.zipLeft(Effect.mapError(sqlite.run("COMMIT"), refused)),
          Effect.onError(() => rollback(sqlite))
        )
      )
    )
  )

/**
 * SQLite ends the transaction by itself on a full disk, an I/O error and the like, and then refuses
 * ROLLBACK with SQLITE_ERROR because there is none. Any other refusal leaves one open, and the next
 * BEGIN on this connection says so; without one, closing the connection rolls back.
 */
const rollback = (sqlite: Sqlite): Effect.Effect<void> =>
  sqlite.run("ROLLBACK").pipe(
    Effect.catchAll((failure) =>
      failure.code === "SQLITE_ERROR" ? Effect.void : Effect.logWarning(`ROLLBACK: ${failure.code}: ${failure.detail}`)
    ),
    Effect.asVoid
  )

/** The statements of every pending migration, refused before the first write where one cannot be run within our transaction. */
const scriptsOf = Effect.fnUntraced(function* (pending: ReadonlyArray<Migration>) {
  const scripts = new Map<Migration, ReadonlyArray<Statement>>()
  for (const migration of pending) {
    if (migration.body._tag === "Effect") continue
    const statements = statementsOf(migration.body.text)
    for (const statement of statements) {
      const obstacle = obstacleIn(statement)
      if (obstacle !== undefined) {
        return yield* upgradeError("NotAllowed", { migration: titleOf(migration), statement, detail: obstacle })
      }
    }
    scripts.set(migration, statements)
  }
  return scripts
})

const obstacleIn = ({ text }: Statement): string | undefined => {
  const [first = "", second = "", third = ""] = openingWords(text, 3)
  if (["BEGIN", "COMMIT", "END"].includes(first)) return `${first} would begin or end a transaction`
  if (first === "ROLLBACK" && second !== "TO" && third !== "TO") return "ROLLBACK would undo the other migrations"
  if (first === "VACUUM") return "SQLite refuses VACUUM inside a transaction"
  if (first === "PRAGMA" && /^(FOREIGN_KEYS|JOURNAL_MODE|SYNCHRONOUS)$/.test(second)) {
    return `SQLite ignores or refuses PRAGMA ${second.toLowerCase()} inside a transaction`
  }
  return undefined
}

const applyOne = Effect.fnUntraced(function* (
  { database: { client, connection, sqlite } }: Room,
  migration: Migration,
  statements: ReadonlyArray<Statement> = []
) {
  const appliedAt = yield* Clock.currentTimeMillis
  yield* runBody(migration, statements, sqlite, connection, client)
  const completed: Completed = {
    migration,
    appliedAt,
    executionTimeMs: (yield* Clock.currentTimeMillis) - appliedAt
  }
  return completed
})

const runBody = (
  migration: Migration,
  statements: ReadonlyArray<Statement>,
  sqlite: Sqlite,
  connection: SqliteConnection["Type"]["connection"],
  client: SqliteClient.SqliteClient
): Effect.Effect<void, UpgradeError> =>
  migration.body._tag === "Effect"
    ? migration.body.run.pipe(
        // Whatever the Effect asks for is asked within our transaction; a transaction of its own is a savepoint.
        Effect.provideService(SqlClient.TransactionConnection, [connection, 0]),
        Effect.provideService(SqlClient.SqlClient, client),
        Effect.catchAllCause((cause) =>
          Cause.isInterruptedOnly(cause)
            ? Effect.interrupt
            : upgradeError("EffectFailed", effectFailure(migration, cause))
        ),
        Effect.asVoid
      )
    : Effect.forEach(
        statements,
        (statement) =>
          Effect.mapError(sqlite.run(statement.text), (failure) =>
            upgradeError("StatementFailed", { migration: titleOf(migration), statement, failure })
          ),
        { discard: true }
      )

/** SQLite's own answer where the Effect failed with one, so that BUSY stays worth another attempt. */
const effectFailure = (migration: Migration, cause: Cause.Cause<unknown>) => {
  const squashed = Cause.squash(cause)
  const inner = squashed instanceof Error && squashed.cause !== undefined ? squashed.cause : squashed
  const failure = SqliteFailure.from(inner)
  return failure.code.startsWith("SQLITE_")
    ? { migration: titleOf(migration), failure }
    : { migration: titleOf(migration), detail: Cause.pretty(cause).split("\n", 1).join("") }
}

const checkForeignKeys = Effect.fnUntraced(function* (sqlite: Sqlite, pending: ReadonlyArray<Migration>) {
  const rows = yield* written(pending, sqlite.run(`${foreignKeyViolations} LIMIT 100`))
  if (rows.length > 0) {
    return yield* upgradeError("ForeignKeyViolations", {
      migration: pending.map(titleOf).join(", "),
      detail: rows.map(describeViolation).slice(0, 3).join("; ")
    })
  }
})

/** One row per violation; shared with the integrity room. */
export const foreignKeyViolations = `SELECT "table", rowid, parent FROM pragma_foreign_key_check`

export const describeViolation = (row: Parameters<typeof text>[0]): string =>
  `row ${text(row, "rowid") || "?"} of ${text(row, "table")} refers to a missing row of ${text(row, "parent")}`

const mark = ({ config, database: { sqlite }, source }: Room, found: number) =>
  config.applicationId === undefined || found === config.applicationId
    ? Effect.void
    : Effect.asVoid(written(source, sqlite.run(`PRAGMA application_id = ${config.applicationId}`)))

/** Refuses to upgrade a schema that has drifted. True when there are objects that no migration made. */
const driftBefore = (verdict: Verdict, objects: ReadonlyArray<SchemaObject>) =>
  Effect.map(schemaState(verdict, objects), ({ extra }) => extra.length > 0)

/**
 * The fingerprint to keep. A file that held nothing of its own is, by construction, what the migrations
 * made; any other is compared with a replay before the commit.
 */
const fingerprintAfter = Effect.fnUntraced(function* (room: Room, mixed: boolean) {
  const { sqlite } = room.database
  const live = objectsOf(yield* written(room.source, sqlite.run(schemaStatement)))
  return mixed ? (yield* compared(room.source, live)).fingerprint : fingerprintOf(live)
})

/** Compares the live schema with the one that the applied migrations make: by fingerprint, and by replay where that differs. */
const schemaState = (
  { applied, fingerprint }: Verdict,
  live: ReadonlyArray<SchemaObject>
): Effect.Effect<SchemaState, IntegrityError> => {
  const found = fingerprintOf(live)
  if (found === fingerprint) return Effect.succeed({ fingerprint: found, extra: [] })
  if (applied.length === 0)
    return Effect.succeed({ fingerprint: fingerprintOf([]), extra: differenceOf([], live).extra })
  return compared(applied, live)
}

const compared = Effect.fnUntraced(function* (migrations: ReadonlyArray<Migration>, live: ReadonlyArray<SchemaObject>) {
  const expected = yield* Effect.scoped(replay(migrations))
  const difference: SchemaDifference = differenceOf(expected, live)
  if (!isAccepted(difference)) return yield* IntegrityError.schemaDiffers(difference)
  return { fingerprint: fingerprintOf(withoutExtra(expected, live)), extra: difference.extra }
})

/** The objects that migrations make on their own, in a database in memory. */
const replay = (
  migrations: ReadonlyArray<Migration>
): Effect.Effect<ReadonlyArray<SchemaObject>, IntegrityError, Scope> =>
  Effect.gen(function* () {
    const context = yield* thrownAsFailure(Layer.build(SqliteClient.layer({ filename: ":memory:", disableWAL: true })))
    const client = Context.get(context, SqliteClient.SqliteClient)
    const connection = yield* Effect.scoped(client.reserve)
    const sqlite = sqliteOf(connection)
    for (const migration of migrations) {
      const statements = migration.body._tag === "Sql" ? statementsOf(migration.body.text) : []
      yield* runBody(migration, statements, sqlite, connection, client)
    }
    return objectsOf(yield* sqlite.run(schemaStatement))
  }).pipe(
    Effect.mapError((error) =>
      IntegrityError.found("SchemaDiffers", [
        `the fingerprint differs, and replaying the migrations to find out where failed: ${error.message}`
      ])
    )
  )

const written = <A>(migrations: ReadonlyArray<Migration>, write: Effect.Effect<A, SqliteFailure>) =>
  Effect.mapError(write, notWritten(migrations.map(titleOf).join(", ")))

const notWritten = (migration: string) => (failure: SqliteFailure) => upgradeError("NotWritten", { migration, failure })

const upgradeError = (
  reason: Reason,
  facts: {
    readonly migration: string
    readonly statement?: Statement
    readonly detail?: string
    readonly failure?: SqliteFailure
  }
): UpgradeError =>
  new UpgradeError({
    reason,
    migration: facts.migration,
    statement: shortened(facts.statement?.text ?? ""),
    line: facts.statement?.line ?? 0,
    detail: facts.failure?.detail ?? facts.detail ?? "",
    code: facts.failure?.code ?? "",
    retryable: facts.failure?.retryable ?? false
  })

const shortened = (statement: string): string => {
  const line = statement.replace(/\s+/g, " ")
  return line.length > 120 ? `${line.slice(0, 117)}...` : line
}
