/** What cannot work is refused before the write lock is taken and before anything is copied. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import { Migrations } from "../layers/index.ts"
import { independently, openConnection, pictureOf, refusal, rowsOf, start, temporaryFile } from "./support/database.ts"
import { asMigration, roughLists, roughSchema } from "./support/migrationLists.ts"

const cases = Number(process.env["CASES"] ?? 100)

const base = { "001_base.sql": roughSchema }

const withBase = (...texts: ReadonlyArray<string>) =>
  Migrations.fromRecord({
    ...base,
    ...Object.fromEntries(texts.map((sql, index) => [`00${index + 2}_next.sql`, sql]))
  })

/** A database with the schema and its rows. */
const based = Effect.tap(temporaryFile, (file) => start(file, { migrations: Migrations.fromRecord(base) }))

const certain: Readonly<Record<string, readonly [sql: string, reason: string, says: string]>> = {
  "a syntax error": ["CREATE TABEL x (y);", "StatementFailed", 'near "TABEL": syntax error'],
  "a table that is not there": ["INSERT INTO nowhere VALUES (1);", "StatementFailed", "no such table: nowhere"],
  "a table that is there already": ["CREATE TABLE p (id);", "StatementFailed", "table p already exists"],
  "a column that is not there": ["UPDATE p SET missing = 1;", "StatementFailed", "no such column: missing"],
  "a function that is not there": ["SELECT missing(1);", "StatementFailed", "no such function: missing"],
  "a module that is not there": ["CREATE VIRTUAL TABLE v USING missing(x);", "StatementFailed", "no such module"],
  "a tokenizer that is not there": [
    "CREATE VIRTUAL TABLE v USING fts5(x, tokenize = 'nothing');",
    "StatementFailed",
    "no such tokenizer: nothing"
  ],
  "a value for a generated column": ["INSERT INTO must (y) VALUES (1);", "StatementFailed", "generated column"],
  "a column that a view needs": ["ALTER TABLE p DROP COLUMN name;", "StatementFailed", "error in"],
  "a view of a table that is gone": ["CREATE VIEW v AS SELECT * FROM nowhere;", "SchemaBroken", "view v"],
  "a trigger on a column that is gone": [
    "CREATE TRIGGER t AFTER INSERT ON c BEGIN UPDATE c SET missing = 1; END;",
    "SchemaBroken",
    "no such column: missing"
  ],
  "a key that refers to no key": [
    "CREATE TABLE child (name TEXT REFERENCES p(name));",
    "ForeignKeyMismatch",
    "foreign key mismatch"
  ]
}

describe("a start whose migrations cannot work, while another process writes", () => {
  for (const [what, [sql, reason, says]] of Object.entries(certain)) {
    it.scoped(`is refused at once for ${what}, in the second of two files, with nothing touched`, () =>
      Effect.gen(function* () {
        const file = yield* based
        const rival = yield* openConnection(file)
        rival.exec("BEGIN IMMEDIATE")
        const before = yield* pictureOf(dirname(file))
        const migrations = withBase("CREATE TABLE added (x); UPDATE p SET doc = '{}';", sql)
        const error = yield* refusal(start(file, { migrations }))
        assert.deepStrictEqual([error._tag, error.reason, error.retryable], ["UpgradeError", reason, false])
        assert.include(error.message, "003_next")
        assert.include(error.message, says)
        // SQLite writes locks into the -shm.
        const after = yield* pictureOf(dirname(file))
        assert.deepStrictEqual({ ...after, "app.db-shm": "" }, { ...before, "app.db-shm": "" })
      })
    )

    it.scoped(`is refused with the same words as one without a trial, for ${what}`, () =>
      Effect.gen(function* () {
        const untried = yield* refusal(
          Effect.flatMap(temporaryFile, (file) => start(file, { migrations: withBase(sql) }))
        )
        const file = yield* based
        const tried = yield* refusal(start(file, { migrations: withBase(sql) }))
        const words = ({ message }: { readonly message: string }) => message.replaceAll(/\/\S+app\.db/g, "FILE")
        if (reason === "StatementFailed") assert.strictEqual(words(tried), words(untried))
        else assert.include(words(untried), says)
      })
    )
  }

  it.scoped("is refused at once for a schema that somebody changed by hand", () =>
    Effect.gen(function* () {
      const file = yield* based
      yield* independently(file, (connection) => connection.exec("DROP INDEX c_n"))
      const rival = yield* openConnection(file)
      rival.exec("BEGIN IMMEDIATE")
      const error = yield* refusal(start(file, { migrations: withBase("CREATE TABLE added (x);") }))
      assert.include(error, { _tag: "IntegrityError", reason: "SchemaDiffers" })
    })
  )
})

const makes = Migrations.fromLoader(
  Effect.succeed([
    [2, "makes", Effect.succeed(Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE TABLE made_by_effect (x)`))]
  ])
)

/** Each would fail, or end otherwise, in a database with the same schema and no rows. */
const doubtful: Readonly<Record<string, string>> = {
  "a value that is NOT NULL by the rows": "INSERT INTO must (x) VALUES ((SELECT max(id) FROM p));",
  "a row whose parent is there": "INSERT INTO c (p, n) VALUES (1, 9);",
  "a document that is one by the rows":
    "CREATE TABLE copied AS SELECT json(coalesce((SELECT doc FROM p WHERE id = 1), 'x')) AS doc; INSERT INTO copied VALUES (1);",
  "a table that stays empty by the rows":
    "INSERT INTO few SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM p); ALTER TABLE few ADD COLUMN z NOT NULL;",
  "a table that holds what counts": "DROP TABLE gone; UPDATE sqlite_sequence SET seq = 7 WHERE name = 'c';",
  "statistics that are there by the rows": "SELECT stat FROM sqlite_stat1; DROP TABLE IF EXISTS sqlite_stat4;",
  "rows that a table is made of":
    "CREATE TABLE n AS WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 9) SELECT x FROM n; INSERT INTO n VALUES (1);",
  "a savepoint": "SAVEPOINT s; CREATE TABLE t (x); ROLLBACK TO s; RELEASE s; CREATE TABLE t (x);",
  "a temporary table": "CREATE TEMP TABLE t AS SELECT * FROM p; INSERT INTO few SELECT id FROM t; CREATE TABLE u (x);",
  "its own history": "INSERT INTO few SELECT max(name) || max(program) FROM schema_migrations;",
  "full-text search and an R*Tree":
    "INSERT INTO words (rowid, name) VALUES (9, 'word'); INSERT INTO boxes VALUES (2, 0, 1); ALTER TABLE words RENAME TO texts; SELECT * FROM texts;",
  "a view that is broken for a moment":
    "PRAGMA legacy_alter_table = ON; ALTER TABLE p RENAME TO q; DROP VIEW names; CREATE VIEW names AS SELECT id FROM q; ALTER TABLE q RENAME TO p; DROP VIEW names; CREATE VIEW names AS SELECT id, name FROM p;"
}

describe("a start succeeds that would fail without its rows, with", () => {
  for (const [what, sql] of Object.entries(doubtful)) {
    it.scoped(what, () =>
      Effect.gen(function* () {
        const file = yield* based
        const report = yield* start(file, { migrations: withBase(sql) })
        assert.strictEqual(report.schemaVersion, "002")
      })
    )
  }

  it.scoped("what an Effect creates for later files", () =>
    Effect.gen(function* () {
      const file = yield* based
      const files = Migrations.fromRecord({ ...base, "003_uses.sql": "INSERT INTO made_by_effect VALUES (1);" })
      yield* start(file, { migrations: Migrations.all(files, makes) })
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT x FROM made_by_effect"), [{ x: 1 }])
    })
  )

  for (const [what, sql] of Object.entries({
    "tables of others in it, in UTF-16":
      "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER); CREATE TABLE p_notes (x, y AS (x || 'y'), UNIQUE (x))",
    "a view of others that names the history": "CREATE VIEW versions AS SELECT version FROM schema_migrations",
    "a view of others that cannot be used, which a file repairs": "CREATE VIEW rotten AS SELECT * FROM added"
  })) {
    it.scoped(what, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* start(file, { migrations: Migrations.fromRecord(base), newFile: { encoding: "UTF-16le" } })
        yield* independently(file, (connection) => connection.exec(sql))
        const report = yield* start(file, { migrations: withBase("CREATE TABLE added (x);") })
        assert.strictEqual(report.schemaVersion, "002")
      })
    )
  }
})

describe("a statement that is refused", () => {
  it(`is refused by SQLite with all its rows too (${cases} lists)`, { timeout: 36_000_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "database-ready-"))
    const origin = join(folder, "origin.db")
    const begin = (file: string, files: Migrations.Migrations) =>
      start(file, { migrations: files, backups: 0 }).pipe(Effect.either, Logger.withMinimumLogLevel(LogLevel.None))
    let count = 0
    try {
      await Effect.runPromise(begin(origin, Migrations.fromRecord(base)))
      await fc.assert(
        fc.asyncProperty(roughLists, async (files) => {
          count += 1
          const [file, copy] = [join(folder, `${count}.db`), join(folder, `${count}.copy.db`)]
          for (const target of [file, copy]) new Sqlite(origin).exec(`VACUUM INTO '${target}'`).close()
          const failedAt = failingFile(copy, files)
          const ended = await Effect.runPromise(begin(file, withBase(...files.map(asMigration))))
          rmSync(file, { force: true })
          rmSync(copy, { force: true })
          if (Either.isRight(ended)) {
            assert.isUndefined(failedAt)
          } else if (ended.left._tag === "UpgradeError" && ended.left.reason === "StatementFailed") {
            assert.isDefined(failedAt)
            assert.isAtMost(failedAt ?? 0, Number(ended.left.migration.slice(0, 3)))
          }
        }),
        { numRuns: cases, seed: Number(process.env["SEED"] ?? 1) }
      )
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

/** The number of the file in which SQLite refuses a statement, each file alone. */
const failingFile = (copy: string, files: ReadonlyArray<{ readonly sql: string }>): number | undefined => {
  for (const [index, { sql }] of files.entries()) {
    // What a file leaves on its connection is gone with it.
    const database = new Sqlite(copy)
    try {
      database.exec(`BEGIN; ${sql} COMMIT`)
    } catch {
      return index + 2
    } finally {
      database.close()
    }
  }
  return undefined
}

describe("`status` on a database with something pending", () => {
  for (const [what, [sql]] of Object.entries(certain)) {
    it.scoped(`tells what a start will be refused for: ${what}`, () =>
      Effect.gen(function* () {
        const file = yield* based
        const migrations = withBase(sql)
        const before = yield* pictureOf(dirname(file))
        const inspected = yield* refusal(start(file, { migrations, access: "inspect" }))
        assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
        assert.strictEqual(inspected.message, (yield* refusal(start(file, { migrations }))).message)
      })
    )
  }

  for (const [what, change] of Object.entries({
    "a column more": "ALTER TABLE p ADD COLUMN by_hand",
    "a table less": "PRAGMA foreign_keys = 0; DROP TABLE few",
    "an index on other columns": "DROP INDEX IF EXISTS by_name; ALTER TABLE p RENAME COLUMN name TO title"
  })) {
    it.scoped(`with a schema that was changed by hand tells that, as a start does: ${what}`, () =>
      Effect.gen(function* () {
        const file = yield* based
        yield* independently(file, (connection) => connection.exec(change))
        const migrations = withBase("CREATE TABLE added (x);")
        const inspected = yield* refusal(start(file, { migrations, access: "inspect" }))
        const started = yield* refusal(start(file, { migrations }))
        assert.deepInclude(started, { _tag: "IntegrityError", reason: "SchemaDiffers" })
        assert.strictEqual(inspected.message, started.message)
      })
    )
  }

  it.scoped("says that it is pending if nothing stands in the way", () =>
    Effect.gen(function* () {
      const file = yield* based
      const inspected = yield* refusal(
        start(file, { migrations: withBase("CREATE TABLE added (x);"), access: "inspect" })
      )
      assert.deepInclude(inspected, { _tag: "UpgradeError", reason: "Pending" })
    })
  )
})
