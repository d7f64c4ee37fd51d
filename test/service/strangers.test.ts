/** A client without a token is limited by its address, and keeps nobody else out. */
import { connect, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { callerOf } from "../../src/service/Address.ts"
import { Buckets } from "../../src/service/Buckets.ts"
import { connected } from "../support/connection.ts"
import { accounts, jsonOf, serving, tokenOf } from "../support/service.ts"

const portOf = (baseUrl: string): number => Number(new URL(baseUrl).port)
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

describe("a caller", () => {
  it("is an IPv4 address, however it is written, or the first half of an IPv6 address", () => {
    for (const [address, caller] of [
      ["192.0.2.1", "192.0.2.1"],
      ["::ffff:192.0.2.1", "192.0.2.1"],
      ["::FFFF:192.0.2.1", "192.0.2.1"],
      ["2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"],
      ["2001:db8:0:1::7", "2001:db8:0:1::/64"],
      ["2001:0db8::1", "2001:db8:0:0::/64"],
      ["2001:db8::192.0.2.1", "2001:db8:0:0::/64"],
      ["fe80::1%eth0", "fe80:0:0:0::/64"],
      ["::1", "0:0:0:0::/64"],
      ["::", "0:0:0:0::/64"],
      ["", ""]
    ] as const) {
      assert.strictEqual(callerOf(address), caller, address)
    }
  })

  it("is one of a fixed number, and the one silent the longest is forgotten first", () => {
    const buckets = new Buckets(1, 3)
    const all = (caller: string) => [buckets.take(caller, 0), buckets.take(caller, 0), buckets.take(caller, 0)]
    assert.deepStrictEqual(all("a"), [0, 0, 1])
    for (const other of ["b", "c"]) all(other)
    assert.strictEqual(buckets.take("a", 0), 1)
    for (let n = 0; n < 1000; n += 1) {
      buckets.take("a", 0)
      buckets.take(`other ${n}`, 0)
      assert.isAtMost(buckets.size, 3)
    }
    assert.strictEqual(buckets.take("a", 0), 1)
    assert.deepStrictEqual(all("b"), [0, 0, 1])
  })
})

describe("a stranger", () => {
  it.scopedLive("who asks too much is refused, but not users or probes from the same address", () =>
    Effect.gen(function* () {
      const { ask, clientOf } = yield* serving({ accounts, requestsPerSecond: 1 })
      const answers = yield* Effect.all(
        Array.from({ length: 60 }, (_, n) => ask("/api/storage", n % 2 === 0 ? {} : bearer("wrong-wrong-wrong-wrong"))),
        { concurrency: 10 }
      )
      const statuses = answers.map(({ status }) => status)
      assert.includeMembers(statuses, [401, 429])
      const refused = yield* Effect.repeat(ask("/"), { until: ({ status }) => status === 429 })
      assert.strictEqual(refused.headers.get("connection"), "close")
      assert.isAtLeast(Number(refused.headers.get("retry-after")), 1)
      assert.strictEqual(refused.headers.get("content-type"), "application/problem+json")
      assert.deepInclude(yield* jsonOf(refused), { _tag: "TooManyRequests", status: 429 })
      for (const path of ["/livez", "/readyz", "/startupz"]) {
        const probed = yield* Effect.all(
          Array.from({ length: 120 }, () => ask(path)),
          { concurrency: 20 }
        )
        for (const { status } of probed) assert.strictEqual(status, 200, path)
      }
      for (const name of ["alice", "bob"]) {
        assert.strictEqual((yield* ask("/api/storage", bearer(tokenOf(name)))).status, 200)
      }
      const { operator } = yield* clientOf(tokenOf("root"))
      const look = Effect.delay(operator.refusals({ urlParams: { limit: 50 } }), "100 millis")
      const counted = yield* Effect.repeat(look, {
        until: ({ refusals }) => refusals.some(({ reason }) => reason === "TooManyRequests")
      })
      const row = counted.refusals.find(({ reason }) => reason === "TooManyRequests")
      assert.deepInclude(row, { actor: null, address: "127.0.0.1" })
    })
  )

  it.scopedLive("does not exist if no accounts are configured", () =>
    Effect.gen(function* () {
      const { ask } = yield* serving({ requestsPerSecond: 5 })
      for (let n = 0; n < 30; n += 1) assert.strictEqual((yield* ask("/")).status, 200)
    })
  )

  it.scopedLive("is answered once more on a connection that then ends, whatever else was sent on it", () =>
    Effect.gen(function* () {
      const { ask, baseUrl } = yield* serving({ accounts, requestsPerSecond: 1 })
      const received = yield* Effect.async<string>((resume) => {
        let text = ""
        const socket = connect(portOf(baseUrl), "127.0.0.1", () => {
          socket.write("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2000))
        })
        socket.setEncoding("utf8").on("data", (data: string) => {
          text += data
        })
        socket.on("error", () => undefined)
        socket.once("close", () => resume(Effect.succeed(text)))
      })
      assert.isAtMost(received.split("HTTP/1.1 429").length, 2)
      assert.strictEqual((yield* ask("/livez")).status, 200)
    })
  )
})

describe("connections", () => {
  it.scopedLive("without a valid token make room, the oldest first, when there are too many", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* serving({ accounts, maxConnections: 10 })
      const port = portOf(baseUrl)
      const head = `GET /api/storage HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokenOf("alice")}\r\n\r\n`
      const alice = yield* connected(port)
      const answerOn = (socket: Socket) =>
        Effect.async<string>((resume) => {
          if (socket.closed) return resume(Effect.succeed("closed"))
          socket.once("data", (data) => resume(Effect.succeed(String(data))))
          socket.once("close", () => resume(Effect.succeed("closed")))
          socket.write(head)
        })
      assert.match(yield* answerOn(alice), /^HTTP\/1\.1 200/)
      const strangers = yield* Effect.forEach(Array.from({ length: 30 }), () =>
        Effect.map(connected(port), (socket) => socket.on("error", () => undefined).resume())
      )
      assert.match(yield* answerOn(alice), /^HTTP\/1\.1 200/)
      const left = Effect.sync(() => strangers.filter(({ closed }) => !closed).length)
      yield* Effect.repeat(Effect.delay(left, "20 millis"), { until: (count) => count < 10 })
      // A new connection gets in next to them.
      assert.match(yield* answerOn(yield* connected(port)), /^HTTP\/1\.1 200/)
    })
  )

  it.scopedLive("of a client that waits for 100 Continue get it only if the body is read", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* serving({ accounts })
      const said = (token: string) =>
        Effect.gen(function* () {
          const socket = yield* connected(portOf(baseUrl))
          return yield* Effect.async<string>((resume) => {
            let text = ""
            socket.setEncoding("utf8").on("data", (data: string) => {
              text += data
              if (text.includes("100 Continue") && !text.includes("201")) socket.write(body)
              if (/HTTP\/1\.1 [2-5]\d\d/.test(text)) resume(Effect.succeed(text))
            })
            socket.write(
              `POST /api/sessions/s/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nExpect: 100-continue\r\nContent-Type: multipart/form-data; boundary=X\r\nContent-Length: ${body.length}\r\n\r\n`
            )
          })
        })
      const body = `--X\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--X--\r\n`
      const refused = yield* said("wrong-wrong-wrong-wrong")
      assert.match(refused, /^HTTP\/1\.1 401/)
      assert.match(refused, /connection: close/i)
      assert.match(yield* said(tokenOf("alice")), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201/)
    })
  )

  it.scopedLive("that offer another protocol are answered in HTTP/1.1", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* serving()
      const socket = yield* connected(portOf(baseUrl))
      const text = yield* Effect.async<string>((resume) => {
        socket.once("data", (data) => resume(Effect.succeed(String(data))))
        socket.write("GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
      })
      assert.match(text, /^HTTP\/1\.1 200 .*ok\n$/s)
    })
  )
})
