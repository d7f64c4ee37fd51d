/** Two backends on two hosts that share a PostgreSQL and a Redis on a third, and what happens to them. HOSTS=all is the long form. */
import { randomBytes } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { fileForm } from "../../src/service/Client.ts"
import { hasPostgres } from "../postgres/cluster.ts"
import { ask as askServer } from "../postgres/databases.ts"
import { ask } from "../support/backend.ts"
import { temporaryFolder } from "../support/database.ts"
import { redisServer } from "../support/redis.ts"
import { as, type Environment, everyFile, inSession, settingsFor } from "../support/sixMachines.ts"
import { type Network, noHosts, sixHosts } from "./network.ts"
import { serverOn } from "./server.ts"
import { redisOn, redisUrl, systemOn } from "./system.ts"

/** Six hosts are slow when others use the processor; this limit measures nothing. */
const patience = 180_000

const why = noHosts ?? (hasPostgres ? undefined : "no PostgreSQL")
const isLong = process.env["HOSTS"] === "all"
const hosts = it.scopedLive.skipIf(why !== undefined || !isLong)
const withRedis = it.scopedLive.skipIf(why !== undefined || redisServer === undefined || !isLong)
const skipped = why === undefined ? "" : ` (skipped: ${why})`

/** One on `backend`, one on `npu`. `beside` starts what they need too, on the hosts. */
const twoBackends = <E>(
  more: Environment = {},
  beside: (network: Network) => Effect.Effect<unknown, E, Scope.Scope> = () => Effect.void
) =>
  Effect.gen(function* () {
    const network: Network = yield* sixHosts
    const server = serverOn(network, "database")
    yield* beside(network)
    const system = systemOn(network)
    const serve = (number: number) =>
      Effect.flatMap(temporaryFolder, (folder) =>
        system.serve(
          {
            ...settingsFor(folder),
            DATABASE_URL: server.url(),
            LOCK_PATIENCE: "8 seconds",
            HEALTH_CACHE: "100 millis",
            ...more
          },
          number
        )
      )
    const [one, other] = yield* Effect.all([serve(0), serve(2)], { concurrency: 2 })
    return { network, server, one, other, serve }
  })

const upload = (url: string, name: string) =>
  Effect.flatMap(as("ann", url), (files) => files.upload({ ...inSession, payload: fileForm(name, `text of ${name}`) }))

/** What fails for a moment is asked again, as a client does after a 503. */
const again = Schedule.spaced("200 millis")

const namesAt = (url: string) =>
  Effect.flatMap(as("ann", url), (files) =>
    Effect.map(files.list(everyFile), ({ files }) => files.map(({ name }) => name).toSorted())
  )

const readyAt = (url: string) => Effect.map(ask(`${url}/readyz`), ({ status }) => status)

describe(`two backends on two hosts, with one PostgreSQL${skipped}`, () => {
  hosts(
    "are one service: what one takes in the other gives, whoever starts first migrates",
    () =>
      Effect.gen(function* () {
        const { one, other, server } = yield* twoBackends()
        const versions = "SELECT count(*)::int AS rows, count(DISTINCT version)::int AS versions FROM schema_migrations"
        const [history] = yield* askServer(server.beside(), versions)
        assert.strictEqual(history?.rows, history?.versions)
        const names = Array.from({ length: 20 }, (_, at) => `file-${at}.txt`)
        const added = yield* Effect.forEach(names, (name, at) => upload(at % 2 === 0 ? one.url : other.url, name), {
          concurrency: 8
        })
        for (const { url } of [one, other]) assert.deepStrictEqual(yield* namesAt(url), names.toSorted())
        const files = yield* as("ann", other.url)
        for (const { fileId, name } of added) {
          const bytes = yield* files.download({ path: { fileId } })
          assert.strictEqual(new TextDecoder().decode(bytes), `text of ${name}`)
        }
      }),
    patience
  )

  hosts(
    "one loses its power while it writes: the other goes on within ten seconds, and nothing acknowledged is lost",
    () =>
      Effect.gen(function* () {
        const { network, one, other } = yield* twoBackends()
        const acknowledged: Array<string> = []
        const writing = yield* Effect.fork(
          Effect.forEach(
            Array.from({ length: 500 }, (_, at) => `kept-${at}.txt`),
            (name) => Effect.map(upload(one.url, name), () => acknowledged.push(name)),
            { concurrency: 8 }
          )
        )
        yield* Effect.repeat(
          Effect.delay(
            Effect.sync(() => acknowledged.length),
            "10 millis"
          ),
          { until: (n) => n > 20 }
        )
        network.pullCable("backend")
        network.powerOff("backend")
        // The server learns that the host is gone by keepalives: until then its lock may be held.
        const first = yield* upload(other.url, "after.txt").pipe(Effect.retry(again), Effect.timeout("10 seconds"))
        assert.strictEqual(first.name, "after.txt")
        yield* Effect.exit(Effect.timeout(writing, "100 millis"))
        const names = yield* namesAtAll(other.url)
        assert.includeMembers(names, acknowledged)
      }),
    patience
  )

  hosts(
    "the database is restarted, and stopped: not ready and alive meanwhile, and then all as before",
    () =>
      Effect.gen(function* () {
        const { one, other, server } = yield* twoBackends()
        yield* upload(one.url, "before.txt")
        server.stop("fast")
        for (const { url } of [one, other]) {
          yield* Effect.repeat(Effect.delay(readyAt(url), "100 millis"), { until: (status) => status === 503 })
          assert.strictEqual((yield* ask(`${url}/livez`)).status, 200)
        }
        server.start()
        for (const { url } of [one, other]) {
          yield* Effect.repeat(Effect.delay(readyAt(url), "100 millis"), { until: (status) => status === 200 })
          assert.deepStrictEqual(yield* namesAt(url), ["before.txt"])
        }
        server.stop("immediate")
        server.start()
        yield* Effect.retry(upload(other.url, "after.txt"), again)
        yield* Effect.retry(upload(one.url, "later.txt"), again)
        assert.deepStrictEqual(yield* namesAt(one.url), ["after.txt", "before.txt", "later.txt"])
      }),
    patience
  )

  hosts(
    "the database's disk is full: files can be read, a change is a 507 that changes nothing, and a server with room takes it",
    () =>
      Effect.gen(function* () {
        const { network, one, other, server } = yield* twoBackends()
        const added = yield* upload(one.url, "before.txt")
        const doomed = yield* upload(one.url, "doomed.txt")
        const used = Number(network.runOnLan("df", "--output=used", "/mnt").split("\n")[1])
        const sized = (kilobytes: number) => network.runOnLan("mount", "-o", `remount,size=${kilobytes}k`, "/mnt")
        sized(used + 4 * 1024)
        const files = yield* as("ann", one.url)
        const large = { ...inSession, payload: fileForm("large.bin", randomBytes(20_000_000)) }
        assert.strictEqual((yield* Effect.flip(files.upload(large)))._tag, "StorageFull")
        for (const { url } of [one, other]) {
          const files = yield* as("ann", url)
          assert.deepStrictEqual(yield* namesAt(url), ["before.txt", "doomed.txt"])
          const bytes = yield* files.download({ path: added })
          assert.strictEqual(new TextDecoder().decode(bytes), "text of before.txt")
          assert.strictEqual((yield* ask(`${url}/livez`)).status, 200)
        }
        const left = "SELECT count(*)::int AS contents FROM contents"
        assert.deepStrictEqual(yield* askServer(server.beside(), left), [{ contents: 2 }])
        sized(used + 512 * 1024)
        assert.strictEqual((yield* files.upload(large)).size, 20_000_000)
        yield* files.delete({ path: doomed })
        assert.deepStrictEqual(yield* namesAt(other.url), ["before.txt", "large.bin"])
      }),
    patience
  )

  hosts(
    "the line to the database is cut while a content of 50 MB is read: no torn file is sent, and later all of it",
    () =>
      Effect.gen(function* () {
        const { network, one, other } = yield* twoBackends()
        const bytes = randomBytes(50_000_000)
        const files = yield* as("ann", one.url)
        const added = yield* files.upload({ ...inSession, payload: fileForm("large.bin", bytes) })
        const there = yield* as("ann", other.url)
        const reading = yield* Effect.fork(Effect.either(there.download({ path: added })))
        yield* Effect.sleep("50 millis")
        network.pullCable("database")
        yield* Effect.sleep("2 seconds")
        network.plugIn("database")
        const read = yield* Fiber.join(reading)
        if (read._tag === "Right") assert.isTrue(Buffer.from(read.right).equals(bytes), "whole, or not at all")
        const again = yield* Effect.retry(there.download({ path: added }), Schedule.spaced("200 millis"))
        assert.isTrue(Buffer.from(again).equals(bytes))
      }),
    patience
  )

  withRedis(
    "share the limits of a user by Redis: what one has counted the other refuses",
    () =>
      Effect.gen(function* () {
        const limited = { REDIS_URL: redisUrl, REQUESTS_PER_SECOND: "1" }
        const { one, other } = yield* twoBackends(limited, redisOn)
        const began = performance.now()
        const lists = yield* Effect.forEach([one, other, one, other, one, other, one, other], ({ url }) =>
          Effect.flatMap(as("ann", url), (files) => Effect.either(files.list(everyFile)))
        )
        const passed = lists.filter(({ _tag }) => _tag === "Right").length
        // Two at once and one each second, of both together.
        assert.isAtMost(passed, 2 + Math.ceil((performance.now() - began) / 1000))
        const refused = lists.flatMap((list) => (list._tag === "Left" ? [list.left._tag] : []))
        assert.deepStrictEqual([...new Set(refused)], ["TooManyRequests"])
        const bob = yield* as("bob", other.url)
        yield* bob.search({ urlParams: { limit: 50 } })
      }),
    patience
  )
})

/** Of all pages. */
const namesAtAll = (url: string) =>
  Effect.gen(function* () {
    const files = yield* as("ann", url)
    const names: Array<string> = []
    let after: string | undefined
    do {
      const page = yield* files.list({ ...inSession, urlParams: { limit: 200, deleted: false, after } })
      names.push(...page.files.map(({ name }) => name))
      after = page.next ?? undefined
    } while (after !== undefined)
    return names
  })
