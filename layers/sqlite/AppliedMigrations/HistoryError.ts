/** A history that is not what the program would have made. */
import * as Data from "effect/Data"
import { codeRemedy } from "../../start/codeRemedy.ts"
import { jsonOf, messageOf } from "../../start/Refusal.ts"
import type { SqliteFailure } from "../Sqlite.ts"
import { takeOver } from "./Cures.ts"
import { historyTable } from "./historyTable.ts"

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
   * - `VersionMismatch`: `user_version` is not what the history says.
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
    | "VersionMismatch"
    | "Unrecorded"
    | "Unreadable"
  /** The migrations at fault, as `NNN_name`, or as the bare version where no name is known. */
  readonly migrations: ReadonlyArray<string>
  /** What more is known, or "". */
  readonly detail: string
  /** SQLite's code where SQLite refused, else "". */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** What can be done about this one, where that is more than the reason says: then it is the remedy. */
  readonly cure?: string | undefined
  /** Absolute path of the database file, or `:memory:`. Set when the error leaves its stage. */
  readonly database?: string | undefined
}> {
  /** The sentence, the database and the remedy in one line. */
  override get message(): string {
    return messageOf(this)
  }

  /** What JSON loggers write: the sentence as `message`, the remedy, and the facts. */
  override toJSON(): object {
    return { ...jsonOf(this), cure: undefined }
  }

  /** What is wrong, for people. */
  get sentence(): string {
    const detail = this.detail === "" ? "" : ` (${this.detail})`
    return `${sentences[this.reason](this.migrations.join(", "))}${detail}`
  }

  /** What to do now, for people. */
  get remedy(): string {
    return this.cure ?? codeRemedy(this.code) ?? remedies[this.reason]
  }
}

export type Reason = HistoryError["reason"]

const sentences: Record<Reason, (migrations: string) => string> = {
  ForeignHistory: () => `The table ${historyTable} was made by another tool`,
  NotCompleted: (migrations) => `The history records migrations that were not completed: ${migrations}`,
  RecordedTwice: (migrations) => `The history records a migration more than once: ${migrations}`,
  OtherApplication: (migrations) =>
    `The database belongs to another application: none of its migrations is one of this program's. It has ${migrations}`,
  NewerDatabase: (migrations) => `The database is newer than this program: it has ${migrations}`,
  Missing: (migrations) => `Migrations were applied that this program does not have: ${migrations}`,
  Edited: (migrations) => `Migrations were edited after they had been applied: ${migrations}`,
  Renamed: (migrations) => `Migrations were renamed after they had been applied: ${migrations}`,
  Late: (migrations) => `Migrations are older than one that is already applied, and were never applied: ${migrations}`,
  VersionMismatch: () => "PRAGMA user_version is not what the history says",
  Unrecorded: (migrations) => `Migrations that were applied are no longer recorded: ${migrations}`,
  Unreadable: () => "The history of the database cannot be read"
}

const remedies: Record<Reason, string> = {
  ForeignHistory: takeOver(`Run \`ALTER TABLE ${historyTable} RENAME TO former_${historyTable};\`. 3. `),
  NotCompleted: `Another program left this migration unfinished. Restore a backup; or finish it by hand, and set the row's status to 'completed' in ${historyTable}. If nothing of it was done, delete the row.`,
  RecordedTwice: `Compare the rows of ${historyTable} that have this number, such as 1 and 001, and delete the wrong one.`,
  OtherApplication:
    "Check which database and which migrations this program was given (--database, --migrations). If both are right, the files were renamed and edited after they had been applied: put them back.",
  NewerDatabase:
    "Start the newer program. Or restore a backup from before its upgrade: what was written since is then lost. To let older programs run after the next upgrade, declare `compatible_from` in its migration.",
  Missing: "Put the missing files back, or start the release that has them.",
  Edited:
    "Put the migration back as it was applied: the text of the file, or the version of the Effect. Write the change as a new migration.",
  Renamed: "Give the file its old name back.",
  Late: "Give it a number above the newest applied one. A database that has already applied it under the old number needs a backup from before.",
  VersionMismatch:
    "Check the path of the database: another program changed its user_version. If the database is this program's, run `PRAGMA user_version = N` with the N that the history says, or 0 if there is no history.",
  Unrecorded: `Check the path of the database. If it is this program's, rows were deleted from ${historyTable}: restore a backup.`,
  Unreadable: "Fix what SQLite's message names, then start again."
}

export const historyFailure = ({ code, detail, retryable }: SqliteFailure): HistoryError =>
  new HistoryError({ reason: "Unreadable", migrations: [], detail: `${code}: ${detail}`, code, retryable })
