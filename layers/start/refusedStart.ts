/** The start that a refusal ended, for programs that have the refusal alone. */
import * as Effect from "effect/Effect"
import type { Refusal } from "./Refusal.ts"
import type { Timeline } from "./Timeline.ts"

// Beside the refusals: as a field it would be in every line that prints one.
const starts = new WeakMap<Refusal, Timeline>()

/** How far the start was that ended with this refusal; undefined where it came from something else. */
export const startOf = (refusal: Refusal): Timeline | undefined => starts.get(refusal)

/** Keeps how far the start is with whatever refuses it. */
export const keepStart = <A, E extends Refusal, R>(
  start: Effect.Effect<A, E, R>,
  timeline: Effect.Effect<Timeline>
): Effect.Effect<A, E, R> =>
  Effect.tapError(start, (refusal) =>
    Effect.map(timeline, (reached) => {
      starts.set(refusal, reached)
    })
  )
