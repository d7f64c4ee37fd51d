/** Attempts of a stage, one after the other, within its time. */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as HashMap from "effect/HashMap"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type * as Schedule from "effect/Schedule"
import * as Tracer from "effect/Tracer"
import { errorAttributes } from "./databaseSpan.ts"
import type { StageName } from "./policy.ts"
import type { Refusal } from "./Refusal.ts"

/** What each line of a stage's log names. */
export interface Place {
  readonly stage: StageName
  /** Absolute path of the database. */
  readonly database: string
}

/** Trying again cannot help against this start's own deadline, or its own lock. */
export const isFinal = ({ _tag }: Refusal): boolean => _tag === "StageTimeoutError" || _tag === "LockError"
export const mayPass = (refusal: Refusal): boolean => refusal.retryable && !isFinal(refusal)

/** Goes on after a first attempt that was refused. Nearly every first attempt passes and needs no schedule. */
export const retryAfter = <A, E, R>(
  once: Effect.Effect<A, E, R>,
  refusal: E,
  policy: { readonly schedule: Schedule.Schedule<unknown>; readonly while: (refusal: E) => boolean }
): Effect.Effect<A, E, R> => {
  let next: Effect.Effect<A, E, R> = Effect.fail(refusal)
  return Effect.retry(
    Effect.suspend(() => {
      const now = next
      next = once
      return now
    }),
    policy
  )
}

/**
 * Runs `whole`, and interrupts it if it does not end in the milliseconds that remain. It runs in its own fiber, which
 * also carries the span and the log annotation. Run it uninterruptibly; `restore` is for what may be interrupted.
 */
export const within = <A, E, E2, R>(
  place: Place,
  { clock, restore, span }: Watched,
  whole: Effect.Effect<A, E, R>,
  remaining: () => number,
  tooLate: () => E2
): Effect.Effect<A, E | E2, R> =>
  Effect.gen(function* () {
    const runtime = yield* Effect.runtime<R>()
    const ofStage = runtime.pipe(
      Runtime.provideService(Tracer.ParentSpan, span),
      Runtime.setFiberRef(FiberRef.currentLogAnnotations, annotationsOf(runtime, place))
    )
    const fiber = Runtime.runFork(ofStage, restore(whole))
    // Progress may have extended the deadline meanwhile.
    const inTime: Effect.Effect<A, E | E2> = Effect.suspend(() =>
      Effect.flatMap(Effect.timeoutOption(Fiber.await(fiber), Math.max(0, remaining())), (exit) =>
        Option.isSome(exit) ? exit.value : remaining() > 0 ? inTime : Effect.fail(tooLate())
      )
    )
    const raced = Effect.exit(Effect.ensuring(restore(inTime), Fiber.interrupt(fiber)))
    // Even a free semaphore makes a fiber wait for one turn.
    if (fiber.unsafePoll() === null) yield* Effect.yieldNow()
    const exit = fiber.unsafePoll() ?? (yield* raced)
    if (Exit.isFailure(exit)) {
      for (const [key, value] of Object.entries(errorAttributes(Cause.squash(exit.cause)))) span.attribute(key, value)
    }
    span.end(clock.unsafeCurrentTimeNanos(), exit)
    return yield* exit
  })

interface Watched {
  readonly clock: Clock.Clock
  readonly span: Tracer.Span
  readonly restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** What an attempt throws before it is an effect is a defect like any other. */
export const begin = <A, E, R>(attempt: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  try {
    return attempt()
  } catch (thrown) {
    return Effect.die(thrown)
  }
}

const annotationsOf = ({ fiberRefs }: Runtime.Runtime<never>, { database, stage }: Place) =>
  HashMap.set(
    HashMap.set(FiberRefs.getOrDefault(fiberRefs, FiberRef.currentLogAnnotations), "stage", stage),
    "database",
    database
  )

/** Whether debug lines are logged: annotating a line costs more than the line. */
export const isHeard = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  LogLevel.lessThanEqual(fiber.getFiberRef(FiberRef.currentMinimumLogLevel), LogLevel.Debug)

export const logStage = (place: Place, message: string): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logDebug(message), { ...place })
