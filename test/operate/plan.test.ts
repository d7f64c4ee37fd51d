import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type { LayerOptions } from "../../layers/index.ts"
import { Migrations } from "../../layers/index.ts"
import { planDatabase, planLines } from "../../layers/operate.ts"
import {
  independently,
  notes,
  notesFiles,
  onlyFirst,
  pictureOf,
  platform,
  rivalProcess,
  start,
  temporaryFile,
  temporaryFolder
} from "../support/database.ts"
import { runProgram } from "../support/program.ts"

const planOf = (filename: string, options: Partial<LayerOptions<never>> = {}) =>
  planDatabase({ filename, migrations: notes, ...options }).pipe(Effect.provide(platform))

describe("a plan", () => {
  it.scoped("of an absent database has everything, says what would be created where, and creates nothing", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = join(folder, "a b", "ä", "app.db")
      const plan = yield* planOf(file)
      assert.strictEqual(plan.status, "pending")
      assert.deepStrictEqual(plan.creates, [join(folder, "a b"), dirname(file), file])
      assert.deepStrictEqual(
        plan.pending?.map(({ statements, version }) => [version, statements.length]),
        [
          ["001", 3],
          ["002", 2]
        ]
      )
      assert.strictEqual(plan.schemaVersion, undefined)
      assert.strictEqual(plan.targetVersion, "002")
      assert.strictEqual(plan.backup, undefined)
      assert.deepStrictEqual(readdirSync(folder), [])
    })
  )

  it.scoped("of a database that is ready has nothing, and how long its migrations took", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const before = yield* pictureOf(dirname(file))
      const plan = yield* planOf(file)
      assert.strictEqual(plan.status, "upToDate")
      assert.deepStrictEqual(plan.pending, [])
      assert.deepStrictEqual(
        plan.earlier.map(({ description, version }) => `${version} ${description}`),
        ["002 add tags", "001 create notes"]
      )
      assert.isAtLeast(plan.earlier[0]?.executionTimeMs ?? -1, 0)
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )

  it.scoped("names the tables that are touched with their size, and the backup with its space", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      yield* independently(file, (sqlite) => {
        sqlite.exec("INSERT INTO notes (body) SELECT 'more' FROM json_each('[1,2,3,4]')")
        sqlite.pragma("wal_checkpoint(TRUNCATE)")
      })
      const before = yield* pictureOf(dirname(file))
      const migrations = Migrations.fromRecord({
        ...notesFiles,
        "003_more.sql": `-- database-ready: deletes = notes
ALTER TABLE "Notes" ADD COLUMN author TEXT DEFAULT 'tags';
DELETE FROM main.notes WHERE id > 100;
CREATE TABLE authors (name TEXT, tags TEXT REFERENCES notes(id));`,
        "R__all.sql": "CREATE VIEW all_notes AS SELECT * FROM notes, tags;"
      })
      const plan = yield* planOf(file, { migrations })
      assert.strictEqual(plan.status, "pending")
      const [third] = plan.pending ?? []
      assert.strictEqual(third?.declared, `deletes = "notes"`)
      assert.deepStrictEqual(
        third?.statements.map(({ line }) => line),
        [2, 3, 4]
      )
      assert.deepStrictEqual(third?.tables, ["notes"])
      assert.deepStrictEqual(
        plan.tables.map(({ bytes, isEstimate, rows, table }) => ({ bytes, isEstimate, rows, table })),
        [{ table: "notes", rows: 5, bytes: 4096, isEstimate: false }]
      )
      assert.deepStrictEqual(
        plan.repeatables.map(({ name }) => name),
        ["all"]
      )
      assert.strictEqual(plan.backup?.file, `${file}.002-to-003.backup`)
      assert.strictEqual(plan.backup?.bytes, statSync(file).size)
      assert.isAbove(plan.backup?.freeBytes ?? 0, 0)
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
      const report = yield* start(file, { migrations })
      assert.deepStrictEqual(
        report.applied.map(({ version }) => version),
        plan.pending?.map(({ version }) => version)
      )
      assert.deepStrictEqual(report.repeated, ["R__all"])
      assert.strictEqual(report.backup, plan.backup?.file)
    })
  )

  it.scoped("makes no backup where none is wanted or no row is there, as a start does", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const empty = Migrations.fromRecord({ "001_a.sql": "CREATE TABLE a (x);" })
      const more = Migrations.fromRecord({ "001_a.sql": "CREATE TABLE a (x);", "002_b.sql": "CREATE TABLE b (x);" })
      yield* start(file, { migrations: empty })
      assert.strictEqual((yield* planOf(file, { migrations: more })).backup, undefined)
      yield* independently(file, (sqlite) => sqlite.exec("INSERT INTO a VALUES (1)"))
      assert.isDefined((yield* planOf(file, { migrations: more })).backup)
      assert.strictEqual((yield* planOf(file, { migrations: more, backups: 0 })).backup, undefined)
    })
  )

  const obstacles: ReadonlyArray<readonly [string, Readonly<Record<string, string>>, string]> = [
    ["an edited file", { "001_create_notes.sql": "CREATE TABLE notes (id);" }, "HistoryError.Edited"],
    [
      "a statement that fails on the schema",
      { ...notesFiles, "003_x.sql": "ALTER TABLE nothing ADD COLUMN x;" },
      "UpgradeError.StatementFailed"
    ],
    ["a statement that cannot run", { ...notesFiles, "003_x.sql": "COMMIT;" }, "UpgradeError.NotAllowed"],
    ["a number that is there twice", { ...notesFiles, "002_x.sql": "SELECT 1;" }, "MigrationSourceError.Duplicate"],
    ["an older program", { "001_create_notes.sql": notesFiles["001_create_notes.sql"] }, "HistoryError.NewerDatabase"]
  ]
  for (const [what, record, expected] of obstacles) {
    it.scoped(`says what is in the way: ${what}`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* start(file)
        const { obstacle, status } = yield* planOf(file, { migrations: Migrations.fromRecord(record) })
        assert.strictEqual(status, "refused")
        assert.strictEqual(`${obstacle?._tag}.${obstacle?.reason}`, expected)
        assert.isDefined(obstacle?.database)
      })
    )
  }

  it("says of any list, applied to any number, what the start then does, or what refuses it", async () => {
    const sql = fc.constantFrom(
      "INSERT INTO t (x) VALUES (1);",
      "CREATE TABLE IF NOT EXISTS u (x);",
      "-- database-ready: deletes = t\nDELETE FROM t;",
      "ALTER TABLE t RENAME TO moved; ALTER TABLE moved RENAME TO t;",
      "CREATE INDEX only_once ON t (x);",
      "COMMIT;"
    )
    const given = fc.record({
      files: fc.array(sql, { minLength: 1, maxLength: 4 }),
      done: fc.nat(5),
      views: fc.array(fc.constantFrom("CREATE VIEW v AS SELECT x FROM t;", "CREATE VIEW v AS SELECT 1 AS x;"), {
        minLength: 2,
        maxLength: 2
      }),
      isEdited: fc.boolean()
    })
    const check = ({ done, files, isEdited, views }: typeof given extends fc.Arbitrary<infer A> ? A : never) =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const file = join(folder, "app.db")
        const list = ["CREATE TABLE t (x);", ...files].map((text, at) => [`00${at + 1}_file.sql`, text] as const)
        const sourceOf = (count: number, view: string | undefined, first = "CREATE TABLE t (x);") =>
          Migrations.fromRecord({
            ...Object.fromEntries([...list.slice(0, count), ["001_file.sql", first]]),
            "R__view.sql": view ?? ""
          })
        if (done > 0) yield* Effect.either(start(file, { migrations: sourceOf(done, views[0]) }))
        const migrations = sourceOf(list.length, views[1], isEdited ? "CREATE TABLE t (x, y);" : undefined)
        const before = yield* pictureOf(folder)
        const plan = yield* planOf(file, { migrations })
        assert.deepStrictEqual(yield* pictureOf(folder), before)
        const started = yield* Effect.either(start(file, { migrations }))
        if (Either.isLeft(started)) {
          assert.strictEqual(plan.status, "refused")
          assert.strictEqual(plan.obstacle?.reason, started.left.reason)
          return
        }
        const { applied, backup, repeated } = started.right
        assert.deepStrictEqual(
          plan.pending?.map(({ version }) => version),
          applied.map(({ version }) => version)
        )
        assert.deepStrictEqual(
          plan.repeatables.map(({ name }) => `R__${name}`),
          repeated
        )
        assert.strictEqual(plan.backup?.file, backup)
        assert.strictEqual(plan.status, applied.length + repeated.length > 0 ? "pending" : "upToDate")
        const next = yield* planOf(file, { migrations })
        assert.deepStrictEqual([next.status, next.pending, next.repeatables], ["upToDate", [], []])
      }).pipe(Effect.scoped, Logger.withMinimumLogLevel(LogLevel.None), Effect.runPromise)
    await fc.assert(fc.asyncProperty(given, check), {
      numRuns: Number(process.env["CASES"] ?? 10),
      seed: Number(process.env["SEED"] ?? 1)
    })
  })

  it.scoped("shows what is pending beside what is in its way, and tries it for a new database too", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const migrations = Migrations.fromRecord({ ...notesFiles, "003_x.sql": "CREATE INDEX i ON nothing (x);" })
      const ofNew = yield* planOf(file, { migrations })
      assert.strictEqual(ofNew.obstacle?.reason, "StatementFailed")
      assert.strictEqual(ofNew.pending?.length, 3)
      yield* start(file)
      const ofOld = yield* planOf(file, { migrations })
      assert.strictEqual(ofOld.obstacle?.reason, "StatementFailed")
      assert.deepStrictEqual(
        ofOld.pending?.map(({ version }) => version),
        ["003"]
      )
      assert.include(planLines(ofOld).join("\n"), "CREATE INDEX i ON nothing (x)")
    })
  )

  it.scoped("refuses what no start takes, and says so for each", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      writeFileSync(join(folder, "text.db"), "no database\n".repeat(100))
      mkdirSync(join(folder, "directory.db"))
      writeFileSync(join(folder, "below"), "")
      const reasonFor = (name: string) => Effect.map(planOf(name), ({ obstacle }) => obstacle?.reason)
      assert.strictEqual(yield* reasonFor(join(folder, "text.db")), "NotADatabase")
      assert.strictEqual(yield* reasonFor(join(folder, "directory.db")), "NotAFile")
      assert.strictEqual(yield* reasonFor(join(folder, "below", "x", "app.db")), "NotADirectory")
      assert.strictEqual(yield* reasonFor("file:app.db"), "InvalidFilename")
      const memory = yield* planOf(":memory:")
      assert.deepStrictEqual([memory.status, memory.pending?.length, memory.creates], ["pending", 2, []])
    })
  )

  it.scoped("is made beside a process that writes", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      yield* rivalProcess(file, "BEGIN IMMEDIATE; INSERT INTO notes (body) VALUES ('not committed')")
      const plan = yield* planOf(file)
      assert.strictEqual(plan.status, "pending")
      assert.deepStrictEqual(plan.tables, [])
    })
  )

  for (const mode of ["wal", "delete"] as const) {
    it.scopedLive.skipIf(!existsSync("/proc/locks"))(`names who holds the write lock in the mode ${mode}`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        const pragmas = { journalMode: mode }
        yield* start(file, { migrations: onlyFirst, pragmas })
        const reading = yield* rivalProcess(file, "BEGIN; SELECT * FROM sqlite_schema")
        assert.deepStrictEqual((yield* planOf(file, { pragmas })).lockedBy, [])
        const writing = yield* rivalProcess(file, "BEGIN IMMEDIATE; INSERT INTO notes (body) VALUES ('x')")
        const plan = yield* planOf(file, { pragmas })
        assert.strictEqual(plan.status, "pending")
        assert.deepStrictEqual(plan.lockedBy, [{ pid: writing.pid ?? 0, name: "node" }])
        assert.notStrictEqual(reading.pid, writing.pid)
        assert.include(
          planLines(plan).join("\n"),
          `in the way now\n  process ${writing.pid} (node) holds the write lock: a start waits for it, until its deadline\n`
        )
      })
    )
  }
})

describe("database-ready plan", () => {
  it.scoped("ends with 0 where there is nothing to do, with 2 where there is, else as init does", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const migrations = join(folder, "migrations")
      mkdirSync(migrations)
      for (const [name, text] of Object.entries(notesFiles)) writeFileSync(join(migrations, name), text)
      const file = join(folder, "it's.db")
      const ask = (...more: ReadonlyArray<string>) =>
        runProgram(["plan", "--database", file, "--migrations", migrations, ...more])
      const first = yield* ask()
      assert.strictEqual(first.code, 2)
      assert.include(first.stdout, "something to do")
      assert.include(first.stdout, "CREATE INDEX tags_by_note ON tags(note)")
      assert.isFalse(existsSync(file))
      yield* start(file)
      copyFileSync(file, join(folder, "copy.db"))
      const json = yield* ask("--json")
      assert.strictEqual(json.code, 0)
      assert.match(json.stdout, /^\{"database":.*"status":"upToDate".*\}\n$/)
      writeFileSync(join(migrations, "001_create_notes.sql"), "SELECT 1;")
      const refused = yield* ask("--json")
      assert.strictEqual(refused.code, 65)
      assert.match(refused.stdout, /"status":"refused".*"reason":"Edited"/)
    })
  )
})
