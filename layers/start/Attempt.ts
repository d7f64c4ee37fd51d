/** One attempt of a stage, as the stage sees it. */
import type * as Clock from "effect/Clock"
import type * as Effect from "effect/Effect"
import type { LockError } from "./LockError.ts"
import type { Measure } from "./Measure.ts"
import type { StageTimeoutError } from "./StageTimeoutError.ts"

/** What any stage can be refused with: its deadline passed, or waiting for a lock cannot help. */
export type StageError = StageTimeoutError | LockError

/** @internal What a stage can ask and tell while it runs. */
export interface Attempt {
  /**
   * Fails when the deadline has passed. For the moment before a commit: a statement that runs cannot
   * be cut off, but what it did can still be rolled back.
   */
  readonly inTime: Effect.Effect<void, StageTimeoutError>
  /** Milliseconds until the deadline, which progress may extend. */
  readonly left: () => number
  /**
   * For between two statements of many: lets timers, signals and the deadline have their turn when the
   * event loop has been held for 16 ms when it is called, and costs a look at the clock otherwise.
   */
  readonly breathe: () => Effect.Effect<void>
  /** Says what is going on, for a timeout to name: "applying 003_add_owner". */
  readonly doing: (what: string) => void
  /**
   * Tells how far something is that takes long, in bytes unless a unit is given. The default deadline does not count the
   * time in which it moves on. The call notes it; the effect that it gives tells those who listen.
   */
  readonly progress: (
    doing: string,
    done: number,
    total: number,
    more?: Partial<Pick<Measure, "unit" | "detail"> & { readonly isTold: boolean }>
  ) => Effect.Effect<void>
  /** Says what is committed: it stands, however the start ends. */
  readonly committed: (what: Committed) => void
  /** The clock of the start. */
  readonly clock: Clock.Clock
}

interface Committed {
  /** Migrations, as `NNN_name`. */
  readonly applied: ReadonlyArray<string>
  /** Absolute path of the copy that was made before; undefined where none was. */
  readonly backup: string | undefined
}
