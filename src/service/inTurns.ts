/** Long work of a fiber, with turns for others in between. */
import { setImmediate } from "node:timers/promises"
import * as Effect from "effect/Effect"

/** So many are done before what needs no database, such as a probe, gets its turn. */
const uninterrupted = 10

/** Everything that waits in the event loop. A fiber's own yield gives way to other fibers alone, most times. */
const othersTurn = Effect.promise(() => setImmediate())

/** One after the other, as `Effect.forEach`. */
export const inTurns = <A, B, E, R>(
  items: Iterable<A>,
  work: (item: A) => Effect.Effect<B, E, R>
): Effect.Effect<ReadonlyArray<B>, E, R> =>
  Effect.forEach(items, (item, index) =>
    index % uninterrupted === 0 ? Effect.zipRight(othersTurn, work(item)) : work(item)
  )
