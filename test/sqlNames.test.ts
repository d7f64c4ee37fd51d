/** Names of tables and columns are compared as SQLite compares them, with any letters and quotes. */
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { Migrations } from "../layers/index.ts"
import { foldName, identifier, openingParts } from "../layers/schema/SqlScript.ts"
import { refusal, rowsOf, start, temporaryFile } from "./support/database.ts"

const spellings = FastCheck.array(
  FastCheck.constantFrom(
    "a",
    "A",
    "z",
    "Z",
    "ß",
    "SS",
    "ss",
    "ﬁ",
    "FI",
    "fi",
    "ä",
    "Ä",
    "İ",
    "i",
    "K",
    "k",
    "Σ",
    "ς",
    '"',
    "]",
    "`",
    " ",
    "[",
    "@",
    "{"
  ),
  { minLength: 1, maxLength: 3 }
).map((letters) => letters.join(""))

/** Starts on 001, then with 002 too. Returns the refusal of 002, or the rows of a query. */
const upgrading = (first: string, second: string, query: string) =>
  Effect.gen(function* () {
    const file = yield* temporaryFile
    yield* start(file, { migrations: Migrations.fromRecord({ "001_create.sql": first }) })
    const both = start(file, {
      migrations: Migrations.fromRecord({ "001_create.sql": first, "002_change.sql": second })
    })
    const outcome = yield* Effect.either(both)
    return outcome._tag === "Right" ? yield* rowsOf(file, query) : yield* refusal(Effect.fail(outcome.left))
  })

describe("a name", () => {
  it("equals another one exactly if SQLite says so", () => {
    const connection = new Sqlite(":memory:")
    const isSame = connection.prepare("SELECT count(*) FROM pragma_table_info(?)").pluck()
    FastCheck.assert(
      FastCheck.property(spellings, spellings, (one, other) => {
        connection.exec(`CREATE TABLE ${identifier(one)} (x)`)
        const same = isSame.get(other) === 1
        connection.exec(`DROP TABLE ${identifier(one)}`)
        assert.strictEqual(foldName(one) === foldName(other), same, `${one} and ${other}`)
      }),
      { numRuns: 2000 }
    )
    connection.close()
  })

  it("is read out of a statement as SQLite reads it, in every kind of quotes", () => {
    const connection = new Sqlite(":memory:")
    FastCheck.assert(
      FastCheck.property(spellings, FastCheck.constantFrom('"', "`", "'", "["), (name, quote) => {
        FastCheck.pre(quote !== "[" || !name.includes("]"))
        const written = quote === "[" ? `[${name}]` : quote + name.replaceAll(quote, quote + quote) + quote
        connection.exec(`CREATE TABLE ${written} (x)`)
        const [table] = connection.prepare("SELECT name FROM sqlite_schema").pluck().all()
        connection.exec(`DROP TABLE ${written}`)
        assert.deepStrictEqual(openingParts(`DROP TABLE ${written}`, 3)[2], { keyword: "", name: String(table) })
      }),
      { numRuns: 500 }
    )
    connection.close()
  })
})

describe("rows of a table", () => {
  const others = ["straße", "ﬁ", 'a"b', "Ä", "İx", "a b", "to", "Plain"]
  for (const name of others) {
    const table = identifier(name)
    const rows = `CREATE TABLE ${table} (id INTEGER PRIMARY KEY); INSERT INTO ${table} VALUES (1), (2);`

    it.scoped(`called ${name} are followed through a rename`, () =>
      Effect.gen(function* () {
        const outcome = yield* upgrading(
          rows,
          `ALTER TABLE ${table} RENAME TO "now";`,
          `SELECT count(*) AS n FROM "now"`
        )
        assert.deepStrictEqual(outcome, [{ n: 2 }])
      })
    )

    it.scoped(`called ${name} do not lose rows that refer to them unseen`, () =>
      Effect.gen(function* () {
        const first = `${rows} CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES ${table} ON DELETE SET NULL); INSERT INTO child VALUES (1, 1);`
        for (const dropped of [table, `\`${name}\``, `'${name}'`, `[${name}]`]) {
          const outcome = yield* upgrading(first, `DROP TABLE ${dropped}; ${rows}`, "SELECT * FROM child")
          assert.deepInclude(outcome, { reason: "RowsDeleted" }, dropped)
        }
      })
    )
  }

  it.scoped("may be deleted only if their own table is declared, not one that differs in letters", () =>
    Effect.gen(function* () {
      const first = `CREATE TABLE "Ä" (x); CREATE TABLE "ä" (x); INSERT INTO "Ä" VALUES (1); INSERT INTO "ä" VALUES (1);`
      const second = (declared: string) => `-- database-ready: deletes = "${declared}"\nDELETE FROM "Ä";`
      assert.deepInclude(yield* upgrading(first, second("ä"), "SELECT 1"), { reason: "RowsDeleted" })
      assert.deepStrictEqual(yield* upgrading(first, second("Ä"), `SELECT * FROM "ä"`), [{ x: 1 }])
    })
  )

  it.scoped("may be deleted if a declared name is the table's before, in between or afterwards", () =>
    Effect.gen(function* () {
      const first = "CREATE TABLE a (x); INSERT INTO a VALUES (1), (2);"
      for (const declared of ["a", "B", '"c"']) {
        const second = `-- database-ready: deletes = ${declared}\nALTER TABLE a RENAME TO b; DELETE FROM b; ALTER TABLE b RENAME TO c;`
        assert.deepStrictEqual(yield* upgrading(first, second, "SELECT count(*) AS n FROM c"), [{ n: 0 }], declared)
      }
      const other = "-- database-ready: deletes = d\nALTER TABLE a RENAME TO b; DELETE FROM b;"
      assert.deepInclude(yield* upgrading(first, other, "SELECT 1"), { reason: "RowsDeleted" })
    })
  )

  it.scoped("do not lose rows that refer to them if the referring column gets another name", () =>
    Effect.gen(function* () {
      const first =
        'CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, "to" REFERENCES p ON DELETE SET NULL); INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1);'
      const rebuild = "DROP TABLE p; CREATE TABLE p (id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1);"
      for (const renaming of [
        'ALTER TABLE c RENAME "to" TO parent;',
        'ALTER TABLE main.c RENAME COLUMN "to" TO parent; ALTER TABLE c RENAME TO d;',
        "ALTER TABLE c RENAME TO d; ALTER TABLE d RENAME COLUMN [to] TO 'x y';",
        'CREATE TABLE n (id INTEGER PRIMARY KEY, "to"); INSERT INTO n SELECT * FROM c; DROP TABLE c; ALTER TABLE n RENAME TO c;'
      ]) {
        const before = renaming.startsWith("CREATE") ? `${rebuild} ${renaming}` : `${renaming} ${rebuild}`
        const outcome = yield* upgrading(first, before, "SELECT * FROM c")
        assert.deepInclude(outcome, { reason: "RowsDeleted" }, renaming)
      }
    })
  )
})

describe("a column", () => {
  it.scoped("that was renamed by hand to different letters is a changed schema", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const migrations = Migrations.fromRecord({ "001_create.sql": "CREATE TABLE t (größe, Ä)" })
      yield* start(file, { migrations })
      const connection = new Sqlite(file)
      connection.exec("ALTER TABLE t RENAME COLUMN Ä TO ä")
      connection.close()
      assert.deepInclude(yield* refusal(start(file, { migrations })), { reason: "SchemaDiffers" })
    })
  )
})
