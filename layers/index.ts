/**
 * An Effect service starts on a database that is provably ready, or it does not start and says why.
 *
 *     directory -> connection -> pragmas -> migrations -> integrity -> DatabaseReady
 *
 * Each is a room that takes the evidence of those before it, and a layer by itself; `DatabaseReady.layer` is all of them.
 */

export type { Holder } from "./machine/FileLocks.ts"
export { type Permissions, permissionChoices } from "./machine/FilePermissions.ts"
export type { Declaration } from "./schema/Declaration.ts"
export { HistoryError } from "./sqlite/AppliedMigrations/MigrationHistory.ts"
export { type Loss, UpgradeError } from "./sqlite/AppliedMigrations/MigrationRun.ts"
export type { SchemaDifference } from "./sqlite/AppliedMigrations/SchemaFingerprint.ts"
export type { SchemaState } from "./sqlite/AppliedMigrations/SchemaProof.ts"
export { AppliedMigrations, type LiveSchema } from "./sqlite/AppliedMigrations.ts"
export { BackupError, type BackupFile, backupsOf } from "./sqlite/Backup.ts"
export { CheckedIntegrity, type IntegrityReport } from "./sqlite/CheckedIntegrity.ts"
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
} from "./sqlite/DatabaseConfig.ts"
export { DatabaseDirectory, DirectoryError } from "./sqlite/DatabaseDirectory.ts"
export {
  DatabaseReady,
  type FailedReport,
  failedReport,
  type Health,
  type HealthError,
  type InitializationError,
  type InitializationReport,
  type ReadyReport
} from "./sqlite/DatabaseReady.ts"
export {
  type Attempt,
  describeMeasure,
  Initialization,
  type Measure,
  type StageReport,
  StageTimeoutError,
  type Step,
  type Timeline
} from "./sqlite/Initialization.ts"
export { IntegrityError } from "./sqlite/IntegrityError.ts"
export { type Restored, RestoreError, type RestoreOptions, restoreBackup } from "./sqlite/Restore.ts"
export type { Sqlite, SqliteFailure } from "./sqlite/Sqlite.ts"
export { ConnectionError, SqliteConnection } from "./sqlite/SqliteConnection.ts"
export { PragmaError, type Settings, VerifiedPragmas } from "./sqlite/VerifiedPragmas.ts"
export { WriteError } from "./sqlite/WriteError.ts"
export { LockError } from "./start/LockError.ts"
export * as Migrations from "./start/MigrationSource.ts"
export {
  type Migration,
  MigrationSource,
  MigrationSourceError
} from "./start/MigrationSource.ts"
export { defaultPolicies, type Policies, type Policy, type StageName, stageNames } from "./start/policy.ts"
export type { Refusal } from "./start/Refusal.ts"
