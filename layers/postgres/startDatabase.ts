/** One start, from stage to stage, and the database that it hands out. */
import type * as Reactivity from "@effect/experimental/Reactivity"
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { withDatabaseSpan } from "../start/databaseSpan.ts"
import { MigrationSource, type Migrations, type OrderedMigrations } from "../start/MigrationSource.ts"
import { inDatabase } from "../start/Refusal.ts"
import { keepStart } from "../start/refusedStart.ts"
import { showStart } from "../start/startObservers.ts"
import { applyMigrations, lookOnce, prove } from "./AppliedMigrations.ts"
import { checkIntegrity } from "./CheckedIntegrity.ts"
import { ConnectionError, connectionLost } from "./ConnectionError.ts"
import type { Connections } from "./Connections.ts"
import { HistoryError } from "./HistoryError.ts"
import { makeStart, type RunningStart } from "./Initialization.ts"
import { openSession } from "./OpenSession.ts"
import { configFrom, type DatabaseOptions, type PostgresConfig } from "./PostgresConfig.ts"
import { identityStatement } from "./PostgresConnection.ts"
import { PostgresFailure } from "./PostgresFailure.ts"
import type { Health, InitializationError, ReadyDatabase, ReadyReport } from "./ReadyDatabase.ts"
import type { Session } from "./Session.ts"
import type { Transactions } from "./Transactions.ts"

/** What a layer takes. `R` is what the migrations need. */
export interface LayerOptions<R> extends DatabaseOptions {
  /** Where the migrations come from: `Migrations` of `database-ready`. */
  readonly migrations: Migrations<R>
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
export const startWith = <R>(
  options: LayerOptions<R>
): Effect.Effect<Started, InitializationError, R | Scope.Scope | Reactivity.Reactivity> => {
  const config = configFrom(options)
  const started = Effect.gen(function* () {
    const start = yield* makeStart(config)
    options.onTimeline?.(start.timeline)
    const { onGone, onReady } = yield* showStart(config.database, start.timeline)
    yield* Effect.addFinalizer(() => Effect.sync(onGone))
    const made = MigrationSource.make(options.migrations).pipe(
      Effect.flatMap((source) => startDatabase(config, start, source)),
      Effect.mapError((refusal) => inDatabase(config.database, refusal)),
      Effect.tap(({ ready }) => Effect.sync(() => onReady(ready.health))),
      Effect.onError(() => Effect.sync(onGone))
    )
    return yield* keepStart(made, start.timeline)
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
