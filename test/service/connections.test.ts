/** What one connection, and one request, may take of the service. Long form: `ATTACKS=all`. */
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { openSync, writeFileSync } from "node:fs"
import { createServer, request } from "node:http"
import { connect, Socket } from "node:net"
import { join } from "node:path"
import { setImmediate } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { Beginnings } from "../../src/service/Beginnings.ts"
import { fileForm } from "../../src/service/Client.ts"
import { turnOf } from "../../src/service/ConnectionTurns.ts"
import { exactly } from "../../src/service/exactly.ts"
import { SlicedScheduler } from "../../src/service/SlicedScheduler.ts"
import { gatherSmallChunks } from "../../src/service/SmallChunks.ts"
import { connected, preface } from "../support/connection.ts"
import { temporaryFolder } from "../support/database.ts"
import { jsonOf, serving } from "../support/service.ts"

const times = process.env["ATTACKS"] === "all" ? 10 : 1

const portOf = (baseUrl: string): number => Number(new URL(baseUrl).port)

describe("a connection", () => {
  it.scopedLive("with far more requests than answers is closed, and others are served", () =>
    Effect.gen(function* () {
      const { ask, baseUrl } = yield* serving()
      for (let n = 0; n < times; n += 1) {
        const received = yield* Effect.async<number>((resume) => {
          let bytes = 0
          const socket = connect(portOf(baseUrl), "127.0.0.1", () => {
            socket.write("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".repeat(1800))
          })
          socket.on("data", (data) => {
            bytes += data.length
          })
          socket.on("error", () => undefined)
          socket.once("close", () => resume(Effect.succeed(bytes)))
        })
        const { length } = yield* Effect.flatMap(ask("/metrics"), (answer) => Effect.promise(() => answer.text()))
        assert.isBelow(received, 20 * (length + 1000))
      }
      assert.strictEqual((yield* ask("/livez")).status, 200)
    })
  )

  it.scopedLive("that is over is read no further: what has arrived on it costs nothing", () =>
    Effect.gen(function* () {
      const { ask, baseUrl } = yield* serving()
      let begun = 0
      const count = () => {
        begun += 1
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => subscribe("http.server.request.start", count)),
        () => Effect.sync(() => unsubscribe("http.server.request.start", count))
      )
      const socket = yield* connected(portOf(baseUrl))
      // One read of the server.
      socket.on("error", () => undefined).write("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1800))
      socket.resume()
      yield* Effect.promise(() => new Promise((resolve) => socket.once("close", resolve)))
      assert.isBelow(begun, 100)
      // Whoever gets what the server had for that connection next is served.
      const answers = yield* Effect.all(
        Array.from({ length: 10 }, () => ask("/livez")),
        { concurrency: 10 }
      )
      assert.isTrue(answers.every(({ status }) => status === 200))
    })
  )

  it.scopedLive("that sends a body in small chunks is read in a few pieces, and no byte is lost", () =>
    Effect.gen(function* () {
      const count = 20_000
      const server = createServer((request, response) => {
        gatherSmallChunks(request, (error) => response.end(error.message))
        const pieces: Array<Buffer> = []
        request.on("data", (piece: Buffer) => pieces.push(piece))
        request.once("end", () => response.end(`${pieces.length} ${Buffer.concat(pieces).toString("latin1")}`))
      })
      yield* Effect.acquireRelease(
        Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () => Effect.sync(() => server.close())
      )
      const address = server.address()
      const port = address !== null && typeof address === "object" ? address.port : 0
      const [pieces, body] = yield* Effect.async<ReadonlyArray<string>>((resume) => {
        const sent = request({ port, method: "POST" }, (answer) => {
          let text = ""
          answer.on("data", (data) => {
            text += data
          })
          answer.once("end", () => resume(Effect.succeed(text.split(" "))))
        })
        for (let n = 0; n < count; n += 1) sent.write(String(n % 10).repeat(16))
        sent.write("x".repeat(70_000))
        sent.end("y")
      })
      const digits = Array.from({ length: count }, (_, n) => String(n % 10).repeat(16)).join("")
      assert.strictEqual(body, `${digits}${"x".repeat(70_000)}y`)
      assert.isBelow(Number(pieces), count / 100)
    })
  )

  it.scopedLive(
    "that sends thousands of chunks of a byte at once gets a 400 and is over; the next ones are served",
    () =>
      Effect.gen(function* () {
        const { ask, baseUrl } = yield* serving()
        for (let n = 0; n < 3; n += 1) {
          const socket = yield* connected(portOf(baseUrl))
          const answer = yield* Effect.async<string>((resume) => {
            let text = ""
            socket.setEncoding("utf8").on("data", (data: string) => {
              text += data
            })
            socket.on("error", () => undefined).once("close", () => resume(Effect.succeed(text)))
            socket.write(preface("Transfer-Encoding: chunked") + "1\r\n-\r\n".repeat(20_000))
          })
          assert.match(answer, /^HTTP\/1\.1 400 .*connection: close.*"_tag":"MalformedRequest".*Send larger chunks/s)
          // What the server had for that connection is used again.
          const body = fileForm("a.txt", "x".repeat(100_000))
          assert.strictEqual((yield* ask("/api/sessions/s1/files", { method: "POST", body })).status, 201)
        }
      })
  )

  it.scopedLive("that sends as many chunks of a byte one after the other is served", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* serving()
      const socket = yield* connected(portOf(baseUrl))
      let text = ""
      socket.setEncoding("utf8").on("data", (data: string) => {
        text += data
      })
      const inChunks = (bytes: string) => [...bytes].map((byte) => `1\r\n${byte}\r\n`).join("")
      socket.write(preface("Transfer-Encoding: chunked"))
      const [before = "", after = ""] = [
        '--X\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n',
        "\r\n--X--\r\n"
      ]
      for (const bytes of [before, ...Array.from({ length: 10 }, () => "x".repeat(150)), after]) {
        socket.write(inChunks(bytes))
        yield* Effect.sleep("10 millis")
      }
      socket.write("0\r\n\r\n")
      yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => text.includes("}") })
      assert.match(text, /^HTTP\/1\.1 201 .*"size":1500/s)
    })
  )

  it.scopedLive("may send a few requests at once, which are answered in order", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* serving()
      const socket = yield* connected(portOf(baseUrl))
      const answers = yield* Effect.async<string>((resume) => {
        let text = ""
        socket.setEncoding("utf8").on("data", (data: string) => {
          text += data
        })
        socket.once("end", () => resume(Effect.succeed(text)))
        const head = "HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        socket.write(`GET /api/health ${head}\r\nGET /livez ${head}\r\nGET /startupz ${head}Connection: close\r\n\r\n`)
      })
      assert.match(answers, /releaseId.*\r\n\r\nok\n.*"status":"pass"/s)
    })
  )
})

describe("the turns of a connection", () => {
  it.live("come after the current request, even if a waiting one is given up", () =>
    Effect.gen(function* () {
      const socket = new Socket()
      const first = yield* turnOf(socket)
      const second = yield* Effect.fork(turnOf(socket))
      yield* Effect.promise(() => setImmediate())
      yield* Fiber.interrupt(second)
      const third = yield* Effect.fork(turnOf(socket))
      yield* Effect.promise(() => setImmediate())
      assert.isTrue(Option.isNone(yield* Fiber.poll(third)))
      first?.()
      assert.isDefined(yield* Fiber.join(third))
    })
  )
})

/** Counts the turns of the event loop until the scope closes. */
const turns = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const counted = { turn: 0, isOver: false }
      const count = () => {
        counted.turn += 1
        if (!counted.isOver) globalThis.setImmediate(count)
      }
      count()
      return counted
    }),
    (counted) =>
      Effect.sync(() => {
        counted.isOver = true
      })
  ),
  (counted) => () => counted.turn
)

/** Work that takes longer than a turn has for it. */
const workFor = (millis: number): void => {
  for (const end = performance.now() + millis; performance.now() < end; );
}

/** Of all turns the most that was done in one of them. */
const mostAtOnce = (inTurns: ReadonlyArray<number>): number =>
  Math.max(...inTurns.map((turn) => inTurns.filter((other) => other === turn).length))

describe("what is ready at once is done over several turns of the event loop", () => {
  it.scopedLive("the work of fibers, in order and by priority", () =>
    Effect.gen(function* () {
      const turn = yield* turns
      const scheduler = new SlicedScheduler()
      const done: Array<readonly [which: number, turn: number]> = []
      for (let which = 0; which < 10; which += 1) {
        const task = () => {
          done.push([which, turn()])
          if (which === 1) scheduler.scheduleTask(() => done.push([10, turn()]), 0)
          workFor(5)
        }
        scheduler.scheduleTask(task, which === 0 ? 1 : 0)
      }
      while (done.length < 11) yield* Effect.promise(() => setImmediate())
      assert.deepStrictEqual(
        done.map(([which]) => which),
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 10]
      )
      assert.strictEqual(mostAtOnce(done.map(([, turn]) => turn)), 1)
    })
  )

  it.scopedLive("the use of contents that were read", () =>
    Effect.gen(function* () {
      const turn = yield* turns
      const file = join(yield* temporaryFolder, "content")
      writeFileSync(file, "content")
      const used: Array<number> = []
      const fd = openSync(file, "r")
      for (let n = 0; n < 10; n += 1) {
        const use = () => {
          used.push(turn())
          workFor(3)
        }
        exactly(fd, 0, 7, use).resume()
      }
      while (used.length < 10) yield* Effect.promise(() => setImmediate())
      assert.strictEqual(mostAtOnce(used), 1)
    })
  )

  it.scopedLive("the ends of connections", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* serving()
      const turn = yield* turns
      let taken = 0
      const ended: Array<number> = []
      const watch = (message: unknown) => {
        const socket: unknown = Object(message).socket
        if (!(socket instanceof Socket)) return
        taken += 1
        socket.once("close", () => ended.push(turn()))
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => subscribe("net.server.socket", watch)),
        () => Effect.sync(() => unsubscribe("net.server.socket", watch))
      )
      const count = 60
      const sockets = yield* Effect.forEach(Array.from({ length: count }), () => connected(portOf(baseUrl)), {
        concurrency: "unbounded"
      })
      while (taken < count) yield* Effect.promise(() => setImmediate())
      for (const socket of sockets) socket.resetAndDestroy()
      while (ended.length < count) yield* Effect.promise(() => setImmediate())
      assert.isAtMost(mostAtOnce(ended), 16)
    })
  )
})

describe("requests that arrive at once", () => {
  it.live("begin over several turns of the event loop, in order, and at once when the service ends", () =>
    Effect.gen(function* () {
      const beginnings = new Beginnings()
      const begun: Array<readonly [which: number, turn: number]> = []
      let turn = 0
      const begin = (which: number) =>
        beginnings.inTurn(() => {
          begun.push([which, turn])
          workFor(3)
        })
      for (let which = 0; which < 20; which += 1) begin(which)
      while (begun.length < 5) {
        yield* Effect.promise(() => setImmediate())
        turn += 1
      }
      assert.strictEqual(new Set(begun.map(([, turn]) => turn)).size, begun.length)
      beginnings.hurry()
      begin(20)
      assert.deepStrictEqual(
        begun.map(([which]) => which),
        Array.from({ length: 21 }, (_, which) => which)
      )
    })
  )
})

describe("odd requests", () => {
  it.scopedLive("create no series of their own in the metrics", () =>
    Effect.gen(function* () {
      const { ask } = yield* serving()
      for (let n = 0; n < 20 * times; n += 1) yield* ask(`/odd/${n}`, { method: `ODD${n}` })
      for (const method of ["PROPFIND", "MKCOL", "LOCK"]) yield* ask("/livez", { method })
      const text = yield* Effect.flatMap(ask("/metrics"), (answer) => Effect.promise(() => answer.text()))
      assert.notMatch(text, /ODD|PROPFIND|MKCOL/)
      assert.include(text, 'method="other"')
    })
  )
})

describe("metadata", () => {
  it.scopedLive("has limits: a hundred keys, and no long one", () =>
    Effect.gen(function* () {
      const { ask, client } = yield* serving()
      const upload = (metadata: Readonly<Record<string, string>>) =>
        ask("/api/sessions/s/files", { method: "POST", body: fileForm("a.txt", "a", { metadata }) })
      const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, '"\\"']))
      const taken = yield* jsonOf(yield* upload(keys(100)))
      const { metadata } = yield* client.files.details({ path: { fileId: String(taken["fileId"]) } })
      assert.strictEqual(Object.keys(metadata).length, 100)
      for (const wrong of [keys(101), keys(6600), { ["k".repeat(129)]: "" }]) {
        const answer = yield* upload(wrong)
        assert.strictEqual(answer.status, 400)
        assert.strictEqual((yield* jsonOf(answer))["_tag"], "InvalidUpload")
      }
    })
  )
})
