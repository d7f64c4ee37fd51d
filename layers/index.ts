/**
 * An Effect service starts on a database that is provably ready, or it does not start and says why.
 *
 *     directory -> connection -> pragmas -> migrations -> integrity -> DatabaseReady
 *
 * Each is a room that takes the evidence of those before it, and a layer by itself; `DatabaseReady.layer` is all of them.
 */

export type { Declaration } from "./AppliedMigrations/Declaration.ts"
export { HistoryError } from "./AppliedMigrations/MigrationHistory.ts"
export { type Loss, UpgradeError } from "./AppliedMigrations/MigrationRun.ts"
export * as Migrations from "./AppliedMigrations/MigrationSource.ts"
export {
  type Migration,
  MigrationSource,
  MigrationSourceError
} from "./AppliedMigrations/MigrationSource.ts"
export type { SchemaDifference } from "./AppliedMigrations/SchemaFingerprint.ts"
export type { SchemaState } from "./AppliedMigrations/SchemaProof.ts"
export { AppliedMigrations, type LiveSchema } from "./AppliedMigrations.ts"
export { BackupError, type BackupFile, backupsOf } from "./Backup.ts"
export { CheckedIntegrity, type IntegrityReport } from "./CheckedIntegrity.ts"
export {
  DatabaseConfig,
  type DatabaseOptions,
  durationFrom,
  environment,
  type IntegrityPolicy,
  integrityPolicies,
  type NewFile,
  notADuration,
  type Pragmas,
  type ProgressEvent,
  typesIn
} from "./DatabaseConfig.ts"
export { DatabaseDirectory, DirectoryError } from "./DatabaseDirectory.ts"
export {
  DatabaseReady,
  type FailedReport,
  failedReport,
  type Health,
  type HealthError,
  type InitializationError,
  type InitializationReport,
  type ReadyReport
} from "./DatabaseReady.ts"
export type { Holder } from "./FileLocks.ts"
export { type Permissions, permissionChoices } from "./FilePermissions.ts"
export {
  type Attempt,
  describeMeasure,
  Initialization,
  type Measure,
  type StageReport,
  StageTimeoutError,
  type Step,
  type Timeline
} from "./Initialization.ts"
export { IntegrityError } from "./IntegrityError.ts"
export { LockError } from "./LockError.ts"
export { defaultPolicies, type Policies, type Policy, type StageName, stageNames } from "./policy.ts"
export type { Refusal } from "./Refusal.ts"
export { type Restored, RestoreError, type RestoreOptions, restoreBackup } from "./Restore.ts"
export { ConnectionError, SqliteConnection } from "./SqliteConnection.ts"
export type { Sqlite, SqliteFailure } from "./seams.ts"
export { PragmaError, type Settings, VerifiedPragmas } from "./VerifiedPragmas.ts"
export { WriteError } from "./WriteError.ts"
