/** What an upgrade knows, and what of it is done. */
import type { Migration } from "../../start/MigrationSource.ts"
import type { DatabaseConfig } from "../DatabaseConfig.ts"
import { IntegrityError } from "../IntegrityError.ts"
import type { SqliteFailure } from "../Sqlite.ts"
import type { SqliteConnection } from "../SqliteConnection.ts"
import type { VerifiedPragmas } from "../VerifiedPragmas.ts"
import type { Completed } from "./HistoryRecords.ts"
import type { Made } from "./SchemaProof.ts"
import { type UpgradeError, upgradeError } from "./UpgradeError.ts"

export interface Room {
  readonly config: DatabaseConfig["Type"]
  readonly source: ReadonlyArray<Migration>
  /** What all of the source makes. */
  readonly made: Made
  readonly database: SqliteConnection["Type"]
  readonly pragmas: VerifiedPragmas["Type"]
}

/** What this start has committed, over all its attempts. */
export interface Done {
  readonly completed: Array<Completed>
  readonly adopted: Array<Migration>
  backup: string | undefined
  /** Whether there was nothing when the start began; then there is nothing to copy, whatever its own files put in. */
  isNew: boolean | undefined
  /** `dataVersion` of the state on which the pending migrations were tried: the trial need not be repeated on it. */
  triedAt: number | undefined
  /** What was warned of. */
  readonly warnings: Array<string>
}

/** Counting reads whole tables, and so meets damaged pages. */
export const notCounted = (failure: SqliteFailure): IntegrityError | UpgradeError =>
  failure.code.startsWith("SQLITE_CORRUPT")
    ? IntegrityError.unreadable(failure)
    : notWritten("the pending migrations")(failure)

/** SQLite's own count at the commit. */
export const notReferring = (migration: string, failure: SqliteFailure): UpgradeError =>
  upgradeError("ForeignKeyViolations", {
    migration,
    failure,
    cure: "Rows of other tables refer to a table that this migration drops. To rebuild it, write `-- database-ready: foreign_keys = off` above the first statement. To remove it, delete those rows first."
  })

export const notWritten = (migration: string) => (failure: SqliteFailure) =>
  upgradeError(failure.retryable ? "Busy" : "NotWritten", { migration, failure })
