import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { FilesApi, fileForm } from "../../src/service/Client.ts"
import { execute, rowsOf } from "../support/database.ts"
import { contentsIn, incomingIn, serving } from "../support/service.ts"

const sha256 = (content: string) => createHash("sha256").update(content).digest("hex")
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const upload = (sessionId: string, name: string, content: string, options = {}) => ({
  path: { sessionId },
  payload: fileForm(name, content, { type: "text/plain", ...options })
})

describe("the typed client", () => {
  it.scopedLive("does everything that the API describes, on a real server", () =>
    Effect.gen(function* () {
      const { client } = yield* serving()
      const { account, files, operator, sessions } = client
      const used = new Set<string>()
      const call = <A, E, R>(name: string, effect: Effect.Effect<A, E, R>) => {
        used.add(name)
        return effect
      }
      const options = { messageId: "m1", metadata: { width: "10", "a key": "ünïcode" } }
      const added = yield* call("files.upload", files.upload(upload("s1", "a.txt", "hello", options)))
      const path = { fileId: added.fileId }
      assert.deepInclude(added, {
        sessionId: "s1",
        name: "a.txt",
        size: 5,
        sha256: sha256("hello"),
        mimeType: "text/plain",
        uploadedBy: "local",
        deletedAt: null,
        metadata: options.metadata,
        messageId: "m1"
      })
      assert.deepStrictEqual(yield* call("files.details", files.details({ path })), added)
      assert.strictEqual(textOf(yield* call("files.view", files.view({ path }))), "hello")
      assert.strictEqual(textOf(yield* call("files.download", files.download({ path }))), "hello")
      const renamed = yield* call("files.rename", files.rename({ path, payload: { name: "b.txt" } }))
      assert.strictEqual(renamed.name, "b.txt")
      const session = { path: { sessionId: "s1" } }
      const inSession = { ...session, urlParams: { limit: 50, deleted: false } }
      assert.deepStrictEqual((yield* call("files.list", files.list(inSession))).files, [renamed])
      assert.deepStrictEqual(
        (yield* call("files.search", files.search({ urlParams: { limit: 50, name: "B.T" } }))).files,
        [renamed]
      )

      assert.isString((yield* call("files.delete", files.delete({ path }))).deletedAt)
      const gone = yield* Effect.flip(files.view({ path }))
      assert.strictEqual(gone._tag, "FileDeleted")
      assert.deepStrictEqual((yield* files.list(inSession)).files, [])
      const deleted = yield* files.list({ ...session, urlParams: { limit: 50, deleted: true } })
      assert.deepStrictEqual(
        deleted.files.map(({ name }) => name),
        ["b.txt"]
      )
      assert.isNull((yield* call("files.restore", files.restore({ path }))).deletedAt)

      const storage = yield* call("account.storage", account.storage())
      assert.deepStrictEqual(
        yield* call("operator.refusals", operator.refusals({ urlParams: { limit: 50, before: 0 } })),
        {
          refusals: [],
          next: null
        }
      )
      const facts = yield* call("operator.database", operator.database())
      assert.strictEqual(facts.schemaVersion, facts.migrations.at(-1)?.version)
      const { turns } = yield* call("operator.healthHistory", operator.healthHistory())
      // On a busy machine a late answer is a warning. So is a server that flushes nothing, as that of the tests.
      const statuses = turns.map(({ status }) => status)
      assert.include(statuses, "pass")
      assert.notInclude(statuses, "fail")
      assert.deepInclude(storage, { files: 1, deletedFiles: 0, sessions: 1, bytes: 5, storedBytes: 5 })
      assert.isAbove(storage.freeBytes ?? 0, 0)
      const at = new Date(Date.now() + 60_000)
      const expiring = yield* call("files.expire", files.expire({ path, payload: { expiresAt: at } }))
      assert.strictEqual(expiring.expiresAt, at.toISOString())
      assert.strictEqual((yield* files.expire({ path, payload: { expiresAt: null } })).expiresAt, null)
      assert.deepStrictEqual(yield* call("account.cleanups", account.cleanups({ urlParams: { limit: 50 } })), {
        cleanups: [],
        next: null
      })
      assert.isString((yield* call("sessions.end", sessions.end(session))).endedAt)
      assert.strictEqual((yield* Effect.flip(files.upload(upload("s1", "d.txt", "d"))))._tag, "SessionEnded")
      assert.isNull((yield* call("sessions.reopen", sessions.reopen(session))).endedAt)
      assert.deepInclude(yield* call("account.me", account.me()), { name: "local", usage: { files: 1, bytes: 5 } })
      const given = yield* call("sessions.give", sessions.give({ ...session, payload: { owner: "ann" } }))
      assert.strictEqual(given.owner, "ann")
      assert.deepStrictEqual(yield* call("sessions.get", sessions.get(session)), given)
      const list = yield* call("sessions.list", sessions.list({ urlParams: { limit: 50 } }))
      assert.deepStrictEqual(list.sessions, [given])
      yield* call("files.destroy", files.destroy({ path }))
      assert.strictEqual((yield* Effect.flip(files.details({ path })))._tag, "FileNotFound")
      yield* files.upload(upload("s1", "c.txt", "c"))
      assert.strictEqual((yield* call("sessions.deleteFiles", sessions.deleteFiles(session))).deleted, 1)
      const { events } = yield* call(
        "sessions.audit",
        sessions.audit({ ...session, urlParams: { limit: 50, after: 0 } })
      )
      assert.deepStrictEqual(
        events.map(({ action, outcome, reason }) => [action, outcome, reason]),
        [
          ["upload", "done", null],
          ["view", "done", null],
          ["download", "done", null],
          ["rename", "done", null],
          ["delete", "done", null],
          ["view", "refused", "FileDeleted"],
          ["restore", "done", null],
          ["expire", "done", null],
          ["expire", "done", null],
          ["end", "done", null],
          ["upload", "refused", "SessionEnded"],
          ["reopen", "done", null],
          ["give", "done", null],
          ["delete", "done", null],
          ["upload", "done", null],
          ["delete", "done", null]
        ]
      )
      // The other groups have tests of their own.
      const described = Object.values(FilesApi.groups)
        .filter(({ identifier }) => identifier in { account, files, operator, sessions })
        .flatMap(({ endpoints, identifier }) => Object.keys(endpoints).map((endpoint) => `${identifier}.${endpoint}`))
      assert.deepStrictEqual([...used].sort(), described.sort())
      assert.strictEqual(yield* client.livez(), "ok\n")
      for (const probe of [client.readyz, client.startupz, client.health]) {
        assert.include(["pass", "warn"], JSON.parse(yield* probe()).status)
      }
      assert.include(yield* client.metrics(), "http_requests")
    })
  )
})

describe("contents", () => {
  it.scopedLive("are stored once, no matter who uploads them, as long as one file wants them", () =>
    Effect.gen(function* () {
      const { client, folder } = yield* serving()
      const { files } = client
      const one = yield* files.upload(upload("s1", "one.txt", "same"))
      const two = yield* files.upload(upload("s2", "two.txt", "same"))
      const other = yield* files.upload(upload("s2", "other.txt", "other"))
      assert.deepStrictEqual(yield* contentsIn(folder), [sha256("same"), sha256("other")].sort())
      assert.deepInclude(yield* client.account.storage(), { files: 3, bytes: 13, storedBytes: 9 })

      yield* files.destroy({ path: one })
      assert.strictEqual(textOf(yield* files.view({ path: two })), "same")
      yield* files.destroy({ path: other })
      assert.deepStrictEqual(yield* contentsIn(folder), [sha256("same")])
      yield* client.sessions.deleteFiles({ path: { sessionId: "s2" } })
      assert.deepStrictEqual(yield* contentsIn(folder), [])
      assert.deepStrictEqual(incomingIn(folder), [])
      const again = yield* files.upload(upload("s1", "one.txt", "same"))
      assert.strictEqual(textOf(yield* files.view({ path: again })), "same")
    })
  )

  it.scopedLive("may be empty", () =>
    Effect.gen(function* () {
      const { client } = yield* serving()
      const empty = yield* client.files.upload(upload("s1", "empty.txt", ""))
      assert.deepInclude(empty, { size: 0, sha256: sha256("") })
      assert.strictEqual(textOf(yield* client.files.view({ path: empty })), "")
    })
  )
})

describe("lists", () => {
  it.scopedLive("come page by page, newest first, each file once, including those of other programs", () =>
    Effect.gen(function* () {
      const { client, file } = yield* serving()
      const { files } = client
      for (const name of ["a", "b", "c"]) yield* files.upload(upload("s1", `${name}.txt`, name))
      // Other programs write times without milliseconds, here all of one second.
      yield* execute(
        file,
        `INSERT INTO conversation_files
          (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash, uploaded_at)
          SELECT '00000000-0000-4000-8000-00000000000' || n, 's1', 'old ' || n, 'old ' || n, 'nowhere', 1, 'none',
            '2020-01-01 00:00:00' FROM (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3) AS numbers`
      )
      const seen: Array<string> = []
      let after: string | undefined
      for (let pages = 0; pages < 10; pages += 1) {
        const page = yield* files.list({ path: { sessionId: "s1" }, urlParams: { limit: 1, deleted: false, after } })
        seen.push(...page.files.map(({ name }) => name))
        if (page.next === null) break
        after = page.next
      }
      assert.deepStrictEqual(seen, ["c.txt", "b.txt", "a.txt", "old 3", "old 2", "old 1"])
    })
  )

  it.scopedLive("accept only their own cursors, and no limit above 200", () =>
    Effect.gen(function* () {
      const { ask } = yield* serving()
      const id = "00000000-0000-4000-8000-000000000001"
      for (const [query, status] of [
        [`after=2026-99-99T99:99:99~${id}`, 200],
        [`after=x~${id}`, 400],
        ["after=' OR 1=1", 400],
        ["limit=0", 400],
        ["limit=201", 400],
        ["limit=NaN", 400],
        ["deleted=perhaps", 400]
      ] as const) {
        const response = yield* ask(`/api/sessions/s1/files?${query}`)
        assert.strictEqual(response.status, status, query)
      }
      assert.strictEqual((yield* ask("/api/sessions/s1/audit?after=NaN")).status, 400)
      assert.strictEqual((yield* ask("/api/sessions/s1/audit?after=-1")).status, 400)
    })
  )

  it.scopedLive("search names literally: LIKE's wildcards stand for themselves", () =>
    Effect.gen(function* () {
      const { client } = yield* serving()
      for (const name of ["100%.txt", "100x.txt", "a_b.txt", "aXb.txt", "naïve.txt"]) {
        yield* client.files.upload(upload("s1", name, name))
      }
      const found = (name: string) =>
        Effect.map(client.files.search({ urlParams: { limit: 50, name } }), ({ files }) =>
          files.map((file) => file.name).sort()
        )
      assert.deepStrictEqual(yield* found("100%"), ["100%.txt"])
      assert.deepStrictEqual(yield* found("a_b"), ["a_b.txt"])
      assert.deepStrictEqual(yield* found("\\"), [])
      assert.deepStrictEqual(yield* found("AXB"), ["aXb.txt"])
      // Decomposed, as macOS writes it.
      assert.deepStrictEqual(yield* found("nai\u0308ve"), ["naïve.txt"])
      assert.deepStrictEqual((yield* found("txt")).length, 5)
    })
  )
})

describe("deleting and restoring", () => {
  it.scopedLive("twice is the same as once, and leaves one entry or none in the queue of the cleanup", () =>
    Effect.gen(function* () {
      const { client, file } = yield* serving()
      const path = yield* client.files.upload(upload("s1", "a.txt", "a"))
      const queued = rowsOf(file, "SELECT cleanup_reason FROM file_cleanup_queue WHERE cleanup_reason = 'user_request'")
      const once = yield* client.files.delete({ path })
      assert.deepStrictEqual(yield* client.files.delete({ path }), once)
      assert.strictEqual((yield* queued).length, 1)
      const back = yield* client.files.restore({ path })
      assert.deepStrictEqual(yield* client.files.restore({ path }), back)
      assert.strictEqual((yield* queued).length, 0)
      assert.deepStrictEqual(
        yield* rowsOf(file, "SELECT access_type FROM file_access_log ORDER BY log_id"),
        ["upload", "delete", "restore"].map((access_type) => ({ access_type }))
      )
    })
  )
})
