/** Long work of a fiber, with turns for others in between. */
import { setImmediate } from "node:timers/promises"
import * as Effect from "effect/Effect"

/** How many are done before work that needs no database, such as a probe, gets its turn. */
const uninterrupted = 10

/** Waits for everything in the event loop. A fiber's own yield mostly gives way only to other fibers. */
const othersTurn = Effect.promise(() => setImmediate())

/** One after the other, like `Effect.forEach`. */
export const inTurns = <A, B, E, R>(
  items: Iterable<A>,
  work: (item: A) => Effect.Effect<B, E, R>
): Effect.Effect<ReadonlyArray<B>, E, R> =>
  Effect.forEach(items, (item, index) =>
    index % uninterrupted === 0 ? Effect.zipRight(othersTurn, work(item)) : work(item)
  )
