/** Time by a clock that is never set, for what is measured or waited for: the wall clock may be set back or ahead. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds of no particular beginning, to be compared with one another. */
export const monotonicMillis: Effect.Effect<number> = Effect.map(Clock.currentTimeNanos, (nanos) => millisOf(nanos))

/** The same of a clock that is at hand. */
export const unsafeMonotonicMillis = (clock: Clock.Clock): number => millisOf(clock.unsafeCurrentTimeNanos())

const millisOf = (nanos: bigint): number => Number(nanos) / 1_000_000
