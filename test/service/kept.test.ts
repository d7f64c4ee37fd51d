import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { fileForm } from "../../src/service/Client.ts"
import { independently, rowsOf, temporaryFolder } from "../support/database.ts"
import { accounts, jsonOf, onlySqlite, type SomeSettings, serveOn, tokenOf } from "../support/service.ts"
import { afterStatements } from "../support/statements.ts"

const path = "/api/sessions/s1/files"
const upload = { path: { sessionId: "s1" }, payload: fileForm("a.txt", "x") }

/** A service that caches its health checks, as by default; and how often it lists files. */
const watched = Effect.fnUntraced(function* (settings: SomeSettings = {}) {
  const folder = yield* temporaryFolder
  let lists = 0
  let reads = 0
  const count = (statement: string) => {
    if (/uploaded_at IS NOT NULL.*ORDER BY/s.test(statement)) lists += 1
    if (/^\s*SELECT .*FROM conversation_files cf WHERE cf\.file_id = /s.test(statement)) reads += 1
  }
  const at = yield* Effect.withTracer(
    serveOn(folder, { healthCache: Duration.minutes(10), ...settings }),
    afterStatements(yield* Effect.tracer, count)
  )
  const namesOf = (answer: Response) =>
    Effect.map(jsonOf(answer), ({ files }) =>
      Array.isArray(files) ? files.map(({ name }) => String(name)).sort() : []
    )
  const names = Effect.flatMap(at.ask(path), namesOf)
  return { ...at, names, lists: () => lists, reads: () => reads }
})

const statusesOf = (answers: ReadonlyArray<Response>) => answers.map(({ status }) => status)

const headersOf = (answer: Response) => [...answer.headers].filter(([name]) => name !== "date")

const by = (user: string) => ({ headers: { authorization: `Bearer ${tokenOf(user)}` } })

describe("a repeated answer", () => {
  it.scopedLive.skipIf(onlySqlite("repeats what its file tells to be unchanged"))(
    "is the same to its last header, runs no statement, and is counted like the first",
    () =>
      Effect.gen(function* () {
        const { ask, client, lists } = yield* watched()
        yield* client.files.upload(upload)
        const first = yield* ask(path)
        const second = yield* ask(path)
        assert.strictEqual(lists(), 1)
        assert.deepStrictEqual(headersOf(second), headersOf(first))
        assert.strictEqual(second.headers.get("connection"), "keep-alive")
        assert.deepStrictEqual(yield* jsonOf(second), yield* jsonOf(first))
        const known = { headers: { "if-none-match": first.headers.get("etag") ?? "" } }
        for (const answer of [yield* ask(path, known), yield* ask(path, known)]) assert.strictEqual(answer.status, 304)
        assert.strictEqual(lists(), 2)
        const metrics = yield* Effect.promise(async () => (await fetch(new URL("/metrics", first.url))).text())
        assert.match(
          metrics,
          /http_requests_total\{method="GET",route="\/api\/sessions\/:sessionId\/files",status="200"\} [2-9]/
        )
      })
  )

  it.scopedLive.skipIf(onlySqlite("repeats what its file tells to be unchanged"))(
    "is not repeated after any write, by this process or another",
    () =>
      Effect.gen(function* () {
        const { client, file, folder, lists, names } = yield* watched()
        yield* client.files.upload(upload)
        assert.deepStrictEqual([yield* names, yield* names], [["a.txt"], ["a.txt"]])
        assert.strictEqual(lists(), 1)
        yield* client.files.upload({ ...upload, payload: fileForm("b.txt", "y") })
        assert.deepStrictEqual(yield* names, ["a.txt", "b.txt"])
        const other = new Sqlite(join(folder, "app.db"))
        other.exec("UPDATE conversation_files SET original_filename = 'c.txt' WHERE original_filename = 'b.txt'")
        other.close()
        assert.strictEqual(file, join(folder, "app.db"))
        assert.deepStrictEqual(yield* names, ["a.txt", "c.txt"])
      })
  )

  it.scopedLive.skipIf(onlySqlite("repeats what its file tells to be unchanged"))(
    "goes to nobody else, and counts for the rate limit of its user",
    () =>
      Effect.gen(function* () {
        const { ask, clientOf, lists } = yield* watched({ accounts, requestsPerSecond: 5 })
        yield* (yield* clientOf(tokenOf("alice"))).files.upload(upload)
        const statuses: Array<number> = []
        for (let times = 0; times < 40; times += 1) statuses.push((yield* ask(path, by("alice"))).status)
        assert.include(statuses, 429)
        assert.isBelow(lists(), statuses.filter((status) => status === 200).length)
        assert.strictEqual((yield* ask(path, by("bob"))).status, 403)
        assert.strictEqual((yield* ask(path)).status, 401)
      })
  )

  it.scopedLive("of a probe leaves its connection open", () =>
    Effect.gen(function* () {
      const { ask } = yield* watched()
      for (const probe of ["/livez", "/livez", "/readyz", "/readyz", "/api/health", "/api/health"]) {
        const answer = yield* ask(probe)
        assert.strictEqual(answer.status, 200)
        assert.strictEqual(answer.headers.get("connection"), "keep-alive")
        assert.strictEqual(answer.headers.get("cache-control"), "no-store")
      }
    })
  )

  it.scopedLive.skipIf(onlySqlite("repeats what its file tells to be unchanged"))(
    "of a content is the same to its last byte, and each one is in the access log",
    () =>
      Effect.gen(function* () {
        const { ask, client, file, reads } = yield* watched()
        const { fileId } = yield* client.files.upload(upload)
        const download = `/api/files/${fileId}/download`
        const parts = [{}, { headers: { range: "bytes=0-0" } }, { method: "HEAD" }]
        for (const init of parts) {
          const answers = yield* Effect.forEach(["first", "second", "third"], () => ask(download, init))
          const [first, ...others] = answers
          const bodies = yield* Effect.promise(() => Promise.all(answers.map((answer) => answer.text())))
          assert.deepStrictEqual(new Set(bodies), new Set([init.method === "HEAD" ? "" : "x"]))
          for (const other of others) {
            assert.strictEqual(other.status, first?.status)
            assert.deepStrictEqual(headersOf(other), first === undefined ? [] : headersOf(first))
          }
        }
        // What the service itself writes after its start, or its first look at the contents, may come in between.
        assert.isBelow(reads(), 3 * parts.length)
        const log = yield* rowsOf(
          file,
          "SELECT access_type, accessed_by, access_metadata, count(*) AS times FROM file_access_log WHERE access_type = 'download' GROUP BY 1, 2, 3 ORDER BY 3"
        )
        assert.deepStrictEqual(log, [
          { access_type: "download", accessed_by: "local", access_metadata: '{"range":"bytes=0-0"}', times: 3 },
          { access_type: "download", accessed_by: "local", access_metadata: "{}", times: 3 }
        ])
      })
  )

  it.scopedLive.skipIf(onlySqlite("repeats what its file tells to be unchanged"))(
    "of a content is not repeated after a change of its row, its session or its place",
    () =>
      Effect.gen(function* () {
        const { ask, client, file, folder } = yield* watched()
        const { fileId, sha256 } = yield* client.files.upload(upload)
        const download = `/api/files/${fileId}/download`
        const twice = Effect.all([ask(download), ask(download)])
        assert.deepStrictEqual(statusesOf(yield* twice), [200, 200])
        yield* client.files.rename({ path: { fileId }, payload: { name: "b.txt" } })
        assert.include((yield* ask(download)).headers.get("content-disposition") ?? "", "b.txt")
        yield* independently(file, (other) => other.exec("UPDATE conversation_files SET original_filename = 'c.txt'"))
        assert.include((yield* ask(download)).headers.get("content-disposition") ?? "", "c.txt")
        const content = join(folder, "files", sha256.slice(0, 2), sha256)
        assert.deepStrictEqual(statusesOf(yield* twice), [200, 200])
        rmSync(content)
        assert.deepStrictEqual(statusesOf(yield* twice), [410, 410])
        yield* client.files.upload(upload)
        assert.deepStrictEqual(statusesOf(yield* twice), [200, 200])
        yield* client.files.delete({ path: { fileId } })
        assert.deepStrictEqual(statusesOf(yield* twice), [410, 410])
      })
  )
})
