import * as Effect from "effect/Effect"

/** Lets timers, signals and what was read have their turn. A timer of 0 ms would wait for one, with nothing to do. */
export const eventLoopTurn: Effect.Effect<void> = Effect.async((resume) => {
  const turn = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(turn))
})
