/** An answer that serves for a while, by a clock that is never set: the wall clock may be, and would then keep it for longer. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { monotonicMillis } from "./monotonic.ts"

/** Those who ask while it is looked for wait for one another. */
export const cachedFor = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  duration: Duration.Duration
): Effect.Effect<A, E, R> => {
  const limit = Duration.toMillis(duration)
  const alone = Effect.unsafeMakeSemaphore(1).withPermits(1)
  let last: { readonly value: A; readonly at: number } | undefined
  return alone(
    Effect.gen(function* () {
      const now = yield* monotonicMillis
      if (last !== undefined && now - last.at < limit) return last.value
      const value = yield* effect
      last = { value, at: now }
      return value
    })
  )
}
