/** Why a history was not repaired. */
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"

/** The history was not repaired. Nothing was changed. */
export class RepairError extends TaggedRefusal("RepairError")<{
  /**
   * - `NoReason`: no reason was given.
   * - `NoVersion`: the case needs versions and none was named, or it takes none.
   * - `NoApplicationId`: the mark that the file should have was not given.
   * - `NoSuchVersion`: no file or no row has the version that was named.
   * - `SeveralRows`: more than one row has it.
   * - `NoHistory`: there are no rows to repair.
   * - `NothingToRepair`: the database does not have what this case repairs.
   * - `OnlyRow`: nothing would be left of the history.
   * - `NotProven`: other rows keep the schema from being proven.
   * - `SchemaDiffers`: the files would not make the schema that the database has.
   * - `Changed`: the database is not what was shown any more.
   * - `NotConfirmed`: nobody said yes.
   */
  readonly reason:
    | "NoReason"
    | "NoVersion"
    | "NoApplicationId"
    | "NoSuchVersion"
    | "SeveralRows"
    | "NoHistory"
    | "NothingToRepair"
    | "OnlyRow"
    | "NotProven"
    | "SchemaDiffers"
    | "Changed"
    | "NotConfirmed"
  /** What is meant by the reason: versions, rows, objects. */
  readonly detail: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** Absolute path of the database file. */
  readonly database?: string | undefined
}> {
  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }
}

const saying =
  (sentence: string) =>
  ({ detail }: RepairError) =>
    `${sentence}${detail === "" ? "" : `: ${detail}`}`

const catalogue: Catalogue<RepairError> = {
  NoReason: {
    sentence: "A repair needs a reason, which the history keeps",
    remedy: 'Say why, with --reason "...".',
    means: "usage"
  },
  NoVersion: {
    sentence: saying("The versions do not fit this case"),
    remedy:
      "Name the versions behind the case, as in `database-ready repair accept-edited 002`. The cases set-version and set-application-id take none.",
    means: "usage"
  },
  NoApplicationId: {
    sentence: "Nobody said which application_id the file should have",
    remedy: "Give the number of this program with --application-id.",
    means: "usage"
  },
  NoSuchVersion: {
    sentence: saying("There is no such version"),
    remedy:
      "Give the number of a file, or of a row of schema_migrations, as it is written there. For remove-repeatable give the name, such as R__report.",
    means: "usage"
  },
  SeveralRows: {
    sentence: saying("Several rows have this number"),
    remedy: "Name the wrong one as it is written in its column version.",
    means: "usage"
  },
  NoHistory: {
    sentence: "The database has no history to repair",
    remedy:
      "Check the path of the database. To give it a history, run `database-ready adopt --through VERSION`. If there is nothing in it, delete it.",
    means: "data"
  },
  NothingToRepair: {
    sentence: saying("This case has nothing to repair here"),
    remedy: "Run `database-ready status`: its remedy names the case that helps.",
    means: "data"
  },
  OnlyRow: {
    sentence: saying("Nothing would be left of the history"),
    remedy: "Check the path of the database and of the migrations. To begin again, use an empty database.",
    means: "data"
  },
  NotProven: {
    sentence: saying("The schema cannot be proven yet, because other rows have no file or are not completed"),
    remedy:
      "Repair those rows first, with remove-record, accept-renamed or record-applied. Or name them in the same repair.",
    means: "data"
  },
  SchemaDiffers: {
    sentence: saying("After this repair the files would not make the schema that the database has"),
    remedy:
      "Change the schema by hand so that it is what the files make, or put the files back. Then repair again. `database-ready diff` shows the difference.",
    means: "data"
  },
  Changed: {
    sentence: saying("The database is not what was shown any more"),
    remedy: "Run it again, and look at what it shows.",
    means: "data"
  },
  NotConfirmed: {
    sentence: saying("Nothing was written, because nobody said yes"),
    remedy: "Answer with y on a terminal, or give --yes.",
    means: "usage"
  }
}

export const refuseRepair = (reason: RepairError["reason"], detail = "") =>
  new RepairError({ reason, detail, retryable: false })
