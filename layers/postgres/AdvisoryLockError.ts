/** Why an effect did not run, or not to its end, under a lock by name. */
import { type Holder, nameHolders } from "../machine/FileLocks.ts"
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"
import { codeAndDetail } from "./PostgresFailure.ts"

/** The lock could not be had, or was lost while the effect ran. */
export class AdvisoryLockError extends TaggedRefusal("AdvisoryLockError")<{
  /**
   * - `Held`: another program has had it for longer than `patience`. Nothing was run.
   * - `Unreachable`: the server could not be asked. Nothing was run.
   * - `Lost`: the connection that had the lock is gone. The effect was interrupted.
   */
  readonly reason: "Held" | "Unreachable" | "Lost"
  /** The name of the lock. */
  readonly lock: string
  /** Who was seen to have it. */
  readonly holders: ReadonlyArray<Holder>
  /** What the server or the system said, or "". */
  readonly detail: string
  /** PostgreSQL's or the system's code, "" where there is none. */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** The URL of the database, without user and password. */
  readonly database?: string | undefined
}> {
  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }
}

const catalogue: Catalogue<AdvisoryLockError> = {
  Held: {
    sentence: ({ holders, lock }) =>
      `The lock ${JSON.stringify(lock)} is held by ${holders.length === 0 ? "another program" : nameHolders(holders)}`,
    remedy:
      "Wait until it is done, or give more `patience`. Ending its session releases the lock: `pg_terminate_backend`.",
    means: "tryAgain"
  },
  Unreachable: {
    sentence: (error) => `The lock ${JSON.stringify(error.lock)} could not be requested (${codeAndDetail(error)})`,
    remedy: "Fix what the message names, then try again.",
    means: "inputOutput"
  },
  Lost: {
    sentence: (error) =>
      `The lock ${JSON.stringify(error.lock)} was lost with its connection (${codeAndDetail(error)})`,
    remedy: "Run the effect again. Another program may have the lock by now, and have begun.",
    means: "tryAgain"
  }
}
