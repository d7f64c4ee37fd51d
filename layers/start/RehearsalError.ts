/** Why an upgrade was not rehearsed. */
import { ofWriting } from "./codeMeaning.ts"
import { codeRemedy } from "./codeRemedy.ts"
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "./TaggedRefusal.ts"

/** No copy could be made for a rehearsal. The database is as it was. */
export class RehearsalError extends TaggedRefusal("RehearsalError")<{
  /**
   * - `NoFile`: a database in memory cannot be copied.
   * - `Busy`: another rehearsal of the database is running there.
   * - `NoSpace`: there is no space for the copy.
   * - `NotCopied`: the copy cannot be made for another reason.
   */
  readonly reason: "NoFile" | "Busy" | "NoSpace" | "NotCopied"
  /** Absolute path of the directory in which the copy was to be, or "" where there is none. */
  readonly directory: string
  /** What SQLite or the operating system said. */
  readonly detail: string
  /** SQLite's or the system's code, or "". */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** Absolute path of the database file, or `:memory:`. */
  readonly database?: string | undefined
}> {
  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }

  /** @internal The entry's sentence with the facts. */
  override get sentence(): string {
    const said = [this.code, this.detail].filter((part) => part !== "").join(": ")
    return `${this.entry.sentence}${said === "" ? "" : ` (${said})`}`
  }
}

const catalogue: Catalogue<RehearsalError> = {
  NoFile: {
    sentence: () => "A database in memory has no file that can be copied",
    remedy: () => "Name the file of a database.",
    means: "usage"
  },
  Busy: {
    sentence: ({ directory }) => `Another rehearsal of this database is running with its copy in ${directory}`,
    remedy: () => "Wait until it has ended, or stop it.",
    means: ofWriting
  },
  NoSpace: {
    sentence: ({ directory }) => `There is no space in ${directory} for a copy of the database`,
    remedy: () => "Free some space there, or name another directory with --directory.",
    means: ofWriting
  },
  NotCopied: {
    sentence: ({ directory }) => `The database could not be copied to ${directory}`,
    remedy: ({ code }) => codeRemedy(code) ?? "Name a directory in which this user may write, with --directory.",
    means: ofWriting
  }
}
