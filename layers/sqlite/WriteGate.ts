/** Whether this program may still write to the database, checked within the writing transaction. */
import * as Effect from "effect/Effect"
import type { MigrationSource } from "../start/MigrationSource.ts"
import { look, requireRecorded } from "./AppliedMigrations/DatabaseLook.ts"
import { type HistoryError, historyFailure } from "./AppliedMigrations/HistoryError.ts"
import { historyTable } from "./AppliedMigrations/historyTable.ts"
import type { DatabaseConfig } from "./DatabaseConfig.ts"
import { atEdge } from "./edge.ts"
import { answerOr, integer, type SqliteFailure } from "./Sqlite.ts"
import type { SqliteConnection } from "./SqliteConnection.ts"

export interface WriteGate {
  /**
   * Fails if the history is no longer this program's: a newer program has made an incompatible upgrade. Run it with the
   * write lock held, so that nobody can commit one before this write. Costs one statement if no other connection has
   * committed since, two if none has changed schema or history.
   */
  readonly check: Effect.Effect<void, HistoryError | SqliteFailure>
  /**
   * Remembers what a look at the database found. Once the database is newer and incompatible, SQLite itself refuses
   * writes of this connection that do not ask here (`SQLITE_READONLY`).
   */
  readonly learn: (found: "sound" | HistoryError) => Effect.Effect<void>
  /** Begins a transaction that runs `check` itself. */
  readonly beginThrough: <A, E>(begin: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

/** For a database in memory: no other program can change it. */
const open: WriteGate = { check: Effect.void, learn: () => Effect.void, beginThrough: (begin) => begin }

export const makeWriteGate = (
  config: DatabaseConfig["Type"],
  source: MigrationSource["Type"],
  { sqlite }: SqliteConnection["Type"]
): WriteGate => {
  if (config.inMemory) return open
  /** The state at the last look that found the history sound; undefined before the first one. */
  let sound: { dataVersion: number; readonly mark: string } | undefined
  let isShut = false

  const readOnly = (wanted: boolean) =>
    Effect.suspend(() => {
      if (isShut === wanted) return Effect.void
      isShut = wanted
      return Effect.ignore(sqlite.run(`PRAGMA query_only = ${wanted ? 1 : 0}`))
    })

  const learn: WriteGate["learn"] = (found) => {
    if (found === "sound") return readOnly(false)
    sound = undefined
    return found.reason === "NewerDatabase" ? readOnly(true) : Effect.void
  }

  const mark = sqlite.run(marks).pipe(
    Effect.map(([row]) => JSON.stringify(row, (_, value) => (typeof value === "bigint" ? String(value) : value))),
    // There is no history table: the full look below decides.
    Effect.catchIf(
      ({ code }) => code === "SQLITE_ERROR",
      () => Effect.succeed("")
    )
  )

  const dataVersions = sqlite.kept("PRAGMA data_version")

  const lookAgain = Effect.fnUntraced(function* (dataVersion: number) {
    const now = yield* mark
    if (sound === undefined || sound.mark !== now || now === "") {
      yield* Effect.tapError(
        atEdge(() => requireRecorded(look(config, source, sqlite)), historyFailure),
        learn
      )
    }
    sound = { dataVersion, mark: now }
  })

  const check = Effect.suspend(() =>
    answerOr(
      () => {
        const dataVersion = integer(dataVersions()[0], "data_version")
        return sound?.dataVersion === dataVersion ? Effect.void : lookAgain(dataVersion)
      },
      (failure) => Effect.fail(failure)
    )
  )

  const beginThrough: WriteGate["beginThrough"] = (begin) =>
    Effect.suspend(() =>
      isShut
        ? Effect.zipRight(
            readOnly(false),
            Effect.tapError(begin, () => readOnly(true))
          )
        : begin
    )

  return { check, learn, beginThrough }
}

/**
 * An upgrade adds a row to the history, and nearly every one changes the schema or the version in the header. Reading
 * the whole history after each commit of another process would take longer than most writes.
 */
const marks = `SELECT (SELECT max(migration_id) FROM ${historyTable}) AS newest, schema_version, user_version
FROM pragma_schema_version, pragma_user_version`
