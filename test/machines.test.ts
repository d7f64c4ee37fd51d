/**
 * The service among the machines of its system: the backend (VM0), the web frontend (VM1), the NPU worker (VM2), Redis
 * (VM3), the AI stack (VM4) and the browser automation (VM5). Each is a process, connected only by HTTP. The service
 * needs nothing from Redis, so no process stands for it.
 */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { FileDetails, fileForm, watchSession } from "../src/service/Client.ts"
import { clientOf, runningBackend, stopped } from "./support/backend.ts"
import { noBrowser, page } from "./support/browser.ts"
import { migrationFiles, migrationsDirectory, refusal, rowsOf, temporaryFolder } from "./support/database.ts"
import { runProgram, spawnNode } from "./support/program.ts"

/** Ten processes and two browsers are slow when others use the processor; this limit measures nothing. */
const patience = 180_000

const sessionId = "conversation-1"
const inSession = { path: { sessionId } }
const everyFile = { ...inSession, urlParams: { limit: 50, deleted: false } }
const everyEvent = { ...inSession, urlParams: { limit: 200, after: 0 } }

/** The users, and the machines that may write to the sessions of users. */
const tokenOf = {
  ann: "token-of-ann-0123456789",
  bob: "token-of-bob-0123456789",
  npu: "token-of-npu-0123456789",
  ai: "token-of-ai-0123456789",
  browser: "token-of-browser-0123456789"
}
const settingsFor = (dataDirectory: string) => ({
  DATA_DIRECTORY: dataDirectory,
  API_TOKENS: Object.entries(tokenOf)
    .map(([user, token]) => `${user}:${token}${user === "ann" || user === "bob" ? "" : ":administrator"}`)
    .join(","),
  // Several services write to one file here, on a machine that may be busy.
  LOCK_PATIENCE: "1 minute"
})
const databaseIn = (dataDirectory: string) => join(dataDirectory, "conversation_files.db")

const as = (user: keyof typeof tokenOf, url: string) =>
  Effect.map(clientOf(url, tokenOf[user]), (client) => client.files)

/** Runs the program of another machine to its end in its own home, and returns the answer that it prints. */
const machine = <A, I>(
  name: "ai" | "browser" | "npu",
  answer: Schema.Schema<A, I>,
  url: string,
  ...args: ReadonlyArray<string>
) =>
  Effect.gen(function* () {
    const home = yield* temporaryFolder
    const env = { HOME: home, TMPDIR: home, SERVICE_URL: url, SERVICE_TOKEN: tokenOf[name], SESSION: sessionId }
    const { ended } = yield* Effect.acquireRelease(
      Effect.sync(() => spawnNode([join(import.meta.dirname, `support/machines/${name}.mjs`), ...args], { env })),
      ({ ended, process: child }) =>
        Effect.promise(() => {
          child.kill()
          return ended
        })
    )
    const { code, stderr, stdout } = yield* Effect.promise(() => ended)
    assert.strictEqual(code, 0, `${name}: ${stdout}${stderr}`)
    return yield* Schema.decode(Schema.parseJson(answer))(stdout)
  }).pipe(Effect.scoped)

/** The answer of the browser machine: the names in the page, and the SHA-256 of the picture that it took. */
const Screenshot = Schema.Struct({ seen: Schema.Array(Schema.String), file: FileDetails, taken: Schema.String })

/** The answer of the AI machine: each file as it read it, newest first. */
const Reading = Schema.Array(Schema.Struct({ name: Schema.String, size: Schema.Number, sha256: Schema.String }))

/** The answer of the AI machine to a message, and whether each of its two equal reports counts. */
const Answer = Schema.Struct({
  policy: Schema.String,
  experiment: Schema.String,
  answer: FileDetails,
  reports: Schema.Array(Schema.Boolean)
})

/** A user opens the page on the session, gives a token, and uploads a file. */
const uploadInThePage = (user: "ann" | "bob", url: string, name: string, text: string) =>
  Effect.gen(function* () {
    const tab = yield* page
    yield* Effect.promise(async () => {
      await tab.goto(url)
      await tab.locator("#token").fill(tokenOf[user])
      await tab.locator("#token").press("Enter")
      await tab.locator("#session").fill(sessionId)
      await tab.locator("#session").press("Enter")
      // Wait until the page has loaded the list before something is added to it.
      await tab.locator("#count", { hasText: "No files." }).waitFor()
      await tab.locator("#upload").setInputFiles({ name, mimeType: "text/plain", buffer: Buffer.from(text) })
      await tab.locator("#files [data-file-id]", { hasText: name }).waitFor()
    })
    return tab
  })

const sha256 = (content: string | Uint8Array) => createHash("sha256").update(content).digest("hex")

/** Width and height of a PNG, if it is one (https://www.w3.org/TR/png-3/#11IHDR). */
const pngSize = (content: Uint8Array) => {
  const bytes = Buffer.from(content)
  assert.strictEqual(bytes.toString("latin1", 0, 8), "\x89PNG\r\n\x1a\n")
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }
}

const objects = `SELECT type, name, sql FROM sqlite_schema
  WHERE name NOT LIKE 'sqlite%' AND tbl_name <> 'schema_migrations' ORDER BY type, name`

/** The schema that the files in migrations/ make in plain SQLite. */
const plainSchema = Effect.sync(() => {
  const connection = new Sqlite(":memory:")
  for (const name of migrationFiles) {
    connection.exec(readFileSync(join(migrationsDirectory, name), "utf8"))
  }
  const schema = connection.prepare(objects).all()
  connection.close()
  return schema
})

const history = "SELECT migration_id, version, status FROM schema_migrations ORDER BY migration_id"
const eachOnce = [
  { migration_id: 1, version: "001", status: "completed" },
  { migration_id: 2, version: "002", status: "completed" },
  { migration_id: 3, version: "003", status: "completed" },
  { migration_id: 4, version: "004", status: "completed" },
  { migration_id: 5, version: "005", status: "completed" },
  { migration_id: 6, version: "006", status: "completed" },
  { migration_id: 7, version: "007", status: "completed" },
  { migration_id: 8, version: "008", status: "completed" },
  { migration_id: 9, version: "009", status: "completed" }
]

describe("the six machines", () => {
  it.scopedLive("fresh VM0 deployment creates schema, and serves on it", () =>
    Effect.gen(function* () {
      const dataDirectory = join(yield* temporaryFolder, "srv", "data")
      const { url } = yield* runningBackend(settingsFor(dataDirectory))

      const file = databaseIn(dataDirectory)
      assert.deepStrictEqual(yield* rowsOf(file, objects), yield* plainSchema)
      assert.deepStrictEqual(yield* rowsOf(file, history), eachOnce)
      assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA integrity_check"), [{ integrity_check: "ok" }])

      const { readyz } = yield* clientOf(url)
      assert.include(JSON.parse(yield* readyz()), { status: "pass", phase: "open", schemaVersion: "009" })
      const files = yield* as("ann", url)
      const { fileId } = yield* files.upload({ ...inSession, payload: fileForm("first.txt", "the first one") })
      assert.deepStrictEqual(
        (yield* files.list(everyFile)).files.map((listed) => [listed.fileId, listed.name]),
        [[fileId, "first.txt"]]
      )
    })
  )

  it.scopedLive("NPU worker VM2 file upload: it fetches a file and returns its result, with metadata", () =>
    Effect.gen(function* () {
      const { url } = yield* runningBackend(settingsFor(yield* temporaryFolder))
      const files = yield* as("ann", url)
      const { fileId } = yield* files.upload({ ...inSession, payload: fileForm("words.txt", "one two  three\n") })
      const result = yield* machine("npu", FileDetails, url, fileId)

      const expected = JSON.stringify({ source: fileId, words: ["one", "two", "three"] })
      assert.include(result, {
        name: "result.json",
        mimeType: "application/json",
        size: expected.length,
        sha256: sha256(expected),
        uploadedBy: "npu",
        messageId: "inference-1"
      })
      assert.deepStrictEqual(result.metadata, { device: "npu", model: "word-count", source: fileId, words: "3" })
      // The session still belongs to the user, who finds the same file as the worker.
      const path = { fileId: result.fileId }
      assert.deepStrictEqual(yield* files.details({ path }), result)
      assert.strictEqual(new TextDecoder().decode(yield* files.view({ path })), expected)
    })
  )

  it.scopedLive(
    "changes reach the other machines: the worker reacts to a text and its change, the user to the result",
    () =>
      Effect.gen(function* () {
        const { url } = yield* runningBackend(settingsFor(yield* temporaryFolder))
        const ann = yield* clientOf(url, tokenOf.ann)
        const working = yield* Effect.fork(machine("npu", FileDetails, url, "watch"))
        const text = yield* ann.changes.createText({ ...inSession, payload: { name: "words.txt", text: "one two" } })

        const watching = { baseUrl: url, token: Redacted.make(tokenOf.ann), after: 0 }
        const heard = yield* watchSession(sessionId, watching).pipe(
          Stream.filter(({ actor }) => actor === "npu"),
          Stream.runHead,
          Effect.flatten,
          Effect.provide(FetchHttpClient.layer)
        )
        assert.include(heard, { action: "upload", filename: "result.json", sessionId })
        const ofText = { path: { fileId: text.fileId }, headers: { "if-match": `"${text.sha256}"` } }
        yield* ann.changes.replace({ ...ofText, payload: "one two three" })
        assert.include(yield* refusal(ann.changes.replace({ ...ofText, payload: "too late" })), {
          _tag: "PreconditionFailed"
        })

        const result = yield* Fiber.join(working)
        const expected = JSON.stringify({ source: text.fileId, words: ["one", "two", "three"] })
        assert.include(result, { fileId: `${heard.fileId}`, sha256: sha256(expected), mimeType: "application/json" })
        assert.strictEqual(new TextDecoder().decode(yield* ann.files.view({ path: result })), expected)
      })
  )

  const inABrowser = noBrowser === undefined ? "" : ` (skipped: ${noBrowser})`
  const withBrowser = it.scopedLive.skipIf(noBrowser !== undefined)

  withBrowser(`browser VM5 screenshot save: what a real browser shows is a file of the session${inABrowser}`, () =>
    Effect.gen(function* () {
      const { url } = yield* runningBackend(settingsFor(yield* temporaryFolder))
      const files = yield* as("ann", url)
      yield* files.upload({ ...inSession, payload: fileForm("shown.txt", "to be seen") })
      const { file, seen, taken } = yield* machine("browser", Screenshot, url, "1")

      assert.deepStrictEqual(seen, ["shown.txt"])
      assert.include(file, { name: "screenshot.png", mimeType: "image/png", uploadedBy: "browser", sha256: taken })
      assert.deepStrictEqual(file.metadata, { width: "1024", height: "768" })
      const picture = yield* files.view({ path: { fileId: file.fileId } })
      assert.strictEqual(sha256(picture), taken)
      assert.deepStrictEqual(pngSize(picture), { width: 1024, height: 768 })
    })
  )

  withBrowser(`frontend VM1 file upload: what a user chooses in the page is stored, and there again${inABrowser}`, () =>
    Effect.gen(function* () {
      const { url } = yield* runningBackend(settingsFor(yield* temporaryFolder))
      const tab = yield* uploadInThePage("ann", url, "Bericht für März.txt", "in three words")

      const files = yield* as("ann", url)
      const [uploaded, ...others] = (yield* files.list(everyFile)).files
      assert.deepStrictEqual(others, [])
      assert.isDefined(uploaded)
      assert.include(uploaded, { name: "Bericht für März.txt", mimeType: "text/plain", size: 14, uploadedBy: "ann" })
      assert.strictEqual(uploaded.sha256, sha256("in three words"))
      yield* Effect.promise(async () => {
        await tab.reload()
        await tab.locator(`#files [data-file-id="${uploaded.fileId}"]`, { hasText: uploaded.name }).waitFor()
      })
    })
  )

  it.scopedLive("concurrent initialization from multiple VMs: all are ready, and each migration is applied once", () =>
    Effect.gen(function* () {
      const dataDirectory = yield* temporaryFolder
      const file = databaseIn(dataDirectory)
      const four = <A, E, R>(start: Effect.Effect<A, E, R>) =>
        Effect.all([start, start, start, start], { concurrency: "unbounded" })
      const { backends, inits } = yield* Effect.all(
        {
          backends: four(runningBackend(settingsFor(dataDirectory))),
          inits: four(runProgram(["init", "--json", "--database", file]))
        },
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        inits.map(({ code, stderr, stdout }) => [code, stderr, JSON.parse(stdout).schemaVersion]),
        inits.map(() => [0, "", "009"])
      )
      assert.deepStrictEqual(yield* rowsOf(file, history), eachOnce)
      assert.deepStrictEqual(yield* rowsOf(file, objects), yield* plainSchema)

      // Each reports itself ready, and one of all applied them.
      const found = yield* Effect.forEach(backends, ({ url }) =>
        Effect.gen(function* () {
          const { health } = yield* clientOf(url, tokenOf.ai)
          // Health warns while another process holds the write lock, or a check is late.
          const passing = Effect.map(health(), (text) => JSON.parse(text)).pipe(
            Effect.tap(({ status }) => (status === "pass" ? Effect.void : Effect.fail(status)))
          )
          const { schemaVersion, startup } = yield* Effect.retry(passing, Schedule.spaced("50 millis"))
          assert.strictEqual(schemaVersion, "009")
          const { found } = startup.stages.find(({ name }: { readonly name: string }) => name === "migrations")
          return String(found).includes(`applied ${eachOnce.length}`)
        })
      )
      const appliedByInits = inits.map(({ stdout }) => JSON.parse(stdout).applied.length === eachOnce.length)
      assert.deepStrictEqual(
        [...found, ...appliedByInits].filter((applied) => applied),
        [true]
      )

      // They serve at one moment what each of them received.
      const clients = yield* Effect.forEach(backends, ({ url }) => as("ann", url))
      const names = clients.map((_, index) => `from-${index}.txt`)
      yield* Effect.forEach(
        clients,
        (files, index) => files.upload({ ...inSession, payload: fileForm(`from-${index}.txt`, `content ${index}`) }),
        { concurrency: "unbounded" }
      )
      for (const files of clients) {
        assert.deepStrictEqual((yield* files.list(everyFile)).files.map(({ name }) => name).sort(), names)
      }
      // Each lists the session with what all of them stored in it; another user does not see it.
      for (const { url } of backends) {
        const { sessions } = yield* clientOf(url, tokenOf.ann)
        const listed = (yield* sessions.list({ urlParams: { limit: 50 } })).sessions
        assert.strictEqual(listed.length, 1)
        assert.deepInclude(listed[0], { ...inSession.path, owner: "ann", files: names.length, endedAt: null })
        const others = yield* clientOf(url, tokenOf.bob)
        assert.deepStrictEqual((yield* others.sessions.list({ urlParams: { limit: 50 } })).sessions, [])
      }
      assert.deepStrictEqual(
        (yield* Effect.forEach(backends, (backend) => stopped(backend))).map(({ code }) => code),
        [0, 0, 0, 0]
      )
      assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA integrity_check"), [{ integrity_check: "ok" }])
    })
  )

  withBrowser(
    `end to end distributed workflow: a user, four machines, a stranger, and a backend that is killed in between${inABrowser}`,
    () =>
      Effect.gen(function* () {
        const dataDirectory = yield* temporaryFolder
        const settings = settingsFor(dataDirectory)
        const before = yield* runningBackend(settings)

        // A user uploads in the page; the NPU worker fetches it and returns its result.
        const text = "what the user wrote"
        yield* Effect.scoped(uploadInThePage("ann", before.url, "report.txt", text))
        const [report] = (yield* Effect.flatMap(as("ann", before.url), (files) => files.list(everyFile))).files
        assert.isDefined(report)
        const result = yield* machine("npu", FileDetails, before.url, report.fileId)
        assert.include(result.metadata, { source: report.fileId, words: "4" })

        // The administrators compare two ways of choosing what a model sees.
        const administrator = yield* clientOf(before.url, tokenOf.ai)
        const policies = (["relevant", "whole"] as const).map((policy) => ({ policy, share: 50 }))
        const endsAt = new Date(Date.now() + 3_600_000)
        yield* administrator.experiments.create({ payload: { name: "which-helps", policies, endsAt } })

        // The backend is killed: its memory is gone, but what it acknowledged is in SQLite's log.
        before.process.kill("SIGKILL")
        const { code } = yield* Effect.promise(() => before.ended)
        assert.strictEqual(code, "SIGKILL")
        assert.isAbove(statSync(`${databaseIn(dataDirectory)}-wal`).size, 0)
        const { url } = yield* runningBackend(settings)

        // The browser machine adds a screenshot; the AI machine lists and reads all of it.
        const { file: screenshot, seen } = yield* machine("browser", Screenshot, url, "2")
        assert.deepStrictEqual(seen, ["result.json", "report.txt"])
        const all = [screenshot, result, report]
        assert.deepStrictEqual(
          yield* machine("ai", Reading, url),
          all.map(({ name, sha256, size }) => ({ name, size, sha256 }))
        )
        assert.strictEqual(report.sha256, sha256(text))

        // It answers a message from what it finds in the files, and reports what was of help.
        const answered = yield* machine("ai", Answer, url, "What did the user write?")
        assert.include(answered.answer, { name: "answer.txt", mimeType: "text/plain", messageId: "answer-1" })
        assert.deepStrictEqual([answered.experiment, answered.reports], ["which-helps", [true, true]])
        const shown = yield* Effect.flatMap(clientOf(url, tokenOf.ai), ({ experiments }) =>
          experiments.result({ path: { name: "which-helps" } })
        )
        assert.deepStrictEqual(
          shown.policies
            .map(({ countedSessions, helpfulSessions, passages, policy, sessions }) =>
              policy === answered.policy
                ? [sessions, countedSessions, helpfulSessions, passages]
                : [sessions, countedSessions]
            )
            .sort(),
          [
            [0, 0],
            [1, 1, 1, { used: 0, helpful: 1, ignored: 1 }]
          ]
        )

        // A second user can neither read nor write anything of it.
        const path = { fileId: report.fileId }
        const stranger = yield* as("bob", url)
        const refused = yield* Effect.all([
          refusal(stranger.list(everyFile)),
          refusal(stranger.download({ path })),
          refusal(stranger.upload({ ...inSession, payload: fileForm("note.txt", "bob was here") }))
        ])
        assert.deepStrictEqual(
          refused.map(({ _tag }) => _tag),
          ["Forbidden", "Forbidden", "Forbidden"]
        )
        const plainly = yield* Effect.promise(() =>
          fetch(`${url}/api/files/${report.fileId}/content`, { headers: { authorization: `Bearer ${tokenOf.bob}` } })
        )
        assert.strictEqual(plainly.status, 403)

        // The session is emptied: no row, no content.
        const { account, files, sessions } = yield* clientOf(url, tokenOf.ann)
        assert.include(yield* sessions.deleteFiles(inSession), { deleted: 4 })
        assert.deepStrictEqual((yield* files.list(everyFile)).files, [])
        assert.include(yield* account.storage(), { files: 0, deletedFiles: 0, bytes: 0, storedBytes: 0 })
        const contents = readdirSync(join(dataDirectory, "files"), { recursive: true, withFileTypes: true })
        assert.deepStrictEqual(
          contents.filter((entry) => entry.isFile() && !["identity", "proof", "reserve"].includes(entry.name)),
          []
        )

        // Only the record remains, in order.
        const { events } = yield* sessions.audit(everyEvent)
        assert.deepStrictEqual(
          events.map(({ action, actor, filename, outcome, reason }) => [actor, action, filename, reason ?? outcome]),
          [
            ["ann", "upload", "report.txt", "done"],
            ["npu", "download", "report.txt", "done"],
            ["npu", "upload", "result.json", "done"],
            ["browser", "upload", "screenshot.png", "done"],
            ["ai", "view", "screenshot.png", "done"],
            ["ai", "view", "result.json", "done"],
            ["ai", "view", "report.txt", "done"],
            ["ai", "view", "report.txt", "done"],
            ["ai", "view", "result.json", "done"],
            ["ai", "upload", "answer.txt", "done"],
            ["bob", "list", null, "Forbidden"],
            ["bob", "download", "report.txt", "Forbidden"],
            ["bob", "upload", null, "Forbidden"],
            ["bob", "view", "report.txt", "Forbidden"],
            ["ann", "delete", "report.txt", "done"],
            ["ann", "delete", "result.json", "done"],
            ["ann", "delete", "screenshot.png", "done"],
            ["ann", "delete", "answer.txt", "done"]
          ]
        )
      }),
    patience
  )
})
