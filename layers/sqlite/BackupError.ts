/** Why a copy cannot be made. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { SystemFailure } from "../machine/SystemFailure.ts"
import { codeRemedy } from "../start/codeRemedy.ts"
import { jsonOf, messageOf } from "../start/Refusal.ts"
import type { SqliteFailure } from "./Sqlite.ts"

/** The copy that has to be there before an upgrade could not be made. Nothing was changed. */
export class BackupError extends Data.TaggedError("BackupError")<{
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
    const what =
      this.reason === "NoSpace"
        ? `There is no space for the backup ${this.backup}`
        : `The backup ${this.backup} could not be made`
    const said = [this.code, this.detail].filter((part) => part !== "").join(": ")
    return `${what}, so the upgrade was not started (${said})`
  }

  /** What to do now, for people. */
  get remedy(): string {
    const cure =
      this.reason === "NoSpace"
        ? "Free some space on that filesystem, or delete older backups."
        : (codeRemedy(this.code) ?? "Let this user write in the database's directory.")
    return `${cure} If you make backups yourself, set \`backups\` to 0.`
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
