/** The scenarios of the six machines, each with their programs wherever these run. */
import { join } from "node:path"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { FileDetails, fileForm, watchSession } from "../../src/service/Client.ts"
import { clientOf } from "./backend.ts"
import { refusal, rowsOf, temporaryFolder } from "./database.ts"
import {
  as,
  databaseIn,
  type Environment,
  eachOnce,
  everyFile,
  history,
  inSession,
  machine,
  objects,
  plainSchema,
  pngSize,
  Screenshot,
  type Service,
  type System,
  sessionId,
  settingsFor,
  sha256,
  tokenOf,
  uploadInThePage
} from "./sixMachines.ts"

/** An empty machine: the schema, its history, and a first file. */
export const freshDeployment = (system: System) =>
  Effect.gen(function* () {
    const dataDirectory = join(yield* temporaryFolder, "srv", "data")
    const { url } = yield* system.serve(settingsFor(dataDirectory))

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

/** The worker fetches a file of a user and adds its result. */
export const workerUpload = (system: System) =>
  Effect.gen(function* () {
    const { at, url } = yield* system.serve(settingsFor(yield* temporaryFolder))
    const files = yield* as("ann", url)
    const { fileId } = yield* files.upload({ ...inSession, payload: fileForm("words.txt", "one two  three\n") })
    const result = yield* machine(system, "npu", FileDetails, at, fileId)

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

/**
 * The worker and the user hear of changes. Between the first and the second something may happen to the service. It
 * has to have its addresses again.
 */
export const changesReachOthers = <R>(
  system: System,
  between: (service: Service, settings: Environment) => Effect.Effect<unknown, never, R>
) =>
  Effect.gen(function* () {
    const settings = settingsFor(yield* temporaryFolder)
    const service = yield* system.serve(settings)
    const { at, url } = service
    const ann = yield* clientOf(url, tokenOf.ann)
    const working = yield* Effect.fork(machine(system, "npu", FileDetails, at, "watch"))
    const text = yield* ann.changes.createText({ ...inSession, payload: { name: "words.txt", text: "one two" } })

    const watching = { baseUrl: url, token: Redacted.make(tokenOf.ann), after: 0 }
    const heard = yield* watchSession(sessionId, watching).pipe(
      Stream.filter(({ actor }) => actor === "npu"),
      Stream.runHead,
      Effect.flatten,
      Effect.provide(FetchHttpClient.layer)
    )
    assert.include(heard, { action: "upload", name: "result.json", sessionId })
    const ofText = { path: { fileId: text.fileId }, headers: { "if-match": `"${text.sha256}"` } }
    yield* between(service, settings)
    yield* ann.changes.replace({ ...ofText, payload: "one two three" })
    assert.include(yield* refusal(ann.changes.replace({ ...ofText, payload: "too late" })), {
      _tag: "PreconditionFailed"
    })

    const result = yield* Fiber.join(working)
    const expected = JSON.stringify({ source: text.fileId, words: ["one", "two", "three"] })
    assert.include(result, { fileId: `${heard.fileId}`, sha256: sha256(expected), mimeType: "application/json" })
    assert.strictEqual(new TextDecoder().decode(yield* ann.files.view({ path: result })), expected)
  })

/** The browser machine saves what its page shows. */
export const screenshotSave = (system: System) =>
  Effect.gen(function* () {
    const { at, url } = yield* system.serve(settingsFor(yield* temporaryFolder))
    const files = yield* as("ann", url)
    yield* files.upload({ ...inSession, payload: fileForm("shown.txt", "to be seen") })
    const { file, seen, taken } = yield* machine(system, "browser", Screenshot, at, "1")

    assert.deepStrictEqual(seen, ["shown.txt"])
    assert.include(file, { name: "screenshot.png", mimeType: "image/png", uploadedBy: "browser", sha256: taken })
    assert.deepStrictEqual(file.metadata, { width: "1024", height: "768" })
    const picture = yield* files.view({ path: { fileId: file.fileId } })
    assert.strictEqual(sha256(picture), taken)
    assert.deepStrictEqual(pngSize(picture), { width: 1024, height: 768 })
  })

/** A user uploads a file in the page. */
export const pageUpload = (system: System) =>
  Effect.gen(function* () {
    const { url } = yield* system.serve(settingsFor(yield* temporaryFolder))
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

/** Services and other starters begin with one database at one moment. */
export const concurrentInitialization = (system: System) =>
  Effect.gen(function* () {
    const dataDirectory = yield* temporaryFolder
    const file = databaseIn(dataDirectory)
    const all = <A, E, R>(count: number, start: (number: number) => Effect.Effect<A, E, R>) =>
      Effect.all(
        Array.from({ length: count }, (_, number) => start(number)),
        { concurrency: "unbounded" }
      )
    const { backends, inits } = yield* Effect.all(
      {
        backends: all(system.atOnce.services, (number) => system.serve(settingsFor(dataDirectory), number)),
        inits: all(system.atOnce.inits, (number) => system.runProgram(number, "init", "--json", "--database", file))
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
      (yield* Effect.forEach(backends, ({ end }) => end("SIGTERM"))).map(({ code }) => code),
      backends.map(() => 0)
    )
    assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA integrity_check"), [{ integrity_check: "ok" }])
  })
