/** What every report of a start that is ready has, whatever the engine. */
import type { HistoryEvent } from "./HistoryEvents.ts"
import type { StageReport } from "./Timeline.ts"

/** What `reportLines` and `reportJson` show of a start that is ready, on SQLite or on PostgreSQL. Times in milliseconds. */
export interface ReadyStart {
  /** Tells it from the report of a start that was refused. */
  readonly status: "ready"
  /** Absolute path of the database file, or `:memory:`; on PostgreSQL the URL, without user and password. */
  readonly database: string
  /** The newest version in the database, as in its file's name; undefined where there are no migrations. */
  readonly schemaVersion: string | undefined
  /** What each stage did, in their order. */
  readonly stages: ReadonlyArray<StageReport>
  /** What does not keep the database from being used, and somebody should know. */
  readonly warnings: ReadonlyArray<string>
  /** Milliseconds of the whole start. */
  readonly durationMs: number
  /** Absolute path of the copy that was made before anything was applied; none on PostgreSQL. */
  readonly backup?: string | undefined
  /** When the file or its WAL had been written last before this start; none on PostgreSQL. */
  readonly lastWritten?: string | undefined
  /** Repairs and restores of this database, in the order of time; none on PostgreSQL. */
  readonly events?: ReadonlyArray<HistoryEvent> | undefined
}
