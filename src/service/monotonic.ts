/** A clock that is never set, for measuring and waiting: the wall clock may be set back or ahead. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds without a fixed beginning. Compare them only with one another. */
export const monotonicMillis: Effect.Effect<number> = Effect.map(Clock.currentTimeNanos, (nanos) => millisOf(nanos))

/** The same from a clock that is at hand. */
export const unsafeMonotonicMillis = (clock: Clock.Clock): number => millisOf(clock.unsafeCurrentTimeNanos())

const millisOf = (nanos: bigint): number => Number(nanos) / 1_000_000
