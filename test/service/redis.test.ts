/** Request limits that several backends share, in Redis. */
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Settings } from "../../src/service/Settings.ts"
import { temporaryFolder } from "../support/database.ts"
import { redis, redisServer } from "../support/redis.ts"
import { accounts, serveOn, tokenOf } from "../support/service.ts"

const password = "s3cr3t-of-redis"

const asked = (url: string, user = "alice") =>
  Effect.promise(() => fetch(url, { headers: { authorization: `Bearer ${tokenOf(user)}` } }))

const many = [
  ...accounts,
  ...Array.from({ length: 12 }, (_, index) => `user-${index}`).map((name) => ({
    name,
    token: Redacted.make(tokenOf(name)),
    isAdministrator: false
  }))
].toReversed()

/** What the health check says of the limits, once it says that. */
const limitsOf = (baseUrl: string, status: string) =>
  Effect.gen(function* () {
    const answer = yield* asked(`${baseUrl}/api/health`, "root")
    const body = JSON.parse(yield* Effect.promise(() => answer.text()))
    return { code: answer.status, whole: body.status, check: body.checks["redis:limits"]?.[0] }
  }).pipe(Effect.delay("20 millis"), Effect.repeat({ until: ({ check }) => check?.status === status }))

describe.skipIf(redisServer === undefined)("backends that share their limits", () => {
  it.scopedLive("admit together what one would admit, and each its own while Redis does not answer", () =>
    Effect.gen(function* () {
      const line = yield* redis(password)
      const settings = { accounts: many, requestsPerSecond: 10, redisUrl: Option.some(Redacted.make(line.url)) }
      const backends = yield* Effect.forEach([1, 2], () =>
        Effect.flatMap(temporaryFolder, (folder) => serveOn(folder, settings))
      )
      /** How many of forty requests at once are admitted, of twenty to each. */
      const admitted = (user: string) =>
        Effect.gen(function* () {
          const begun = performance.now()
          const codes = yield* Effect.forEach(
            Array.from({ length: 40 }, (_, index) => backends[index % 2]?.baseUrl),
            (baseUrl) => Effect.map(asked(`${baseUrl}/api/storage`, user), ({ status }) => status),
            { concurrency: "unbounded" }
          )
          const refilled = Math.ceil((performance.now() - begun) / 100)
          assert.isTrue(codes.every((code) => code === 200 || code === 429))
          return { count: codes.filter((code) => code === 200).length, refilled }
        })
      const users = many.map(({ name }) => name).values()
      /** On a busy machine Redis may be late, and each admits its own: then another user asks. */
      const togetherOnce = Effect.gen(function* () {
        for (const { baseUrl } of backends) yield* limitsOf(baseUrl, "pass")
        const { count, refilled } = yield* admitted(users.next().value ?? "")
        assert.isAtLeast(count, 20)
        return count <= 20 + refilled
      }).pipe(Effect.repeat({ until: (isTogether) => isTogether }))
      yield* togetherOnce

      yield* line.hold
      // Nothing that is sent to Redis arrives, and the requests are answered.
      assert.strictEqual((yield* admitted("bob")).count, 40)
      for (const { baseUrl } of backends) {
        const { check, code, whole } = yield* limitsOf(baseUrl, "warn")
        assert.deepStrictEqual([code, whole, check.observedValue], [200, "warn", "own"])
        assert.match(check.output, /counts requests on its own: Redis does not answer/)
        assert.notInclude(JSON.stringify(check), password)
        assert.strictEqual((yield* asked(`${baseUrl}/readyz`)).status, 200)
      }

      yield* line.letGo
      for (const { baseUrl } of backends) yield* limitsOf(baseUrl, "pass")
      yield* togetherOnce
      yield* line.cut
      for (const { baseUrl } of backends) yield* limitsOf(baseUrl, "pass")
    })
  )

  it.scopedLive("are served where Redis was never there, or does not let them in", () =>
    Effect.gen(function* () {
      const line = yield* redis(password)
      for (const [url, why] of [
        ["redis://127.0.0.1:1", /ECONNREFUSED/],
        [`redis://:wr0ng-one@127.0.0.1:${line.port}`, /WRONGPASS|NOAUTH/]
      ] as const) {
        const settings = { accounts, redisUrl: Option.some(Redacted.make(url)) }
        const { baseUrl } = yield* serveOn(yield* temporaryFolder, settings)
        assert.strictEqual((yield* asked(`${baseUrl}/api/storage`)).status, 200)
        const { check } = yield* Effect.repeat(limitsOf(baseUrl, "warn"), {
          until: ({ check }) => why.test(check.output)
        })
        assert.notInclude(JSON.stringify(check), "wr0ng-one")
        assert.strictEqual((yield* asked(`${baseUrl}/readyz`)).status, 200)
      }
    })
  )
})

describe("REDIS_URL", () => {
  it.effect("is a URL of Redis, and is not shown", () =>
    Effect.gen(function* () {
      const read = (url: string) =>
        Effect.provide(
          Settings,
          Layer.provide(Settings.layer, Layer.setConfigProvider(ConfigProvider.fromMap(new Map([["REDIS_URL", url]]))))
        )
      const { redisUrl } = yield* read("rediss://:s3cr3t@db.example.org:6380/2")
      assert.notInclude(JSON.stringify(redisUrl), "s3cr3t")
      for (const wrong of ["db.example.org:6379", "http://:s3cr3t@db.example.org"]) {
        const error = yield* Effect.flip(read(wrong))
        assert.include(String(error), "REDIS_URL")
        assert.notInclude(String(error), "s3cr3t")
      }
    })
  )
})
