import { mkdirSync, renameSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { Migrations } from "../../layers/index.ts"
import { HealthHistory } from "../../src/service/HealthHistory.ts"
import { files as migrations } from "../../src/service/migrations.ts"
import type { Check } from "../../src/service/Watch.ts"
import { rowsOf, start, temporaryFolder } from "../support/database.ts"
import { accounts, onlySqlite, serveOn, serving, tokenOf } from "../support/service.ts"

describe("what an administrator sees", () => {
  it.scopedLive.skipIf(onlySqlite("has a file and backups"))(
    "of the database: its file, every recorded migration, and the backups of upgrades",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const file = `${folder}/app.db`
        const names = Object.keys(migrations)
        const last = names.at(-1)?.slice(0, 3) ?? ""
        const known = Object.fromEntries(Object.entries(migrations).slice(0, 3))
        yield* start(file, { migrations: Migrations.fromRecord(known) })
        mkdirSync(`${folder}/app.db.001-to-002.backup`)
        const { clientOf } = yield* serveOn(folder, { accounts, backups: 2 })
        const { operator } = yield* clientOf(tokenOf("root"))
        const facts = yield* operator.database()
        assert.deepInclude(facts, { file, schemaVersion: last })
        assert.isAbove(facts.sizeBytes ?? 0, 4096)
        assert.isAtLeast(facts.walBytes ?? -1, 0)
        assert.deepStrictEqual(
          facts.migrations.map(({ description, version }) => `${version}_${description?.replaceAll(" ", "_")}.sql`),
          names
        )
        for (const { appliedAt, executionTimeMs } of facts.migrations) {
          assert.match(appliedAt ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
          assert.isAtLeast(executionTimeMs ?? -1, 0)
        }
        // A directory is not a backup, whatever its name.
        const [backup, ...others] = facts.backups ?? []
        assert.deepStrictEqual(others, [])
        assert.deepInclude(backup, { fromVersion: "003", toVersion: last })
        assert.match(backup?.file ?? "", /\/app\.db\.003-to-\d{3}\.backup$/)
        assert.isAbove(backup?.sizeBytes ?? 0, 4096)
        assert.match(backup?.createdAt ?? "", /^20.*Z$/)
      })
  )

  it.scopedLive.skipIf(onlySqlite("moves the file"))(
    "of health: each change once, latest first, with its reasons for people",
    () =>
      Effect.gen(function* () {
        const { ask, clientOf, file } = yield* serving({ accounts })
        const { operator, readyz } = yield* clientOf(tokenOf("root"))
        for (let n = 0; n < 3; n += 1) yield* readyz()
        const [first, ...more] = (yield* operator.healthHistory()).turns
        assert.deepStrictEqual(more, [])
        assert.deepInclude(first, { status: "pass", reasons: [] })

        renameSync(file, `${file}.away`)
        for (let n = 0; n < 3; n += 1) assert.strictEqual((yield* ask("/readyz")).status, 503)
        renameSync(`${file}.away`, file)
        for (let n = 0; n < 3; n += 1) assert.strictEqual((yield* ask("/readyz")).status, 200)
        const { turns } = yield* operator.healthHistory()
        assert.strictEqual(turns[0]?.status, "pass")
        assert.deepStrictEqual(turns.at(-1), first)
        const between = turns.slice(1, -1)
        assert.notInclude(
          between.map(({ status }) => status),
          "pass"
        )
        assert.isTrue(between.some(({ reasons, status }) => status === "fail" && reasons.join().includes(file)))
        const times = turns.map(({ at }) => at)
        assert.deepStrictEqual(times, [...times].sort().reverse())
      })
  )

  it.effect("of health: findings of one look are one change, and the worst is never left out", () =>
    Effect.gen(function* () {
      const { seen, turns } = yield* HealthHistory
      const found = (name: string, status: Check["status"], reason?: string) =>
        Effect.zipRight(
          TestClock.adjust("10 millis"),
          seen(name)({ status, reason, message: undefined, time: "", observedValue: "", observedUnit: "" })
        )
      yield* found("a", "pass")
      yield* found("b", "pass")
      yield* TestClock.adjust("1 minute")
      yield* found("a", "warn", "A")
      yield* found("b", "fail", "B")
      yield* found("a", "pass")
      yield* TestClock.adjust("1 minute")
      yield* found("b", "pass")
      // Worse for a moment only.
      yield* TestClock.adjust("1 minute")
      yield* found("b", "fail", "B")
      yield* found("b", "pass")
      assert.deepStrictEqual(
        (yield* turns).map(({ reasons, status }) => [status, ...reasons]),
        [["pass"], ["fail", "B"], ["pass"], ["fail", "B"], ["pass"]]
      )
      for (let n = 0; n < 300; n += 1) {
        yield* TestClock.adjust("1 minute")
        yield* found("a", n % 2 === 0 ? "warn" : "pass", "A")
      }
      assert.strictEqual((yield* turns).length, 200)
    }).pipe(Effect.provide(HealthHistory.layer))
  )

  it.scopedLive("is refused to everybody else, and the refusal is counted", () =>
    Effect.gen(function* () {
      const { clientOf, file } = yield* serving({ accounts })
      const { operator } = yield* clientOf(tokenOf("alice"))
      for (const attempt of [
        Effect.asVoid(operator.database()),
        Effect.asVoid(operator.healthHistory()),
        Effect.asVoid(operator.refusals({ urlParams: { limit: 50 } }))
      ])
        assert.strictEqual((yield* Effect.flip(attempt))._tag, "Forbidden")
      const counted = rowsOf(file, "SELECT coalesce(sum(count), 0) AS n FROM refusals WHERE actor = 'alice'")
      yield* Effect.repeat(Effect.delay(counted, "20 millis"), { until: ([row]) => Object(row)["n"] === 3 })
    })
  )
})
