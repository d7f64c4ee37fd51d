/** A start whose clock the test holds, and what the start tells meanwhile. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/TestClock"
import type { ProgressEvent } from "../../layers/index.ts"

export type Waiting = Extract<ProgressEvent, { readonly _tag: "StageWaiting" }>

/** `onProgress` for the options, and the next attempt that was refused and will be made again. */
export const makeWatch = Effect.gen(function* () {
  const waits = yield* Queue.unbounded<Waiting>()
  return {
    onProgress: (event: ProgressEvent) =>
      event._tag === "StageWaiting" ? Effect.asVoid(Queue.offer(waits, event)) : Effect.void,
    next: Queue.take(waits),
    /** Nothing was refused that has not been looked at. */
    isQuiet: Queue.isEmpty(waits)
  }
})

type Watch = Effect.Effect.Success<typeof makeWatch>

/**
 * Lets the first attempt fail and then each wait pass, one millisecond at the last: gives the times at
 * which the attempts were over, by the test clock. Attempts that come too early or too late show in them.
 */
export const attemptTimes = Effect.fnUntraced(function* (watch: Watch, waits: ReadonlyArray<number>) {
  const times = [(yield* watch.next).at]
  for (const wait of waits) {
    yield* TestClock.adjust(wait - 1)
    yield* TestClock.adjust(1)
    times.push((yield* watch.next).at)
  }
  return times
})
