/** What `ReadError` and `WriteError` have in common: each is a refusal, and a `SqlError`. */
import { SqlError } from "@effect/sql/SqlError"
import { ofSqlite } from "../start/codeMeaning.ts"
import { jsonOf, messageOf } from "../start/Refusal.ts"
import { type Catalogued, type Entry, type Meaning, refusalBrand } from "../start/TaggedRefusal.ts"
import { type ConnectionError, ofConnection } from "./ConnectionError.ts"

/** A transaction could not begin or go on. */
export class SqlRefusal<Reason extends string> extends SqlError implements Catalogued {
  /** For programs: can be matched on. */
  readonly reason: Reason
  /** What is wrong, for people. */
  readonly sentence: string
  /** What to do now, for people. */
  readonly remedy: string
  /** SQLite's or the system's code, "" where neither had a say. */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** Absolute path of the database file, or `:memory:`. */
  readonly database: string

  /** For tests of programs that handle it. */
  constructor({
    cause,
    ...facts
  }: Pick<SqlRefusal<Reason>, "reason" | "sentence" | "remedy" | "code" | "retryable" | "database"> & {
    /** What it came from. */
    readonly cause: unknown
  }) {
    super({ cause, message: messageOf(facts) })
    this.reason = facts.reason
    this.sentence = facts.sentence
    this.remedy = facts.remedy
    this.code = facts.code
    this.retryable = facts.retryable
    this.database = facts.database
  }

  /** @internal */
  get [refusalBrand](): true {
    return true
  }

  /** @internal */
  get entry(): Entry {
    return { sentence: this.sentence, remedy: this.remedy, means: meaningOf(this) }
  }

  /** What JSON loggers write: the sentence as `message`, the remedy, and the facts. */
  override toJSON(): object {
    return jsonOf(this)
  }
}

const own: Partial<Record<string, Meaning>> = {
  WouldWrite: "defect",
  WithinRead: "defect",
  NewerDatabase: "newerDatabase"
}

const meaningOf = (error: SqlRefusal<string>): Meaning =>
  isOfConnection(error.reason) ? ofConnection[error.reason].means : (own[error.reason] ?? ofSqlite(error))

const isOfConnection = (reason: string): reason is ConnectionError["reason"] => Object.hasOwn(ofConnection, reason)
