/** The first read of a start: which process does it, and what it destroys. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Shutdown } from "./FileLook.ts"
import { launching, standstill } from "./LeftoverWal.ts"

/** What a start knows about its first read. */
export interface FirstRead {
  /** Whether an earlier attempt has read. */
  isTried: boolean
  /** Whether SQLite has failed to get a lock. */
  stoodStill: boolean
  /** The warning that commits are missing: SQLite's first read destroys the proof. */
  lost: string | undefined
}

/** Warns once, before anything is changed. */
export const tellLost = (firstRead: FirstRead, look: () => string | undefined): Effect.Effect<void> => {
  if (firstRead.lost !== undefined) return Exit.void
  firstRead.lost = look()
  return firstRead.lost === undefined ? Exit.void : Effect.logWarning(firstRead.lost)
}

/**
 * Whether a child process, which can be killed, reads first. That takes longer than all the rest. So only if SQLite's
 * standstill would outlast the deadline (`left` milliseconds away) and launching would not; not again after a read that
 * worked; and not while others hold locks on the same `-shm`, because then locks work.
 */
export const isReadBeside = (
  firstRead: FirstRead,
  { before, left }: { readonly before: Shutdown; readonly left: number }
): boolean => {
  const isDue = firstRead.stoodStill || !firstRead.isTried
  firstRead.isTried = true
  return isDue && before !== "shared" && left > launching && left < standstill
}
