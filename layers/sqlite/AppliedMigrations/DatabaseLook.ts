/** Reads history, schema and header of a database, and judges the history. */
import * as Effect from "effect/Effect"
import { type OrderedMigrations, titleOf } from "../../start/MigrationSource.ts"
import type { DatabaseConfig } from "../DatabaseConfig.ts"
import { integer, type Sqlite, type SqliteFailure } from "../Sqlite.ts"
import { HistoryError, historyFailure } from "./HistoryError.ts"
import { judge, type Verdict } from "./HistoryJudgement.ts"
import { prepareHistory } from "./HistoryRecords.ts"
import { readHistory } from "./MigrationHistory.ts"
import { objectsOf, type SchemaObject, schemaStatement } from "./SchemaFingerprint.ts"

export interface Seen {
  readonly verdict: Verdict
  /** Changes when another connection has committed (https://sqlite.org/pragma.html#pragma_data_version). */
  readonly dataVersion: number
  readonly objects: ReadonlyArray<SchemaObject>
  readonly prepareHistory: Effect.Effect<void, SqliteFailure>
  readonly isInitialized: boolean
  /** Whether the file has neither an object nor a history. */
  readonly isBlank: boolean
  /** Whether the file's header names this program, if the settings ask for it. */
  readonly isMarked: boolean
}

export const look = Effect.fnUntraced(
  function* (config: DatabaseConfig["Type"], source: OrderedMigrations, sqlite: Sqlite) {
    const [header] = yield* sqlite.run(
      "SELECT user_version, application_id, data_version FROM pragma_user_version, pragma_application_id, pragma_data_version"
    )
    const objects = objectsOf(yield* sqlite.run(schemaStatement))
    const history = yield* readHistory(sqlite)
    const seen: Seen = {
      verdict: yield* judge(source, history, integer(header, "user_version")),
      dataVersion: integer(header, "data_version"),
      objects,
      prepareHistory: prepareHistory(sqlite, history),
      isInitialized: history.exists,
      isBlank: objects.length === 0 && !history.exists,
      // An inspection cannot mark the file, and an unmarked file belongs to no other program.
      isMarked:
        config.access === "inspect" ||
        config.applicationId === undefined ||
        config.applicationId === integer(header, "application_id")
    }
    return seen
  },
  Effect.catchTag("SqliteFailure", historyFailure)
)

export const isUpToDate = ({ isMarked, verdict: { adopted, pending, repeatables } }: Seen): boolean =>
  pending.length === 0 && adopted.length === 0 && !repeatables.isDue && isMarked

/** Refuses a history that lacks migrations which should be recorded. */
export const requireRecorded = (seen: Seen, allowedToBePending = 0): Effect.Effect<Seen, HistoryError> => {
  const { pending, repeatables } = seen.verdict
  const unrecorded = pending.slice(0, Math.max(0, pending.length - allowedToBePending))
  // Their place is behind the last of the others.
  const isLast = allowedToBePending === 0
  return unrecorded.length === 0 && !(isLast && repeatables.isDue)
    ? Effect.succeed(seen)
    : Effect.fail(
        new HistoryError({
          reason: "Unrecorded",
          migrations: [...unrecorded, ...(isLast ? repeatables.due : [])].map(titleOf),
          detail: "",
          code: "",
          retryable: false
        })
      )
}
