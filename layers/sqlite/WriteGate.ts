/** Whether the database is still one that this program may write to, asked within the transaction that writes. */
import * as Effect from "effect/Effect"
import type { MigrationSource } from "../start/MigrationSource.ts"
import { look, requireRecorded } from "./AppliedMigrations/DatabaseLook.ts"
import type { HistoryError } from "./AppliedMigrations/HistoryError.ts"
import { historyTable } from "./AppliedMigrations/historyTable.ts"
import type { DatabaseConfig } from "./DatabaseConfig.ts"
import { integer, type SqliteFailure } from "./Sqlite.ts"
import type { SqliteConnection } from "./SqliteConnection.ts"

export interface WriteGate {
  /**
   * Fails where the history is not this program's any more: a newer program has made an upgrade that is not
   * compatible. To be run with the write lock held: then nobody can commit one before what is written now. It costs one
   * statement where no other connection has committed since, and two where none has changed schema or history.
   */
  readonly check: Effect.Effect<void, HistoryError | SqliteFailure>
  /**
   * Takes in what a look at the database found. Once it is newer and not compatible, SQLite itself refuses what this
   * connection writes without asking here (`SQLITE_READONLY`).
   */
  readonly learn: (found: "sound" | HistoryError) => Effect.Effect<void>
  /** Begins a transaction that asks here by itself. */
  readonly beginThrough: <A, E>(begin: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

/** Of a database in memory, which no other program has. */
const open: WriteGate = { check: Effect.void, learn: () => Effect.void, beginThrough: (begin) => begin }

export const makeWriteGate = (
  config: DatabaseConfig["Type"],
  source: MigrationSource["Type"],
  { sqlite }: SqliteConnection["Type"]
): WriteGate => {
  if (config.inMemory) return open
  /** What the last look that found the history sound has seen; undefined before the first one. */
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
    // There is no history, or none any more: the whole look tells.
    Effect.catchIf(
      ({ code }) => code === "SQLITE_ERROR",
      () => Effect.succeed("")
    )
  )

  const check = Effect.gen(function* () {
    const [row] = yield* sqlite.run("PRAGMA data_version")
    const dataVersion = integer(row, "data_version")
    if (sound?.dataVersion === dataVersion) return
    const now = yield* mark
    if (sound === undefined || sound.mark !== now || now === "") {
      yield* Effect.tapError(Effect.flatMap(look(config, source, sqlite), requireRecorded), learn)
    }
    sound = { dataVersion, mark: now }
  })

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
 * An upgrade adds a row to the history, and nearly every one changes the schema or its version in the header. To look at
 * the whole history again for each commit of a neighbour would take longer than most writes.
 */
const marks = `SELECT (SELECT max(migration_id) FROM ${historyTable}) AS newest, schema_version, user_version
FROM pragma_schema_version, pragma_user_version`
