/** `serve-probes`: a start that is watched over HTTP, and stays or ends. */
import { createServer } from "node:http"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { exitCode, isRefusal, teardown } from "../../layers/index.ts"
import { ProbeServerError, serveProbes } from "../../layers/operate.ts"
import { rivalWriter } from "../../layers/testing.ts"
import {
  independently,
  notes,
  onlyFirst,
  start,
  starting,
  temporaryFile,
  temporaryFolder
} from "../support/database.ts"
import { type Running, runProgram, spawnProgram } from "../support/program.ts"

const get = (address: string, path: string, method = "GET") =>
  Effect.promise(async () => {
    const response = await fetch(`http://${address}${path}`, { method })
    return `${path} ${response.status}`
  })
const statuses = (address: string) =>
  Effect.forEach(["/livez", "/readyz", "/startupz", "/health", "/"], (path) => get(address, path))

/** What it says, before it ends: on SIGKILL at the latest. */
const running = (args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => spawnProgram(["serve-probes", "--port", "0", ...args])),
    ({ ended, process }: Running) =>
      Effect.promise(() => {
        process.kill("SIGKILL")
        return ended
      })
  )

describe("probes alone", () => {
  it.scopedLive(
    "are answered while the start waits, once it is ready, and when the database is not sound any more",
    () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* start(file, { migrations: onlyFirst })
        const rival = yield* Scope.make()
        yield* Scope.extend(rivalWriter(file), rival)
        const waits = yield* Deferred.make<void>()
        const listens = yield* Deferred.make<string>()
        const database = starting(file, {
          migrations: notes,
          onProgress: (event) => (event._tag === "StageWaiting" ? Deferred.succeed(waits, undefined) : Effect.void)
        })
        const serving = yield* Effect.fork(
          serveProbes(database, { onListening: (address) => Deferred.succeed(listens, address) })
        )
        const address = yield* Deferred.await(listens)
        yield* Deferred.await(waits)
        assert.deepStrictEqual(yield* statuses(address), [
          "/livez 200",
          "/readyz 503",
          "/startupz 503",
          "/health 503",
          "/ 404"
        ])
        yield* Scope.close(rival, Exit.void)
        yield* Fiber.join(serving)
        const open = ["/livez 200", "/readyz 200", "/startupz 200", "/health 200", "/ 404"]
        assert.deepStrictEqual(yield* statuses(address), open)
        assert.strictEqual(yield* get(address, "/readyz", "POST"), "/readyz 405")
        yield* independently(file, (connection) => connection.exec("DROP TABLE tags"))
        assert.strictEqual(yield* get(address, "/readyz"), "/readyz 503")
      })
  )

  it.scopedLive("do not begin a start on a port that is in use, and say so", () =>
    Effect.gen(function* () {
      const server = yield* Effect.acquireRelease(
        Effect.async<ReturnType<typeof createServer>>((resume) => {
          const server = createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const bound = server.address()
      const port = typeof bound === "object" && bound !== null ? bound.port : 0
      const file = yield* temporaryFile
      const error = yield* Effect.flip(serveProbes(starting(file), { port }))
      assert.deepStrictEqual([error._tag, error.reason, error.retryable], ["ProbeServerError", "PortInUse", true])
      const nowhere = yield* Effect.flip(serveProbes(starting(file), { host: "192.0.2.1" }))
      assert.deepStrictEqual([nowhere._tag, nowhere.reason], ["ProbeServerError", "CannotListen"])
      // What ends or logs a program with a refusal knows those of every room.
      assert.deepStrictEqual([isRefusal(nowhere), nowhere instanceof ProbeServerError], [true, true])
      teardown(Exit.fail(nowhere), (code) => assert.strictEqual(code, exitCode.usage))
    })
  )

  it.scopedLive("as a program: it stays until it is told to end, or ends once the database is ready", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const database = ["--database", join(folder, "app.db"), "--migrations", "migrations"]
      const { ended, process, says } = yield* running(database)
      const address = yield* Effect.promise(() => says(/http:\/\/(\S+)/, "stderr"))
      yield* Effect.promise(() => says(/ready {2}/, "stdout"))
      assert.strictEqual(yield* get(address, "/readyz"), "/readyz 200")
      process.kill("SIGTERM")
      assert.strictEqual((yield* Effect.promise(() => ended)).code, 0)
      const once = yield* runProgram(["serve-probes", "--port", "0", "--until-ready", "--json", ...database])
      assert.deepStrictEqual([once.code, JSON.parse(once.stdout).status], [0, "ready"])
      yield* independently(join(folder, "app.db"), (connection) => connection.exec("DROP TABLE file_metadata"))
      const refused = yield* runProgram(["serve-probes", "--port", "0", ...database])
      assert.deepStrictEqual([refused.code, refused.stdout], [65, ""])
      assert.match(refused.stderr, /not ready {2}.*app\.db/)
    })
  )
})
