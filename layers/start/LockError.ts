/** What a start is refused with when waiting for a lock cannot help. */
import type { StageName } from "./policy.ts"
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "./TaggedRefusal.ts"

/** A lock cannot be had, and nobody else has it. */
export class LockError extends TaggedRefusal("LockError")<{
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
  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }

  /** @internal The entry's sentence with the facts. */
  override get sentence(): string {
    return `${this.entry.sentence} (${this.code} in the ${this.stage} stage)`
  }
}

const catalogue: Catalogue<LockError> = {
  NotReleased: {
    sentence: ({ database = "the database" }) =>
      `A lock of this process on ${database} was not released, so the process would wait for itself`,
    remedy: "Start the program again: the kernel releases all locks of a process that ends.",
    means: "cannotCreate"
  },
  LocksRefused: {
    sentence: ({ database = "the database" }) =>
      `The filesystem refuses locks on ${database}: nobody holds one, and SQLite gets none`,
    remedy:
      "Put the database on a local disk. On NFS, check that its lock service runs; in a sandbox, that it allows fcntl(2) locks.",
    means: "cannotCreate"
  }
}
