/** Room 6: all the evidence, as the one service that programs ask for. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { MigrationSource } from "../start/MigrationSource.ts"
import type { MigrationSourceError } from "../start/MigrationSourceError.ts"
import { AppliedMigrations } from "./AppliedMigrations.ts"
import { CheckedIntegrity } from "./CheckedIntegrity.ts"
import { DatabaseConfig } from "./DatabaseConfig.ts"
import { DatabaseDirectory } from "./DatabaseDirectory.ts"
import { Initialization } from "./Initialization.ts"
import type { InitializationError } from "./InitializationReport.ts"
import type { MaintenanceOptions } from "./Maintenance.ts"
import { handOut, type ReadyDatabase } from "./ReadyDatabase.ts"
import { SqliteConnection } from "./SqliteConnection.ts"
import { inStartSpan, startDatabase, withDatabase } from "./startDatabase.ts"
import { type LayerOptions, startInLayer } from "./startInLayer.ts"
import { VerifiedPragmas } from "./VerifiedPragmas.ts"

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
export class DatabaseReady extends Context.Tag("database-ready/DatabaseReady")<DatabaseReady, ReadyDatabase>() {
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
  > => Effect.map(inStartSpan(startDatabase(config, initialization, source), config), given)

  /**
   * The same start, as a layer on `DatabaseConfig`, `Initialization` and `MigrationSource`. For programs that look at
   * the start while it runs, through `Initialization`; all others want `layer`. Fails with an `InitializationError`.
   */
  static readonly pipeline: Layer.Layer<
    Given,
    Exclude<InitializationError, MigrationSourceError>,
    DatabaseConfig | Initialization | MigrationSource | FileSystem.FileSystem | Path.Path
  > = Layer.scopedContext(
    Effect.flatMap(Effect.all([DatabaseConfig, Initialization, MigrationSource]), (before) =>
      DatabaseReady.make(...before)
    )
  )

  /**
   * The same on the evidence of the five rooms, for programs that compose their layers by hand: the connection is
   * as ready as with `layer`. A lock that this process alone still holds is refused; `layer` opens the database again.
   *
   * @example
   * ```ts
   * import { NodeContext } from "@effect/platform-node"
   * import * as Ready from "database-ready"
   * import { Layer } from "effect"
   *
   * export const Database = Ready.DatabaseReady.fromRooms.pipe(
   *   Layer.provide(Ready.CheckedIntegrity.layer),
   *   Layer.provide(Ready.AppliedMigrations.layer),
   *   Layer.provide(Ready.VerifiedPragmas.layer),
   *   Layer.provide(Ready.SqliteConnection.layer),
   *   Layer.provide(Ready.DatabaseDirectory.layer),
   *   Layer.provide(Ready.Initialization.layer),
   *   Layer.provide(Ready.DatabaseConfig.layer({ filename: "data/app.db" })),
   *   Layer.provide(Ready.MigrationSource.layer(Ready.Migrations.fromDirectory("migrations"))),
   *   Layer.provide(NodeContext.layer)
   * )
   * ```
   */
  static readonly fromRooms: Layer.Layer<
    Given,
    Exclude<InitializationError, MigrationSourceError>,
    DatabaseConfig | Initialization | MigrationSource | Rooms
  > = Layer.scopedContext(
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
      ([config, initialization, ...before]) =>
        withDatabase(Effect.map(handOut(config, initialization, ...before), given), config, initialization)
    )
  )

  /**
   * `DatabaseReady` and the `SqlClient` and `SqliteClient` that only it gives. What depends on one of
   * them is not built before the database is ready. The connection is closed with the layer. Needs the `FileSystem` and
   * `Path` of a platform, such as `NodeContext.layer`. Fails with an `InitializationError`.
   */
  static readonly layer = <R = never>(
    options: LayerOptions<R>
  ): Layer.Layer<Given, InitializationError, FileSystem.FileSystem | Path.Path | R> =>
    Layer.scopedContext(Effect.map(startInLayer(options), given))

  /**
   * What the database needs after its start, as one layer; ended with it. Never fails: a task that fails is logged and is a warning of `health`.
   *
   * @example
   * ```ts
   * import { DatabaseReady } from "database-ready"
   * import { Schedule } from "effect"
   *
   * export const Upkeep = DatabaseReady.maintenance({
   *   optimize: Schedule.spaced("1 hour"),
   *   backup: { schedule: Schedule.cron("0 3 * * *"), directory: "/backups", keep: 14 }
   * })
   * ```
   */
  static readonly maintenance = (
    options: MaintenanceOptions
  ): Layer.Layer<never, never, DatabaseReady | FileSystem.FileSystem | Path.Path> =>
    Layer.scopedDiscard(Effect.flatMap(DatabaseReady, ({ maintain }) => maintain(options)))

  /** The same for a database with a tag of its own. */
  static readonly maintenanceOf = <Self>(
    tag: Context.Tag<Self, TaggedDatabase>,
    options: MaintenanceOptions
  ): Layer.Layer<never, never, Exclude<Self, Scope.Scope> | FileSystem.FileSystem | Path.Path> =>
    Layer.scopedDiscard(Effect.flatMap(tag, ({ maintain }) => maintain(options)))

  /**
   * A tag of its own for one of several databases in a program. Its service is that of `DatabaseReady`, and `sql`, the
   * client of that database.
   *
   * @example
   * ```ts
   * import { NodeContext } from "@effect/platform-node"
   * import { DatabaseReady, Migrations } from "database-ready"
   * import { Effect, Layer } from "effect"
   *
   * class Jobs extends DatabaseReady.Tag("jobs")<Jobs>() {}
   *
   * const JobsLive = DatabaseReady.layerAs(Jobs, {
   *   filename: "data/jobs.db",
   *   migrations: Migrations.fromDirectory("migrations")
   * }).pipe(Layer.provide(NodeContext.layer))
   *
   * export const program = Effect.gen(function* () {
   *   const { sql, write } = yield* Jobs
   *   yield* write(sql`INSERT INTO jobs (name) VALUES ('tidy')`)
   * }).pipe(Effect.provide(JobsLive))
   * ```
   */
  static readonly Tag =
    <const Id extends string>(id: Id) =>
    <Self>(): Context.TagClass<Self, Id, TaggedDatabase> =>
      Context.Tag(id)<Self, TaggedDatabase>()

  /**
   * The database of such a tag, ready; closed with the layer. It gives no `SqlClient`, so that no statement reaches
   * another database by mistake. The tag's key is in the metrics as `database`. Fails with an `InitializationError`.
   */
  static readonly layerAs = <Self, R = never>(
    tag: Context.Tag<Self, TaggedDatabase>,
    options: LayerOptions<R>
  ): Layer.Layer<Self, InitializationError, FileSystem.FileSystem | Path.Path | R> =>
    Layer.scoped(
      tag,
      Effect.map(startInLayer(options), ({ client, ready }) => ({ ...ready, sql: client })).pipe(
        Effect.tagMetrics("database", tag.key)
      )
    )
}

/** A database with a tag of its own. */
export interface TaggedDatabase extends ReadyDatabase {
  /** The client of this database. */
  readonly sql: SqliteClient.SqliteClient
}

/** The five stages as services. */
type Rooms = DatabaseDirectory | SqliteConnection | VerifiedPragmas | AppliedMigrations | CheckedIntegrity

/** What only a start that is ready gives. */
type Given = DatabaseReady | SqlClient.SqlClient | SqliteClient.SqliteClient

const given = ({ client, ready }: Effect.Effect.Success<ReturnType<typeof startDatabase>>): Context.Context<Given> =>
  Context.make(DatabaseReady, ready).pipe(
    Context.add(SqlClient.SqlClient, client),
    Context.add(SqliteClient.SqliteClient, client)
  )
