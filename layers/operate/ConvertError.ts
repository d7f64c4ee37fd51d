/** Why a directory of migrations was not converted. */
import { ofWriting } from "../start/codeMeaning.ts"
import { codeRemedy } from "../start/codeRemedy.ts"
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"

/** The directory of another tool was not converted. Nothing was written under the name that was asked for. */
export class ConvertError extends TaggedRefusal("ConvertError")<{
  /**
   * - `NoMigrations`: there is nothing in it that is a migration by its name.
   * - `Programs`: some of its migrations are programs, and not SQL.
   * - `Unclear`: which files are migrations, or in which order they run, cannot be told.
   * - `SourceFails`: SQLite refuses the files as they are.
   * - `NotAccepted`: a start would refuse the files that were made of them.
   * - `Differs`: those files make another schema, or other rows.
   * - `Within`: the destination is in the source.
   * - `Occupied`: something is at the destination.
   * - `NotWritten`: the destination cannot be written.
   */
  readonly reason:
    | "NoMigrations"
    | "Programs"
    | "Unclear"
    | "SourceFails"
    | "NotAccepted"
    | "Differs"
    | "Within"
    | "Occupied"
    | "NotWritten"
  /** The directory that was to be converted, or where to. */
  readonly directory: string
  /** The file at fault; "" where none is. */
  readonly file: string
  /** What is wrong. */
  readonly detail: string
  /** What can be done about this one, where that is more than the reason says; "" where it is not. */
  readonly cure: string
  /** The system's code, e.g. `EACCES`; "" where it had no say. */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** Never set: no database has a part in it. */
  readonly database?: string | undefined
}> {
  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }

  /** @internal The entry's sentence with the facts. */
  override get sentence(): string {
    return `${this.entry.sentence}${this.detail === "" ? "" : `: ${this.detail}`}`
  }

  /** @internal The entry's remedy with the facts. */
  override get remedy(): string {
    return this.cure || this.entry.remedy
  }
}

const catalogue: Catalogue<ConvertError> = {
  NoMigrations: {
    sentence: ({ directory }) => `${directory} has no migration that could be converted`,
    remedy: "Name the directory that has the SQL files, each with a number in front.",
    means: "usage"
  },
  Programs: {
    sentence: ({ directory }) => `Some migrations of ${directory} are programs, and only SQL can be converted`,
    remedy:
      "Copy the directory. In the copy, write what each program does as SQL under its number and delete the program; then convert the copy. What SQL cannot do is written as an Effect, with Migrations.fromEffect.",
    means: "data"
  },
  Unclear: {
    sentence: ({ directory }) => `The migrations of ${directory} cannot be put in order`,
    remedy: "Copy the directory, correct that in the copy, and convert the copy.",
    means: "data"
  },
  SourceFails: {
    sentence: ({ directory, file }) => `SQLite refuses ${file} of ${directory} as it is`,
    remedy:
      "Correct it in a copy of the directory, and convert the copy. If it needs functions or an extension, give them with --on-open.",
    means: "data"
  },
  NotAccepted: {
    sentence: ({ directory, file }) =>
      `A start would refuse the migrations that ${directory} becomes${file === "" ? "" : `, for ${file}`}`,
    remedy: "Correct it in a copy of the directory, and convert the copy.",
    means: "data"
  },
  Differs: {
    sentence: ({ directory }) => `The migrations that ${directory} becomes do not make the same database`,
    remedy: "Write the migrations by hand, and report this with the files: it is a defect.",
    means: "data"
  },
  Within: {
    sentence: ({ directory }) => `${directory} is in the directory that would be converted`,
    remedy: "Name a new directory outside of it: the source is never written to.",
    means: "usage"
  },
  Occupied: {
    sentence: ({ directory }) => `There is something at ${directory}`,
    remedy: "Name a directory that is not there yet, or an empty one.",
    means: "usage"
  },
  NotWritten: {
    sentence: ({ directory }) => `The converted migrations cannot be written to ${directory}`,
    remedy: ({ code }) => codeRemedy(code) ?? "Name a directory in which this user can write.",
    means: ofWriting
  }
}
