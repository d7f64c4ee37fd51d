/** A wrong clock must not delete anything early; nothing else depends on the clock. */
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { fileForm } from "../../src/service/Client.ts"
import { DueTime } from "../../src/service/DueTime.ts"
import { askJson, backendProcess, clientOf, runningBackend, stopped } from "../support/backend.ts"
import { wrongClock } from "../support/clock.ts"
import { independently, openConnection, rowsOf, temporaryFile, temporaryFolder } from "../support/database.ts"
import { runProgram, spawnProgram } from "../support/program.ts"

const hour = Duration.toMillis("1 hour")

/** The due time of a service whose wall clock differs from the test's by a number of minutes. */
const dueTime = Effect.gen(function* () {
  let off = 0
  const clock = yield* Effect.clock
  const wall = () => clock.unsafeCurrentTimeMillis() + off
  const wrong: Clock.Clock = Object.create(clock, {
    currentTimeMillis: { value: Effect.sync(wall) },
    unsafeCurrentTimeMillis: { value: wall }
  })
  const { earliest, jump, latest } = Context.get(yield* Layer.build(DueTime.layer), DueTime)
  return {
    set: (minutes: number) => {
      off = minutes * 60_000
    },
    /** Hours of the test's clock. */
    look: Effect.map(Effect.all([earliest, latest, jump]), ([from, to, jump]) => ({
      from: from / hour,
      to: to / hour,
      ahead: jump === undefined ? undefined : jump.ahead / hour
    })).pipe(Effect.withClock(wrong))
  }
})

describe("the time that decides what is due", () => {
  it.scoped("follows the wall clock while it runs evenly, and when it is corrected by minutes", () =>
    Effect.gen(function* () {
      const { look, set } = yield* dueTime
      yield* TestClock.adjust("2 hours")
      assert.deepStrictEqual(yield* look, { from: 2, to: 2, ahead: undefined })
      for (let minutes = 3; minutes <= 60; minutes += 3) {
        set(minutes)
        assert.deepStrictEqual(yield* look, { from: 2 + minutes / 60, to: 2 + minutes / 60, ahead: undefined })
      }
    })
  )

  it.scoped("is two times for a day after a jump: the earlier for deleting, the later for keeping", () =>
    Effect.gen(function* () {
      for (const hours of [3, -3, 24 * 365]) {
        const { look, set } = yield* dueTime
        const at = (yield* look).from
        const told = (passed: number) => ({
          from: at + passed + Math.min(0, hours),
          to: at + passed + Math.max(0, hours),
          ahead: hours > 0 ? hours : undefined
        })
        set(hours * 60)
        assert.deepStrictEqual(yield* look, told(0))
        yield* TestClock.adjust("23 hours")
        assert.deepStrictEqual(yield* look, told(23))
        yield* TestClock.adjust("1 hours")
        assert.deepStrictEqual(yield* look, { from: at + 24 + hours, to: at + 24 + hours, ahead: undefined })
      }
    })
  )

  it.scoped("follows the wall clock again at once if that is set right, and a second jump begins a new day", () =>
    Effect.gen(function* () {
      const { look, set } = yield* dueTime
      set(180)
      yield* look
      set(0)
      assert.deepStrictEqual(yield* look, { from: 0, to: 0, ahead: undefined })
      set(180)
      yield* look
      yield* TestClock.adjust("20 hours")
      set(360)
      assert.deepStrictEqual(yield* look, { from: 20, to: 26, ahead: 6 })
      yield* TestClock.adjust("20 hours")
      assert.deepStrictEqual(yield* look, { from: 40, to: 46, ahead: 6 })
    })
  )
})

describe("a clock that is set while the service runs", () => {
  it.scopedLive("deletes nothing early, and is reported in the log and in health", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = join(folder, "conversation_files.db")
      const clock = yield* wrongClock
      const settings = { RETENTION: "1h", SESSION_RETENTION: "1h", TRASH_RETENTION: "1h", REFUSAL_RETENTION: "1h" }
      const backend = yield* runningBackend({
        ...settings,
        ...clock.env,
        DATA_DIRECTORY: folder,
        CLEANUP_INTERVAL: "20ms",
        HEALTH_CACHE: "0s"
      })
      const { files, sessions } = yield* clientOf(backend.url)
      const upload = (sessionId: string, name: string) =>
        files.upload({ path: { sessionId }, payload: fileForm(name, name) })
      const deleted = yield* upload("s", "deleted")
      yield* files.delete({ path: { fileId: deleted.fileId } })
      const expiring = yield* upload("s", "expiring")
      yield* files.expire({
        path: { fileId: expiring.fileId },
        payload: { expiresAt: new Date(Date.now() + hour) }
      })
      yield* upload("ended", "ended")
      yield* sessions.end({ path: { sessionId: "ended" } })
      const due = yield* upload("s", "due")
      yield* files.delete({ path: { fileId: due.fileId } })
      const before = yield* rowsOf(
        file,
        `SELECT original_filename, is_deleted FROM conversation_files WHERE file_id <> '${due.fileId}' ORDER BY 1`
      )

      yield* clock.set(backend, 3)
      yield* Effect.promise(() =>
        backend.says(/level=WARN.*The clock was set ahead by 3h: for 1d only what is due by both times is deleted/)
      )
      // Due by both times, so that the cleanup shows that it continues.
      yield* independently(file, (connection) =>
        connection
          .prepare("UPDATE file_cleanup_queue SET scheduled_deletion_time = '2020-01-01' WHERE file_id = ?")
          .run(due.fileId)
      )
      const rows = rowsOf(file, "SELECT original_filename, is_deleted FROM conversation_files ORDER BY 1")
      yield* Effect.repeat(rows, { until: ({ length }) => length <= before.length })
      assert.deepStrictEqual(yield* rows, before)
      // A check that takes long is not waited for: the previous result is returned.
      const health = yield* Effect.repeat(askJson(`${backend.url}/api/health`), {
        until: ({ body }) => body.checks["storage:contents"][0].status === "warn"
      })
      const [contents] = health.body.checks["storage:contents"]
      assert.match(
        contents.output,
        /^The clock was set ahead by 3h\. .* deleted once the clock has run evenly for (1d|23h .*)\.$/
      )
      assert.strictEqual((yield* askJson(`${backend.url}/readyz`)).status, 200)

      yield* clock.set(backend, -3)
      yield* Effect.promise(() => backend.says(/level=WARN.*The clock was set back by 3h/))
      // What is deleted now stays for the whole retention by either time.
      const late = yield* upload("s", "late")
      yield* files.delete({ path: { fileId: late.fileId } })
      const [queued] = yield* rowsOf(
        file,
        `SELECT scheduled_deletion_time > datetime('now', '59 minutes') AS is_later FROM file_cleanup_queue WHERE file_id = '${late.fileId}'`
      )
      assert.deepStrictEqual(queued, { is_later: 1 })
      yield* Effect.repeat(askJson(`${backend.url}/readyz`), { until: ({ body }) => body.status === "pass" })
      const { code, stderr } = yield* stopped(backend)
      assert.strictEqual(code, 0, stderr)
    })
  )
})

describe("a clock that is set while a start waits for a lock", () => {
  /** An empty database to which another process writes. */
  const held = Effect.gen(function* () {
    const file = yield* temporaryFile
    yield* runProgram(["init", "--database", file, "--migrations", yield* temporaryFolder])
    const rival = yield* openConnection(file)
    rival.exec("BEGIN IMMEDIATE")
    return { file, rival }
  })

  it.scopedLive("ends neither the program nor the service early, in either direction", () =>
    Effect.gen(function* () {
      const clock = yield* wrongClock
      for (const hours of [3, -3]) {
        const { file, rival } = yield* held
        const running = spawnProgram(["init", "--database", file, "--timeout", "10m"], { env: clock.env })
        yield* Effect.promise(() => running.says(/waiting in the migrations stage/))
        yield* clock.set(running, hours)
        const backend = yield* backendProcess({
          ...clock.env,
          DATA_DIRECTORY: yield* temporaryFolder,
          DATABASE_FILE: file,
          DATABASE_TIMEOUT: "10m"
        })
        const url = yield* Effect.promise(() => backend.listening)
        const attempts = (above: number) =>
          Effect.repeat(askJson(`${url}/startupz`), { until: ({ body }) => body.attempts > above })
        const { body } = yield* attempts(1)
        yield* clock.set(backend, hours)
        yield* attempts(body.attempts + 2)
        rival.exec("ROLLBACK")
        const { code, stderr, stdout } = yield* Effect.promise(() => running.ended)
        assert.strictEqual(code, 0, stderr)
        const [, took = ""] = /schema \d+ +([\d.]+) (?:ms|s)$/m.exec(stdout) ?? []
        assert.isBelow(Number(took), 600_000)
        yield* Effect.promise(() => backend.serving)
        assert.strictEqual((yield* askJson(`${url}/readyz`)).status, 200)
        yield* stopped(backend)
      }
    })
  )

  it.scopedLive("does not make its deadline later", () =>
    Effect.gen(function* () {
      const clock = yield* wrongClock
      const { file } = yield* held
      const running = spawnProgram(["init", "--database", file, "--timeout", "3s"], { env: clock.env })
      yield* Effect.promise(() => running.says(/waiting in the migrations stage/))
      yield* clock.set(running, -3)
      const { code, stderr } = yield* Effect.promise(() => running.ended)
      assert.strictEqual(code, 75)
      assert.include(stderr, "The start did not finish within 3s")
    })
  )
})
