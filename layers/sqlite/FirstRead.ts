/** The first reading of a start: who does it, and what it takes away. */
import * as Effect from "effect/Effect"
import type { Shutdown } from "./FileLook.ts"
import { launching, standstill } from "./LeftoverWal.ts"

/** What a start knows of its first reading. */
export interface FirstRead {
  /** Whether an attempt before this one has read. */
  isTried: boolean
  /** Whether SQLite has met a lock that it could not get. */
  stoodStill: boolean
  /** What told that commits are missing: SQLite's first reading takes the proof away. */
  lost: string | undefined
}

/** To be told before anything is changed, and once. */
export const tellLost = (firstRead: FirstRead, look: Effect.Effect<string | undefined>) =>
  firstRead.lost === undefined
    ? Effect.flatMap(look, (lost) => {
        firstRead.lost = lost
        return lost === undefined ? Effect.void : Effect.logWarning(lost)
      })
    : Effect.void

/**
 * Whether a process that can be ended reads first. That takes longer than all the rest: only where SQLite's standstill
 * would outlast the deadline (`left` milliseconds away) and the process would not, not again where a read went well, and
 * not where others hold locks on the same `-shm`, for there the system gives them.
 */
export const isReadBeside = (
  firstRead: FirstRead,
  { before, left }: { readonly before: Shutdown; readonly left: number }
): boolean => {
  const isDue = firstRead.stoodStill || !firstRead.isTried
  firstRead.isTried = true
  return isDue && before !== "shared" && left > launching && left < standstill
}
