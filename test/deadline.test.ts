import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { DatabaseConfig, Initialization, Migrations, type ProgressEvent, type StageName } from "../layers/index.ts"
import type { Attempt } from "../layers/start/Attempt.ts"
import { independently, notesFiles, start, temporaryFile, withInstantStatements } from "./support/database.ts"

/** A stage that reports progress every two seconds while there are figures, and then stands still. */
const working = (
  options: Partial<Parameters<typeof DatabaseConfig.from>[0]>,
  figures: ReadonlyArray<number>,
  stage: StageName = "integrity"
) =>
  Effect.gen(function* () {
    const initialization = yield* Initialization.make(DatabaseConfig.from({ filename: "app.db", ...options }))
    const begun = yield* Deferred.make<void>()
    const attempt = ({ progress }: Attempt) =>
      Effect.gen(function* () {
        yield* Deferred.succeed(begun, undefined)
        for (const done of figures) {
          yield* progress("running quick_check", done, 1_000_000_000)
          yield* Effect.sleep("2 seconds")
        }
        return yield* Effect.never
      })
    const fiber = yield* Effect.fork(Effect.flip(initialization.stage(stage, attempt, () => "")))
    yield* Deferred.await(begun)
    return { fiber, timeline: initialization.timeline }
  })

const megabytes = (count: number, each: number) => Array.from({ length: count }, (_, index) => index * each * 1_000_000)

describe("the deadline of a start", () => {
  it.effect("is extended by default while measured work makes progress", () =>
    Effect.gen(function* () {
      const { fiber } = yield* working({}, megabytes(101, 5))
      yield* TestClock.adjust("200 seconds")
      assert.strictEqual((yield* Fiber.poll(fiber))._tag, "None")
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual((yield* Fiber.poll(fiber))._tag, "None")
      yield* TestClock.adjust("1 seconds")
      const late = yield* Fiber.join(fiber)
      if (late._tag !== "StageTimeoutError") assert.fail(late.message)
      assert.strictEqual(
        late.sentence,
        "The start did not finish within 4m 20s. It was running quick_check in the integrity stage: 500 of 1000 MB, after 4m 20s of it."
      )
      assert.strictEqual(late.timeoutMs, 260_000)
    })
  )

  it.effect("is not extended by work that stands still, however often it reports", () =>
    Effect.gen(function* () {
      const { fiber } = yield* working({}, Array(100).fill(7_000_000))
      yield* TestClock.adjust("60 seconds")
      const late = yield* Fiber.join(fiber)
      assert.include(late.sentence, "The start did not finish within 1m.")
    })
  )

  it.effect("extends a stage's own deadline if that was not set", () =>
    Effect.gen(function* () {
      const { fiber } = yield* working({}, megabytes(51, 5), "connection")
      yield* TestClock.adjust("129 seconds")
      assert.strictEqual((yield* Fiber.poll(fiber))._tag, "None")
      yield* TestClock.adjust("1 seconds")
      const late = yield* Fiber.join(fiber)
      assert.include(late.sentence, "The connection stage did not finish within 2m 10s.")
    })
  )

  it.effect("is exact if it was set, and the refusal says how far it was and what helps", () =>
    Effect.gen(function* () {
      const { fiber } = yield* working({ timeout: "19 seconds" }, megabytes(100, 25))
      yield* TestClock.adjust("19 seconds")
      const late = yield* Fiber.join(fiber)
      if (late._tag !== "StageTimeoutError") assert.fail(late.message)
      assert.deepInclude(late, {
        reason: "Start",
        stage: "integrity",
        timeoutMs: 19_000,
        setting: "timeout",
        doing: "running quick_check",
        step: { done: 225_000_000, total: 1_000_000_000, unit: "bytes", detail: "", forMs: 19_000 }
      })
      assert.strictEqual(
        late.remedy,
        "Set `timeout` (`--timeout`, DATABASE_TIMEOUT) to 1m 58s: the rest at this rate, and half as much again. Or set `integrity` to `schema`, which reads no pages, and check them with `database-ready status --integrity quick`. Nothing is left half done."
      )
    })
  )

  it.effect("names the stage's own setting if that ended it", () =>
    Effect.gen(function* () {
      const { fiber } = yield* working({ policies: { integrity: { timeout: "9 seconds" } } }, megabytes(100, 25))
      yield* TestClock.adjust("9 seconds")
      const late = yield* Fiber.join(fiber)
      if (late._tag !== "StageTimeoutError") assert.fail(late.message)
      assert.deepInclude(late, { reason: "Stage", setting: "policies.integrity.timeout" })
      assert.match(late.remedy, /^Set `policies\.integrity\.timeout` to 2m 11s: /)
    })
  )
})

describe("the timeline of a start", () => {
  it.effect("shows what is running, how far it is and since when", () =>
    Effect.gen(function* () {
      const { fiber, timeline } = yield* working({}, megabytes(10, 25))
      yield* TestClock.adjust("7 seconds")
      const { current, doing, step } = yield* timeline
      assert.deepStrictEqual(
        { current, doing, step },
        {
          current: "integrity",
          doing: "running quick_check",
          step: { done: 75_000_000, total: 1_000_000_000, unit: "bytes", detail: "", forMs: 7000 }
        }
      )
      yield* Fiber.interrupt(fiber)
    })
  )
})

/** What a start reports of the migrations stage, without the progress of copies and checks. */
const tellingInto = (told: Array<string>) => (event: ProgressEvent) =>
  Effect.sync(() => {
    if (event._tag === "StageProgress" && event.stage === "migrations" && (event.unit !== "bytes" || event.done === 0))
      told.push(
        `${event.doing}: ${event.detail === "" ? `${event.done} of ${event.total} ${event.unit}` : event.detail}`
      )
  })

describe("an upgrade of a large database", () => {
  it.scopedLive("announces everything that may take long before it runs, statements by number and line", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      yield* independently(file, (connection) =>
        connection.exec(`WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 36)
          INSERT INTO notes (body) SELECT randomblob(1000000) FROM n;`)
      )
      const told: Array<string> = []
      const more =
        "CREATE TABLE more (x REFERENCES notes(id));\nUPDATE notes SET body = body WHERE id = 1;\nINSERT INTO more VALUES (1);\nCREATE INDEX by_length ON notes(length(body));\nDELETE FROM more;\nUPDATE notes SET body = zeroblob(999999);"
      // Statements that take less than the copy are run again after it, and how long they take depends on the machine.
      yield* withInstantStatements(
        start(file, {
          onProgress: tellingInto(told),
          migrations: Migrations.fromRecord({ ...notesFiles, "003_more.sql": more })
        })
      )
      const statements = [
        "counting rows before 003_more: 0 of 1 tables",
        "applying 003_more: statement 2 of 6, line 2",
        "applying 003_more: statement 4 of 6, line 4",
        "applying 003_more: statement 5 of 6, line 5",
        "applying 003_more: statement 6 of 6, line 6",
        "counting rows after 003_more: 0 of 1 tables",
        "checking foreign keys after 003_more: 0 of N bytes"
      ]
      assert.deepStrictEqual(
        told.map((line) => line.replace(/\d{4,}/, "N")),
        [
          ...statements,
          "making the backup: 0 of N bytes",
          "running quick_check: 0 of N bytes",
          ...statements,
          "committing 003_more: writing what has changed"
        ]
      )
    })
  )
})

describe("an upgrade of a small database", () => {
  it.scoped("announces a statement that makes its own rows, and an Effect that still runs", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const told: Array<string> = []
      const rows =
        "CREATE TABLE more (x);\nWITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 9)\nINSERT INTO more SELECT x FROM n;"
      const begun = yield* Deferred.make<void>()
      const slow = Effect.zipRight(Deferred.succeed(begun, undefined), Effect.sleep("5 seconds"))
      const fiber = yield* Effect.fork(
        start(file, {
          onProgress: tellingInto(told),
          migrations: Migrations.all(
            Migrations.fromRecord({ ...notesFiles, "003_more.sql": rows }),
            Migrations.fromLoader(Effect.succeed([[4, "slow", Effect.succeed(slow)]]))
          )
        })
      )
      yield* Deferred.await(begun)
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(told, [
        "applying 003_more: statement 2 of 2, line 2",
        "applying 004_slow: an Effect, for 2 s",
        "applying 004_slow: an Effect, for 4 s"
      ])
    })
  )
})
