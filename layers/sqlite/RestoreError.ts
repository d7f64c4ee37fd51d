/** Why a backup is not put back. */
import type * as FileSystem from "@effect/platform/FileSystem"
import { ofWriting } from "../start/codeMeaning.ts"
import { codeRemedy } from "../start/codeRemedy.ts"
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"
import { type CopyFailure, isNoSpace } from "./BackupError.ts"
import type { BackupFile } from "./BackupFiles.ts"
import { cureOfMissing } from "./MissingExtension.ts"

/** A backup could not be restored. The database is as it was. */
export class RestoreError extends TaggedRefusal("RestoreError")<{
  /**
   * - `NoBackup`: there is no backup.
   * - `Ambiguous`: several backups may be the newest.
   * - `TwoChoices`: a path was given together with a time, a version or a directory.
   * - `SameFile`: the backup is the database itself.
   * - `NotABackup`: the backup is not a sound database.
   * - `NotProven`: the backup cannot be checked.
   * - `InUse`: another program uses the database.
   * - `TimedOut`: the deadline passed.
   * - `NoSpace`: there is no space.
   * - `NotWritten`: the database cannot be replaced.
   */
  readonly reason:
    | "NoBackup"
    | "Ambiguous"
    | "TwoChoices"
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

type Reason = RestoreError["reason"]

/** For a reason that has several causes: what the code or the message tells of. */
const cureOf = ({ code, detail }: RestoreError): string =>
  `${codeRemedy(code) ?? cureOfMissing(detail) ?? "Fix what the message names."} Then restore again. The database is as it was.`

const catalogue: Catalogue<RestoreError> = {
  NoBackup: {
    sentence: ({ backup, database }) =>
      backup === "" ? `No upgrade left a backup beside ${database}` : `There is no backup at ${backup}`,
    remedy: "Name the file to restore with --backup. `database-ready backups` lists what there is.",
    means: "usage"
  },
  Ambiguous: {
    sentence: ({ database }) => `The names do not tell which backup of ${database} is the newest`,
    remedy: "Choose one of them and name it with --backup.",
    means: "usage"
  },
  TwoChoices: {
    sentence: "Two ways to choose the backup were given at once",
    remedy: "Give --backup alone. Or leave it out, and give --at, --schema-version or --directory.",
    means: "usage"
  },
  SameFile: {
    sentence: ({ backup }) => `${backup} is the database itself`,
    remedy: "Name a backup of it with --backup.",
    means: "usage"
  },
  NotABackup: {
    sentence: ({ backup }) => `${backup} is not a sound database`,
    remedy: "Name another backup with --backup.",
    means: "data"
  },
  NotProven: {
    sentence: ({ backup }) => `The backup ${backup} could not be checked`,
    remedy: cureOf,
    means: ofWriting
  },
  InUse: {
    sentence: ({ database }) => `Another program uses ${database}`,
    remedy: "Stop every program that has it open, then restore again.",
    means: ofWriting
  },
  TimedOut: {
    sentence: ({ database }) => `${database} was not restored in time`,
    remedy: "Restore again with a longer --timeout, such as 10m. Stop every program that has the database open first.",
    means: ofWriting
  },
  NoSpace: {
    sentence: ({ database }) => `There is no space to restore ${database} and to keep what is there now`,
    remedy: "Free some space on that filesystem.",
    means: ofWriting
  },
  NotWritten: {
    sentence: ({ database }) => `${database} could not be restored`,
    remedy: cureOf,
    means: ofWriting
  }
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
