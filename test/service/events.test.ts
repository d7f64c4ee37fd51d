/** Changes of sessions as they happen: nothing is missed, repeated, or of other sessions. */
import { get, type IncomingMessage } from "node:http"
import { join } from "node:path"
import { text as textOf } from "node:stream/consumers"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { CurrentUser, SessionEvent } from "../../src/service/Api.ts"
import { fileForm, watchSession } from "../../src/service/Client.ts"
import { eventStream } from "../../src/service/EventStream.ts"
import { clientOf as clientAt, runningBackend, stopped } from "../support/backend.ts"
import { execute, rowsOf, temporaryFolder } from "../support/database.ts"
import { accounts, jsonOf, onlySqlite, serving, tokenOf } from "../support/service.ts"

const upload = (sessionId: string, name: string) => ({
  path: { sessionId },
  payload: fileForm(name, name, { type: "text/plain" })
})

/** A connection that returns everything received so far, as text. */
const listening = (url: string, headers: Record<string, string> = {}) =>
  Effect.acquireRelease(
    Effect.async<{
      readonly response: IncomingMessage
      readonly text: () => string
      readonly isOver: () => boolean
    }>((resume) => {
      const request = get(url, { headers, agent: false }, (response) => {
        let text = ""
        let isOver = false
        response.setEncoding("utf8").on("data", (part: string) => {
          text += part
        })
        response.on("error", () => undefined)
        response.once("end", () => {
          isOver = true
        })
        resume(Effect.succeed({ response, text: () => text, isOver: () => isOver }))
      })
      request.on("error", () => undefined)
    }),
    ({ response }) => Effect.sync(() => response.destroy())
  )

/** Looks again until it holds; a test that never sees it ends with its own limit. */
const eventually = <A>(look: () => A, holds: (value: A) => boolean): Effect.Effect<A> =>
  Effect.flatMap(Effect.delay(Effect.sync(look), "5 millis"), (value) =>
    holds(value) ? Effect.succeed(value) : eventually(look, holds)
  )

const idsIn = (text: string) => [...text.matchAll(/^id: (\d+)\nevent: change$/gm)].map(([, id]) => Number(id))

/** Why it ended: the last event, which has no number. */
const endOf = (text: string) =>
  [...text.matchAll(/^event: end\ndata: (.+)\n\n$/gm)].map(([, json]) => Object(JSON.parse(json ?? "")).reason)

const eventsOf = (file: string, sessionId: string, more = "") =>
  Effect.map(
    rowsOf(
      file,
      `SELECT event_id FROM audit_log WHERE session_id = '${sessionId}' AND outcome = 'done'
        AND action NOT IN ('view', 'download') ${more} ORDER BY event_id`
    ),
    (rows) => rows.map((row) => Number(Object(row).event_id))
  )

const bearer = (name: string) => ({ authorization: `Bearer ${tokenOf(name)}` })

describe("a stream of events", () => {
  it.scopedLive("has the changes of its session, as server-sent events, and nothing else", () =>
    Effect.gen(function* () {
      const { baseUrl, client } = yield* serving()
      const { response, text } = yield* listening(`${baseUrl}/api/sessions/s1/events`)
      assert.deepStrictEqual(
        [response.statusCode, response.headers["content-type"], response.headers["cache-control"]],
        [200, "text/event-stream", "no-store"]
      )
      const one = yield* client.files.upload(upload("s1", "größe.txt"))
      yield* client.files.upload(upload("s2", "other.txt"))
      yield* client.files.view({ path: one })
      yield* client.files.rename({ path: one, payload: { name: "two.txt" } })
      yield* client.changes.replace({ path: one, headers: { "if-match": "*" }, payload: "new" })
      yield* client.files.delete({ path: one })
      yield* client.sessions.end({ path: { sessionId: "s1" } })
      const all = yield* eventually(text, (seen) => idsIn(seen).length === 5)
      assert.isTrue(all.startsWith(": events of this session\nid: 0\n\n"))
      const data = [...all.matchAll(/^data: (.+)$/gm)].map(([, json]) => JSON.parse(json ?? ""))
      assert.deepStrictEqual(
        data.map(({ action, actor, fileId, name, sessionId }) => [action, actor, sessionId, fileId, name]),
        [
          ["upload", "local", "s1", one.fileId, "größe.txt"],
          ["rename", "local", "s1", one.fileId, "two.txt"],
          ["change", "local", "s1", one.fileId, "two.txt"],
          ["delete", "local", "s1", one.fileId, "two.txt"],
          ["end", "local", "s1", null, null]
        ]
      )
      assert.deepStrictEqual(
        idsIn(all),
        data.map(({ eventId }) => eventId)
      )
      for (const { at } of data) assert.match(at, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
    })
  )

  it.scopedLive("continues after the last event of its reader, by header or query", () =>
    Effect.gen(function* () {
      const { ask, baseUrl, client, file } = yield* serving()
      for (const name of ["a", "b", "c", "d"]) yield* client.files.upload(upload("s1", name))
      const ids = yield* eventsOf(file, "s1")
      const url = `${baseUrl}/api/sessions/s1/events`
      const seen = (query: string, headers: Record<string, string>, count: number) =>
        Effect.flatMap(listening(`${url}${query}`, headers), ({ text }) =>
          Effect.map(
            eventually(text, (all) => idsIn(all).length >= count),
            idsIn
          )
        )
      assert.deepStrictEqual(yield* seen("?after=0", {}, 4), ids)
      assert.deepStrictEqual(yield* seen(`?after=${ids[1]}`, {}, 2), ids.slice(2))
      assert.deepStrictEqual(yield* seen("?after=0", { "last-event-id": String(ids[2]) }, 1), ids.slice(3))
      // An unknown number comes from another database: it continues from now on.
      const { text } = yield* listening(`${url}?after=9999`)
      yield* client.files.upload(upload("s1", "e"))
      assert.deepStrictEqual(
        idsIn(yield* eventually(text, (all) => idsIn(all).length > 0)),
        (yield* eventsOf(file, "s1")).slice(-1)
      )
      assert.strictEqual((yield* ask("/api/sessions/s1/events?after=-1")).status, 400)
      assert.strictEqual((yield* ask("/api/sessions/s1/events", { headers: { "last-event-id": "x" } })).status, 400)
    })
  )

  it.scopedLive("misses nothing and repeats nothing while this process and another one write", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const settings = {
        DATA_DIRECTORY: folder,
        REQUESTS_PER_SECOND: "100000",
        CONCURRENT_REQUESTS: "1000",
        LOCK_PATIENCE: "1 minute"
      }
      const [here, there] = yield* Effect.all([runningBackend(settings), runningBackend(settings)])
      const file = join(folder, "conversation_files.db")
      const watched = yield* Effect.forEach([here, there, here], ({ url }) =>
        Stream.runCollect(Stream.take(watchSession("s1", { baseUrl: url, after: 0 }), 40)).pipe(
          Effect.provide(FetchHttpClient.layer),
          Effect.fork
        )
      )
      // A reader who begins in the middle, and begins again, gets the same.
      const late = yield* Effect.fork(
        Effect.forEach(
          [1, 2, 3],
          (n) =>
            Effect.zipRight(
              Effect.sleep(`${n * 30} millis`),
              Stream.runCollect(Stream.take(watchSession("s1", { baseUrl: here.url, after: 0 }), 40))
            ),
          { concurrency: "unbounded" }
        ).pipe(Effect.provide(FetchHttpClient.layer))
      )
      yield* Effect.forEach(
        [here, there],
        ({ url }, at) =>
          Effect.flatMap(clientAt(url), ({ files }) =>
            Effect.forEach(
              Array.from({ length: 20 }, (_, n) => `${at}-${n}`),
              (name) => files.upload(upload("s1", name)),
              { concurrency: 4 }
            )
          ),
        { concurrency: "unbounded" }
      )
      const expected = yield* eventsOf(file, "s1")
      assert.strictEqual(expected.length, 40)
      for (const fiber of watched) {
        assert.deepStrictEqual(
          Chunk.toReadonlyArray(yield* Fiber.join(fiber)).map(({ eventId }) => eventId),
          expected
        )
      }
      for (const events of yield* Fiber.join(late)) {
        assert.deepStrictEqual(
          Chunk.toReadonlyArray(events).map(({ eventId }) => eventId),
          expected
        )
      }
    })
  )

  it.scopedLive("has changes made by another program", () =>
    Effect.gen(function* () {
      const { baseUrl, client, file } = yield* serving()
      const { fileId } = yield* client.files.upload(upload("s1", "a"))
      const { text } = yield* listening(`${baseUrl}/api/sessions/s1/events`)
      yield* execute(
        file,
        `INSERT INTO file_access_log (file_id, access_type, accessed_by) VALUES ('${fileId}', 'delete', 'other')`
      )
      const all = yield* eventually(text, (seen) => idsIn(seen).length === 1)
      assert.include(all, '"actor":"other"')
    })
  )

  it.scopedLive.skipIf(onlySqlite("is written to by another connection to its file"))(
    "does not have changes that are rolled back",
    () =>
      Effect.gen(function* () {
        const { baseUrl, client, file } = yield* serving()
        yield* client.files.upload(upload("s1", "a"))
        const { text } = yield* listening(`${baseUrl}/api/sessions/s1/events`)
        yield* Effect.acquireUseRelease(
          Effect.sync(() => new Sqlite(file)),
          (other) =>
            Effect.gen(function* () {
              other.exec("BEGIN IMMEDIATE")
              other.exec("INSERT INTO audit_log (action, session_id) VALUES ('rename', 's1')")
              yield* client.files.view({ path: { fileId: "none" } }).pipe(Effect.flip)
              other.exec("ROLLBACK")
            }),
          (other) => Effect.sync(() => other.close())
        )
        yield* client.files.upload(upload("s1", "b"))
        const all = yield* eventually(text, (seen) => idsIn(seen).length > 0)
        assert.notInclude(all, "rename")
      })
  )

  it.scopedLive("is for users of the session, and ends when it is given away, before others write there", () =>
    Effect.gen(function* () {
      const { ask, baseUrl, clientOf, file } = yield* serving({ accounts })
      const alice = yield* clientOf(tokenOf("alice"))
      const bob = yield* clientOf(tokenOf("bob"))
      const root = yield* clientOf(tokenOf("root"))
      yield* alice.files.upload(upload("s1", "a"))
      const url = `${baseUrl}/api/sessions/s1/events`
      const refused = yield* ask("/api/sessions/s1/events", { headers: bearer("bob") })
      assert.deepStrictEqual([refused.status, (yield* jsonOf(refused))["_tag"]], [403, "Forbidden"])
      assert.strictEqual((yield* ask("/api/sessions/s1/events")).status, 401)

      const hers = yield* listening(url, bearer("alice"))
      const theirs = yield* listening(url, bearer("root"))
      yield* alice.files.upload(upload("s1", "b"))
      yield* eventually(hers.text, (all) => idsIn(all).length === 1)
      yield* root.sessions.give({ path: { sessionId: "s1" }, payload: { owner: "bob" } })
      yield* bob.files.upload(upload("s1", "c"))
      yield* eventually(hers.isOver, (isOver) => isOver)
      assert.notInclude(hers.text(), '"actor":"bob"')
      assert.deepStrictEqual(endOf(hers.text()), ["Forbidden"])
      yield* eventually(theirs.text, (all) => all.includes('"actor":"bob"'))
      assert.isFalse(theirs.isOver())
      assert.deepStrictEqual(
        yield* rowsOf(file, "SELECT actor, reason FROM audit_log WHERE action = 'watch' ORDER BY event_id"),
        [
          { actor: "bob", reason: "Forbidden" },
          { actor: "alice", reason: "Forbidden" }
        ]
      )
    })
  )

  it.scopedLive("does not count as a request, and one user may have only so many; one that ends makes room", () =>
    Effect.gen(function* () {
      const { ask, baseUrl, clientOf } = yield* serving({ accounts, concurrentRequests: 2, eventStreams: 3 })
      const url = `${baseUrl}/api/sessions/s1/events`
      const streams = yield* Effect.forEach([1, 2, 3], () => listening(url, bearer("alice")))
      const alice = yield* clientOf(tokenOf("alice"))
      yield* alice.files.upload(upload("s1", "a"))
      for (const { text } of streams) yield* eventually(text, (all) => idsIn(all).length === 1)
      const refused = yield* ask("/api/sessions/s1/events", { headers: bearer("alice") })
      assert.deepStrictEqual([refused.status, refused.headers.get("retry-after")], [429, "5"])
      assert.strictEqual((yield* jsonOf(refused))["_tag"], "TooManyRequests")
      const his = yield* listening(`${baseUrl}/api/sessions/s9/events`, bearer("bob"))
      assert.strictEqual(his.response.statusCode, 200)

      streams[0]?.response.destroy()
      yield* Effect.repeat(
        Effect.acquireUseRelease(
          listening(url, bearer("alice")).pipe(Effect.scoped),
          ({ response }) => Effect.succeed(response.statusCode),
          () => Effect.void
        ),
        { until: (status) => status === 200 }
      )
      yield* alice.files.upload(upload("s1", "b"))
    })
  )

  it.scoped("tells a reader that takes nothing why it ends, and then ends properly", () =>
    Effect.gen(function* () {
      const event = new SessionEvent({
        ...{ eventId: 1, at: "2026-01-01T00:00:00.000Z", actor: "alice", action: "upload" },
        ...{ sessionId: "s1", fileId: "f", name: "a".repeat(1000) }
      })
      const body = yield* eventStream(
        { position: 0, news: Effect.void, take: Effect.succeed(Array.from({ length: 100 }, () => event)) },
        Effect.never
      ).pipe(Effect.provideService(CurrentUser, { name: "alice", isAdministrator: false }))
      yield* TestClock.adjust("29 seconds")
      assert.isFalse(body.closed)
      yield* TestClock.adjust("1 seconds")
      const all = yield* Effect.promise(() => textOf(body))
      assert.strictEqual(idsIn(all).length, 100)
      assert.deepStrictEqual(endOf(all), ["TooSlow"])
      assert.isTrue(all.endsWith("\n\n"))
      assert.isNull(body.errored)
    })
  )

  it.scoped("cuts a reader off that does not take the end either", () =>
    Effect.gen(function* () {
      const stopping = yield* Effect.makeLatch()
      const body = yield* eventStream(
        { position: 0, news: Effect.never, take: Effect.succeed([]) },
        stopping.await
      ).pipe(Effect.provideService(CurrentUser, { name: "alice", isAdministrator: false }))
      yield* stopping.open
      yield* TestClock.adjust("900 millis")
      assert.isFalse(body.destroyed)
      yield* TestClock.adjust("100 millis")
      assert.isTrue(body.destroyed)
    })
  )

  it.scopedLive("ends at once when the service stops, without delaying it, even if nobody reads", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const backend = yield* runningBackend({
        DATA_DIRECTORY: folder,
        SHUTDOWN_TIMEOUT: "1h",
        REQUESTS_PER_SECOND: "100000"
      })
      const { files } = yield* clientAt(backend.url)
      const url = `${backend.url}/api/sessions/s1/events`
      const { isOver, text } = yield* listening(url)
      const deaf = yield* listening(url)
      deaf.response.pause()
      yield* files.upload(upload("s1", "a"))
      yield* eventually(text, (all) => idsIn(all).length === 1)
      const { code, stderr } = yield* stopped(backend)
      assert.strictEqual(code, 0)
      assert.notMatch(stderr, /level=(WARN|ERROR)/)
      yield* eventually(isOver, (over) => over)
      assert.deepStrictEqual(endOf(text()), ["Stopping"])
    })
  )
})

describe("the watching client", () => {
  it.scopedLive("reconnects after the service was gone, and continues where it was", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const settings = { DATA_DIRECTORY: folder }
      const first = yield* runningBackend(settings)
      const { port } = new URL(first.url)
      const seen: Array<string | null> = []
      const watching = yield* watchSession("s1", { baseUrl: first.url }).pipe(
        Stream.take(3),
        Stream.runForEach(({ name }) => Effect.sync(() => void seen.push(name))),
        Effect.provide(FetchHttpClient.layer),
        Effect.fork
      )
      const { files } = yield* clientAt(first.url)
      yield* Effect.repeat(files.upload(upload("s1", "a")), { until: () => seen.length > 0 })
      const before = seen.length
      first.process.kill("SIGKILL")
      yield* Effect.promise(() => first.ended)
      const second = yield* runningBackend({ ...settings, PORT: port })
      const again = yield* clientAt(second.url)
      for (const name of ["b", "c", "d"].slice(0, 3 - before)) yield* again.files.upload(upload("s1", name))
      yield* Fiber.join(watching)
      assert.deepStrictEqual(seen.slice(before), ["b", "c", "d"].slice(0, 3 - before))
    })
  )

  it.scopedLive("fails with the reason if the service refuses", () =>
    Effect.gen(function* () {
      const { baseUrl, clientOf } = yield* serving({ accounts })
      const alice = yield* clientOf(tokenOf("alice"))
      yield* alice.files.upload(upload("s1", "a"))
      const refused = yield* watchSession("s1", { baseUrl, token: Redacted.make(tokenOf("bob")) }).pipe(
        Stream.runDrain,
        Effect.flip,
        Effect.provide(FetchHttpClient.layer)
      )
      assert.strictEqual(refused._tag, "Forbidden")
    })
  )
})
