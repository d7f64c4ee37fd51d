/** A history that is not what the program would have made. */
import { historySentence } from "../start/historySentences.ts"
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"
import { codeAndDetail, type PostgresFailure } from "./PostgresFailure.ts"
import { ofPostgres, remedyOr } from "./serverCodes.ts"

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
  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }

  /** @internal The entry's sentence with the facts. */
  override get sentence(): string {
    return `${this.entry.sentence}${this.detail === "" ? "" : ` (${this.detail})`}`
  }
}

export type Reason = HistoryError["reason"]

const catalogue: Catalogue<HistoryError> = {
  ForeignHistory: {
    sentence: historySentence("ForeignHistory"),
    remedy:
      "Check the URL. A database of another tool is not taken over on PostgreSQL: write its schema as the first migration, start on a new database, and copy the rows there with `pg_dump --data-only`.",
    means: "data"
  },
  NotCompleted: {
    sentence: historySentence("NotCompleted"),
    remedy:
      "Finish the migration by hand and set the status of its row to 'completed'; or restore the database to a point in time before it.",
    means: "data"
  },
  RecordedTwice: {
    sentence: historySentence("RecordedTwice"),
    remedy: "Compare the rows of schema_migrations that have this number, such as 1 and 001, and delete the wrong one.",
    means: "data"
  },
  OtherApplication: {
    sentence: historySentence("OtherApplication"),
    remedy: "Check which database, schema and migrations this program was given.",
    means: "data"
  },
  NewerDatabase: {
    sentence: historySentence("NewerDatabase"),
    remedy:
      "Start the newer program. To let older programs run after the next upgrade, declare `compatible_from` in its migration.",
    means: "newerDatabase"
  },
  Missing: {
    sentence: historySentence("Missing"),
    remedy: "Put the missing files back, or start the release that has them.",
    means: "data"
  },
  Edited: {
    sentence: historySentence("Edited"),
    remedy:
      "Put the migration back as it was applied: the text of the file, or the version of the Effect. Write the change as a new migration.",
    means: "data"
  },
  Renamed: {
    sentence: historySentence("Renamed"),
    remedy: "Give the file its old name back.",
    means: "data"
  },
  Late: {
    sentence: historySentence("Late"),
    remedy: "Give them numbers above the newest applied one.",
    means: "data"
  },
  Unrecorded: {
    sentence: historySentence("Unrecorded"),
    remedy:
      "Check the URL. If it is right, rows were deleted from schema_migrations: restore the database to a point in time before that. If what they had done was undone by hand as well, run `COMMENT ON TABLE schema_migrations IS NULL`.",
    means: "data"
  },
  Unreadable: {
    sentence: historySentence("Unreadable"),
    remedy: remedyOr("Fix what PostgreSQL's message names, then start again."),
    means: ofPostgres
  }
}

export const historyUnreadable = (failure: PostgresFailure): HistoryError => {
  const { code, retryable } = failure
  return new HistoryError({ reason: "Unreadable", migrations: [], detail: codeAndDetail(failure), code, retryable })
}
