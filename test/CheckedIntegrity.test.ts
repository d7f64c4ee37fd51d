import { readFileSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Migrations } from "../layers/index.ts"
import {
  damagePage,
  independently,
  notesFiles,
  onlyFirst,
  pictureOf,
  refusal,
  rowsOf,
  start,
  temporaryFile
} from "./support/database.ts"

/** Makes the file too large to count as small. */
const grow = (file: string) =>
  independently(file, (connection) =>
    connection.exec(
      "INSERT INTO notes (body) SELECT hex(randomblob(1000)) FROM json_each('[' || substr(replace(hex(zeroblob(500)), '0', ',0'), 2) || ']')"
    )
  )

describe("the schema that the migrations stage has read", () => {
  it.scoped("is read again if another connection has committed since", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const dropped = independently(file, (connection) => connection.exec("DROP TABLE notes"))
      const refused = yield* refusal(
        start(file, {
          onProgress: ({ _tag, stage }) => (_tag === "StageStarted" && stage === "integrity" ? dropped : Effect.void)
        })
      )
      assert.strictEqual(refused._tag, "IntegrityError")
      assert.strictEqual(refused.reason, "SchemaDiffers")
      assert.include(refused.remedy, "`database-ready diff`")
    })
  )
})

describe("the integrity policy", () => {
  it.scoped("auto checks pages after a migration and in small files, and only the schema of a large one", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const looked = Effect.map(start(file), ({ integrity }) => [integrity.checked, integrity.because])
      assert.deepStrictEqual(yield* looked, ["quick", "migrations were applied"])
      assert.deepStrictEqual(yield* looked, ["quick", "the file is small"])
      yield* grow(file)
      assert.deepStrictEqual(yield* looked, ["schema", "the last shutdown was clean"])
    })
  )

  it.scoped("full finds a row that is missing from its index, which quick does not check", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const migrations = Migrations.fromRecord({
        "001_words.sql":
          "CREATE TABLE words (word TEXT); CREATE INDEX by_word ON words(word); INSERT INTO words VALUES ('needle');"
      })
      yield* start(file, { migrations })
      // The table's page comes before the index's; only one of the two is changed.
      const bytes = readFileSync(file)
      bytes.write("noodle", bytes.indexOf("needle", 4096))
      writeFileSync(file, bytes)

      assert.strictEqual((yield* start(file, { migrations, integrity: "quick" })).integrity.checked, "quick")
      const refused = yield* refusal(start(file, { migrations, integrity: "full" }))
      assert.strictEqual(refused.sentence, "The database is damaged: row 1 missing from index by_word")
    })
  )

  it.scoped("quick finds rows that refer to nothing, which a page check does not", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      yield* independently(file, (connection) => {
        connection.pragma("foreign_keys = OFF")
        connection.exec("INSERT INTO tags VALUES (4711, 'orphan')")
      })
      const before = yield* pictureOf(dirname(file))
      const refused = yield* refusal(start(file, { integrity: "quick" }))
      assert.strictEqual(
        refused.sentence,
        "Rows refer to rows that do not exist: row 1 of tags refers to a missing row of notes"
      )
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
      assert.strictEqual((yield* start(file, { integrity: "schema" })).status, "ready")
    })
  )

  it.scoped("schema checks no page, and says so", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      yield* grow(file)
      yield* damagePage(file, 50)
      const { integrity } = yield* start(file, { integrity: "schema" })
      assert.strictEqual(integrity.checked, "schema")
      assert.strictEqual((yield* refusal(start(file, { integrity: "quick" }))).reason, "DamagedPages")
    })
  )
})

describe("the schema fingerprint", () => {
  it.scoped("tells missing, changed and extra objects apart", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      yield* independently(file, (connection) =>
        connection.exec(
          `DROP INDEX tags_by_note; ALTER TABLE notes ADD COLUMN sneaked TEXT; CREATE VIEW mine AS SELECT 1;`
        )
      )
      const refused = yield* refusal(start(file))
      assert.strictEqual(
        refused.sentence,
        "The schema is not the one that the migrations make: missing: index tags_by_note; changed: table notes; extra: view mine"
      )
    })
  )

  it.scoped("accepts an extra object, and reports it at every start", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      yield* independently(file, (connection) => connection.exec("CREATE INDEX by_body ON notes(body)"))
      assert.deepStrictEqual((yield* start(file)).integrity.extra, ["index by_body"])
      assert.deepStrictEqual((yield* start(file)).integrity.extra, ["index by_body"])
    })
  )

  it.scoped("does not take an extra object for a migration's own during an upgrade", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      yield* independently(file, (connection) => connection.exec("CREATE INDEX by_body ON notes(body)"))
      const upgraded = yield* start(file)
      assert.deepStrictEqual(upgraded.integrity.extra, ["index by_body"])
      yield* independently(file, (connection) => connection.exec("DROP INDEX by_body"))
      const clean = yield* start(file)
      assert.deepStrictEqual(clean.integrity.extra, [])
      assert.strictEqual(clean.integrity.fingerprint, upgraded.integrity.fingerprint)
    })
  )

  for (const name of ["more", "MORE", '"more"', '"mo""re"', "[mo]", "`mo``re`"]) {
    it.scoped(`takes what was extra for its own once a migration makes it: ${name}`, () =>
      Effect.gen(function* () {
        const [file, fresh] = [yield* temporaryFile, yield* temporaryFile]
        const create = (table: string) => `CREATE TABLE IF NOT EXISTS ${table} (id INTEGER PRIMARY KEY)`
        const migrations = Migrations.fromRecord({ ...notesFiles, "003_more.sql": `${create(name)};` })
        yield* start(file)
        yield* independently(file, (connection) => connection.exec(create(name)))
        const { integrity } = yield* start(file, { migrations })
        assert.deepStrictEqual(integrity, (yield* start(fresh, { migrations })).integrity)
        assert.deepStrictEqual((yield* start(file, { migrations })).integrity.extra, [])
      })
    )
  }

  it.scoped("refuses to upgrade a schema that has drifted, before the first write", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      yield* independently(file, (connection) => connection.exec("DROP TRIGGER notes_stamp"))
      const before = yield* pictureOf(dirname(file))
      const refused = yield* refusal(start(file))
      assert.deepStrictEqual([refused._tag, refused.reason], ["IntegrityError", "SchemaDiffers"])
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )

  it.scoped("is compared before the file is touched: a drifted file keeps its journal mode", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      yield* independently(file, (connection) => {
        connection.exec("DROP INDEX tags_by_note")
        connection.pragma("journal_mode = DELETE")
      })
      const before = yield* pictureOf(dirname(file))
      assert.strictEqual((yield* refusal(start(file))).reason, "SchemaDiffers")
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )

  it.scoped("does not change if only white space and comments of the definitions change", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      yield* independently(file, (connection) => {
        connection.unsafeMode()
        connection.pragma("writable_schema = ON")
        connection.exec("UPDATE sqlite_schema SET sql = replace(sql, ' (', '/* a */  (') WHERE name = 'notes'")
      })
      assert.strictEqual((yield* start(file)).status, "ready")
    })
  )

  it.scoped("covers a table that a migration's IF NOT EXISTS would silently have accepted", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: Migrations.fromRecord({}) })
      yield* independently(file, (connection) => connection.exec("CREATE TABLE notes (id INTEGER PRIMARY KEY)"))
      const lenient = Migrations.fromRecord({
        "001_create_notes.sql": notesFiles["001_create_notes.sql"]
          .replace("TABLE notes", "TABLE IF NOT EXISTS notes")
          .replace(/INSERT INTO.*$/m, "")
          .replace(/CREATE TRIGGER[\s\S]*END;/, "")
      })
      const refused = yield* refusal(start(file, { migrations: lenient }))
      assert.strictEqual(refused.sentence, "The schema is not the one that the migrations make: changed: table notes")
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT name FROM sqlite_schema WHERE name = 'schema_migrations'"), [])
    })
  )
})
