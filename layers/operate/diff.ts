/** How the schemas of two databases differ, or of a database and its migrations. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { differencesOf, type ObjectDifference } from "../schema/SchemaDifference.ts"
import type { SchemaFacts } from "../schema/SchemaFacts.ts"
import { inOrder, type NotGenerated, stepsFor } from "../schema/SchemaSteps.ts"
import { refuseObstacles } from "../sqlite/AppliedMigrations/MigrationRun.ts"
import { replayInMemory } from "../sqlite/AppliedMigrations/SchemaProof.ts"
import { reasonOf, refusal } from "../sqlite/ConnectionError.ts"
import { DatabaseConfig } from "../sqlite/DatabaseConfig.ts"
import { DatabaseDirectory } from "../sqlite/DatabaseDirectory.ts"
import { absoluteName } from "../sqlite/DatabasePath.ts"
import { outcomeOf, verdictOf } from "../sqlite/edge.ts"
import { Initialization } from "../sqlite/Initialization.ts"
import type { InitializationError } from "../sqlite/InitializationReport.ts"
import { type OnOpen, withOnOpen } from "../sqlite/OnOpen.ts"
import { soundDriver } from "../sqlite/SoundDriver.ts"
import { answerOr, type Sqlite, SqliteFailure } from "../sqlite/Sqlite.ts"
import { SqliteConnection } from "../sqlite/SqliteConnection.ts"
import { MigrationSource, type Migrations } from "../start/MigrationSource.ts"
import { inDatabase } from "../start/Refusal.ts"
import { provenSteps } from "./provenSteps.ts"
import { schemaFacts } from "./schemaFacts.ts"

/** A schema: that of a database file, or the one that migrations make. */
export type DiffSide<R = never> =
  | {
      /** The database file, or `:memory:` for an empty schema. */
      readonly filename: string
    }
  | {
      /** None make an empty schema. */
      readonly migrations: Migrations<R>
      /** What reports call them. Default `the migrations`. */
      readonly name?: string | undefined
    }

/** What `diffSchemas` compares. */
export interface DiffOptions<R = never> {
  /** The first schema. */
  readonly from: DiffSide<R>
  /** The second schema. */
  readonly to: DiffSide<R>
  /** Functions and extensions that the schemas call, as for a start. Default none. */
  readonly onOpen?: OnOpen | undefined
  /** Deadline of opening and reading each database. Default 60 s. */
  readonly timeout?: Duration.DurationInput | undefined
  /** Types of filesystems that are trusted, as for a start. Default none. */
  readonly trustedFilesystems?: ReadonlyArray<string> | undefined
}

/** How two schemas differ. */
export interface SchemaDiff {
  /** Tells it from a refusal. */
  readonly status: "same" | "different"
  /** Absolute path of the first database, or the name of the migrations. */
  readonly from: string
  /** The same of the second. */
  readonly to: string
  /** What leads from the first schema to the second: tables, indexes, views, triggers. */
  readonly differences: ReadonlyArray<ObjectDifference>
  /** Statements of a migration that leads there, without semicolons. They were tried on the first schema in memory. */
  readonly statements: ReadonlyArray<string>
  /** What they leave to a person, because rows could be lost or be in the way. */
  readonly notGenerated: ReadonlyArray<NotGenerated>
}

/**
 * Compares two schemas, each of a database or of migrations. White space, comments, capitals and needless quotes make no
 * difference. A database is looked at as `status` does it, and nothing is written; migrations run in memory. The library's
 * history is not compared.
 *
 * Fails with what a start would be refused with where a database cannot be read or a migration cannot run.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { Migrations } from "database-ready"
 * import { diffLines, diffSchemas } from "database-ready/operate"
 * import { Console, Effect } from "effect"
 *
 * export const program = diffSchemas({
 *   from: { filename: "data/app.db" },
 *   to: { migrations: Migrations.fromDirectory("migrations") }
 * }).pipe(
 *   Effect.flatMap((diff) => Console.log(diffLines(diff).join("\n"))),
 *   Effect.provide(NodeContext.layer)
 * )
 * ```
 */
export const diffSchemas = <R = never>(
  options: DiffOptions<R>
): Effect.Effect<SchemaDiff, InitializationError, FileSystem.FileSystem | Path.Path | R> =>
  Effect.gen(function* () {
    const from = yield* factsOf(options.from, options)
    const to = yield* factsOf(options.to, options)
    const differences = differencesOf(from, to)
    const { notGenerated, steps } = yield* provenSteps(stepsFor(differences, from, to), from, to)
    const diff: SchemaDiff = {
      status: differences.length === 0 ? "same" : "different",
      from: nameOf(options.from),
      to: nameOf(options.to),
      differences,
      statements: inOrder(steps).map(({ sql }) => sql),
      notGenerated: notGenerated.map(({ object, reason }) => ({ object, reason }))
    }
    return diff
  }).pipe(withOnOpen(options.onOpen))

const nameOf = (side: DiffSide<never> | DiffSide<unknown>): string =>
  "filename" in side ? absoluteName(side.filename) : (side.name ?? "the migrations")

const factsOf = <R>(side: DiffSide<R>, options: Omit<DiffOptions, "from" | "to">) =>
  "filename" in side ? factsOfDatabase(side.filename, options) : factsOfMigrations(side.migrations)

const factsOfDatabase = (
  filename: string,
  { onOpen, timeout, trustedFilesystems }: Omit<DiffOptions, "from" | "to">
): Effect.Effect<SchemaFacts, InitializationError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const config = DatabaseConfig.from({ filename, access: "inspect", onOpen, timeout, trustedFilesystems })
    const initialization = yield* Initialization.make(config)
    yield* soundDriver(filename)
    const directory = yield* DatabaseDirectory.make(config, initialization)
    const { file, sqlite } = yield* SqliteConnection.make(config, initialization, directory)
    return yield* initialization.stage(
      "migrations",
      () =>
        outcomeOf(
          () => factsInSnapshot(sqlite),
          (failure) => refusal(file, reasonOf(failure.code), failure)
        ),
      () => ""
    )
  }).pipe(
    Effect.scoped,
    Effect.mapError((error) => inDatabase<InitializationError>(absoluteName(filename), error))
  )

/** In one snapshot, because another process may commit between two reads. Throws `SqliteFailure`. */
const factsInSnapshot = (sqlite: Sqlite): SchemaFacts => {
  sqlite.all("BEGIN")
  try {
    return factsOn(sqlite)
  } finally {
    answerOr(
      () => sqlite.all("ROLLBACK"),
      () => []
    )
  }
}

const factsOn = ({ database }: Sqlite): SchemaFacts => {
  try {
    return schemaFacts(database)
  } catch (cause) {
    throw SqliteFailure.from(cause)
  }
}

const factsOfMigrations = <R>(migrations: Migrations<R>): Effect.Effect<SchemaFacts, InitializationError, R> =>
  Effect.flatMap(MigrationSource.make(migrations), (ordered) => {
    const all = [...ordered, ...(ordered.repeatables ?? [])]
    const inMemory = (failure: SqliteFailure) => refusal(":memory:", reasonOf(failure.code), failure)
    return verdictOf(refuseObstacles(all)).pipe(
      Effect.zipRight(soundDriver(":memory:")),
      Effect.zipRight(Effect.catchTag(replayInMemory(all), "SqliteFailure", inMemory)),
      Effect.flatMap((sqlite) => outcomeOf(() => factsOn(sqlite), inMemory)),
      Effect.scoped
    )
  })
