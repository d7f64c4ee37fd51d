/** Room 6: all the evidence, as the one service that programs ask for. */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { StageError } from "../start/Attempt.ts"
import { withDatabaseSpan } from "../start/databaseSpan.ts"
import { MigrationSource, type Migrations, type OrderedMigrations } from "../start/MigrationSource.ts"
import type { MigrationSourceError } from "../start/MigrationSourceError.ts"
import { inDatabase } from "../start/Refusal.ts"
import { keepStart } from "../start/refusedStart.ts"
import type { StageReport } from "../start/Timeline.ts"
import { type AppliedMigration, applyMigrations, lookOnce, prove } from "./AppliedMigrations.ts"
import { checkIntegrity, type IntegrityReport } from "./CheckedIntegrity.ts"
import { ConnectionError, connectionLost } from "./ConnectionError.ts"
import type { Connections } from "./Connections.ts"
import type { DirectoryError } from "./DirectoryError.ts"
import { HistoryError } from "./HistoryError.ts"
import { makeStart, type RunningStart } from "./Initialization.ts"
import type { IntegrityError } from "./IntegrityError.ts"
import { openSession } from "./OpenSession.ts"
import { configFrom, type DatabaseOptions, type PostgresConfig } from "./PostgresConfig.ts"
import { identityStatement } from "./PostgresConnection.ts"
import { PostgresFailure } from "./PostgresFailure.ts"
import type { PragmaError } from "./PragmaError.ts"
import type { Session } from "./Session.ts"
import type { Settings } from "./Settings.ts"
import type { TransactionOptions, Transactions } from "./Transactions.ts"
import type { UpgradeError } from "./UpgradeError.ts"

/** Every reason why a start can be refused. */
export type InitializationError =
  | MigrationSourceError
  | DirectoryError
  | ConnectionError
  | PragmaError
  | HistoryError
  | UpgradeError
  | IntegrityError
  | StageError

/** Why a database that was ready is not any more. */
export type HealthError = ConnectionError | HistoryError | IntegrityError | UpgradeError

/** What a start that is ready has to tell. Times in milliseconds. */
export interface ReadyReport {
  /** Tells it from the report of a start that was refused. */
  readonly status: "ready"
  /** Which engine it is on. */
  readonly engine: "postgres"
  /** The URL, without user and password. */
  readonly database: string
  /** The version of the server, such as `18.4`. */
  readonly server: string
  /** The newest version in the database, as in its file's name; undefined where there are no migrations. */
  readonly schemaVersion: string | undefined
  /** The migrations that this start applied, in their order. */
  readonly applied: ReadonlyArray<AppliedMigration>
  /** What each stage did, in their order. */
  readonly stages: ReadonlyArray<StageReport>
  /** The settings of the session, read back. */
  readonly pragmas: Settings
  /** What was looked at. */
  readonly integrity: IntegrityReport
  /** What does not keep the database from being used, and somebody should know. */
  readonly warnings: ReadonlyArray<string>
  /** ISO 8601, UTC. */
  readonly startedAt: string
  /** Milliseconds of the whole start. */
  readonly durationMs: number
}

/** What the live health check found. */
export interface Health {
  /** The newest version in the database, as in its file's name; undefined where there are no migrations. */
  readonly schemaVersion: string | undefined
  /** SHA-256 of the schema's objects, in hexadecimal, without those that no migration made. */
  readonly fingerprint: string
  /** Those of the report. */
  readonly warnings: ReadonlyArray<string>
}

/** A database that is ready: what its start found, whether that still holds, and how to write. */
export interface ReadyDatabase {
  /** What the start did and found. */
  readonly report: ReadyReport
  /**
   * Proves again, at this moment, that the same database answers, and that the history and the schema are still ours.
   * Takes some milliseconds on a connection of the pool. Fails with a `HealthError`.
   */
  readonly health: Effect.Effect<Health, HealthError>
  /**
   * Runs an effect in one serializable transaction, and again where PostgreSQL could not serialize it with others, for
   * `lockPatience` (default 5 s) at most. So the body may run more than once: what it does beside the database has to bear
   * that. `SqlClient` takes part in it. Inside another transaction it is part of that one, and runs once.
   * Fails with what the body fails with, and with a `SqlError` where it could not be committed.
   */
  readonly write: <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
  /** Runs an effect in one transaction with an isolation level, once. `SqlClient` takes part in it. */
  readonly transaction: (
    options?: TransactionOptions
  ) => <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
}

/** What a layer takes. `R` is what the migrations need. */
export interface LayerOptions<R> extends DatabaseOptions {
  /** Where the migrations come from: `Migrations` of `database-ready`. */
  readonly migrations: Migrations<R>
}

/**
 * A PostgreSQL database that is provably ready: it can be reached, the server is one that this program can work on, its
 * sessions have the settings that it needs, and its history and schema are those of the program's migrations.
 *
 * @example
 * ```ts
 * import { SqlClient } from "@effect/sql"
 * import { NodeContext } from "@effect/platform-node"
 * import { Migrations } from "database-ready"
 * import { DatabaseReady } from "database-ready/postgres"
 * import { Effect, Layer } from "effect"
 *
 * const Database = DatabaseReady.layer({
 *   url: "postgres://app@db.example.org/app?sslmode=verify-full",
 *   migrations: Migrations.fromDirectory("migrations/postgres")
 * }).pipe(Layer.provide(NodeContext.layer))
 *
 * export const program = Effect.gen(function* () {
 *   const { write } = yield* DatabaseReady
 *   const sql = yield* SqlClient.SqlClient
 *   yield* write(sql`INSERT INTO notes (text) VALUES ('hello')`)
 * }).pipe(Effect.provide(Database))
 * ```
 */
export class DatabaseReady extends Context.Tag("database-ready/postgres/DatabaseReady")<
  DatabaseReady,
  ReadyDatabase
>() {
  /**
   * `DatabaseReady` and the `SqlClient` and `PgClient` that only it gives. What depends on one of them is not built before
   * the database is ready. The connections are closed with the layer. Fails with an `InitializationError`.
   */
  static readonly layer = <R = never>(
    options: LayerOptions<R>
  ): Layer.Layer<DatabaseReady | SqlClient.SqlClient | PgClient.PgClient, InitializationError, R> =>
    Layer.scopedContext(
      Effect.map(startWith(options), ({ client, ready }) =>
        Context.make(DatabaseReady, ready).pipe(
          Context.add(SqlClient.SqlClient, client),
          Context.add(PgClient.PgClient, client)
        )
      )
    ).pipe(Layer.provide(Reactivity.layer))
}

/** What a lock by name needs of a database that is ready. */
export interface Innards {
  readonly connections: Connections
  readonly config: PostgresConfig
}

/** Not a member: a program that uses no such lock does not have it in its bundle. */
export const innards = new WeakMap<ReadyDatabase, Innards>()

type Started = { readonly ready: ReadyDatabase; readonly client: PgClient.PgClient }

/** The source is read before the first stage: migrations that are at fault reach no server. */
const startWith = <R>(
  options: LayerOptions<R>
): Effect.Effect<Started, InitializationError, R | Scope.Scope | Reactivity.Reactivity> => {
  const config = configFrom(options)
  const started = Effect.flatMap(makeStart(config), (start) => {
    options.onTimeline?.(start.timeline)
    return keepStart(
      Effect.mapError(
        Effect.flatMap(MigrationSource.make(options.migrations), (source) => startDatabase(config, start, source)),
        (refusal) => inDatabase(config.database, refusal)
      ),
      start.timeline
    )
  })
  return withDatabaseSpan(started, config.database, "start")
}

/** The rooms in their order; each takes the evidence of those before it. */
const startDatabase = Effect.fnUntraced(function* (
  config: PostgresConfig,
  start: RunningStart,
  source: OrderedMigrations
) {
  const { connections, server, session, settings, warnings } = yield* openSession(config, start)
  const migrations = yield* applyMigrations(config, start, source, session)
  const integrity = yield* checkIntegrity(config, start, source, session, migrations)
  const { durationMs, stages, startedAt } = yield* start.timeline
  const report: ReadyReport = {
    status: "ready",
    engine: "postgres",
    database: config.database,
    server: server.version,
    schemaVersion: migrations.version,
    applied: migrations.applied,
    stages,
    pragmas: settings,
    integrity,
    warnings,
    startedAt,
    durationMs
  }
  const { database, schemaVersion } = report
  yield* (migrations.applied.length > 0 ? Effect.logInfo : Effect.logDebug)("Database ready").pipe(
    Effect.annotateLogs({ database, schemaVersion: schemaVersion ?? "none", durationMs })
  )
  const ready: ReadyDatabase = {
    report,
    health: healthOf(config, source, session, server.identity, report),
    write: writeOn(config, session.transactions),
    transaction: session.transactions.transaction
  }
  innards.set(ready, { connections, config })
  const started: Started = { ready, client: session.client }
  return started
})

const healthOf = (
  config: PostgresConfig,
  source: OrderedMigrations,
  session: Session,
  identity: string,
  { warnings }: ReadyReport
): ReadyDatabase["health"] =>
  Effect.gen(function* () {
    const [row] = yield* Effect.mapError(session.query(identityStatement), (error) =>
      connectionLost(PostgresFailure.from(error))
    )
    if (row?.["identity"] !== identity) {
      const detail = `it was ${identity}, and is ${String(row?.["identity"])}`
      return yield* new ConnectionError({ reason: "Replaced", detail, code: "", retryable: false })
    }
    const seen = yield* lookOnce(source, session)
    const { pending, version } = seen.verdict
    if (pending.length > 0) {
      const migrations = pending.map(({ name, version }) => `${version}_${name}`)
      return yield* new HistoryError({ reason: "Unrecorded", migrations, detail: "", code: "", retryable: false })
    }
    const { fingerprint } = yield* prove(config, source, session, seen)
    const health: Health = { schemaVersion: version, fingerprint, warnings }
    return health
  }).pipe(
    Effect.mapError((refusal) => inDatabase(config.database, refusal)),
    (health) => withDatabaseSpan(health, config.database, "health")
  )

/** Serialization failures and deadlocks: the transaction did nothing, and does it when it is run again. */
const mayRepeat = (error: unknown): boolean => /^(40001|40P01)$/.test(PostgresFailure.from(error).code)

const writeOn = ({ lockPatience }: PostgresConfig, { isWithin, transaction }: Transactions): ReadyDatabase["write"] => {
  const serializable = transaction({ isolation: "serializable" })
  const untilPatienceEnds = Schedule.exponential("5 millis").pipe(
    Schedule.jittered,
    Schedule.union(Schedule.spaced("100 millis")),
    Schedule.upTo(lockPatience)
  )
  return (body) =>
    Effect.flatMap(isWithin, (isPart) =>
      isPart ? serializable(body) : Effect.retry(serializable(body), { schedule: untilPatienceEnds, while: mayRepeat })
    )
}
