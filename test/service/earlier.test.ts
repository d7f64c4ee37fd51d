/** Rows that an earlier system may have written: whatever they contain, they are listed, read and deleted. */
import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { fileForm } from "../../src/service/Client.ts"
import { execute, independently } from "../support/database.ts"
import { serving } from "../support/service.ts"

const ids = [
  "a/b c",
  "../x",
  "100%25",
  "ünï☃",
  "q?x=1#y",
  "semi;colon",
  "tab\tline\nend",
  "'quote\"",
  "-dash",
  "x".repeat(300),
  "~",
  "delete"
]

const times = [
  "2024-01-02 03:04:05",
  "2024-01-02T03:04:05.123456+02:00",
  "02/01/2024",
  "yesterday",
  "",
  1_704_164_645,
  1_704_164_645_123,
  "1704164646",
  12.5,
  null,
  "~",
  "2024-01-02"
]

const types = [
  "text/html",
  "TEXT/Plain; charset=latin1",
  "no type",
  "",
  null,
  "image/png\r\nX-Evil: 1",
  "image/svg+xml",
  "a/b/c",
  "application/x-é",
  "text/",
  "IMAGE/PNG",
  "*/*"
]

describe("a file of an earlier system", () => {
  it.scopedLive(
    "is listed page by page, read, renamed and deleted, whatever its id, session, time, type and name",
    () =>
      Effect.gen(function* () {
        const { ask, client, file } = yield* serving()
        const content = "hello"
        // The content is ours, and the rows are another system's.
        yield* client.files.upload({ path: { sessionId: "s1" }, payload: fileForm("a.txt", content) })
        const session = 'a session/of "theirs" ☃'
        yield* independently(file, (connection) => {
          const insert = connection.prepare(`INSERT INTO conversation_files
          (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash, mime_type, uploaded_at)
          VALUES (?, ?, ?, ?, 'x', 5, ?, ?, ?)`)
          const hash = createHash("sha256").update(content).digest("hex")
          ids.forEach((id, n) => {
            insert.run(id, session, `na\nme/${n}\u0001.txt`, `stored ${n}`, hash, types[n], times[n])
          })
        })
        for (const name of [undefined, "na"]) {
          const seen: Array<string> = []
          let after: string | undefined
          do {
            const page = yield* client.files.list({
              path: { sessionId: session },
              urlParams: { limit: 1, deleted: false, after, name }
            })
            seen.push(...page.files.map(({ fileId }) => fileId))
            after = page.next ?? undefined
          } while (after !== undefined && seen.length < 100)
          assert.sameMembers(seen, ids)
        }
        for (const [n, fileId] of ids.entries()) {
          const path = { fileId }
          assert.strictEqual((yield* client.files.details({ path })).fileId, fileId)
          for (const access of ["content", "download"]) {
            const response = yield* ask(`/api/files/${encodeURIComponent(fileId)}/${access}`)
            assert.strictEqual(response.status, 200, fileId)
            assert.match(
              response.headers.get("content-type") ?? "",
              /^[\w.+-]+\/[\w.+-]+(; [ -~]+)?$/,
              String(types[n])
            )
            assert.isNull(response.headers.get("x-evil"))
            assert.strictEqual(yield* Effect.promise(() => response.text()), content)
          }
          assert.strictEqual((yield* client.files.rename({ path, payload: { name: `${n}.txt` } })).name, `${n}.txt`)
          assert.isNotNull((yield* client.files.delete({ path })).deletedAt)
          yield* client.files.restore({ path })
          yield* client.files.destroy({ path })
        }
        assert.strictEqual((yield* client.sessions.get({ path: { sessionId: session } })).sessionId, session)
      })
  )

  it.scopedLive("works next to new sessions, whose names may have 128 characters", () =>
    Effect.gen(function* () {
      const { client } = yield* serving()
      const sessionId = `s${"x".repeat(127)}`
      const { fileId } = yield* client.files.upload({ path: { sessionId }, payload: fileForm("a.txt", "x") })
      const page = yield* client.files.list({ path: { sessionId }, urlParams: { limit: 50, deleted: false } })
      assert.deepStrictEqual(
        page.files.map((file) => file.fileId),
        [fileId]
      )
      assert.strictEqual((yield* client.sessions.end({ path: { sessionId } })).sessionId, sessionId)
    })
  )
})

describe("a content", () => {
  it.scopedLive("is recorded as read if it was sent: not for HEAD, not if unchanged, not beyond its end", () =>
    Effect.gen(function* () {
      const { ask, client, file } = yield* serving()
      const { fileId, sha256 } = yield* client.files.upload({
        path: { sessionId: "s1" },
        payload: fileForm("a.txt", "hello")
      })
      const content = `/api/files/${fileId}/content`
      yield* execute(file, "UPDATE conversation_files SET uploaded_at = '2026-01-01 00:00:00'")
      const whole = yield* ask(content)
      const changed = whole.headers.get("last-modified") ?? ""
      assert.strictEqual(new Date(changed).toUTCString(), changed)
      for (const [method, headers, status] of [
        ["HEAD", {}, 200],
        ["HEAD", { range: "bytes=1-2" }, 200],
        ["GET", { "if-none-match": `"${sha256}"` }, 304],
        ["GET", { "if-modified-since": changed }, 304],
        ["GET", { range: "bytes=9-" }, 416],
        ["GET", { "if-match": '"other"' }, 412],
        ["GET", { "if-unmodified-since": new Date(0).toUTCString() }, 412],
        ["GET", { range: "bytes=1-2", "if-range": `"${sha256}"` }, 206]
      ] as const) {
        const response = yield* ask(content, { method, headers })
        assert.strictEqual(response.status, status, `${method} ${JSON.stringify(headers)}`)
      }
      const trail = Effect.delay(
        client.sessions.audit({ path: { sessionId: "s1" }, urlParams: { limit: 50, after: 0 } }),
        "50 millis"
      )
      const read = ({ events }: Effect.Effect.Success<typeof trail>) =>
        events.filter(({ action, outcome }) => action === "view" && outcome === "done")
      const seen = yield* Effect.repeat(trail, { until: (page) => read(page).length >= 2 })
      assert.deepStrictEqual(
        read(seen).map(({ details }) => details),
        ["{}", '{"range":"bytes=1-2"}']
      )
    })
  )

  it.scopedLive("changes only for clients that saw the current one: by the tag of content or details, or by date", () =>
    Effect.gen(function* () {
      const { ask, client } = yield* serving()
      const { fileId, sha256 } = yield* client.files.upload({
        path: { sessionId: "s1" },
        payload: fileForm("a.txt", "hello")
      })
      const path = `/api/files/${fileId}`
      const tag = () => Effect.map(ask(path), ({ headers }) => headers.get("etag") ?? "")
      const first = yield* tag()
      const changing = (headers: Record<string, string>, name = "b.txt") =>
        Effect.map(
          ask(path, {
            method: "PATCH",
            body: JSON.stringify({ name }),
            headers: { "content-type": "application/json", ...headers }
          }),
          ({ status }) => status
        )
      assert.strictEqual(yield* changing({ "if-match": '"other"' }), 412)
      assert.strictEqual(yield* changing({ "if-match": `W/${first}` }), 412)
      assert.strictEqual(yield* changing({ "if-unmodified-since": new Date(0).toUTCString() }), 412)
      assert.strictEqual(yield* changing({ "if-none-match": "*" }), 412)
      assert.strictEqual(yield* changing({ "if-none-match": `"x", W/${first}` }), 412)
      assert.strictEqual(yield* changing({ "if-match": first, "if-none-match": '"x"' }), 200)
      // Somebody has changed it since.
      assert.strictEqual(yield* changing({ "if-match": first }), 412)
      assert.strictEqual(yield* changing({ "if-match": yield* tag() }, "c.txt"), 200)
      assert.strictEqual(yield* changing({ "if-match": `"${sha256}"` }, "d.txt"), 200)
      assert.strictEqual((yield* ask(path, { method: "DELETE", headers: { "if-match": first } })).status, 412)
      assert.strictEqual((yield* ask(path, { headers: { "if-none-match": yield* tag() } })).status, 304)
      assert.strictEqual((yield* ask(path, { method: "DELETE", headers: { "if-match": yield* tag() } })).status, 200)
    })
  )
})
