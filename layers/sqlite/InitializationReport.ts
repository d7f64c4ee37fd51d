/** What a start tells of itself, ready or refused. */

import type { StageError } from "../start/Attempt.ts"
import type { MigrationSourceError } from "../start/MigrationSourceError.ts"
import type { StageName } from "../start/policy.ts"
import type { Refusal } from "../start/Refusal.ts"
import type { StageReport, Timeline } from "../start/Timeline.ts"
import type { HistoryError } from "./AppliedMigrations/HistoryError.ts"
import type { UpgradeError } from "./AppliedMigrations/UpgradeError.ts"
import type { AppliedMigrations } from "./AppliedMigrations.ts"
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
  readonly status: "ready"
  readonly database: string
  readonly schemaVersion: string | undefined
  readonly applied: AppliedMigrations["Type"]["applied"]
  /** Absolute path of the copy that was made before anything was applied; undefined where none was called for. */
  readonly backup: string | undefined
  readonly stages: ReadonlyArray<StageReport>
  readonly pragmas: Settings
  readonly integrity: IntegrityReport
  /** What does not keep the database from being used, and somebody should know. */
  readonly warnings: ReadonlyArray<string>
  /** When the file or its WAL had been written last before this start; undefined where nothing was in it. */
  readonly lastWritten: string | undefined
  readonly startedAt: string
  readonly durationMs: number
}

/** What a start that was refused has to tell. */
export interface FailedReport {
  readonly status: "failed"
  readonly database: string
  /** The stage that refused. */
  readonly stage: StageName
  readonly error: Refusal
  /** Migrations that this start committed before it was refused, as `NNN_name`: they stay. */
  readonly applied: ReadonlyArray<string>
  /** Absolute path of the copy that was made before them; undefined where none was. */
  readonly backup: string | undefined
  readonly stages: ReadonlyArray<StageReport>
  readonly startedAt: string
  readonly durationMs: number
}

export type InitializationReport = ReadyReport | FailedReport

/** The report of a start that was refused: what `timeline` shows, with the refusal. */
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
