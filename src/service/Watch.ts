/** A check that always answers in time: with a result that comes soon, or else with the previous one. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Check } from "../../layers/http.ts"
import { monotonicMillis, unsafeMonotonicMillis } from "./monotonic.ts"

export type { Check }

/** A check that is watched. */
export interface Watched {
  readonly check: Effect.Effect<Check>
  /** What `check` returns without running; undefined if it would have to run. */
  readonly kept: () => Check | undefined
}

/** How long a request waits for a running check. */
const patience = Duration.millis(150)

/** A busy machine is late now and then; that needs no warning. */
const usual = Duration.seconds(1)

/** A check that takes longer counts as failed: what it looks at cannot be used. */
const longest = Duration.seconds(5)

/**
 * Returns a result that began within `cache`. If that takes too long, returns the previous result with its age. A check
 * outlives the request that began it, and only one runs at a time. Each change is logged.
 */
export const watchCheck = Effect.fnUntraced(function* (
  name: string,
  look: Effect.Effect<Check>,
  cache: Duration.Duration,
  /** Called with each answer. */
  seen: (check: Check) => Effect.Effect<void>
) {
  const scope = yield* Effect.scope
  const clock = yield* Effect.clock
  const bound = Duration.toMillis(cache)
  /** How many checks began. If nothing is cached, a check that began before the request does not count. */
  let looks = 0
  let last: { readonly check: Check; readonly begun: number; readonly number: number } | undefined
  let running: { readonly done: Deferred.Deferred<void>; readonly begun: number } | undefined
  let told: Check | undefined

  const begin = Effect.gen(function* () {
    const begun = yield* monotonicMillis
    const done = yield* Deferred.make<void>()
    running = { begun, done }
    looks += 1
    const number = looks
    yield* look.pipe(
      Effect.tap((check) =>
        Effect.sync(() => {
          last = { check, begun, number }
        })
      ),
      Effect.ensuring(
        Effect.zipRight(
          Effect.sync(() => {
            running = undefined
          }),
          Deferred.succeed(done, undefined)
        )
      ),
      Effect.forkIn(scope)
    )
    return done
  })

  const kept = (now: number): Check | undefined =>
    bound > 0 && last !== undefined && now - last.begun <= bound ? last.check : undefined

  const lookAfter = (before: number): Effect.Effect<Check> =>
    Effect.suspend(() => {
      if (last !== undefined && last.number > before) return Effect.succeed(last.check)
      const done = running === undefined ? begin : Effect.succeed(running.done)
      return Effect.zipRight(Effect.flatMap(done, Deferred.await), lookAfter(before))
    })

  const overdue = Effect.gen(function* () {
    const now = yield* monotonicMillis
    const waits = Duration.millis(now - (running?.begun ?? now))
    const age = Duration.millis(last === undefined ? 0 : now - last.begun)
    if (last !== undefined && Duration.lessThan(waits, usual)) return { ...last.check, age: secondsOf(age) }
    const isOver = Duration.greaterThan(waits, longest)
    const before: Check = last?.check ?? {
      status: "warn",
      time: new Date(yield* Clock.currentTimeMillis).toISOString(),
      observedValue: "unknown",
      observedUnit: "look",
      reason: undefined,
      message: undefined
    }
    const late: Check = {
      ...before,
      status: isOver ? "fail" : before.status === "pass" ? "warn" : before.status,
      reason: isOver ? "Health.NoAnswer" : (before.reason ?? "Health.Overdue"),
      message: isOver
        ? `The check that began ${secondsOf(waits)} s ago has not ended`
        : (before.message ?? "The latest check has not ended; this is the result of the one before"),
      age: secondsOf(age)
    }
    return late
  })

  const note = (check: Check) =>
    Effect.suspend(() => {
      const before = told
      if (before?.status === check.status && before.reason === check.reason) return Effect.void
      told = check
      return before === undefined && check.status === "pass" ? Effect.void : say(name, before, check)
    })

  const check = monotonicMillis.pipe(
    Effect.flatMap((now) => {
      const known = kept(now)
      if (known !== undefined) return Effect.succeed(known)
      // If results are cached, a check that is already running counts as a new one.
      const before = bound > 0 && running !== undefined ? looks - 1 : looks
      return Effect.flatMap(
        Effect.timeoutOption(lookAfter(before), patience),
        Option.match({ onNone: () => overdue, onSome: Effect.succeed })
      )
    }),
    Effect.tap(note),
    Effect.tap(seen)
  )
  const watched: Watched = { check, kept: () => kept(unsafeMonotonicMillis(clock)) }
  return watched
})

const secondsOf = (duration: Duration.Duration): number => Math.round(Duration.toMillis(duration) / 100) / 10

const levels = { pass: Effect.logInfo, warn: Effect.logWarning, fail: Effect.logError }

const say = (name: string, before: Check | undefined, { message, reason, status }: Check): Effect.Effect<void> => {
  const was = before === undefined ? "" : `, was ${before.status}`
  return levels[status](`Health: ${name} is ${status}${was}${status === "pass" ? "" : `: ${reason}: ${message}`}`)
}
