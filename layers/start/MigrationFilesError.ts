/** Why a new migration was not written. */
import * as Data from "effect/Data"
import { codeRemedy } from "./codeRemedy.ts"
import { jsonOf, messageOf } from "./Refusal.ts"

/** No migration was written. */
export class MigrationFilesError extends Data.TaggedError("MigrationFilesError")<{
  /**
   * - `BadName`: the name cannot be that of a migration.
   * - `BadNumber`: the number that was asked for cannot be that of the next migration.
   * - `Taken`: a migration has the number already, or another run is writing one.
   * - `NotWritten`: the file cannot be written.
   */
  readonly reason: "BadName" | "BadNumber" | "Taken" | "NotWritten"
  /** The directory of the migrations. */
  readonly directory: string
  /** The name or the number that was asked for, or the file. */
  readonly subject: string
  /** What is wrong with it, or what the operating system said. */
  readonly detail: string
  /** What could be used instead; "" where nothing is known. */
  readonly instead: string
  /** The system's code, e.g. `EACCES`; "" where it had no say. */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** Never set: no database has a part in it. */
  readonly database?: string | undefined
}> {
  /** The sentence and the remedy in one line. */
  override get message(): string {
    return messageOf(this)
  }

  /** What JSON loggers write: the sentence as `message`, the remedy, and the facts. */
  override toJSON(): object {
    return jsonOf(this)
  }

  /** What is wrong, for people. */
  get sentence(): string {
    const subject = JSON.stringify(this.subject)
    if (this.reason === "BadName") return `${subject} cannot be the name of a migration: ${this.detail}`
    if (this.reason === "NotWritten") return `The migration ${this.subject} cannot be written (${this.detail})`
    return `${subject} cannot be the number of a new migration: ${this.detail}`
  }

  /** What to do now, for people. */
  get remedy(): string {
    if (this.reason === "NotWritten") return codeRemedy(this.code) ?? `Let this user write in ${this.directory}.`
    return this.reason === "BadName" ? `Name it like ${this.instead}.` : `Leave the number out, or use ${this.instead}.`
  }
}
