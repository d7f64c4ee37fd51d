/** A setting of a session that is not as it has to be. */
import * as Data from "effect/Data"
import { jsonOf, messageOf } from "../start/Refusal.ts"

/** A setting could not be made, or reads back as something else. */
export class PragmaError extends Data.TaggedError("PragmaError")<{
  /** `Mismatch`: it reads back as another value. `Refused`: PostgreSQL did not take one of them. */
  readonly reason: "Mismatch" | "Refused"
  /** The name of the setting; "" where PostgreSQL did not say. */
  readonly pragma: string
  /** The value that it should have; "" where PostgreSQL did not say. */
  readonly wanted: string
  /** The value read back; "" where none was. */
  readonly got: string
  /** What PostgreSQL said; "" for a mismatch. */
  readonly detail: string
  /** PostgreSQL's code, "" for a mismatch. */
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
    return this.reason === "Mismatch"
      ? `The setting ${this.pragma} should be ${this.wanted}, but the session answers ${this.got}`
      : `The settings of the session could not be made (${this.code}: ${this.detail})`
  }

  /** What to do now, for people. */
  get remedy(): string {
    return this.reason === "Mismatch"
      ? `Find who sets it: \`SELECT source, sourcefile FROM pg_settings WHERE name = '${this.pragma}'\`. For a role, run \`ALTER ROLE ... RESET ${this.pragma}\`.`
      : "Fix what PostgreSQL's message names, then start again."
  }
}
