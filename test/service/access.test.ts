import { request } from "node:http"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { type Client, fileForm } from "../../src/service/Client.ts"
import { Limits } from "../../src/service/Limits.ts"
import { Settings } from "../../src/service/Settings.ts"
import { SharedLimits } from "../../src/service/SharedLimits.ts"
import { beginUpload, whenEntries } from "../support/connection.ts"
import { execute, rowsOf, temporaryFolder } from "../support/database.ts"
import { accounts, jsonOf, onlySqlite, serveOn, serving, settingsOn, tokenOf } from "../support/service.ts"
import { afterStatements } from "../support/statements.ts"

const upload = (sessionId: string, content = "x") => ({ path: { sessionId }, payload: fileForm("a.txt", content) })

const threeUsers = Effect.gen(function* () {
  const at = yield* serving({ accounts })
  return {
    ...at,
    alice: yield* at.clientOf(tokenOf("alice")),
    bob: yield* at.clientOf(tokenOf("bob")),
    root: yield* at.clientOf(tokenOf("root")),
    audited: rowsOf(at.file, "SELECT actor, action, outcome, reason, session_id FROM audit_log ORDER BY event_id")
  }
})

describe("a session", () => {
  it.scopedLive(
    "belongs to the user who first writes to it; only that user and administrators may do anything with it",
    () =>
      Effect.gen(function* () {
        const { alice, bob, root } = yield* threeUsers
        const mine = yield* alice.files.upload(upload("s1"))
        const path = { fileId: mine.fileId }
        const session = { path: { sessionId: "s1" } }
        const everything = ({
          files,
          sessions
        }: Client): ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> => [
          files.upload(upload("s1")),
          files.list({ ...session, urlParams: { limit: 50, deleted: false } }),
          sessions.audit({ ...session, urlParams: { limit: 50, after: 0 } }),
          files.details({ path }),
          files.view({ path }),
          files.download({ path }),
          files.rename({ path, payload: { name: "b.txt" } }),
          files.delete({ path }),
          files.restore({ path }),
          files.destroy({ path }),
          sessions.deleteFiles(session)
        ]
        for (const attempt of everything(bob)) {
          assert.strictEqual((yield* Effect.flip(attempt))._tag, "Forbidden")
        }
        assert.deepStrictEqual((yield* bob.files.search({ urlParams: { limit: 50 } })).files, [])
        assert.deepInclude(yield* bob.account.storage(), { files: 0, bytes: 0, sessions: 0 })
        assert.deepInclude(yield* alice.account.storage(), { files: 1, bytes: 1, sessions: 1 })
        assert.strictEqual((yield* alice.files.details({ path })).name, "a.txt")
        for (const attempt of everything(root)) yield* attempt
      })
  )

  it.scopedLive.skipIf(onlySqlite("is written to by another connection to its file"))(
    "is open to its user while another process claims it for that same user",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const taken = {
          owner: `INSERT INTO session_owners (session_id, owner, claimed_at) VALUES ('s1', 'alice', CURRENT_TIMESTAMP)`,
          file: `INSERT INTO conversation_files (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash)
          VALUES ('00000000-0000-4000-8000-000000000001', 's1', 'a.txt', 'a', 'nowhere', 1, 'none')`
        }
        let times = 0
        // The first time the service has asked for the owner, the session is taken before it asks anything else.
        const take = (statement: string) => {
          if (!statement.includes("FROM session_owners WHERE") || times > 0) return
          times += 1
          const other = new Sqlite(join(folder, "app.db"))
          other.exec(`BEGIN IMMEDIATE; ${taken.owner}; ${taken.file}; COMMIT`)
          other.close()
        }
        const { clientOf } = yield* Effect.withTracer(
          serveOn(folder, { accounts }),
          afterStatements(yield* Effect.tracer, take)
        )
        const alice = yield* clientOf(tokenOf("alice"))
        const list = alice.files.list({ path: { sessionId: "s1" }, urlParams: { limit: 50, deleted: false } })
        yield* list
        assert.strictEqual(times, 1)
        assert.strictEqual((yield* list).files.length, 1)
      })
  )

  it.scopedLive(
    "that is used but has no owner belongs to the administrators: it cannot be claimed with its files",
    () =>
      Effect.gen(function* () {
        const { alice, file, root } = yield* threeUsers
        yield* execute(
          file,
          `INSERT INTO conversation_files (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash)
           VALUES ('00000000-0000-4000-8000-000000000001', 'old', 'old.txt', 'old', 'nowhere', 1, 'none')`
        )
        const list = { path: { sessionId: "old" }, urlParams: { limit: 50, deleted: false } }
        assert.strictEqual((yield* Effect.flip(alice.files.list(list)))._tag, "Forbidden")
        assert.strictEqual((yield* Effect.flip(alice.files.upload(upload("old"))))._tag, "Forbidden")
        assert.strictEqual((yield* Effect.flip(alice.files.list(list)))._tag, "Forbidden")
        assert.strictEqual((yield* root.files.list(list)).files.length, 1)
      })
  )

  it.scopedLive("that two users write to at once belongs to one of them", () =>
    Effect.gen(function* () {
      const { alice, bob } = yield* threeUsers
      for (let n = 0; n < 5; n += 1) {
        const outcomes = yield* Effect.all(
          [Effect.either(alice.files.upload(upload(`s${n}`))), Effect.either(bob.files.upload(upload(`s${n}`)))],
          { concurrency: "unbounded" }
        )
        assert.sameMembers(
          outcomes.map((outcome) => (outcome._tag === "Right" ? "stored" : outcome.left._tag)),
          ["stored", "Forbidden"]
        )
      }
    })
  )
})

describe("what happens", () => {
  it.scopedLive("is in the audit trail, with who did it and who was refused, and outlives the file", () =>
    Effect.gen(function* () {
      const { alice, audited, ask, bob } = yield* threeUsers
      const mine = yield* alice.files.upload(upload("s1"))
      yield* Effect.flip(bob.files.view({ path: mine }))
      yield* ask("/api/storage")
      yield* ask("/api/storage", { headers: { authorization: "Bearer wrong-wrong-wrong-wrong" } })
      yield* Effect.flip(alice.files.rename({ path: mine, payload: { name: "../x" } }))
      yield* Effect.flip(bob.files.upload(upload("s1")))
      yield* Effect.flip(alice.files.upload(upload("s1", "x".repeat(1024 * 1024 + 1))))
      yield* alice.files.destroy({ path: mine })
      yield* Effect.flip(alice.files.view({ path: mine }))
      const row = (actor: string | null, action: string, reason: string | null, session_id: string | null = "s1") => ({
        actor,
        action,
        outcome: reason === null ? "done" : "refused",
        reason,
        session_id
      })
      assert.deepStrictEqual(yield* audited, [
        row("alice", "upload", null),
        row("bob", "view", "Forbidden"),
        row("alice", "rename", "InvalidFileName"),
        row("bob", "upload", "Forbidden"),
        row("alice", "upload", "FileTooLarge"),
        row("alice", "delete", null),
        row("alice", "view", "FileNotFound", null)
      ])
    })
  )
})

describe("a token", () => {
  it.scopedLive("is needed for everything except the probes, the page and the description", () =>
    Effect.gen(function* () {
      const { ask } = yield* serving({ accounts })
      for (const path of ["/livez", "/readyz", "/startupz", "/api/health", "/metrics", "/openapi.json", "/"]) {
        assert.strictEqual((yield* ask(path)).status, 200, path)
      }
      for (const authorization of [
        "",
        "Bearer",
        "Bearer ",
        `Bearer ${tokenOf("alice")}x`,
        `Basic ${tokenOf("alice")}`
      ]) {
        const response = yield* ask("/api/storage", { headers: { authorization } })
        assert.strictEqual(response.status, 401, authorization)
        assert.strictEqual((yield* jsonOf(response))["_tag"], "Unauthorized")
      }
      const known = yield* ask("/api/storage", { headers: { authorization: `bearer ${tokenOf("alice")}` } })
      assert.strictEqual(known.status, 200)
    })
  )

  it.scopedLive("of an administrator shows the service's inside; others see neither paths nor messages", () =>
    Effect.gen(function* () {
      const { ask, folder } = yield* serving({ accounts })
      const health = Effect.fnUntraced(function* (authorization: string) {
        const response = yield* ask("/api/health", { headers: { authorization } })
        return JSON.stringify(yield* jsonOf(response))
      })
      for (const authorization of ["", `Bearer ${tokenOf("alice")}`]) {
        const seen = yield* health(authorization)
        assert.notInclude(seen, folder)
        assert.notInclude(seen, '"found"')
      }
      assert.include(yield* health(`Bearer ${tokenOf("root")}`), '"found"')
    })
  )
})

describe("without accounts", () => {
  it.scopedLive("only programs and pages of this machine are served: no other Host, no other Origin", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* serving()
      const { host, port } = new URL(baseUrl)
      const status = (headers: Record<string, string>, path = "/api/storage") =>
        Effect.async<number | undefined>((resume) => {
          const asked = request({ host: "127.0.0.1", port, path, headers, agent: false }, (response) => {
            response.resume().once("end", () => resume(Effect.succeed(response.statusCode)))
          })
          asked.end()
        })
      assert.strictEqual(yield* status({ host }), 200)
      assert.strictEqual(yield* status({ host: `localhost:${port}`, origin: `http://localhost:${port}` }), 200)
      assert.strictEqual(yield* status({ host: `[::1]:${port}` }), 200)
      for (const headers of [
        { host: "evil.example" },
        { host: `evil.example:${port}` },
        { host: "127.0.0.1.evil.example" },
        { host: "localhost.evil.example" },
        { host, origin: "http://evil.example" },
        { host, origin: "null" },
        { host, origin: `https://${host}` },
        { host, origin: "http://localhost:1" }
      ]) {
        assert.strictEqual(yield* status(headers), 403, JSON.stringify(headers))
      }
    })
  )
})

describe("the limits", () => {
  const limited = <A, E>(test: Effect.Effect<A, E, Limits | Scope.Scope>) =>
    Effect.provide(
      test,
      Limits.layer.pipe(
        Layer.provide(SharedLimits.layer),
        Layer.provide(Layer.succeed(Settings, settingsOn("/nowhere", { requestsPerSecond: 10, concurrentRequests: 3 })))
      )
    )
  const ask = (caller: string) =>
    Effect.flatMap(Limits, ({ admit }) => Effect.scoped(admit(caller))).pipe(
      Effect.match({ onFailure: ({ retryAfterSeconds }) => retryAfterSeconds, onSuccess: () => 0 })
    )

  it.scoped("allow twice as many at once as per second, then as many as time brings, for each caller separately", () =>
    limited(
      Effect.gen(function* () {
        const many = (count: number) => Effect.all(Array.from({ length: count }, () => ask("alice")))
        assert.deepStrictEqual(yield* many(21), [...Array.from({ length: 20 }, () => 0), 1])
        assert.strictEqual(yield* ask("bob"), 0)
        yield* TestClock.adjust("99 millis")
        assert.deepStrictEqual(yield* many(1), [1])
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(yield* many(2), [0, 1])
        yield* TestClock.adjust("1 minutes")
        assert.deepStrictEqual(yield* many(21), [...Array.from({ length: 20 }, () => 0), 1])
        // A clock that is set back removes nothing.
        yield* TestClock.setTime(0)
        assert.deepStrictEqual(yield* many(1), [1])
        yield* TestClock.adjust("100 millis")
        assert.deepStrictEqual(yield* many(1), [0])
      })
    )
  )

  it.scoped("admit three at once, and another when one is finished, however it ended", () =>
    limited(
      Effect.gen(function* () {
        const { admit } = yield* Limits
        const staying = yield* Effect.all(
          Array.from({ length: 3 }, () => Effect.fork(Effect.scoped(Effect.zipRight(admit("alice"), Effect.never))))
        )
        yield* Effect.yieldNow()
        assert.strictEqual(yield* ask("alice"), 1)
        assert.strictEqual(yield* ask("bob"), 0)
        yield* Fiber.interruptAll(staying.slice(0, 1))
        assert.strictEqual(yield* ask("alice"), 0)
      })
    )
  )

  it.scopedLive("are reported with 429 and Retry-After on a real server, and counted", () =>
    Effect.gen(function* () {
      const { ask, baseUrl, clientOf, folder } = yield* serving({ accounts, concurrentRequests: 1 })
      const authorization = `Bearer ${tokenOf("alice")}`
      const upload = yield* beginUpload(Number(new URL(baseUrl).port), `Authorization: ${authorization}`)
      yield* whenEntries(join(folder, "files", "incoming"), 1)
      const refused = yield* ask("/api/storage", { headers: { authorization } })
      assert.deepStrictEqual([refused.status, refused.headers.get("retry-after")], [429, "1"])
      assert.deepInclude(yield* jsonOf(refused), { _tag: "TooManyRequests", retryAfterSeconds: 1 })
      const other = yield* ask("/api/storage", { headers: { authorization: `Bearer ${tokenOf("bob")}` } })
      assert.strictEqual(other.status, 200)
      assert.match(yield* upload.end, /^HTTP\/1\.1 201 /)
      const { operator } = yield* clientOf(tokenOf("root"))
      const look = Effect.delay(operator.refusals({ urlParams: { limit: 50 } }), "50 millis")
      const counted = yield* Effect.repeat(look, { until: ({ refusals }) => refusals.length > 0 })
      assert.deepInclude(counted.refusals[0], {
        actor: "alice",
        address: "127.0.0.1",
        reason: "TooManyRequests",
        path: "/api/storage",
        count: 1
      })
    })
  )
})
