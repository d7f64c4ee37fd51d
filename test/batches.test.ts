/** Several pending files, one of which switches foreign keys off: what each means, and what remains if one fails. */
import { readdirSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { DatabaseReady, Migrations } from "../layers/index.ts"
import { foreignKeyWatch } from "../layers/sqlite/AppliedMigrations/ForeignKeyWatch.ts"
import { scriptOf } from "../layers/sqlite/AppliedMigrations/MigrationRun.ts"
import { atOnce } from "../layers/sqlite/edge.ts"
import { openSqlite } from "../layers/sqlite/Sqlite.ts"
import { inMemory } from "../layers/testing.ts"
import { independently, platform, refusal, rowsOf, start, temporaryFile } from "./support/database.ts"
import { runProgram } from "./support/program.ts"

type Files = Readonly<Record<string, string>>

/** Applies the first files, then more of them, each time in a separate start. */
const inSteps = Effect.fnUntraced(function* (files: Files, stops: ReadonlyArray<number>) {
  const file = yield* temporaryFile
  const entries = Object.entries(files)
  for (const stop of stops) {
    yield* start(file, { migrations: Migrations.fromRecord(Object.fromEntries(entries.slice(0, stop))) })
  }
  return file
})

const off = "-- database-ready: foreign_keys = off\n"

const cascading: Files = {
  "001_create.sql": `CREATE TABLE p (k TEXT PRIMARY KEY);
CREATE TABLE c (id INTEGER PRIMARY KEY, k REFERENCES p ON UPDATE CASCADE);
INSERT INTO p VALUES ('a'); INSERT INTO c VALUES (1, 'a');`,
  "002_rename_key.sql": "UPDATE p SET k = 'b';",
  "003_rebuild.sql": `${off}CREATE TABLE new_c (id INTEGER PRIMARY KEY, k); INSERT INTO new_c SELECT * FROM c;
DROP TABLE c; ALTER TABLE new_c RENAME TO c;`
}

const deleting: Files = {
  "001_create.sql": `CREATE TABLE p (k TEXT PRIMARY KEY);
CREATE TABLE c (id INTEGER PRIMARY KEY, k REFERENCES p ON DELETE CASCADE);
INSERT INTO p VALUES ('a'), ('b'); INSERT INTO c VALUES (1, 'a'), (2, 'b');`,
  "002_delete.sql": "-- database-ready: deletes = p, c\nDELETE FROM p WHERE k = 'a';",
  "003_rebuild.sql": `${off}CREATE TABLE new_p (k TEXT PRIMARY KEY, note TEXT); INSERT INTO new_p (k) SELECT k FROM p;
DROP TABLE p; ALTER TABLE new_p RENAME TO p;`
}

const undeclared: Files = {
  "001_seed.sql": `CREATE TABLE parent (id INTEGER PRIMARY KEY);
CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent ON DELETE CASCADE);
INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1);`,
  "002_rebuild.sql": `CREATE TABLE new_parent (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO new_parent (id) SELECT id FROM parent;
DROP TABLE parent; ALTER TABLE new_parent RENAME TO parent;`
}

describe("several pending files", () => {
  for (const stops of [[3], [1, 3], [2, 3], [1, 2, 3]]) {
    it.scoped(
      `give the same rows in starts of ${stops.join(", ")}: a rebuild does not stop the cascade before it`,
      () =>
        Effect.gen(function* () {
          const file = yield* inSteps(cascading, stops)
          assert.deepStrictEqual(yield* rowsOf(file, "SELECT id, k FROM c"), [{ id: 1, k: "b" }])
        })
    )

    it.scoped(`are ready in starts of ${stops.join(", ")}: rows go with their parent before a rebuild of it`, () =>
      Effect.gen(function* () {
        const file = yield* inSteps(deleting, stops)
        assert.deepStrictEqual(yield* rowsOf(file, "SELECT id, k FROM c"), [{ id: 2, k: "b" }])
        assert.deepStrictEqual(yield* rowsOf(file, "SELECT k, note FROM p"), [{ k: "b", note: null }])
      })
    )
  }

  it.scoped("do not share their declaration: a rebuild without one is refused whatever a later file declares", () =>
    Effect.gen(function* () {
      const later = { ...undeclared, "003_more.sql": `${off}CREATE TABLE more (id INTEGER PRIMARY KEY);` }
      for (const stops of [[3], [1, 3]]) {
        const error = yield* refusal(inSteps(later, stops))
        assert.deepInclude(error, { _tag: "UpgradeError", reason: "RowsDeleted", migration: "002_rebuild" })
      }
    })
  )

  it.scoped("have their rows guarded in a new database as in an existing one, on disk and in memory", () =>
    Effect.gen(function* () {
      const losses = [{ table: "child", before: 1, after: 0 }]
      for (const stops of [[2], [1, 2]]) {
        const error = yield* refusal(inSteps(undeclared, stops))
        assert.deepInclude(error, { reason: "RowsDeleted", migration: "002_rebuild", losses })
      }
      const migrations = Migrations.fromRecord(undeclared)
      const inTests = Effect.asVoid(DatabaseReady).pipe(Effect.provide(inMemory(migrations)), Effect.provide(platform))
      assert.deepInclude(yield* refusal(inTests), { reason: "RowsDeleted", migration: "002_rebuild", losses })
    })
  )

  it.scoped("leave no copy of a new database, whatever its own files inserted before a rebuild", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const { applied, backup } = yield* start(file, { migrations: Migrations.fromRecord(cascading) })
      assert.strictEqual(applied.length, 3)
      assert.isUndefined(backup)
      assert.deepStrictEqual(readdirSync(dirname(file)), [basename(file)])
    })
  )

  it.scoped("are refused for a rebuild that only SQLite's own count of deferred references refuses", () =>
    Effect.gen(function* () {
      const files = {
        "001_create.sql": `CREATE TABLE p (id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1);
CREATE TABLE c (p REFERENCES p DEFERRABLE INITIALLY DEFERRED); INSERT INTO c VALUES (1);`,
        "002_rebuild.sql": `CREATE TABLE new_p (id INTEGER PRIMARY KEY); INSERT INTO new_p SELECT id FROM p;
DROP TABLE p; ALTER TABLE new_p RENAME TO p;`,
        "003_clear.sql": "-- database-ready: deletes = c\nDELETE FROM c;"
      }
      for (const stops of [[3], [1, 3], [1, 2, 3]]) {
        const error = yield* refusal(inSteps(files, stops))
        assert.deepInclude(error, { reason: "ForeignKeyViolations", migration: "002_rebuild" })
        assert.include(error.message, "foreign_keys = off")
      }
    })
  )

  it.scoped("are refused if SQLite's own count refuses a deferred reference, whatever follows", () =>
    Effect.gen(function* () {
      const files = {
        "001_create.sql": `CREATE TABLE p (id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1);
CREATE TABLE c (p REFERENCES p); INSERT INTO c VALUES (1);`,
        "002_rebuild.sql": `PRAGMA defer_foreign_keys = ON; CREATE TABLE new_p (id INTEGER PRIMARY KEY);
INSERT INTO new_p SELECT id FROM p; DROP TABLE p; ALTER TABLE new_p RENAME TO p;`,
        "003_more.sql": "CREATE TABLE more (id INTEGER PRIMARY KEY);"
      }
      for (const stops of [[3], [1, 3], [1, 2, 3]]) {
        const error = yield* refusal(inSteps(files, stops))
        assert.deepInclude(error, { reason: "ForeignKeyViolations", migration: "002_rebuild" })
      }
    })
  )

  it.scoped("do not pass on settings or leftovers of their connection", () =>
    Effect.gen(function* () {
      const file = yield* inSteps(
        {
          "001_create.sql": `CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT id FROM t;
PRAGMA legacy_alter_table = ON; CREATE TEMP TABLE u (id); INSERT INTO u VALUES (1);`,
          "002_rename.sql": "ALTER TABLE t RENAME TO s; CREATE TABLE u (id); INSERT INTO u VALUES (2), (3);"
        },
        [2]
      )
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT count(*) AS rows FROM v"), [{ rows: 0 }])
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT count(*) AS rows FROM u"), [{ rows: 2 }])
    })
  )

  it.scoped("do not pass on a savepoint that one leaves open", () =>
    Effect.gen(function* () {
      const files = {
        "001_create.sql": "SAVEPOINT here; CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);",
        "002_back.sql": "ROLLBACK TO here; CREATE TABLE u (id INTEGER PRIMARY KEY);"
      }
      for (const stops of [[2], [1, 2]]) {
        const error = yield* refusal(inSteps(files, stops))
        assert.deepInclude(error, { reason: "StatementFailed", migration: "002_back" })
      }
      const nested = {
        ...files,
        "002_back.sql": "SAVEPOINT a; DELETE FROM t; ROLLBACK TO a; INSERT INTO t VALUES (2);"
      }
      const file = yield* inSteps(nested, [2])
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT id FROM t"), [{ id: 1 }, { id: 2 }])
    })
  )

  it.scoped("do not pass on what SQLite counted for the one before", () =>
    Effect.gen(function* () {
      const file = yield* inSteps(
        {
          "001_create.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (41), (42);",
          "002_seen.sql": "CREATE TABLE seen AS SELECT last_insert_rowid() AS rowid, changes() AS changed;"
        },
        [2]
      )
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT * FROM seen"), [{ rowid: 0, changed: 0 }])
    })
  )

  it.scoped("find earlier ones in the history, as they would one by one", () =>
    Effect.gen(function* () {
      const reading = {
        "001_create.sql": "CREATE TABLE seen (version TEXT, mirrored INTEGER);",
        "002_read.sql":
          "INSERT INTO seen SELECT max(version), (SELECT user_version FROM pragma_user_version) FROM schema_migrations;"
      }
      for (const stops of [[2], [1, 2]]) {
        const file = yield* inSteps(reading, stops)
        assert.deepStrictEqual(yield* rowsOf(file, "SELECT * FROM seen"), [{ version: "001", mirrored: 1 }])
      }
    })
  )

  it.scoped(
    "have their foreign keys checked in all tables twice, however many they are, and between that where one changes",
    () =>
      Effect.gen(function* () {
        const sqlite = yield* openSqlite({ filename: ":memory:" })
        const looked: Array<string> = []
        const all: typeof sqlite.all = (sql, parameters) => {
          if (sql.includes("foreign_key_check")) looked.push(parameters?.join() ?? "all rows")
          return sqlite.all(sql, parameters)
        }
        const watch = foreignKeyWatch({ ...sqlite, all }, [])
        const scripts = (yield* Migrations.fromRecord({
          "001_create.sql": "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p);",
          "002_rows.sql": "INSERT INTO p VALUES (1); INSERT INTO c VALUES (1);",
          "003_view.sql": "CREATE VIEW v AS SELECT * FROM c;",
          "004_column.sql": "ALTER TABLE p ADD COLUMN name TEXT;",
          "005_index.sql": "CREATE UNIQUE INDEX of_c ON c (p);",
          "006_no_index.sql": "DROP INDEX of_c;",
          "007_more.sql": "CREATE TABLE json_each (p REFERENCES p);",
          "008_last.sql": "CREATE TABLE last (id INTEGER PRIMARY KEY);"
        })).map(scriptOf)
        for (const [index, script] of scripts.entries()) {
          for (const { text } of script.statements) sqlite.all(text)
          yield* atOnce(() => watch.check(script, index === scripts.length - 1))
        }
        assert.deepStrictEqual(looked, ["all rows", "p", "c", "json_each", "all rows"])
      })
  )
})

describe("an upgrade with a rebuild in the middle", () => {
  const failing: Files = {
    ...deleting,
    "004_add.sql": "CREATE TABLE added (id INTEGER PRIMARY KEY);",
    "005_fail.sql": "INSERT INTO p (k) VALUES ('b');"
  }

  it.scoped(
    "that fails later leaves whole migrations, recorded and ready for the program that knows them, with the copy",
    () =>
      Effect.gen(function* () {
        const file = yield* inSteps(failing, [1])
        const error = yield* refusal(start(file, { migrations: Migrations.fromRecord(failing) }))
        assert.deepInclude(error, {
          _tag: "UpgradeError",
          reason: "StatementFailed",
          migration: "005_fail",
          applied: ["002_delete", "003_rebuild"],
          backup: `${file}.001-to-005.backup`
        })
        assert.include(error.message, "Applied and kept: 002_delete, 003_rebuild; the rest was rolled back.")
        assert.deepStrictEqual(
          yield* rowsOf(file, "SELECT version, status FROM schema_migrations ORDER BY version"),
          ["001", "002", "003"].map((version) => ({ version, status: "completed" }))
        )
        const report = yield* start(file, { migrations: Migrations.fromRecord(deleting) })
        assert.deepInclude(report, { status: "ready", schemaVersion: "003", applied: [] })
        const rows = yield* independently(`${file}.001-to-005.backup`, (copy) =>
          copy.prepare("SELECT count(*) FROM c").pluck().get()
        )
        assert.strictEqual(rows, 2)
      })
  )

  it.scoped("that fails later for any rows is refused before its first file, and leaves no copy", () =>
    Effect.gen(function* () {
      const file = yield* inSteps(failing, [1])
      const certain = { ...failing, "005_fail.sql": "INSERT INTO nowhere VALUES (1);" }
      const error = yield* refusal(start(file, { migrations: Migrations.fromRecord(certain) }))
      assert.include(error, { _tag: "UpgradeError", reason: "StatementFailed", migration: "005_fail" })
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT version FROM schema_migrations"), [{ version: "001" }])
      assert.deepStrictEqual(readdirSync(dirname(file)), [basename(file)])
    })
  )

  it.scoped("reports what remains: what this start applied, not what an earlier one did", () =>
    Effect.gen(function* () {
      const file = yield* inSteps(failing, [1])
      const folder = dirname(file)
      for (const [name, text] of Object.entries(failing)) writeFileSync(join(folder, name), text)
      const args = ["init", "--database", file, "--migrations", folder]
      const { code, stderr } = yield* runProgram(args)
      assert.strictEqual(code, 65)
      assert.include(stderr, "Applied and kept: 002_delete, 003_rebuild; the rest was rolled back.")
      const again = JSON.parse((yield* runProgram([...args, "--json"])).stdout)
      assert.deepInclude(again, { status: "failed", applied: [], backup: null })
    })
  )

  it.scoped("continues from there once the cause is gone", () =>
    Effect.gen(function* () {
      const file = yield* inSteps(failing, [1])
      yield* refusal(start(file, { migrations: Migrations.fromRecord(failing) }))
      const fixed = { ...failing, "005_fail.sql": "CREATE TABLE nowhere (id INTEGER PRIMARY KEY);" }
      const report = yield* start(file, { migrations: Migrations.fromRecord(fixed) })
      assert.deepStrictEqual(
        report.applied.map(({ version }) => version),
        ["004", "005"]
      )
    })
  )

  it.scoped("reports all that it applied, over its transactions, with one copy of the old state", () =>
    Effect.gen(function* () {
      const whole = { ...deleting, "004_add.sql": "CREATE TABLE added (id INTEGER PRIMARY KEY);" }
      const file = yield* inSteps(whole, [1])
      const report = yield* start(file, { migrations: Migrations.fromRecord(whole) })
      assert.deepStrictEqual(
        report.applied.map(({ version }) => version),
        ["002", "003", "004"]
      )
      assert.strictEqual(report.backup, `${file}.001-to-004.backup`)
    })
  )
})
