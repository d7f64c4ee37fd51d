/**
 * The same start on PostgreSQL: server, connection, settings, migrations and schema are proven before anything is built
 * on them. Needs `pg` and `@effect/sql-pg`.
 *
 * @packageDocumentation
 */
export { type AdvisoryLockOptions, withAdvisoryLock } from "./postgres/AdvisoryLock.ts"
export { AdvisoryLockError } from "./postgres/AdvisoryLockError.ts"
export type { IntegrityReport } from "./postgres/CheckedIntegrity.ts"
export type { ClientOptions } from "./postgres/Client.ts"
export { ConnectionError } from "./postgres/ConnectionError.ts"
export { DatabaseReady } from "./postgres/DatabaseReady.ts"
export { DirectoryError } from "./postgres/DirectoryError.ts"
export { HistoryError } from "./postgres/HistoryError.ts"
export { IntegrityError } from "./postgres/IntegrityError.ts"
export type { DatabaseOptions } from "./postgres/PostgresConfig.ts"
export { PragmaError } from "./postgres/PragmaError.ts"
export { type DatabasePlan, planDatabase } from "./postgres/plan.ts"
export type {
  Health,
  HealthError,
  InitializationError,
  ReadyDatabase,
  ReadyReport
} from "./postgres/ReadyDatabase.ts"
export type { SchemaDifference } from "./postgres/SchemaFingerprint.ts"
export type { Settings } from "./postgres/Settings.ts"
export type { LayerOptions } from "./postgres/startDatabase.ts"
export type { Isolation, TransactionOptions } from "./postgres/Transactions.ts"
export { type Loss, UpgradeError } from "./postgres/UpgradeError.ts"
export type { AppliedMigration } from "./start/AppliedMigration.ts"
