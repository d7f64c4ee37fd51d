/** Why a copy cannot be made. */
import * as Effect from "effect/Effect"
import type { SystemFailure } from "../machine/SystemFailure.ts"
import { ofWriting } from "../start/codeMeaning.ts"
import { codeRemedy } from "../start/codeRemedy.ts"
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"
import type { SqliteFailure } from "./Sqlite.ts"

/** The copy that has to be there before an upgrade could not be made. Nothing was changed. */
export class BackupError extends TaggedRefusal("BackupError")<{
  /** `NoSpace`: the filesystem is full. `NotWritten`: the copy failed for another reason, which `detail` says. */
  readonly reason: "NoSpace" | "NotWritten"
  /** Absolute path of the file that could not be made. */
  readonly backup: string
  /** What SQLite or the operating system said. */
  readonly detail: string
  /** SQLite's or the system's code, e.g. `SQLITE_FULL` or `EACCES`; "" where neither said anything. */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** Absolute path of the database file, or `:memory:`. Set when the error leaves its stage. */
  readonly database?: string | undefined
}> {
  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }

  /** @internal The entry's sentence with the facts. */
  override get sentence(): string {
    const said = [this.code, this.detail].filter((part) => part !== "").join(": ")
    return `${this.entry.sentence}, so the upgrade was not started (${said})`
  }

  /** @internal The entry's remedy with the facts. */
  override get remedy(): string {
    return `${this.entry.remedy} If you make backups yourself, set \`backups\` to 0.`
  }
}

const catalogue: Catalogue<BackupError> = {
  NoSpace: {
    sentence: ({ backup }) => `There is no space for the backup ${backup}`,
    remedy: "Free some space on that filesystem, or delete older backups.",
    means: ofWriting
  },
  NotWritten: {
    sentence: ({ backup }) => `The backup ${backup} could not be made`,
    remedy: ({ code }) => codeRemedy(code) ?? "Let this user write in the database's directory.",
    means: ofWriting
  }
}

/** Turns a failure to copy into the error of this backup. */
export const asBackupError = (backup: string) =>
  Effect.mapError(
    ({ code, detail, retryable }: CopyFailure) =>
      new BackupError({ reason: isNoSpace(code) ? "NoSpace" : "NotWritten", backup, code, detail, retryable })
  )

/** What can fail while a database is copied: SQLite or the system. */
export type CopyFailure = SqliteFailure | SystemFailure

export const isNoSpace = (code: string): boolean => code === "SQLITE_FULL" || code === "ENOSPC" || code === "EDQUOT"
