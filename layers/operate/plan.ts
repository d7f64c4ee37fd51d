/** What a start would do to a database, told without a write. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { writersOf } from "../machine/FileLocks.ts"
import { foldName } from "../schema/SqlScript.ts"
import { lookAtSnapshot } from "../sqlite/AppliedMigrations/DatabaseLook.ts"
import { requireTime } from "../sqlite/AppliedMigrations/EnoughTime.ts"
import { historyFailure } from "../sqlite/AppliedMigrations/HistoryError.ts"
import { refuseObstacles } from "../sqlite/AppliedMigrations/MigrationRun.ts"
import { tryPending } from "../sqlite/AppliedMigrations/Trial.ts"
import { DatabaseConfig } from "../sqlite/DatabaseConfig.ts"
import { absoluteName } from "../sqlite/DatabasePath.ts"
import { outcomeOf, verdictOf } from "../sqlite/edge.ts"
import { Initialization } from "../sqlite/Initialization.ts"
import type { InitializationError } from "../sqlite/InitializationReport.ts"
import { withOnOpen } from "../sqlite/OnOpen.ts"
import { openSqlite, type Sqlite } from "../sqlite/Sqlite.ts"
import type { LayerOptions } from "../sqlite/startInLayer.ts"
import { MigrationSource, type OrderedMigrations, titleOf } from "../start/MigrationSource.ts"
import { type StartPlan, unknownPlan } from "../start/Plan.ts"
import { inDatabase } from "../start/Refusal.ts"
import { inspect } from "./Inspection.ts"
import { backupOf, earlierOn, placeOf, plannedOf, rightsOf } from "./planParts.ts"
import { sizesOf } from "./TableSizes.ts"

/** What a start would do, and what is in its way. */
export interface DatabasePlan extends StartPlan {
  /** Why a start would be refused; undefined where nothing is seen that would refuse it. */
  readonly obstacle: InitializationError | undefined
}

/**
 * Tells what a start with these options would do, and writes nothing. Looks as `access: "inspect"` does, tries the
 * pending statements on the schema alone, and looks for the rights and the space that only a start needs. What depends
 * on rows shows in `rehearse`. Never fails: what is in the way is the plan's `obstacle`.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { Migrations } from "database-ready"
 * import { planDatabase, planLines } from "database-ready/operate"
 * import { Console, Effect } from "effect"
 *
 * export const program = planDatabase({
 *   filename: "data/app.db",
 *   migrations: Migrations.fromDirectory("migrations")
 * }).pipe(
 *   Effect.flatMap((plan) => Console.log(planLines(plan).join("\n"))),
 *   Effect.provide(NodeContext.layer)
 * )
 * ```
 */
export const planDatabase = <R = never>(
  options: LayerOptions<R>
): Effect.Effect<DatabasePlan, never, FileSystem.FileSystem | Path.Path | R> => {
  const config = DatabaseConfig.from({ ...options, access: "inspect" })
  return Effect.flatMap(Effect.either(MigrationSource.make(options.migrations)), (source) =>
    Either.isLeft(source)
      ? Effect.succeed({
          ...unknownPlan(absoluteName(config.filename)),
          obstacle: inDatabase(absoluteName(config.filename), source.left)
        })
      : Effect.scoped(planWith(config, source.right))
  ).pipe(withOnOpen(config.onOpen))
}

const planWith = Effect.fnUntraced(function* (config: DatabaseConfig["Type"], source: OrderedMigrations) {
  const initialization = yield* Initialization.make(config)
  const found = yield* inspect(config, initialization, source)
  const isNew = isOfAbsent(found.refusal)
  // The first one is what a start would be refused with.
  const obstacles = found.refusal === undefined || isNew || isPending(found.refusal) ? [] : [found.refusal]
  const orObstacle = <A, R>(step: Effect.Effect<A, InitializationError, R>) =>
    Effect.catchAll(step, (error) =>
      Effect.sync(() => {
        obstacles.push(inDatabase(absoluteName(config.filename), error))
        return undefined
      })
    )

  const place = yield* orObstacle(isNew ? placeOf(config) : rightsOf(config, found))
  // A database that is not there yet is planned on one in memory.
  const open = isNew ? Effect.option(openSqlite({ filename: ":memory:" })) : Effect.succeed(Option.none<Sqlite>())
  const sqlite = found.connection?.sqlite ?? Option.getOrUndefined(yield* open)
  const base: DatabasePlan = {
    ...unknownPlan(absoluteName(config.filename)),
    database: found.directory?.file ?? absoluteName(config.filename),
    creates: place ?? []
  }
  if (sqlite === undefined) return { ...base, obstacle: obstacles[0] }
  const { stage } = initialization
  const seen = yield* orObstacle(
    stage(
      "migrations",
      () => outcomeOf(() => lookAtSnapshot(config, source, sqlite), historyFailure),
      () => ""
    )
  )
  if (seen === undefined) return { ...base, obstacle: obstacles[0] }

  const { adopted, ahead, pending, repeatables, version } = seen.verdict
  const due = repeatables.isDue ? repeatables.due : []
  const isBlank = seen.isBlank || isNew
  if (isBlank && obstacles.length === 0 && pending.length > 0) {
    const tried = stage(
      "migrations",
      (attempt) =>
        Effect.zipRight(
          verdictOf(refuseObstacles([...pending, ...repeatables.own])),
          tryPending(config, sqlite, seen, attempt)
        ),
      () => ""
    )
    yield* orObstacle(tried)
  }
  const { connection } = found
  if (!isBlank && connection !== undefined && obstacles.length === 0) {
    const room = { config, database: connection }
    const timed = stage(
      "migrations",
      (attempt) => requireTime(room, seen, attempt),
      () => ""
    )
    yield* orObstacle(timed)
  }
  const backup =
    isBlank || connection === undefined ? undefined : yield* orObstacle(backupOf(config, connection, seen, orObstacle))
  const tablesNow = new Map(
    seen.objects.filter(({ type }) => type === "table").map(({ name }) => [foldName(name), name] as const)
  )
  const planned = pending.map((migration) => plannedOf(migration, tablesNow))
  const tables = yield* orObstacle(sizesOf(sqlite, [...new Set(planned.flatMap(({ tables }) => tables))]))
  const earlier = seen.isInitialized ? yield* orObstacle(earlierOn(sqlite)) : []
  const isDue = pending.length + due.length + adopted.length > 0
  const plan: DatabasePlan = {
    ...base,
    status: obstacles.length > 0 ? "refused" : isDue || base.creates.length > 0 ? "pending" : "upToDate",
    schemaVersion: version,
    targetVersion: ahead.length > 0 ? version : source.at(-1)?.version,
    pending: planned,
    repeatables: due.map((migration) => plannedOf(migration, new Map())),
    adopted: adopted.map(({ migration }) => titleOf(migration)),
    tables: tables ?? [],
    backup,
    earlier: earlier ?? [],
    lockedBy: isDue && connection !== undefined ? yield* writersOf(connection.file) : [],
    obstacle: obstacles[0]
  }
  return plan
})

/** What an inspection is refused with where a start creates the database. */
const isOfAbsent = (refusal: InitializationError | undefined): boolean =>
  (refusal?._tag === "ConnectionError" && refusal.reason === "Absent") ||
  (refusal?._tag === "DirectoryError" && refusal.reason === "NotFound")

/** What an inspection is refused with where a start has something to apply. */
const isPending = (refusal: InitializationError): boolean =>
  refusal._tag === "UpgradeError" && refusal.reason === "Pending"
