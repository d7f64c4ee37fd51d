/** What counts as an edit of an applied migration, and what does not. */

import * as Migrator from "@effect/sql/Migrator"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { Migrations } from "../layers/index.ts"
import { statementsChecksumOf } from "../layers/schema/Checksum.ts"
import { declarationOf } from "../layers/schema/Declaration.ts"
import { statementsOf } from "../layers/schema/SqlScript.ts"
import { independently, refusal, rowsOf, start, temporaryFile } from "./support/database.ts"

const create = { "001_create.sql": "CREATE TABLE drafts (x);\nCREATE TABLE kept (x);" }
const drop = "-- Nobody has drafts any more.\nDROP TABLE drafts;\n"

const at = (file: string, second: string, third?: string) =>
  start(file, {
    migrations: Migrations.fromRecord({
      ...create,
      "002_drop.sql": second,
      ...(third === undefined ? {} : { "003_more.sql": third })
    })
  })

/** The history as earlier versions of the library wrote it. */
const asBefore = (file: string) =>
  independently(file, (connection) =>
    connection.exec(
      "ALTER TABLE schema_migrations DROP COLUMN content_version; ALTER TABLE schema_migrations DROP COLUMN declared"
    )
  )

const migrationsStage = ({ stages }: Effect.Effect.Success<ReturnType<typeof start>>) =>
  stages.find(({ name }) => name === "migrations")?.found

const declaration = "-- database-ready: deletes = drafts"
const added = {
  "above everything": `${declaration}\n${drop}`,
  "with an empty line below": `${declaration}\n\n${drop}`,
  "below the comment": drop.replace("DROP", `${declaration}\nDROP`),
  "with empty lines around": drop.replace("DROP", `\n${declaration}\n\nDROP`),
  "with a comment of its own": `-- They are in the archive:\n${declaration}\n${drop}`,
  "together with another": `${declaration}\n-- database-ready: compatible_from = 1\n${drop}`,
  "with CRLF": `${declaration}\n${drop}`.replaceAll("\n", "\r\n")
}

describe("a forgotten declaration", () => {
  for (const [where, second] of Object.entries(added)) {
    it.scoped(`can be added ${where}, if the migration is already applied`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* at(file, drop)
        assert.include(migrationsStage(yield* at(file, second)), "declared otherwise when applied: 002_drop")
        yield* asBefore(file)
        assert.notInclude(migrationsStage(yield* at(file, second)), "declared otherwise")
      })
    )
  }

  it.scoped("lets the database continue that was refused for it", () =>
    Effect.gen(function* () {
      const [development, production] = [yield* temporaryFile, yield* temporaryFile]
      yield* start(production, { migrations: Migrations.fromRecord(create) })
      yield* independently(production, (connection) => connection.exec("INSERT INTO drafts VALUES (1)"))
      yield* at(development, drop)
      assert.propertyVal(yield* refusal(at(production, drop)), "reason", "RowsDeleted")
      const declared = `${declaration}\n${drop}`
      for (const file of [development, production]) yield* at(file, declared)
    })
  )

  it.scoped("can be added to one that an earlier version declared already", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* at(file, `-- database-ready: foreign_keys = off\n${drop}`)
      yield* asBefore(file)
      yield* at(file, `-- database-ready: foreign_keys = off\n${declaration}\n${drop}`)
    })
  )

  it.scoped("is kept at the next upgrade, and may change and be removed again", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* at(file, drop)
      yield* asBefore(file)
      yield* at(file, added["together with another"], "CREATE TABLE more (x);")
      assert.deepStrictEqual(
        yield* rowsOf(
          file,
          "SELECT declared, compatible_from, length(content_version) AS content FROM schema_migrations"
        ),
        [
          { declared: "", compatible_from: null, content: 64 },
          { declared: 'deletes = "drafts"; compatible_from = 1', compatible_from: "1", content: 64 },
          { declared: "", compatible_from: null, content: 64 }
        ]
      )
      assert.include(migrationsStage(yield* at(file, drop, "CREATE TABLE more (x);")), "otherwise when applied")
      assert.deepInclude(yield* refusal(at(file, drop.replace("drafts;", "kept;"), "CREATE TABLE more (x);")), {
        reason: "Edited",
        migrations: ["002_drop"]
      })
    })
  )

  it.scoped("hides no edit from a history of an earlier or of this version", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* at(file, drop)
      const edited = `${declaration}\n${drop.replace("TABLE drafts", "TABLE IF EXISTS drafts")}`
      assert.propertyVal(yield* refusal(at(file, edited)), "reason", "Edited")
      yield* asBefore(file)
      assert.propertyVal(yield* refusal(at(file, edited)), "reason", "Edited")
    })
  )
})

describe("what is compared", () => {
  it("is what runs: comments between statements do not count, everything in a statement does", () => {
    const checksum = (text: string) => statementsChecksumOf(statementsOf(text), "")
    const text = "CREATE TABLE a (x, -- the key\n  y);\nCREATE TABLE b (x);"
    const same = [
      `-- a comment\n\n${text}\n/* another */`,
      text.replace(";\n", "; -- why\n\n"),
      text.replaceAll("\n", "\r\n"),
      text.slice(0, -1)
    ]
    const other = [
      text.replace("the key", "the value"),
      text.replace(";\n", " "),
      text.replace("  y", " y"),
      text.replace("(x);", "('x');")
    ]
    assert.deepStrictEqual(
      same.map(checksum),
      same.map(() => checksum(text))
    )
    for (const one of other) assert.notStrictEqual(checksum(one), checksum(text), one)
  })

  it("never depends on declarations, wherever at the head they are", () => {
    const line = FastCheck.constantFrom(
      "",
      "-- a comment",
      "/* a block */",
      "-- database-ready: foreign_keys = off",
      "-- database-ready: deletes = a, b",
      "-- database-ready: compatible_from = 1"
    )
    FastCheck.assert(
      FastCheck.property(FastCheck.array(line), (head) => {
        const script = [...head, "SELECT 1;", "", "SELECT 2"].join("\n")
        assert.isObject(declarationOf(script, 1))
        assert.strictEqual(
          statementsChecksumOf(statementsOf(script), ""),
          statementsChecksumOf(statementsOf("SELECT 1;SELECT 2;"), "")
        )
      })
    )
  })
})

describe("a migration that is an Effect", () => {
  const withVersion = (version?: string) => ({
    migrations: Migrations.all(
      Migrations.fromRecord(create),
      Migrations.fromLoader(
        Migrator.fromRecord({ "002_merge": Effect.void }),
        version === undefined ? {} : { "002_merge": { version } }
      )
    )
  })

  it.scoped("that was edited is recognized by its version", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, withVersion("1"))
      yield* start(file, withVersion("1"))
      for (const [version, now] of [
        ["2", "2"],
        [undefined, "without a version"]
      ] as const) {
        const refused = yield* refusal(start(file, withVersion(version)))
        assert.deepInclude(refused, { _tag: "HistoryError", reason: "Edited", migrations: ["002_merge"] })
        assert.include(refused.message, `002_merge was applied as version 1, and is ${now} now`)
      }
    })
  )

  it.scoped("may get its first version after it was applied, and the next upgrade keeps it", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, withVersion())
      yield* asBefore(file)
      yield* start(file, withVersion("7"))
      const upgraded = (version: string) => ({
        migrations: Migrations.all(
          withVersion(version).migrations,
          Migrations.fromRecord({ "003_more.sql": "CREATE TABLE more (x);" })
        )
      })
      yield* start(file, upgraded("7"))
      yield* start(file, upgraded("7"))
      assert.propertyVal(yield* refusal(start(file, upgraded("8"))), "reason", "Edited")
    })
  )

  it.scoped("is different from the SQL file that had its number and name before", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, {
        migrations: Migrations.fromRecord({ ...create, "002_merge.sql": "CREATE TABLE merged (x);" })
      })
      assert.propertyVal(yield* refusal(start(file, withVersion("1"))), "reason", "Edited")
    })
  )
})
