/** Refusals are counted, and none waits for the lock. */
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { timestampOf } from "../../src/service/timestamp.ts"
import { execute, rowOf, rowsOf } from "../support/database.ts"
import { accounts, jsonOf, serving, tokenOf } from "../support/service.ts"

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

const counts = (file: string) =>
  rowsOf(
    file,
    "SELECT actor, address, reason, max(path) AS path, sum(count) AS count FROM refusals GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
  )

/** Polls what is written in the background. */
const eventually = <A, E>(look: Effect.Effect<A, E>, isIt: (seen: A) => boolean) =>
  Effect.repeat(look, { until: isIt, schedule: Schedule.spaced("50 millis") }).pipe(Effect.timeout("20 seconds"))

const countOf = (file: string, reason: string) =>
  Effect.map(
    rowsOf(file, `SELECT coalesce(sum(count), 0) AS count FROM refusals WHERE reason = '${reason}'`),
    ([row]) => Number(Object(row)["count"])
  )

describe("refusals", () => {
  it.scopedLive("of strangers are counted by the minute with address and path, for administrators to read", () =>
    Effect.gen(function* () {
      const { ask, clientOf, file } = yield* serving({ accounts })
      for (let n = 0; n < 300; n += 1) {
        assert.strictEqual((yield* ask("/api/storage?a=b", bearer("wrong-wrong-wrong-wrong"))).status, 401)
      }
      yield* eventually(countOf(file, "Unauthorized"), (count) => count === 300)
      const rows = yield* rowsOf(file, "SELECT 1 FROM refusals")
      // A minute may have ended meanwhile.
      assert.isAtMost(rows.length, 2)
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT 1 FROM audit_log"), [])

      const { refusals } = (yield* clientOf(tokenOf("root"))).operator
      const all = yield* refusals({ urlParams: { limit: 50 } })
      assert.strictEqual(all.next, null)
      assert.deepInclude(all.refusals[0], {
        actor: null,
        address: "127.0.0.1",
        reason: "Unauthorized",
        path: "/api/storage"
      })
      const alice = (yield* clientOf(tokenOf("alice"))).operator
      assert.strictEqual((yield* Effect.flip(alice.refusals({ urlParams: { limit: 50 } })))._tag, "Forbidden")
      yield* eventually(counts(file), (rows) => rows.length === 2)
      const first = yield* refusals({ urlParams: { limit: 1 } })
      assert.strictEqual(first.refusals[0]?.actor, "alice")
      assert.strictEqual(
        (yield* refusals({ urlParams: { limit: 1, before: first.next ?? 0 } })).refusals[0]?.reason,
        "Unauthorized"
      )
    })
  )

  it.scopedLive("do not wait for another process's lock, and are written when it is released", () =>
    Effect.gen(function* () {
      // Waiting for the lock would outlast the test.
      const { ask, file } = yield* serving({ accounts, lockPatience: Duration.minutes(10) })
      const other = yield* Effect.acquireRelease(
        Effect.sync(() => new Sqlite(file)),
        (connection) => Effect.sync(() => connection.close())
      )
      other.exec("BEGIN IMMEDIATE")
      assert.strictEqual((yield* ask("/api/storage")).status, 401)
      const missing = yield* ask("/api/files/00000000-0000-4000-8000-000000000000", bearer(tokenOf("alice")))
      assert.strictEqual((yield* jsonOf(missing))["_tag"], "FileNotFound")
      other.exec("COMMIT")
      yield* eventually(counts(file), (rows) => rows.length === 2)
      yield* eventually(
        rowsOf(file, "SELECT actor, action, reason FROM audit_log"),
        (rows) => JSON.stringify(rows) === '[{"actor":"alice","action":"view","reason":"FileNotFound"}]'
      )
    })
  )

  it.scopedLive("that a user repeats are listed once a minute, and all are counted", () =>
    Effect.gen(function* () {
      const { ask, file } = yield* serving({ accounts })
      const path = "/api/files/00000000-0000-4000-8000-000000000000"
      for (let n = 0; n < 50; n += 1) yield* ask(path, bearer(tokenOf("alice")))
      yield* eventually(countOf(file, "FileNotFound"), (count) => count === 50)
      assert.isAtMost((yield* rowsOf(file, "SELECT 1 FROM audit_log")).length, 2)
    })
  )

  it.scopedLive("are counted together if a minute has too many callers", () =>
    Effect.gen(function* () {
      const names = Array.from({ length: 150 }, (_, n) => `user-${n}`)
      const users = names.map((name) => ({
        name,
        token: Redacted.make(`${name}-0123456789abcdef`),
        isAdministrator: false
      }))
      const { ask, file } = yield* serving({ accounts: users })
      for (const { token } of users) yield* ask("/api/refusals", bearer(Redacted.value(token)))
      yield* eventually(countOf(file, "Forbidden"), (count) => count === 150)
      const minutes = (yield* rowsOf(file, "SELECT DISTINCT minute FROM refusals")).length
      assert.isAtMost((yield* rowsOf(file, "SELECT 1 FROM refusals")).length, 101 * minutes)
    })
  )

  it.scopedLive("are deleted when they are old", () =>
    Effect.gen(function* () {
      const { file } = yield* serving({ accounts, cleanupInterval: Duration.millis(50) })
      const row = (minute: string, address: string) => rowOf(minute, "", address, "Unauthorized", "/", 1)
      const rows = Array.from({ length: 2500 }, (_, at) => row("2020-01-01 00:00:00", `${at}`))
      rows.push(row(timestampOf(Date.now() - 86_400_000), "new"))
      yield* execute(
        file,
        `INSERT INTO refusals (minute, actor, address, reason, path, count) VALUES ${rows.join(", ")}`
      )
      yield* eventually(rowsOf(file, "SELECT address FROM refusals"), (rows) => rows.length === 1)
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT address FROM refusals"), [{ address: "new" }])
    })
  )
})
