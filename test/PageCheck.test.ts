import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as Ref from "effect/Ref"
import * as TestClock from "effect/TestClock"
import { Migrations, type ProgressEvent } from "../layers/index.ts"
import { answerIn } from "../layers/sqlite/PageCheck/childAnswer.ts"
import { childrenOf, standstill } from "./support/beside.ts"
import {
  crashAfter,
  damagePage,
  independently,
  notesFiles,
  pictureOf,
  refusal,
  rowsOf,
  start,
  temporaryFile,
  temporaryFolder
} from "./support/database.ts"
import { runProgram, spawnProgram } from "./support/program.ts"
import { makeWatch } from "./support/progress.ts"

/** Enough that no check of its pages may block the event loop: 40 MB, in rows of many pages and small ones. */
const large = (file: string) =>
  Effect.zipRight(
    start(file),
    independently(file, (connection) =>
      connection.exec(`
        CREATE TABLE filling (id INTEGER PRIMARY KEY, bytes BLOB, word TEXT);
        WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 9000)
        INSERT INTO filling SELECT x, randomblob(4000), 'word ' || x FROM n;`)
    )
  )

type Progress = Extract<ProgressEvent, { readonly _tag: "StageProgress" }>

/** `onProgress` for the options, and what it received. */
const makeProgress = Effect.map(Queue.unbounded<Progress>(), (told) => ({
  onProgress: (event: ProgressEvent) =>
    event._tag === "StageProgress" ? Effect.asVoid(Queue.offer(told, event)) : Effect.void,
  next: Queue.take(told),
  size: Queue.size(told),
  all: Queue.takeAll(told)
}))

/** Ticks of a timer of this process. */
const ticks = (count: number) =>
  Effect.async<void>((resume) => {
    let left = count
    const timer = setInterval(() => {
      left -= 1
      if (left > 0) return
      clearInterval(timer)
      resume(Effect.void)
    }, 1)
  })

describe.skipIf(process.platform !== "linux")(
  `a look at the pages of a large file${process.platform === "linux" ? "" : " (skipped: /proc names the processes)"}`,
  () => {
    it.scoped("runs in a process of its own: timers keep running, its deadline ends it, and no process stays", () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* large(file)
        const before = yield* pictureOf(dirname(file))
        const { next, onProgress } = yield* makeProgress
        yield* standstill
        const outcome = yield* Effect.fork(
          refusal(start(file, { integrity: "quick", onProgress, policies: { integrity: { timeout: "30 seconds" } } }))
        )
        yield* next
        assert.strictEqual(childrenOf(process.pid).length, 1)
        yield* ticks(10)
        assert.strictEqual((yield* Fiber.poll(outcome))._tag, "None")

        yield* TestClock.adjust("30 seconds")
        const late = yield* Fiber.join(outcome)
        assert.strictEqual(
          late.sentence,
          "The integrity stage did not finish within 30s. It was running quick_check in the integrity stage: 0 of 37 MB, after 30s of it."
        )
        assert.deepStrictEqual(childrenOf(process.pid), [])
        assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
      })
    )

    it.scoped("reports every two seconds how many of how many bytes were read", () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* large(file)
        const { all, next, onProgress, size } = yield* makeProgress
        const { release } = yield* standstill
        const outcome = yield* Effect.fork(start(file, { integrity: "quick", onProgress }))
        const first = yield* next
        yield* TestClock.adjust("1999 millis")
        assert.strictEqual(yield* size, 0)
        yield* TestClock.adjust("1 millis")
        const second = yield* next
        yield* release
        assert.strictEqual((yield* Fiber.join(outcome)).integrity.checked, "quick")

        const events = [first, second, ...(yield* all)]
        assert.deepStrictEqual([first.at, second.at], [0, 2000])
        const [pages] = yield* rowsOf(
          file,
          "SELECT page_count * page_size AS total FROM pragma_page_count, pragma_page_size"
        )
        for (const { done, stage, ...event } of events) {
          assert.deepInclude(pages, { total: event.total })
          assert.isTrue(done >= 0 && done <= event.total)
          assert.strictEqual(stage, "integrity")
        }
        assert.deepStrictEqual(
          [...new Set(events.map(({ doing }) => doing))].filter((doing) => !doing.startsWith("reading")),
          ["running quick_check", "running foreign_key_check"]
        )
      })
    )

    it.scoped("runs again if somebody kills the process", () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* large(file)
        const { next, onProgress } = yield* makeProgress
        const watch = yield* makeWatch
        const { release } = yield* standstill
        const outcome = yield* Effect.fork(
          start(file, {
            integrity: "quick",
            onProgress: (event) => Effect.zipRight(onProgress(event), watch.onProgress(event))
          })
        )
        yield* next
        process.kill(childrenOf(process.pid)[0] ?? 0, "SIGKILL")
        assert.include((yield* watch.next).reason, "SIGKILL: the process ended with SIGKILL")
        yield* TestClock.adjust("5 millis")
        yield* release
        const { integrity, stages } = yield* Fiber.join(outcome)
        assert.deepStrictEqual([integrity.checked, stages.at(-1)?.attempts], ["quick", 2])
      })
    )

    it.effect("does not accept half an answer of a killed process, and treats nonsense as no process", () =>
      Effect.gen(function* () {
        const cutOff = { said: '{"rows":[{"quick_check":"ok"},{"quick_ch', code: null, signal: "SIGKILL" } as const
        assert.include(yield* Effect.flip(answerIn(cutOff)), { code: "SIGKILL", retryable: true })
        assert.include(yield* Effect.flip(answerIn({ ...cutOff, code: 1, signal: null })), { code: "UNKNOWN" })
        for (const said of [cutOff.said, 'hello\n{"rows":[]}', "{}x", "null", "7", "{}", '{"rows":7}', ""]) {
          const refused = yield* Effect.flip(answerIn({ said, code: 0, signal: null }))
          assert.deepInclude(refused, { _tag: "SystemFailure", code: "EPROTO", retryable: false }, said)
        }
        const whole = { said: '{"rows":[{"quick_check":"ok"}]}', code: 0, signal: null }
        assert.deepStrictEqual(yield* answerIn(whole), [{ quick_check: "ok" }])
      })
    )

    it.scoped("is understood whatever else a process prints because of NODE_OPTIONS", () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        const folder = yield* temporaryFolder
        yield* large(file)
        const prepared = join(folder, "prepared.cjs")
        writeFileSync(prepared, 'console.log("prepared"); console.error("prepared")')
        yield* independently(file, (connection) => connection.pragma("journal_mode = DELETE"))
        const args = ["restore", "--database", `${file}.new`, "--backup", file]
        const { code, stderr } = yield* runProgram(args, { env: { NODE_OPTIONS: `--require ${prepared}` } })
        // The program prints it too, but no warning that it checked in its own process, and no steps into a log.
        assert.deepStrictEqual([code, stderr], [0, "prepared\n"])
      })
    )

    it.scoped("checks a backup before it is kept, and a deadline leaves neither a copy nor an upgrade", () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* large(file)
        const before = yield* pictureOf(dirname(file))
        const { next, onProgress } = yield* makeProgress
        yield* standstill
        const migrations = Migrations.fromRecord({ ...notesFiles, "003_more.sql": "CREATE TABLE more (x)" })
        const outcome = yield* Effect.fork(refusal(start(file, { migrations, onProgress })))
        const looking = yield* Effect.repeat(next, { until: (event) => "doing" in event && /check$/.test(event.doing) })
        assert.deepInclude(looking, { stage: "migrations", doing: "running quick_check" })
        yield* TestClock.adjust("60 seconds")
        assert.strictEqual(
          (yield* Fiber.join(outcome)).sentence,
          "The start did not finish within 1m. It was running quick_check in the migrations stage: 0 of 37 MB, after 1m of it."
        )
        assert.deepStrictEqual(childrenOf(process.pid), [])
        assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
      })
    )

    it.scopedLive("checks a backup before it is restored, and a deadline ends that", () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* large(file)
        yield* independently(file, (connection) => connection.pragma("journal_mode = DELETE"))
        const before = yield* pictureOf(dirname(file))
        const { env } = yield* standstill
        const args = ["restore", "--database", `${file}.new`, "--backup", file, "--timeout", "1s"]
        const { code, stderr } = yield* runProgram(args, { env })
        assert.deepStrictEqual([code, stderr.includes("RestoreError.TimedOut")], [75, true])
        assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
      })
    )

    it.scopedLive("finds a damaged page, and a refused database keeps its bytes and the WAL of a crash", () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* large(file)
        yield* crashAfter(file, "INSERT INTO notes (body) VALUES ('late')")
        yield* damagePage(file, 5000)
        const { "app.db": main, "app.db-wal": wal } = yield* pictureOf(dirname(file))
        for (const access of ["initialize", "inspect"] as const) {
          const { onProgress, size } = yield* makeProgress
          const refused = yield* refusal(start(file, { access, integrity: "quick", onProgress }))
          assert.deepStrictEqual([refused._tag, refused.reason], ["IntegrityError", "DamagedPages"])
          assert.isAbove(yield* size, 0)
          const { "app.db": mainAfter, "app.db-wal": walAfter } = yield* pictureOf(dirname(file))
          assert.deepStrictEqual([mainAfter, walAfter], [main, wal])
        }
      })
    )

    it.scopedLive("finds a row that its table's CHECK does not allow, as the check of a small file does", () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* start(file)
        yield* independently(file, (connection) => {
          connection.exec("CREATE TABLE ages (age CHECK (age > 0)); PRAGMA ignore_check_constraints = 1")
          connection.exec("INSERT INTO ages VALUES (-1)")
        })
        const inThisProcess = yield* refusal(start(file, { integrity: "full" }))
        assert.include(inThisProcess.message, "CHECK constraint failed in ages")
        yield* independently(file, (connection) =>
          connection.exec("CREATE TABLE filling (bytes); INSERT INTO filling VALUES (zeroblob(6000000))")
        )
        const { onProgress, size } = yield* makeProgress
        const beside = yield* refusal(start(file, { integrity: "full", onProgress }))
        assert.strictEqual(beside.message, inThisProcess.message)
        assert.isAbove(yield* size, 0)
      })
    )

    it.scopedLive("finds rows that refer to nothing, and a row that is missing from an index", () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* large(file)
        yield* independently(file, (connection) => {
          connection.pragma("foreign_keys = OFF")
          connection.exec("INSERT INTO tags VALUES (4711, 'orphan')")
        })
        const orphan = yield* refusal(start(file, { integrity: "quick" }))
        assert.strictEqual(orphan.reason, "ForeignKeyViolations")
        yield* independently(file, (connection) => {
          connection.exec("DELETE FROM tags; CREATE INDEX by_word ON filling(word)")
          // An index whose entries were made by another rule than its current one.
          connection.unsafeMode()
          connection.exec(`PRAGMA writable_schema = ON;
            UPDATE sqlite_schema SET sql = 'CREATE INDEX by_word ON filling(word DESC)' WHERE name = 'by_word';`)
        })
        assert.strictEqual((yield* start(file, { integrity: "quick" })).status, "ready")
        const unordered = yield* refusal(start(file, { integrity: "full" }))
        assert.strictEqual(unordered.reason, "DamagedPages")
      })
    )

    it.scopedLive("blocks the event loop if no process can be started, and says so", () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* large(file)
        yield* damagePage(file, 5000)
        const said = yield* Ref.make<ReadonlyArray<unknown>>([])
        const listening = Logger.replace(
          Logger.defaultLogger,
          Logger.make(({ message }) => Effect.runSync(Ref.update(said, (lines) => [...lines, String(message)])))
        )
        const node = process.execPath
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            process.execPath = node
          })
        )
        for (const [path, code] of [
          ["/nowhere/node", "ENOENT"],
          ["/bin/true", "ENOEXEC"]
        ] as const) {
          process.execPath = path
          const refused = yield* Effect.provide(refusal(start(file, { integrity: "quick" })), listening)
          assert.strictEqual(refused.reason, "DamagedPages")
          assert.include((yield* Ref.getAndSet(said, [])).join(), `The page check blocks the event loop (${code}: `)
        }
      })
    )

    it.scopedLive("tells its progress as events and not in a log, runs for status too, and ends with the program", () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* runProgram(["init", "--database", file])
        yield* independently(file, (connection) =>
          connection.exec(`CREATE TABLE filling (id INTEGER PRIMARY KEY, bytes BLOB);
            WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 9000)
            INSERT INTO filling SELECT x, randomblob(4000) FROM n;`)
        )
        const before = yield* pictureOf(dirname(file))
        const args = ["--database", file, "--integrity", "quick"]
        for (const command of ["init", "status"]) {
          const { code, stderr, stdout } = yield* runProgram([command, ...args, "--json=stream"])
          assert.deepStrictEqual([code, stderr], [0, ""])
          const [progress] = stdout.match(/^\{"event":"progress".*$/m) ?? []
          const event = JSON.parse(progress ?? "{}")
          assert.include(event, { stage: "integrity", doing: "running quick_check", unit: "bytes" })
          assert.isAbove(event.total, 37_000_000)
          assert.strictEqual((yield* runProgram([command, ...args])).stderr, "")
        }
        const { env } = yield* standstill
        for (const signal of ["SIGTERM", "SIGKILL"] as const) {
          const running = spawnProgram(["init", ...args, "--json=stream"], { env })
          yield* Effect.promise(() => running.says(/quick_check/, "stdout"))
          const [child, ...others] = childrenOf(running.process.pid)
          assert.deepStrictEqual(others, [])
          running.process.kill(signal)
          const { code } = yield* Effect.promise(() => running.ended)
          assert.strictEqual(code, signal === "SIGTERM" ? 143 : "SIGKILL")
          const gone = ["-s", "0.01", `--pid=${child}`, "-f", "/dev/null"]
          assert.strictEqual(spawnSync("tail", gone, { timeout: 30_000 }).status, 0)
        }
        assert.strictEqual((yield* pictureOf(dirname(file)))["app.db"], before["app.db"])
      })
    )
  }
)
