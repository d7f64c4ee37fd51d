/** Why a database was not taken over. */
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"

/** The database of another tool was not taken over. Nothing was changed. */
export class AdoptError extends TaggedRefusal("AdoptError")<{
  /**
   * - `Empty`: there is nothing in the database.
   * - `AlreadyOurs`: it has a history of this library.
   * - `NameTaken`: something else has the name of this library's history.
   * - `SeveralTools`: it has the histories of several tools, and none was named.
   * - `NoHistory`: it has no history of the tool that was named, or of any.
   * - `Unfinished`: the other tool says that a migration failed, or still runs.
   * - `Unmatched`: what the other tool applied is not what the files are.
   * - `NoSuchVersion`: no file has the version that was named.
   * - `SchemaDiffers`: the files do not make the schema that the database has.
   * - `Changed`: the database is not what was shown any more.
   * - `NotConfirmed`: nobody said yes.
   */
  readonly reason:
    | "Empty"
    | "AlreadyOurs"
    | "NameTaken"
    | "SeveralTools"
    | "NoHistory"
    | "Unfinished"
    | "Unmatched"
    | "NoSuchVersion"
    | "SchemaDiffers"
    | "Changed"
    | "NotConfirmed"
  /** What is meant by the reason: tools, migrations, objects. */
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
  ({ detail }: AdoptError) =>
    `${sentence}${detail === "" ? "" : `: ${detail}`}`

const catalogue: Catalogue<AdoptError> = {
  Empty: {
    sentence: saying("There is nothing in the database to take over"),
    remedy: "Check the path of the database. To make a new one, run `database-ready init`.",
    means: "data"
  },
  AlreadyOurs: {
    sentence: saying("The database has a history of this library already"),
    remedy: "Run `database-ready init`, or `database-ready status` to look first.",
    means: "data"
  },
  NameTaken: {
    sentence: saying("Something else has the name of this library's history"),
    remedy:
      "If a program still needs it under this name, that program cannot share the database with this library. If none does, rename it; a table with `ALTER TABLE schema_migrations RENAME TO former_schema_migrations`. Then adopt again, with --through VERSION and --keep-extra.",
    means: "data"
  },
  SeveralTools: {
    sentence: saying("The database has the histories of several tools"),
    remedy: "Say which one counts, with --from TOOL.",
    means: "usage"
  },
  NoHistory: {
    sentence: saying("The database does not have the history of another tool that could be taken over"),
    remedy:
      "If the tool's table has another name than usual, give it with --table NAME. Else say which version the database is at, with --through VERSION: the newest migration whose changes are in it.",
    means: "usage"
  },
  Unfinished: {
    sentence: saying("The other tool says that a migration failed or still runs"),
    remedy: "Repair or finish that migration with the other tool first. Its own documentation says how.",
    means: "data"
  },
  Unmatched: {
    sentence: saying("What the other tool applied is not what the files are"),
    remedy:
      "Give the files the numbers or the names that the other tool has, or say how far they go with --through VERSION.",
    means: "data"
  },
  NoSuchVersion: {
    sentence: saying("No migration has that version"),
    remedy: "Give the number of a file, as in its name.",
    means: "usage"
  },
  SchemaDiffers: {
    sentence: saying("The files up to there do not make the schema that the database has"),
    remedy:
      "See it with `database-ready diff`. Change the files so that they make what the database has, or say with --through VERSION how far it is. To leave alone what is extra, and no file should make, give --keep-extra.",
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
