import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { rivalWriter } from "../../layers/testing.ts"
import { InternalError, MethodNotAllowed, RouteNotFound } from "../../src/service/Api.ts"
import { fileForm } from "../../src/service/Client.ts"
import { execute } from "../support/database.ts"
import { jsonOf, serving } from "../support/service.ts"

const upload = { path: { sessionId: "s1" }, payload: fileForm("a.txt", "hello", { type: "text/plain" }) }

describe("a request", () => {
  it.scopedLive("frees its place when it is answered, and when its client hangs up before the answer", () =>
    Effect.gen(function* () {
      const { baseUrl, client, file } = yield* serving({ concurrentRequests: 3 })
      for (let n = 0; n < 5; n += 1) yield* client.account.storage()
      // The first waits for the lock, and the others' answers wait behind it.
      yield* Effect.scoped(Effect.zipRight(rivalWriter(file), hungUp(Number(new URL(baseUrl).port))))
      const inTime = { times: 1, schedule: Schedule.spaced("1 second") }
      for (let n = 0; n < 3; n += 1) yield* Effect.retry(client.account.storage(), inTime)
      yield* Effect.retry(
        Effect.all([client.account.storage(), client.account.storage(), client.account.storage()], {
          concurrency: "unbounded"
        }),
        inTime
      )
    })
  )

  it.scopedLive(
    "to an unknown path is a 404, with another method a 405 that lists the methods; both are problems",
    () =>
      Effect.gen(function* () {
        const { ask } = yield* serving()
        for (const [method, path, allow] of [
          ["GET", "/nowhere"],
          ["GET", "/api/files/"],
          ["GET", "//api/files"],
          ["GET", "/API/files"],
          ["GET", "/api/files/%E0%A4%A"],
          ["POST", "/livez", "GET, HEAD, OPTIONS"],
          ["PUT", "/api/files", "GET, HEAD, OPTIONS"],
          ["DELETE", "/", "GET, HEAD, OPTIONS"],
          ["POST", "/api/files/x", "DELETE, GET, HEAD, OPTIONS, PATCH"]
        ] as const) {
          const response = yield* ask(path, { method })
          const problem = yield* jsonOf(response)
          assert.strictEqual(response.status, allow === undefined ? 404 : 405, `${method} ${path}`)
          assert.strictEqual(response.headers.get("allow"), allow ?? null)
          assert.strictEqual(response.headers.get("content-type"), "application/problem+json")
          assert.strictEqual(response.headers.get("x-content-type-options"), "nosniff")
          Schema.decodeUnknownSync(Schema.Union(RouteNotFound, MethodNotAllowed))(problem)
          assert.deepInclude(problem, {
            type: `/openapi.json#/components/schemas/${problem["_tag"]}`,
            title: allow === undefined ? "Route not found" : "Method not allowed",
            status: response.status,
            detail: problem["message"],
            instance: path
          })
        }
      })
  )

  it.scopedLive("that does not fit is told which field must be what, and what it is", () =>
    Effect.gen(function* () {
      const { ask } = yield* serving()
      const send = (method: string) => (body: unknown) => ({
        method,
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" }
      })
      const [post, put] = [send("POST"), send("PUT")]
      for (const [path, init, words] of [
        ["/api/files?limit=0", {}, '`limit` must be a number between 1 and 200, and is "0".'],
        ["/api/files?limit=many", {}, '`limit` must be a number, and is "many".'],
        ["/api/files?name=", {}, '`name` must be at least 1 character long, and is "".'],
        ["/api/sessions/s/files?deleted=maybe", {}, '`deleted` must be "true" or "false", and is "maybe".'],
        ["/api/files/f/expiry", put({}), "`expiresAt` is missing."],
        ["/api/files/f/expiry", put({ expiresAt: 5 }), "`expiresAt` must be text or null, and is 5."],
        ["/api/files/f/expiry", put([]), "The body must be a JSON object, and is []."],
        ["/api/sessions/s/texts", post({ name: "a.txt", text: "\ud800" }), "`text` is not valid Unicode."],
        [
          "/api/sessions/s/texts",
          post({ name: "a.txt", text: "", metadata: { key: "\udc00" } }),
          "`metadata` is not valid Unicode."
        ],
        [
          "/api/sessions/s/texts",
          post({ name: "a.txt", text: "", messageId: "\ud800" }),
          "`messageId` is not valid Unicode."
        ],
        [
          "/api/sessions/s/texts",
          post({ name: "a.txt", text: "", metadata: { ["__proto__"]: "x" } }),
          "No member of the body can have the name `__proto__`."
        ],
        [
          "/api/sessions/s/texts",
          post({ name: "a.txt", text: "", metadata: { ["k".repeat(129)]: "" } }),
          "`metadata` may have at most 100 keys, 128 characters in a key, and 65536 characters in all."
        ]
      ] as const) {
        const response = yield* ask(path, init)
        const problem = yield* jsonOf(response)
        assert.deepInclude(problem, { _tag: "HttpApiDecodeError", status: 400, detail: words, message: words })
      }
    })
  )

  it.scopedLive("whose body is thousands of levels deep is a 400 wherever JSON is read", () =>
    Effect.gen(function* () {
      const { ask } = yield* serving()
      for (const levels of [33, 5000, 60_000]) {
        for (const [method, path, field] of [
          ["POST", "/api/files/delete", "fileIds"],
          ["PATCH", "/api/files/f", "name"],
          ["POST", "/api/sessions/s/texts", "name"],
          ["POST", "/api/sessions/s/context", "message"]
        ] as const) {
          const body = `{"${field}":${"[".repeat(levels)}${"]".repeat(levels)}}`
          const response = yield* ask(path, { method, body, headers: { "content-type": "application/json" } })
          const problem = yield* jsonOf(response)
          assert.deepInclude(problem, { status: 400, message: "The body may be 32 levels deep at most." }, path)
        }
      }
    })
  )

  it.scopedLive("whose body is not JSON or has another form is a 400, of another type a 415, too long a 413", () =>
    Effect.gen(function* () {
      const { ask, client } = yield* serving()
      const { fileId } = yield* client.files.upload(upload)
      const rename = (body: string, contentType = "application/json") =>
        ask(`/api/files/${fileId}`, { method: "PATCH", body, headers: { "content-type": contentType } })
      for (const [body, contentType] of [
        ["{", undefined],
        ["", undefined],
        ["[]", undefined],
        ['{"name":1}', undefined],
        ["\u0000", undefined]
      ] as const) {
        const response = yield* rename(body, contentType)
        assert.strictEqual(response.status, 400, body)
        assert.strictEqual((yield* jsonOf(response))["_tag"], "HttpApiDecodeError")
      }
      for (const type of ["text/plain", "application/octet-stream", "multipart/form-data; boundary=X"]) {
        assert.strictEqual((yield* rename("name=x", type)).status, 415, type)
      }
      // The answer arrives, although only 64 KiB of the body are read.
      const long = yield* ask(`/api/files/${fileId}`, {
        method: "PATCH",
        body: JSON.stringify({ name: "x".repeat(2_000_000) }),
        headers: { "content-type": "application/json" }
      })
      assert.strictEqual(long.status, 413)
      assert.strictEqual((yield* rename('{"name":"b.txt"}')).status, 200)
    })
  )

  it.scopedLive("that ends in a defect is a 500 without its cause", () =>
    Effect.gen(function* () {
      const { ask, client, file, folder } = yield* serving({ healthCache: Duration.days(1) })
      yield* client.files.upload(upload)
      yield* execute(file, "ALTER TABLE conversation_files RENAME TO elsewhere")
      const response = yield* ask("/api/files")
      const text = JSON.stringify(yield* jsonOf(response))
      assert.strictEqual(response.status, 500)
      Schema.decodeUnknownSync(InternalError)(JSON.parse(text))
      assert.notMatch(text, new RegExp(`${folder}|SQL|table|elsewhere| at `))
      // No trace of it remains once the table is back.
      yield* execute(file, "ALTER TABLE elsewhere RENAME TO conversation_files")
      assert.strictEqual((yield* ask("/api/files")).status, 200)
    })
  )
})

/** Sends a deletion and two requests for the storage on one connection, and closes it when all was sent. */
const hungUp = (port: number) =>
  Effect.async<void>((resume) => {
    const head = "HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    const probe = connect(port, "127.0.0.1", () => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.write(`DELETE /api/sessions/s1/files ${head}${`GET /api/storage ${head}`.repeat(2)}`, () => {
          // Connections are served in turn: what is answered here was asked after those were read.
          probe.write(`GET /livez ${head}`)
          probe.once("data", () => {
            socket.destroy()
            probe.destroy()
            resume(Effect.void)
          })
        })
      })
    })
  })
