/** What a disk does to contents, and what others put among them. */
import { spawnSync } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { rivalWriter } from "../../layers/testing.ts"
import { fileForm } from "../../src/service/Client.ts"
import { rowsOf, temporaryFolder } from "../support/database.ts"
import { contentsIn, jsonOf, onlySqlite, serveOn, serving } from "../support/service.ts"

const inSession = { path: { sessionId: "s" } }
const text = "x".repeat(1000)

const stored = Effect.fnUntraced(function* (content = text) {
  const at = yield* serving()
  const upload = at.client.files.upload({ ...inSession, payload: fileForm("a.txt", content) })
  const file = yield* upload
  const path = join(at.folder, "files", file.sha256.slice(0, 2), file.sha256)
  const health = Effect.map(Effect.flatMap(at.ask("/api/health"), jsonOf), (body) =>
    JSON.stringify(Object(body["checks"])["storage:contents"])
  )
  /** What health says, once it says so: on a busy machine an answer may be of the look before, with its age. */
  const healthAs = (wanted: RegExp) =>
    Effect.map(
      Effect.repeat(Effect.delay(health, "20 millis"), { times: 200, until: (said) => wanted.test(said) }),
      (said) => assert.match(said, wanted)
    )
  return { ...at, upload, stored: file, path, healthAs, read: at.ask(`/api/files/${file.fileId}/content`) }
})

describe.skipIf(onlySqlite("is on the disk"))("a content that is damaged on the disk", () => {
  it.scopedLive("is not sent as if it were whole, and is replaced by the next upload of the same bytes", () =>
    Effect.gen(function* () {
      const { healthAs, path, read, upload } = yield* stored()
      truncateSync(path, 400)
      const answer = yield* read
      assert.strictEqual(answer.status, 410)
      assert.deepInclude(yield* jsonOf(answer), { _tag: "ContentLost", reason: "damaged" })
      yield* healthAs(/"warn".*damaged/)
      yield* upload
      assert.strictEqual(yield* Effect.flatMap(read, (whole) => Effect.promise(() => whole.text())), text)
      yield* healthAs(/"pass"/)
      writeFileSync(path, "y".repeat(1000))
      yield* upload
      assert.strictEqual(readFileSync(path, "utf8"), text)
    })
  )

  it.scopedLive(
    "without a change of its size is not sent, whole or in part, and health says so until it is whole again",
    () =>
      Effect.gen(function* () {
        const { ask, healthAs, path, stored: file, upload } = yield* stored()
        const read = (headers: Record<string, string> = {}) => ask(`/api/files/${file.fileId}/content`, { headers })
        writeFileSync(path, `${text.slice(1)}y`)
        for (const headers of [{}, {}, { range: "bytes=0-3" }]) {
          const answer = yield* read(headers)
          assert.strictEqual(answer.status, 410)
          assert.deepInclude(yield* jsonOf(answer), { _tag: "ContentLost", reason: "damaged" })
        }
        yield* healthAs(/"warn".*damaged/)
        yield* upload
        yield* healthAs(/"pass"/)
        const whole = yield* read()
        assert.strictEqual(yield* Effect.promise(() => whole.text()), text)
      })
  )

  it.scopedLive("without a change of its size, and longer, is broken off before its end, and then refused", () =>
    Effect.gen(function* () {
      const { ask, healthAs, path, stored: file } = yield* stored("z".repeat(1_000_000))
      const read = ask(`/api/files/${file.fileId}/download`)
      const outcome = Effect.flatMap(read, (answer) =>
        Effect.promise(() =>
          answer.text().then(
            ({ length }) => `${answer.status}: ${length > 1000 ? "whole" : "short"}`,
            () => "broken off"
          )
        )
      )
      assert.strictEqual(yield* outcome, "200: whole")
      writeFileSync(path, `${"z".repeat(500_000)}y${"z".repeat(499_999)}`)
      assert.strictEqual(yield* outcome, "broken off")
      yield* healthAs(/"warn".*damaged/)
      assert.strictEqual(yield* outcome, "410: short")
    })
  )

  it.scopedLive("without a change of its size is found while nobody reads it, also after a restart in the middle", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const uploaded = yield* Effect.scoped(
        Effect.flatMap(serveOn(folder), ({ client }) =>
          Effect.forEach(["a", "b", "c"], (name) =>
            client.files.upload({ ...inSession, payload: fileForm(name, name.repeat(600_000)) })
          )
        )
      )
      const [first = "", second = "", third = ""] = uploaded.map(({ sha256 }) => sha256).sort()
      for (const sha256 of [first, third])
        writeFileSync(join(folder, "files", sha256.slice(0, 2), sha256), "x".repeat(600_000))
      const mark = join(folder, "files", "proof")
      writeFileSync(mark, `${Date.now()} ${second}\n`)
      const lookedAt = Effect.scoped(
        Effect.gen(function* () {
          const { ask } = yield* serveOn(folder, { proofRate: 1_000_000_000 })
          // The service removes the mark before it writes the next one.
          const atEnd = Effect.sync(
            () => existsSync(mark) && readFileSync(mark, "utf8").endsWith(` ${"f".repeat(64)}\n`)
          )
          yield* Effect.repeat(Effect.delay(atEnd, "20 millis"), { until: (isAtEnd) => isAtEnd })
          const health = JSON.stringify(yield* jsonOf(yield* ask("/api/health")))
          const file = uploaded.find(({ sha256 }) => sha256 === third)
          const answer = yield* ask(`/api/files/${file?.fileId ?? ""}/content`)
          assert.deepInclude(yield* jsonOf(answer), { _tag: "ContentLost", reason: "damaged" })
          return [first, second, third].map((sha256) => health.includes(`${sha256} is damaged`))
        })
      )
      assert.deepStrictEqual(yield* lookedAt, [false, false, true])
      writeFileSync(mark, "cannot be read")
      assert.deepStrictEqual(yield* lookedAt, [true, false, true])
    })
  )

  it.scopedLive("without a change of its size is known after a restart, until other bytes are in its place", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const content = "z".repeat(1_000_000)
      const payload = fileForm("a.txt", content)
      const once = <A, E>(use: (at: Effect.Effect.Success<ReturnType<typeof serveOn>>) => Effect.Effect<A, E>) =>
        Effect.scoped(Effect.flatMap(serveOn(folder, { proofRate: 0 }), use))
      const file = yield* once(({ client }) => client.files.upload({ ...inSession, payload }))
      const path = join(folder, "files", file.sha256.slice(0, 2), file.sha256)
      const marks = () => readdirSync(join(folder, "files", "damaged"))
      const said = once(({ ask }) =>
        Effect.gen(function* () {
          const check = JSON.stringify(Object((yield* jsonOf(yield* ask("/api/health")))["checks"])["storage:contents"])
          // A part of a long content is sent unproven, unless the content is known to be damaged.
          const part = yield* ask(`/api/files/${file.fileId}/content`, { headers: { range: "bytes=0-3" } })
          yield* Effect.promise(() => part.arrayBuffer())
          return [/"status":"(\w+)"/.exec(check)?.[1], part.status, check.includes(`${file.sha256} is damaged`)]
        })
      )
      writeFileSync(path, `${content.slice(1)}y`)
      assert.deepStrictEqual(yield* said, ["pass", 206, false])
      yield* once(({ ask }) =>
        Effect.flatMap(ask(`/api/files/${file.fileId}/content`), (answer) =>
          Effect.promise(() => answer.text().catch(() => "broken off"))
        )
      )
      assert.deepStrictEqual(marks(), [file.sha256])
      assert.deepStrictEqual(yield* said, ["warn", 410, true])
      assert.deepStrictEqual(yield* said, ["warn", 410, true])
      // Repaired while the service does not run.
      writeFileSync(path, content)
      utimesSync(path, 1, 1)
      assert.deepStrictEqual(yield* said, ["pass", 206, false])
      assert.deepStrictEqual(marks(), [])
    })
  )

  it.scopedLive("while it is sent ends the connection", () =>
    Effect.gen(function* () {
      const size = 30_000_000
      const { folder } = yield* Effect.scoped(serving())
      const { baseUrl, client } = yield* serveOn(yield* Effect.succeed(`${folder}-large`), { maxFileSize: size })
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(`${folder}-large`, { recursive: true, force: true })))
      const file = yield* client.files.upload({ ...inSession, payload: fileForm("a.bin", new Uint8Array(size)) })
      const outcome = yield* Effect.promise(async () => {
        const response = await fetch(`${baseUrl}/api/files/${file.fileId}/content`)
        const reader = response.body?.getReader()
        await reader?.read()
        truncateSync(join(`${folder}-large`, "files", file.sha256.slice(0, 2), file.sha256), 1000)
        try {
          for (;;) if ((await reader?.read())?.done !== false) return "whole"
        } catch {
          return "broken off"
        }
      })
      assert.strictEqual(outcome, "broken off")
    })
  )

  it.scopedLive("is found by a sweep, which compares sizes", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = yield* Effect.scoped(
        Effect.flatMap(serveOn(folder), ({ client }) =>
          client.files.upload({ ...inSession, payload: fileForm("a.txt", text) })
        )
      )
      truncateSync(join(folder, "files", file.sha256.slice(0, 2), file.sha256), 400)
      const { ask } = yield* serveOn(folder)
      assert.include(JSON.stringify(yield* jsonOf(yield* ask("/api/health"))), `${file.sha256} is damaged`)
    })
  )
})

describe.skipIf(onlySqlite("is on the disk"))("a content that is gone", () => {
  it.scopedLive(
    "is a typed 410 each time, health shows it at once, and an upload of the same bytes brings it back",
    () =>
      Effect.gen(function* () {
        const { healthAs, path, read, upload } = yield* stored()
        rmSync(path)
        for (const _ of [1, 2]) {
          const answer = yield* read
          assert.strictEqual(answer.status, 410)
          assert.deepInclude(yield* jsonOf(answer), { _tag: "ContentLost", reason: "missing" })
        }
        yield* healthAs(/"warn".*missing/)
        yield* upload
        assert.strictEqual((yield* read).status, 200)
        yield* healthAs(/"pass"/)
      })
  )
})

describe.skipIf(onlySqlite("has a lock of its file"))(
  "an upload that is refused because another process writes",
  () => {
    it.scopedLive("leaves no content once that process has finished", () =>
      Effect.gen(function* () {
        const at = yield* serving({ lockPatience: Duration.millis(50) })
        const error = yield* Effect.scoped(
          Effect.gen(function* () {
            yield* rivalWriter(at.file)
            return yield* Effect.flip(at.client.files.upload({ ...inSession, payload: fileForm("a.txt", "refused") }))
          })
        )
        assert.strictEqual(error._tag, "DatabaseBusy")
        yield* Effect.repeat(Effect.delay(contentsIn(at.folder), "20 millis"), { until: ({ length }) => length === 0 })
        assert.deepStrictEqual(yield* rowsOf(at.file, "SELECT 1 FROM conversation_files"), [])
      })
    )
  }
)

describe.skipIf(onlySqlite("is on the disk"))("a directory of the contents that is not a directory", () => {
  it.scopedLive("on another disk behind a link is used like any other", () =>
    Effect.gen(function* () {
      const [folder, elsewhere] = [yield* temporaryFolder, yield* temporaryFolder]
      symlinkSync(elsewhere, join(folder, "files"))
      const { client } = yield* serveOn(folder)
      const file = yield* client.files.upload({ ...inSession, payload: fileForm("a.txt", text) })
      assert.strictEqual((yield* client.files.view({ path: file })).length, text.length)
      assert.isTrue(existsSync(join(elsewhere, file.sha256.slice(0, 2), file.sha256)))
    })
  )

  it.scopedLive("but a file in place of a shelf means that its contents are missing, and health says so", () =>
    Effect.gen(function* () {
      const { healthAs, path, read } = yield* stored()
      const shelf = dirname(path)
      rmSync(shelf, { recursive: true })
      writeFileSync(shelf, "not a directory")
      const answer = yield* read
      assert.strictEqual(answer.status, 410)
      assert.deepInclude(yield* jsonOf(answer), { _tag: "ContentLost", reason: "missing" })
      yield* healthAs(/"warn".*missing/)
      assert.strictEqual(readFileSync(shelf, "utf8"), "not a directory")
    })
  )

  it.scopedLive("but a link in place of the marks of damage leads to nothing that is written or removed", () =>
    Effect.gen(function* () {
      const { folder, path, read, stored: file, upload } = yield* stored()
      // Where it leads, a mark would have the name of the content itself.
      symlinkSync(dirname(path), join(folder, "files", "damaged"))
      writeFileSync(path, `${text.slice(1)}y`)
      assert.strictEqual((yield* read).status, 410)
      yield* upload
      assert.strictEqual((yield* read).status, 200)
      assert.deepStrictEqual(readdirSync(dirname(path)), [file.sha256])
      assert.strictEqual(readFileSync(path, "utf8"), text)
    })
  )
})

describe.skipIf(onlySqlite("is on the disk"))("anything else in the directory of the contents", () => {
  it.scopedLive("is left alone and reported, and a sweep continues", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const elsewhere = yield* temporaryFolder
      yield* Effect.scoped(
        Effect.flatMap(serveOn(folder), ({ client }) =>
          client.files.upload({ ...inSession, payload: fileForm("a.txt", text) })
        )
      )
      const at = (...parts: ReadonlyArray<string>) => join(folder, "files", ...parts)
      const hash = (pair: string) => pair.repeat(32)
      writeFileSync(join(elsewhere, hash("dd")), "another's")
      for (const name of ["aa", "bb", "cc", "ee", "ff"]) mkdirSync(at(name), { recursive: true })
      mkdirSync(at("trash"))
      const strays = {
        "stray.txt": (path: string) => writeFileSync(path, "stray"),
        directory: (path: string) => mkdirSync(path),
        fifo: (path: string) => spawnSync("mkfifo", [path]),
        nowhere: (path: string) => symlinkSync("/nonexistent", path),
        dd: (path: string) => symlinkSync(elsewhere, path),
        [`aa/${hash("aa")}`]: (path: string) => mkdirSync(path),
        [`bb/${hash("bb")}`]: (path: string) => symlinkSync(join(elsewhere, hash("dd")), path),
        [`cc/${hash("cc")}`]: (path: string) => spawnSync("mkfifo", [path]),
        [`ee/${hash("ab")}`]: (path: string) => writeFileSync(path, "on another shelf"),
        "ee/name": (path: string) => writeFileSync(path, "no hash"),
        "incoming/directory": (path: string) => mkdirSync(path),
        "incoming/link": (path: string) => symlinkSync(elsewhere, path),
        "trash/name": (path: string) => writeFileSync(path, "no hash")
      }
      for (const [name, make] of Object.entries(strays)) make(at(...name.split("/")))
      writeFileSync(at("ff", hash("ff")), "orphan")

      const { ask } = yield* serveOn(folder)
      const health = JSON.stringify(yield* jsonOf(yield* ask("/api/health")))
      assert.match(health, /"storage:contents":\[\{[^}]*"warn".*Left alone, not made by the service/)
      for (const name of Object.keys(strays)) {
        assert.isTrue(existsSync(at(name)) || readlinkSync(at(name)) === "/nonexistent", name)
      }
      assert.deepStrictEqual(readdirSync(at("trash")).sort(), [hash("ff"), "name"])
      assert.strictEqual(readFileSync(join(elsewhere, hash("dd")), "utf8"), "another's")
      assert.strictEqual(readlinkSync(at("bb", hash("bb"))), join(elsewhere, hash("dd")))
      assert.isTrue(statSync(at("cc", hash("cc"))).isFIFO())
    })
  )
})
