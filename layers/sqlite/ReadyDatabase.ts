/** What a program gets once every room has passed. */
import * as Reactivity from "@effect/experimental/Reactivity"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { MigrationSource } from "../start/MigrationSource.ts"
import type { Timeline } from "../start/Timeline.ts"
import { clientOf } from "./Client.ts"
import type { DatabaseConfig } from "./DatabaseConfig.ts"
import { databaseVersion } from "./DatabaseVersion.ts"
import type { Initialization } from "./Initialization.ts"
import type { ReadyReport } from "./InitializationReport.ts"
import { changesOf, type Health, type HealthError, liveHealth } from "./LiveHealth.ts"
import { type MaintenanceOptions, makeMaintenance } from "./Maintenance.ts"
import type { ReadError } from "./ReadError.ts"
import { makeReaders } from "./Readers.ts"
import { type Evidence, type Settled, settle } from "./SettledDatabase.ts"
import { SharedLooks } from "./SharedLooks.ts"
import type { WriteError } from "./WriteError.ts"
import { makeWriteGate } from "./WriteGate.ts"
import { guardTransactions, writeThrough } from "./WriteTransaction.ts"

/** A database that is ready: what its start found, whether that still holds, and how to write. */
export interface ReadyDatabase {
  /** What the start did and found. */
  readonly report: ReadyReport
  /**
   * Proves again, at this moment, that the file is still the one that was opened, the connection
   * answers, the pragmas hold, and the history and the schema are still ours. Never looks at pages:
   * it costs well under a millisecond for a file of any size. Fails with a `HealthError`.
   */
  readonly health: Effect.Effect<Health, HealthError>
  /**
   * What `health` finds now, and then each time that it finds something else; looked at every `healthInterval`
   * (default 1 s). Never ends and never fails: a refusal is a `Left`.
   * A refusal that passes by itself, such as a lock, is told when it has not passed within 200 ms. A program that
   * cannot serve a newer database ends or connects again when it hears of one.
   */
  readonly healthChanges: Stream.Stream<Either.Either<Health, HealthError>>
  /**
   * Runs an effect in one transaction that has the write lock from its first moment, and waits for the
   * lock outside SQLite, `lockPatience` (default 5 s) at most. `SqlClient` takes part in it. Refused where this program may not
   * write any more: another one has made an upgrade that is not `compatible_from` this one's version, or the file is
   * not the one that was opened. Fails with `WriteError`, which is a `SqlError`, and with what the effect fails with.
   */
  readonly write: <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.Effect<A, E | WriteError, R>
  /**
   * Runs an effect on one snapshot of the database, on a connection of its own that can only read. So it waits for no
   * write, and no write waits for it. `SqlClient` takes part in it; a statement that would write fails with a
   * `ReadError`, reason `WouldWrite`. At most `readers` (default 4) run at a time, others wait. The connections are
   * opened when they are first wanted, proven as the first one is, and closed with it.
   *
   * Inside `write` or `withTransaction` it sees what they wrote, on their connection. Inside `read` it is part of that
   * one. A `write` inside it fails with a `WriteError`, reason `WithinRead`. In memory, with a rollback journal and with
   * `readers: 0` it has the one connection, in turn with all others. Fails with `ReadError`, which is a `SqlError`, and
   * with what the effect fails with.
   */
  readonly read: <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.Effect<A, E | ReadError, R>
  /**
   * Proves that a write would be possible at this moment: the disk takes another page, the lock is free within some
   * hundredths of a second or this process's own, and this program may write. Changes nothing. Fails with a
   * `WriteError`, which names who holds the lock.
   */
  readonly writable: Effect.Effect<void, WriteError>
  /**
   * Does what a database needs after its start, each task by its own schedule, until the scope closes: see
   * `MaintenanceOptions`. A task that fails is logged and is a warning of `health`, and runs again at its next time.
   * `DatabaseReady.maintenance` is this as a layer. Does nothing in memory.
   */
  readonly maintain: (
    options: MaintenanceOptions
  ) => Effect.Effect<void, never, FileSystem.FileSystem | Path.Path | Scope.Scope>
  /**
   * A text that is another one once anything was written to the database since, by this program or another: what was
   * read when it was the same is still so. Known at once; undefined where SQLite does not answer.
   */
  readonly unsafeVersion: () => string | undefined
}

/** What is handed out once every room has passed. */
export const handOut = Effect.fnUntraced(function* (
  config: DatabaseConfig["Type"],
  initialization: Initialization["Type"],
  source: MigrationSource["Type"],
  evidence: Evidence,
  shared?: Effect.Effect<Reactivity.Reactivity.Service>
) {
  const { connection, migrations, pragmas } = evidence
  const settled = yield* settle(config, initialization, evidence)
  const { inPlace } = settled
  const report = readyReport(evidence, settled, yield* initialization.timeline)
  // Most starts find everything as it should be: nothing to log.
  const { adopted, applied, repeated } = migrations
  const isNews = connection.origin === "created" || applied.length + adopted.length + repeated.length > 0
  yield* logReady(report, isNews ? LogLevel.Info : LogLevel.Debug)
  const looks = yield* SharedLooks
  // Each is made when it is first used: a start that only hands them out would compile and run all of this for nothing.
  const gate = once(() => makeWriteGate(config, source, connection))
  const readers = once(() => makeReaders(config, connection, inPlace))
  const guarded = once(() => guardTransactions(connection, gate()))
  const writing = once(() => writeThrough(connection, pragmas, config, gate(), inPlace, guarded()))
  const upkeep = once(() => makeMaintenance(config, connection, (body) => writing().write(body), looks))
  const health = Effect.suspend(
    once(() => liveHealth(config, evidence, gate(), inPlace, readers().stillHold, upkeep().maintained))
  )
  const client = clientOf(connection.sqlite, shared ?? (yield* reactivityHere), (body) => guarded()(body))
  const ready: ReadyDatabase = {
    report,
    health,
    healthChanges: Stream.suspend(once(() => changesOf(health, config))),
    read: (body) => readers().read(body),
    unsafeVersion: databaseVersion(connection.sqlite),
    maintain: (options) => upkeep().maintain(options),
    write: (body) => writing().write(body),
    writable: Effect.suspend(() => writing().writable)
  }
  initialization.onReady(health)
  yield* Effect.addFinalizer(() => Effect.sync(initialization.onGone))
  return { ready, client }
})

/** What `make` makes when it is first asked for. */
const once = <A>(make: () => A): (() => A) => {
  let made: { readonly value: A } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

const reactivityHere = Effect.flatMap(Effect.serviceOption(Reactivity.Reactivity), (there) =>
  Effect.map(Option.isSome(there) ? Effect.succeed(there.value) : Reactivity.make, Effect.succeed)
)

const readyReport = (
  { connection, directory, integrity, migrations }: Evidence,
  { settings, warnings }: Settled,
  { durationMs, stages, startedAt }: Timeline
): ReadyReport => ({
  status: "ready",
  database: connection.file,
  schemaVersion: migrations.version,
  applied: migrations.applied,
  repeated: migrations.repeated,
  backup: migrations.backup,
  stages,
  pragmas: settings,
  integrity,
  events: migrations.events,
  warnings: [
    ...directory.warnings,
    ...(connection.lost === undefined ? [] : [connection.lost]),
    ...migrations.warnings,
    ...warnings
  ],
  lastWritten: connection.lastWritten === undefined ? undefined : new Date(connection.lastWritten).toISOString(),
  startedAt,
  durationMs
})

const logReady = (report: ReadyReport, level: LogLevel.LogLevel) =>
  Effect.logWithLevel(level, "Database ready").pipe(
    Effect.annotateLogs({
      database: report.database,
      schemaVersion: report.schemaVersion ?? "none",
      durationMs: report.durationMs,
      ...(report.backup === undefined ? {} : { backup: report.backup })
    }),
    Effect.whenLogLevel(level)
  )
