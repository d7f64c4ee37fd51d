import { once } from "node:events"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { FileTooLarge, InvalidFileName, InvalidUpload, UnsupportedMediaType } from "../../src/service/Api.ts"
import { fileForm } from "../../src/service/Client.ts"
import { beginUpload, connected, preface, whenEntries } from "../support/connection.ts"
import { rowsOf } from "../support/database.ts"
import { contentsIn, incomingIn, jsonOf, serving } from "../support/service.ts"

const limit = 100_000

/** A multipart body, part by part, as raw bytes that may be malformed. */
const part = (headers: string, content: string) => `--X\r\n${headers}\r\n\r\n${content}\r\n`
const filePart = (name = "a.txt", content = "hello", key = "file") =>
  part(`Content-Disposition: form-data; name="${key}"; filename="${name}"\r\nContent-Type: text/plain`, content)
const field = (key: string, value: string) => part(`Content-Disposition: form-data; name="${key}"`, value)
const end = "--X--\r\n"

const service = Effect.gen(function* () {
  const { baseUrl, ...rest } = yield* serving({ maxFileSize: limit })
  const post = (body: string, contentType?: string) =>
    rest.ask("/api/sessions/s1/files", {
      method: "POST",
      body,
      headers: { "content-type": contentType ?? "multipart/form-data; boundary=X" }
    })
  return { ...rest, port: Number(new URL(baseUrl).port), post }
})

/** Nothing is stored, and nothing is left of what arrived. */
const nothingStored = Effect.fnUntraced(function* ({ file, folder }: { file: string; folder: string }) {
  assert.deepStrictEqual(yield* rowsOf(file, "SELECT * FROM conversation_files"), [])
  assert.deepStrictEqual([yield* contentsIn(folder), incomingIn(folder)], [[], []])
})

describe("an upload", () => {
  it.scopedLive("accepts the fields before the file and after it, and ignores others", () =>
    Effect.gen(function* () {
      const { post } = yield* service
      for (const body of [
        [field("message_id", "m1"), field("metadata", '{"a":"b"}'), filePart()],
        [filePart(), field("metadata", '{"a":"b"}'), field("message_id", "m1"), field("other", "ignored")]
      ]) {
        const response = yield* post([...body, end].join(""))
        assert.strictEqual(response.status, 201)
        const { messageId, metadata, name, size } = yield* jsonOf(response)
        assert.deepStrictEqual([messageId, metadata, name, size], ["m1", { a: "b" }, "a.txt", 5])
      }
    })
  )

  it.scopedLive(
    "that is not one file with its fields is a 400 that says why, of another type a 415, and leaves nothing",
    () =>
      Effect.gen(function* () {
        const at = yield* service
        const cases: ReadonlyArray<readonly [what: string, body: string, message: RegExp, contentType?: string]> = [
          ["no part", end, /missing/],
          ["no file", field("message_id", "m1") + end, /missing/],
          ["the file under another name", filePart("a.txt", "x", "document") + end, /one part `file`/],
          ["two files", filePart() + filePart("b.txt") + end, /one part `file`/],
          ["another file after it", filePart() + filePart("b.txt", "x", "more") + end, /one part `file`/],
          ["no end", filePart(), /Unexpected end/],
          ["an end in the middle of the file", filePart().slice(0, -4), /Unexpected end/],
          ["an end in the middle of its headers", filePart().slice(0, 30), /Unexpected end/],
          ["nothing", "", /Unexpected end|missing/],
          ["another boundary", filePart().replaceAll("--X", "--Y") + end.replace("X", "Y"), /Unexpected end|missing/],
          ["a huge field", field("metadata", "x".repeat(70_000)) + filePart() + end, /65536 bytes at most/],
          ["too many parts", field("a", "b").repeat(20) + filePart() + end, /8 parts at most/],
          ["metadata that is not JSON", field("metadata", "{") + filePart() + end, /not a JSON object/],
          [
            "metadata that would be lost",
            field("metadata", '{"__proto__":"x"}') + filePart() + end,
            /can be `__proto__`/
          ],
          ["metadata without bytes", field("metadata", '{"a":"\\ud800"}') + filePart() + end, /is not valid Unicode/],
          ["metadata of numbers", field("metadata", '{"a":1}') + filePart() + end, /not a JSON object/],
          ["no boundary", filePart() + end, /no boundary/, "multipart/form-data"]
        ]
        for (const [what, body, message, contentType] of cases) {
          const response = yield* at.post(body, contentType)
          const refused = Schema.decodeUnknownSync(InvalidUpload)(yield* jsonOf(response))
          assert.strictEqual(response.status, 400, what)
          assert.strictEqual(response.headers.get("content-type"), "application/problem+json", what)
          assert.match(refused.message, message, what)
        }
        for (const contentType of [
          "application/json",
          "application/x-www-form-urlencoded",
          "multipart/mixed; boundary=X"
        ]) {
          const response = yield* at.post(filePart() + end, contentType)
          assert.deepStrictEqual(
            [response.status, response.headers.get("accept")],
            [415, "multipart/form-data"],
            contentType
          )
          Schema.decodeUnknownSync(UnsupportedMediaType)(yield* jsonOf(response))
        }
        yield* nothingStored(at)
        const audited = yield* rowsOf(at.file, "SELECT DISTINCT action, outcome, reason, session_id FROM audit_log")
        assert.sameDeepMembers(
          [...audited],
          ["InvalidUpload", "UnsupportedMediaType"].map((reason) => ({
            action: "upload",
            outcome: "refused",
            reason,
            session_id: "s1"
          }))
        )
      })
  )

  it.scopedLive("with a name that the parser cannot decode does not end the process", () =>
    Effect.gen(function* () {
      const at = yield* service
      for (const disposition of [
        `filename*=UTF-8''%E0%A4`,
        `filename*=NOSUCH''%41`,
        `filename="\\`,
        `filename="a`,
        `filename=`,
        `filename="%"; filename*=%`,
        `; ; filename`
      ]) {
        const headers = `Content-Disposition: form-data; name="file"; ${disposition}\r\nContent-Type: text/plain`
        const { status } = yield* at.post(part(headers, "x") + end)
        assert.include([201, 400], status, disposition)
      }
      assert.strictEqual((yield* at.ask("/livez")).status, 200)
    })
  )

  it.scopedLive("without a name, or with an empty one, is an InvalidFileName", () =>
    Effect.gen(function* () {
      const at = yield* service
      const nameless = part('Content-Disposition: form-data; name="file"\r\nContent-Type: application/pdf', "x")
      for (const body of [filePart(""), nameless]) {
        const response = yield* at.post(body + end)
        assert.strictEqual(response.status, 400)
        assert.strictEqual(Schema.decodeUnknownSync(InvalidFileName)(yield* jsonOf(response)).problem, "Empty")
      }
      yield* nothingStored(at)
    })
  )

  it.scopedLive("of exactly the limit is accepted, and with one byte more it is a FileTooLarge", () =>
    Effect.gen(function* () {
      const at = yield* service
      const upload = (size: number) =>
        at.client.files.upload({
          path: { sessionId: "s1" },
          payload: fileForm("a.bin", new Uint8Array(size))
        })
      assert.strictEqual((yield* upload(limit)).size, limit)
      const refused = yield* Effect.flip(upload(limit + 1))
      assert.strictEqual(refused._tag, "FileTooLarge")
      assert.propertyVal(refused, "limitBytes", limit)
      assert.deepStrictEqual(incomingIn(at.folder), [])
    })
  )

  for (const isAnnounced of [true, false]) {
    const how = isAnnounced ? "announced" : "not announced"
    it.scopedLive(`of sixty megabytes, ${how}, gets 413 as JSON and no reset, though it sends everything`, () =>
      Effect.gen(function* () {
        const at = yield* service
        const before = process.memoryUsage.rss()
        const chunks = [
          filePart().slice(0, -2),
          ...Array.from({ length: 60 }, () => "x".repeat(1_000_000)),
          `\r\n${end}`
        ]
        const answer = yield* sendAll(at.port, isAnnounced, chunks)
        assert.strictEqual(answer.status, 413)
        assert.strictEqual(Schema.decodeUnknownSync(FileTooLarge)(JSON.parse(answer.body)).limitBytes, limit)
        assert.isBelow(process.memoryUsage.rss() - before, 100 * 1024 * 1024)
        yield* nothingStored(at)
      })
    )
  }

  it.scopedLive("whose preamble or epilogue never ends is read only a little beyond twice the limit", () =>
    Effect.gen(function* () {
      const at = yield* service
      const endless = "x".repeat(2 * limit + 2_000_000)
      for (const body of [`${endless}\r\n${filePart()}${end}`, `${filePart()}${end}${endless}`]) {
        assert.strictEqual((yield* sendAll(at.port, false, [body])).status, 413)
      }
      yield* nothingStored(at)
    })
  )

  it.scopedLive("that is cut off leaves nothing, and its place is free for the next", () =>
    Effect.gen(function* () {
      const at = yield* serving({ concurrentRequests: 1 })
      const incoming = join(at.folder, "files", "incoming")
      for (let round = 0; round < 3; round += 1) {
        const upload = yield* beginUpload(Number(new URL(at.baseUrl).port))
        yield* whenEntries(incoming, 1)
        yield* upload.breakOff
        yield* whenEntries(incoming, 0)
        // As a client does that learns it was too early.
        yield* at.client.files
          .upload({ path: { sessionId: "s1" }, payload: fileForm("a.txt", "a") })
          .pipe(Effect.retry({ times: 1, schedule: Schedule.spaced("1 second") }))
      }
    })
  )
})

/** Sends a whole body, whatever is answered meanwhile, with its length or in chunks. Returns the answer. */
const sendAll = Effect.fnUntraced(function* (port: number, isAnnounced: boolean, body: ReadonlyArray<string>) {
  const socket = yield* connected(port)
  const size = body.reduce((sum, { length }) => sum + length, 0)
  const chunks = isAnnounced
    ? [preface(`Content-Length: ${size}`), ...body]
    : [
        preface("Transfer-Encoding: chunked"),
        ...body.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`),
        "0\r\n\r\n"
      ]
  return yield* Effect.promise(async () => {
    let answer = ""
    const complete = new Promise<void>((resolve, reject) => {
      socket.setEncoding("utf8").on("data", (text: string) => {
        answer += text
        if (answer.endsWith("}")) resolve()
      })
      socket.once("error", reject)
      socket.once("close", () => reject(new Error(`closed after: ${answer}`)))
    })
    for (const chunk of chunks) {
      if (!socket.write(chunk)) await once(socket, "drain")
    }
    await complete
    const [head = "", json = ""] = answer.split("\r\n\r\n")
    return { status: Number(head.split(" ")[1]), body: json }
  })
})
