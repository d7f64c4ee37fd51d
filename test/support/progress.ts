/** A start whose clock the test holds, and what the start reports meanwhile. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/TestClock"
import type { ProgressEvent } from "../../layers/index.ts"

export type Waiting = Extract<ProgressEvent, { readonly _tag: "StageWaiting" }>

/** `onProgress` for the options, and the next refused attempt that will be repeated. */
export const makeWatch = Effect.gen(function* () {
  const waits = yield* Queue.unbounded<Waiting>()
  return {
    onProgress: (event: ProgressEvent) =>
      event._tag === "StageWaiting" ? Effect.asVoid(Queue.offer(waits, event)) : Effect.void,
    next: Queue.take(waits),
    /** Whether every refused attempt has been looked at. */
    isQuiet: Queue.isEmpty(waits)
  }
})

type Watch = Effect.Effect.Success<typeof makeWatch>

/**
 * Lets the first attempt fail and then each wait pass, the last one millisecond by millisecond. Returns when the
 * attempts ended, by the test clock. Attempts that come too early or too late show in it.
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
