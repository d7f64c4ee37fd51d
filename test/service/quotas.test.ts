/** How much may be stored, and the counts behind that. */
import { request as httpRequest } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import type Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { Migrations } from "../../layers/index.ts"
import { fileForm } from "../../src/service/Client.ts"
import { files as migrationFiles } from "../../src/service/migrations.ts"
import { independently, start, startConversationFiles, temporaryFile } from "../support/database.ts"
import { randomFrom } from "../support/random.ts"
import { accounts, contentsIn, incomingIn, jsonOf, serving, tokenOf } from "../support/service.ts"

const upload = (sessionId: string, name: string, content: string) => ({
  path: { sessionId },
  payload: fileForm(name, content)
})

/** What the counts say, and what counting says. */
const counts = (connection: Sqlite.Database) => {
  const all = (sql: string) => connection.prepare(sql).all()
  const names = "files, bytes, deleted_files, deleted_bytes"
  const sessions = `SELECT s.session_id, max(so.owner) AS owner, coalesce(sum(is_deleted IS NOT 1 AND file_id NOT NULL), 0) AS files,
      coalesce(sum(iif(is_deleted IS NOT 1, file_size, 0)), 0) AS bytes, coalesce(sum(is_deleted IS 1), 0) AS deleted_files,
      coalesce(sum(iif(is_deleted IS 1, file_size, 0)), 0) AS deleted_bytes
    FROM (SELECT session_id FROM conversation_files UNION SELECT session_id FROM session_owners) s
      LEFT JOIN conversation_files cf ON cf.session_id = s.session_id LEFT JOIN session_owners so ON so.session_id = s.session_id
    GROUP BY s.session_id`
  const totals = `coalesce(sum(files), 0) AS files, coalesce(sum(bytes), 0) AS bytes,
    coalesce(sum(deleted_files), 0) AS deleted_files, coalesce(sum(deleted_bytes), 0) AS deleted_bytes`
  return {
    kept: {
      sessions: all(`SELECT session_id, owner, ${names} FROM session_summaries ORDER BY session_id`),
      owners: all(`SELECT owner, sessions, used_sessions, ${names} FROM owner_usage ORDER BY owner`),
      all: all(`SELECT sessions, used_sessions, ${names} FROM storage_summary`),
      contents: all("SELECT contents, content_bytes FROM storage_summary")
    },
    counted: {
      sessions: all(`SELECT session_id, owner, ${names} FROM (${sessions}) ORDER BY session_id`),
      owners:
        all(`SELECT coalesce(owner, '') AS owner, count(*) AS sessions, sum(files + deleted_files > 0) AS used_sessions, ${totals}
        FROM (${sessions}) GROUP BY 1 ORDER BY 1`),
      all: all(
        `SELECT count(*) AS sessions, coalesce(sum(files + deleted_files > 0), 0) AS used_sessions, ${totals} FROM (${sessions})`
      ),
      contents: all(`SELECT count(*) AS contents, coalesce(sum(file_size), 0) AS content_bytes
        FROM (SELECT DISTINCT file_hash, file_size FROM conversation_files)`)
    }
  }
}

/** Changes of files and owners, as the service and programs of an earlier system make them. */
const change = (connection: Sqlite.Database, next: (below: number) => number) => {
  const session = `s${next(4)}`
  const file = `f${next(12)}`
  const [hash, size] = [
    ["a", 1],
    ["b", 20],
    ["c", 300]
  ][next(3)] ?? ["a", 1]
  const run = (sql: string, ...values: ReadonlyArray<unknown>) => connection.prepare(sql).run(...values)
  const steps = [
    () =>
      run(
        `INSERT INTO conversation_files (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash, is_deleted)
          VALUES (?, ?, 'n', ?, 'p', ?, ?, ?) ON CONFLICT (file_id) DO NOTHING`,
        file,
        session,
        file,
        size,
        hash,
        [0, 0, 0, 1, null][next(5)]
      ),
    () => run("DELETE FROM conversation_files WHERE file_id = ?", file),
    () => run("UPDATE conversation_files SET is_deleted = ? WHERE file_id = ?", next(2), file),
    () => run("UPDATE conversation_files SET session_id = ? WHERE file_id = ?", session, file),
    () => run("UPDATE conversation_files SET file_size = ?, file_hash = ? WHERE file_id = ?", size, hash, file),
    () =>
      run(
        "UPDATE conversation_files SET session_id = ?, file_size = ?, file_hash = ?, is_deleted = ? WHERE file_id = ?",
        session,
        size,
        hash,
        next(2),
        file
      ),
    () =>
      run(
        "INSERT INTO session_owners (session_id, owner) VALUES (?, ?) ON CONFLICT (session_id) DO UPDATE SET owner = excluded.owner",
        session,
        `u${next(3)}`
      ),
    () =>
      run(
        "INSERT INTO session_owners (session_id, owner) VALUES (?, 'u') ON CONFLICT (session_id) DO NOTHING",
        session
      ),
    () => run("DELETE FROM session_owners WHERE session_id = ?", session),
    () => run("DELETE FROM conversation_files WHERE session_id = ?", session)
  ]
  steps[next(steps.length)]?.()
}

describe("the counts of sessions, users and all", () => {
  it.scoped("agree with the files, whatever happens to files and owners", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* startConversationFiles(file)
      yield* independently(file, (connection) => {
        const next = randomFrom(5)
        connection.pragma("foreign_keys = ON")
        for (let n = 0; n < 1000; n += 1) {
          change(connection, next)
          const { counted, kept } = counts(connection)
          assert.deepStrictEqual(kept, counted, `after ${n} changes`)
        }
      })
    })
  )

  it.scoped("agree with the files of a database that was filled before there were counts", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const known = Object.fromEntries(Object.entries(migrationFiles).slice(0, 4))
      yield* start(file, { migrations: Migrations.fromRecord(known) })
      yield* independently(file, (connection) => {
        const next = randomFrom(7)
        for (let n = 0; n < 200; n += 1) change(connection, next)
      })
      yield* startConversationFiles(file)
      yield* independently(file, (connection) => {
        const { counted, kept } = counts(connection)
        assert.isNotEmpty(kept.sessions)
        assert.deepStrictEqual(kept, counted)
      })
    })
  )
})

describe("a quota", () => {
  it.scopedLive("of a user is a 507, counts files that can be restored, and has room again when they are gone", () =>
    Effect.gen(function* () {
      const { clientOf } = yield* serving({ accounts, userQuotaFiles: Option.some(2), userQuotaBytes: Option.some(10) })
      const { files } = yield* clientOf(tokenOf("alice"))
      const bob = yield* clientOf(tokenOf("bob"))
      const one = yield* files.upload(upload("s1", "one.txt", "12345"))
      const tooLong = yield* Effect.flip(files.upload(upload("s2", "two.txt", "123456")))
      assert.deepInclude(tooLong, { _tag: "QuotaExceeded", quota: "user", unit: "bytes", limit: 10 })
      yield* files.upload(upload("s2", "two.txt", "12345"))
      const tooMany = yield* Effect.flip(files.upload(upload("s3", "three.txt", "")))
      assert.deepInclude(tooMany, { _tag: "QuotaExceeded", quota: "user", unit: "files", limit: 2 })
      assert.match(tooLong.message, /^You may store 10 bytes at most\. /)
      assert.match(tooMany.message, /^You may store 2 files at most\. /)
      // Nobody else's.
      yield* bob.files.upload(upload("b1", "one.txt", "12345"))

      yield* files.delete({ path: one })
      assert.strictEqual((yield* Effect.flip(files.upload(upload("s1", "again.txt", ""))))._tag, "QuotaExceeded")
      yield* files.destroy({ path: one })
      yield* files.upload(upload("s1", "again.txt", "12345"))
    })
  )

  it.scopedLive("of all users together limits all of them together", () =>
    Effect.gen(function* () {
      const { clientOf } = yield* serving({ accounts, totalQuotaBytes: Option.some(10) })
      const alice = yield* clientOf(tokenOf("alice"))
      const bob = yield* clientOf(tokenOf("bob"))
      yield* alice.files.upload(upload("s1", "one.txt", "123456"))
      const refused = yield* Effect.flip(bob.files.upload(upload("b1", "two.txt", "12345")))
      assert.deepInclude(refused, { _tag: "QuotaExceeded", quota: "total", unit: "bytes", limit: 10 })
      assert.match(refused.message, /^All users together may store 10 bytes at most\. /)
      yield* bob.files.upload(upload("b1", "two.txt", "1234"))
    })
  )

  it.scopedLive("follows the owner of a session, no matter who adds to it", () =>
    Effect.gen(function* () {
      const { clientOf } = yield* serving({ accounts, userQuotaBytes: Option.some(10) })
      const alice = yield* clientOf(tokenOf("alice"))
      const root = yield* clientOf(tokenOf("root"))
      yield* alice.files.upload(upload("s1", "one.txt", "123456"))
      const refused = yield* Effect.flip(root.files.upload(upload("s1", "two.txt", "12345")))
      assert.strictEqual(refused._tag, "QuotaExceeded")
      assert.match(refused.message, /^The owner of the session may store 10 bytes at most\. /)
      yield* root.sessions.give({ path: { sessionId: "s1" }, payload: { owner: "bob" } })
      yield* alice.files.upload(upload("s2", "one.txt", "1234567890"))
      const bob = yield* clientOf(tokenOf("bob"))
      assert.strictEqual((yield* Effect.flip(bob.files.upload(upload("b1", "two.txt", "12345"))))._tag, "QuotaExceeded")
    })
  )

  it.scopedLive("holds when many uploads come at once", () =>
    Effect.gen(function* () {
      const { client, folder } = yield* serving({ userQuotaFiles: Option.some(3), userQuotaBytes: Option.some(1000) })
      const all = yield* Effect.all(
        Array.from({ length: 12 }, (_, n) =>
          Effect.either(client.files.upload(upload(`s${n}`, "a.txt", `content ${n}`)))
        ),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(all.filter(({ _tag }) => _tag === "Right").length, 3)
      for (const one of all) if (one._tag === "Left") assert.strictEqual(one.left._tag, "QuotaExceeded")
      yield* Effect.repeat(contentsIn(folder), {
        until: ({ length }) => length === 3 && incomingIn(folder).length === 0,
        schedule: Schedule.spaced("1 millis")
      })
    })
  )

  it.scopedLive("is checked before a body is read, and while one of unknown length arrives", () =>
    Effect.gen(function* () {
      const { baseUrl, folder } = yield* serving({
        maxFileSize: 64 * 1024 * 1024,
        userQuotaBytes: Option.some(100_000)
      })
      const { port } = new URL(baseUrl)
      const head = '--X\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
      const sent = (headers: Readonly<Record<string, string | number>>, send: boolean) =>
        Effect.async<{ readonly status: number; readonly body: string; readonly bytes: number }>((resume) => {
          let bytes = 0
          const request = httpRequest({
            port,
            method: "POST",
            path: "/api/sessions/s/files",
            headers: { "content-type": "multipart/form-data; boundary=X", ...headers }
          })
          request.on("error", () => undefined)
          request.once("response", (response) => {
            let body = ""
            response.setEncoding("utf8").on("data", (text: string) => {
              body += text
            })
            response.once("end", () => {
              request.destroy()
              resume(Effect.succeed({ status: response.statusCode ?? 0, body, bytes }))
            })
          })
          request.write(head)
          if (!send) return
          const chunk = Buffer.alloc(16 * 1024)
          const more = () => {
            if (request.destroyed || bytes > 48 * 1024 * 1024) return
            bytes += chunk.length
            if (request.write(chunk)) setImmediate(more)
            else request.once("drain", more)
          }
          more()
        })
      const announced = yield* sent({ "content-length": 8 * 1024 * 1024 }, false)
      assert.strictEqual(announced.status, 507)
      const streamed = yield* sent({ "transfer-encoding": "chunked" }, true)
      assert.strictEqual(streamed.status, 507)
      assert.include(streamed.body, "QuotaExceeded")
      assert.isBelow(streamed.bytes, 32 * 1024 * 1024)
      assert.deepStrictEqual(yield* contentsIn(folder), [])
      assert.deepStrictEqual(incomingIn(folder), [])
    })
  )
})

describe("a session that was emptied", () => {
  it.scopedLive("is ended by its owner or given away by an administrator, and can then belong to another user", () =>
    Effect.gen(function* () {
      const { ask, clientOf } = yield* serving({ accounts })
      const alice = yield* clientOf(tokenOf("alice"))
      const bob = yield* clientOf(tokenOf("bob"))
      const root = yield* clientOf(tokenOf("root"))
      for (const [sessionId, release] of [
        ["ended", alice.sessions.end({ path: { sessionId: "ended" } })],
        ["given", root.sessions.give({ path: { sessionId: "given" }, payload: { owner: "bob" } })]
      ] as const) {
        const file = yield* alice.files.upload(upload(sessionId, "a.txt", "a"))
        yield* alice.files.destroy({ path: file })
        assert.strictEqual((yield* Effect.flip(bob.files.upload(upload(sessionId, "b.txt", "b"))))._tag, "Forbidden")
        yield* release
        yield* bob.files.upload(upload(sessionId, "b.txt", "b"))
        assert.strictEqual((yield* Effect.flip(alice.files.upload(upload(sessionId, "c.txt", "c"))))._tag, "Forbidden")
      }
      const headers = { authorization: `Bearer ${tokenOf("alice")}` }
      assert.deepInclude(yield* jsonOf(yield* ask("/api/storage", { headers })), { files: 0, sessions: 0 })
    })
  )
})
