/** The service on a PostgreSQL server: the same answers as on a file, and several backends on one database. */
import { createHash, randomBytes } from "node:crypto"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { type FilePage, fileForm, type SessionPage } from "../../src/service/Client.ts"
import { hasPostgres } from "../postgres/cluster.ts"
import { ask, clientOn, collatedDatabase } from "../postgres/databases.ts"
import { runBackend, runningBackend, stopped } from "../support/backend.ts"
import { execute, rowsOf, temporaryFolder } from "../support/database.ts"
import { onPostgres } from "../support/postgresService.ts"
import { accounts, incomingIn, type SomeSettings, serveOn, serving, tokenOf } from "../support/service.ts"
import { entriesOfZip } from "../support/zip.ts"

const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const sha256 = (content: string | Uint8Array) => createHash("sha256").update(content).digest("hex")
const upload = (sessionId: string, name: string, content: string | Uint8Array, more = {}) => ({
  path: { sessionId },
  payload: fileForm(name, content, { type: "text/plain", ...more })
})
const namesOf = (files: ReadonlyArray<{ readonly name: string }>) => files.map(({ name }) => name)

const onServer = (settings: SomeSettings = {}) =>
  Effect.flatMap(temporaryFolder, (folder) =>
    Effect.flatMap(onPostgres(folder), (database) => serveOn(folder, { ...database, ...settings }))
  )

/** Two backends on one database, each with a folder of its own. */
const twoBackends = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const settings = { ...(yield* onPostgres(folder)), accounts }
  const one = yield* serveOn(folder, settings)
  return [one, yield* serveOn(yield* temporaryFolder, settings)] as const
})

const engines = [
  ["on a file", serving],
  ["on a PostgreSQL server", onServer]
] as const

describe.skipIf(!hasPostgres)("a database with a collation of its own", () => {
  it.scopedLive("has files and sessions in the same order as a file, page by page", () =>
    Effect.gen(function* () {
      const url = yield* collatedDatabase
      assert.deepStrictEqual(yield* ask(url, "SELECT 'a' < 'B' AS is_collated"), [{ is_collated: true }])
      const pages = Effect.fnUntraced(function* (
        settings: SomeSettings,
        fill: (sql: string) => Effect.Effect<unknown>
      ) {
        const { client } = yield* serveOn(yield* temporaryFolder, settings)
        for (const [at, id] of ["a1", "B1", "c1", "D1", "_1", "é1", "Z1"].entries()) {
          for (const [time, session] of [
            ["'2026-01-01 00:00:00'", "one"],
            ["NULL", "one"],
            ["'2026-01-01 00:00:00'", id]
          ]) {
            const fileId = `${id}${session}${time?.length}`
            yield* fill(
              `INSERT INTO conversation_files (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash, uploaded_at)
               VALUES ('${fileId}', '${session}', '${at}', '${fileId}', 'p', 1, 'h', ${time})`
            )
          }
        }
        yield* fill("UPDATE session_summaries SET changed_at = '2026-01-01 00:00:00'")
        const found: Array<string> = []
        let after: string | undefined
        do {
          const page: FilePage = yield* client.files.list({
            path: { sessionId: "one" },
            urlParams: { limit: 2, deleted: false, after }
          })
          found.push(...page.files.map(({ fileId }) => fileId))
          after = page.next ?? undefined
        } while (after !== undefined)
        do {
          const page: SessionPage = yield* client.sessions.list({ urlParams: { limit: 3, after } })
          found.push(...page.sessions.map(({ sessionId }) => sessionId))
          after = page.next ?? undefined
        } while (after !== undefined)
        return found
      })
      const folder = yield* temporaryFolder
      const onFile = yield* pages({ dataDirectory: folder, databaseFile: join(folder, "app.db") }, (sql) =>
        Effect.sync(() => {
          const connection = new Sqlite(join(folder, "app.db"))
          connection.exec(sql)
          connection.close()
        })
      )
      const onServer = yield* pages({ databaseUrl: Option.some(Redacted.make(url)) }, (sql) => ask(url, sql))
      assert.strictEqual(onFile.length, 22)
      assert.deepStrictEqual(onServer, onFile)
    })
  )
})

describe.skipIf(!hasPostgres).each(engines)("the service %s", (_, served) => {
  it.scopedLive("keeps files, finds them, and takes them away when they are due", () =>
    Effect.gen(function* () {
      const { clientOf, file } = yield* served({ accounts, userQuotaFiles: Option.some(6) })
      const alice = yield* clientOf(tokenOf("alice"))
      const bob = yield* clientOf(tokenOf("bob"))
      const root = yield* clientOf(tokenOf("root"))
      const { changes, files, sessions } = alice
      const listed = (sessionId: string, deleted = false) =>
        Effect.map(files.list({ path: { sessionId }, urlParams: { limit: 50, deleted } }), (page) =>
          namesOf(page.files)
        )

      const metadata = { width: "10", "a key": "ünïcode" }
      const a = yield* files.upload(upload("s1", "a.txt", "hello", { messageId: "m1", metadata }))
      const b = yield* files.upload(upload("s1", "Bäh_1%.txt", ""))
      assert.deepInclude(a, { size: 5, sha256: sha256("hello"), uploadedBy: "alice", metadata, messageId: "m1" })
      assert.deepStrictEqual(yield* files.details({ path: a }), a)
      assert.strictEqual(textOf(yield* files.download({ path: a })), "hello")
      assert.strictEqual(textOf(yield* files.download({ path: b })), "")

      // The case of a to z does not count, that of other letters does, and wildcards stand for themselves.
      for (const [name, found] of [
        ["bä", ["Bäh_1%.txt"]],
        ["BÄ", []],
        ["_", ["Bäh_1%.txt"]],
        ["1%.T", ["Bäh_1%.txt"]],
        ["txt", ["Bäh_1%.txt", "a.txt"]]
      ] as const) {
        assert.deepStrictEqual(
          namesOf((yield* files.search({ urlParams: { limit: 50, name } })).files),
          [...found],
          name
        )
        assert.deepStrictEqual(namesOf((yield* root.files.search({ urlParams: { limit: 50, name } })).files), [
          ...found
        ])
      }
      const first = yield* files.search({ urlParams: { limit: 1 } })
      const rest = yield* files.search({ urlParams: { limit: 1, after: first.next ?? "" } })
      assert.deepStrictEqual(
        [...namesOf(first.files), ...namesOf(rest.files), rest.next],
        ["Bäh_1%.txt", "a.txt", null]
      )
      const nowhere = { limit: 1, after: "2026-99-99T99:99:99~00000000-0000-4000-8000-000000000001" }
      assert.isArray((yield* files.search({ urlParams: nowhere })).files)

      assert.strictEqual((yield* files.rename({ path: a, payload: { name: "c.txt" } })).name, "c.txt")
      assert.isString((yield* files.delete({ path: a })).deletedAt)
      assert.deepStrictEqual([yield* listed("s1"), yield* listed("s1", true)], [["Bäh_1%.txt"], ["c.txt"]])
      const { cleanups } = yield* alice.account.cleanups({ urlParams: { limit: 50 } })
      assert.deepStrictEqual(
        cleanups.map(({ forGood, name, reason }) => [name, reason, forGood]),
        [["c.txt", "retention", true]]
      )
      assert.isNull((yield* files.restore({ path: a })).deletedAt)

      const ended = yield* sessions.end({ path: { sessionId: "s1" } })
      assert.deepInclude(ended, { owner: "alice", files: 2, deletedFiles: 0 })
      assert.strictEqual((yield* Effect.flip(files.upload(upload("s1", "late.txt", ""))))._tag, "SessionEnded")
      assert.strictEqual((yield* alice.account.cleanups({ urlParams: { limit: 1 } })).cleanups.length, 1)
      assert.isNull((yield* sessions.reopen({ path: { sessionId: "s1" } })).endedAt)

      const copy = yield* changes.copy({ path: a, payload: { sessionId: "s2" } })
      assert.deepInclude(copy, { name: "c.txt", sha256: a.sha256, metadata })
      assert.strictEqual((yield* changes.move({ path: b, payload: { sessionId: "s2" } })).sessionId, "s2")
      assert.deepStrictEqual([yield* listed("s1"), yield* listed("s2")], [["c.txt"], ["c.txt", "Bäh_1%.txt"]])
      const fileIds = [copy.fileId, b.fileId, "none"]
      const { done, failed } = yield* changes.deleteFiles({ payload: { fileIds } })
      assert.deepStrictEqual([done.length, failed.map(({ error }) => error._tag)], [2, ["FileNotFound"]])
      assert.strictEqual((yield* changes.restoreFiles({ payload: { fileIds } })).done.length, 2)
      const archive = yield* alice.streams.archive({ path: { sessionId: "s2" }, payload: {} })
      assert.deepStrictEqual(
        entriesOfZip(archive)
          .map(({ name, text }) => [name, text])
          .sort(),
        [
          ["Bäh_1%.txt", ""],
          ["c.txt", "hello"]
        ]
      )

      for (let n = 0; n < 3; n += 1) yield* files.upload(upload("s3", `${n}.txt`, `${n}`))
      assert.strictEqual((yield* Effect.flip(files.upload(upload("s3", "more.txt", ""))))._tag, "QuotaExceeded")
      const given = yield* root.sessions.give({ path: { sessionId: "s3" }, payload: { owner: "bob" } })
      assert.strictEqual(given.owner, "bob")
      assert.strictEqual((yield* Effect.flip(listed("s3")))._tag, "Forbidden")
      assert.deepInclude(yield* bob.sessions.get({ path: { sessionId: "s3" } }), { owner: "bob", files: 3, bytes: 3 })
      const own = yield* sessions.list({ urlParams: { limit: 50 } })
      assert.deepStrictEqual(
        own.sessions.map(({ sessionId }) => sessionId),
        ["s2", "s1"]
      )
      yield* changes.destroyFiles({ payload: { fileIds } })
      yield* sessions.deleteFiles({ path: { sessionId: "s1" } })
      assert.deepStrictEqual(
        yield* rowsOf(
          file,
          `SELECT session_id, CAST(files AS integer) AS files, CAST(deleted_files AS integer) AS deleted_files
            FROM session_summaries ORDER BY session_id`
        ),
        [
          { session_id: "s1", files: 0, deleted_files: 0 },
          { session_id: "s2", files: 0, deleted_files: 0 },
          { session_id: "s3", files: 3, deleted_files: 0 }
        ]
      )
    })
  )
})

describe.skipIf(!hasPostgres)("two backends on one database", () => {
  it.scopedLive("have the same files and contents, and a session that both write to has one owner", () =>
    Effect.gen(function* () {
      const [here, there] = yield* twoBackends
      const alice = yield* here.clientOf(tokenOf("alice"))
      const also = yield* there.clientOf(tokenOf("alice"))
      const bob = yield* there.clientOf(tokenOf("bob"))
      // Several parts, the last one shorter.
      const bytes = randomBytes(600_000)
      const added = yield* alice.files.upload(upload("s1", "a.bin", bytes))
      assert.strictEqual(sha256(yield* also.files.download({ path: added })), sha256(bytes))
      yield* also.files.rename({ path: added, payload: { name: "b.bin" } })
      assert.strictEqual((yield* alice.files.details({ path: added })).name, "b.bin")

      const same = yield* Effect.all(
        Array.from({ length: 8 }, (_, n) => (n % 2 === 0 ? alice : also).files.upload(upload("s2", `${n}`, "same"))),
        { concurrency: "unbounded" }
      )
      for (const file of same) assert.strictEqual(textOf(yield* also.files.download({ path: file })), "same")
      // The last file goes while the same bytes come: whichever is first, what is stored has its content.
      for (let n = 0; n < 5; n += 1) {
        const [, again] = yield* Effect.all(
          [
            also.changes.destroyFiles({ payload: { fileIds: same.map(({ fileId }) => fileId) } }),
            alice.files.upload(upload("s2", "again", "same"))
          ],
          { concurrency: "unbounded" }
        )
        assert.strictEqual(textOf(yield* also.files.download({ path: again })), "same")
        yield* alice.files.destroy({ path: again })
      }
      const count = "SELECT count(*)::int4 AS contents FROM contents"
      assert.deepStrictEqual(yield* rowsOf(here.file, count), [{ contents: 1 }])

      const claims = yield* Effect.all(
        Array.from({ length: 10 }, (_, n) =>
          Effect.all(
            [alice, bob].map((user) => Effect.either(user.files.upload(upload(`both-${n}`, "a", "a")))),
            { concurrency: "unbounded" }
          )
        )
      )
      for (const [n, claim] of claims.entries()) {
        assert.deepStrictEqual(claim.map(({ _tag }) => _tag).sort(), ["Left", "Right"], `both-${n}`)
      }
      assert.deepStrictEqual([incomingIn(here.folder), incomingIn(there.folder)], [[], []])
    })
  )

  it.scopedLive("never send bytes that are not those that were stored, and the same upload brings them back", () =>
    Effect.gen(function* () {
      const { client, file } = yield* onServer()
      const bytes = randomBytes(600_000)
      const added = yield* client.files.upload(upload("s1", "a.bin", bytes))
      for (const damage of [
        "UPDATE content_parts SET bytes = decode('00', 'hex') WHERE part = 1",
        "UPDATE content_parts SET bytes = set_byte(bytes, 0, 1 - least(1, get_byte(bytes, 0))) WHERE part = 1",
        "DELETE FROM content_parts WHERE part = 0",
        "DELETE FROM content_parts WHERE part = 2",
        "DELETE FROM contents"
      ]) {
        yield* execute(file, damage)
        const lost = yield* Effect.flip(client.files.download({ path: added }))
        assert.deepInclude(lost, {
          _tag: "ContentLost",
          reason: damage.endsWith("contents") ? "missing" : "damaged"
        })
        yield* client.files.upload(upload("s2", "b.bin", bytes))
        assert.strictEqual(sha256(yield* client.files.download({ path: added })), sha256(bytes), damage)
      }
    })
  )
})

describe.skipIf(!hasPostgres)("writes while another backend writes", () => {
  it.scopedLive("are refused after the patience, all of them, and change nothing; reading goes on", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { databaseUrl } = yield* onPostgres(folder)
      const { client } = yield* serveOn(folder, { databaseUrl, lockPatience: Duration.millis(300) })
      yield* client.files.upload(upload("s1", "before.txt", "before"))
      const { sql } = yield* clientOn(Redacted.value(Option.getOrThrow(databaseUrl)))
      const other = yield* sql.reserve
      yield* other.executeUnprepared("SELECT pg_advisory_lock(1096958790, 1)", [], undefined)
      const names = ["1.txt", "2.txt", "3.txt", "4.txt", "5.txt"]
      const refused = yield* Effect.all(
        names.map((name) => Effect.flip(client.files.upload(upload("s1", name, name)))),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        refused.map(({ _tag }) => _tag),
        names.map(() => "DatabaseBusy")
      )
      const list = client.files.list({ path: { sessionId: "s1" }, urlParams: { limit: 50, deleted: false } })
      assert.deepStrictEqual(namesOf((yield* list).files), ["before.txt"])
      yield* other.executeUnprepared("SELECT pg_advisory_unlock_all()", [], undefined)
      yield* client.files.upload(upload("s1", "after.txt", "after"))
      assert.deepStrictEqual(namesOf((yield* list).files), ["after.txt", "before.txt"])
    })
  )
})

describe.skipIf(!hasPostgres)("a content that another backend stores at this moment", () => {
  it.scopedLive("is not waited for by a deletion, and stays for the row that will want it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { databaseUrl } = yield* onPostgres(folder)
      const { client, file } = yield* serveOn(folder, { databaseUrl, lockPatience: Duration.hours(1) })
      const added = yield* client.files.upload(upload("s1", "a.txt", "same"))
      const { sql } = yield* clientOn(Redacted.value(Option.getOrThrow(databaseUrl)))
      const storing = sql`UPDATE contents SET size = size WHERE sha256 = ${added.sha256}`.pipe(
        Effect.zipRight(client.files.delete({ path: added })),
        Effect.zipRight(client.files.destroy({ path: added })),
        Effect.zipRight(client.files.upload(upload("s1", "other.txt", "other")))
      )
      yield* sql.withTransaction(storing)
      const contents = yield* rowsOf(file, `SELECT size::int4 AS size FROM contents WHERE sha256 = '${added.sha256}'`)
      assert.deepStrictEqual(contents, [{ size: 4 }])
    })
  )
})

describe.skipIf(!hasPostgres)("a backend that is killed while it stores a file", () => {
  it.scopedLive("leaves neither the row nor a part of the content", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { databaseUrl } = yield* onPostgres(folder)
      const url = Redacted.value(Option.getOrThrow(databaseUrl))
      const { client, file } = yield* serveOn(folder, { databaseUrl })
      const { sql } = yield* clientOn(url)
      const other = yield* sql.reserve
      const ask = (statement: string) => other.executeUnprepared(statement, [], undefined)
      yield* ask("SELECT pg_advisory_lock(1096958790, 1)")
      const killed = yield* runningBackend({ DATA_DIRECTORY: yield* temporaryFolder, DATABASE_URL: url })
      const bytes = randomBytes(1_000_000)
      const form = new FormData()
      form.append("file", new Blob([bytes]), "a.bin")
      const answered = fetch(`${killed.url}/api/sessions/s1/files`, { method: "POST", body: form }).then(
        ({ status }) => status,
        () => "none"
      )
      const waiting = Effect.map(
        ask("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"),
        ({ length }) => length
      )
      const until = (count: number) =>
        Effect.repeat(Effect.zipRight(Effect.sleep("20 millis"), waiting), { until: (found) => found === count })
      yield* until(1)
      assert.strictEqual((yield* stopped(killed, "SIGKILL")).code, "SIGKILL")
      assert.strictEqual(yield* Effect.promise(() => answered), "none")
      // The server ends the session of a client that is gone when it looks at the line.
      yield* until(0)
      const left =
        "SELECT (SELECT count(*) FROM contents)::int AS contents, (SELECT count(*) FROM content_parts)::int AS parts"
      assert.deepStrictEqual(yield* rowsOf(file, left), [{ contents: 0, parts: 0 }])
      yield* ask("SELECT pg_advisory_unlock_all()")
      const again = yield* client.files.upload(upload("s1", "a.bin", bytes))
      assert.strictEqual(sha256(yield* client.files.download({ path: again })), sha256(bytes))
    })
  )
})

describe.skipIf(!hasPostgres)("a name with the character 0", () => {
  it.scopedLive.each(engines)("is nobody's %s, and no answer is a defect", ([, served]) =>
    Effect.gen(function* () {
      const { ask } = yield* served({})
      for (const path of [
        "/api/sessions/a%00b",
        "/api/sessions/a%00b/files",
        "/api/sessions/a%00b/audit",
        "/api/sessions/a%00b/search?q=x",
        "/api/sessions/s1/search?q=a%00b",
        "/api/sessions/s1/files?name=a%00b",
        "/api/sessions?name=a%00b",
        "/api/sessions?owner=a%00b",
        "/api/files?name=a%00b",
        "/api/files/a%00b",
        "/api/files/a%00b/content",
        "/api/experiments/a%00b"
      ]) {
        assert.isBelow((yield* ask(path)).status, 500, path)
      }
      for (const path of ["/api/sessions/a%00b/end", "/api/files/a%00b/restore", "/api/experiments/a%00b/end"]) {
        assert.isBelow((yield* ask(path, { method: "POST" })).status, 500, path)
      }
    })
  )
})

describe.skipIf(!hasPostgres)("a start that is refused on PostgreSQL", () => {
  it.scopedLive("tells the reason and what to do, with the exit code of the program, and never the password", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { databaseUrl } = yield* onPostgres(folder)
      const url = Redacted.value(Option.getOrThrow(databaseUrl)).replace("owner@", "owner:s3cr3t-word@")
      const started = (env: Readonly<Record<string, string>>) =>
        runBackend({ DATA_DIRECTORY: folder, PORT: "0", DATABASE_URL: url, ...env })

      yield* execute(
        join(folder, "app.db"),
        "UPDATE schema_migrations SET checksum = 'of another text' WHERE version = '002'"
      )
      const edited = yield* started({})
      assert.strictEqual(edited.code, 65, edited.stderr)
      assert.match(edited.stderr, /002_add_ownership_and_audit/)
      assert.match(edited.stderr, /remedy/)

      yield* execute(join(folder, "app.db"), "DELETE FROM schema_migrations")
      const unrecorded = yield* started({})
      assert.notStrictEqual(unrecorded.code, 0)
      assert.match(unrecorded.stderr, /remedy/)

      const wrong = yield* started({ DATABASE_URL: "mysql://owner:s3cr3t-word@localhost/app" })
      assert.strictEqual(wrong.code, 64, wrong.stderr)
      assert.match(wrong.stderr, /DATABASE_URL/)
      for (const { stderr, stdout } of [edited, unrecorded, wrong]) assert.notInclude(stderr + stdout, "s3cr3t-word")
    })
  )
})
