/** Effects that are over when they are made, where nothing has to be waited for: they take no fiber, timer or schedule. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type YieldWrap, yieldWrapGet } from "effect/Utils"

/** Of a generator of effects, as in `Effect.gen`. */
type Waiting = YieldWrap<Effect.Effect<unknown, unknown, unknown>>
type FailsWith<Waits> = Waits extends YieldWrap<Effect.Effect<infer _A, infer E, infer _R>> ? E : never
type Needs<Waits> = Waits extends YieldWrap<Effect.Effect<infer _A, infer _E, infer R>> ? R : never

/** A part of a generator of effects: `yield*` runs it. */
export type Steps<A, E = never, R = never> = Generator<YieldWrap<Effect.Effect<unknown, E, R>>, A, unknown>

/**
 * `Effect.gen` that begins at once: where nothing has to be waited for, it is over when this returns, and what this
 * returns is an `Exit`. However it ends, failed and interrupted too, its `finally` blocks run; they may not wait.
 */
export function atOnce<A, Waits extends Waiting = never>(
  body: () => Generator<Waits, A, never>
): Effect.Effect<A, FailsWith<Waits>, Needs<Waits>>
export function atOnce<A, E, R>(
  body: () => Generator<YieldWrap<Effect.Effect<unknown, E, R>>, A, unknown>
): Effect.Effect<A, E, R> {
  const steps = body()
  const goOn = (answer: unknown): Effect.Effect<A, E, R> => {
    let step = steps.next(answer)
    while (step.done !== true) {
      const wanted = yieldWrapGet(step.value)
      if (!isOver(wanted)) return Effect.flatMap(wanted, goOn)
      if (Exit.isFailure(wanted)) {
        end(steps)
        return Exit.failCause(wanted.cause)
      }
      step = steps.next(wanted.value)
    }
    return Exit.succeed(step.value)
  }
  const begun = goOn(undefined)
  return isOver(begun)
    ? begun
    : Effect.onError(begun, () =>
        Effect.sync(() => {
          end(steps)
        })
      )
}

const isOver = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Exit<A, E> => Exit.isExit(effect)

/** Whether it is over, and well. */
export const isPassed = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Success<A, never> =>
  isOver(effect) && Exit.isSuccess(effect)

/** Thrown into a generator, so that its `finally` blocks run. */
const over = new Error("the generator is not resumed")

const end = (steps: Generator<unknown, unknown, unknown>): void => {
  try {
    steps.throw(over)
  } catch (thrown) {
    if (thrown !== over) throw thrown
  }
}
