/** Everything that can be looked at in a database, as one list. Nothing is written. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import { DatabaseConfig } from "../sqlite/DatabaseConfig.ts"
import { absoluteName } from "../sqlite/DatabasePath.ts"
import { Initialization } from "../sqlite/Initialization.ts"
import type { InitializationError } from "../sqlite/InitializationReport.ts"
import { withOnOpen } from "../sqlite/OnOpen.ts"
import type { LayerOptions } from "../sqlite/startInLayer.ts"
import { MigrationSource } from "../start/MigrationSource.ts"
import { inDatabase } from "../start/Refusal.ts"
import { type CheckName, type DatabaseCheck, failWith, type Judged, pass, unknown, warn } from "./check/CheckList.ts"
import { checkOf } from "./check/checkOf.ts"
import {
  checkFreePages,
  checkJournalMode,
  checkSoundness,
  checkSqlite,
  checkStatistics
} from "./check/databaseChecks.ts"
import { checkBackups, checkRights, checkSpace, checkWal } from "./check/fileChecks.ts"
import { checkHistory } from "./check/historyChecks.ts"
import { type Inspection, inspect } from "./Inspection.ts"

/** What was found of a database, check by check. */
export interface CheckedDatabase {
  /** Absolute path of the database file, or `:memory:`. */
  readonly database: string
  /** When the look began, ISO 8601, UTC. */
  readonly at: string
  /** The worst of the checks: `fail`, then `unknown`, then `warn`, then `pass`. */
  readonly status: DatabaseCheck["status"]
  /** All of them, always in the same order. */
  readonly checks: ReadonlyArray<DatabaseCheck>
  /** The first refusal of a check that failed, else of one that could not look; undefined where there is none. `exitCodeOf` gives its exit code. */
  readonly refusal: InitializationError | undefined
}

/**
 * Looks at everything that can be looked at in a database, and goes on after what it finds. Writes nothing, and leaves
 * nothing next to the database. With `integrity` `auto`, the default, the pages are checked as with `quick`; with
 * `schema` they are not. Never fails: what is wrong is in the list.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { Migrations } from "database-ready"
 * import { checkDatabase, checkLines } from "database-ready/operate"
 * import { Console, Effect } from "effect"
 *
 * export const program = checkDatabase({
 *   filename: "data/app.db",
 *   migrations: Migrations.fromDirectory("migrations"),
 *   integrity: "full"
 * }).pipe(
 *   Effect.flatMap((checked) => Console.log(checkLines(checked).join("\n"))),
 *   Effect.provide(NodeContext.layer)
 * )
 * ```
 */
export const checkDatabase = <R = never>(
  options: LayerOptions<R>
): Effect.Effect<CheckedDatabase, never, FileSystem.FileSystem | Path.Path | R> => {
  const config = DatabaseConfig.from({ ...options, access: "inspect" })
  return Effect.scoped(
    Effect.flatMap(Effect.either(MigrationSource.make(options.migrations)), (source) => checkWith(config, source))
  ).pipe(withOnOpen(config.onOpen))
}

/**
 * `checkDatabase` again and again: `onLook` has the result of each look, and the next one begins `every` after it.
 * Ends only with a failure of `onLook`, or when it is interrupted. The files of the migrations are read again each time.
 *
 * @example
 * ```ts
 * import { Migrations } from "database-ready"
 * import { checkLine, watchDatabase } from "database-ready/operate"
 * import { Console } from "effect"
 *
 * const options = { filename: "data/app.db", migrations: Migrations.fromDirectory("migrations") }
 *
 * export const watch = watchDatabase(options, "5 minutes", (checked) => Console.log(checkLine(checked)))
 * ```
 */
export const watchDatabase = <R, E, R1>(
  options: LayerOptions<R>,
  every: Duration.DurationInput,
  onLook: (checked: CheckedDatabase) => Effect.Effect<void, E, R1>
): Effect.Effect<never, E, FileSystem.FileSystem | Path.Path | R | R1> =>
  checkDatabase(options).pipe(
    Effect.flatMap(onLook),
    Effect.repeat(Schedule.spaced(every)),
    Effect.zipRight(Effect.never)
  )

const checkWith = Effect.fnUntraced(function* (
  config: DatabaseConfig["Type"],
  loaded: Either.Either<MigrationSource["Type"], InitializationError>
) {
  const at = new Date(yield* Clock.currentTimeMillis).toISOString()
  const initialization = yield* Initialization.make(config)
  const wanted = absoluteName(config.filename)
  const source = Either.mapLeft(loaded, (error) => inDatabase(wanted, error))
  const ofMemory = unknown("a database in memory has none")
  const { inMemory } = config
  const walBefore = inMemory ? ofMemory : yield* checkWal(wanted, config.pragmas.journalSizeLimit)

  // Without migrations the file is still looked at, and what that says of its history is of no account.
  // The pages have a check of their own, which also runs after a refusal.
  const inspected = yield* inspect(
    { ...config, integrity: "schema" },
    initialization,
    Either.getOrElse(source, () => [])
  )
  const isOfHistory = inspected.pragmas !== undefined && Either.isLeft(source)
  const found: Inspection = isOfHistory ? { ...inspected, refusal: undefined } : inspected
  const file = found.directory?.file ?? wanted
  const { connection } = found

  const list = new Map<CheckName, Judged>()
  list.set("SQLite version", yield* checkSqlite(config))
  list.set("directory", directoryOf(found))
  list.set("file", fileOf(found))
  list.set("file rights", inMemory ? ofMemory : yield* checkRights(config, file))
  const unopened = unknown("the database could not be opened")
  if (connection === undefined) {
    for (const name of throughConnection) list.set(name, unopened)
    if (Either.isLeft(source)) list.set("history", failWith(source.left))
    list.set("WAL", walBefore)
  } else {
    const { sqlite } = connection
    list.set("journal mode", yield* checkJournalMode(config, sqlite))
    const { history, schema } = Either.isLeft(source)
      ? { history: failWith(source.left), schema: unknown("not compared: the migrations could not be read") }
      : yield* checkHistory(config, initialization, source.right, sqlite)
    list.set("history", withWarnings(history, found.migrations?.warnings ?? []))
    list.set("schema", schema)
    const { foreignKeys, objects, pages } = yield* checkSoundness(config, initialization, connection)
    list.set("views and triggers", objects)
    list.set("pages", pages)
    list.set("foreign keys", foreignKeys)
    list.set("statistics", yield* checkStatistics(sqlite))
    const lost = connection.lost
    list.set(
      "WAL",
      lost === undefined
        ? walBefore
        : warn(lost, "Copy all files of the database again, or restore a backup with `database-ready restore`.")
    )
    list.set("free pages", yield* checkFreePages(sqlite))
  }
  list.set("backups", inMemory ? ofMemory : yield* checkBackups(file, config.onOpen))
  list.set("free space", inMemory ? ofMemory : yield* checkSpace(file))
  if (found.refusal !== undefined) tellRefusal(list, found.refusal, found)
  return resultOf(file, at, list)
})

/** What can be looked at only through the connection. */
const throughConnection = [
  "journal mode",
  "history",
  "schema",
  "views and triggers",
  "pages",
  "foreign keys",
  "statistics",
  "WAL",
  "free pages"
] as const

const directoryOf = ({ directory }: Inspection): Judged =>
  directory === undefined ? unknown("not looked at") : withWarnings(pass(directory.filesystem), directory.warnings)

const fileOf = ({ connection }: Inspection): Judged =>
  connection === undefined
    ? unknown("the database could not be opened")
    : pass(connection.origin === "existing" ? "opens, and is a database" : connection.origin)

const withWarnings = (judged: Judged, warnings: ReadonlyArray<string>): Judged =>
  judged.status !== "pass" || warnings.length === 0
    ? judged
    : warn([judged.found, ...warnings].join(". "), "Check whether this is what you meant.")

/** A refusal of the inspection is one of a start too: it is never less than a failure. */
const tellRefusal = (list: Map<CheckName, Judged>, refusal: InitializationError, found: Inspection): void => {
  const name = checkOf(refusal, found)
  if (list.get(name)?.refusal === undefined || list.get(name)?.status !== "fail") list.set(name, failWith(refusal))
}

const worst = ["fail", "unknown", "warn", "pass"] as const

const resultOf = (database: string, at: string, list: ReadonlyMap<CheckName, Judged>): CheckedDatabase => {
  const all = [...list.values()]
  const refusals = all.filter(({ refusal }) => refusal !== undefined)
  return {
    database,
    at,
    status: worst.find((status) => all.some((judged) => judged.status === status)) ?? "pass",
    checks: [...list].map(([name, { found, remedy, status }]) => ({ name, status, found, remedy })),
    refusal: refusals.find(({ status }) => status === "fail")?.refusal ?? refusals[0]?.refusal
  }
}
