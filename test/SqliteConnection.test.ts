import { spawnSync } from "node:child_process"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import { freeDescriptors, openedAs } from "../layers/machine/OpenFiles.ts"
import { needsNode22, takesBackHooks } from "../layers/sqlite/Driver.ts"
import { hasWalResetBug } from "../layers/sqlite/SoundDriver.ts"
import {
  crashAfter,
  independently,
  onlyFirst,
  openConnection,
  pictureOf,
  refusal,
  rowsOf,
  start,
  temporaryFile,
  temporaryFolder
} from "./support/database.ts"

describe("the connection", () => {
  it.scoped("refuses a directory, a fifo and a socket in place of the file, without waiting for them", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      mkdirSync(join(folder, "directory.db"))
      spawnSync("mkfifo", [join(folder, "fifo.db")])
      for (const name of ["directory.db", "fifo.db"]) {
        const refused = yield* refusal(start(join(folder, name)))
        assert.deepStrictEqual([refused._tag, refused.reason], ["ConnectionError", "NotAFile"], name)
      }
    })
  )

  it.scoped("refuses at once anything next to the database that should be a regular file but is not, by name", () =>
    Effect.gen(function* () {
      for (const suffix of ["-wal", "-shm", "-journal"]) {
        const kinds = {
          Directory: (path: string) => mkdirSync(path),
          FIFO: (path: string) => spawnSync("mkfifo", [path]),
          Link: (path: string) => symlinkSync("nowhere", path)
        }
        for (const [kind, make] of Object.entries(kinds)) {
          const file = yield* temporaryFile
          yield* start(file)
          make(`${file}${suffix}`)
          const refused = yield* refusal(start(file))
          assert.deepInclude(refused, {
            _tag: "ConnectionError",
            reason: "NotAFile",
            file: `${file}${suffix}`,
            code: kind,
            retryable: false
          })
        }
      }
    })
  )

  it.scoped("takes only an empty file for an empty one: not zeros, text or half a database of any size", () =>
    Effect.gen(function* () {
      const database = yield* temporaryFile
      yield* start(database)
      const contents = {
        zeros: Buffer.alloc(1024),
        text: Buffer.alloc(1024, "words "),
        // The first page is 4096 bytes.
        database: readFileSync(database).subarray(0, 1024)
      }
      const folder = yield* temporaryFolder
      const file = join(folder, "app.db")
      for (const [name, content] of Object.entries(contents)) {
        for (const size of [1, 2, 3, 16, 20, 64, 99, 100, 101, 108, 109, 256, 300, 511, 512, 513, 700, 1023, 1024]) {
          const bytes = content.subarray(0, size)
          writeFileSync(file, bytes)
          const refused = yield* refusal(start(file))
          assert.strictEqual(refused._tag, "ConnectionError", `${name} ${size}`)
          assert.include(["NotADatabase", "Damaged"], refused.reason, `${name} ${size}: ${refused.message}`)
          if (name !== "database" || size < 512) assert.strictEqual(refused.reason, "NotADatabase", `${name} ${size}`)
          assert.isTrue(readFileSync(file).equals(bytes), `${name} ${size}`)
        }
      }
    })
  )

  it.scoped("refuses an empty file next to a WAL, which SQLite would delete", () =>
    Effect.gen(function* () {
      for (const content of ["", "x"]) {
        const file = yield* temporaryFile
        yield* start(file)
        yield* crashAfter(file, "INSERT INTO notes (body) VALUES ('late')")
        writeFileSync(file, content)
        const before = yield* pictureOf(dirname(file))
        assert.strictEqual((yield* refusal(start(file))).reason, "Orphaned")
        assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
      }
    })
  )

  it.scoped("sees how a file is open, even if this process has it open elsewhere too", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const before = freeDescriptors()
      assert.strictEqual(openedAs(file, before), "unseen")
      const open = (options: Sqlite.Options) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            const connection = new Sqlite(file, options)
            connection.pragma("schema_version")
            return connection
          }),
          (connection) => Effect.sync(() => connection.close())
        )
      yield* open({ readonly: true })
      assert.strictEqual(openedAs(file, before), "readonly")
      const between = freeDescriptors()
      yield* open({})
      assert.strictEqual(openedAs(file, between), "writable")
      assert.strictEqual(openedAs(`${file}-wal`, between), "writable")
      assert.strictEqual(openedAs(`${file}-shm`, between), "writable")
      assert.strictEqual(openedAs(file, before), "mixed")
      // Where others have opened files meanwhile, every descriptor is looked at.
      assert.strictEqual(openedAs(file, []), "mixed")
    })
  )

  it.scoped("takes an empty file for a new database and keeps its permissions", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = join(folder, "app.db")
      writeFileSync(file, "")
      chmodSync(file, 0o660)
      yield* start(file)
      assert.strictEqual(statSync(file).mode & 0o777, 0o660)
    })
  )

  it.scoped("marks its files with the application_id, and refuses another program's file without touching it", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { applicationId: 0x1234 })
      assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA application_id"), [{ application_id: 0x1234 }])
      const before = yield* pictureOf(dirname(file))
      const refused = yield* refusal(start(file, { applicationId: 0x4321 }))
      assert.deepStrictEqual([refused._tag, refused.reason], ["ConnectionError", "ForeignApplication"])
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )

  it.scoped("marks a file that is up to date but was never marked", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const report = yield* start(file, { applicationId: 7 })
      assert.deepStrictEqual(report.applied, [])
      assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA application_id"), [{ application_id: 7 }])
    })
  )

  it.scoped("keeps the WAL of a crash when it refuses, and empties it when it accepts", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      yield* crashAfter(file, "INSERT INTO notes (body) VALUES ('late')")
      const { "app.db": main, "app.db-wal": wal } = yield* pictureOf(dirname(file))

      const refused = yield* refusal(start(file, { migrations: onlyFirst }))
      assert.strictEqual(refused.reason, "NewerDatabase")
      const { "app.db": mainAfter, "app.db-wal": walAfter } = yield* pictureOf(dirname(file))
      assert.deepStrictEqual([mainAfter, walAfter], [main, wal])

      yield* start(file)
      assert.isFalse(existsSync(`${file}-wal`))
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT body FROM notes"), [{ body: "first" }, { body: "late" }])
    })
  )

  it.scoped("creates no new file next to the WAL of a missing one, and uses that WAL when the file is back", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      yield* crashAfter(file, "INSERT INTO notes (body) VALUES ('late')")
      renameSync(file, `${file}.away`)
      const before = yield* pictureOf(dirname(file))
      const refused = yield* refusal(start(file))
      assert.deepStrictEqual([refused._tag, refused.reason], ["ConnectionError", "Orphaned"])
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
      renameSync(`${file}.away`, file)
      yield* start(file)
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT body FROM notes"), [{ body: "first" }, { body: "late" }])
    })
  )

  it.scoped("can get another journal mode after a crash", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      yield* crashAfter(file, "INSERT INTO notes (body) VALUES ('late')")
      const { pragmas } = yield* start(file, { pragmas: { journalMode: "delete" } })
      assert.strictEqual(pragmas["journal_mode"], "delete")
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT count(*) AS notes FROM notes"), [{ notes: 2 }])
    })
  )

  it.scoped("leaves a rollback journal to programs that may write: `status` refuses", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { pragmas: { journalMode: "delete" } })
      const writer = yield* openConnection(file)
      writer.exec(
        "PRAGMA cache_size = 1; BEGIN; INSERT INTO notes (body) SELECT hex(zeroblob(5000)) FROM (VALUES (1), (2), (3))"
      )
      const before = yield* pictureOf(dirname(file))
      const refused = yield* refusal(start(file, { access: "inspect" }))
      assert.deepStrictEqual([refused._tag, refused.reason], ["ConnectionError", "NotRecovered"])
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )

  it.scoped("tells a crash from other running processes", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const because = Effect.map(start(file), ({ integrity }) => integrity.because)
      const found = Effect.map(start(file), ({ stages }) =>
        stages[1]?.found.replace(/^SQLite [\d.]+, |, last written [\dTZ:-]+/g, "")
      )

      assert.strictEqual(yield* found, "existing")
      yield* crashAfter(file, "INSERT INTO notes (body) VALUES ('late')")
      assert.strictEqual(yield* because, "the last shutdown was unclean")
      const neighbour = yield* openConnection(file)
      neighbour.exec("INSERT INTO notes (body) VALUES ('living')")
      assert.strictEqual(yield* found, "existing, in use by others")
    })
  )

  it("knows the SQLite versions that can lose a transaction in WAL mode", () => {
    const safe = ["3.6.23", "3.44.6", "3.50.7", "3.51.3", "3.53.2", "4.0.0"]
    const unsafe = ["3.7.0", "3.44.5", "3.45.0", "3.50.6", "3.51.2"]
    assert.deepStrictEqual(safe.filter(hasWalResetBug), [])
    assert.deepStrictEqual(unsafe.filter(hasWalResetBug), unsafe)
  })

  it.scoped("is closed when the scope closes: the WAL is gone and the file can be taken exclusively", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      assert.deepStrictEqual(Object.keys(yield* pictureOf(dirname(file))), ["app.db"])
      yield* independently(file, (connection) => connection.exec("BEGIN EXCLUSIVE; COMMIT"))
    })
  )

  it("knows the driver that crashes Node.js before 22", () => {
    const of = (version: string) => needsNode22(JSON.stringify({ version }))
    assert.deepStrictEqual(["12.11.1", "13.0.2", "14.0.0", "9.6.0"].map(of), [false, true, true, false])
  })

  it("recognizes an addon that would crash the process, and finds none here", () => {
    const require = createRequire(import.meta.url)
    const addon = join(dirname(require.resolve("better-sqlite3/package.json")), "build/Release/better_sqlite3.node")
    const sound = readFileSync(addon)
    assert.isFalse(takesBackHooks(sound))
    const fatal = Buffer.concat([sound, Buffer.from("_ZN4node28RemoveEnvironmentCleanupHookEPN2v87IsolateEPFvPvES3_")])
    assert.isTrue(takesBackHooks(fatal))
  })
})
