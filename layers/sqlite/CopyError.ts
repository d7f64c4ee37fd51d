/** Why a copy that was asked for is not there. */
import * as Data from "effect/Data"
import { codeRemedy, damaged } from "../start/codeRemedy.ts"
import { jsonOf, messageOf } from "../start/Refusal.ts"
import { type CopyFailure, isNoSpace } from "./BackupError.ts"
import { isLock } from "./Sqlite.ts"

/** A backup that was asked for could not be made. The database is as it was, and no file has the name of the backup. */
export class CopyError extends Data.TaggedError("CopyError")<{
  /**
   * - `InvalidName`: the name of the backup is none for a file.
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
    const said = [this.code, this.detail].filter((part) => part !== "").join(": ")
    return `${sentences[this.reason](this.backup)}${said === "" ? "" : ` (${said})`}`
  }

  /** What to do now, for people. */
  get remedy(): string {
    return (/^NotWritten$/.test(this.reason) ? codeRemedy(this.code) : undefined) ?? remedies[this.reason]
  }
}

type Reason = CopyError["reason"]

const sentences: Record<Reason, (backup: string) => string> = {
  InvalidName: (backup) => `${JSON.stringify(backup)} cannot be the name of a backup`,
  NoPlace: (backup) => `There is no directory for the backup ${backup}`,
  Exists: (backup) => `${backup} is already there, and is not overwritten`,
  NoCompression: (backup) => `The backup ${backup} cannot be compressed like that`,
  NotSound: (backup) => `The backup ${backup} was not kept: it is not a sound database`,
  Busy: (backup) => `The backup ${backup} was not made: another process is in the way`,
  TimedOut: (backup) => `The backup ${backup} was not made in time`,
  NoSpace: (backup) => `There is no space for the backup ${backup}`,
  NotWritten: (backup) => `The backup ${backup} could not be made`
}

const remedies: Record<Reason, string> = {
  InvalidName: "Name a file or a directory with --to.",
  NoPlace: "Create the directory, or name another one with --to.",
  Exists: "Name another file with --to, or a directory: the name then has the time.",
  NoCompression: "Use --compress gzip, or run this with Node.js 22.15 or newer of 22, or 23.8 or newer.",
  NotSound: `Check that this is the right database. ${damaged}`,
  Busy: "Wait until the other process has finished, then run this again.",
  TimedOut: "Run this again with a longer --timeout, or when fewer programs write.",
  NoSpace: "Free some space on that filesystem, or name a directory on another one with --to.",
  NotWritten: "Fix what the message names, then run this again."
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
