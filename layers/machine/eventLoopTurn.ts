import * as Effect from "effect/Effect"

/**
 * Lets timers, signals and input have their turn. A timer of 0 ms would take a millisecond, even with nothing to do.
 */
export const eventLoopTurn: Effect.Effect<void> = Effect.async((resume) => {
  const turn = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(turn))
})
