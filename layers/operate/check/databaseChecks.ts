/** Checks that read through the connection of the inspection. Each looks for itself, whatever the others found. */
import * as Effect from "effect/Effect"
import { identifier } from "../../schema/SqlScript.ts"
import { historyTable } from "../../sqlite/AppliedMigrations/historyTable.ts"
import type { DatabaseConfig } from "../../sqlite/DatabaseConfig.ts"
import { atEdge } from "../../sqlite/edge.ts"
import type { Initialization } from "../../sqlite/Initialization.ts"
import { IntegrityError } from "../../sqlite/IntegrityError.ts"
import { asking, checkForeignKeys, checkObjects, checkStructure, sizeOf } from "../../sqlite/PageCheck.ts"
import { hasWalResetBug } from "../../sqlite/SoundDriver.ts"
import { integer, openSqlite, type Sqlite, text } from "../../sqlite/Sqlite.ts"
import type { SqliteConnection } from "../../sqlite/SqliteConnection.ts"
import type { Attempt, StageError } from "../../start/Attempt.ts"
import { bytesText } from "../text.ts"
import { failWith, type Judged, pass, unknown, unknownFor, warn } from "./CheckList.ts"

/** Fails where SQLite's answer is about what was looked at. Where it could not look, nothing is known. */
const judged = <R>(
  looking: Effect.Effect<Judged, IntegrityError | StageError, R>,
  reason?: IntegrityError["reason"]
): Effect.Effect<Judged, never, R> =>
  Effect.catchAll(looking, (error) => Effect.succeed(error.reason === reason ? failWith(error) : unknownFor(error)))

const reading = (question: () => Judged): Effect.Effect<Judged> => judged(atEdge(question, IntegrityError.unreadable))

/** In memory: it does not take a database that opens. */
export const checkSqlite = ({ pragmas }: DatabaseConfig["Type"]): Effect.Effect<Judged> =>
  Effect.scoped(
    Effect.flatMap(openSqlite({ filename: ":memory:" }), ({ run }) => run("SELECT sqlite_version() AS version"))
  ).pipe(
    Effect.match({
      onFailure: ({ message }) => unknown(message),
      onSuccess: ([row]) => {
        const version = text(row, "version")
        return hasWalResetBug(version) && pragmas.journalMode !== "wal"
          ? warn(`${version}, which has the WAL-reset bug`, "Do not use WAL mode before better-sqlite3 is updated.")
          : pass(version)
      }
    })
  )

export const checkJournalMode = ({ inMemory, pragmas }: DatabaseConfig["Type"], { all }: Sqlite) =>
  reading(() => {
    const [row] = all("PRAGMA main.journal_mode")
    const mode = text(row, "journal_mode")
    return inMemory || mode === pragmas.journalMode
      ? pass(mode)
      : warn(
          `${mode}, and not ${pragmas.journalMode}`,
          "Start the program, or run `database-ready init`: both switch it."
        )
  })

/** Views and triggers, pages, and foreign keys. */
export const checkSoundness = Effect.fnUntraced(function* (
  { integrity }: DatabaseConfig["Type"],
  { stage }: Initialization["Type"],
  { file, sqlite }: SqliteConnection["Type"]
) {
  const inStage = <A, E extends IntegrityError, R>(look: (attempt: Attempt) => Effect.Effect<A, E, R>) =>
    stage("integrity", look, () => "")
  const objects = yield* judged(
    Effect.as(
      inStage(() => checkObjects(sqlite)),
      pass("all compile")
    ),
    "SchemaBroken"
  )
  if (integrity === "schema") {
    const skipped = unknown("not looked at: the integrity that was asked for is `schema`")
    return { objects, pages: skipped, foreignKeys: skipped }
  }
  const depth = integrity === "full" ? "full" : "quick"
  const asked = (attempt: Attempt) =>
    Effect.map(
      atEdge(() => sizeOf(sqlite), IntegrityError.unreadable),
      (bytes) => asking({ file, sqlite, bytes }, depth, attempt.progress)
    )
  const pages = yield* judged(
    Effect.as(
      inStage((attempt) => Effect.flatMap(asked(attempt), (ask) => checkStructure(ask, depth))),
      pass(depth === "full" ? "sound, with all indexes" : "sound; indexes are looked at with `full`")
    ),
    "DamagedPages"
  )
  const foreignKeys = yield* judged(
    Effect.as(
      inStage((attempt) => Effect.flatMap(asked(attempt), checkForeignKeys)),
      pass("no row refers to a missing one")
    ),
    "ForeignKeyViolations"
  )
  return { objects, pages, foreignKeys }
})

/** Of tables with rows: `PRAGMA optimize` analyzes no others. */
export const checkStatistics = ({ all }: Sqlite) =>
  reading(() => {
    const indexed = all(
      "SELECT DISTINCT tbl_name FROM main.sqlite_schema WHERE type = 'index' AND tbl_name <> ? AND tbl_name NOT LIKE 'sqlite|_%' ESCAPE '|'",
      [historyTable]
    ).map((row) => text(row, "tbl_name"))
    if (all("SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_stat1'").length > 0) return pass("there are some")
    const filled = indexed.filter((table) => all(`SELECT 1 FROM main.${identifier(table)} LIMIT 1`).length > 0)
    return filled.length === 0
      ? pass("none are needed: no table with an index has rows")
      : warn(
          `none, and ${filled.length} ${filled.length === 1 ? "table with an index has" : "tables with indexes have"} rows: SQLite guesses which index to use`,
          "Run `PRAGMA optimize` on the database, and now and then again: `maintenance` of the library does."
        )
  })

export const checkFreePages = (sqlite: Sqlite) =>
  reading(() => {
    const [row] = sqlite.all(
      "SELECT freelist_count * page_size AS free, auto_vacuum FROM pragma_freelist_count, pragma_page_size, pragma_auto_vacuum"
    )
    const [free, bytes] = [integer(row, "free"), sizeOf(sqlite)]
    const found = `${bytesText(free)} of ${bytesText(bytes)}`
    if (bytes <= 1024 * 1024 || free * 4 <= bytes) return pass(found)
    return integer(row, "auto_vacuum") === 2
      ? warn(found, "Run `PRAGMA incremental_vacuum` on the database.")
      : warn(
          found,
          "Run `VACUUM` on the database when nobody writes: it needs up to twice its size on the disk. Set `PRAGMA auto_vacuum = INCREMENTAL` before it, and later only `PRAGMA incremental_vacuum` is needed."
        )
  })
