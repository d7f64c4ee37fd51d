/** What an upgrade works with, and what it has done. */
import type { Migration, OrderedMigrations } from "../../start/MigrationSource.ts"
import type { DatabaseConfig } from "../DatabaseConfig.ts"
import { IntegrityError } from "../IntegrityError.ts"
import type { Looks } from "../SharedLooks.ts"
import type { SqliteFailure } from "../Sqlite.ts"
import type { SqliteConnection } from "../SqliteConnection.ts"
import type { VerifiedPragmas } from "../VerifiedPragmas.ts"
import type { Completed } from "./HistoryRecords.ts"
import type { Made } from "./SchemaProof.ts"
import { type UpgradeError, upgradeError } from "./UpgradeError.ts"

export interface Room {
  readonly config: DatabaseConfig["Type"]
  readonly source: OrderedMigrations
  /** The objects that all migrations of the source make. */
  readonly made: Made
  readonly database: SqliteConnection["Type"]
  readonly pragmas: VerifiedPragmas["Type"]
  readonly looks: Looks
}

/** What this start has committed, in all its attempts. */
export interface Done {
  readonly completed: Array<Completed>
  readonly adopted: Array<Migration>
  /** Repeatable migrations whose text was new, or all where numbered ones were applied. */
  readonly repeated: Array<Migration>
  backup: string | undefined
  /**
   * Whether the database was empty when the start began. Then there is nothing to back up, whatever the migrations
   * insert.
   */
  isNew: boolean | undefined
  /** `dataVersion` of the state on which the trial passed, so that it is not repeated on it. */
  triedAt: number | undefined
  /** Milliseconds of each transaction that was committed: for so long the write lock was held. */
  readonly lockedMs: Array<number>
  /** Warnings that were given. */
  readonly warnings: Array<string>
}

/** Counting reads whole tables, so it may meet damaged pages. */
export const notCounted = (failure: SqliteFailure): IntegrityError | UpgradeError =>
  failure.code.startsWith("SQLITE_CORRUPT")
    ? IntegrityError.unreadable(failure)
    : notWritten("the pending migrations")(failure)

/** SQLite counts violations itself at the commit. */
export const notReferring = (migration: string, failure: SqliteFailure): UpgradeError =>
  upgradeError("ForeignKeyViolations", {
    migration,
    failure,
    cure: "Rows of other tables refer to a table that this migration drops. To rebuild it, write `-- database-ready: foreign_keys = off` above the first statement. To remove it, delete those rows first."
  })

export const notWritten = (migration: string) => (failure: SqliteFailure) =>
  upgradeError(failure.retryable ? "Busy" : "NotWritten", { migration, failure })
