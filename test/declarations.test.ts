/** What a migration can declare at its head, and what holds without a declaration. */

import { mkdirSync, readFileSync } from "node:fs"
import { dirname } from "node:path"
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { DatabaseReady, Migrations } from "../layers/index.ts"
import { checksumOf, statementsChecksumOf } from "../layers/schema/Checksum.ts"
import { statementsOf } from "../layers/schema/SqlScript.ts"
import { independently, pictureOf, refusal, rowsOf, start, starting, temporaryFile } from "./support/database.ts"

const create = `CREATE TABLE owners (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE pets (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL REFERENCES owners(id) ON DELETE CASCADE);`

/** A database in which pets lose their owner when the owner is deleted, filled by `rows`, and its upgrade. */
const clearing = Effect.fnUntraced(function* (action: "SET NULL" | "SET DEFAULT", rows: string) {
  const file = yield* temporaryFile
  const first = {
    "001_create.sql": create.replace(
      "NOT NULL REFERENCES owners(id) ON DELETE CASCADE",
      `REFERENCES owners(id) ON DELETE ${action}`
    )
  }
  yield* start(file, { migrations: Migrations.fromRecord(first) })
  yield* independently(file, (connection) => connection.exec(rows))
  const upgraded = (second: string) =>
    start(file, { migrations: Migrations.fromRecord({ ...first, "002_upgrade.sql": second }) })
  return { file, upgraded }
})

const rebuildOwners = `CREATE TABLE new_owners (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO new_owners SELECT id, name FROM owners;
DROP TABLE owners;
ALTER TABLE new_owners RENAME TO owners;`

const off = "-- database-ready: foreign_keys = off\n"

const upgradeTo = (second: string) => ({
  migrations: Migrations.fromRecord({ "001_create.sql": create, "002_upgrade.sql": second })
})

/** A database at 001 with two owners and three pets. */
const populated = Effect.gen(function* () {
  const file = yield* temporaryFile
  yield* start(file, { migrations: Migrations.fromRecord({ "001_create.sql": create }) })
  yield* independently(file, (connection) =>
    connection.exec("INSERT INTO owners VALUES (1, 'a'), (2, 'b'); INSERT INTO pets VALUES (1, 1), (2, 1), (3, 2)")
  )
  return file
})

const refused = (second: string) =>
  Effect.gen(function* () {
    const file = yield* populated
    const before = yield* pictureOf(dirname(file))
    const error = yield* refusal(start(file, upgradeTo(second)))
    assert.deepStrictEqual(yield* pictureOf(dirname(file)), before, "a refused database keeps its bytes")
    return error
  })

const countsOf = (file: string) =>
  rowsOf(file, "SELECT (SELECT count(*) FROM owners) AS owners, (SELECT count(*) FROM pets) AS pets")

describe("a file with settings that have no effect in a migration", () => {
  const lost = `PRAGMA page_size = 512;
PRAGMA auto_vacuum = 1;
PRAGMA encoding = 'UTF-16le';
PRAGMA temp_store = 2;
PRAGMA soft_heap_limit = 1000000000;
PRAGMA foreign_key = off;
`
  const declared = `-- database-ready: settings = ignored\n${lost}${create}`
  const known = Migrations.fromRecord({ "001_create.sql": declared })
  const fingerprintOf = (file: string) => rowsOf(file, "SELECT schema_fingerprint FROM schema_migrations")

  it.scoped("runs on a new install once it declares them ignored: they are skipped", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const undeclared = Migrations.fromRecord({ "001_create.sql": lost + create })
      const error = yield* refusal(start(file, { migrations: undeclared }))
      assert.deepInclude(error, { _tag: "UpgradeError", reason: "NotAllowed", line: 1 })
      assert.include(error.message, "write `-- database-ready: settings = ignored` above the first one")
      yield* start(file, { migrations: known })
      assert.deepStrictEqual(
        yield* rowsOf(file, "SELECT * FROM pragma_page_size, pragma_auto_vacuum, pragma_encoding"),
        [{ page_size: 4096, auto_vacuum: 0, encoding: "UTF-8" }]
      )
      assert.deepStrictEqual(yield* independently(file, (connection) => connection.pragma("soft_heap_limit")), [
        { soft_heap_limit: 0 }
      ])
      assert.deepStrictEqual(yield* countsOf(file), [{ owners: 0, pets: 0 }])
    })
  )

  it.scoped("is not edited by the declaration if an earlier release applied it without one", () =>
    Effect.gen(function* () {
      const other = yield* temporaryFile
      yield* start(other, { migrations: known })
      const checksum = checksumOf(lost + create)
      const content = statementsChecksumOf(statementsOf(lost + create), checksum)
      for (const [kept, statements] of [
        [null, null],
        ["", content]
      ] as const) {
        const file = yield* temporaryFile
        yield* start(file, { migrations: known })
        yield* independently(file, (connection) =>
          connection
            .prepare("UPDATE schema_migrations SET checksum = ?, declared = ?, content_version = ?")
            .run(checksum, kept, statements)
        )
        const { applied } = yield* start(file, { migrations: known })
        assert.deepStrictEqual(applied, [])
        assert.deepStrictEqual(yield* fingerprintOf(file), yield* fingerprintOf(other))
        const next = { "001_create.sql": declared, "002_more.sql": "CREATE TABLE more (x);" }
        yield* start(file, { migrations: Migrations.fromRecord(next) })
        const edited = { "001_create.sql": `-- database-ready: settings = ignored\n${create}` }
        const error = yield* refusal(start(other, { migrations: Migrations.fromRecord(edited) }))
        assert.deepInclude(error, { _tag: "HistoryError", reason: "Edited" })
      }
    })
  )

  it.scoped("may hold nothing else", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const { applied } = yield* start(file, {
        migrations: Migrations.fromRecord({
          "001_settings.sql": "-- database-ready: settings = ignored\nPRAGMA auto_vacuum = 2;",
          "002_create.sql": create
        })
      })
      assert.strictEqual(applied.length, 2)
    })
  )

  it.scoped("is refused if it declares another value", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const misspelt = { "001_create.sql": declared.replace("= ignored", "= skip") }
      const error = yield* refusal(start(file, { migrations: Migrations.fromRecord(misspelt) }))
      assert.include(error.message, "the only value is ignored")
    })
  )
})

describe("a table rebuild", () => {
  it.scoped("that declares foreign_keys = off keeps every row, even those that refer to the table", () =>
    Effect.gen(function* () {
      const file = yield* populated
      yield* start(file, upgradeTo(off + rebuildOwners))
      assert.deepStrictEqual(yield* countsOf(file), [{ owners: 2, pets: 3 }])
    })
  )

  it.scoped("that does not declare it is rolled back before its cascade is committed", () =>
    Effect.gen(function* () {
      const error = yield* refused(rebuildOwners)
      assert.deepInclude(error, {
        _tag: "UpgradeError",
        reason: "RowsDeleted",
        losses: [{ table: "pets", before: 3, after: 0 }]
      })
      assert.include(error.message, "pets: 3 rows before, 0 after")
    })
  )

  it.scoped("returns a connection with foreign keys on", () =>
    Effect.gen(function* () {
      const file = yield* populated
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        assert.deepStrictEqual(yield* sql`PRAGMA foreign_keys`, [{ foreign_keys: 1 }])
        const orphan = yield* Effect.either(sql`INSERT INTO pets VALUES (9, 9)`)
        assert.strictEqual(orphan._tag, "Left")
      }).pipe(Effect.provide(starting(file, upgradeTo(off + rebuildOwners))))
    })
  )

  it.scoped("that does not declare it is rolled back before references to the table are cleared", () =>
    Effect.gen(function* () {
      const { file, upgraded } = yield* clearing(
        "SET NULL",
        "INSERT INTO owners VALUES (1, 'a'); INSERT INTO pets VALUES (1, 1), (2, NULL)"
      )
      const error = yield* refusal(upgraded(rebuildOwners))
      assert.deepInclude(error, { _tag: "UpgradeError", reason: "RowsDeleted" })
      assert.include(error.message, "(pets.owner: 1 references before, 0 after)")
      yield* upgraded(off + rebuildOwners)
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT owner FROM pets"), [{ owner: 1 }, { owner: null }])
    })
  )

  it.scoped("is not assumed if a migration clears references itself, and drops something else", () =>
    Effect.gen(function* () {
      const { file, upgraded } = yield* clearing(
        "SET NULL",
        "INSERT INTO owners VALUES (1, 'a'); INSERT INTO pets VALUES (1, 1); CREATE INDEX names ON owners(name)"
      )
      yield* upgraded("UPDATE pets SET owner = NULL; DROP INDEX IF EXISTS names;")
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT owner FROM pets"), [{ owner: null }])
    })
  )

  for (const [what, action, second] of [
    [
      "in which the old table is moved away first",
      "SET NULL",
      "ALTER TABLE owners RENAME TO old; CREATE TABLE owners (id INTEGER PRIMARY KEY); INSERT INTO owners SELECT id FROM old; DROP TABLE old;"
    ],
    ["beside a renaming of the table that refers", "SET NULL", `ALTER TABLE pets RENAME TO animals; ${rebuildOwners}`],
    ["of a table whose references get a default", "SET DEFAULT", rebuildOwners]
  ] as const) {
    it.scoped(`${what} is rolled back before references to the table are cleared`, () =>
      Effect.gen(function* () {
        const { upgraded } = yield* clearing(
          action,
          "INSERT INTO owners VALUES (1, 'a'); INSERT INTO pets VALUES (1, 1)"
        )
        const error = yield* refusal(upgraded(second))
        assert.deepInclude(error, { _tag: "UpgradeError", reason: "RowsDeleted" })
        assert.include(error.message, "pets.owner: 1 references before, 0 after")
      })
    )
  }

  it.scoped("that leaves a row without its parent is rolled back", () =>
    Effect.gen(function* () {
      const error = yield* refused(`${off}-- database-ready: deletes = owners\nDELETE FROM owners WHERE id = 2;`)
      assert.deepInclude(error, { _tag: "UpgradeError", reason: "ForeignKeyViolations" })
    })
  )

  it.scoped("is compared by replay like any other migration, with rows that belong to nobody", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const options = upgradeTo(`INSERT INTO owners VALUES (7, 'x'); INSERT INTO pets VALUES (7, 7);`)
      const third = {
        migrations: Migrations.all(
          options.migrations,
          Migrations.fromRecord({ "003_rebuild.sql": off + rebuildOwners })
        )
      }
      yield* start(file, third)
      yield* independently(file, (connection) => connection.exec("CREATE TABLE by_hand (x)"))
      const { integrity } = yield* start(file, third)
      assert.deepStrictEqual(integrity.extra, ["table by_hand"])
    })
  )
})

describe("rows that were there before an upgrade", () => {
  it.scoped("may be deleted if the migration declares it, with those that refer to them", () =>
    Effect.gen(function* () {
      const file = yield* populated
      yield* start(file, upgradeTo(`-- database-ready: deletes = owners, "pets"\nDELETE FROM owners WHERE id = 1;`))
      assert.deepStrictEqual(yield* countsOf(file), [{ owners: 1, pets: 1 }])
    })
  )

  for (const [what, sql, losses] of [
    ["by DELETE", "DELETE FROM pets WHERE id = 3", [{ table: "pets", before: 3, after: 2 }]],
    ["by DROP TABLE", "DROP TABLE pets", [{ table: "pets", before: 3, after: 0 }]],
    [
      "by a cascade that only the parent was declared for",
      "-- database-ready: deletes = owners\nDELETE FROM owners",
      [{ table: "pets", before: 3, after: 0 }]
    ],
    [
      "by a trigger of the migration's own",
      "CREATE TRIGGER t AFTER INSERT ON owners BEGIN DELETE FROM pets; END; INSERT INTO owners VALUES (3, 'c')",
      [{ table: "pets", before: 3, after: 0 }]
    ],
    [
      "in a table that is renamed on the way",
      "ALTER TABLE pets RENAME TO animals; DELETE FROM animals WHERE id = 1",
      [{ table: "pets", before: 3, after: 2 }]
    ]
  ] as const) {
    it.scoped(`are not deleted ${what} unless that is declared`, () =>
      Effect.gen(function* () {
        assert.deepInclude(yield* refused(sql), { _tag: "UpgradeError", reason: "RowsDeleted", losses })
      })
    )
  }

  for (const [what, sql] of [
    ["is renamed", "ALTER TABLE pets RENAME TO animals"],
    [
      "is rebuilt by moving the old one away",
      "ALTER TABLE pets RENAME TO old_pets; CREATE TABLE pets (id INTEGER PRIMARY KEY, owner INTEGER); INSERT INTO pets SELECT * FROM old_pets; DROP TABLE old_pets"
    ],
    ["gets more rows", "INSERT INTO pets VALUES (4, 2)"]
  ] as const) {
    it.scoped(`are not reported as lost if their table ${what}`, () =>
      Effect.gen(function* () {
        const file = yield* populated
        const { schemaVersion } = yield* start(file, upgradeTo(sql))
        assert.strictEqual(schemaVersion, "002")
      })
    )
  }

  it.scoped("are counted after each migration: a later one cannot make up for them", () =>
    Effect.gen(function* () {
      const file = yield* populated
      const error = yield* refusal(
        start(file, {
          migrations: Migrations.fromRecord({
            "001_create.sql": create,
            "002_lose.sql": "DELETE FROM pets WHERE id = 3",
            "003_gain.sql": "INSERT INTO pets VALUES (8, 2)"
          })
        })
      )
      assert.deepInclude(error, { reason: "RowsDeleted", migration: "002_lose" })
    })
  )

  it.scoped("are guarded from migrations that are Effects too, which declare by their title", () =>
    Effect.gen(function* () {
      const file = yield* populated
      const remove = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`DELETE FROM pets WHERE id = 3`)
      const loader = Migrator.fromRecord({ "002_remove": remove })
      const first = Migrations.fromRecord({ "001_create.sql": create })
      const error = yield* refusal(start(file, { migrations: Migrations.all(first, Migrations.fromLoader(loader)) }))
      assert.deepInclude(error, { reason: "RowsDeleted", migration: "002_remove" })
      const declared = Migrations.fromLoader(loader, { "002_remove": { deletes: ["pets"] } })
      yield* start(file, { migrations: Migrations.all(first, declared) })
      assert.deepStrictEqual(yield* countsOf(file), [{ owners: 2, pets: 2 }])
    })
  )
})

const effect = (title: readonly [number, string], sql: string) =>
  Migrations.fromLoader(
    Effect.succeed([[...title, Effect.succeed(Effect.flatMap(SqlClient.SqlClient, (client) => client.unsafe(sql)))]])
  )

describe("rows in a table that a migration's SQL does not mention", () => {
  it.scoped("are not dropped by an Effect, and not missed if an Effect renames the table", () =>
    Effect.gen(function* () {
      const file = yield* populated
      const first = Migrations.fromRecord({ "001_create.sql": create })
      const dropped = Migrations.all(first, effect([2, "drop"], "DROP TABLE pets"))
      const error = yield* refusal(start(file, { migrations: dropped }))
      assert.deepInclude(error, { _tag: "UpgradeError", reason: "RowsDeleted" })
      assert.include(error.message, "pets: 3 rows before, 0 after")

      const renamed = Migrations.all(
        first,
        effect([2, "rename"], "ALTER TABLE pets RENAME TO animals"),
        Migrations.fromRecord({ "003_add.sql": "INSERT INTO owners VALUES (3, 'c');" })
      )
      yield* start(file, { migrations: renamed })
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT count(*) AS animals FROM animals"), [{ animals: 3 }])
    })
  )

  it.scoped("are not dropped by an Effect if another table takes their place on the disk", () =>
    Effect.gen(function* () {
      const first = Migrations.fromRecord({ "001_create.sql": create })
      const again =
        "DROP TABLE pets; CREATE TABLE other (a, b, c); INSERT INTO other VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3)"
      const second = Migrations.fromLoader(
        Effect.succeed([
          [
            2,
            "again",
            Effect.succeed(
              Effect.flatMap(SqlClient.SqlClient, (client) =>
                Effect.forEach(again.split(";"), (statement) => client.unsafe(statement))
              )
            )
          ]
        ])
      )
      const file = yield* populated
      const error = yield* refusal(start(file, { migrations: Migrations.all(first, second) }))
      assert.include(error.message, "pets: 3 rows before, 0 after")

      const vacuumed = yield* temporaryFile
      mkdirSync(dirname(vacuumed))
      yield* independently(vacuumed, (connection) => connection.exec("PRAGMA auto_vacuum = 1; VACUUM"))
      yield* start(vacuumed, { migrations: first })
      yield* independently(vacuumed, (connection) =>
        connection.exec("INSERT INTO owners VALUES (1, 'a'); INSERT INTO pets VALUES (1, 1)")
      )
      const dropped = Migrations.all(first, effect([2, "drop"], "DROP TABLE pets"))
      assert.include((yield* refusal(start(vacuumed, { migrations: dropped }))).message, "pets: 1 rows before, 0 after")
    })
  )

  it.scoped("stay if a full-text index over them comes and goes, and if a temporary table has their name", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const steps = {
        "001_create.sql":
          "CREATE TABLE docs_content (id INTEGER PRIMARY KEY, body TEXT); CREATE TABLE owners (id INTEGER PRIMARY KEY); CREATE TABLE pets (id INTEGER PRIMARY KEY);",
        "002_index.sql": "CREATE VIRTUAL TABLE docs USING fts5(body, content='docs_content');",
        "003_no_index.sql": "DROP TABLE docs;",
        "004_temporary.sql":
          "CREATE TEMP TABLE pets (owner REFERENCES owners(id) ON DELETE SET NULL); INSERT INTO owners VALUES (2); DROP TABLE temp.pets;"
      }
      for (let count = 1; count <= 4; count += 1) {
        const migrations = Migrations.fromRecord(Object.fromEntries(Object.entries(steps).slice(0, count)))
        assert.strictEqual((yield* start(file, { migrations })).schemaVersion, `00${count}`)
        if (count === 1) {
          yield* independently(file, (connection) =>
            connection.exec(
              "INSERT INTO docs_content VALUES (1, 'a'), (2, 'b'); INSERT INTO owners VALUES (1); INSERT INTO pets VALUES (1)"
            )
          )
        }
      }
    })
  )

  for (const [module, table, insert, lost] of [
    ["full-text search", "fts5(body)", "INSERT INTO things (body) VALUES ('one'), ('two')", "2"],
    ["R*Tree", "rtree(id, low, high)", "INSERT INTO things VALUES (1, 0, 1)", "1"]
  ] as const) {
    it.scoped(`are backed up and guarded if ${module} keeps them`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        const migrations = { "001_create.sql": `CREATE VIRTUAL TABLE things USING ${table};` }
        yield* start(file, { migrations: Migrations.fromRecord(migrations) })
        yield* independently(file, (connection) => connection.exec(insert))
        for (const sql of ["DROP TABLE things;", "DELETE FROM things;"]) {
          const error = yield* refusal(
            start(file, { migrations: Migrations.fromRecord({ ...migrations, "002_drop.sql": sql }) })
          )
          assert.deepInclude(error, { _tag: "UpgradeError", reason: "RowsDeleted" })
          assert.include(error.message, `things: ${lost} rows before, 0 after`)
        }
        const meant = { ...migrations, "002_drop.sql": "-- database-ready: deletes = things\nDROP TABLE things;" }
        const { backup } = yield* start(file, { migrations: Migrations.fromRecord(meant) })
        assert.deepStrictEqual(yield* rowsOf(backup ?? "", "SELECT count(*) AS n FROM things"), [{ n: Number(lost) }])
      })
    )
  }
})

describe("a declaration", () => {
  for (const [what, text] of [
    ["of an unknown name", "-- database-ready: foreign_key = off\nSELECT 1"],
    ["with a value that means nothing", "-- database-ready: foreign_keys = of\nSELECT 1"],
    ["without a value", "-- database-ready: deletes\nSELECT 1"],
    ["of an empty table name", "-- database-ready: deletes = a,,b\nSELECT 1"],
    ["of a name with blanks and no quotes", "-- database-ready: deletes = pets, tags  some words\nSELECT 1"],
    ["of two quoted names without a comma", '-- database-ready: deletes = "pets" "tags"\nSELECT 1'],
    ["of a version above its own", "-- database-ready: compatible_from = 3\nSELECT 1"],
    ["behind the first statement", "SELECT 1;\n-- database-ready: deletes = a"],
    ["in a block comment", "/* database-ready: deletes = a */ SELECT 1"]
  ] as const) {
    it.scoped(`${what} is refused before anything is touched`, () =>
      Effect.gen(function* () {
        const error = yield* refused(text)
        assert.deepInclude(error, {
          _tag: "MigrationSourceError",
          reason: "BadDeclaration",
          path: "002_upgrade.sql"
        })
        assert.include(error.remedy, "deletes, compatible_from, settings, transaction")
      })
    )
  }

  for (const comment of [
    "-- Database-Ready: deletes = pets",
    "-- DATABASE-READY: deletes",
    "-- database-ready deletes = pets",
    "-- database-ready : deletes = pets",
    "-- database-ready = deletes pets",
    "-- database ready: deletes = pets",
    "-- database_ready: deletes = pets",
    "-- databse-ready: deletes = pets",
    "--databaseready:deletes=pets",
    "--- database-ready: deletes = pets",
    "-- databse-ready: foreign-keys = off",
    "/* database-ready: deletes = pets */",
    "/*\n * The pets are moved elsewhere.\n * database_ready: deletes = pets\n */"
  ]) {
    it.scoped(`with its mark misspelt is not taken for a comment: ${JSON.stringify(comment)}`, () =>
      Effect.gen(function* () {
        for (const text of [`-- To the point.\n${comment}\nDELETE FROM pets;`, `DELETE FROM pets; ${comment}\n`]) {
          const error = yield* refused(text)
          assert.deepInclude(error, { _tag: "MigrationSourceError", reason: "BadDeclaration" })
          assert.include(error.message, "is not of the form `-- database-ready: name = value`")
        }
      })
    )
  }

  it.scoped("is not found in prose about it", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const prose = [
        "-- a note about database-ready: hmm",
        "-- see database-ready: deletes = pets would be wrong here",
        "-- database_reader = the role that may only read",
        "-- database_read: rows = 5",
        `-- data ${";".repeat(100_000)}`,
        "-- database-ready counts the rows, a = b or not",
        "-- database reads = writes",
        "-- The database is ready: x = 1",
        "-- metadata: size = 3",
        "/* How the database\n * reads this:\n * version = 3 */"
      ]
      const { schemaVersion } = yield* start(file, upgradeTo(`${prose.join("\n")}\nSELECT 1; ${prose.join("\n")}`))
      assert.strictEqual(schemaVersion, "002")
    })
  )

  it.effect("is written as migrations/README.md shows it", () =>
    Effect.gen(function* () {
      const readme = readFileSync(new URL("../migrations/README.md", import.meta.url), "utf8")
      const [, example = ""] = /^```sql\n(.*?)^```$/ms.exec(readme) ?? []
      const [migration] = yield* Migrations.fromRecord({ "004_example.sql": example })
      assert.deepStrictEqual(migration?.declared, {
        foreignKeys: "off",
        deletes: ["drafts", "old tags"],
        compatibleFrom: 3,
        settings: "refused"
      })
    })
  )

  it.scoped("for an Effect that the loader does not have is refused", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const migrations = Migrations.fromLoader(Migrator.fromRecord({ "001_a": Effect.void }), { "001_b": {} })
      const error = yield* refusal(start(file, { migrations }))
      assert.deepInclude(error, { reason: "BadDeclaration", path: "001_b" })
      assert.include(error.remedy, "Migrations.fromLoader")
    })
  )

  it.scoped("is not found in a text that only looks like one", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const { schemaVersion } = yield* start(file, upgradeTo("SELECT '\n-- database-ready: nonsense\n'"))
      assert.strictEqual(schemaVersion, "002")
    })
  )

  it.scoped("of tables understands quotes as SQL does, and the name of the schema", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const first = `CREATE TABLE "a""b" (x); CREATE TABLE "c,d" (x); CREATE TABLE e (x);`
      yield* start(file, { migrations: Migrations.fromRecord({ "001_create.sql": first }) })
      yield* independently(file, (connection) =>
        connection.exec(`INSERT INTO "a""b" VALUES (1); INSERT INTO "c,d" VALUES (1); INSERT INTO e VALUES (1)`)
      )
      const second = `-- database-ready: deletes = "a""b", [c,d],main.e\nDELETE FROM "a""b"; DELETE FROM "c,d"; DELETE FROM e;`
      const migrations = Migrations.fromRecord({ "001_create.sql": first, "002_empty.sql": second })
      assert.strictEqual((yield* start(file, { migrations })).schemaVersion, "002")
    })
  )
})

describe("a database that a newer program wrote", () => {
  const older = { migrations: Migrations.fromRecord({ "001_create.sql": create }) }
  const floor = (version: string) => `-- database-ready: compatible_from = ${version}\n`
  const newer = (second: string, third: string) => ({
    migrations: Migrations.fromRecord({ "001_create.sql": create, "002_b.sql": second, "003_c.sql": third })
  })

  it.scoped("is ready for an older one if every newer migration is compatible from its version on", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, newer(`${floor("001")}CREATE TABLE b (x)`, `${floor("0")}CREATE TABLE c (x)`))
      const before = yield* pictureOf(dirname(file))
      const report = yield* start(file, older)
      assert.deepInclude(report, { schemaVersion: "003", applied: [] })
      assert.include(report.stages.find(({ name }) => name === "migrations")?.found, "002_b, 003_c")
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )

  it.scoped("is refused if one of them is not, whatever a later one says", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, newer("CREATE TABLE b (x)", `${floor("001")}CREATE TABLE c (x)`))
      assert.deepInclude(yield* refusal(start(file, older)), { _tag: "HistoryError", reason: "NewerDatabase" })
    })
  )

  it.scoped("is refused if the schema is not as the newer one left it, because nobody here can tell why", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, newer(`${floor("001")}CREATE TABLE b (x)`, `${floor("001")}CREATE TABLE c (x)`))
      yield* independently(file, (connection) => connection.exec("DROP TABLE b"))
      assert.deepInclude(yield* refusal(start(file, older)), { _tag: "IntegrityError", reason: "SchemaDiffers" })
    })
  )

  it.scoped("keeps an older running service healthy, and tells it the version", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* Effect.gen(function* () {
        const { health, report } = yield* DatabaseReady
        assert.strictEqual(report.schemaVersion, "001")
        yield* start(file, newer(`${floor("001")}CREATE TABLE b (x)`, `${floor("001")}CREATE TABLE c (x)`))
        assert.strictEqual((yield* health).schemaVersion, "003")
      }).pipe(Effect.provide(starting(file, older)))
    })
  )
})
