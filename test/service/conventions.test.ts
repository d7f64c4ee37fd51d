/** The conventions of HTTP, for every endpoint of the API, and for requests that match none. */
import { connect } from "node:net"
import { brotliDecompressSync, gunzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Api, fileForm } from "../../src/service/Client.ts"
import { description } from "../../src/service/Description.ts"
import { accounts, serving, tokenOf } from "../support/service.ts"

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** Whether the connection ended, or stays open for another request. */
  readonly hasEnded: boolean
}

const headEnd = Buffer.from("\r\n\r\n")

/** The answer in some bytes, if it is complete. */
const answerIn = (bytes: Buffer, method: string, hasEnded: boolean): Answer | undefined => {
  const end = bytes.indexOf(headEnd)
  if (end === -1) return undefined
  const [statusLine = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n")
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()])
  )
  const status = Number(statusLine.split(" ")[1])
  if (status === 100) return answerIn(bytes.subarray(end + 4), method, hasEnded)
  const body = bytes.subarray(end + 4)
  const hasNoBody = method === "HEAD" || status === 204 || status === 304
  const length = hasNoBody ? 0 : headers["content-length"]
  const isWhole =
    length === undefined ? hasEnded || /(^|\r\n)0\r\n\r\n/.test(body.toString("latin1")) : body.length >= Number(length)
  return isWhole ? { status, headers, body, hasEnded } : undefined
}

/** Sends raw bytes, and waits for the end of the answer or of the connection. */
const say = (port: number, method: string, bytes: string | Buffer, waits: "answer" | "end" = "answer") =>
  Effect.async<Answer>((resume) => {
    let received = Buffer.alloc(0)
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes))
    const look = (hasEnded: boolean) => {
      const answer = answerIn(received, method, hasEnded)
      if (answer === undefined && !hasEnded) return
      if (waits === "end" && !hasEnded) return
      socket.destroy()
      resume(
        answer === undefined ? Effect.dieMessage(`no answer: ${received.toString("latin1")}`) : Effect.succeed(answer)
      )
    }
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk])
      look(false)
    })
    socket.on("error", () => undefined)
    socket.on("close", () => look(true))
    return Effect.sync(() => socket.destroy())
  })

const requestOf = (method: string, path: string, headers: Readonly<Record<string, string>> = {}, body = "") =>
  [
    `${method} ${path} HTTP/1.1`,
    ...Object.entries({ host: "127.0.0.1", ...headers }).map(([name, value]) => `${name}: ${value}`),
    ...(body === "" ? [] : [`content-length: ${Buffer.byteLength(body)}`]),
    "",
    body
  ].join("\r\n")

const open = Effect.gen(function* () {
  const at = yield* serving({ accounts, maxFileSize: 100_000 })
  const port = Number(new URL(at.baseUrl).port)
  const alice = { authorization: `Bearer ${tokenOf("alice")}` }
  const { files } = yield* at.clientOf(tokenOf("alice"))
  return {
    ...at,
    port,
    alice,
    files,
    raw: (method: string, path: string, headers: Readonly<Record<string, string>> = {}, body = "") =>
      say(port, method, requestOf(method, path, headers, body))
  }
})

const problemIn = ({ body }: Answer): Readonly<Record<string, unknown>> => Object(JSON.parse(body.toString("utf8")))

/** What every answer must be, for any request. */
const assertConventional = (answer: Answer, method: string, about: string) => {
  const { body, headers, status } = answer
  assert.strictEqual(headers["x-content-type-options"], "nosniff", about)
  assert.isDefined(headers["cache-control"], about)
  if (method === "HEAD" || status === 204 || status === 304) assert.strictEqual(body.length, 0, about)
  if (status < 400 || /health\+json/.test(headers["content-type"] ?? "")) return
  assert.strictEqual(headers["content-type"], "application/problem+json", about)
  assert.strictEqual(headers["cache-control"], "no-store", about)
  if (status === 401) assert.match(headers["www-authenticate"] ?? "", /^Bearer realm=/, about)
  if (status === 405) assert.match(headers["allow"] ?? "", /^[A-Z]+(, [A-Z]+)*$/, about)
  if (status === 503 || status === 429) assert.match(headers["retry-after"] ?? "", /^\d+$/, about)
  if (method === "HEAD") return
  const problem = problemIn(answer)
  assert.deepInclude(problem, { status, detail: problem["message"] }, about)
  assert.match(String(problem["type"]), new RegExp(`/${problem["_tag"]}$`), about)
  assert.match(String(problem["title"]), /^(?!Http )[A-Z][a-z]+( [a-z]+)*$/, about)
}

const described: Readonly<Record<string, unknown>> = description.paths
const schemas: Readonly<Record<string, unknown>> = description.components.schemas

/** The answer has a status, headers and members that the API's description knows for this endpoint. */
const assertDescribed = (answer: Answer, method: string, path: string) => {
  const operations = Object(described[path.replace(/:(\w+)/g, "{$1}")])
  const response = Object(Object(operations[method.toLowerCase()]).responses)[answer.status]
  const about = `${method} ${path} ${answer.status}`
  assert.isDefined(response, about)
  for (const name of ["allow", "content-range", "etag", "last-modified", "link", "location", "retry-after"]) {
    if (answer.headers[name] === undefined) continue
    const known = Object.keys(response.headers).map((one) => one.toLowerCase())
    assert.include(known, name, about)
  }
  const type = answer.headers["content-type"] ?? ""
  if (answer.body.length === 0 || type === "") return
  const [essence = ""] = type.split(";")
  assert.isTrue(
    ["*/*", essence].some((one) => Object.hasOwn(Object(response.content), one)),
    `${about} ${type}`
  )
  if (!/json/.test(type)) return
  const { $ref, ...own } = Object(Object(response.content)[type]).schema
  const schema = $ref === undefined ? own : Object(schemas[String($ref).replace("#/components/schemas/", "")])
  if (schema.type !== "object") return assert.isDefined(schema.anyOf, about)
  assert.containsAllKeys(problemIn(answer), schema.required, about)
}

const endpoints = Object.values(Api.groups).flatMap(({ endpoints }) =>
  Object.values(endpoints).map(({ method, path }) => ({ method: `${method}`, path: `${path}` }))
)

const methods = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "BREW", "TRACE"]

describe("every path of the API", () => {
  it.scopedLive("follows the conventions with every method, for its user, for nobody, and with nonsense in it", () =>
    Effect.gen(function* () {
      const { alice, files, raw } = yield* open
      const { fileId } = yield* files.upload({ path: { sessionId: "s1" }, payload: fileForm("a.txt", "hello") })
      const paths = [...new Set(endpoints.map(({ path }) => path))].filter((path) => !path.endsWith("/events"))
      for (const path of paths) {
        const allowed = endpoints.filter((endpoint) => endpoint.path === path).map(({ method }) => method)
        for (const id of [fileId, `%E2%98%83%2F%20${"x".repeat(120)}`]) {
          const target = path
            .replace(":fileId", id)
            .replace(":sessionId", id === fileId ? "s1" : id)
            .replace(/:(name|answerId)/, "some")
          for (const method of methods) {
            // Changes are tried on what does not exist.
            if (id === fileId && ["POST", "PUT", "PATCH", "DELETE"].includes(method)) continue
            for (const headers of allowed.includes(method) ? [alice, {}] : [alice]) {
              const about = `${method} ${target} ${JSON.stringify(headers)}`
              const answer = yield* raw(method, target, headers)
              assertConventional(answer, method, about)
              if (allowed.includes(method)) assertDescribed(answer, method, path)
              assert.isBelow(answer.status, method === "BREW" ? 502 : 500, about)
              if (path.startsWith("/api/") && allowed.includes(method)) {
                assert.match(answer.headers["vary"] ?? "", /Authorization/, about)
                assert.match(answer.headers["cache-control"] ?? "", /private|no-store/, about)
                if (headers === alice) assert.notStrictEqual(answer.status, 401, about)
              }
              if (method === "OPTIONS") {
                assert.strictEqual(answer.status, 204, about)
                for (const one of allowed) assert.include(answer.headers["allow"], one, about)
              }
            }
          }
          if (!allowed.includes("GET")) continue
          const [whole, head] = [yield* raw("GET", target, alice), yield* raw("HEAD", target, alice)]
          // Headers that change from one moment to the next must be there too.
          const { "content-length": _, date: __, etag: ___, ...expected } = whole.headers
          assert.include(head.headers, expected, `HEAD ${target}`)
          assert.strictEqual(head.status, whole.status)
          assert.sameMembers(Object.keys(head.headers), Object.keys(whole.headers), `HEAD ${target}`)
        }
      }
    })
  )

  it.scopedLive("has one spelling: equivalent ones are redirected, and others are not found", () =>
    Effect.gen(function* () {
      const { alice, files, raw } = yield* open
      const { fileId } = yield* files.upload({ path: { sessionId: "s1" }, payload: fileForm("a.txt", "hello") })
      for (const [path, location] of [
        ["/api/%66iles?name=a", "/api/files?name=a"],
        [`/api/files/${fileId.replace("-", "%2d")}/content`, `/api/files/${fileId}/content`],
        ["/api/sessions/%c3%a9/files", "/api/sessions/%C3%A9/files"],
        ["/live%7a", "/livez"]
      ] as const) {
        const answer = yield* raw("GET", path, alice)
        assert.deepStrictEqual([answer.status, answer.headers["location"]], [308, location], path)
        if (path.endsWith("/content")) assertDescribed(answer, "GET", "/api/files/:fileId/content")
      }
      for (const path of [
        "/api/files/",
        "//api/files",
        "/api//files",
        "/API/files",
        "/Livez",
        "/livez/",
        "//livez",
        "/livez;x=1",
        "/livez%2F",
        `/api/files/${fileId}/`,
        `/api/files//${fileId}`,
        `/api/./files/${fileId}`,
        `/api/sessions/../files`,
        "/api/files/..",
        "/api/files/%E0%A4%A"
      ]) {
        assert.strictEqual((yield* raw("GET", path, alice)).status, 404, path)
      }
      for (const target of ["/livez#x", "livez", "/li\u00e9", "*"]) {
        const answer = yield* raw("GET", target)
        assert.strictEqual(answer.status, 400, target)
        assertConventional(answer, "GET", target)
      }
      const absolute = yield* raw("GET", "http://127.0.0.1/livez")
      assert.strictEqual(absolute.status, 200)
      assert.include((yield* raw("OPTIONS", "*")).headers["allow"], "PATCH")
    })
  )
})

describe("an answer with a tag", () => {
  it.scopedLive("is refused with 412 to a request for another one, wherever it is read", () =>
    Effect.gen(function* () {
      const { alice, files, raw } = yield* open
      const { fileId } = yield* files.upload({ path: { sessionId: "s1" }, payload: fileForm("a.txt", "hello") })
      for (const [path, endpoint] of [
        [`/api/files/${fileId}`, "/api/files/:fileId"],
        [`/api/files/${fileId}/content`, "/api/files/:fileId/content"],
        ["/api/sessions/s1/files", "/api/sessions/:sessionId/files"],
        ["/api/me", "/api/me"]
      ] as const) {
        const { headers } = yield* raw("GET", path, alice)
        for (const [match, status] of [
          [headers["etag"] ?? "", 200],
          ["*", 200],
          [`W/${headers["etag"]}`, 412],
          ['"other"', 412]
        ] as const) {
          const about = `${path} ${match}`
          for (const method of ["GET", "HEAD"]) {
            const answer = yield* raw(method, path, { ...alice, "if-match": match })
            assert.strictEqual(answer.status, status, about)
            assertConventional(answer, method, about)
            if (method === "GET") assertDescribed(answer, method, endpoint)
          }
        }
      }
    })
  )

  it.scopedLive("that creates a file has the tag of the details at its location", () =>
    Effect.gen(function* () {
      const { alice, raw } = yield* open
      const json = { ...alice, "content-type": "application/json" }
      const created = yield* raw("POST", "/api/sessions/s1/texts", json, JSON.stringify({ name: "a.txt", text: "x" }))
      const copied = yield* raw(
        "POST",
        `${created.headers["location"]}/copy`,
        json,
        JSON.stringify({ sessionId: "s2" })
      )
      const form = '--X\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--X--\r\n'
      const type = { ...alice, "content-type": "multipart/form-data; boundary=X" }
      const uploaded = yield* raw("POST", "/api/sessions/s1/files", type, form)
      for (const { headers, status } of [created, copied, uploaded]) {
        const { etag = "", location = "" } = headers
        assert.strictEqual(status, 201)
        assert.strictEqual((yield* raw("GET", location, { ...alice, "if-none-match": etag })).status, 304)
        // It names the content too, for whoever replaces that next.
        const replace = { ...alice, "content-type": "text/plain", "if-match": etag }
        assert.strictEqual((yield* raw("PUT", `${location}/content`, replace, "y")).status, 200)
        assert.strictEqual((yield* raw("PUT", `${location}/content`, replace, "z")).status, 412)
        assert.strictEqual(
          (yield* raw("POST", `${location}/copy`, { ...json, "if-match": etag }, '{"sessionId":"s3"}')).status,
          412
        )
      }
    })
  )
})

describe("a token", () => {
  it.scopedLive("is asked for with the scheme Bearer, and accepted with no other", () =>
    Effect.gen(function* () {
      const { raw } = yield* open
      const token = tokenOf("alice")
      const challenge = 'Bearer realm="conversation-files"'
      for (const [authorization, expected] of [
        [undefined, challenge],
        [`Basic ${token}`, challenge],
        [`Basic  ${token}`, challenge],
        [`Xearer ${token}`, challenge],
        [token, challenge],
        ["Bearer", challenge],
        [`Bearer ${token}x`, `${challenge}, error="invalid_token"`],
        [`Bearer ${token}`, undefined],
        [`bEARER   ${token}`, undefined]
      ] as const) {
        const headers = authorization === undefined ? {} : { authorization }
        const answer = yield* raw("GET", "/api/files", headers)
        assert.strictEqual(answer.status, expected === undefined ? 200 : 401, authorization)
        assert.strictEqual(answer.headers["www-authenticate"], expected, authorization)
      }
      // Without the scheme a token does not show the inside of the service.
      const health = yield* raw("GET", "/api/health", { authorization: tokenOf("root") })
      assert.notInclude(health.body.toString("utf8"), '"found"')
    })
  )
})

describe("a list", () => {
  it.scopedLive(
    "links to its next page with the same filters, has a tag, and is compressed for clients that accept it",
    () =>
      Effect.gen(function* () {
        const { alice, files, raw } = yield* open
        for (let n = 0; n < 12; n += 1) {
          yield* files.upload({ path: { sessionId: "s1" }, payload: fileForm(`name ${n}.txt`, String(n)) })
        }
        let target: string | undefined = "/api/sessions/s1/files?name=name%20&limit=5"
        const sizes: Array<number> = []
        while (target !== undefined) {
          const page: Answer = yield* raw("GET", target, alice)
          sizes.push(Object(problemIn(page))["files"].length)
          const link: string | undefined = page.headers["link"]
          assert.match(
            link ?? "",
            /^$|^<\/api\/sessions\/s1\/files\?name=name(\+|%20)&limit=5&after=[^>]+>; rel="next"$/
          )
          target = link === undefined ? undefined : /^<([^>]+)>/.exec(link)?.[1]
        }
        assert.deepStrictEqual(sizes, [5, 5, 2])

        const plain = yield* raw("GET", "/api/files", alice)
        assert.isUndefined(plain.headers["content-encoding"])
        for (const [accepts, coding, decode] of [
          ["gzip", "gzip", gunzipSync],
          ["gzip, deflate, br", "br", brotliDecompressSync],
          ["br;q=0.1, gzip", "gzip", gunzipSync],
          ["*", "br", brotliDecompressSync]
        ] as const) {
          const answer = yield* raw("GET", "/api/files", { ...alice, "accept-encoding": accepts })
          assert.strictEqual(answer.headers["content-encoding"], coding, accepts)
          assert.strictEqual(answer.headers["vary"], "Authorization, Accept-Encoding")
          assert.strictEqual(decode(answer.body).toString("utf8"), plain.body.toString("utf8"))
          assert.notStrictEqual(answer.headers["etag"], plain.headers["etag"])
          const etag = answer.headers["etag"] ?? ""
          const same = yield* raw("GET", "/api/files", { ...alice, "accept-encoding": accepts, "if-none-match": etag })
          assert.deepStrictEqual([same.status, same.headers["etag"]], [304, etag])
        }
        for (const accepts of ["identity", "gzip;q=0", "", "deflate"]) {
          const answer = yield* raw("GET", "/api/files", { ...alice, "accept-encoding": accepts })
          assert.isUndefined(answer.headers["content-encoding"], accepts)
          assert.strictEqual(answer.headers["vary"], "Authorization, Accept-Encoding")
        }
      })
  )
})

describe("a body", () => {
  it.scopedLive("that is meant for a part of a content does not replace the whole", () =>
    Effect.gen(function* () {
      const { alice, files, raw } = yield* open
      const { fileId } = yield* files.upload({ path: { sessionId: "s1" }, payload: fileForm("a.txt", "hello") })
      const headers = { ...alice, "content-type": "text/plain", "if-match": "*", "content-range": "bytes 0-0/5" }
      const answer = yield* raw("PUT", `/api/files/${fileId}/content`, headers, "J")
      assert.strictEqual(answer.status, 400)
      assertConventional(answer, "PUT", "Content-Range")
      assert.strictEqual((yield* raw("GET", `/api/files/${fileId}/content`, alice)).body.toString(), "hello")
    })
  )

  it.scopedLive("of another type is a 415, one that is too long a 413, and the connection ends after the answer", () =>
    Effect.gen(function* () {
      const { alice, files, port, raw } = yield* open
      const { fileId } = yield* files.upload({ path: { sessionId: "s1" }, payload: fileForm("a.txt", "hello") })
      const target = `/api/files/${fileId}`
      for (const [type, body, status, tag] of [
        ["text/plain", "name=x", 415, "UnsupportedMediaType"],
        ["application/x-www-form-urlencoded", "name=x", 415, "UnsupportedMediaType"],
        ["application/json; charset=utf-16", '{"name":"x"}', 415, "UnsupportedMediaType"],
        ["application/json", "{", 400, "HttpApiDecodeError"],
        ["application/json", '{"name":1}', 400, "HttpApiDecodeError"],
        ["application/json", `{"name":"${"x".repeat(140_000)}"}`, 413, "BodyTooLarge"],
        ["Application/JSON; charset=UTF-8", '{"name":"b.txt"}', 200, undefined]
      ] as const) {
        const answer = yield* raw("PATCH", target, { ...alice, "content-type": type }, body)
        assert.strictEqual(answer.status, status, `${type} ${body.slice(0, 20)}`)
        assert.strictEqual(problemIn(answer)["_tag"], tag)
        if (status === 415) assert.strictEqual(answer.headers["accept"], "application/json")
      }
      const coded = yield* raw("PATCH", target, { ...alice, "content-encoding": "gzip" }, "xx")
      assert.strictEqual(coded.status, 415)
      const noForm = yield* raw("POST", "/api/sessions/s1/files", { ...alice, "content-type": "text/plain" }, "xx")
      assert.deepStrictEqual([noForm.status, noForm.headers["accept"]], [415, "multipart/form-data"])

      const chunk = `${(10_000).toString(16)}\r\n${"x".repeat(10_000)}\r\n`
      const chunked = { ...alice, "content-type": "application/json", "transfer-encoding": "chunked" }
      const long = yield* say(
        port,
        "PATCH",
        `${requestOf("PATCH", target, chunked)}${chunk.repeat(20)}0\r\n\r\n`,
        "end"
      )
      assert.deepStrictEqual([long.status, problemIn(long)["_tag"]], [413, "BodyTooLarge"])
      const form = { ...alice, "content-type": "multipart/form-data; boundary=X", "content-length": "9000000" }
      // Nothing of it is sent.
      const announced = yield* say(port, "POST", requestOf("POST", "/api/sessions/s1/files", form))
      assert.deepStrictEqual([announced.status, announced.headers["connection"]], [413, "close"])
      // No disk has room for it: that is not why it is refused.
      const endless = { ...alice, "content-length": "99999999999999" }
      for (const [method, path, headers] of [
        ["POST", "/api/sessions/s1/files", { "content-type": "multipart/form-data; boundary=X" }],
        ["POST", "/api/sessions/s1/texts", { "content-type": "application/json" }],
        ["PUT", `${target}/content`, { "content-type": "text/plain", "if-match": "*" }],
        ["PATCH", target, { "content-type": "application/json" }]
      ] as const) {
        const refused = yield* say(port, method, requestOf(method, path, { ...endless, ...headers }))
        assert.strictEqual(refused.status, 413, `${method} ${path}`)
      }
      // More than the limit is sent.
      const sent = yield* say(
        port,
        "POST",
        `${requestOf("POST", "/api/sessions/s1/files", form)}${"x".repeat(9_000_000)}${requestOf("GET", "/livez")}`,
        "end"
      )
      assert.deepStrictEqual([sent.status, problemIn(sent)["_tag"]], [413, "FileTooLarge"])
    })
  )

  it.scopedLive("that waits for 100 Continue is sent only when somebody reads it", () =>
    Effect.gen(function* () {
      const { alice, port } = yield* open
      const form = '--X\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--X--\r\n'
      const expecting = (headers: Readonly<Record<string, string>>) =>
        requestOf("POST", "/api/sessions/s1/files", {
          "content-type": "multipart/form-data; boundary=X",
          "content-length": String(form.length),
          expect: "100-continue",
          ...headers
        })
      const refused = yield* say(port, "POST", expecting({}), "end")
      assert.deepStrictEqual([refused.status, refused.headers["connection"]], [401, "close"])
      const large = yield* say(port, "POST", expecting({ ...alice, "content-length": "9000000" }), "end")
      assert.strictEqual(large.status, 413)
      const answers = yield* Effect.async<string>((resume) => {
        let text = ""
        const socket = connect(port, "127.0.0.1", () => socket.write(expecting(alice)))
        socket.setEncoding("utf8").on("data", (part: string) => {
          text += part
          if (text === "HTTP/1.1 100 Continue\r\n\r\n") socket.write(form)
          if (text.includes("201 Created")) {
            socket.destroy()
            resume(Effect.succeed(text))
          }
        })
      })
      assert.match(answers, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 Created/)
      const other = yield* say(port, "GET", requestOf("GET", "/livez", { expect: "everything" }))
      assert.strictEqual(other.status, 417)
      assert.strictEqual(other.headers["content-type"], "application/problem+json")
    })
  )
})

describe("bytes that are not a request", () => {
  it.scopedLive("are answered with problems too, according to what is wrong", () =>
    Effect.gen(function* () {
      const { port } = yield* open
      for (const [bytes, status, tag] of [
        ["nonsense\r\n\r\n", 400, "MalformedRequest"],
        ["GET /livez HTTP/1.1\r\nno colon\r\n\r\n", 400, "MalformedRequest"],
        ["GET /livez HTTP/1.1\r\n\r\n", 400, "MalformedRequest"],
        ["GET /livez HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400, "MalformedRequest"],
        ["BREW /livez HTTP/1.1\r\nhost: a\r\n\r\n", 501, "MethodNotImplemented"],
        [`GET /livez HTTP/1.1\r\nhost: a\r\nx: ${"x".repeat(20_000)}\r\n\r\n`, 431, "HeadersTooLarge"],
        [`GET /${"x".repeat(20_000)} HTTP/1.1\r\nhost: a\r\n\r\n`, 414, "TargetTooLong"],
        ["GET /livez HTTP/1.1\r\nhost: a b@c\r\n\r\n", 400, "MalformedRequest"],
        ["GET /livez HTTP/1.1\r\nhost: a/b\r\n\r\n", 400, "MalformedRequest"],
        ["GET /livez HTTP/1.1\r\nhost: a:80x\r\n\r\n", 400, "MalformedRequest"],
        ["GET http://user:word@a/livez HTTP/1.1\r\nhost: a\r\n\r\n", 400, "MalformedRequest"],
        ["CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", 405, "MethodNotAllowed"],
        [
          "POST /api/files/delete HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n",
          400,
          "MalformedRequest"
        ]
      ] as const) {
        const answer = yield* say(port, "GET", bytes)
        assert.deepStrictEqual([answer.status, problemIn(answer)["_tag"]], [status, tag], bytes.slice(0, 60))
        assertConventional(answer, "GET", bytes.slice(0, 60))
      }
      for (const host of ["", "a", "a_b.example:8080", "127.0.0.1", "[::1]:80", "%C3%A9.example:"]) {
        assert.strictEqual((yield* say(port, "GET", requestOf("GET", "/livez", { host }))).status, 200, host)
      }
      // A client that offers another protocol is answered in HTTP/1.1, and with its body.
      const upgrade = { connection: "upgrade", upgrade: "h2c" }
      assert.strictEqual((yield* say(port, "GET", requestOf("GET", "/livez", upgrade))).status, 200)
      assert.strictEqual((yield* say(port, "POST", requestOf("POST", "/livez", upgrade, "xx"))).status, 405)
      const old = yield* say(port, "GET", "GET /livez HTTP/1.0\r\n\r\n", "end")
      assert.strictEqual(old.status, 200)
    })
  )
})
