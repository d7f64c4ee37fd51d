/** Why a backup is not put back. */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Data from "effect/Data"
import { codeRemedy } from "../start/codeRemedy.ts"
import { jsonOf, messageOf } from "../start/Refusal.ts"
import { type CopyFailure, isNoSpace } from "./BackupError.ts"
import type { BackupFile } from "./BackupFiles.ts"
import { cureOfMissing } from "./MissingExtension.ts"

/** A backup could not be restored. The database is as it was. */
export class RestoreError extends Data.TaggedError("RestoreError")<{
  /**
   * - `NoBackup`: there is no backup.
   * - `Ambiguous`: several backups may be the newest.
   * - `SameFile`: the backup is the database itself.
   * - `NotABackup`: the backup is no sound database.
   * - `NotProven`: the backup cannot be checked.
   * - `InUse`: another program uses the database.
   * - `TimedOut`: the deadline passed.
   * - `NoSpace`: there is no space.
   * - `NotWritten`: the database cannot be replaced.
   */
  readonly reason:
    | "NoBackup"
    | "Ambiguous"
    | "SameFile"
    | "NotABackup"
    | "NotProven"
    | "InUse"
    | "TimedOut"
    | "NoSpace"
    | "NotWritten"
  /** Absolute path of the database. */
  readonly database: string
  /** Absolute path of the backup, or "" where there is none. */
  readonly backup: string
  /** The backups of which nobody knows which is the newest; else empty. */
  readonly candidates: ReadonlyArray<BackupFile>
  /** What SQLite or the operating system said. */
  readonly detail: string
  /** SQLite's or the system's code, or "". */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
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
    return `${sentences[this.reason](this)}${said === "" ? "" : ` (${said})`}`
  }

  /** What to do now, for people. */
  get remedy(): string {
    const cure = fromCode.has(this.reason) ? (codeRemedy(this.code) ?? cureOfMissing(this.detail)) : undefined
    return cure === undefined ? remedies[this.reason] : `${cure} Then restore again. The database is as it was.`
  }
}

type Reason = RestoreError["reason"]

/** For these the code decides: each has several causes. */
const fromCode: ReadonlySet<Reason> = new Set<Reason>(["NotProven", "NotWritten"])

const sentences: Record<Reason, (error: Pick<RestoreError, "backup" | "database">) => string> = {
  NoBackup: ({ backup, database }) =>
    backup === "" ? `There is no backup beside ${database}` : `There is no backup at ${backup}`,
  Ambiguous: ({ database }) => `The names do not tell which backup of ${database} is the newest`,
  SameFile: ({ backup }) => `${backup} is the database itself`,
  NotABackup: ({ backup }) => `${backup} is not a sound database`,
  NotProven: ({ backup }) => `The backup ${backup} could not be checked`,
  InUse: ({ database }) => `Another program uses ${database}`,
  TimedOut: ({ database }) => `${database} was not restored in time`,
  NoSpace: ({ database }) => `There is no space to restore ${database} and to keep what is there now`,
  NotWritten: ({ database }) => `${database} could not be restored`
}

const remedies: Record<Reason, string> = {
  NoBackup: "Name the file to restore with --backup.",
  Ambiguous: "Choose one of them and name it with --backup.",
  SameFile: "Name a backup of it with --backup.",
  NotABackup: "Name another backup with --backup.",
  NotProven: "Fix what the message names, then restore again.",
  InUse: "Stop every program that has it open, then restore again.",
  TimedOut: "Stop every program that has it open, then restore again with a longer --timeout.",
  NoSpace: "Free some space on that filesystem.",
  NotWritten: "Fix what the message names, then restore again. The database is as it was."
}

export const inMemory = "a database in memory has no file"

export const nothing = { code: "", detail: "", retryable: false }

export const refusalOf =
  (database: string, backup: string) =>
  (reason: Reason, { code, detail, retryable }: typeof nothing, candidates: ReadonlyArray<BackupFile> = []) =>
    new RestoreError({ reason, database, backup, candidates, code, detail, retryable })

export const reasonOf = (code: string): Reason => {
  if (isNoSpace(code)) return "NoSpace"
  return /^(EBUSY|SQLITE_(BUSY|LOCKED))/.test(code) ? "InUse" : "NotWritten"
}

export const isUnreadable = ({ code }: CopyFailure): boolean => /^SQLITE_(NOTADB|CORRUPT)/.test(code)

export const noFile = (target: string, { type }: FileSystem.File.Info) => ({
  ...nothing,
  detail: `${target} is a ${type}, not a regular file`
})
