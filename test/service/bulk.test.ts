/** Several files at once, each with its own result. */
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { fileForm } from "../../src/service/Client.ts"
import { execute, rowOf, rowsOf } from "../support/database.ts"
import { accounts, contentsIn, jsonOf, onlySqlite, serving, tokenOf } from "../support/service.ts"

const upload = (sessionId: string, content: string) => ({
  path: { sessionId },
  payload: fileForm(`${content}.txt`, content, { type: "text/plain" })
})
const nobodys = "00000000-0000-4000-8000-00000000000f"

describe("several files at once", () => {
  it.scopedLive("are deleted, restored and destroyed, each once and with its own result", () =>
    Effect.gen(function* () {
      const { clientOf, file, folder } = yield* serving({ accounts })
      const alice = yield* clientOf(tokenOf("alice"))
      const bob = yield* clientOf(tokenOf("bob"))
      const one = yield* alice.files.upload(upload("s1", "one"))
      const two = yield* alice.files.upload(upload("s2", "two"))
      const his = yield* bob.files.upload(upload("s3", "his"))
      const payload = { fileIds: [one.fileId, his.fileId, two.fileId, nobodys, one.fileId] }
      const refused = [
        [his.fileId, "Forbidden"],
        [nobodys, "FileNotFound"]
      ]

      const deleted = yield* alice.changes.deleteFiles({ payload })
      assert.deepStrictEqual(
        deleted.done.map(({ deletedAt, fileId }) => [fileId, deletedAt !== null]),
        [
          [one.fileId, true],
          [two.fileId, true]
        ]
      )
      assert.deepStrictEqual(
        deleted.failed.map(({ error, fileId }) => [fileId, error._tag]),
        refused
      )
      assert.isNull((yield* bob.files.details({ path: his })).deletedAt)

      const restored = yield* alice.changes.restoreFiles({ payload })
      assert.deepStrictEqual(
        restored.done.map(({ deletedAt, fileId }) => [fileId, deletedAt]),
        [
          [one.fileId, null],
          [two.fileId, null]
        ]
      )
      const destroyed = yield* alice.changes.destroyFiles({ payload })
      assert.deepStrictEqual(destroyed.fileIds, [one.fileId, two.fileId])
      assert.deepStrictEqual(
        destroyed.failed.map(({ error, fileId }) => [fileId, error._tag]),
        refused
      )
      assert.deepStrictEqual(yield* contentsIn(folder), [his.sha256])
      const again = yield* alice.changes.destroyFiles({ payload: { fileIds: [one.fileId] } })
      assert.deepStrictEqual([again.fileIds, again.failed[0]?.error._tag], [[], "FileNotFound"])

      const trail = yield* rowsOf(
        file,
        `SELECT action, reason FROM audit_log WHERE actor = 'alice' AND file_id = '${his.fileId}' ORDER BY event_id`
      )
      assert.deepStrictEqual(trail, [
        { action: "delete", reason: "Forbidden" },
        { action: "restore", reason: "Forbidden" }
      ])
    })
  )

  it.scopedLive("are one to two hundred", () =>
    Effect.gen(function* () {
      const { ask } = yield* serving()
      const status = (fileIds: ReadonlyArray<string>) =>
        Effect.map(
          ask("/api/files/delete", {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ fileIds })
          }),
          (response) => response.status
        )
      const ids = Array.from({ length: 201 }, (_, n) => `file-${n}`)
      assert.strictEqual(yield* status([]), 400)
      assert.strictEqual(yield* status(ids), 400)
      assert.strictEqual(yield* status(ids.slice(1)), 200)
      assert.strictEqual(yield* status([""]), 400)
    })
  )

  it.scopedLive("are changed in two transactions if there are two hundred, and others write in between", () =>
    Effect.gen(function* () {
      const { client, file } = yield* serving()
      yield* client.files.upload(upload("s1", "first"))
      const fileIds = Array.from({ length: 200 }, (_, n) => `file-${String(n).padStart(3, "0")}`)
      yield* execute(
        file,
        `INSERT INTO conversation_files
          (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash, uploaded_by)
          VALUES ${fileIds.map((id) => rowOf(id, "s1", id, id, "nowhere", 1, "none", "local")).join(", ")}`
      )
      const [deleted] = yield* Effect.all(
        [client.changes.deleteFiles({ payload: { fileIds } }), client.files.upload(upload("s1", "second"))],
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        deleted.done.map(({ fileId }) => fileId),
        fileIds
      )
      assert.deepStrictEqual(
        yield* rowsOf(file, "SELECT count(*) AS files FROM conversation_files WHERE is_deleted = 1"),
        [{ files: 200 }]
      )
      const destroyed = yield* client.changes.destroyFiles({ payload: { fileIds } })
      assert.strictEqual(destroyed.fileIds.length, 200)
    })
  )

  it.scopedLive("are deleted with their session for some seconds, and the next request goes on", () =>
    Effect.gen(function* () {
      let passed = 0n
      const real = Clock.make()
      /** On it each pause between two transactions takes longer than a client may wait. */
      const clock = Object.assign(Clock.make(), {
        unsafeCurrentTimeNanos: () => real.unsafeCurrentTimeNanos() + passed,
        sleep: (duration: Duration.Duration) => {
          if (Duration.toMillis(duration) === 1) passed += 20_000_000_000n
          return real.sleep(duration)
        }
      })
      const { ask, client, file } = yield* Effect.withClock(serving(), clock)
      yield* client.files.upload(upload("s1", "first"))
      yield* execute(
        file,
        `INSERT INTO conversation_files
          (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash, is_deleted)
          VALUES ${Array.from({ length: 229 }, (_, n) => rowOf(`f${n}`, "s1", "n", `s${n}`, "nowhere", 1, `h${n}`, n % 2)).join(", ")}`
      )
      const deleteSome = Effect.gen(function* () {
        const answer = yield* ask("/api/sessions/s1/files", { method: "DELETE" })
        const { deleted, remaining } = yield* jsonOf(answer)
        return { status: answer.status, deleted: Number(deleted), remaining: Number(remaining) }
      })
      const first = yield* deleteSome
      assert.strictEqual(first.status, 202)
      assert.isAtLeast(first.deleted, 1)
      assert.strictEqual(first.deleted + first.remaining, 230)
      // The client has one type for both.
      const second = yield* client.sessions.deleteFiles({ path: { sessionId: "s1" } })
      assert.isAtLeast(second.deleted, 1)
      assert.strictEqual(second.deleted + second.remaining, first.remaining)
      const last = yield* Effect.repeat(deleteSome, { until: ({ remaining }) => remaining === 0 })
      assert.strictEqual(last.status, 200)
      assert.deepStrictEqual(yield* deleteSome, { status: 200, deleted: 0, remaining: 0 })
    })
  )

  it.scopedLive.skipIf(onlySqlite("has a lock of its file"))(
    "are refused while another process writes, and nothing is changed",
    () =>
      Effect.gen(function* () {
        const { client, file } = yield* serving({ lockPatience: Duration.millis(50) })
        const { fileId } = yield* client.files.upload(upload("s1", "one"))
        const answer = yield* Effect.acquireUseRelease(
          Effect.sync(() => new Sqlite(file)),
          (other) => {
            other.exec("BEGIN IMMEDIATE")
            return Effect.flip(client.changes.deleteFiles({ payload: { fileIds: [fileId] } }))
          },
          (other) => Effect.sync(() => other.close())
        )
        assert.strictEqual(answer._tag, "DatabaseBusy")
        assert.isNull((yield* client.files.details({ path: { fileId } })).deletedAt)
      })
  )
})
