/** What a start is refused with when waiting for a lock cannot help. */
import * as Data from "effect/Data"
import type { StageName } from "./policy.ts"
import { jsonOf, messageOf } from "./Refusal.ts"

/** A lock cannot be had, and nobody else has it. */
export class LockError extends Data.TaggedError("LockError")<{
  /**
   * `NotReleased`: the kernel did not release a lock of this process, which a new connection did not cure.
   * `LocksRefused`: the filesystem gives no locks, although nobody holds one.
   */
  readonly reason: "NotReleased" | "LocksRefused"
  /** The stage that met the lock. */
  readonly stage: StageName
  /** SQLite's extended result code (https://sqlite.org/rescode.html). */
  readonly code: string
  /** Whether another process would have the lock. */
  readonly retryable: boolean
  /** Absolute path of the database file, or `:memory:`. */
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
    return `${sentences[this.reason](this.database ?? "the database")} (${this.code} in the ${this.stage} stage)`
  }

  /** What to do now, for people. */
  get remedy(): string {
    return remedies[this.reason]
  }
}

const sentences: Record<LockError["reason"], (database: string) => string> = {
  NotReleased: (database) =>
    `A lock of this process on ${database} was not released, so the process would wait for itself`,
  LocksRefused: (database) => `The filesystem refuses locks on ${database}: nobody holds one, and SQLite gets none`
}

const remedies: Record<LockError["reason"], string> = {
  NotReleased: "Start the program again: the kernel releases all locks of a process that ends.",
  LocksRefused:
    "Put the database on a local disk. On NFS, check that its lock service runs; in a sandbox, that it allows fcntl(2) locks."
}
