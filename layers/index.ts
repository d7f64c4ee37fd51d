/**
 * An Effect service starts on a database that is provably ready, or it does not start and says why.
 *
 *     directory -> connection -> pragmas -> migrations -> integrity -> DatabaseReady
 *
 * Each is a room that takes the evidence of those before it, and a layer by itself; `DatabaseReady.layer` is all of them.
 *
 * @packageDocumentation
 */

export type { Holder } from "./machine/FileLocks.ts"
export { type Permissions, permissionChoices } from "./machine/FilePermissions.ts"
export type { SystemFailure } from "./machine/SystemFailure.ts"
export type { Declaration } from "./schema/Declaration.ts"
export { HistoryError } from "./sqlite/AppliedMigrations/HistoryError.ts"
export type { SchemaDifference } from "./sqlite/AppliedMigrations/SchemaFingerprint.ts"
export { type Loss, UpgradeError } from "./sqlite/AppliedMigrations/UpgradeError.ts"
export { AppliedMigrations } from "./sqlite/AppliedMigrations.ts"
export { BackupError } from "./sqlite/BackupError.ts"
export { type BackupFile, backupsOf } from "./sqlite/BackupFiles.ts"
export { CheckedIntegrity, type IntegrityReport } from "./sqlite/CheckedIntegrity.ts"
export { ConnectionError } from "./sqlite/ConnectionError.ts"
export { CopyError } from "./sqlite/CopyError.ts"
export { DatabaseConfig, type DatabaseOptions } from "./sqlite/DatabaseConfig.ts"
export { DatabaseDirectory } from "./sqlite/DatabaseDirectory.ts"
export {
  DatabaseFleet,
  type Fleet,
  type FleetFile,
  type FleetOptions,
  type UpgradeAllOptions
} from "./sqlite/DatabaseFleet.ts"
export { DatabaseReady, type TaggedDatabase } from "./sqlite/DatabaseReady.ts"
export { DirectoryError } from "./sqlite/DirectoryError.ts"
export { environment } from "./sqlite/environment.ts"
export { type ExitCode, exitCode, exitCodeOf } from "./sqlite/exitCode.ts"
export { FleetError } from "./sqlite/FleetError.ts"
export { Initialization } from "./sqlite/Initialization.ts"
export {
  type FailedReport,
  failedReport,
  type InitializationError,
  type InitializationReport,
  type ReadyReport
} from "./sqlite/InitializationReport.ts"
export { IntegrityError } from "./sqlite/IntegrityError.ts"
export { type IntegrityPolicy, integrityPolicies } from "./sqlite/IntegrityPolicy.ts"
export type { Health, HealthError } from "./sqlite/LiveHealth.ts"
export { logRefusal, teardown } from "./sqlite/logRefusal.ts"
export type { MaintenanceOptions, MaintenanceRun, MaintenanceTask } from "./sqlite/Maintenance.ts"
export { notifySystemd } from "./sqlite/notifySystemd.ts"
export type { FunctionOptions, OnOpen, OpenedConnection } from "./sqlite/OnOpen.ts"
export { PragmaError } from "./sqlite/PragmaError.ts"
export type { NewFile, Pragmas } from "./sqlite/PragmaOptions.ts"
export type { Settings } from "./sqlite/pragmas.ts"
export { ReadError } from "./sqlite/ReadError.ts"
export { type Restored, type RestoreOptions, restoreBackup } from "./sqlite/Restore.ts"
export { RestoreError } from "./sqlite/RestoreError.ts"
export type { RestoreStep } from "./sqlite/RestoreStep.ts"
export {
  refusalJson,
  refusalLines,
  reportJson,
  reportLines,
  restoredJson,
  restoredLines
} from "./sqlite/reportLines.ts"
export { SqliteConnection } from "./sqlite/SqliteConnection.ts"
export { durationFrom, filesystemTypesFrom } from "./sqlite/settingText.ts"
export {
  isBusy,
  isCheckViolation,
  isConstraint,
  isDamaged,
  isForeignKeyViolation,
  isFull,
  isIoError,
  isNotNullViolation,
  isReadOnly,
  isUniqueViolation
} from "./sqlite/sqlErrors.ts"
export type { LayerOptions } from "./sqlite/startInLayer.ts"
export type { ClientOptions } from "./sqlite/Transactions.ts"
export { VerifiedPragmas } from "./sqlite/VerifiedPragmas.ts"
export { WriteError } from "./sqlite/WriteError.ts"
export type { AppliedMigration } from "./start/AppliedMigration.ts"
export type { StageError } from "./start/Attempt.ts"
export { describeInterruption } from "./start/describeInterruption.ts"
export { describeEvent, type HistoryEvent } from "./start/HistoryEvents.ts"
export { LockError } from "./start/LockError.ts"
export { describeMeasure, type Measure, type Step } from "./start/Measure.ts"
export { type Migration, MigrationSource } from "./start/MigrationSource.ts"
export { MigrationSourceError } from "./start/MigrationSourceError.ts"
/** Where a program's migrations come from. */
export * as Migrations from "./start/Migrations.ts"
export type { ProgressEvent } from "./start/ProgressEvent.ts"
export { defaultPolicies, type Policies, type Policy, type StageName, stageNames } from "./start/policy.ts"
export type { ReadyStart } from "./start/ReadyStart.ts"
export type { Refusal } from "./start/Refusal.ts"
export { StageTimeoutError } from "./start/StageTimeoutError.ts"
export { isRefusal } from "./start/TaggedRefusal.ts"
export type { StageReport, Timeline } from "./start/Timeline.ts"
