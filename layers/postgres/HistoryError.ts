/** A history that is not what the program would have made. */
import * as Data from "effect/Data"
import { jsonOf, messageOf } from "../start/Refusal.ts"
import type { PostgresFailure } from "./PostgresFailure.ts"

/** What the database says was applied does not fit what this program holds. Nothing was changed. */
export class HistoryError extends Data.TaggedError("HistoryError")<{
  /**
   * - `ForeignHistory`: `schema_migrations` was made by another tool.
   * - `NotCompleted`: a migration is recorded as unfinished.
   * - `RecordedTwice`: a migration is recorded more than once.
   * - `OtherApplication`: no recorded migration is one of this program's.
   * - `NewerDatabase`: the database has newer migrations.
   * - `Missing`: this program lacks a migration that was applied.
   * - `Edited`: a migration was edited after it was applied.
   * - `Renamed`: a migration was renamed.
   * - `Late`: a pending migration is older than an applied one.
   * - `Unrecorded`: a record is gone.
   * - `Unreadable`: the history cannot be read.
   */
  readonly reason:
    | "ForeignHistory"
    | "NotCompleted"
    | "RecordedTwice"
    | "OtherApplication"
    | "NewerDatabase"
    | "Missing"
    | "Edited"
    | "Renamed"
    | "Late"
    | "Unrecorded"
    | "Unreadable"
  /** The migrations at fault, as `NNN_name`, or as the bare version where no name is known. */
  readonly migrations: ReadonlyArray<string>
  /** What more is known, or "". */
  readonly detail: string
  /** PostgreSQL's code where it refused, else "". */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** The URL of the database, without user and password. */
  readonly database?: string | undefined
}> {
  /** The sentence, the database and the remedy in one line. */
  override get message(): string {
    return messageOf(this)
  }

  /** What JSON loggers write: the sentence as `message`, the remedy, and the facts. */
  override toJSON(): object {
    return jsonOf(this)
  }

  /** What is wrong, for people. */
  get sentence(): string {
    const [sentence] = catalogue[this.reason]
    const which = this.migrations.length === 0 ? "" : `: ${this.migrations.join(", ")}`
    return `${sentence}${which}${this.detail === "" ? "" : ` (${this.detail})`}`
  }

  /** What to do now, for people. */
  get remedy(): string {
    return catalogue[this.reason][1]
  }
}

export type Reason = HistoryError["reason"]

const catalogue: Record<Reason, readonly [sentence: string, remedy: string]> = {
  ForeignHistory: [
    "The table schema_migrations was made by another tool",
    "Check the URL. To take the database over, run `ALTER TABLE schema_migrations RENAME TO former_schema_migrations`, and write its schema as the first migration of a new database."
  ],
  NotCompleted: [
    "The history records migrations that were not completed",
    "Finish the migration by hand and set the status of its row to 'completed'; or restore the database to a point in time before it."
  ],
  RecordedTwice: [
    "The history records a migration more than once",
    "Compare the rows of schema_migrations that have this number, such as 1 and 001, and delete the wrong one."
  ],
  OtherApplication: [
    "The database belongs to another application: none of its migrations is one of this program's. It has",
    "Check which database, schema and migrations this program was given."
  ],
  NewerDatabase: [
    "The database is newer than this program: it has",
    "Start the newer program. To let older programs run after the next upgrade, declare `compatible_from` in its migration."
  ],
  Missing: [
    "Migrations were applied that this program does not have",
    "Put the missing files back, or start the release that has them."
  ],
  Edited: [
    "Migrations were edited after they had been applied",
    "Put the migration back as it was applied: the text of the file, or the version of the Effect. Write the change as a new migration."
  ],
  Renamed: ["Migrations were renamed after they had been applied", "Give the file its old name back."],
  Late: [
    "Migrations are older than one that is already applied, and were never applied",
    "Give them numbers above the newest applied one."
  ],
  Unrecorded: [
    "Migrations that were applied are no longer recorded",
    "Check the URL. If it is right, rows were deleted from schema_migrations: restore the database."
  ],
  Unreadable: ["The history of the database cannot be read", "Fix what PostgreSQL's message names, then start again."]
}

export const historyUnreadable = ({ code, detail, retryable }: PostgresFailure): HistoryError =>
  new HistoryError({ reason: "Unreadable", migrations: [], detail: `${code}: ${detail}`, code, retryable })
