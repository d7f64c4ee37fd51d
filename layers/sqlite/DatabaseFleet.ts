/** Many databases of one schema in one directory: one for each tenant, user or device. */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { MigrationSource } from "../start/MigrationSource.ts"
import type { MigrationSourceError } from "../start/MigrationSourceError.ts"
import type { ProgressEvent } from "../start/ProgressEvent.ts"
import { startObservers } from "../start/startObservers.ts"
import { DatabaseConfig } from "./DatabaseConfig.ts"
import { DatabaseReady, type TaggedDatabase } from "./DatabaseReady.ts"
import type { FleetError } from "./FleetError.ts"
import { fileOf, namesIn, placeOf, requireOwnFile } from "./FleetNames.ts"
import { Initialization } from "./Initialization.ts"
import type { InitializationError, ReadyReport } from "./InitializationReport.ts"
import { openDatabases, type Use } from "./OpenDatabases.ts"
import { SharedLooks, shareLooks } from "./SharedLooks.ts"
import { inStartSpan, startDatabase } from "./startDatabase.ts"
import type { LayerOptions } from "./startInLayer.ts"

/**
 * What a fleet takes: the options of each of its databases, and its own. `R` is what the migrations need. Durations are
 * Effect's.
 */
export interface FleetOptions<R> extends Omit<LayerOptions<R>, "filename" | "onProgress"> {
  /** The directory of the files, relative to the working directory. Databases in folders below it are not part of it. */
  readonly directory: string
  /** What the files end with: the database `acme` is `acme.db`. Default `.db`. */
  readonly extension?: string | undefined
  /** How long a database stays open after its last use. Default 1 minute. */
  readonly idleTimeToLive?: Duration.DurationInput | undefined
  /**
   * How many are open at most; each has three descriptors and a page cache, and more for its `readers`. At the bound the
   * one that is idle for longest is closed; where none is idle, a request waits. Default 100.
   */
  readonly maxOpen?: number | undefined
  /** Called with each step of the start of one of its databases, and its name. */
  readonly onProgress?: ((event: ProgressEvent, name: string) => Effect.Effect<unknown>) | undefined
}

/** Many databases of one schema. A name is the file's without its extension. */
export interface Fleet {
  /**
   * An existing database, ready until the scope closes; then it stays open for `idleTimeToLive`. Requests at the same
   * time share one start and one connection. A start that is refused is tried again by the next request. Fails with
   * `FleetError` for a name that is not a file of the fleet, and with an `InitializationError`.
   */
  readonly get: (name: string) => Effect.Effect<TaggedDatabase, FleetError | InitializationError, Scope.Scope>
  /** The same, and creates the database if it is absent. */
  readonly getOrCreate: (name: string) => Effect.Effect<TaggedDatabase, FleetError | InitializationError, Scope.Scope>
  /** `get` as a layer, for what asks for `DatabaseReady`, `SqlClient` or `SqliteClient`. */
  readonly layer: (
    name: string
  ) => Layer.Layer<DatabaseReady | SqlClient.SqlClient | SqliteClient.SqliteClient, FleetError | InitializationError>
  /** The names of all its databases, in order, from one read of the directory. */
  readonly names: Effect.Effect<ReadonlyArray<string>, FleetError>
  /** The names of those that are open at this moment, in order. */
  readonly openNames: Effect.Effect<ReadonlyArray<string>>
  /**
   * Makes every database ready, one element for each as it is done, in any order; a refusal is a `Left` and does not stop
   * the others. Run it again to go on: those that are ready are only looked at. They are closed again at once. Fails
   * where the directory cannot be listed.
   */
  readonly upgradeAll: (options?: UpgradeAllOptions) => Stream.Stream<FleetFile, FleetError>
}

/** How `upgradeAll` goes through a fleet. */
export interface UpgradeAllOptions {
  /** How many at the same time: while one waits for a lock or a copy, another goes on. Default 4, and never above `maxOpen`. */
  readonly concurrency?: number | undefined
}

/** What `upgradeAll` did with one database. */
export interface FleetFile {
  /** The file's name without its extension. */
  readonly name: string
  /** Its report, or why it was refused. */
  readonly result: Either.Either<ReadyReport, FleetError | InitializationError>
  /** How many are done, this one included. */
  readonly done: number
  /** How many there were when it began. */
  readonly total: number
}

/**
 * Many databases of one schema in one directory, such as one for each tenant. They are opened on demand, kept while they
 * are used, and closed when they were idle for a while. The migrations are read, checked, split and replayed once for
 * all of them.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { DatabaseFleet, Migrations } from "database-ready"
 * import { Effect, Layer } from "effect"
 *
 * const Tenants = DatabaseFleet.layer({
 *   directory: "data/tenants",
 *   migrations: Migrations.fromDirectory("migrations")
 * }).pipe(Layer.provide(NodeContext.layer))
 *
 * const addNote = (tenant: string, text: string) =>
 *   Effect.gen(function* () {
 *     const fleet = yield* DatabaseFleet
 *     const { sql, write } = yield* fleet.get(tenant)
 *     yield* write(sql`INSERT INTO notes (text) VALUES (${text})`)
 *   }).pipe(Effect.scoped)
 *
 * export const program = addNote("acme", "hello").pipe(Effect.provide(Tenants))
 * ```
 */
export class DatabaseFleet extends Context.Tag("database-ready/DatabaseFleet")<DatabaseFleet, Fleet>() {
  /**
   * A fleet, closed with its scope: for several of them, each with a tag of its own. Reads the migrations, and opens nothing.
   * Fails with a `MigrationSourceError`, or with `FleetError` for an `extension` that cannot be used.
   */
  static readonly make = <R = never>(
    options: FleetOptions<R>
  ): Effect.Effect<Fleet, MigrationSourceError | FleetError, FileSystem.FileSystem | Path.Path | Scope.Scope | R> =>
    makeFleet(options)

  /** The same as a service. */
  static readonly layer = <R = never>(
    options: FleetOptions<R>
  ): Layer.Layer<DatabaseFleet, MigrationSourceError | FleetError, FileSystem.FileSystem | Path.Path | R> =>
    Layer.scoped(DatabaseFleet, DatabaseFleet.make(options))
}

const makeFleet = Effect.fnUntraced(function* <R>({
  directory,
  extension = ".db",
  idleTimeToLive = "1 minute",
  maxOpen = 100,
  migrations,
  onProgress,
  ...options
}: FleetOptions<R>) {
  const place = yield* placeOf(directory, extension)
  const source = yield* MigrationSource.make(migrations)
  const platform = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
  const context = platform.pipe(
    Context.pick(FileSystem.FileSystem, Path.Path),
    Context.add(Reactivity.Reactivity, yield* Reactivity.make)
  )
  const looks = shareLooks((name) => name.endsWith(extension), yield* Effect.clock)

  const start = Effect.fnUntraced(function* (name: string, { mayCreate }: Use) {
    const filename = yield* fileOf(place, name)
    yield* requireOwnFile(place, { database: filename, mayCreate, name })
    const told = onProgress === undefined ? undefined : (event: ProgressEvent) => onProgress(event, name)
    const config = DatabaseConfig.from({ ...options, filename, onProgress: told })
    // A program is ready without any of them: what watches its starts does not watch these.
    const initialization = yield* Effect.locally(Initialization.make(config), startObservers, [])
    const started = inStartSpan(startDatabase(config, initialization, source), config)
    const { client, ready } = yield* started.pipe(Effect.provideService(SharedLooks, looks), Effect.provide(context))
    const opened: TaggedDatabase = { ...ready, sql: client }
    return opened
  })
  const open = yield* openDatabases({ idleTimeToLive, maxOpen: Math.max(1, Math.floor(maxOpen)) }, start)

  /** A name that cannot be used is refused before a start. */
  const getAs = (name: string, use: Use): ReturnType<Fleet["get"]> =>
    Effect.zipRight(fileOf(place, name), open.get(name, use))
  const get = (name: string) => getAs(name, { mayCreate: false, stays: true })

  const names = namesIn(place)
  const upgradeAll: Fleet["upgradeAll"] = ({ concurrency = 4 } = {}) =>
    Stream.unwrap(
      Effect.map(names, (all) => {
        let done = 0
        return Stream.fromIterable(all).pipe(
          Stream.mapEffect(
            (name) =>
              getAs(name, { mayCreate: false, stays: false }).pipe(
                Effect.map(({ report }) => report),
                Effect.scoped,
                Effect.either,
                Effect.map((result): FleetFile => {
                  done += 1
                  return { name, result, done, total: all.length }
                })
              ),
            { concurrency: Math.max(1, Math.floor(concurrency)), unordered: true }
          )
        )
      })
    )

  const fleet: Fleet = {
    get,
    getOrCreate: (name) => getAs(name, { mayCreate: true, stays: true }),
    layer: (name) =>
      Layer.scopedContext(
        Effect.map(get(name), ({ sql, ...ready }) =>
          Context.make(DatabaseReady, ready).pipe(
            Context.add(SqlClient.SqlClient, sql),
            Context.add(SqliteClient.SqliteClient, sql)
          )
        )
      ),
    names,
    openNames: open.names,
    upgradeAll
  }
  return fleet
})
