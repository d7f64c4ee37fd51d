/** The live database, seen through the probes of a running service, while somebody else changes it. */
import { copyFileSync, renameSync, statSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { fileForm } from "../../src/service/Client.ts"
import { ask, askJson, clientOf, runBackend, runningBackend, stopped } from "../support/backend.ts"
import { damagePage, independently, rivalProcess, rowsOf, temporaryFolder } from "../support/database.ts"
import { because, unattachable, whileHeld } from "../support/faults.ts"
import { runProgram } from "../support/program.ts"

/** A service that checks its database for every request, and the database. */
const watched = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const file = join(folder, "conversation_files.db")
  const backend = yield* runningBackend({ DATA_DIRECTORY: folder, HEALTH_CACHE: "0ms", LOCK_PATIENCE: "100ms" })
  return { ...backend, file, folder }
})

/** What the probes and the API say at this moment. */
const standing = Effect.fnUntraced(function* (url: string) {
  const ready = yield* askJson(`${url}/readyz`)
  const health = yield* askJson(`${url}/api/health`)
  const list = yield* askJson(`${url}/api/files`)
  return {
    statuses: [ready.status, health.status, list.status],
    body: health.body,
    reasons: Object.fromEntries(
      Object.entries<ReadonlyArray<{ readonly status: string; readonly observedValue: unknown }>>(health.body.checks)
        .filter(([, [check]]) => check?.status === "fail")
        .map(([name, [check]]) => [name, check?.observedValue])
    ),
    refusal: list.body._tag
  }
})

const sound = Effect.fnUntraced(function* (url: string) {
  const { body, reasons, statuses } = yield* standing(url)
  assert.deepStrictEqual([statuses, body.status, reasons], [[200, 200, 200], "pass", {}], JSON.stringify(body.checks))
})

const unsound = Effect.fnUntraced(function* (url: string, reason: string) {
  const { body, reasons, refusal, statuses } = yield* standing(url)
  assert.deepStrictEqual([statuses, body.status, refusal], [[503, 503, 503], "fail", "NotReady"])
  assert.deepStrictEqual(reasons, { "sqlite:database": reason })
  assert.strictEqual((yield* ask(`${url}/livez`)).status, 200)
  assert.strictEqual((yield* ask(`${url}/startupz`)).status, 200)
})

describe("/api/health", () => {
  it.scopedLive("has the status, the schema version, a check per stage, the live checks and the timeline", () =>
    Effect.gen(function* () {
      const { url } = yield* watched
      const { body, headers, status } = yield* askJson(`${url}/api/health`)
      assert.deepStrictEqual(
        [status, headers.get("content-type"), headers.get("cache-control")],
        [200, "application/health+json", "no-store"]
      )
      assert.deepInclude(body, { status: "pass", phase: "open", schemaVersion: "009" })
      const stages = ["directory", "connection", "pragmas", "migrations", "integrity"]
      assert.deepStrictEqual(Object.keys(body.checks), [
        ...stages.map((name) => `sqlite:${name}`),
        "sqlite:database",
        "sqlite:write-lock",
        "sqlite:checkpoints",
        "storage:contents",
        "storage:space"
      ])
      for (const name of stages) {
        const [check] = body.checks[`sqlite:${name}`]
        assert.deepInclude(check, { componentType: "datastore", status: "pass", observedUnit: "ms" })
        assert.isAbove(check.observedValue, 0)
        assert.isNotNaN(Date.parse(check.time))
      }
      const observed = (name: string) => [body.checks[name][0].observedValue, body.checks[name][0].observedUnit]
      assert.deepStrictEqual(observed("sqlite:database"), ["009", "schema version"])
      assert.deepStrictEqual(observed("sqlite:write-lock"), ["free", "write lock"])
      assert.deepStrictEqual(observed("storage:contents"), [0, "missing contents"])
      assert.deepStrictEqual(
        body.startup.stages.map(({ attempts, name }: { attempts: number; name: string }) => [name, attempts]),
        stages.map((name) => [name, 1])
      )
      assert.include(body.startup.stages[3].found, "applied 9")
    })
  )

  it.scopedLive("shows details only to administrators if accounts are configured", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = join(folder, "conversation_files.db")
      const tokens = { ann: "0123456789abcdef-ann", root: "0123456789abcdef-root" }
      const { url } = yield* runningBackend({
        DATA_DIRECTORY: folder,
        HEALTH_CACHE: "0ms",
        API_TOKENS: `ann:${tokens.ann},root:${tokens.root}:administrator`
      })
      renameSync(file, `${file}.away`)
      const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
      for (const path of ["/api/health", "/readyz"]) {
        const inside = yield* ask(url + path, bearer(tokens.root))
        assert.strictEqual(inside.status, 503)
        assert.include(inside.text, file)
        for (const init of [{}, bearer(tokens.ann), bearer("0123456789abcdef-nobody")]) {
          const outside = yield* ask(url + path, init)
          assert.strictEqual(outside.status, 503)
          assert.notInclude(outside.text, folder)
          assert.deepInclude(JSON.parse(outside.text).checks["sqlite:database"][0], {
            status: "fail",
            output: "ConnectionError.Replaced"
          })
        }
      }
      const { startup } = (yield* askJson(`${url}/api/health`)).body
      assert.notProperty(startup.stages[0], "found")
    })
  )

  it.scopedLive("never reads pages: it does not show damage that a start with `full` refuses", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = join(folder, "conversation_files.db")
      yield* runProgram(["init", "--database", file])
      yield* independently(file, (connection) => {
        connection.exec(`WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 2000)
          INSERT INTO audit_log (happened_at, actor, action, outcome)
          SELECT '2026-01-01 00:00:00', hex(randomblob(100)), 'upload', 'done' FROM n`)
      })
      yield* damagePage(file, Math.floor(statSync(file).size / 4096) - 10)
      const settings = { DATA_DIRECTORY: folder, HEALTH_CACHE: "0ms" }
      const { url } = yield* runningBackend({ ...settings, DATABASE_INTEGRITY: "schema" })
      yield* sound(url)
      assert.strictEqual((yield* runBackend({ ...settings, DATABASE_INTEGRITY: "full" })).code, 65)
    })
  )
})

describe("readiness and the API fail, and both come back, when the database", () => {
  it.scopedLive("is moved away and moved back", () =>
    Effect.gen(function* () {
      const { file, url } = yield* watched
      yield* sound(url)
      renameSync(file, `${file}.away`)
      yield* unsound(url, "Replaced")
      renameSync(`${file}.away`, file)
      yield* sound(url)
    })
  )

  it.scopedLive("is replaced by another file, even an equal one", () =>
    Effect.gen(function* () {
      const { file, url } = yield* watched
      renameSync(file, `${file}.away`)
      copyFileSync(`${file}.away`, file)
      yield* unsound(url, "Replaced")
      renameSync(`${file}.away`, file)
      yield* sound(url)
    })
  )

  it.scopedLive("has lost a table, or a migration's record", () =>
    Effect.gen(function* () {
      const { file, url } = yield* watched
      const objects = yield* rowsOf(file, "SELECT sql FROM sqlite_schema WHERE tbl_name = 'audit_log' AND sql NOT NULL")
      yield* independently(file, (connection) => connection.exec("DROP TABLE audit_log"))
      yield* unsound(url, "SchemaDiffers")
      yield* independently(file, (connection) => {
        for (const { sql } of objects as ReadonlyArray<{ readonly sql: string }>) connection.exec(sql)
      })
      yield* sound(url)
      yield* independently(file, (connection) =>
        connection.exec(`CREATE TABLE kept AS SELECT * FROM schema_migrations WHERE version = '009';
          DELETE FROM schema_migrations WHERE version = '009'`)
      )
      yield* unsound(url, "Unrecorded")
      yield* independently(file, (connection) =>
        connection.exec("INSERT INTO schema_migrations SELECT * FROM kept; DROP TABLE kept")
      )
      yield* sound(url)
    })
  )
})

describe.skipIf(unattachable !== undefined)(
  `a disk that does not tell how much is free${because(unattachable)}`,
  () => {
    it.scopedLive("keeps no request waiting for long, and health says that it is not known", () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const { process: child, url } = yield* runningBackend({ DATA_DIRECTORY: folder, HEALTH_CACHE: "0ms" })
        const { account, files } = yield* clientOf(url)
        yield* whileHeld(
          child.pid ?? 0,
          "statfs",
          Effect.gen(function* () {
            const { body } = yield* Effect.repeat(Effect.delay(askJson(`${url}/api/health`), "100 millis"), {
              // On a busy machine there may be a warning before: that the last value is old.
              until: ({ body }) => body.checks["storage:space"][0].observedValue === "unknown"
            })
            const [space] = body.checks["storage:space"]
            assert.deepInclude(space, { observedValue: "unknown", status: "warn" })
            assert.match(space.output, /not known/)
            const [database] = body.checks["sqlite:database"]
            assert.match(database.output, /How many bytes are free for .* is not known: .* did not answer/)
            assert.strictEqual((yield* ask(`${url}/readyz`)).status, 200)
            yield* files.upload({ path: { sessionId: "s" }, payload: fileForm("a", "a") })
            assert.isNull((yield* account.storage()).freeBytes)
          })
        )
        const { body } = yield* Effect.repeat(Effect.delay(askJson(`${url}/api/health`), "100 millis"), {
          until: ({ body }) => body.checks["storage:space"][0].status === "pass"
        })
        assert.isUndefined(body.checks["sqlite:database"][0].output)
      })
    )
  }
)

describe("while another process has the write lock", () => {
  it.scopedLive(
    "reads continue and readiness passes with a warning that names it; writes are told when to try again",
    () =>
      Effect.gen(function* () {
        const { file, url, ...backend } = yield* watched
        const { files } = yield* clientOf(url)
        const upload = files.upload({ path: { sessionId: "s" }, payload: fileForm("a.txt", "a") })
        const { fileId } = yield* upload
        const rival = yield* rivalProcess(file, "BEGIN IMMEDIATE")
        const { body, reasons, statuses } = yield* Effect.repeat(standing(url), {
          until: ({ body }) => body.checks["sqlite:write-lock"][0].status !== "pass"
        })
        assert.deepStrictEqual([statuses, body.status, reasons], [[200, 200, 200], "warn", {}])
        const [lock] = body.checks["sqlite:write-lock"]
        assert.deepInclude(lock, { status: "warn", observedValue: "Busy" })
        assert.include(lock.output, `the lock is held by process ${rival.pid} (node)`)
        assert.strictEqual((yield* files.details({ path: { fileId } })).name, "a.txt")
        const busy = yield* askJson(`${url}/api/files/${fileId}`, { method: "DELETE" })
        assert.deepStrictEqual(
          [busy.status, busy.headers.get("retry-after"), busy.body._tag],
          [503, "1", "DatabaseBusy"]
        )
        assert.strictEqual((yield* Effect.flip(upload))._tag, "DatabaseBusy")
        const gone = Effect.promise(() => new Promise((resolve) => rival.once("exit", resolve)))
        rival.kill("SIGKILL")
        yield* gone
        yield* sound(url)
        yield* upload
        const { stderr } = yield* stopped(backend)
        assert.match(
          stderr,
          /level=WARN .*Health: sqlite:write-lock is warn, was pass: WriteError.Busy: .*process \d+ \(node\)/
        )
        assert.match(stderr, /level=INFO .*Health: sqlite:write-lock is pass, was warn/)
      })
  )
})

describe("once a newer program has made an incompatible upgrade", () => {
  it.scopedLive("the service is not ready any more, says why in its log, refuses the API, and keeps running", () =>
    Effect.gen(function* () {
      const { file, url, ...backend } = yield* watched
      yield* sound(url)
      yield* independently(file, (connection) =>
        connection.exec(`INSERT INTO schema_migrations (version, description, name, checksum)
          VALUES ('999', 'next', 'next', 'x')`)
      )
      yield* unsound(url, "NewerDatabase")
      const { stderr } = yield* stopped(backend)
      assert.match(
        stderr,
        /level=ERROR .*Health: sqlite:database is fail, was pass: HistoryError.NewerDatabase: .*999_next/
      )
    })
  )
})
