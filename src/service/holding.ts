/** What a request holds, for steps that every request takes. */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"

/**
 * Takes something until the scope closes, like `Effect.acquireRelease`, which is five times as many steps. Taking and
 * releasing are plain calls that cannot fail.
 */
export const holding = <A>(
  take: (fiber: Fiber.RuntimeFiber<unknown, unknown>) => { readonly value: A; readonly release: () => void }
): Effect.Effect<A, never, Scope.Scope> =>
  Effect.uninterruptible(
    Effect.flatMap(Effect.scope, (scope) =>
      Effect.withFiberRuntime((fiber) => {
        const { release, value } = take(fiber)
        return Effect.as(Scope.addFinalizer(scope, Effect.sync(release)), value)
      })
    )
  )
