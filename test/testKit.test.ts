/** What the kit for the migrations of other programs finds. The service's own are in service/migrations.test.ts. */
import { copyFileSync } from "node:fs"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Migrations } from "../layers/index.ts"
import { checkCuts, checkUpgrades, databaseAt, upgradedFrom } from "../layers/testing.ts"
import { notesFiles, pictureOf, platform, refusal, rowsOf, start, temporaryFolder } from "./support/database.ts"

const addNote = (body: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO notes (body) VALUES (${body})`)

const notes = { migrations: Migrations.fromRecord(notesFiles), rows: { "001": addNote("old"), "002": addNote("new") } }

const withThird = (sql: string) => ({
  ...notes,
  migrations: Migrations.fromRecord({ ...notesFiles, "003_third.sql": sql })
})

const bodies = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT body FROM notes ORDER BY id`.values)

describe("the test kit", () => {
  it.scoped("makes the database of a version, with the rows of its time and of those before", () =>
    Effect.gen(function* () {
      const file = yield* databaseAt(notes, "001")
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT version FROM schema_migrations"), [{ version: "001" }])
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT body FROM notes"), [{ body: "first" }, { body: "old" }])
      const newest = yield* databaseAt(notes, "2")
      assert.deepStrictEqual(yield* rowsOf(newest, "SELECT body FROM notes WHERE id > 1"), [
        { body: "old" },
        { body: "new" }
      ])
      assert.deepInclude(yield* refusal(databaseAt(notes, "004")), {
        _tag: "MigrationTestError",
        reason: "UnknownVersion",
        message: "Version 004: the migrations have 001, 002"
      })
    }).pipe(Effect.provide(platform))
  )

  it.scoped("takes a file of an earlier release, if it is at that version, and leaves it as it is", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const fixture = join(folder, "at-001.db")
      copyFileSync(yield* databaseAt(notes, "001"), fixture)
      const before = yield* pictureOf(folder)
      const kept = { migrations: notes.migrations, rows: { "001": { fixture }, "002": addNote("later") } }
      const seen = yield* Effect.map(
        checkUpgrades(kept, () => bodies),
        (upgrades) => upgrades.map(({ from, seen }) => [from, seen.flat()])
      )
      assert.deepStrictEqual(seen, [
        [undefined, ["first"]],
        ["001", ["first", "old"]],
        ["002", ["first", "old", "later"]]
      ])
      const wrong = { migrations: notes.migrations, rows: { "002": { fixture } } }
      const error = yield* refusal(databaseAt(wrong, "002"))
      assert.deepInclude(error, { reason: "Refused", during: `The fixture ${fixture} at 002` })
      assert.deepInclude("refusal" in error ? error.refusal : undefined, { _tag: "UpgradeError", reason: "Pending" })
      assert.deepStrictEqual(yield* pictureOf(folder), before)
    }).pipe(Effect.provide(platform))
  )

  it.scoped("takes a file of an earlier release that had repeatable migrations too", () =>
    Effect.gen(function* () {
      const view = (column: string) => ({ "R__shown.sql": `CREATE VIEW shown AS SELECT ${column} AS it FROM notes;` })
      const [[name = "", text = ""] = []] = Object.entries(notesFiles)
      const fixture = join(yield* temporaryFolder, "at-001.db")
      yield* start(fixture, { migrations: Migrations.fromRecord({ [name]: text, ...view("id") }) })
      const test = {
        migrations: Migrations.fromRecord({ ...notesFiles, ...view("body") }),
        rows: { "001": { fixture } }
      }
      const shown = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT it FROM shown`.values)
      assert.deepStrictEqual(yield* Effect.provide(shown, upgradedFrom(test, "001")), [["first"]])
      const wrong = { ...test, rows: { "002": { fixture } } }
      assert.deepInclude(yield* refusal(databaseAt(wrong, "002")), { reason: "Refused" })
      // Releases in between had texts that the test does not have.
      const longer = {
        migrations: Migrations.fromRecord({
          ...notesFiles,
          "003_shown.sql": "ALTER TABLE notes ADD COLUMN shown TEXT;",
          "004_more.sql": "CREATE TABLE more (id INTEGER PRIMARY KEY);",
          ...view("shown")
        }),
        rows: { "001": { fixture } }
      }
      assert.strictEqual(yield* checkCuts(longer), 7 + 3)
      const upgrades = yield* checkUpgrades(longer, () => shown)
      assert.deepStrictEqual(
        upgrades.map(({ from, seen }) => [from, seen]),
        [
          [undefined, [[null]]],
          ["001", [[null]]],
          ["002", [[null]]],
          ["003", [[null]]],
          ["004", [[null]]]
        ]
      )
    }).pipe(Effect.provide(platform))
  )

  it.effect("gives the upgraded database to a test, and the error of the rows or of what looks", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Effect.provide(bodies, upgradedFrom(notes, "001")), [["first"], ["old"]])
      const failing = { ...notes, rows: { "001": Effect.fail("no rows" as const) } }
      assert.strictEqual(yield* refusal(Effect.provide(bodies, upgradedFrom(failing, "001"))), "no rows")
      assert.strictEqual(yield* refusal(checkUpgrades(notes, (from) => Effect.fail(`seen ${from}`))), "seen undefined")
    }).pipe(Effect.provide(platform))
  )

  it.effect("says from which version an upgrade is refused, and why", () =>
    Effect.gen(function* () {
      const unique = { ...withThird("CREATE UNIQUE INDEX one ON notes(body);"), rows: { "002": addNote("first") } }
      const error = yield* refusal(checkUpgrades(unique, () => Effect.void))
      assert.deepInclude(error, { _tag: "MigrationTestError", reason: "Refused", during: "The upgrade from 002" })
      assert.include(error.message, "UNIQUE constraint failed: notes.body")
    }).pipe(Effect.provide(platform))
  )

  it.effect("finds rows that depend on how many migrations a start applies, or on the moment", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* checkCuts(notes), 1 + 1)
      const random = withThird("CREATE TABLE keys (id INTEGER, key); INSERT INTO keys VALUES (1, random());")
      const error = yield* refusal(checkCuts(random))
      assert.deepInclude(error, {
        _tag: "MigrationTestError",
        reason: "Differs",
        during: "From nothing with stops at 003"
      })
      assert.match(error.message, /keys has 1 missing: \(id=1, key=-?\d+\); keys has 1 extra: \(id=1, key=-?\d+\)$/)
      assert.strictEqual(yield* checkCuts({ ...random, ignored: ["keys.KEY"] }), 3 + 1 + 1)
      assert.strictEqual(yield* checkCuts({ ...random, ignored: ["keys.key"] }, 2), 2 + 1 + 1)
    }).pipe(Effect.provide(platform))
  )

  it.scoped("makes repeatable migrations in the newest version", () =>
    Effect.gen(function* () {
      const view = "CREATE VIEW shouts AS SELECT id, upper(body) AS body FROM notes;"
      const test = { ...notes, migrations: Migrations.fromRecord({ ...notesFiles, "R__shouts.sql": view }) }
      const shouts = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT body FROM shouts ORDER BY id`.values)
      const seen = yield* Effect.map(
        checkUpgrades(test, () => shouts),
        (upgrades) => upgrades.map(({ from, seen }) => [from, seen.flat()])
      )
      assert.deepStrictEqual(seen, [
        [undefined, ["FIRST"]],
        ["001", ["FIRST", "OLD"]],
        ["002", ["FIRST", "OLD", "NEW"]]
      ])
      assert.isAbove(yield* checkCuts(test), 0)
    }).pipe(Effect.provide(platform))
  )
})
