/** What a start tells while it runs. */
import type { Holder } from "../machine/FileLocks.ts"
import type { StageName } from "./policy.ts"

/**
 * A step of the start, for programs that show progress. Each has the `stage`, and `at`: milliseconds since the epoch, by
 * Effect's `Clock`.
 *
 * - `StageStarted`: a stage begins.
 * - `StageWaiting`: an attempt was refused by something that may pass; the stage tries again.
 * - `StageProgress`: something that takes long moves on. `describeMeasure` makes a text of it.
 * - `StagePassed`: a stage is over.
 * - `StageFailed`: a stage has refused the start.
 */
export type ProgressEvent =
  | {
      readonly _tag: "StageStarted"
      /** The stage that begins. */
      readonly stage: StageName
      /** Milliseconds since the epoch. */
      readonly at: number
    }
  | {
      readonly _tag: "StageWaiting"
      /** The stage that waits. */
      readonly stage: StageName
      /** Milliseconds since the epoch. */
      readonly at: number
      /** How many attempts of the stage were refused, this one included. */
      readonly attempts: number
      /** What this attempt was refused with, as a sentence. */
      readonly reason: string
      /** Who holds the lock that is waited for, as far as it can be seen. */
      readonly holders: ReadonlyArray<Holder>
    }
  | {
      readonly _tag: "StageProgress"
      /** The stage that is at work. */
      readonly stage: StageName
      /** Milliseconds since the epoch. */
      readonly at: number
      /** What is going on, such as "running quick_check". */
      readonly doing: string
      /** How many of the units are done. */
      readonly done: number
      /** How many there are. */
      readonly total: number
      /** What is counted. */
      readonly unit: "bytes" | "statements" | "tables"
      /** What of it is going on, such as "statement 3 of 7, line 12"; "" where the figures say it all. */
      readonly detail: string
    }
  | {
      readonly _tag: "StagePassed"
      /** The stage that is over. */
      readonly stage: StageName
      /** Milliseconds since the epoch. */
      readonly at: number
      /** What the stage saw, in a few words. */
      readonly found: string
    }
  | {
      readonly _tag: "StageFailed"
      /** The stage that refused. */
      readonly stage: StageName
      /** Milliseconds since the epoch. */
      readonly at: number
      /** The sentence of its error. */
      readonly reason: string
    }
