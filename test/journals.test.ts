/** What a crash, or another journal mode, leaves next to a database: a start and `status` agree on it. */
import { spawn, spawnSync } from "node:child_process"
import { copyFileSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import { DatabaseConfig, Migrations } from "../layers/index.ts"
import { setPragmasOfNewFile } from "../layers/sqlite/FilePragmas.ts"
import { openSqlite } from "../layers/sqlite/Sqlite.ts"
import {
  crashAfter,
  independently,
  migrationsDirectory,
  onlyFirst,
  pictureOf,
  refusal,
  rowsOf,
  start,
  temporaryFile,
  temporaryFolder
} from "./support/database.ts"
import { program } from "./support/program.ts"

const parts = ["", "-wal", "-shm", "-journal"] as const

/** The files of a database at one moment, in place of those that it leaves when it is closed. */
const killedAfter = (file: string, ...statements: ReadonlyArray<string>) =>
  Effect.sync(() => {
    const connection = new Sqlite(file)
    for (const statement of statements) connection.exec(statement)
    const left = parts.filter((part) => existsSync(file + part))
    for (const part of left) copyFileSync(file + part, `${file}${part}.killed`)
    connection.close()
    for (const part of left) renameSync(`${file}${part}.killed`, file + part)
  })

/** Another process that has a database open in WAL mode, idle, after running a statement. Ends with the scope. */
const holding = (file: string, statement: string) => {
  const script = `const connection = new (require("better-sqlite3"))(process.argv[1])
connection.pragma("journal_mode = wal"); connection.exec(process.argv[2]); process.stdout.write("open"); process.stdin.resume()`
  return Effect.acquireRelease(
    Effect.async<ReturnType<typeof spawn>>((resume) => {
      const child = spawn(process.execPath, ["-e", script, file, statement], {
        cwd: import.meta.dirname,
        stdio: ["pipe", "pipe", "inherit"]
      })
      child.stdout.once("data", () => resume(Effect.succeed(child)))
    }),
    (child) =>
      Effect.async<void>((resume) => {
        child.once("exit", () => resume(Effect.void))
        child.kill()
      })
  )
}

/** More rows than the cache holds, so they are in the file before the commit that never comes. */
const unfinished = [
  "PRAGMA cache_size = 1",
  "BEGIN",
  "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 60) INSERT INTO notes (body) SELECT hex(zeroblob(2000)) FROM n"
]

const inDeleteMode = { migrations: onlyFirst, pragmas: { journalMode: "delete" } } as const

describe("a rollback journal that a crash left", () => {
  for (const wal of ["an empty WAL", "a WAL with rows"]) {
    it.scoped(`is rolled back next to ${wal}, as SQLite itself does it`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* start(file, inDeleteMode)
        const log = `${file}.log`
        writeFileSync(log, "")
        if (wal === "a WAL with rows") {
          const copy = `${file}.copy`
          copyFileSync(file, copy)
          yield* independently(copy, (connection) => connection.exec("PRAGMA journal_mode = wal"))
          yield* crashAfter(copy, "INSERT INTO notes (body) VALUES ('in the WAL')")
          copyFileSync(`${copy}-wal`, log)
        }
        yield* killedAfter(file, ...unfinished)
        assert.notStrictEqual(readFileSync(`${file}-journal`)[0], 0)
        renameSync(log, `${file}-wal`)

        const inspected = yield* refusal(start(file, { migrations: onlyFirst, access: "inspect" }))
        assert.deepInclude(inspected, { _tag: "ConnectionError", reason: "NotRecovered" })
        yield* start(file, { migrations: onlyFirst })
        const bodies = wal === "an empty WAL" ? ["first"] : ["first", "in the WAL"]
        assert.deepStrictEqual(
          yield* rowsOf(file, "SELECT body FROM notes ORDER BY id"),
          bodies.map((body) => ({ body }))
        )
        // Read from the file: the connection has read the WAL, and would be in WAL mode for that reason alone.
        assert.strictEqual(readFileSync(file)[18], 2)
      })
    )
  }
})

describe("a new file that another process begins to fill", () => {
  it.scoped("is not written without a journal: the switch to WAL, which needs none, has to wait", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryFolder, "app.db")
      writeFileSync(file, "")
      const rival = new Sqlite(file)
      yield* Effect.addFinalizer(() => Effect.sync(() => rival.close()))
      const sqlite = yield* openSqlite({ filename: file })
      const config = DatabaseConfig.from({ filename: file })
      const set = Effect.try(() => setPragmasOfNewFile(config, { sqlite }, { settings: {} }))
      rival.exec("BEGIN IMMEDIATE")
      const refused = yield* Effect.either(set)
      assert.isTrue(refused._tag === "Left" || refused.right instanceof Error, "another process has the lock")
      assert.deepStrictEqual(sqlite.all("PRAGMA journal_mode"), [{ journal_mode: "delete" }])
      rival.exec("ROLLBACK")
      const settings = yield* set
      assert.strictEqual(settings instanceof Error ? settings.message : settings["journal_mode"], "wal")
    })
  )
})

describe("the WAL of a crash in a database without any content", () => {
  it.scoped("does not make a start wait for itself when it asks for another journal mode", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: Migrations.fromRecord({}) })
      yield* killedAfter(file, "SELECT count(*) FROM sqlite_schema")
      assert.isTrue(existsSync(`${file}-wal`))
      const empty = yield* start(file, { ...inDeleteMode, migrations: Migrations.fromRecord({}) })
      assert.strictEqual(empty.pragmas["journal_mode"], "delete")

      yield* start(file, { migrations: Migrations.fromRecord({}) })
      yield* killedAfter(file, "SELECT count(*) FROM sqlite_schema")
      const { pragmas } = yield* start(file, inDeleteMode)
      assert.strictEqual(pragmas["journal_mode"], "delete")
    })
  )
})

describe("`status` on a database with a rollback journal", () => {
  for (const journalMode of ["delete", "truncate", "persist"] as const) {
    it.scoped(`says ready of what a start with journal mode ${journalMode} has made ready`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        const options = { migrations: onlyFirst, pragmas: { journalMode } }
        yield* start(file, options)
        assert.strictEqual(existsSync(`${file}-journal`), journalMode !== "delete")
        const { applied } = yield* start(file, { ...options, access: "inspect" })
        assert.deepStrictEqual(applied, [])
        const other = yield* refusal(start(file, { migrations: onlyFirst, access: "inspect" }))
        assert.deepInclude(other, { _tag: "PragmaError", reason: "Mismatch", pragma: "journal_mode", wanted: "wal" })
      })
    )
  }
})

describe("a journal whose header is zeros", () => {
  it.scoped("is not part of a missing database: nothing in it is needed", () =>
    Effect.gen(function* () {
      const options = { migrations: onlyFirst, pragmas: { journalMode: "persist" } } as const
      for (const zeros of [undefined, 1, 28, 5000]) {
        const file = yield* temporaryFile
        yield* start(file, options)
        rmSync(file)
        if (zeros !== undefined) writeFileSync(`${file}-journal`, Buffer.alloc(zeros))
        const inspected = yield* refusal(start(file, { ...options, access: "inspect" }))
        assert.deepInclude(inspected, { _tag: "ConnectionError", reason: "Absent" })
        const { applied } = yield* start(file, options)
        assert.strictEqual(applied.length, 1)
      }
    })
  )
})

describe("a database that is renamed while a process has it open", () => {
  const moves: Readonly<Record<string, (file: string) => void>> = {
    "and is gone": () => {},
    "and an empty file is in its place": (file) => writeFileSync(file, ""),
    "and a copy is in its place": (file) => copyFileSync(`${file}.away`, file),
    "and another database is in its place": (file) => {
      const other = new Sqlite(`${file}.other`)
      other.exec("CREATE TABLE other (x)")
      other.close()
      renameSync(`${file}.other`, file)
    }
  }
  for (const [what, put] of Object.entries(moves)) {
    for (const isEmpty of [false, true]) {
      it.scoped(`${what} keeps its -wal${isEmpty ? ", an empty one," : ""} and its -shm`, () =>
        Effect.gen(function* () {
          const file = yield* temporaryFile
          yield* start(file)
          yield* holding(file, isEmpty ? "SELECT 1 FROM notes" : "INSERT INTO notes (body) VALUES ('of the other')")
          renameSync(file, `${file}.away`)
          put(file)
          const before = yield* pictureOf(dirname(file))
          for (const access of ["inspect", "initialize"] as const) {
            const refused = yield* refusal(start(file, { access }))
            assert.deepInclude(refused, { _tag: "ConnectionError", reason: "Moved", retryable: false }, refused.message)
            assert.include(refused.message, "(node)")
          }
          assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
        })
      )
    }
  }

  it.scoped("and back is ready, next to that process", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      yield* holding(file, "INSERT INTO notes (body) VALUES ('of the other')")
      renameSync(file, `${file}.away`)
      yield* refusal(start(file))
      renameSync(`${file}.away`, file)
      yield* start(file)
    })
  )
})

const obstacle = spawnSync("unshare", ["-m", "true"], { encoding: "utf8" })
const why = obstacle.error?.message ?? (obstacle.status === 0 ? undefined : obstacle.stderr.trim())

describe.skipIf(why !== undefined)(`a process that is ending${why === undefined ? "" : ` (skipped: ${why})`}`, () => {
  // The kernel takes a killed process's list of open files away first, and then closes them one by one, with their locks.
  it.scopedLive("still has locks and no open files any more: it uses no other database", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const { pid = 0 } = yield* holding(file, "SELECT 1 FROM notes")
      const empty = yield* temporaryFolder
      const command =
        'mount --bind "$0" "/proc/$1/fd" && exec "$2" "$3" status --json --database "$4" --migrations "$5"'
      const args = [empty, String(pid), process.execPath, program, file, migrationsDirectory]
      const { stdout } = spawnSync("unshare", ["-m", "sh", "-c", command, ...args], { encoding: "utf8" })
      // It is not the database of those migrations, and is looked at.
      assert.match(JSON.parse(stdout).error._tag, /^(HistoryError|IntegrityError)$/, stdout)
    })
  )
})
