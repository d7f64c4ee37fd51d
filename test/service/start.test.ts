/** How the service starts or refuses: what it prints, its exit code, and what it answers meanwhile. */
import { chmodSync, mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { applicationId } from "../../src/service/migrations.ts"
import { ask, askJson, backend, backendProcess, runBackend, runningBackend, stopped } from "../support/backend.ts"
import {
  damagePage,
  independently,
  openConnection,
  pictureOf,
  rivalProcess,
  rowsOf,
  startConversationFiles,
  temporaryFile,
  temporaryFolder
} from "../support/database.ts"
import { type Ended, runProgram, spawnNode, withBrokenDriver } from "../support/program.ts"

/** The settings for a database, with the contents next to it. */
const on = (file: string) => ({ DATA_DIRECTORY: dirname(file), DATABASE_FILE: file })

/** A database without an object, which another process can hold. */
const blankDatabase = (file: string) =>
  Effect.suspend(() => {
    mkdirSync(dirname(file), { recursive: true })
    return independently(file, (connection) => connection.pragma("journal_mode = WAL"))
  })

/** Ended with the code, with the reason and the remedy, and nothing that only a programmer can read. */
const refused = ({ code, stderr, stdout }: Ended, expected: number, why: RegExp) => {
  assert.deepStrictEqual([code, stdout], [expected, ""], stderr)
  assert.match(stderr, why)
  assert.match(stderr, /remedy {2}\S/)
  assert.notMatch(stderr, /^\s+at /m)
  assert.notInclude(stderr, "defect")
}

describe("a start that is refused never serves the API, and ends the process with", () => {
  it.scopedLive("76 on a database that is newer than the program", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* startConversationFiles(file)
      yield* independently(file, (connection) =>
        connection.exec("INSERT INTO schema_migrations (version, description) VALUES ('999', 'newer')")
      )
      refused(yield* runBackend(on(file)), 76, /newer than this program: it has 999/)
    })
  )

  it.scopedLive("65 on a file that is not a database, and on a damaged one; their bytes stay", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const none = join(folder, "none", "app.db")
      mkdirSync(dirname(none))
      writeFileSync(none, "no database at all, but long enough to have a header ".repeat(3))
      const damaged = join(folder, "damaged", "app.db")
      // Marked as the service's own: an unmarked file gets its mark before pages are checked.
      yield* runProgram(["init", "--application-id", String(applicationId), "--database", damaged])
      yield* damagePage(damaged, 3)
      for (const [file, why] of [
        [none, /ConnectionError\.NotADatabase/],
        [damaged, /code {4}\w+\./]
      ] as const) {
        const before = yield* pictureOf(dirname(file))
        refused(yield* runBackend(on(file)), 65, why)
        assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
      }
    })
  )

  it.scopedLive("75 at its deadline while another process has the lock, and names that process", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* blankDatabase(file)
      const rival = yield* rivalProcess(file, "BEGIN IMMEDIATE")
      const ended = yield* runBackend({ ...on(file), DATABASE_TIMEOUT: "5s" })
      refused(ended, 75, /The start did not finish within 5s/)
      assert.include(ended.stderr, `process ${rival.pid}`)
    })
  )

  it.scopedLive("73 if the directory cannot be created", () =>
    Effect.gen(function* () {
      refused(yield* runBackend(on("/dev/null/app.db")), 73, /DirectoryError\.NotADirectory/)
    })
  )

  it.scopedLive("70 if its driver cannot be loaded, which is not a defect of its own", () =>
    Effect.gen(function* () {
      const folder = yield* withBrokenDriver(backend, join(dirname(backend), "service.cjs"))
      const env = { PORT: "0", DATA_DIRECTORY: join(folder, "data") }
      const ended = yield* Effect.promise(() => spawnNode([join(folder, "conversation-files.cjs")], { env }).ended)
      refused(ended, 70, /ConnectionError\.DriverNotLoaded/)
      assert.notInclude(ended.stderr, "A defect")
    })
  )

  it.scopedLive("77 if its user may not write to the database or to the contents", (context) =>
    Effect.gen(function* () {
      // Root may write everywhere, so another user must be refused.
      const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
      const wrong = yield* runBackend({ PORT: "-1" }, user)
      if (wrong.code !== 64) context.skip("another user than root cannot read this checkout")
      const folder = yield* temporaryFolder
      chmodSync(folder, 0o555)
      refused(yield* runBackend(on(join(folder, "a", "app.db")), user), 77, /DirectoryError\.PermissionDenied/)
      const open = join(folder, "open")
      mkdirSync(open)
      chmodSync(open, 0o777)
      const settings = { DATABASE_FILE: join(open, "app.db"), DATA_DIRECTORY: join(folder, "contents") }
      refused(yield* runBackend(settings, user), 77, /Cannot use the directory for contents/)
    })
  )

  it.scopedLive("64 on wrong settings, each of them named, before anything is touched", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const wrong = {
        PORT: "99999",
        API_TOKENS: "ann:short",
        DATABASE_INTEGRITY: "banana",
        DATABASE_TIMEOUT: "soon",
        MAX_FILE_SIZE: "-1",
        RETENTION: "long",
        OTEL_EXPORTER_OTLP_ENDPOINT: "nowhere"
      }
      const data = { DATA_DIRECTORY: join(folder, "data") }
      const all = yield* runBackend({ ...data, ...wrong })
      for (const name of Object.keys(wrong)) refused(all, 64, new RegExp(`Invalid data at ${name}:`))
      for (const [name, value] of Object.entries(wrong)) {
        refused(yield* runBackend({ ...data, [name]: value }), 64, new RegExp(`Invalid data at ${name}:`))
      }
      assert.deepStrictEqual(readdirSync(folder), [])
    })
  )

  it.scopedLive("75 if the port is in use, with the database untouched", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const taken = yield* Effect.acquireRelease(
        Effect.promise(
          () =>
            new Promise<ReturnType<typeof createServer>>((resolve) => {
              const server = createServer().listen(0, "127.0.0.1", () => resolve(server))
            })
        ),
        (server) => Effect.promise(() => new Promise((resolve) => server.close(resolve)))
      )
      const address = taken.address()
      if (address === null || typeof address === "string") return assert.fail("no port was taken")
      const PORT = String(address.port)
      refused(yield* runBackend({ ...on(file), PORT }), 75, /not served {2}listen EADDRINUSE/)
      assert.deepStrictEqual(readdirSync(dirname(dirname(file))), [])
      yield* startConversationFiles(file)
      const before = [yield* pictureOf(dirname(file)), statSync(file).mtimeMs]
      refused(yield* runBackend({ ...on(file), PORT }), 75, /EADDRINUSE/)
      assert.deepStrictEqual([yield* pictureOf(dirname(file)), statSync(file).mtimeMs], before)
    })
  )
})

describe("while the start waits for a lock", () => {
  it.scopedLive(
    "the probes answer with the stage, its attempts and when it began; afterwards everything is served",
    () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* blankDatabase(file)
        const rival = yield* rivalProcess(file, "BEGIN IMMEDIATE")
        const backend = yield* backendProcess(on(file))
        const url = yield* Effect.promise(() => backend.listening)

        /** The answer of a probe after more attempts than this. */
        const beyond = (path: string, attempts: number) =>
          Effect.repeat(askJson(url + path), {
            until: ({ body }) => body.stage === "migrations" && body.attempts > attempts
          })
        const first = yield* beyond("/startupz", 1)
        const second = yield* beyond("/startupz", first.body.attempts)
        for (const { body, headers, status } of [first, second, yield* beyond("/readyz", 1)]) {
          assert.deepStrictEqual([status, headers.get("content-type")], [503, "application/health+json"])
          assert.deepInclude(body, { status: "fail", phase: "starting", stage: "migrations" })
          assert.strictEqual(body.since, first.body.since)
          assert.isBelow(Date.parse(body.since), Date.now() + 1)
        }
        const live = yield* ask(`${url}/livez`)
        assert.deepStrictEqual([live.status, live.text], [200, "ok\n"])
        const page = yield* ask(`${url}/`)
        assert.deepStrictEqual([page.status, page.headers.get("content-type")], [200, "text/html"])
        for (const path of ["/api/files", "/api/sessions/s/files", "/api/storage"]) {
          const { body, headers, status } = yield* askJson(url + path)
          assert.deepStrictEqual([status, headers.get("retry-after"), body._tag], [503, "1", "NotReady"])
        }
        const { body: waiting, status } = yield* askJson(`${url}/api/health`)
        assert.deepStrictEqual([status, waiting.checks["sqlite:migrations"][0].status], [503, "warn"])
        assert.include(waiting.checks["sqlite:migrations"][0].output, `process ${rival.pid}`)

        rival.kill("SIGKILL")
        yield* Effect.promise(() => backend.serving)
        for (const path of ["/livez", "/readyz", "/startupz", "/api/health", "/api/files", "/"]) {
          assert.deepStrictEqual([path, (yield* ask(url + path)).status], [path, 200])
        }
      })
  )

  it.scopedLive("SIGTERM and SIGINT end it at once, like the program, and it says how far it had come", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* blankDatabase(file)
      const rival = yield* openConnection(file)
      rival.exec("BEGIN IMMEDIATE")
      for (const [signal, expected] of [
        ["SIGTERM", 143],
        ["SIGINT", 130]
      ] as const) {
        const backend = yield* backendProcess(on(file))
        const url = yield* Effect.promise(() => backend.listening)
        yield* Effect.repeat(askJson(`${url}/startupz`), { until: ({ body }) => body.attempts > 1 })
        const { code, stderr, stdout } = yield* stopped(backend, signal)
        assert.deepStrictEqual([code, stdout], [expected, ""], stderr)
        assert.match(stderr, /^not served {2}Interrupted in the migrations stage; nothing half-done is left behind$/m)
      }
      rival.exec("ROLLBACK")
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT name FROM sqlite_schema"), [])
    })
  )
})

describe("a database that is moved away while the start waits", () => {
  it.scopedLive("ends the service with 75, like the program", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      mkdirSync(dirname(file), { recursive: true })
      yield* independently(file, (connection) => connection.exec("CREATE TABLE others (x)"))
      const rival = yield* openConnection(file)
      rival.exec("BEGIN IMMEDIATE")
      const backend = yield* backendProcess(on(file))
      const url = yield* Effect.promise(() => backend.listening)
      yield* Effect.repeat(askJson(`${url}/startupz`), { until: ({ body }) => body.attempts > 1 })
      renameSync(file, `${file}.moved`)
      rival.exec("ROLLBACK")
      refused(yield* Effect.promise(() => backend.ended), 75, /code {4}ConnectionError\.Replaced/)
    })
  )
})

describe("the address", () => {
  it.scopedLive("is loopback without accounts, whatever HOST says, and the log says so", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const backend = yield* runningBackend({ ...on(file), HOST: "0.0.0.0" })
      assert.match(backend.url, /^http:\/\/127\.0\.0\.1:\d+$/)
      const { stderr } = yield* stopped(backend)
      assert.include(stderr, "No accounts are configured (API_TOKENS): listening on 127.0.0.1, not on 0.0.0.0")
    })
  )

  it.scopedLive("is the one of HOST with accounts, or loopback", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      for (const more of [{ API_TOKENS: "ann:0123456789abcdef" }, {}]) {
        const backend = yield* runningBackend({ ...on(file), ...more, HOST: "127.0.0.2" })
        assert.match(backend.url, /^http:\/\/127\.0\.0\.2:\d+$/)
        assert.strictEqual((yield* ask(`${backend.url}/readyz`)).status, 200)
        assert.notInclude((yield* stopped(backend)).stderr, "No accounts")
      }
    })
  )
})
