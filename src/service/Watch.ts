/** A check that answers in time, whatever it looks at: from a look that is over soon, else from the one before it. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { monotonicMillis, unsafeMonotonicMillis } from "./monotonic.ts"

/** One check, in the words of application/health+json (draft-inadarei-api-health-check-06). */
export interface Check {
  readonly status: "pass" | "warn" | "fail"
  /** When the look was begun: ISO 8601, UTC. */
  readonly time: string
  readonly observedValue: string | number
  readonly observedUnit: string
  /** What is wrong, as `Tag.Reason`; undefined where nothing is. */
  readonly reason: string | undefined
  /** The same for people; may name paths. */
  readonly message: string | undefined
  /** Seconds since that look was begun, where a newer one is not over. */
  readonly age?: number
}

/** A check that is watched. */
export interface Watched {
  readonly check: Effect.Effect<Check>
  /** What `check` gives at this moment without a look; undefined where it would take one. */
  readonly kept: () => Check | undefined
}

/** So long somebody who asks waits for a look. */
const patience = Duration.millis(150)

/** A busy machine is late now and then, which is nothing to warn of. */
const usual = Duration.seconds(1)

/** A look that takes longer does not answer any more: whatever it looks at cannot be used. */
const longest = Duration.seconds(5)

/**
 * Gives the check from a look that was begun within `cache`, or from the last one, with its age, where that takes too
 * long. Looks outlive who asked, and there is one at a time. Each turn is a line in the log.
 */
export const watching = Effect.fnUntraced(function* (
  name: string,
  look: Effect.Effect<Check>,
  cache: Duration.Duration,
  /** Told each answer. */
  seen: (check: Check) => Effect.Effect<void>
) {
  const scope = yield* Effect.scope
  const clock = yield* Effect.clock
  const bound = Duration.toMillis(cache)
  /** How many looks were begun: a look that was begun before somebody asked is no answer where nothing is kept. */
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

  const lookedAfter = (before: number): Effect.Effect<Check> =>
    Effect.suspend(() => {
      if (last !== undefined && last.number > before) return Effect.succeed(last.check)
      const done = running === undefined ? begin : Effect.succeed(running.done)
      return Effect.zipRight(Effect.flatMap(done, Deferred.await), lookedAfter(before))
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
        ? `A look that was begun ${secondsOf(waits)} s ago is not over`
        : (before.message ?? "The last look is not over; this is what the one before it found"),
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
      // Where something is kept, a look that is under way is as good as one of one's own.
      const before = bound > 0 && running !== undefined ? looks - 1 : looks
      return Effect.flatMap(
        Effect.timeoutOption(lookedAfter(before), patience),
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
