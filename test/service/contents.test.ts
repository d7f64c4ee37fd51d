import { connect } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { fileForm } from "../../src/service/Client.ts"
import { execute, openDescriptors } from "../support/database.ts"
import { jsonOf, serving } from "../support/service.ts"

const digits = "0123456789"

const stored = Effect.fnUntraced(function* (name = "a.txt", type = "text/plain", content = digits) {
  const at = yield* serving()
  const file = yield* at.client.files.upload({ path: { sessionId: "s1" }, payload: fileForm(name, content, { type }) })
  const get = (headers: Record<string, string> = {}, access = "content", method = "GET") =>
    at.ask(`/api/files/${file.fileId}/${access}`, { headers, method })
  return { ...at, stored: file, get }
})

/** Where a time without its zone is another one than in GMT. */
const inNewYork = Effect.acquireRelease(
  Effect.sync(() => {
    const { TZ } = process.env
    process.env["TZ"] = "America/New_York"
    assert.notStrictEqual(new Date(0).getHours(), 0)
    return TZ
  }),
  (zone) =>
    Effect.sync(() => {
      if (zone === undefined) delete process.env["TZ"]
      else process.env["TZ"] = zone
    })
)

const textOf = (response: Response) => Effect.promise(() => response.text())

describe("a content", () => {
  it.scopedLive("is sent in the requested part", () =>
    Effect.gen(function* () {
      const { get } = yield* stored()
      for (const [range, status, body, contentRange] of [
        ["bytes=0-3", 206, "0123", "bytes 0-3/10"],
        ["bytes=4-", 206, "456789", "bytes 4-9/10"],
        ["bytes=-3", 206, "789", "bytes 7-9/10"],
        ["bytes=-100", 206, digits, "bytes 0-9/10"],
        ["bytes=9-100", 206, "9", "bytes 9-9/10"],
        ["bytes=0-0", 206, "0", "bytes 0-0/10"],
        ["bytes=0-1,2-3", 206, "0123", "bytes 0-3/10"],
        ["bytes=0-1,5-6", 200, digits, null],
        ["bytes=x-y", 200, digits, null],
        ["lines=0-1", 200, digits, null]
      ] as const) {
        const response = yield* get({ range })
        const { headers } = response
        assert.deepStrictEqual(
          [response.status, yield* textOf(response), headers.get("content-range"), headers.get("content-length")],
          [status, body, contentRange, String(body.length)],
          range
        )
      }
      for (const range of ["bytes=10-", "bytes=5-2", "bytes=-0"]) {
        const beyond = yield* get({ range })
        assert.deepStrictEqual([beyond.status, beyond.headers.get("content-range")], [416, "bytes */10"], range)
        assert.deepInclude(yield* jsonOf(beyond), { _tag: "RangeNotSatisfiable", size: 10 })
      }
    })
  )

  it.scopedLive("has exactly the announced number of bytes, so that the next answer begins where it ends", () =>
    Effect.gen(function* () {
      const { baseUrl, stored: file } = yield* stored()
      const head = "HTTP/1.1\r\nHost: 127.0.0.1\r\n"
      const answers = yield* Effect.async<string>((resume) => {
        let text = ""
        const socket = connect(Number(new URL(baseUrl).port), "127.0.0.1", () => {
          socket.write(`GET /api/files/${file.fileId}/content ${head}Range: bytes=0-3\r\n\r\n`)
          socket.write(`GET /livez ${head}Connection: close\r\n\r\n`)
        })
        socket.on("data", (data) => {
          text += data
        })
        socket.once("end", () => resume(Effect.succeed(text)))
      })
      assert.match(answers, /^HTTP\/1\.1 206 .*\r\n\r\n0123HTTP\/1\.1 200 OK\r\n.*\r\n\r\nok\n$/s)
    })
  )

  it.scopedLive("is not sent again to a client that has it, and not in part to one that has another", () =>
    Effect.gen(function* () {
      const { folder, get, stored: file } = yield* stored()
      const etag = `"${file.sha256}"`
      const first = yield* get()
      assert.strictEqual(first.headers.get("etag"), etag)
      for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
        const response = yield* get({ "if-none-match": known })
        assert.deepStrictEqual([response.status, yield* textOf(response)], [304, ""], known)
      }
      assert.strictEqual((yield* get({ "if-none-match": '"other"' })).status, 200)
      assert.strictEqual((yield* get({ range: "bytes=0-3", "if-range": etag })).status, 206)
      assert.strictEqual((yield* get({ range: "bytes=0-3", "if-range": '"other"' })).status, 200)
      assert.strictEqual((yield* get({ range: "bytes=0-3", "if-range": "Wed, 21 Oct 2037 07:28:00 GMT" })).status, 200)
      // Within the second of its date the content may have been another one.
      const asOf = Effect.flatMap(get(), ({ headers }) =>
        get({ range: "bytes=0-3", "if-range": headers.get("last-modified") ?? "" })
      )
      assert.strictEqual((yield* asOf).status, 200)
      yield* execute(join(folder, "app.db"), "UPDATE conversation_files SET uploaded_at = '2026-01-01 00:00:00.000'")
      assert.strictEqual((yield* asOf).status, 206)
    })
  )

  it.scopedLive("is unchanged since a date only if the second of its last change was over then", () =>
    Effect.gen(function* () {
      yield* inNewYork
      const { folder, get, stored: file } = yield* stored()
      const { headers } = yield* get()
      const told = headers.get("last-modified")
      // A moment after the upload there is no such date yet.
      if (told !== null) assert.isAbove(Date.parse(told), Date.parse(file.uploadedAt ?? ""))
      for (const time of ["2026-01-01 00:00:00.800", "2026-01-01 00:00:00"]) {
        yield* execute(join(folder, "app.db"), `UPDATE conversation_files SET uploaded_at = '${time}'`)
        assert.strictEqual((yield* get()).headers.get("last-modified"), "Thu, 01 Jan 2026 00:00:01 GMT")
        for (const [second, since, unmodified] of [
          ["00", 200, 412],
          ["01", 304, 200]
        ] as const) {
          const date = `Thu, 01 Jan 2026 00:00:${second} GMT`
          assert.strictEqual((yield* get({ "if-modified-since": date })).status, since, `${time} ${second}`)
          assert.strictEqual((yield* get({ "if-unmodified-since": date })).status, unmodified, `${time} ${second}`)
          // The two older formats are in GMT too, wherever this machine is.
          for (const old of [`Thursday, 01-Jan-26 00:00:${second} GMT`, `Thu Jan  1 00:00:${second} 2026`]) {
            assert.strictEqual((yield* get({ "if-modified-since": old })).status, since, old)
            assert.strictEqual((yield* get({ "if-unmodified-since": old })).status, unmodified, old)
          }
        }
      }
      for (const date of [
        "1",
        "2100",
        "2100-01-01",
        "2100-01-01T00:00:00Z",
        "Fri, 01 Jan 2100 00:00:00",
        "Fri, 01 Jan 2100 00:00:00 +0000",
        "Fri, 30 Feb 2100 00:00:00 GMT"
      ]) {
        assert.strictEqual((yield* get({ "if-modified-since": date })).status, 200, date)
        assert.strictEqual((yield* get({ "if-unmodified-since": date })).status, 200, date)
      }
      yield* execute(join(folder, "app.db"), "UPDATE conversation_files SET uploaded_at = '2100-01-01 00:00:00'")
      assert.isNull((yield* get()).headers.get("last-modified"))
    })
  )

  it.scopedLive("is never rendered as a page, whatever it is called", () =>
    Effect.gen(function* () {
      const { ask } = yield* serving()
      for (const [type, shown, sent] of [
        ["text/plain", "inline", "text/plain; charset=utf-8"],
        ["text/html", "inline", "text/plain; charset=utf-8"],
        ["text/javascript", "inline", "text/plain; charset=utf-8"],
        ["image/png", "inline", "image/png"],
        ["application/pdf", "inline", "application/pdf"],
        ["image/svg+xml", "attachment", "image/svg+xml"],
        ["application/xhtml+xml", "attachment", "application/xhtml+xml"],
        ["application/xml", "attachment", "application/xml"],
        ["TEXT/HTML; charset=utf-7", "inline", "text/plain; charset=utf-8"],
        ["no type at all", "attachment", "application/octet-stream"]
      ] as const) {
        const body = `--X\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: ${type}\r\n\r\n<script>\r\n--X--\r\n`
        const headers = { "content-type": "multipart/form-data; boundary=X" }
        const { fileId } = yield* jsonOf(yield* ask("/api/sessions/s1/files", { method: "POST", body, headers }))
        const view = yield* ask(`/api/files/${fileId}/content`)
        const download = yield* ask(`/api/files/${fileId}/download`)
        assert.strictEqual(view.headers.get("content-type"), sent, type)
        assert.match(view.headers.get("content-disposition") ?? "", new RegExp(`^${shown};`), type)
        assert.match(download.headers.get("content-disposition") ?? "", /^attachment;/, type)
        for (const response of [view, download]) {
          assert.strictEqual(response.headers.get("x-content-type-options"), "nosniff")
          assert.match(response.headers.get("content-security-policy") ?? "", /default-src 'none'.*sandbox/)
        }
      }
    })
  )

  it.scopedLive("leaves no descriptor open: after HEAD, in part, cut off, or deleted while it is sent", () =>
    Effect.gen(function* () {
      const { baseUrl, client, folder, get, stored: file } = yield* stored("a.bin", "image/png", "x".repeat(1_000_000))
      for (let n = 0; n < 3; n += 1) {
        const head = yield* get({}, "content", "HEAD")
        assert.deepStrictEqual([head.status, head.headers.get("content-length")], [200, "1000000"])
        yield* Effect.flatMap(get({ range: "bytes=0-9" }), textOf)
        yield* Effect.promise(async () => {
          const broken = new AbortController()
          const response = await fetch(`${baseUrl}/api/files/${file.fileId}/content`, { signal: broken.signal })
          broken.abort()
          await response.body?.cancel().catch(() => undefined)
        })
      }
      const response = yield* get()
      yield* client.files.destroy({ path: file })
      assert.strictEqual((yield* textOf(response)).length, 1_000_000)
      assert.strictEqual((yield* get()).status, 404)
      // Sent and answered after all of them.
      yield* client.livez()
      assert.deepStrictEqual(openDescriptors(`${folder}/files`), [])
    })
  )
})
