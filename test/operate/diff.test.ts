/** How schemas differ, and which statements lead from one to the other. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import type Driver from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import { Migrations } from "../../layers/index.ts"
import { diffLines, diffSchemas } from "../../layers/operate.ts"
import { independently, platform, start, temporaryFile, temporaryFolder } from "../support/database.ts"
import { runProgram } from "../support/program.ts"

const made = (sql: string) => ({
  migrations: Migrations.fromRecord({ "001_all.sql": `${sql}\nCREATE TABLE last (a);` })
})
const diffOf = (from: string, to: string) =>
  diffSchemas({ from: made(from), to: made(to) }).pipe(Effect.provide(platform))

const t = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT);"
const withColumn = (column: string) => `CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, ${column});`
const view = "CREATE VIEW v AS SELECT a FROM t;"
const trigger = "CREATE TRIGGER g INSTEAD OF INSERT ON v BEGIN INSERT INTO t (a) VALUES (new.a); END;"

/** From, to, the statements, and what is not generated. */
const cases: ReadonlyArray<readonly [string, string, ReadonlyArray<string>, ReadonlyArray<string>]> = [
  [t, 'create table "T" ( a integer PRIMARY KEY, -- the key\n [b] text);', [], []],
  ["", 'CREATE TABLE "a ""b" (ä TEXT);', ['CREATE TABLE "a ""b" (ä TEXT)'], []],
  [t, "", [], ["table t"]],
  [t, withColumn("c TEXT"), ['ALTER TABLE "t" ADD COLUMN c TEXT'], []],
  [
    t,
    withColumn("c TEXT NOT NULL DEFAULT 'x,)' CHECK (c <> '')"),
    ["ALTER TABLE \"t\" ADD COLUMN c TEXT NOT NULL DEFAULT 'x,)' CHECK (c <> '')"],
    []
  ],
  [t, withColumn("c TEXT REFERENCES t"), ['ALTER TABLE "t" ADD COLUMN c TEXT REFERENCES t'], []],
  [t, withColumn("c TEXT DEFAULT 1 REFERENCES t"), [], ["table t: column c"]],
  [t, withColumn("c TEXT NOT NULL"), [], ["table t: column c"]],
  [t, withColumn("c TEXT UNIQUE"), [], ["table t: column c"]],
  [t, withColumn("c TEXT DEFAULT CURRENT_TIMESTAMP"), [], ["table t: column c"]],
  [t, withColumn("c TEXT DEFAULT (1 + 1)"), [], ["table t: column c"]],
  [t, withColumn("c TEXT CHECK (c > b)"), [], ["table t: column c"]],
  [t, withColumn("c AS (b)"), [], ["table t: column c"]],
  [t, withColumn("CHECK (a > 0)"), [], ["table t: CHECK (a > 0)"]],
  [t, t.replace(");", ") STRICT;"), [], ["table t: options"]],
  [t, "CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER);", [], ["table t: column b"]],
  [t, "CREATE TABLE t (b TEXT, a INTEGER PRIMARY KEY);", [], ["table t: column order"]],
  [withColumn("c"), t, [], ["table t: column c"]],
  [
    t,
    "CREATE TABLE t (a INTEGER PRIMARY KEY, c TEXT, b TEXT);",
    ['ALTER TABLE "t" ADD COLUMN c TEXT'],
    ["table t: column order"]
  ],
  [t, `${t}CREATE INDEX i ON t (b);`, ["CREATE INDEX i ON t (b)"], []],
  [t, `${t}CREATE UNIQUE INDEX i ON t (b);`, [], ["index i"]],
  [
    `${t}CREATE INDEX i ON t (b);`,
    `${t}CREATE INDEX i ON t (b, a);`,
    ['DROP INDEX "i"', "CREATE INDEX i ON t (b, a)"],
    []
  ],
  [t, `${withColumn("c AS (b)")}CREATE INDEX i ON t (c);`, [], ["table t: column c", "index i"]],
  [`${t}${view}${trigger}`, t, ['DROP TRIGGER "g"', 'DROP VIEW "v"'], []],
  [
    `${t}${view}${trigger}`,
    `${t}CREATE VIEW v AS SELECT a, b FROM t;${trigger}`,
    ['DROP VIEW "v"', "CREATE VIEW v AS SELECT a, b FROM t", trigger.slice(0, -1)],
    []
  ],
  [t, `${withColumn("c TEXT NOT NULL")}CREATE VIEW w AS SELECT c FROM t;`, [], ["table t: column c", "view w"]],
  [view.replace("FROM t", "FROM (SELECT 1 AS a)"), "CREATE TABLE v (a);", ['DROP VIEW "v"', "CREATE TABLE v (a)"], []],
  ["", "CREATE VIRTUAL TABLE f USING fts5 (x);", ["CREATE VIRTUAL TABLE f USING fts5 (x)"], []],
  ["CREATE VIRTUAL TABLE f USING fts5 (x);", "CREATE VIRTUAL TABLE f USING fts5 (x, y);", [], ["table f: definition"]]
]

describe("a difference of schemas", () => {
  it.effect("has statements where no row can be lost or be in the way, and names the rest", () =>
    Effect.gen(function* () {
      for (const [from, to, statements, left] of cases) {
        const diff = yield* diffOf(from, to)
        assert.deepStrictEqual(diff.statements, statements, to)
        assert.sameMembers(
          diff.notGenerated.map(({ object }) => object),
          [...left],
          to
        )
        assert.strictEqual(diff.status, statements.length + left.length === 0 ? "same" : "different", to)
      }
    })
  )

  it.effect("reads as what was added, removed and changed", () =>
    Effect.gen(function* () {
      const diff = yield* diffOf(
        `${t}${view}CREATE INDEX i ON t (b);`,
        `${t.replace("b TEXT", "b INTEGER, c, CHECK (a > 0)")}CREATE VIEW v AS SELECT b FROM t;`
      )
      assert.deepStrictEqual(diffLines(diff), [
        "the migrations -> the migrations: 3 differences",
        "~ table t",
        "    ~ column b: b TEXT -> b INTEGER",
        "    + column c",
        "    + CHECK (a > 0)",
        "- index i on t",
        "~ view v",
        "    - CREATE VIEW v AS SELECT a FROM t",
        "    + CREATE VIEW v AS SELECT b FROM t"
      ])
    })
  )

  const column = fc.constantFrom(
    ...["c TEXT", "d INTEGER NOT NULL DEFAULT 3", "e TEXT NOT NULL", "f DEFAULT CURRENT_TIME", "g CHECK (g > a)"],
    ...["h TEXT DEFAULT 'x' CHECK (h = 'x')", "i TEXT CHECK (i IS NOT NULL)", "j UNIQUE", "k REFERENCES t DEFAULT 1"]
  )
  const object = fc.constantFrom(
    ...[
      "CREATE INDEX x ON t (a)",
      "CREATE INDEX x ON t (b)",
      "CREATE UNIQUE INDEX y ON t (b)",
      "CREATE INDEX z ON t (c)"
    ],
    ...["CREATE VIEW v AS SELECT a FROM t", "CREATE VIEW v AS SELECT b FROM t", "CREATE VIEW w AS SELECT * FROM v"],
    ...["CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t WHERE a = new.a; END", "CREATE TABLE u (a, b)"],
    ...["CREATE TABLE u (a)", "CREATE TRIGGER h AFTER DELETE ON u BEGIN DELETE FROM t; END"]
  )
  const schema = fc.tuple(
    fc.uniqueArray(column, { maxLength: 4 }),
    fc.uniqueArray(object, { maxLength: 5, selector: (sql) => sql.split(" ").slice(0, -1).join(" ").slice(0, 16) })
  )
  const fill = (database: Driver.Database, [columns, objects]: readonly [Array<string>, Array<string>]) => {
    database.exec(`CREATE TABLE t (${["a INTEGER PRIMARY KEY", "b", ...columns].join(", ")})`)
    for (const sql of objects) {
      try {
        database.exec(sql)
      } catch {
        // It needs what is not there.
      }
    }
  }
  it.effect.prop(
    "leads from one to the other on a database with rows, apart from what it names",
    [schema, schema],
    ([one, other]) =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const [from, to] = [join(folder, "a.db"), join(folder, "b.db")]
        yield* independently(from, (database) => {
          fill(database, one)
          const columns = one[0].map((text) => text.split(" ")[0])
          const values = columns.map((name) => (name === "h" ? "'x'" : name === "g" ? "5" : "1"))
          database.exec(`INSERT INTO t (${["a", "b", ...columns].join(", ")}) VALUES (${[1, 2, ...values].join(", ")})`)
        })
        yield* independently(to, (database) => fill(database, other))
        const compare = diffSchemas({ from: { filename: from }, to: { filename: to } })
        const diff = yield* compare
        yield* independently(from, (database) => {
          database.pragma("foreign_keys = 1")
          database.exec(`BEGIN; ${diff.statements.map((sql) => `${sql};`).join("\n")} COMMIT;`)
        })
        const after = yield* compare
        assert.deepStrictEqual(after.statements, [])
        assert.sameMembers(
          after.notGenerated.map(({ object }) => object),
          diff.notGenerated.map(({ object }) => object)
        )
      }).pipe(Effect.scoped, Effect.provide(platform)),
    { fastCheck: { numRuns: 25 } }
  )
})

describe("the program's diff", () => {
  it.scopedLive("compares databases and directories, writes nothing, and refuses what is neither", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const folder = yield* temporaryFolder
      const [directory, empty, text] = [join(folder, "ä b"), join(folder, "empty"), join(folder, "text.db")]
      mkdirSync(directory)
      mkdirSync(empty)
      writeFileSync(text, "no database, but long enough to have a header of one hundred bytes\n".repeat(3))
      writeFileSync(join(directory, "001_a.sql"), "CREATE TABLE added (a);")
      const same = yield* runProgram(["diff", file, file])
      assert.deepStrictEqual([same.code, same.stderr], [0, ""])
      assert.include(same.stdout, "no difference")
      const other = yield* runProgram(["diff", "--database", file, "--migrations", directory, "--sql"])
      assert.strictEqual(other.code, 2)
      assert.include(other.stdout, "\nCREATE TABLE added (a);\n-- Not generated: table notes (")
      const first = yield* runProgram(["diff", "--json", empty, directory])
      assert.strictEqual(first.code, 2)
      assert.deepStrictEqual(JSON.parse(first.stdout).statements, ["CREATE TABLE added (a)"])
      for (const [path, code] of [
        [join(folder, "none.db"), 75],
        [text, 65]
      ] as const) {
        const refused = yield* runProgram(["diff", "--json", path, directory])
        assert.strictEqual(refused.code, code, refused.stdout)
        assert.strictEqual(JSON.parse(refused.stdout).status, "failed")
      }
      assert.sameMembers(readdirSync(folder), ["ä b", "empty", "text.db"])
    })
  )
})
