/** Room 6: all the evidence, as the one service that programs ask for. */
import * as Reactivity from "@effect/experimental/Reactivity"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { ownDescriptorsOn } from "../machine/FileLocks.ts"
import { LockError } from "../start/LockError.ts"
import { MigrationSource, type Migrations } from "../start/MigrationSource.ts"
import type { MigrationSourceError } from "../start/MigrationSourceError.ts"
import { inDatabase, type Refusal } from "../start/Refusal.ts"
import { AppliedMigrations, nothingDone } from "./AppliedMigrations.ts"
import { CheckedIntegrity } from "./CheckedIntegrity.ts"
import { clientOf } from "./Client.ts"
import { DatabaseConfig, type DatabaseOptions } from "./DatabaseConfig.ts"
import { DatabaseDirectory } from "./DatabaseDirectory.ts"
import { absoluteName } from "./DatabasePath.ts"
import { databaseVersion } from "./DatabaseVersion.ts"
import { Initialization } from "./Initialization.ts"
import type { InitializationError, ReadyReport } from "./InitializationReport.ts"
import { changesOf, type Health, type HealthError, liveHealth } from "./LiveHealth.ts"
import { type Evidence, settle } from "./SettledDatabase.ts"
import { SqliteConnection, soundDriver } from "./SqliteConnection.ts"
import { VerifiedPragmas } from "./VerifiedPragmas.ts"
import type { WriteError } from "./WriteError.ts"
import { makeWriteGate } from "./WriteGate.ts"
import { guardTransactions, writeThrough } from "./WriteTransaction.ts"

/**
 * A database that is provably ready: its directory, connection, pragmas, migrations and integrity
 * have been proven, on the very connection that `SqlClient` hands out.
 *
 * @example
 * ```ts
 * import { SqlClient } from "@effect/sql"
 * import { NodeContext } from "@effect/platform-node"
 * import { DatabaseReady, Migrations } from "database-ready"
 * import { Effect, Layer } from "effect"
 *
 * const Database = DatabaseReady.layer({
 *   filename: "data/app.db",
 *   migrations: Migrations.fromDirectory("migrations")
 * }).pipe(Layer.provide(NodeContext.layer))
 *
 * const addNote = (text: string) =>
 *   Effect.gen(function* () {
 *     const { write } = yield* DatabaseReady
 *     const sql = yield* SqlClient.SqlClient
 *     yield* write(sql`INSERT INTO notes (text) VALUES (${text})`)
 *   })
 *
 * export const program = addNote("hello").pipe(Effect.provide(Database))
 * ```
 */
export class DatabaseReady extends Context.Tag("database-ready/DatabaseReady")<
  DatabaseReady,
  {
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
     * cannot serve a newer database ends or connects anew when it hears of one.
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
     * Proves that a write would be possible at this moment: the disk takes another page, the lock is free within some
     * hundredths of a second or this process's own, and this program may write. Changes nothing. Fails with a
     * `WriteError`, which names who holds the lock.
     */
    readonly writable: Effect.Effect<void, WriteError>
    /**
     * A text that is another one once anything was written to the database since, by this program or another: what was
     * read when it was the same is still so. Known at once; undefined where SQLite does not answer.
     */
    readonly unsafeVersion: () => string | undefined
  }
>() {
  /**
   * The start itself, closed with its scope, for programs that build nothing else. Gives the services as a `Context`.
   * Fails with an `InitializationError`; `MigrationSource.make`, which comes before, has a `MigrationSourceError`.
   *
   * @example
   * ```ts
   * import { DatabaseConfig, DatabaseReady, failedReport, Initialization, MigrationSource, Migrations } from "database-ready"
   * import { Context, Effect } from "effect"
   *
   * // A report of the start, ready or refused.
   * export const report = Effect.gen(function* () {
   *   const config = DatabaseConfig.from({ filename: "data/app.db" })
   *   const initialization = yield* Initialization.make(config)
   *   return yield* MigrationSource.make(Migrations.fromDirectory("migrations")).pipe(
   *     Effect.flatMap((source) => DatabaseReady.make(config, initialization, source)),
   *     Effect.map((ready) => Context.get(ready, DatabaseReady).report),
   *     Effect.scoped,
   *     Effect.catchAll((error) =>
   *       Effect.map(initialization.timeline, (timeline) => failedReport(config.filename, error, timeline))
   *     )
   *   )
   * })
   * ```
   */
  static readonly make = (
    config: DatabaseConfig["Type"],
    initialization: Initialization["Type"],
    source: MigrationSource["Type"]
  ): Effect.Effect<
    Context.Context<Given>,
    Exclude<InitializationError, MigrationSourceError>,
    FileSystem.FileSystem | Path.Path | Scope.Scope
  > => start(config, initialization, source)

  /**
   * The same start, as a layer on `DatabaseConfig`, `Initialization` and `MigrationSource`. For programs that look at
   * the start while it runs, through `Initialization`; all others want `layer`. Fails with an `InitializationError`.
   */
  static readonly pipeline: Layer.Layer<
    Given,
    Exclude<InitializationError, MigrationSourceError>,
    DatabaseConfig | Initialization | MigrationSource | FileSystem.FileSystem | Path.Path
  > = Layer.scopedContext(
    Effect.flatMap(Effect.all([DatabaseConfig, Initialization, MigrationSource]), (given) => start(...given))
  )

  /**
   * The same on the evidence of the five rooms, for programs that compose their layers by hand: the connection is
   * as ready as with `layer`. A lock that this process alone still holds is refused; `layer` opens the database again.
   */
  static readonly fromRooms: Layer.Layer<
    Given,
    Exclude<InitializationError, MigrationSourceError>,
    DatabaseConfig | Initialization | MigrationSource | Rooms
  > = Layer.effectContext(
    Effect.flatMap(
      Effect.all([
        DatabaseConfig,
        Initialization,
        MigrationSource,
        Effect.all({
          directory: DatabaseDirectory,
          connection: SqliteConnection,
          pragmas: VerifiedPragmas,
          migrations: AppliedMigrations,
          integrity: CheckedIntegrity
        })
      ]),
      ([config, ...given]) => located(handOut(config, ...given), config)
    )
  )

  /**
   * `DatabaseReady` and the `SqlClient` and `SqliteClient` that only it gives. What depends on one of
   * them is not built before the database is ready. The connection is closed with the layer. Needs the `FileSystem` and
   * `Path` of a platform, such as `NodeContext.layer`. Fails with an `InitializationError`.
   */
  static readonly layer = <R = never>(
    options: DatabaseOptions & { readonly migrations: Migrations<R> }
  ): Layer.Layer<Given, InitializationError, FileSystem.FileSystem | Path.Path | R> =>
    Layer.scopedContext(
      Effect.gen(function* () {
        // The source is read before the first stage: migrations that are at fault leave no trace on the disk.
        const source = yield* MigrationSource.make(options.migrations)
        const config = DatabaseConfig.from(options)
        return yield* start(config, yield* Initialization.make(config), source)
      }).pipe((making) => located(making, options))
      // The same as the program's, whose mutations are to reach the client's reactive queries.
    ).pipe(Layer.provide(Reactivity.layer))
}

type Rooms = DatabaseDirectory | SqliteConnection | VerifiedPragmas | AppliedMigrations | CheckedIntegrity

/** What only a start that is ready gives. */
type Given = DatabaseReady | SqlClient.SqlClient | SqliteClient.SqliteClient

/** Every refusal of a start with its database. */
const located = <A, E extends Refusal, R>(
  start: Effect.Effect<A, E, R>,
  { filename }: Pick<DatabaseConfig["Type"], "filename">
) => Effect.mapError(start, (refusal) => inDatabase(absoluteName(filename), refusal))

/**
 * The rooms in their order; each takes the evidence of those before it. The layers of the rooms do the same, at ten
 * times the cost: they look up their services and share what is built.
 */
const start = Effect.fnUntraced(function* (
  config: DatabaseConfig["Type"],
  initialization: Initialization["Type"],
  source: MigrationSource["Type"]
) {
  // A driver that cannot be used leaves no directory behind.
  const driver = soundDriver(config.filename)
  const sound = yield* Effect.either(driver)
  if (Either.isLeft(sound))
    yield* initialization.stage(
      "connection",
      () => driver,
      () => ""
    )
  const directory = yield* DatabaseDirectory.make(config, initialization)
  const done = nothingDone()
  const proven = Effect.fnUntraced(function* (connection: SqliteConnection["Type"]) {
    const pragmas = yield* VerifiedPragmas.make(config, initialization, connection)
    const migrations = yield* AppliedMigrations.make(config, initialization, source, connection, pragmas, done)
    const integrity = yield* CheckedIntegrity.make(config, initialization, connection, migrations)
    return yield* handOut(config, initialization, source, { directory, connection, pragmas, migrations, integrity })
  })
  const connect = SqliteConnection.make(config, initialization, directory)
  initialization.onOwnLock("reopen")
  const connection = yield* connect
  return yield* Effect.catchIf(proven(connection), isOwnLock, (first) =>
    Effect.gen(function* () {
      yield* releaseOwnLock(connection, initialization)
      yield* Effect.logWarning(`${first.sentence}. The database was closed and is opened again.`)
      const second = yield* connect
      return yield* Effect.catchIf(proven(second), isOwnLock, (refusal) =>
        Effect.flatMap(releaseOwnLock(second, initialization), (isOthers) =>
          isOthers ? Effect.flatMap(connect, proven) : Effect.fail(refusal)
        )
      )
    })
  )
}, located)

const isOwnLock = (refusal: Refusal): refusal is LockError =>
  refusal instanceof LockError && refusal.reason === "NotReleased"

/**
 * SQLite does not see that a lock on the `-shm` was not released, and then never gets it again: its note of it goes
 * with the last connection of the process (`unixShmLock` in os_unix.c). Another connection of this process that
 * is open after that may hold the lock by right, and is waited for.
 */
const releaseOwnLock = ({ close, file }: SqliteConnection["Type"], { onOwnLock }: Initialization["Type"]) =>
  Effect.map(close, () => {
    const isOthers = ownDescriptorsOn(file) !== 0
    if (isOthers) onOwnLock("wait")
    return isOthers
  })

/** What is handed out once every room has passed. */
const handOut = Effect.fnUntraced(function* (
  config: DatabaseConfig["Type"],
  initialization: Initialization["Type"],
  source: MigrationSource["Type"],
  evidence: Evidence
) {
  const { connection, integrity, migrations, pragmas } = evidence
  const { inPlace, settings, warnings } = yield* settle(config, initialization, evidence)
  const { durationMs, stages, startedAt } = yield* initialization.timeline
  const report: ReadyReport = {
    status: "ready",
    database: connection.file,
    schemaVersion: migrations.version,
    applied: migrations.applied,
    backup: migrations.backup,
    stages,
    pragmas: settings,
    integrity,
    warnings: [
      ...evidence.directory.warnings,
      ...(connection.lost === undefined ? [] : [connection.lost]),
      ...migrations.warnings,
      ...warnings
    ],
    lastWritten: connection.lastWritten === undefined ? undefined : new Date(connection.lastWritten).toISOString(),
    startedAt,
    durationMs
  }
  // Most starts find everything as it should be, which is news for nobody.
  const isNews = connection.origin === "created" || migrations.applied.length > 0 || migrations.adopted.length > 0
  yield* logReady(report, isNews ? LogLevel.Info : LogLevel.Debug)
  const gate = makeWriteGate(config, source, connection)
  const health = liveHealth(config, evidence, gate, inPlace)
  const withTransaction = guardTransactions(connection, gate)
  const reactivity = yield* Effect.serviceOption(Reactivity.Reactivity)
  const client = clientOf(
    connection.sqlite,
    Option.isSome(reactivity) ? reactivity.value : yield* Reactivity.make,
    withTransaction
  )
  return Context.make(DatabaseReady, {
    report,
    health,
    healthChanges: changesOf(health, config),
    unsafeVersion: databaseVersion(connection.sqlite),
    ...writeThrough(connection, pragmas, config, gate, inPlace, withTransaction)
  }).pipe(Context.add(SqlClient.SqlClient, client), Context.add(SqliteClient.SqliteClient, client))
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
