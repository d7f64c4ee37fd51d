/** The scenarios of the six machines with a host for each, and what happens to lines, Redis and service meanwhile. HOSTS=all is the long form. */
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { FileDetails } from "../../src/service/Client.ts"
import { ask, clientOf } from "../support/backend.ts"
import { noBrowser } from "../support/browser.ts"
import { temporaryFolder } from "../support/database.ts"
import { endToEnd } from "../support/endToEnd.ts"
import {
  changesReachOthers,
  concurrentInitialization,
  freshDeployment,
  pageUpload,
  screenshotSave,
  workerUpload
} from "../support/machineScenarios.ts"
import { redisServer } from "../support/redis.ts"
import {
  as,
  everyFile,
  machine,
  Reading,
  type System,
  sessionId,
  settingsFor,
  tokenOf
} from "../support/sixMachines.ts"
import { type Network, noHosts, sixHosts } from "./network.ts"
import { programOn, redisOn, redisPassword, redisUrl, systemOn } from "./system.ts"

/** Six hosts and two browsers are slow when others use the processor; this limit measures nothing. */
const patience = 180_000

const isLong = process.env["HOSTS"] === "all"
const hosts = it.scopedLive.skipIf(noHosts !== undefined)
const long = it.scopedLive.skipIf(noHosts !== undefined || !isLong)
const withBrowser = it.scopedLive.skipIf((noHosts ?? noBrowser) !== undefined || !isLong)
const withRedis = it.scopedLive.skipIf(noHosts !== undefined || redisServer === undefined || !isLong)
const skipped = noHosts === undefined ? "" : ` (skipped: ${noHosts})`
const inABrowser = noBrowser === undefined ? "" : ` (skipped: ${noBrowser})`
const ofRedis = redisServer === undefined ? " (skipped: no Redis)" : ""

const onHosts = <A, E, R>(scenario: (system: System, network: Network) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(sixHosts, (network) => scenario(systemOn(network), network))

/** Nothing passes for a while, and nobody is told. */
const pulledFor = (network: Network, name: "backend" | "npu") =>
  Effect.sync(() => network.pullCable(name)).pipe(
    Effect.zipRight(Effect.sleep("700 millis")),
    Effect.zipRight(Effect.sync(() => network.plugIn(name)))
  )

const Uploaded = Schema.parseJson(
  Schema.Struct({ status: Schema.Number, sha256: Schema.String, answer: Schema.Unknown })
)

/** Health's check of the limits, once it has this status. */
const limitsOf = (url: string, status: "pass" | "warn") =>
  Effect.gen(function* () {
    const { health } = yield* clientOf(url, tokenOf.ai)
    return yield* Effect.map(health(), (text) => JSON.parse(text).checks["redis:limits"]?.[0]).pipe(
      Effect.delay("50 millis"),
      Effect.repeat({ until: (check) => check?.status === status })
    )
  })

describe(`the six machines on six hosts${skipped}`, () => {
  hosts(
    "concurrent initialization from multiple VMs: all are ready, and each migration is applied once",
    () => onHosts(concurrentInitialization),
    patience
  )

  hosts(
    "the backend's cable is pulled in the middle of an upload: with the cable back the file is whole",
    () =>
      onHosts((system, network) =>
        Effect.gen(function* () {
          const { at, url } = yield* system.serve(settingsFor(yield* temporaryFolder))
          const env = { SERVICE_URL: at, SERVICE_TOKEN: tokenOf.ann, SESSION: sessionId }
          const uploader = join(import.meta.dirname, "uploader.mjs")
          const uploading = yield* programOn(network, "npu", env, process.execPath, uploader)
          yield* Effect.promise(() => uploading.says(/half/, "stdout"))
          network.pullCable("backend")
          uploading.process.stdin?.write("\n")
          const reached = yield* Effect.timeoutOption(ask(`${url}/livez`), "700 millis")
          assert.isTrue(Option.isNone(reached), "nothing passes")
          assert.isNull(uploading.process.exitCode)
          network.plugIn("backend")

          const { stdout } = yield* Effect.promise(() => uploading.ended)
          const { answer, sha256, status } = yield* Schema.decode(Uploaded)(stdout.replace("half\n", ""))
          assert.strictEqual(status, 201, stdout)
          const files = yield* as("ann", url)
          const { fileId } = yield* Schema.decodeUnknown(FileDetails)(answer)
          const listed = (yield* files.list(everyFile)).files
          assert.deepStrictEqual(
            listed.map((file) => file.fileId),
            [fileId]
          )
          assert.deepStrictEqual(yield* machine(system, "ai", Reading, at), [
            { name: "long.txt", size: 8 * 1024 * 1024, sha256 }
          ])
          assert.strictEqual((yield* ask(`${url}/readyz`)).status, 200)
        })
      ),
    patience
  )

  withRedis(
    `Redis is gone: requests are answered, the service is ready, and health warns until Redis is back${ofRedis}`,
    () =>
      onHosts((system, network) =>
        Effect.gen(function* () {
          const redis = yield* redisOn(network)
          const settings = settingsFor(yield* temporaryFolder)
          const { at, url } = yield* system.serve({
            ...settings,
            REDIS_URL: redisUrl
          })
          yield* limitsOf(url, "pass")
          /** All is as usual, but for the warning. */
          const isServed = (why: RegExp) =>
            Effect.gen(function* () {
              const files = yield* as("ann", url)
              // The kernel would wait for minutes.
              const lists = Effect.replicateEffect(files.list(everyFile), 20)
              yield* Effect.timeout(lists, "10 seconds")
              assert.strictEqual((yield* ask(`${url}/readyz`)).status, 200)
              const check = yield* limitsOf(url, "warn")
              assert.match(check.output, why)
              assert.notInclude(JSON.stringify(check), redisPassword)
              assert.strictEqual((yield* ask(`${url}/readyz`)).status, 200)
            })

          network.pullCable("database")
          yield* isServed(/counts requests on its own: Redis does not answer/)
          // The AI machine does not notice.
          assert.deepStrictEqual(yield* machine(system, "ai", Reading, at), [])
          network.plugIn("database")
          yield* limitsOf(url, "pass")

          yield* Effect.promise(() => network.end(redis, "SIGKILL"))
          yield* isServed(/Redis does not answer/)
          yield* redisOn(network)
          yield* limitsOf(url, "pass")
        })
      ),
    patience
  )

  long(
    "changes reach the other machines, with cables pulled and a service that is restarted in between",
    () =>
      onHosts((system, network) =>
        changesReachOthers(system, (service, settings) =>
          Effect.gen(function* () {
            yield* pulledFor(network, "npu")
            yield* pulledFor(network, "backend")
            assert.strictEqual((yield* service.end("SIGTERM")).code, 0)
            yield* system.serve(settings)
          })
        )
      ),
    patience
  )

  long(
    "fresh VM0 deployment creates schema, and serves the other hosts on it",
    () => onHosts(freshDeployment),
    patience
  )

  long(
    "NPU worker VM2 file upload: it fetches a file and returns its result, with metadata",
    () => onHosts(workerUpload),
    patience
  )

  withBrowser(
    `browser VM5 screenshot save: what a real browser shows is a file of the session${inABrowser}`,
    () => onHosts(screenshotSave),
    patience
  )

  withBrowser(
    `frontend VM1 file upload: what a user chooses in the page is stored, and there again${inABrowser}`,
    () => onHosts(pageUpload),
    patience
  )

  withBrowser(
    `end to end distributed workflow: a user, four machines, a stranger, and a backend that is killed in between${inABrowser}`,
    () => onHosts(endToEnd),
    patience
  )
})
