/** Database and contents: in any order of moves, copies, restores and starts, no content is lost. */
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { fileForm } from "../../src/service/Client.ts"
import type { ContentsError } from "../../src/service/ContentsError.ts"
import { runBackend, runningBackend, stopped } from "../support/backend.ts"
import { independently, temporaryFolder } from "../support/database.ts"
import { because, kill, options, unavailable } from "../support/faults.ts"
import { runProgram } from "../support/program.ts"
import { contentsIn, jsonOf, type SomeSettings, serveOn } from "../support/service.ts"

const inSession = { path: { sessionId: "s" } }

/** A start, one upload, and its end; or why it was refused. */
const started = (folder: string, upload: string | undefined, settings: SomeSettings = {}) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { client } = yield* serveOn(folder, settings)
      if (upload !== undefined) yield* client.files.upload({ ...inSession, payload: fileForm("a.txt", upload) })
    })
  )

const refusal = (start: ReturnType<typeof started>) =>
  Effect.flatMap(Effect.either(start), (outcome) => {
    if (Either.isLeft(outcome) && outcome.left._tag === "ContentsError")
      return Effect.succeed<ContentsError>(outcome.left)
    return Effect.die(new Error(`not refused: ${JSON.stringify(outcome)}`))
  })

/** The texts of all files in the database, each read through the service; for a lost one its status. */
const readAll = (folder: string, settings: SomeSettings = {}) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { ask, client } = yield* serveOn(folder, settings)
      const { files } = yield* client.files.list({ ...inSession, urlParams: { limit: 200, deleted: false } })
      const texts = yield* Effect.forEach(files, ({ fileId }) =>
        Effect.flatMap(ask(`/api/files/${fileId}/content`), (answer) =>
          answer.status === 200 ? Effect.promise(() => answer.text()) : Effect.succeed(String(answer.status))
        )
      )
      return texts.sort()
    })
  )

const database = (folder: string) => join(folder, "app.db")
const move = (from: string, to: string) => {
  for (const suffix of ["", "-wal", "-shm"]) if (existsSync(from + suffix)) renameSync(from + suffix, to + suffix)
}
const copyDatabase = (from: string, to: string) =>
  independently(from, (connection) => {
    rmSync(to, { force: true })
    connection.prepare("VACUUM INTO ?").run(to)
  })
const trashIn = (folder: string) => {
  const trash = join(folder, "files", "trash")
  return existsSync(trash) ? readdirSync(trash) : []
}
const identityOf = (folder: string): string =>
  JSON.parse(readFileSync(join(folder, "files", "identity"), "utf8")).identity

describe("contents whose database is not there", () => {
  it.scopedLive("keep the service from starting on a new one, which is not even created", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* started(folder, "one")
      move(database(folder), join(folder, "aside.db"))
      const error = yield* refusal(started(folder, undefined))
      assert.strictEqual(error.reason, "NoDatabase")
      assert.include(error.remedy, `ADOPT_CONTENTS=${identityOf(folder)}`)
      assert.isFalse(existsSync(database(folder)))
      move(join(folder, "aside.db"), database(folder))
      assert.deepStrictEqual(yield* readAll(folder), ["one"])
    })
  )

  it.scopedLive(
    "are not swept by another database, which is refused; adopted, they wait in the trash for the first",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        yield* started(folder, "one")
        move(database(folder), join(folder, "aside.db"))
        const other = yield* temporaryFolder
        yield* started(other, undefined)
        const settings = { databaseFile: database(other) }
        const error = yield* refusal(started(folder, undefined, settings))
        assert.strictEqual(error.reason, "OtherDatabase")
        assert.strictEqual((yield* contentsIn(folder)).length, 1)
        assert.strictEqual(
          (yield* refusal(started(folder, undefined, { ...settings, adoptContents: Option.some("x") }))).reason,
          "OtherDatabase"
        )

        const first = identityOf(folder)
        const adopting = { ...settings, adoptContents: Option.some(first) }
        yield* started(folder, "two", adopting)
        assert.notStrictEqual(identityOf(folder), first)
        // Not right after the adoption; and a setting for one start does not apply to the next.
        assert.deepStrictEqual([(yield* contentsIn(folder)).length, trashIn(folder)], [2, []])
        yield* started(folder, undefined, adopting)
        move(join(folder, "aside.db"), database(folder))
        assert.strictEqual((yield* refusal(started(folder, undefined))).reason, "OtherDatabase")
        assert.strictEqual(
          (yield* refusal(started(folder, undefined, { adoptContents: Option.some(first) }))).reason,
          "OtherDatabase"
        )
        const back = { adoptContents: Option.some(identityOf(folder)) }
        assert.deepStrictEqual(yield* readAll(folder, back), ["one"])
      })
  )

  it.scopedLive("end the program with 65, the reason and what to do", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const backend = yield* runningBackend({ DATA_DIRECTORY: folder })
      yield* Effect.promise(() =>
        fetch(`${backend.url}/api/sessions/s/files`, { method: "POST", body: fileForm("a.txt", "one") })
      )
      const second = yield* runBackend({ DATA_DIRECTORY: folder, DATABASE_FILE: join(folder, "other.db") })
      assert.strictEqual(second.code, 65, second.stderr)
      assert.match(second.stderr, /ContentsError\.NoDatabase/)
      assert.match(second.stderr, /remedy {2}Put the database back.*ADOPT_CONTENTS=[0-9a-f]{32}/)
      const { body } = yield* Effect.promise(() =>
        fetch(`${backend.url}/readyz`).then(async (r) => ({ body: await r.text() }))
      )
      assert.include(body, '"status":"pass"')
      yield* stopped(backend)
      assert.strictEqual((yield* contentsIn(folder)).length, 1)
    })
  )

  it.scopedLive(
    "are refused without an identity if the database knows none of them, and accepted if it knows one",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        yield* started(folder, "one")
        rmSync(join(folder, "files", "identity"))
        assert.deepStrictEqual(yield* readAll(folder), ["one"])
        const other = yield* temporaryFolder
        yield* started(other, undefined)
        rmSync(join(folder, "files", "identity"))
        const settings = { databaseFile: database(other) }
        assert.strictEqual((yield* refusal(started(folder, undefined, settings))).reason, "Unmarked")
        yield* started(folder, undefined, { ...settings, adoptContents: Option.some("unmarked") })
        writeFileSync(join(folder, "files", "identity"), "nonsense")
        assert.strictEqual((yield* refusal(started(folder, undefined, settings))).reason, "Damaged")
        rmSync(join(folder, "files", "identity"))
        mkdirSync(join(folder, "files", "identity"))
        assert.strictEqual((yield* refusal(started(folder, undefined, settings))).reason, "Damaged")
        assert.strictEqual((yield* contentsIn(folder)).length, 1)
      })
  )

  it.scopedLive("are refused if their directory is empty, as one is that was not mounted", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* started(folder, "one")
      renameSync(join(folder, "files"), join(folder, "unmounted"))
      assert.strictEqual((yield* refusal(started(folder, undefined))).reason, "NoContents")
      rmSync(join(folder, "files"), { recursive: true })
      renameSync(join(folder, "unmounted"), join(folder, "files"))
      assert.deepStrictEqual(yield* readAll(folder), ["one"])
    })
  )

  it.scopedLive("are not served or swept any more if they are replaced under a running service", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { ask, client } = yield* serveOn(folder)
      yield* client.files.upload({ ...inSession, payload: fileForm("a.txt", "one") })
      const mark = JSON.parse(readFileSync(join(folder, "files", "identity"), "utf8"))
      writeFileSync(join(folder, "files", "identity"), JSON.stringify({ ...mark, identity: "another" }))
      assert.strictEqual((yield* ask("/api/files")).status, 503)
      const ready = yield* ask("/readyz")
      assert.strictEqual(ready.status, 503)
      assert.include(JSON.stringify(yield* jsonOf(ready)), "belong to another database")
      writeFileSync(join(folder, "files", "identity"), JSON.stringify(mark))
      assert.strictEqual((yield* ask("/api/files")).status, 200)
    })
  )
})

/** What can be done with a database and its contents between two runs of the service. */
const acts = {
  /** A copy of the database, taken while it is at rest. */
  backup: (folder: string) => copyDatabase(database(folder), join(folder, "backup.db")),
  /** Puts the copy in its place, as people do it. */
  restore: (folder: string) =>
    Effect.sync(() => {
      if (!existsSync(join(folder, "backup.db"))) return
      move(database(folder), join(folder, "replaced.db"))
      cpSync(join(folder, "backup.db"), database(folder))
    }),
  /** The same file, other bytes. */
  overwrite: (folder: string) =>
    Effect.sync(() => {
      if (!existsSync(join(folder, "backup.db"))) return
      cpSync(database(folder), join(folder, "replaced.db"))
      writeFileSync(database(folder), readFileSync(join(folder, "backup.db")))
    }),
  undo: (folder: string) =>
    Effect.sync(() => {
      if (existsSync(join(folder, "replaced.db"))) cpSync(join(folder, "replaced.db"), database(folder))
    }),
  start: (folder: string) => started(folder, undefined),
  upload: (folder: string) => started(folder, `text ${Math.random()}`)
}

type Act = keyof typeof acts

const everything = process.env["FAULTS"] === "all"
const long = everything ? 4 : 2

const orders = (length: number): ReadonlyArray<ReadonlyArray<Act>> =>
  length === 0
    ? [[]]
    : orders(length - 1).flatMap((order) =>
        (Object.keys(acts) as ReadonlyArray<Act>).filter((act) => act !== order.at(-1)).map((act) => [...order, act])
      )

describe("every order of backup, restore, start and upload", () => {
  // The short form takes a quarter of the orders.
  const shards = everything ? 25 : 4
  const taken = everything ? shards : shards / 4
  const all = orders(long)
  for (let shard = 0; shard < taken; shard += 1) {
    it.scopedLive(
      `leaves every content that any copy of the database knows (${shard + 1} of ${taken})`,
      () =>
        Effect.gen(function* () {
          const origin = yield* temporaryFolder
          yield* started(origin, "first")
          yield* acts.backup(origin)
          yield* started(origin, "second")
          for (const order of all.filter((_, index) => index % shards === shard)) {
            const folder = yield* temporaryFolder
            cpSync(origin, folder, { recursive: true })
            for (const act of order) yield* acts[act](folder)
            yield* started(folder, undefined)
            // Any copy that is put in place now has all its contents.
            for (const copy of ["app.db", "backup.db", "replaced.db"]) {
              if (!existsSync(join(folder, copy))) continue
              if (copy !== "app.db") cpSync(join(folder, copy), database(folder))
              const texts = yield* readAll(folder)
              assert.isFalse(texts.includes("410"), `${order.join(", ")}: ${copy}`)
              assert.include(texts, "first")
            }
          }
        }),
      everything ? 3_600_000 : 120_000
    )
  }
})

describe("contents that an older copy of the database does not know", () => {
  it.scopedLive("are left for a day, and come back from the trash when the newer one is restored", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* started(folder, "first")
      yield* acts.backup(folder)
      yield* started(folder, "second")
      yield* acts.restore(folder)
      yield* started(folder, undefined)
      assert.strictEqual((yield* contentsIn(folder)).length, 2)
      // The day is over.
      const path = join(folder, "files", "identity")
      writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), quietUntil: 0 }))
      yield* started(folder, undefined)
      assert.deepStrictEqual([(yield* contentsIn(folder)).length, trashIn(folder).length], [1, 1])
      move(join(folder, "replaced.db"), database(folder))
      assert.deepStrictEqual(yield* readAll(folder), ["first", "second"])
      assert.deepStrictEqual([(yield* contentsIn(folder)).length, trashIn(folder).length], [2, 0])
    })
  )

  it.scopedLive("come back from the trash when they are read, before any sweep", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { ask, client } = yield* serveOn(folder)
      const file = yield* client.files.upload({ ...inSession, payload: fileForm("a.txt", "one") })
      mkdirSync(join(folder, "files", "trash"))
      const at = join(folder, "files", file.sha256.slice(0, 2), file.sha256)
      renameSync(at, join(folder, "files", "trash", file.sha256))
      assert.strictEqual((yield* ask(`/api/files/${file.fileId}/content`)).status, 200)
      assert.isTrue(existsSync(at))
    })
  )

  it.scopedLive("are not moved at all if they are too many, until that is allowed; health says so", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* started(folder, "first")
      for (let n = 0; n < 30; n += 1) {
        const hash = n.toString(16).padStart(2, "0").repeat(32)
        mkdirSync(join(folder, "files", hash.slice(0, 2)), { recursive: true })
        writeFileSync(join(folder, "files", hash.slice(0, 2), hash), "orphan")
      }
      const health = (settings: SomeSettings) =>
        Effect.scoped(
          Effect.gen(function* () {
            const { ask } = yield* serveOn(folder, settings)
            return JSON.stringify(yield* jsonOf(yield* ask("/api/health")))
          })
        )
      assert.match(yield* health({}), /30 of 31 contents have no file.*ALLOW_SWEEP=30/)
      assert.match(yield* health({ allowSweep: 29 }), /ALLOW_SWEEP=30/)
      assert.deepStrictEqual([(yield* contentsIn(folder)).length, trashIn(folder).length], [31, 0])
      assert.notInclude(yield* health({ allowSweep: 30 }), "ALLOW_SWEEP")
      assert.deepStrictEqual([(yield* contentsIn(folder)).length, trashIn(folder).length], [1, 30])
    })
  )

  it.scopedLive("are found again after the program's own restore, and after undoing it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = database(folder)
      yield* started(folder, "first")
      yield* copyDatabase(file, `${file}.backup-001-20260101T000000000Z`)
      yield* started(folder, "second")
      const restored = yield* runProgram([
        "restore",
        "--database",
        file,
        "--backup",
        `${file}.backup-001-20260101T000000000Z`
      ])
      assert.strictEqual(restored.code, 0, restored.stderr + restored.stdout)
      assert.deepStrictEqual(yield* readAll(folder), ["first"])
      const [replaced = ""] = readdirSync(folder).filter((name) => name.startsWith("app.db.replaced-"))
      rmSync(file)
      cpSync(join(folder, replaced), file)
      assert.deepStrictEqual(yield* readAll(folder), ["first", "second"])
    })
  )

  it.scopedLive("survive a copy of the whole directory, and starts on either one", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const copy = join(yield* temporaryFolder, "copy")
      yield* started(folder, "first")
      cpSync(folder, copy, { recursive: true })
      yield* started(copy, "second")
      yield* started(folder, "third")
      assert.deepStrictEqual(yield* readAll(copy), ["first", "second"])
      assert.deepStrictEqual(yield* readAll(folder), ["first", "third"])
      // One's database on the other's contents: only what is not there is lost, and nothing else is deleted.
      assert.deepStrictEqual(yield* readAll(folder, { databaseFile: database(copy) }), ["410", "first"])
      assert.deepStrictEqual(yield* readAll(folder), ["first", "third"])
    })
  )
})

describe.skipIf(unavailable !== undefined)(`a start that is killed${because(unavailable)}`, () => {
  for (const call of everything ? ["rename", "fsync", "openat", "utime", "mkdir", "unlink"] : ["rename"]) {
    it.scopedLive(
      `at any ${call} while it binds and sweeps leaves contents that the next one finds`,
      () =>
        Effect.gen(function* () {
          const folder = yield* temporaryFolder
          const settings = { databaseFile: database(folder), trashRetention: Duration.zero }
          yield* started(folder, "first", settings)
          const orphan = "ab".repeat(32)
          for (let nth = 1; nth < (everything ? 60 : 4); nth += 1) {
            mkdirSync(join(folder, "files", "ab"), { recursive: true })
            writeFileSync(join(folder, "files", "ab", orphan), "orphan")
            // If the fault does not kill it, it is killed a moment later.
            spawnSync(
              "strace",
              [
                ...["-f", "-qq", "-o", "/dev/null", ...options({ what: kill, call, nth })],
                ...["timeout", "-s", "KILL", "4", process.execPath, "src/service/dist/conversation-files.cjs"]
              ],
              {
                cwd: join(import.meta.dirname, "../.."),
                env: { PATH: process.env["PATH"], PORT: "0", DATA_DIRECTORY: folder, DATABASE_FILE: database(folder) },
                stdio: "ignore"
              }
            )
            assert.deepStrictEqual(yield* readAll(folder), ["first"], `${call} ${nth}`)
          }
        }),
      everything ? 3_600_000 : 120_000
    )
  }
})
