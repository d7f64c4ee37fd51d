/** What a start that is ready hands out. */
import type { SqlError } from "@effect/sql/SqlError"
import type * as Effect from "effect/Effect"
import type { AppliedMigration } from "../start/AppliedMigration.ts"
import type { StageError } from "../start/Attempt.ts"
import type { MigrationSourceError } from "../start/MigrationSourceError.ts"
import type { StageReport } from "../start/Timeline.ts"
import type { IntegrityReport } from "./CheckedIntegrity.ts"
import type { ConnectionError } from "./ConnectionError.ts"
import type { DirectoryError } from "./DirectoryError.ts"
import type { HistoryError } from "./HistoryError.ts"
import type { IntegrityError } from "./IntegrityError.ts"
import type { PragmaError } from "./PragmaError.ts"
import type { Settings } from "./Settings.ts"
import type { TransactionOptions } from "./Transactions.ts"
import type { UpgradeError } from "./UpgradeError.ts"

/** Every reason why a start can be refused. */
export type InitializationError =
  | MigrationSourceError
  | DirectoryError
  | ConnectionError
  | PragmaError
  | HistoryError
  | UpgradeError
  | IntegrityError
  | StageError

/** Why a database that was ready is not any more. */
export type HealthError = ConnectionError | HistoryError | IntegrityError | UpgradeError

/** What a start that is ready has to tell. Times in milliseconds. */
export interface ReadyReport {
  /** Tells it from the report of a start that was refused. */
  readonly status: "ready"
  /** Which engine it is on. */
  readonly engine: "postgres"
  /** The URL, without user and password. */
  readonly database: string
  /** The version of the server, such as `18.4`. */
  readonly server: string
  /** The newest version in the database, as in its file's name; undefined where there are no migrations. */
  readonly schemaVersion: string | undefined
  /** The migrations that this start applied, in their order. */
  readonly applied: ReadonlyArray<AppliedMigration>
  /** What each stage did, in their order. */
  readonly stages: ReadonlyArray<StageReport>
  /** The settings of the session, read back. */
  readonly pragmas: Settings
  /** What was looked at. */
  readonly integrity: IntegrityReport
  /** What does not keep the database from being used, and somebody should know. */
  readonly warnings: ReadonlyArray<string>
  /** ISO 8601, UTC. */
  readonly startedAt: string
  /** Milliseconds of the whole start. */
  readonly durationMs: number
}

/** What the live health check found. */
export interface Health {
  /** The newest version in the database, as in its file's name; undefined where there are no migrations. */
  readonly schemaVersion: string | undefined
  /** SHA-256 of the schema's objects, in hexadecimal, without those that no migration made. */
  readonly fingerprint: string
  /** Those of the report. */
  readonly warnings: ReadonlyArray<string>
}

/** A database that is ready: what its start found, whether that still holds, and how to write. */
export interface ReadyDatabase {
  /** What the start did and found. */
  readonly report: ReadyReport
  /**
   * Proves again, at this moment, that the same database answers, and that the history and the schema are still ours.
   * Takes some milliseconds on a connection of the pool. Fails with a `HealthError`.
   */
  readonly health: Effect.Effect<Health, HealthError>
  /**
   * Runs an effect in one serializable transaction, and again where PostgreSQL could not serialize it with others, for
   * `lockPatience` (default 5 s) at most. So the body may run more than once: what it does beside the database has to bear
   * that. `SqlClient` takes part in it. Inside another transaction it is part of that one, and runs once.
   * Fails with what the body fails with, and with a `SqlError` where it could not be committed.
   */
  readonly write: <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
  /** Runs an effect in one transaction with an isolation level, once. `SqlClient` takes part in it. */
  readonly transaction: (
    options?: TransactionOptions
  ) => <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
}
