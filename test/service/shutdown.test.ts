/** How the service stops: readiness first, then nothing new, then running requests, then the database. */
import { createHash } from "node:crypto"
import { once } from "node:events"
import { readdirSync, readFileSync, watch } from "node:fs"
import {
  Agent,
  type ClientRequest,
  createServer,
  get,
  type IncomingMessage,
  type RequestListener,
  request
} from "node:http"
import type { Socket } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { fileForm } from "../../src/service/Client.ts"
import { answerByItself } from "../../src/service/Wire.ts"
import { ask, askJson, clientOf, runningBackend, stopped } from "../support/backend.ts"
import { connected } from "../support/connection.ts"
import { rowsOf, temporaryFolder } from "../support/database.ts"

const databaseIn = (folder: string) => join(folder, "conversation_files.db")
const incomingIn = (folder: string) => join(folder, "files", "incoming")

/** The files of the database: only the main file if it was closed properly. */
const databaseFiles = (folder: string) => readdirSync(folder).filter((name) => name.startsWith("conversation_files"))

const boundary = "part"
const beginning = `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="slow.bin"\r\n\r\n`
const end = `\r\n--${boundary}--\r\n`

/** The whole answer. */
const answerTo = (upload: ClientRequest) =>
  new Promise<{
    readonly status: number | undefined
    readonly connection: string | undefined
    readonly text: string
  }>((resolve, reject) => {
    upload.once("error", reject)
    upload.once("response", (response: IncomingMessage) => {
      let text = ""
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part
      })
      response.once("error", reject)
      const { headers, statusCode: status } = response
      response.once("end", () => resolve({ status, connection: headers.connection, text }))
    })
  })

/** An upload that has begun to arrive on the disk, and whose second half comes only when the test sends it. */
const slowUpload = (url: string, folder: string, half: string) =>
  Effect.promise(
    () =>
      new Promise<{ readonly upload: ClientRequest; readonly answer: ReturnType<typeof answerTo> }>((resolve) => {
        const upload = request(`${url}/api/sessions/s/files`, {
          method: "POST",
          headers: { "content-type": `multipart/form-data; boundary=${boundary}` }
        })
        const answer = answerTo(upload)
        // The one who awaits it gets the failure; an unhandled rejection would fail another test.
        answer.catch(() => {})
        const watcher = watch(incomingIn(folder), () => {
          watcher.close()
          resolve({ upload, answer })
        })
        upload.write(beginning + half)
      })
  )

/** A download whose headers have come, and whose body is read only when the test asks. */
const slowDownload = (url: string) =>
  Effect.promise(
    () =>
      new Promise<IncomingMessage>((resolve, reject) => {
        request(url).once("response", resolve).once("error", reject).end()
      })
  )

const digestOf = (content: string | Buffer) => createHash("sha256").update(content).digest("hex")

const digestOfBody = (response: IncomingMessage) =>
  Effect.promise(
    () =>
      new Promise<string>((resolve, reject) => {
        const hash = createHash("sha256")
        response.on("data", (chunk: Buffer) => hash.update(chunk))
        response.once("error", reject)
        response.once("end", () => resolve(hash.digest("hex")))
      })
  )

describe("a service that is told to stop", () => {
  it.scopedLive("ends with 0 on SIGTERM and on SIGINT, the database closed, with clients still connected", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      for (const signal of ["SIGTERM", "SIGINT"] as const) {
        const backend = yield* runningBackend({ DATA_DIRECTORY: folder })
        yield* ask(`${backend.url}/api/files`)
        const { code, stderr } = yield* stopped(backend, signal)
        assert.deepStrictEqual([code, databaseFiles(folder)], [0, ["conversation_files.db"]], stderr)
        assert.notMatch(stderr, /level=(WARN|ERROR)/)
      }
    })
  )

  it.scopedLive("is first not ready any more, and serves for as long as SHUTDOWN_DELAY", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const backend = yield* runningBackend({ DATA_DIRECTORY: folder, SHUTDOWN_DELAY: "1h" })
      backend.process.kill("SIGTERM")
      yield* Effect.promise(() => backend.leaving)
      const ready = yield* askJson(`${backend.url}/readyz`)
      assert.deepStrictEqual([ready.status, ready.body.phase], [503, "leaving"])
      assert.strictEqual((yield* ask(`${backend.url}/livez`)).status, 200)
      assert.strictEqual((yield* ask(`${backend.url}/startupz`)).status, 200)
      const { files } = yield* clientOf(backend.url)
      yield* files.upload({ path: { sessionId: "s" }, payload: fileForm("late.txt", "late") })
      assert.strictEqual((yield* ask(`${backend.url}/api/files`)).status, 200)
    })
  )

  it.scopedLive("stops when SHUTDOWN_DELAY is over", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const backend = yield* runningBackend({ DATA_DIRECTORY: folder, SHUTDOWN_DELAY: "50ms" })
      const { code, stderr } = yield* stopped(backend)
      assert.deepStrictEqual([code, databaseFiles(folder)], [0, ["conversation_files.db"]])
      assert.match(stderr, /Leaving: .*\n.*Stopping: 0 requests are under way/)
    })
  )

  it.scopedLive("ends each connection with its next answer, and idle ones at once", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const backend = yield* runningBackend({ DATA_DIRECTORY: folder, SHUTDOWN_DELAY: "1h" })
      const port = Number(new URL(backend.url).port)
      const idle = yield* connected(port)
      const answered = yield* connected(port)
      const half = yield* connected(port)
      const heard = closingOf(answered)
      answered.write(getLivez)
      yield* Effect.promise(() => once(answered, "data"))
      half.write(getLivez.slice(0, 10))
      const { answer, upload } = yield* slowUpload(backend.url, folder, "half of it")
      backend.process.kill("SIGTERM")
      yield* Effect.promise(() => backend.leaving)
      // Nothing is under way on these; the delay continues.
      idle.resume()
      yield* Effect.promise(() => once(idle, "close"))
      assert.match(yield* Effect.promise(() => heard), /^HTTP\/1.1 200 OK\r\n.*keep-alive/s)
      const late = closingOf(half)
      half.write(getLivez.slice(10))
      assert.match(yield* Effect.promise(() => late), /^HTTP\/1.1 200 OK\r\n.*connection: close\r\n.*ok\n$/is)
      upload.end(end)
      const { connection, status } = yield* Effect.promise(() => answer)
      assert.deepStrictEqual([connection, status], ["close", 201])
    })
  )

  it.scopedLive("resets no request of clients that keep their connections busy", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      for (const SHUTDOWN_DELAY of ["0s", "200ms"]) {
        const backend = yield* runningBackend({ DATA_DIRECTORY: folder, SHUTDOWN_DELAY })
        let answers = 0
        const answered = new Set<number>()
        const clients = Array.from({ length: 32 }, (_, n) =>
          busyClient(`${backend.url}${n % 2 === 0 ? "/livez" : "/api/files"}`, () => {
            answers += 1
            answered.add(n)
          })
        )
        yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => answers > 200 && answered.size === 32 })
        const { code, stderr } = yield* stopped(backend)
        assert.strictEqual(code, 0, stderr)
        const ends = yield* Effect.promise(() => Promise.all(clients))
        assert.deepStrictEqual(
          ends,
          ends.map(() => "told to close")
        )
      }
    })
  )

  it.scopedLive(
    "answers the last requests too, once what serves has ended, and the first ones before it has begun",
    () =>
      Effect.gen(function* () {
        const server = createServer()
        answerByItself(server)
        yield* Effect.acquireRelease(
          Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening")),
          () => Effect.sync(() => server.close())
        )
        const address = server.address()
        if (address === null || typeof address === "string") return assert.fail("no port")
        const asked = Effect.map(ask(`http://127.0.0.1:${address.port}/api/files`), ({ status, text }) => [
          status,
          JSON.parse(text).message
        ])
        // What serves begins a moment after the server does, too.
        assert.deepStrictEqual(yield* asked, [503, "The service is not ready yet."])
        const serve: RequestListener = (_, response) => response.end()
        server.on("request", serve).off("request", serve)
        assert.deepStrictEqual(yield* asked, [503, "The service is stopping."])
      })
  )

  it.scopedLive("lets a running upload finish, and refuses new requests meanwhile", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const backend = yield* runningBackend({ DATA_DIRECTORY: folder })
      const half = "half of it ".repeat(1000)
      const { answer, upload } = yield* slowUpload(backend.url, folder, half)
      backend.process.kill("SIGTERM")
      yield* Effect.promise(() => backend.stopping)
      const late = yield* askJson(`${backend.url}/api/files`)
      assert.deepStrictEqual([late.status, late.body._tag], [503, "NotReady"])
      assert.strictEqual((yield* ask(`${backend.url}/readyz`)).status, 503)
      assert.strictEqual((yield* ask(`${backend.url}/livez`)).status, 200)
      upload.end(half + end)
      const { status, text } = yield* Effect.promise(() => answer)
      const sha256 = digestOf(half + half)
      assert.deepStrictEqual([status, JSON.parse(text).sha256], [201, sha256])
      const { code, stderr } = yield* Effect.promise(() => backend.ended)
      assert.strictEqual(code, 0, stderr)
      assert.include(stderr, "Stopping: 1 requests are under way")
      assert.deepStrictEqual(databaseFiles(folder), ["conversation_files.db"])
      assert.deepStrictEqual(yield* rowsOf(databaseIn(folder), "SELECT file_hash FROM conversation_files"), [
        { file_hash: sha256 }
      ])
      assert.strictEqual(digestOf(readFileSync(join(folder, "files", sha256.slice(0, 2), sha256))), sha256)
      const gone = yield* Effect.promise(() => fetch(`${backend.url}/livez`).then(String, String))
      assert.include(gone, "fetch failed")
    })
  )

  it.scopedLive("lets a running download finish", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const backend = yield* runningBackend({ DATA_DIRECTORY: folder })
      const { files } = yield* clientOf(backend.url)
      // More than the buffers in between can hold.
      const payload = fileForm("large.bin", Buffer.alloc(32 * 1024 * 1024, "large"))
      const { fileId, sha256 } = yield* files.upload({ path: { sessionId: "s" }, payload })
      const response = yield* slowDownload(`${backend.url}/api/files/${fileId}/download`)
      backend.process.kill("SIGTERM")
      yield* Effect.promise(() => backend.stopping)
      assert.strictEqual(yield* digestOfBody(response), sha256)
      const { code, stderr } = yield* Effect.promise(() => backend.ended)
      assert.deepStrictEqual([code, databaseFiles(folder)], [0, ["conversation_files.db"]], stderr)
      assert.include(stderr, "Stopping: 1 requests are under way")
      assert.notInclude(stderr, "did not end in time")
    })
  )

  it.scopedLive("ends what is left when SHUTDOWN_TIMEOUT is over, and leaves nothing of it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const backend = yield* runningBackend({ DATA_DIRECTORY: folder, SHUTDOWN_TIMEOUT: "200ms" })
      const { files } = yield* clientOf(backend.url)
      const payload = fileForm("large.bin", Buffer.alloc(32 * 1024 * 1024, "large"))
      const { fileId } = yield* files.upload({ path: { sessionId: "s" }, payload })
      const download = yield* slowDownload(`${backend.url}/api/files/${fileId}/download`)
      const { answer } = yield* slowUpload(backend.url, folder, "the other half never comes")
      const { code, stderr } = yield* stopped(backend)
      assert.deepStrictEqual([code, databaseFiles(folder)], [0, ["conversation_files.db"]], stderr)
      assert.include(stderr, "2 requests did not end in time")
      assert.notInclude(stderr, "defect")
      assert.deepStrictEqual(readdirSync(incomingIn(folder)), [])
      const uploaded = yield* Effect.promise(() =>
        answer.then(
          ({ status }) => status,
          () => "cut off"
        )
      )
      assert.notStrictEqual(uploaded, 201)
      assert.strictEqual(yield* Effect.promise(() => cutOff(download)), true)
      assert.deepStrictEqual(yield* rowsOf(databaseIn(folder), "SELECT count(*) AS files FROM conversation_files"), [
        { files: 1 }
      ])
    })
  )
})

const getLivez = "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

/** Everything that arrives on a connection until it is closed. */
const closingOf = (socket: Socket) =>
  new Promise<string>((resolve) => {
    let text = ""
    socket.setEncoding("utf8").on("data", (part: string) => {
      text += part
    })
    socket.on("error", (error) => {
      text += String(error)
    })
    socket.once("close", () => resolve(text))
  })

/**
 * Sends the next request as soon as it has an answer, on one connection, until an answer says that it is the last. A
 * service may close a connection that was silent for half a second. Where this process was held up for so long, that is
 * an end like any other.
 */
const busyClient = async (url: string, onAnswer: () => void): Promise<string> => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  let before = performance.now()
  for (;;) {
    const sent = performance.now()
    const silence = sent - before
    before = sent
    const told = await new Promise<string | undefined>((resolve) => {
      get(url, { agent }, (response) => {
        response.once("error", (error) => resolve(String(error)))
        response.once("end", () => resolve(response.headers.connection === "close" ? "told to close" : undefined))
        response.resume()
      }).once("error", (error) => resolve(silence < 500 ? `${error} after ${silence} ms` : "told to close"))
    })
    onAnswer()
    if (told !== undefined) return told
  }
}

/** Whether a body ends too early, as its reader can tell. */
const cutOff = (response: IncomingMessage) =>
  new Promise<boolean>((resolve) => {
    response.once("error", () => resolve(true))
    response.once("end", () => resolve(!response.complete))
    response.resume()
  })
