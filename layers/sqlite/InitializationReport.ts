/** What a start tells of itself, ready or refused. */

import type { AppliedMigration } from "../start/AppliedMigration.ts"
import type { StageError } from "../start/Attempt.ts"
import type { HistoryEvent } from "../start/HistoryEvents.ts"
import type { MigrationSourceError } from "../start/MigrationSourceError.ts"
import type { StageName } from "../start/policy.ts"
import type { Refusal } from "../start/Refusal.ts"
import type { StageReport, Timeline } from "../start/Timeline.ts"
import type { HistoryError } from "./AppliedMigrations/HistoryError.ts"
import type { UpgradeError } from "./AppliedMigrations/UpgradeError.ts"
import type { BackupError } from "./BackupError.ts"
import type { IntegrityReport } from "./CheckedIntegrity.ts"
import type { ConnectionError } from "./ConnectionError.ts"
import type { DirectoryError } from "./DirectoryError.ts"
import type { IntegrityError } from "./IntegrityError.ts"
import type { PragmaError } from "./PragmaError.ts"
import type { Settings } from "./pragmas.ts"

/** Every reason why a start can be refused. */
export type InitializationError =
  | MigrationSourceError
  | DirectoryError
  | ConnectionError
  | PragmaError
  | HistoryError
  | BackupError
  | UpgradeError
  | IntegrityError
  | StageError

/** What a start that is ready has to tell. Times in milliseconds. */
export interface ReadyReport {
  /** Tells it from the report of a start that was refused. */
  readonly status: "ready"
  /** Absolute path of the database file, or `:memory:`. */
  readonly database: string
  /** The newest version in the database, as in its file's name; undefined where there are no migrations. */
  readonly schemaVersion: string | undefined
  /** The migrations that this start applied, in their order. */
  readonly applied: ReadonlyArray<AppliedMigration>
  /** Repeatable migrations that this start made, as `R__name`: those with a new text, or all after numbered ones. */
  readonly repeated: ReadonlyArray<string>
  /** Absolute path of the copy that was made before anything was applied; undefined where none was called for. */
  readonly backup: string | undefined
  /** What each stage did, in their order. */
  readonly stages: ReadonlyArray<StageReport>
  /** The pragmas, read back at the end of the start. */
  readonly pragmas: Settings
  /** What was looked at, and why no further. */
  readonly integrity: IntegrityReport
  /** Repairs and restores of this database, from its history, in the order of time. */
  readonly events: ReadonlyArray<HistoryEvent>
  /** What does not keep the database from being used, and somebody should know. */
  readonly warnings: ReadonlyArray<string>
  /** When the file or its WAL had been written last before this start, ISO 8601, UTC; undefined where nothing was in it. */
  readonly lastWritten: string | undefined
  /** ISO 8601, UTC. */
  readonly startedAt: string
  /** Milliseconds of the whole start. */
  readonly durationMs: number
}

/** What a start that was refused has to tell. Times in milliseconds. */
export interface FailedReport {
  /** Tells it from the report of a start that is ready. */
  readonly status: "failed"
  /** The database file, as it was given to `failedReport`. */
  readonly database: string
  /** The stage that refused. */
  readonly stage: StageName
  /** Why, with a remedy. */
  readonly error: Refusal
  /** Migrations that this start committed before it was refused, as `NNN_name`: they stay. */
  readonly applied: ReadonlyArray<string>
  /** Absolute path of the copy that was made before them; undefined where none was. */
  readonly backup: string | undefined
  /** What each stage did, in their order; the last one refused. */
  readonly stages: ReadonlyArray<StageReport>
  /** ISO 8601, UTC. */
  readonly startedAt: string
  /** Milliseconds until it was refused. */
  readonly durationMs: number
}

/** What a start has to tell, whichever way it ended: `status` tells which. */
export type InitializationReport = ReadyReport | FailedReport

/**
 * The report of a start that was refused: what `Initialization`'s `timeline` shows, with the refusal.
 * `DatabaseReady.make` has an example.
 */
export const failedReport = (
  filename: string,
  error: InitializationError,
  { applied, backup, current, durationMs, stages, startedAt }: Timeline
): FailedReport => ({
  status: "failed",
  database: filename,
  stage: current ?? stageOf(error),
  error,
  applied,
  backup,
  stages,
  startedAt,
  durationMs
})

/**
 * The stage if none is running: migrations are read before the first stage, and the file is checked again after the
 * last.
 */
const stageOf = (error: InitializationError): StageName => {
  switch (error._tag) {
    case "DirectoryError":
      return "directory"
    case "ConnectionError":
      return "connection"
    case "PragmaError":
      return "pragmas"
    case "IntegrityError":
      return "integrity"
    case "LockError":
    case "StageTimeoutError":
      return error.stage
    default:
      return "migrations"
  }
}
