/** Why a copy that was asked for is not there. */
import { ofSystem, ofWriting } from "../start/codeMeaning.ts"
import { codeRemedy, damaged } from "../start/codeRemedy.ts"
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"
import { type CopyFailure, isNoSpace } from "./BackupError.ts"
import { cureOfMissing } from "./MissingExtension.ts"
import { isLock } from "./Sqlite.ts"

/** A backup that was asked for could not be made. The database is as it was, and no file has the name of the backup. */
export class CopyError extends TaggedRefusal("CopyError")<{
  /**
   * - `InvalidName`: the name of the backup cannot be that of a file.
   * - `NoPlace`: the directory of the backup is not there, or cannot be used.
   * - `Exists`: something has that name already.
   * - `NoCompression`: this runtime lacks the compression.
   * - `NotSound`: the database is damaged, or holds nothing.
   * - `Busy`: a lock kept it from being made.
   * - `TimedOut`: the deadline passed.
   * - `NoSpace`: there is no space.
   * - `NotWritten`: the system refused.
   */
  readonly reason:
    | "InvalidName"
    | "NoPlace"
    | "Exists"
    | "NoCompression"
    | "NotSound"
    | "Busy"
    | "TimedOut"
    | "NoSpace"
    | "NotWritten"
  /** Absolute path of the backup, as far as it was decided. */
  readonly backup: string
  /** What SQLite or the operating system said. */
  readonly detail: string
  /** SQLite's or the system's code, or "". */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** Absolute path of the database. */
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

type Reason = CopyError["reason"]

const catalogue: Catalogue<CopyError> = {
  InvalidName: {
    sentence: ({ backup }) => `${JSON.stringify(backup)} cannot be the name of a backup`,
    remedy: "Name a file or a directory with --to.",
    means: "usage"
  },
  NoPlace: {
    sentence: ({ backup }) => `There is no directory for the backup ${backup}`,
    remedy: "Create the directory, or name another one with --to.",
    means: ofSystem
  },
  Exists: {
    sentence: ({ backup }) => `${backup} is already there, and is not overwritten`,
    remedy: "Name another file with --to, or a directory: the name then has the time.",
    means: "usage"
  },
  NoCompression: {
    sentence: ({ backup }) => `The backup ${backup} cannot be compressed like that`,
    remedy: "Use --compress gzip, or run this with Node.js 22.15, 23.8 or newer.",
    means: "usage"
  },
  NotSound: {
    sentence: ({ backup }) => `The backup ${backup} was not kept: it is not a sound database`,
    remedy: `Check that this is the right database. ${damaged}`,
    means: "data"
  },
  Busy: {
    sentence: ({ backup }) => `The backup ${backup} was not made: another process is in the way`,
    remedy: "Wait until the other process has finished, then run this again.",
    means: ofWriting
  },
  TimedOut: {
    sentence: ({ backup }) => `The backup ${backup} was not made in time`,
    remedy: "Run this again with a longer --timeout, or when fewer programs write.",
    means: ofWriting
  },
  NoSpace: {
    sentence: ({ backup }) => `There is no space for the backup ${backup}`,
    remedy: "Free some space on that filesystem, or name a directory on another one with --to.",
    means: ofWriting
  },
  NotWritten: {
    sentence: ({ backup }) => `The backup ${backup} could not be made`,
    remedy: ({ code, detail }) =>
      codeRemedy(code) ?? cureOfMissing(detail) ?? "Fix what the message names, then run this again.",
    means: ofWriting
  }
}

/** What is known of a failure. */
interface Facts {
  readonly code: string
  readonly detail: string
  readonly retryable: boolean
}

export const copyError =
  (backup: string) =>
  (reason: Reason, { code = "", detail = "", retryable = false }: Partial<Facts> = {}) =>
    new CopyError({ reason, backup, code, detail, retryable })

/** The reason of what SQLite or the system said. */
export const copyReasonOf = ({ code }: Pick<CopyFailure, "code">): Reason => {
  if (isNoSpace(code)) return "NoSpace"
  // Without a code nothing failed: the copy was looked at.
  if (code === "") return "NotSound"
  if (code === "EEXIST") return "Exists"
  return isLock(code) ? "Busy" : /^SQLITE_(CORRUPT|NOTADB)/.test(code) ? "NotSound" : "NotWritten"
}
