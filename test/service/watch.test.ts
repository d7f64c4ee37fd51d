/** A check of health answers in time and logs its changes, whatever the check does. */
import { assert, describe, it } from "@effect/vitest"
import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Ref from "effect/Ref"
import * as TestClock from "effect/TestClock"
import { type Check, watchCheck } from "../../src/service/Watch.ts"

const check = (status: Check["status"], reason?: string): Check => ({
  status,
  time: "2026-01-01T00:00:00.000Z",
  observedValue: status,
  observedUnit: "look",
  reason,
  message: reason
})

/** A check whose results the test decides, or that does not end. */
const watched = Effect.fnUntraced(function* (cache: Duration.DurationInput) {
  const finds = yield* Ref.make<Effect.Effect<Check>>(Effect.succeed(check("pass")))
  const looks = yield* Ref.make(0)
  const told: Array<Check["status"]> = []
  const seen = ({ status }: Check) => Effect.sync(() => void told.push(status))
  const look = Effect.zipRight(
    Ref.update(looks, (n) => n + 1),
    Effect.flatten(Ref.get(finds))
  )
  const { check: answer } = yield* watchCheck("disk", look, Duration.decode(cache), seen)
  return { answer, finds, looks: Ref.get(looks), told }
})

describe("a check of health", () => {
  it.scoped("is reused for as long as it is cached, by a clock that is never set", () =>
    Effect.gen(function* () {
      const { answer, looks } = yield* watched("1 second")
      yield* answer
      yield* TestClock.adjust("999 millis")
      yield* answer
      assert.strictEqual(yield* looks, 1)
      // The wall clock is set back by an hour: only nanoseconds continue.
      const clock = yield* Effect.clock
      const wall = Effect.map(clock.currentTimeMillis, (millis) => millis - 3_600_000)
      const setBack: Clock.Clock = Object.create(clock, { currentTimeMillis: { value: wall } })
      yield* TestClock.adjust("2 millis")
      yield* Effect.withClock(answer, setBack)
      assert.strictEqual(yield* looks, 2)
    })
  )

  it.scoped("that is not cached runs for everyone who asks, after they have asked", () =>
    Effect.gen(function* () {
      const { answer, finds, looks } = yield* watched(0)
      const gate = yield* Deferred.make<void>()
      yield* Ref.set(finds, Effect.as(Deferred.await(gate), check("pass")))
      const first = yield* Effect.fork(answer)
      yield* TestClock.adjust("10 millis")
      yield* Ref.set(finds, Effect.succeed(check("fail", "Gone")))
      const second = yield* Effect.fork(answer)
      yield* TestClock.adjust("10 millis")
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* Fiber.join(second)).status, "fail")
      yield* Fiber.join(first)
      assert.isAtLeast(yield* looks, 2)
    })
  )

  it.scoped("answers within 200 ms while it hangs, with the previous result and its age, and fails after seconds", () =>
    Effect.gen(function* () {
      const { answer, finds, looks } = yield* watched(0)
      assert.deepInclude(yield* answer, { status: "pass" })
      const gate = yield* Deferred.make<void>()
      yield* Ref.set(finds, Effect.as(Deferred.await(gate), check("pass")))
      yield* TestClock.adjust("3 seconds")
      const late = yield* Effect.fork(answer)
      yield* TestClock.adjust("200 millis")
      assert.deepInclude(yield* Fiber.join(late), { status: "pass", observedValue: "pass", age: 3.2 })
      yield* TestClock.adjust("2 seconds")
      const later = yield* Effect.fork(answer)
      yield* TestClock.adjust("200 millis")
      assert.deepInclude(yield* Fiber.join(later), { status: "warn", reason: "Health.Overdue", age: 5.4 })
      yield* TestClock.adjust("6 seconds")
      const never = yield* Effect.fork(answer)
      yield* TestClock.adjust("200 millis")
      assert.deepInclude(yield* Fiber.join(never), { status: "fail", reason: "Health.NoAnswer" })
      // One check hangs, however many ask.
      assert.strictEqual(yield* looks, 2)
      yield* Ref.set(finds, Effect.succeed(check("pass")))
      yield* Deferred.succeed(gate, undefined)
      assert.deepInclude(yield* answer, { status: "pass" })
    })
  )

  it.scoped("logs each change once, however many ask", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => {
        lines.push(`${logLevel.label} ${String(message)}`)
      })
      const { answer, finds, told } = yield* watched(0)
      const asked = Effect.provide(Effect.all([answer, answer, answer]), Logger.add(logger))
      yield* asked
      for (const found of [check("warn", "Busy"), check("warn", "Slow"), check("fail", "Gone"), check("pass")]) {
        yield* Ref.set(finds, Effect.succeed(found))
        yield* asked
      }
      assert.deepStrictEqual(lines, [
        "WARN Health: disk is warn, was pass: Busy: Busy",
        "WARN Health: disk is warn, was warn: Slow: Slow",
        "ERROR Health: disk is fail, was warn: Gone: Gone",
        "INFO Health: disk is pass, was fail"
      ])
      assert.strictEqual(told.length, 15)
    })
  )
})
