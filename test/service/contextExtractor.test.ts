/** The process that reads files, and the queue of files that wait for it: what a hostile file or a kill can cost. */
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { fileForm } from "../../src/service/Client.ts"
import { mostPassages } from "../../src/service/context/Extracted.ts"
import { makeExtract } from "../../src/service/context/Extractor.ts"
import { claimTime, textQueue } from "../../src/service/context/TextQueue.ts"
import { Settings } from "../../src/service/Settings.ts"
import { sqliteEngine } from "../../src/service/SqliteEngine.ts"
import { StartTimeline } from "../../src/service/StartTimeline.ts"
import { independently, rowsOf, temporaryFolder } from "../support/database.ts"
import { hostileFiles } from "../support/hostileFiles.ts"
import { accounts, contentsIn, serveOn, settingsOn, tokenOf } from "../support/service.ts"

/** The extractors that this process has started. */
const extractors = (): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const isOurs = readFileSync(`/proc/${name}/stat`, "utf8").split(") ")[1]?.split(" ")[1] === String(process.pid)
        return isOurs && readFileSync(`/proc/${name}/cmdline`, "utf8").includes("extractor.cjs") ? [Number(name)] : []
      } catch {
        return []
      }
    })

const someText = (folder: string) => {
  const path = join(folder, "good.txt")
  writeFileSync(path, "a flywheel")
  return { path, kind: "text" } as const
}

/** Nobody ever writes to it, so it is read for ever. */
const endless = (folder: string) => {
  const path = join(folder, "endless.txt")
  execFileSync("mkfifo", [path])
  return { path, kind: "text" } as const
}

describe("a file that is read", () => {
  it.scoped("for too long ends its process, and the next one is read by another", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const extract = yield* makeExtract({ time: "2 seconds", memory: 256 })
      const reading = yield* Effect.fork(Effect.flip(extract(endless(folder))))
      yield* TestClock.adjust("7 seconds")
      const [first] = extractors()
      assert.isDefined(first)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(reading)).reason, "TimedOut")
      const text = yield* extract(someText(folder))
      assert.deepStrictEqual(
        text.passages.map(({ terms, text, tokens }) => ({ terms, text, tokens })),
        [{ terms: "a flywheel", text: "a flywheel", tokens: 3 }]
      )
      assert.notInclude(extractors(), first)
    })
  )

  it.scopedLive("may end its process, and the next one is read by another", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const extract = yield* makeExtract()
      yield* extract(someText(folder))
      const reading = yield* Effect.fork(Effect.flip(extract(endless(folder))))
      yield* Effect.sleep("50 millis")
      for (const pid of extractors()) process.kill(pid, "SIGKILL")
      assert.strictEqual((yield* Fiber.join(reading)).reason, "Crashed")
      assert.strictEqual((yield* extract(someText(folder))).passages.length, 1)
      assert.strictEqual((yield* Effect.flip(extract({ path: join(folder, "none"), kind: "text" }))).reason, "Lost")
    })
  )

  it.scopedLive("takes no more of the processor than it may", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      // To begin takes more.
      const extract = yield* makeExtract({ time: "300 millis", memory: 256 })
      assert.strictEqual((yield* Effect.flip(extract(someText(folder)))).reason, "TimedOut")
    })
  )

  it.scopedLive("takes no more memory than it may", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const extract = yield* makeExtract({ time: "1 minute", memory: 20 })
      assert.strictEqual((yield* Effect.flip(extract(someText(folder)))).reason, "OutOfMemory")
    })
  )

  it.live("leaves no process behind", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.succeed("/dev")
      yield* Effect.scoped(
        Effect.flatMap(makeExtract(), (extract) => extract({ path: join(folder, "null"), kind: "text" }))
      )
      yield* Effect.repeat(Effect.delay(Effect.sync(extractors), "50 millis"), { until: ({ length }) => length === 0 })
    })
  )
})

/** One in eight of them, or with `HOSTILE=all` every one: some are made to take long. */
const hostile = hostileFiles(21).filter((_, at) => process.env["HOSTILE"] === "all" || at % 8 === 3)

describe("a hostile file", () => {
  it.scopedLive(
    `ends with a state that says why, and costs nobody but itself (${hostile.length} of them)`,
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const extract = yield* makeExtract({ time: "10 seconds", memory: 256 })
        const path = join(folder, "hostile")
        const wrong: Array<string> = []
        for (const { bytes, ends, kind, name } of hostile) {
          writeFileSync(path, bytes())
          const end = yield* extract({ path, kind }).pipe(
            Effect.map(({ passages }) => (passages.length <= mostPassages ? "done" : "too many passages")),
            Effect.catchAll(({ reason }) => Effect.succeed(reason))
          )
          if (!ends.test(end)) wrong.push(`${name}: ${end}`)
        }
        assert.deepStrictEqual(wrong, [])
        assert.strictEqual((yield* extract(someText(folder))).passages.length, 1)
      }),
    600_000
  )
})

describe("a file whose extraction was begun", () => {
  const path = { sessionId: "s1" }
  const states = "SELECT state, reason, attempts, passages, claim FROM file_texts"

  /** As a process leaves it that was killed: with a claim that ends in time, and some of the passages. */
  const begun = (attempts: number) =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { file } = yield* Effect.scoped(
        Effect.tap(serveOn(folder, { accounts }), ({ clientOf }) =>
          Effect.flatMap(clientOf(tokenOf("alice")), ({ files }) =>
            files.upload({ path, payload: fileForm("a.txt", "a flywheel") })
          )
        )
      )
      yield* independently(file, (connection) =>
        connection.exec(`
          UPDATE file_texts SET state = 'running', attempts = ${attempts}, claim = 'of a killed one', passages = 1,
            claimed_until = '2020-01-01 00:00:00.000';
          INSERT INTO text_scopes (session_id, passages, terms) VALUES ('s1', 1, 1);
          INSERT INTO passages (file_id, ordinal, scope, text, tokens, terms, line, end_line)
            SELECT file_id, 0, 1, 'flywheel', 1, 1, 1, 1 FROM file_texts;
          INSERT INTO passage_terms (rowid, terms) VALUES (1, '1xflywheel')`)
      )
      yield* serveOn(folder, { accounts, extractsTexts: true })
      const rows = yield* Effect.repeat(Effect.delay(rowsOf(file, states), "50 millis"), {
        until: ([row]) => !["queued", "running"].includes(String(Object(row)["state"]))
      })
      return { rows, passages: yield* rowsOf(file, "SELECT ordinal, text FROM passages") }
    })

  it.scoped("stays with its process however long it takes, and is free soon after its process has gone", () =>
    Effect.gen(function* () {
      const settings = settingsOn(yield* temporaryFolder)
      const context = yield* Layer.build(
        sqliteEngine.database.pipe(
          Layer.provide(Layer.mergeAll(StartTimeline.layer, Layer.succeed(Settings, settings), NodeContext.layer))
        )
      )
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`INSERT INTO conversation_files (file_id, session_id, original_filename, stored_filename, file_path,
          file_size, file_hash, mime_type) VALUES ('f1', 's1', 'a.txt', 'f1', 'f1', 1, 'h1', 'text/plain')`
        const [slow, other] = [yield* textQueue, yield* textQueue]
        const claimed = yield* slow.claimNext
        assert.isDefined(claimed)
        const work = yield* Effect.fork(slow.whileClaimed(claimed, Effect.never))
        for (let seconds = 0; seconds < 120; seconds += 1) {
          yield* TestClock.adjust("1 second")
          assert.isUndefined(yield* other.claimNext)
        }
        yield* Fiber.interrupt(work)
        yield* TestClock.adjust(claimTime)
        const again = yield* other.claimNext
        assert.strictEqual(again?.file_id, "f1")
        // If the first process goes on, it finds its claim lost, and stops.
        const late = yield* Effect.fork(Effect.flip(slow.whileClaimed(claimed, Effect.never)))
        yield* TestClock.adjust(claimTime)
        assert.strictEqual((yield* Fiber.join(late))._tag, "ClaimLost")
      }).pipe(Effect.provide(context))
    })
  )

  it.scopedLive("by a process that was killed is read again, once its claim has ended", () =>
    Effect.map(begun(1), (seen) =>
      assert.deepStrictEqual(seen, {
        rows: [{ state: "done", reason: null, attempts: 2, passages: 1, claim: null }],
        passages: [{ ordinal: 0, text: "a flywheel" }]
      })
    )
  )

  it.scopedLive("by a service that stops is given back at once", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { file } = yield* Effect.scoped(
        Effect.tap(serveOn(folder, { accounts, extractsTexts: true }), ({ clientOf, file }) =>
          Effect.gen(function* () {
            const { files } = yield* clientOf(tokenOf("alice"))
            yield* files.upload({ path, payload: fileForm("long.txt", "some words ".repeat(50_000)) })
            yield* Effect.repeat(Effect.delay(rowsOf(file, states), "10 millis"), {
              until: ([row]) => Object(row)["state"] === "running"
            })
          })
        )
      )
      const [row] = yield* rowsOf(file, states)
      assert.deepInclude(row, { state: "queued", attempts: 0, claim: null })
    })
  )

  it.scopedLive("while the disk fails is not lost: it is read once the disk is back", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { file } = yield* Effect.scoped(
        Effect.tap(serveOn(folder, { accounts }), ({ clientOf }) =>
          Effect.flatMap(clientOf(tokenOf("alice")), ({ files }) =>
            files.upload({ path, payload: fileForm("a.txt", "a flywheel") })
          )
        )
      )
      yield* serveOn(folder, { accounts })
      const [content = ""] = yield* contentsIn(folder)
      const shelf = join(folder, "files", content.slice(0, 2))
      renameSync(shelf, `${shelf}.away`)
      symlinkSync(shelf, shelf)
      yield* serveOn(folder, { accounts, extractsTexts: true })
      const until = (isMeant: (row: Record<string, unknown>) => boolean) =>
        Effect.repeat(Effect.delay(rowsOf(file, states), "50 millis"), { until: ([row]) => isMeant(Object(row)) })
      yield* until(({ attempts, state }) => attempts === 1 && state === "queued")
      unlinkSync(shelf)
      renameSync(`${shelf}.away`, shelf)
      yield* until(({ state }) => state === "done")
    })
  )

  it.scopedLive("and never finished is given up in the end", () =>
    Effect.map(begun(3), (seen) =>
      assert.deepStrictEqual(seen, {
        rows: [{ state: "failed", reason: "Interrupted", attempts: 4, passages: 0, claim: null }],
        passages: []
      })
    )
  )
})
