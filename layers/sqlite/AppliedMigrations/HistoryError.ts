/** A history that is not what the program would have made. */

import * as Predicate from "effect/Predicate"
import { ofSqlite } from "../../start/codeMeaning.ts"
import { codeRemedy } from "../../start/codeRemedy.ts"
import { historySentence } from "../../start/historySentences.ts"
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../../start/TaggedRefusal.ts"
import type { SqliteFailure } from "../Sqlite.ts"
import { repairWith, takeOver } from "./Cures.ts"
import { historyTable } from "./historyTable.ts"

/** What the database says was applied does not fit what this program holds. Nothing was changed. */
export class HistoryError extends TaggedRefusal("HistoryError")<{
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
  /** @internal Without what only the remedy or the detail tells of. */
  override toJSON(): object {
    return { ...super.toJSON(), cure: undefined }
  }

  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }

  /** @internal The entry's sentence with the facts. */
  override get sentence(): string {
    const detail = this.detail === "" ? "" : ` (${this.detail})`
    return `${this.entry.sentence}${detail}`
  }

  /** @internal The entry's remedy with the facts. */
  override get remedy(): string {
    return this.cure ?? codeRemedy(this.code) ?? this.entry.remedy
  }
}

/** What is said of a `user_version` where there are no rows. */
export const noHistory = "and there is no history"

export type Reason = HistoryError["reason"]

/** The command that is a way out, for the migrations of an error: `001_users`, or `001_users is now 001_people`. */
const repairOf = (repair: string, { migrations }: HistoryError): string => {
  const versions = migrations.map((title) => /(?:^| )(\d+)(?:_\S*)?$/.exec(title)?.[1]).filter(Predicate.isString)
  return repairWith(`${repair} ${versions.length === 0 ? "NUMBER" : versions.join(" ")}`)
}

const catalogue: Catalogue<HistoryError> = {
  ForeignHistory: {
    sentence: historySentence("ForeignHistory"),
    remedy: takeOver,
    means: ofSqlite
  },
  NotCompleted: {
    sentence: historySentence("NotCompleted"),
    remedy: (error) =>
      `Another program left this migration unfinished. Restore a backup; or finish it by hand, then run ${repairOf("record-applied", error)}. If nothing of it was done, run ${repairOf("remove-record", error)}.`,
    means: ofSqlite
  },
  RecordedTwice: {
    sentence: historySentence("RecordedTwice"),
    remedy: (error) =>
      `Compare the rows of ${historyTable} that have this number, such as 1 and 001. Remove the wrong one as it is written there, with ${repairOf("remove-record", error)}.`,
    means: ofSqlite
  },
  OtherApplication: {
    sentence: historySentence("OtherApplication"),
    remedy:
      "Check which database and which migrations this program was given (--database, --migrations). If both are right, the files were renamed and edited after they had been applied: put them back. Or run `database-ready repair accept-renamed`, then `accept-edited`.",
    means: ofSqlite
  },
  NewerDatabase: {
    sentence: historySentence("NewerDatabase"),
    remedy: (error) =>
      `Start the newer program. Or go back to a backup from before its upgrade, with \`database-ready restore --schema-version NUMBER\`: what was written since is then lost. To let older programs run after the next upgrade, declare \`compatible_from\` in its migration. If no release has these migrations any more, undo by hand what they did, then run ${repairOf("remove-record", error)}.`,
    means: "newerDatabase"
  },
  Missing: {
    sentence: historySentence("Missing"),
    remedy: (error) =>
      `Put the missing files back, or start the release that has them. If they are gone for good, run ${repairOf("remove-record", error)}. If one only has another number now, run ${repairWith("accept-renamed NUMBER")} with that one.`,
    means: ofSqlite
  },
  Edited: {
    sentence: historySentence("Edited"),
    remedy: (error) =>
      `Put the migration back as it was applied: the text of the file, or the version of the Effect. Write the change as a new migration. If the new text is what this database needs, and has, run ${repairOf("accept-edited", error)}.`,
    means: ofSqlite
  },
  Renamed: {
    sentence: historySentence("Renamed"),
    remedy: (error) =>
      `Give the file its old name back. Or keep the new one, with ${repairOf("accept-renamed", error)}.`,
    means: ofSqlite
  },
  Late: {
    sentence: historySentence("Late"),
    remedy: (error) =>
      `Give it a number above the newest applied one. In a database that has already applied it under the old number, run ${repairWith("accept-renamed NUMBER")} with the new one. If somebody applied it here by hand, run ${repairOf("record-applied", error)}.`,
    means: ofSqlite
  },
  VersionMismatch: {
    sentence: () => "PRAGMA user_version is not what the history says",
    remedy: ({ detail }) =>
      `Check the path of the database: another program changed its user_version. ${
        detail.endsWith(noHistory)
          ? "If the database is this program's and empty, run `PRAGMA user_version = 0`. To take over what is in it, run `database-ready adopt --through VERSION`."
          : `If the database is this program's, run ${repairWith("set-version")}.`
      }`,
    means: ofSqlite
  },
  Unrecorded: {
    sentence: historySentence("Unrecorded"),
    remedy: (error) =>
      `Check the path of the database. If it is this program's, rows were deleted from ${historyTable}: restore a backup, or run ${repairOf("record-applied", error)}.`,
    means: ofSqlite
  },
  Unreadable: {
    sentence: historySentence("Unreadable"),
    remedy: "Fix what SQLite's message names, then start again.",
    means: ofSqlite
  }
}

export const historyFailure = ({ code, detail, retryable }: SqliteFailure): HistoryError =>
  new HistoryError({ reason: "Unreadable", migrations: [], detail: `${code}: ${detail}`, code, retryable })
