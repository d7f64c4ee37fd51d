/** A span that costs one step where nobody makes spans; `Effect.withSpan` costs forty. */
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"

export const spanned =
  (name: string, attributes: Readonly<Record<string, unknown>>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withFiberRuntime((fiber) =>
      fiber.getFiberRef(FiberRef.currentTracerEnabled) ? Effect.withSpan(effect, name, { attributes }) : effect
    )
