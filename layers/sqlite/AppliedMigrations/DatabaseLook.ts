/** Reads history, schema and header of a database, and judges the history. */
import { type OrderedMigrations, titleOf } from "../../start/MigrationSource.ts"
import type { DatabaseConfig } from "../DatabaseConfig.ts"
import { answerOr, integer, type Sqlite } from "../Sqlite.ts"
import { HistoryError } from "./HistoryError.ts"
import { judge, type Verdict } from "./HistoryJudgement.ts"
import { prepareHistory } from "./HistoryRecords.ts"
import { readHistory } from "./MigrationHistory.ts"
import { objectsOf, type SchemaObject, schemaStatement } from "./SchemaFingerprint.ts"

export interface Seen {
  readonly verdict: Verdict
  /** Changes when another connection has committed (https://sqlite.org/pragma.html#pragma_data_version). */
  readonly dataVersion: number
  readonly objects: ReadonlyArray<SchemaObject>
  /** Whether it is proven that each view and trigger compiles. */
  readonly isCompiled?: boolean
  /** Makes the history table, or completes it. Throws `SqliteFailure`. */
  readonly prepareHistory: () => void
  readonly isInitialized: boolean
  /** Whether the file has neither an object nor a history. */
  readonly isBlank: boolean
  /** Whether the file's header names this program, if the settings ask for it. */
  readonly isMarked: boolean
}

/** Throws `SqliteFailure`, as the rest of the file does. */
export const look = (
  config: DatabaseConfig["Type"],
  source: OrderedMigrations,
  sqlite: Sqlite
): Seen | HistoryError => {
  // One plain statement each is quicker than one that joins their tables.
  const header = (pragma: string) => integer(sqlite.all(`PRAGMA ${pragma}`)[0], pragma)
  const dataVersion = header("data_version")
  const objects = objectsOf(sqlite.all(schemaStatement))
  const history = readHistory(sqlite)
  if (history instanceof HistoryError) return history
  const verdict = judge(source, history, header("user_version"))
  if (verdict instanceof HistoryError) return verdict
  return {
    verdict,
    dataVersion,
    objects,
    prepareHistory: () => prepareHistory(sqlite, history),
    isInitialized: history.exists,
    isBlank: objects.length === 0 && !history.exists,
    // An inspection cannot mark the file, and an unmarked file belongs to no other program.
    isMarked:
      config.access === "inspect" ||
      config.applicationId === undefined ||
      config.applicationId === header("application_id")
  }
}

/** What is there now, within a transaction: what was seen before it, where no other connection has committed since. */
export const lookAgain = (
  config: DatabaseConfig["Type"],
  source: OrderedMigrations,
  sqlite: Sqlite,
  before: Seen
): Seen | HistoryError =>
  integer(sqlite.all("PRAGMA data_version")[0], "data_version") === before.dataVersion
    ? before
    : look(config, source, sqlite)

/** The same in one snapshot, because another process may commit between two reads. */
export const lookAtSnapshot = (
  config: DatabaseConfig["Type"],
  source: OrderedMigrations,
  sqlite: Sqlite
): Seen | HistoryError => {
  sqlite.all("BEGIN")
  try {
    const seen = look(config, source, sqlite)
    sqlite.all("COMMIT")
    return seen
  } finally {
    // Nothing is lost with it. If it cannot be rolled back either, the next BEGIN on this connection fails.
    if (sqlite.database.inTransaction)
      answerOr(
        () => sqlite.all("ROLLBACK"),
        () => []
      )
  }
}

export const isUpToDate = ({ isMarked, verdict: { adopted, pending, repeatables } }: Seen): boolean =>
  pending.length === 0 && adopted.length === 0 && !repeatables.isDue && isMarked

/** Refuses a history that lacks migrations which should be recorded. */
export const requireRecorded = (seen: Seen | HistoryError, allowedToBePending = 0): Seen | HistoryError => {
  if (seen instanceof HistoryError) return seen
  const { pending, repeatables } = seen.verdict
  const unrecorded = pending.slice(0, Math.max(0, pending.length - allowedToBePending))
  // Their place is behind the last of the others.
  const isLast = allowedToBePending === 0
  return unrecorded.length === 0 && !(isLast && repeatables.isDue)
    ? seen
    : new HistoryError({
        reason: "Unrecorded",
        migrations: [...unrecorded, ...(isLast ? repeatables.due : [])].map(titleOf),
        detail: "",
        code: "",
        retryable: false
      })
}
