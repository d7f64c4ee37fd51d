/**
 * Caches a value for a while, by a clock that is never set. The wall clock may be set, and would then keep it longer.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { monotonicMillis } from "./monotonic.ts"

/** Callers that arrive while it is computed wait for the same result. */
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
