import { statSync } from "node:fs"
import { dirname } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { DatabaseReady, type ProgressEvent } from "../layers/index.ts"
import { childrenOf, standstill } from "./support/beside.ts"
import {
  crashAfter,
  damagePage,
  openConnection,
  pictureOf,
  refusal,
  rivalProcess,
  rowsOf,
  start,
  starting,
  type TestOptions,
  temporaryFile
} from "./support/database.ts"

/** Kills a process with so many megabytes in the WAL. */
const crashWith = (file: string, megabytes: number) =>
  crashAfter(
    file,
    `PRAGMA wal_autocheckpoint = 0; CREATE TABLE IF NOT EXISTS filling (bytes BLOB);
    WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < ${megabytes})
    INSERT INTO filling SELECT randomblob(1000000) FROM n;`
  )

/** Starts, and returns what the start reported of the WAL and how much of it is not in the database then. */
const lookAfter = (file: string, options?: TestOptions) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { report } = yield* DatabaseReady
      const sql = yield* SqlClient.SqlClient
      const [state] = yield* sql<{ readonly log: number; readonly checkpointed: number }>`PRAGMA wal_checkpoint(NOOP)`
      return {
        connection: report.stages.find(({ name }) => name === "connection")?.found ?? "",
        warnings: report.warnings,
        left: (state?.log ?? 0) - (state?.checkpointed ?? 0),
        bytes: statSync(`${file}-wal`).size
      }
    }).pipe(Effect.provide(starting(file, { integrity: "schema", ...options })))
  )

const filled = Effect.tap(temporaryFile, (file) => Effect.zipRight(start(file), crashWith(file, 1)))

describe("a large WAL that was left behind", () => {
  it.scopedLive("is written to the database before anybody is served, with progress, and every row is there", () =>
    Effect.gen(function* () {
      const file = yield* filled
      yield* crashWith(file, 24)
      const doing = new Set<string>()
      const onProgress = (event: ProgressEvent) =>
        Effect.sync(() => event._tag === "StageProgress" && doing.add(`${event.stage}: ${event.doing}`))
      const found = yield* lookAfter(file, { onProgress })
      assert.match(
        found.connection,
        /^SQLite .*, existing, last written .*, after an unclean shutdown, 2\d MB of its WAL were written into it$/
      )
      assert.deepStrictEqual([found.left, found.warnings], [0, []])
      assert.deepStrictEqual(
        [...doing],
        ["connection: recovering the WAL", "connection: writing the WAL into the database"]
      )
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT count(*) AS rows FROM filling"), [{ rows: 25 }])
    })
  )

  it.scopedLive("takes no more disk than `journalSizeLimit` afterwards", () =>
    Effect.gen(function* () {
      const file = yield* filled
      yield* crashWith(file, 24)
      const { bytes } = yield* lookAfter(file, { pragmas: { journalSizeLimit: 1_000_000 } })
      assert.isAtMost(bytes, 1_000_000)
    })
  )

  it.scopedLive("is left as it is if it is small, for `status`, and if the start is refused", () =>
    Effect.gen(function* () {
      const file = yield* filled
      assert.isAbove((yield* lookAfter(file)).left, 0)
      yield* crashWith(file, 24)
      const before = yield* pictureOf(dirname(file))
      yield* start(file, { access: "inspect", integrity: "schema" })
      yield* damagePage(file, 100)
      const damaged = yield* pictureOf(dirname(file))
      assert.strictEqual((yield* refusal(start(file, { integrity: "quick" })))._tag, "IntegrityError")
      const after = yield* pictureOf(dirname(file))
      assert.deepStrictEqual([damaged["app.db-wal"], after["app.db-wal"]], [before["app.db-wal"], before["app.db-wal"]])
      assert.strictEqual(after["app.db"], damaged["app.db"])
    })
  )

  it.scopedLive("is written even if another process has the write lock, and that one continues to write", () =>
    Effect.gen(function* () {
      const file = yield* filled
      yield* crashWith(file, 24)
      const rival = yield* openConnection(file)
      rival.exec("BEGIN IMMEDIATE")
      const found = yield* lookAfter(file)
      assert.deepStrictEqual([found.left, found.warnings], [0, []])
      rival.exec("INSERT INTO notes (body) VALUES ('of the rival'); COMMIT")
    })
  )

  it.scopedLive("is not waited for if somebody reads an older state: the start is ready and names the reader", () =>
    Effect.gen(function* () {
      const file = yield* filled
      const reader = yield* rivalProcess(file, "BEGIN; SELECT count(*) FROM notes")
      yield* crashWith(file, 24)
      const found = yield* lookAfter(file)
      assert.isAbove(found.left, 0)
      assert.match(
        found.warnings.join(),
        new RegExp(
          `^2\\d of the 2\\d MB of the WAL could not be written into the database, because process ${reader.pid} \\(node\\) reads an older state of it\\.`
        )
      )
    })
  )

  it.scopedLive("is written by the next start if the one before was ended halfway", () =>
    Effect.gen(function* () {
      const file = yield* filled
      yield* crashWith(file, 24)
      const begun = yield* Deferred.make<void>()
      const { end } = yield* standstill
      const kill = Effect.sync(() => {
        for (const child of childrenOf(process.pid)) process.kill(child, "SIGKILL")
      })
      const first = yield* Effect.fork(
        lookAfter(file, {
          onProgress: (event) => {
            if (event._tag !== "StageProgress") return Effect.void
            return event.doing.startsWith("recovering") ? kill : Deferred.succeed(begun, undefined)
          }
        })
      )
      yield* Deferred.await(begun)
      yield* kill
      const ended = yield* Fiber.join(first)
      assert.isAbove(ended.left, 0)
      assert.match(ended.warnings.join(), /^The WAL of 2\d MB could not be written into the database \(SIGKILL: /)
      yield* end
      yield* crashWith(file, 24)
      const next = yield* lookAfter(file)
      assert.deepStrictEqual([next.left, next.warnings], [0, []])
    })
  )

  it.scopedLive("does not delay a start beyond its deadline", () =>
    Effect.gen(function* () {
      const file = yield* filled
      yield* crashWith(file, 24)
      const rival = yield* openConnection(file)
      rival.exec("SELECT count(*) FROM notes")
      yield* standstill
      const found = yield* lookAfter(file, { timeout: "3 seconds" })
      assert.match(found.warnings.join(), /could not be written into the database by the deadline of the start\./)
    })
  )
})
