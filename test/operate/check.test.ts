import { spawn } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { exitCodeOf, type LayerOptions, Migrations } from "../../layers/index.ts"
import { type CheckedDatabase, checkDatabase, checkJson, checkLines, watchDatabase } from "../../layers/operate.ts"
import {
  crashAfter,
  damagePage,
  independently,
  migrationsDirectory,
  notes,
  notesFiles,
  pictureOf,
  platform,
  rivalProcess,
  rowsOf,
  start,
  temporaryFile,
  temporaryFolder
} from "../support/database.ts"
import { runProgram } from "../support/program.ts"

const names = [
  "SQLite version",
  "directory",
  "file",
  "file rights",
  "journal mode",
  "history",
  "schema",
  "views and triggers",
  "pages",
  "foreign keys",
  "statistics",
  "WAL",
  "free pages",
  "backups",
  "free space"
]

/** Without the `-shm`: it is no data, and each reader of a WAL notes in it where it reads (https://sqlite.org/walformat.html). */
const filesOf = (folder: string) =>
  Effect.map(pictureOf(folder), (picture) =>
    Object.entries(picture).map(([name, hash]) => (name.endsWith("-shm") ? name : `${name} ${hash}`))
  )

/** Looks, and proves that all lines are there and that nothing was touched. */
const checkOf = (filename: string, options: Partial<LayerOptions<never>> = {}) =>
  Effect.gen(function* () {
    const folder = dirname(filename)
    const before = existsSync(folder) ? yield* filesOf(folder) : undefined
    const checked = yield* checkDatabase({ filename, migrations: notes, ...options }).pipe(Effect.provide(platform))
    assert.deepStrictEqual(
      checked.checks.map(({ name }) => name),
      names
    )
    assert.deepStrictEqual(existsSync(folder) ? yield* filesOf(folder) : undefined, before)
    for (const { found, remedy, status } of checked.checks) {
      assert.notStrictEqual(found, "")
      if (status === "fail" || status === "warn") assert.notStrictEqual(remedy, "", found)
    }
    return checked
  })

/** What did not pass, by name. */
const others = ({ checks }: CheckedDatabase): Readonly<Record<string, string>> =>
  Object.fromEntries(checks.filter(({ status }) => status !== "pass").map(({ name, status }) => [name, status]))

const found = ({ checks }: CheckedDatabase, wanted: string) => checks.find(({ name }) => name === wanted)?.found ?? ""

/** Ready, with a backup and statistics: everything passes. */
const perfect = Effect.gen(function* () {
  const file = yield* temporaryFile
  yield* start(file)
  yield* independently(file, (sqlite) => {
    sqlite.exec("INSERT INTO tags VALUES (1, 'a'); ANALYZE")
    sqlite.exec(`VACUUM INTO '${file}.20260101T000000000Z.backup'`)
  })
  return file
})

describe("a check", () => {
  it.scoped("of a database that is ready passes, and warns of what is missing for later", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const fresh = yield* checkOf(file)
      assert.deepStrictEqual(others(fresh), { backups: "warn" })
      assert.strictEqual(fresh.status, "warn")
      assert.isUndefined(fresh.refusal)

      const good = yield* checkOf(yield* perfect, { integrity: "full" })
      assert.deepStrictEqual(others(good), {})
      assert.strictEqual(good.status, "pass")
      assert.include(found(good, "backups"), "app.db.20260101T000000000Z.backup")
      assert.include(found(good, "backups"), "Their pages were not checked")
    })
  )

  it.scoped("names rows without statistics, and does not once they are there", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      yield* independently(file, (sqlite) => sqlite.exec("INSERT INTO tags VALUES (1, 'a')"))
      assert.deepStrictEqual(others(yield* checkOf(file)), { statistics: "warn", backups: "warn" })
      yield* independently(file, (sqlite) => sqlite.exec("PRAGMA optimize"))
      assert.deepStrictEqual(others(yield* checkOf(file)), { backups: "warn" })
    })
  )

  it.scoped("fails for a dropped table, and looks at the rest", () =>
    Effect.gen(function* () {
      const file = yield* perfect
      yield* independently(file, (sqlite) => sqlite.exec("DROP TABLE tags"))
      const checked = yield* checkOf(file)
      assert.deepStrictEqual(others(checked), { schema: "fail" })
      assert.strictEqual(checked.refusal?.reason, "SchemaDiffers")
    })
  )

  it.scoped("fails for a broken view and for a row that refers to nothing, each on its own line", () =>
    Effect.gen(function* () {
      const file = yield* perfect
      yield* independently(file, (sqlite) => {
        sqlite.pragma("foreign_keys = 0")
        sqlite.exec("CREATE VIEW gone AS SELECT * FROM nowhere; INSERT INTO tags VALUES (77, 'lost')")
      })
      const checked = yield* checkOf(file)
      assert.deepStrictEqual(others(checked), { "views and triggers": "fail", "foreign keys": "fail" })
      assert.include(found(checked, "views and triggers"), "view gone")
      assert.include(found(checked, "foreign keys"), "tags")
      assert.include(found(checked, "schema"), "view gone")
    })
  )

  it.scoped("fails for a damaged page, unless the pages are not to be looked at: that is unknown", () =>
    Effect.gen(function* () {
      const file = yield* perfect
      const [row] = yield* rowsOf(file, "SELECT rootpage FROM sqlite_schema WHERE name = 'notes'")
      const page = Object.values(row ?? {})[0]
      yield* damagePage(file, Number(page))
      const checked = yield* checkOf(file)
      assert.strictEqual(others(checked)["pages"], "fail")
      assert.strictEqual(checked.refusal?.reason, "DamagedPages")
      const unlooked = yield* checkOf(file, { integrity: "schema" })
      assert.deepStrictEqual(others(unlooked), { pages: "unknown", "foreign keys": "unknown" })
      assert.strictEqual(unlooked.status, "unknown")
    })
  )

  it.scoped("fails for an edited file, a missing directory of migrations, and what is pending", () =>
    Effect.gen(function* () {
      const file = yield* perfect
      const edited = Migrations.fromRecord({
        ...notesFiles,
        "001_create_notes.sql": "CREATE TABLE notes (id INTEGER PRIMARY KEY);"
      })
      const checked = yield* checkOf(file, { migrations: edited })
      assert.deepStrictEqual(others(checked), { history: "fail", schema: "unknown" })
      assert.strictEqual(checked.refusal?._tag, "HistoryError")

      const migrations = Migrations.fromDirectory(join(dirname(file), "none"), {}).pipe(Effect.provide(platform))
      const unread = yield* checkOf(file, { migrations })
      assert.deepStrictEqual(others(unread), { history: "fail", schema: "unknown" })
      assert.strictEqual(unread.refusal?._tag, "MigrationSourceError")

      const more = Migrations.fromRecord({ ...notesFiles, "003_more.sql": "CREATE TABLE more (x);" })
      const behind = yield* checkOf(file, { migrations: more })
      assert.deepStrictEqual(others(behind), { history: "fail" })
      assert.include(found(behind, "history"), "003_more")
    })
  )

  it.scoped(
    "fails for an absent file, a text file, a directory, and a file that is not to be written, and creates nothing",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const absent = yield* checkOf(join(folder, "app.db"))
        assert.deepInclude(others(absent), { file: "fail", pages: "unknown", history: "unknown" })
        assert.strictEqual(absent.refusal?.reason, "Absent")
        assert.strictEqual(others(absent)["free space"], "unknown")
        assert.include(found(absent, "free space"), "there is no file")
        assert.strictEqual(others(yield* checkOf(join(folder, "no", "app.db")))["directory"], "fail")
        assert.deepStrictEqual(readdirSync(folder), [])

        const text = join(folder, "it's ä.txt")
        writeFileSync(text, "no database\n".repeat(100), { mode: 0o644 })
        const checked = yield* checkOf(text)
        assert.deepInclude(others(checked), { file: "fail", "file rights": "warn", schema: "unknown", backups: "warn" })
        assert.strictEqual(checked.refusal?.reason, "NotADatabase")
        mkdirSync(join(folder, "x"))
        assert.strictEqual(others(yield* checkDatabaseAt(join(folder, "x")))["file"], "fail")
        const memory = yield* checkDatabaseAt(":memory:")
        assert.deepInclude(others(memory), { history: "fail", backups: "unknown" })
      })
  )

  it.scoped("warns of a WAL that a crash left, and leaves it; one in use passes", () =>
    Effect.gen(function* () {
      const file = yield* perfect
      yield* crashAfter(file, "INSERT INTO notes (body) VALUES ('kept')")
      const checked = yield* checkOf(file)
      assert.deepStrictEqual(others(checked), { WAL: "warn" })
      yield* rivalProcess(file, "INSERT INTO notes (body) VALUES ('more')")
      assert.deepStrictEqual(others(yield* checkOf(file)), {})
    })
  )

  it.scoped("warns of a journal mode, of much free space in the file, and of a backup that is none", () =>
    Effect.gen(function* () {
      const file = yield* perfect
      writeFileSync(`${file}.20260202T000000000Z.backup`, "no database")
      yield* independently(file, (sqlite) => {
        sqlite.exec("CREATE TABLE filler (x); INSERT INTO filler VALUES (zeroblob(3000000)); DROP TABLE filler")
        sqlite.pragma("journal_mode = delete")
      })
      chmodSync(file, 0o604)
      const checked = yield* checkOf(file)
      assert.deepStrictEqual(others(checked), {
        "file rights": "warn",
        "journal mode": "fail",
        "free pages": "warn",
        backups: "warn"
      })
      assert.include(found(checked, "backups"), "1 of 2")
    })
  )

  it.scoped("reads as lines and as one line of JSON", () =>
    Effect.gen(function* () {
      const file = yield* perfect
      yield* independently(file, (sqlite) => sqlite.exec("DROP TABLE tags"))
      const checked = yield* checkOf(file)
      const lines = checkLines(checked)
      assert.match(lines[0] ?? "", /^fail {2}.*app\.db/)
      assert.isTrue(lines.some((line) => /^ {2}fail {5}schema/.test(line)))
      const json: unknown = JSON.parse(checkJson(checked))
      assert.hasAllKeys(json, ["database", "at", "status", "checks", "error"])
      assert.notInclude(checkJson(checked), "\n")
    })
  )
})

const checkDatabaseAt = (filename: string) =>
  checkDatabase({ filename, migrations: notes }).pipe(Effect.provide(platform))

describe("a watch", () => {
  it.scoped("looks again after each pause, and sees what has changed", () =>
    Effect.gen(function* () {
      const file = yield* perfect
      const looks: Array<CheckedDatabase> = []
      const watching = yield* watchDatabase({ filename: file, migrations: notes }, "60 seconds", (checked) =>
        Effect.sync(() => looks.push(checked))
      ).pipe(Effect.provide(platform), Effect.fork)
      const seen = (count: number) =>
        Effect.iterate(0, { while: () => looks.length < count, body: () => Effect.as(Effect.yieldNow(), 0) })
      yield* seen(1)
      yield* independently(file, (sqlite) => sqlite.exec("DROP TABLE tags"))
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(looks.length, 1)
      yield* TestClock.adjust("1 seconds")
      yield* seen(2)
      yield* Fiber.interrupt(watching)
      assert.deepStrictEqual(
        looks.map(({ at, status }) => [at, status]),
        [
          ["1970-01-01T00:00:00.000Z", "pass"],
          ["1970-01-01T00:01:00.000Z", "fail"]
        ]
      )
    })
  )
})

describe("the program", () => {
  it.scopedLive("ends with the code of the first refusal, and 0 where there are warnings", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = join(folder, "app.db")
      const args = ["--database", file, "--migrations", migrationsDirectory]
      yield* runProgram(["init", ...args])
      const warned = yield* runProgram(["check", ...args])
      assert.strictEqual(warned.code, 0, warned.stderr)
      assert.match(warned.stdout, /^warn {2}.*app\.db/)
      yield* independently(file, (sqlite) => sqlite.exec("DROP TABLE schema_migrations"))
      const failed = yield* runProgram(["check", ...args, "--json"])
      const json: { status: string; error: { reason: string } } = JSON.parse(failed.stdout)
      assert.strictEqual(json.status, "fail")
      const checked = yield* checkDatabase({
        filename: file,
        migrations: Migrations.fromDirectory(migrationsDirectory)
      }).pipe(Effect.provide(platform))
      assert.strictEqual(failed.code, checked.refusal === undefined ? 65 : exitCodeOf(checked.refusal))
      assert.strictEqual(failed.stdout.trim().split("\n").length, 1)
    })
  )

  it.scopedLive("that watches ends with 0 once nobody reads its lines", () =>
    Effect.gen(function* () {
      const file = yield* perfect
      const watching = spawn(process.execPath, [
        join(import.meta.dirname, "../../dist/database-ready.cjs"),
        ...["check", "--watch", "--every", "50ms", "--database", file, "--migrations", migrationsDirectory]
      ])
      yield* Effect.addFinalizer(() => Effect.sync(() => watching.kill("SIGKILL")))
      watching.stdout.once("data", () => watching.stdout.destroy())
      const ended = yield* Effect.async<readonly [number | null, NodeJS.Signals | null]>((resume) => {
        watching.once("exit", (code, signal) => resume(Effect.succeed([code, signal])))
      })
      assert.deepStrictEqual(ended, [0, null])
    })
  )
})
