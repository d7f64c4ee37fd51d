/** The schema is not what its migrations make of it. */
import * as Data from "effect/Data"
import { jsonOf, messageOf } from "../start/Refusal.ts"
import type { PostgresFailure } from "./PostgresFailure.ts"
import { describeDifference, type SchemaDifference } from "./SchemaFingerprint.ts"

/** The schema is not what its migrations make of it. Nothing was changed. */
export class IntegrityError extends Data.TaggedError("IntegrityError")<{
  /** `SchemaDiffers`: the schema is not the one of the migrations. `Unreadable`: PostgreSQL could not look. */
  readonly reason: "SchemaDiffers" | "Unreadable"
  /** The objects that differ; undefined where the migrations could not be replayed to find them. */
  readonly difference: SchemaDifference | undefined
  /** What PostgreSQL said, or why the difference is not known. */
  readonly detail: string
  /** PostgreSQL's code where it could not look, else "". */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** The URL of the database, without user and password. */
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
    if (this.reason === "Unreadable") return `The schema of the database cannot be read (${this.code}: ${this.detail})`
    const how = this.difference === undefined ? this.detail : describeDifference(this.difference)
    return `The schema is not the one that the migrations make: ${how}`
  }

  /** What to do now, for people. */
  get remedy(): string {
    return this.reason === "Unreadable"
      ? "Fix what PostgreSQL's message names, then start again."
      : "Undo the change that was made outside the migrations, or restore the database. If the change is wanted, write it as a new migration after that."
  }
}

export const schemaUnreadable = ({ code, detail, retryable }: PostgresFailure): IntegrityError =>
  new IntegrityError({ reason: "Unreadable", difference: undefined, code, detail, retryable })
