/** Databases as releases of a program leave them: at any version, with the rows of its time. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type { Scope } from "effect/Scope"
import { readHistory } from "../sqlite/AppliedMigrations/MigrationHistory.ts"
import type { DatabaseOptions } from "../sqlite/DatabaseConfig.ts"
import { DatabaseReady } from "../sqlite/DatabaseReady.ts"
import { atEdge } from "../sqlite/edge.ts"
import type { ReadyReport } from "../sqlite/InitializationReport.ts"
import { newestVersion } from "../sqlite/RestoreChoice.ts"
import { openSqlite } from "../sqlite/Sqlite.ts"
import type { Migration, OrderedMigrations } from "../start/MigrationSource.ts"
import { type Contents, compareContents, readContents } from "./contents.ts"
import { type Fixture, findVersion, type MigrationTest, type Prepared, prepare, type Ready } from "./MigrationTest.ts"
import { MigrationTestError } from "./MigrationTestError.ts"
import { removeRepeatables } from "./removeRepeatables.ts"

/** One upgrade to the newest version. */
export interface Upgraded<A> {
  /** The version before; undefined for a new database. */
  readonly from: string | undefined
  /** The report of the start. */
  readonly report: ReadyReport
  /** What `look` gave. */
  readonly seen: A
}

type Platform = FileSystem.FileSystem | Path.Path

/** What the release of a version has. Repeatable ones may need what the newest version makes, so only that has them. */
const releaseAt = (list: OrderedMigrations, upTo: number): ReadonlyArray<Migration> =>
  isNewest(list, upTo) ? [...list, ...(list.repeatables ?? [])] : list.filter(({ id }) => id <= upTo)

const isNewest = (list: OrderedMigrations, upTo: number): boolean => list.every(({ id }) => id <= upTo)

/** A start in this process, up to a version or to the newest. */
export const startAt = <E, R>(
  { list, options }: Prepared<E, R>,
  filename: string,
  during: string,
  { upTo = Number.POSITIVE_INFINITY, ...more }: { readonly upTo?: number } & Partial<DatabaseOptions> = {}
): Effect.Effect<Context.Context<Ready>, MigrationTestError, Platform | Scope> =>
  Effect.zipRight(
    isNewest(list, upTo) || more.access === "inspect" ? Effect.void : removeRepeatables(filename, during),
    Effect.mapError(
      Layer.build(
        DatabaseReady.layer({
          backups: 0,
          ...options,
          ...more,
          filename,
          migrations: Effect.succeed(releaseAt(list, upTo))
        })
      ),
      (error) => MigrationTestError.refused(during, error)
    )
  ).pipe(
    // A test makes hundreds of databases, and each says that it was made.
    Logger.withMinimumLogLevel(LogLevel.Warning)
  )

/** What is in a file. Fails unless it is ready, up to a version or to the newest. */
export const lookAt = <E, R>(
  prepared: Prepared<E, R>,
  filename: string,
  during: string
): Effect.Effect<Contents, MigrationTestError, Platform> =>
  startAt(prepared, filename, during, { access: "inspect", integrity: "full" }).pipe(
    Effect.flatMap((ready) => Effect.provide(readContents(prepared.ignored), ready)),
    Effect.catchTag("SqlError", (error) => Effect.fail(MigrationTestError.unreadable(during)(error))),
    Effect.scoped
  )

/** The same, and fails unless that is what was expected. */
export const expectAt = <E, R>(prepared: Prepared<E, R>, filename: string, during: string, expected: Contents) =>
  Effect.flatMap(lookAt(prepared, filename, during), (found) => compareContents(during, expected, found))

/** A folder that goes with the scope; links are resolved, as SQLite and the kernel see it. */
export const temporaryFolder: Effect.Effect<string, MigrationTestError, FileSystem.FileSystem | Scope> =
  FileSystem.FileSystem.pipe(
    Effect.flatMap((fs) =>
      Effect.flatMap(fs.makeTempDirectoryScoped({ prefix: "database-ready-" }), (folder) => fs.realPath(folder))
    ),
    Effect.mapError(MigrationTestError.unreadable("A temporary directory"))
  )

/** Copies a database that nobody has open. */
export const copyFile = (from: string, to: string) =>
  FileSystem.FileSystem.pipe(
    Effect.flatMap((fs) => fs.copyFile(from, to)),
    Effect.mapError(MigrationTestError.unreadable(`The copy of ${from}`))
  )

/** Makes the database at a version: a start for each version that has rows, then the rows. */
export const buildAt = <E, R>(
  prepared: Prepared<E, R>,
  { id, version }: Pick<Migration, "id" | "version">,
  file: string
): Effect.Effect<void, MigrationTestError | E, Platform | R> =>
  Effect.gen(function* () {
    const { list, rows } = prepared
    const stops = list.filter((migration) => migration.id <= id && (migration.id === id || rows.has(migration.id)))
    // A file of a later release replaces what was built for the releases before.
    const begin = Math.max(
      0,
      stops.findLastIndex((migration) => isFixture(rows.get(migration.id)))
    )
    for (const stop of stops.slice(begin)) {
      const given = rows.get(stop.id)
      const during = `The database at ${version}`
      if (isFixture(given)) {
        yield* copyFile(given.fixture, file)
        const access = "inspect" as const
        yield* Effect.scoped(
          startAt(prepared, file, `The fixture ${given.fixture} at ${stop.version}`, { upTo: stop.id, access })
        ).pipe(
          Effect.catchIf(isNewer, (error) =>
            Effect.flatMap(isAt(file, stop.id), (isThere) => (isThere ? Effect.void : Effect.fail(error)))
          )
        )
      } else {
        yield* startAt(prepared, file, during, { upTo: stop.id }).pipe(
          Effect.flatMap((ready) => (given === undefined ? Effect.void : Effect.provide(given, ready))),
          Effect.scoped
        )
      }
    }
  })

const isNewer = ({ refusal }: MigrationTestError): boolean => refusal?.reason === "NewerDatabase"

/** At the same numbered migration, a release is newer by repeatable ones alone: the next start makes them again. */
const isAt = (file: string, id: number): Effect.Effect<boolean> =>
  Effect.scoped(
    Effect.flatMap(openSqlite({ filename: file, readonly: true }), (sqlite) =>
      atEdge(() => readHistory(sqlite), identity)
    )
  ).pipe(
    Effect.map(({ rows }) => Number(newestVersion(rows)) === id),
    Effect.orElseSucceed(() => false)
  )

const isFixture = (given: unknown): given is Fixture =>
  typeof given === "object" && given !== null && !Effect.isEffect(given) && "fixture" in given

/** The database at a version, or none yet, in a folder that goes with the scope. */
export const buildFrom = <E, R>(prepared: Prepared<E, R>, from: string | undefined) =>
  Effect.gen(function* () {
    const file = (yield* Path.Path).join(yield* temporaryFolder, "app.db")
    if (from !== undefined) yield* buildAt(prepared, yield* findVersion(prepared.list, from), file)
    return file
  })

/**
 * The path of a database at a version, with the rows of that version and of those before it. It is deleted with the
 * scope. Fails with a `MigrationTestError`, or as the rows do.
 *
 * @example
 * ```ts
 * import { Migrations } from "database-ready"
 * import { databaseAt } from "database-ready/testing"
 *
 * export const at002 = databaseAt({ migrations: Migrations.fromDirectory("migrations") }, "002")
 * ```
 */
export const databaseAt = <E = never, R = never>(
  test: MigrationTest<E, R>,
  version: string
): Effect.Effect<string, MigrationTestError | E, Platform | Scope | R> =>
  Effect.flatMap(prepare(test), (prepared) => buildFrom(prepared, version))

/**
 * The same database after its upgrade to the newest version, ready, for a test to look at. Fails with a
 * `MigrationTestError`, or as the rows do.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import * as SqlClient from "@effect/sql/SqlClient"
 * import { Migrations } from "database-ready"
 * import { upgradedFrom } from "database-ready/testing"
 * import { Effect, Layer } from "effect"
 *
 * const notes = {
 *   migrations: Migrations.fromDirectory("migrations"),
 *   rows: { "001": Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO notes (text) VALUES ('old')`) }
 * }
 *
 * export const test = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT text FROM notes`).pipe(
 *   Effect.provide(upgradedFrom(notes, "001").pipe(Layer.provide(NodeContext.layer)))
 * )
 * ```
 */
export const upgradedFrom = <E = never, R = never>(
  test: MigrationTest<E, R>,
  version: string
): Layer.Layer<Ready, MigrationTestError | E, Platform | R> =>
  Layer.scopedContext(
    Effect.flatMap(prepare(test), (prepared) =>
      Effect.flatMap(buildFrom(prepared, version), (file) => startAt(prepared, file, `The upgrade from ${version}`))
    )
  )

/**
 * Upgrades a new database and one of every version, each with the rows of its time, and looks at each with `look`.
 * Gives what was seen, oldest first. Fails with a `MigrationTestError` for the first that is refused, or as the rows and
 * `look` do.
 */
export const checkUpgrades = <A, E2, R2, E = never, R = never>(
  test: MigrationTest<E, R>,
  look: (from: string | undefined) => Effect.Effect<A, E2, R2>
): Effect.Effect<ReadonlyArray<Upgraded<A>>, MigrationTestError | E | E2, Platform | R | Exclude<R2, Ready>> =>
  Effect.flatMap(prepare(test), (prepared) =>
    Effect.forEach([undefined, ...prepared.list.map(({ version }) => version)], (from) =>
      Effect.gen(function* () {
        const file = yield* buildFrom(prepared, from)
        const during = `The upgrade from ${from ?? "nothing"}`
        const ready = yield* startAt(prepared, file, during, { integrity: "full" })
        const seen = yield* Effect.provide(look(from), ready)
        return { from, report: Context.get(ready, DatabaseReady).report, seen }
      }).pipe(Effect.scoped)
    )
  )
