/** A schema that is there and works: what SQLite compiles only on use, and what others have added to it. */
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it, vi } from "@effect/vitest"
import Driver from "better-sqlite3"
import * as Effect from "effect/Effect"
import { Migrations } from "../layers/index.ts"
import { independently, refusal, rowsOf, start, temporaryFile } from "./support/database.ts"

const startWith = (file: string, files: Readonly<Record<string, string>>, integrity?: "quick" | "full") =>
  start(file, { migrations: Migrations.fromRecord(files), ...(integrity === undefined ? {} : { integrity }) })

const positions = `CREATE TABLE pos (id INTEGER PRIMARY KEY, product INTEGER, price REAL);
CREATE TABLE products (id INTEGER PRIMARY KEY, price REAL);
CREATE TRIGGER products_price AFTER UPDATE OF price ON products BEGIN
  UPDATE pos SET price = NEW.price WHERE product = NEW.id;
END;`

/** The rename takes the trigger along, to the table that is dropped in the end. */
const movedAway = `ALTER TABLE pos RENAME TO pos_old; CREATE TABLE pos (id INTEGER PRIMARY KEY, product INTEGER, price REAL, note TEXT);
INSERT INTO pos SELECT *, NULL FROM pos_old; DROP TABLE pos_old;`

describe("views and triggers", () => {
  const broken: Readonly<Record<string, readonly [first: string, second: string, named: string]>> = {
    "a trigger whose table was renamed away": [positions, movedAway, "trigger products_price of products"],
    "a trigger that names a column that is gone": [
      `CREATE TABLE t (a, b); CREATE TABLE log (x); CREATE TRIGGER t_log AFTER DELETE ON t BEGIN INSERT INTO log (x) VALUES (1); END;`,
      "DROP TABLE log; CREATE TABLE log (y);",
      "trigger t_log of t"
    ],
    "a trigger beside one that works": [
      `CREATE TABLE t (a); CREATE TABLE one (x); CREATE TABLE two (x);
CREATE TRIGGER first AFTER INSERT ON t BEGIN INSERT INTO one VALUES (NEW.a); END;
CREATE TRIGGER second AFTER INSERT ON t BEGIN INSERT INTO two VALUES (NEW.a); END;`,
      "DROP TABLE two;",
      "trigger second of t"
    ],
    "a trigger in the place of a view's INSERT": [
      `CREATE TABLE t (a, b AS (a + 1)); CREATE TABLE log (x); CREATE VIEW v AS SELECT a FROM t;
CREATE TRIGGER v_insert INSTEAD OF INSERT ON v BEGIN INSERT INTO log VALUES (NEW.a); END;`,
      "DROP TABLE log;",
      "trigger v_insert of v"
    ],
    "a trigger of a table with generated columns and quoted names": [
      `CREATE TABLE "a table" ("a ""column""" INTEGER, twice AS ("a ""column""" * 2)); CREATE TABLE log (x);
CREATE TRIGGER IF NOT EXISTS main."its trigger" BEFORE UPDATE ON "a table" WHEN NEW.twice > 1 BEGIN INSERT INTO log VALUES (NEW.twice); END;`,
      "DROP TABLE log;",
      "trigger its trigger of a table"
    ],
    "a view of a table that is dropped": [
      "CREATE TABLE t (a); CREATE VIEW v AS SELECT a FROM t; CREATE VIEW w AS SELECT a FROM v;",
      "DROP TABLE t;",
      "view v"
    ],
    "a view with a function that is not there": [
      "CREATE TABLE t (a);",
      "CREATE VIEW v AS SELECT nowhere(a) FROM t;",
      "view v"
    ]
  }
  for (const [what, [first, second, named]] of Object.entries(broken)) {
    it.scoped(`are compiled before an upgrade is committed: ${what}`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* startWith(file, { "001_create.sql": first })
        const error = yield* refusal(startWith(file, { "001_create.sql": first, "002_break.sql": second }))
        assert.deepInclude(error, { _tag: "UpgradeError", reason: "SchemaBroken", migration: "002_break" })
        assert.include(error.message, named)
        assert.deepStrictEqual(yield* rowsOf(file, "SELECT count(*) AS rows FROM schema_migrations"), [{ rows: 1 }])
        const fresh = yield* temporaryFile
        const anew = yield* refusal(startWith(fresh, { "001_create.sql": first, "002_break.sql": second }))
        assert.deepInclude(anew, { _tag: "UpgradeError", reason: "SchemaBroken" })
      })
    )

    it.scoped(`are compiled by quick and full, no matter who broke them: ${what}`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* startWith(file, { "001_create.sql": "CREATE TABLE own (id INTEGER PRIMARY KEY);" })
        yield* independently(file, (connection) => connection.exec(`${first} ${second}`))
        for (const integrity of ["quick", "full"] as const) {
          const error = yield* refusal(
            startWith(file, { "001_create.sql": "CREATE TABLE own (id INTEGER PRIMARY KEY);" }, integrity)
          )
          assert.deepInclude(error, { _tag: "IntegrityError", reason: "SchemaBroken" })
          assert.include(error.message, named)
        }
      })
    )
  }

  it.scoped("are compiled once for one schema, and again as soon as anyone has changed it", () =>
    Effect.gen(function* () {
      const files = { "001_create.sql": "CREATE TABLE seldom (a); CREATE VIEW seen_once AS SELECT a FROM seldom;" }
      const file = yield* temporaryFile
      yield* startWith(file, files)
      const prepare = yield* Effect.acquireRelease(
        Effect.sync(() => vi.spyOn(Driver.prototype, "prepare")),
        (spy) => Effect.sync(() => spy.mockRestore())
      )
      const isCompiled = () => {
        const asked = prepare.mock.calls.map(([sql]) => sql)
        prepare.mockClear()
        return asked.some((sql) => sql.includes('FROM main."seen_once"'))
      }
      yield* startWith(file, files, "quick")
      assert.isFalse(isCompiled())
      yield* start(file, {
        migrations: Migrations.fromRecord(files),
        integrity: "quick",
        pragmas: { trustedSchema: true }
      })
      assert.isTrue(isCompiled(), "what a schema may call is another thing")
      yield* independently(file, (connection) => connection.exec("CREATE VIEW broken AS SELECT b FROM nowhere"))
      const error = yield* refusal(startWith(file, files, "quick"))
      assert.deepInclude(error, { _tag: "IntegrityError", reason: "SchemaBroken" })
      assert.include(error.message, "view broken")
      yield* independently(file, (connection) => connection.exec("DROP VIEW broken"))
      yield* startWith(file, files, "quick")
    })
  )

  it.scoped("that a later pending file repairs are no reason to refuse", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const report = yield* startWith(file, {
        "001_create.sql": positions,
        "002_move.sql": movedAway,
        "003_repair.sql": `DROP TRIGGER products_price;
CREATE TRIGGER products_price AFTER UPDATE OF price ON products BEGIN UPDATE pos SET price = NEW.price WHERE product = NEW.id; END;`
      })
      assert.strictEqual(report.schemaVersion, "003")
    })
  )

  for (const child of ["child", "grandparents", "äparents", '"parents of all"', "parents$1"]) {
    it.scoped(`are not blamed for a foreign key to a table that is not there yet: ${child} and parents`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        const report = yield* startWith(file, {
          "001_create.sql": `CREATE TABLE log (x); CREATE TABLE ${child} (id INTEGER PRIMARY KEY, parent REFERENCES parents);
CREATE TRIGGER child_log AFTER INSERT ON ${child} BEGIN INSERT INTO log VALUES (NEW.id); UPDATE ${child} SET id = id; END;`
        })
        assert.strictEqual(report.status, "ready")
      })
    )
  }

  for (const [what, body] of Object.entries({
    "a column": "UPDATE child SET id = NEW.parents WHERE parents > 0",
    "a string": "INSERT INTO log VALUES ('parents')",
    "another column": "INSERT INTO log (parents) VALUES (1)"
  })) {
    it.scoped(`are not blamed for a foreign key to a missing table when ${what} has its name`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        const report = yield* startWith(file, {
          "001_create.sql": `CREATE TABLE log (parents); CREATE TABLE child (id INTEGER PRIMARY KEY, parents REFERENCES parents);
CREATE TRIGGER child_log AFTER INSERT ON child BEGIN ${body}; END;`
        })
        assert.strictEqual(report.status, "ready")
      })
    )
  }

  for (const parents of ["parents", "PARENTS", '"parents"', "[parents]", "main.`Parents`"]) {
    it.scoped(`are blamed where they name the table that is missing, whatever else refers to it: ${parents}`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        const refused = yield* refusal(
          startWith(file, {
            "001_create.sql": `CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parents);
CREATE TRIGGER child_up AFTER INSERT ON child BEGIN SELECT count(*) FROM ${parents}; END;`
          })
        )
        assert.deepInclude(refused, { _tag: "UpgradeError", reason: "SchemaBroken" })
        assert.include(refused.message, "trigger child_up of child")
      })
    )
  }
})

describe("full-text search", () => {
  const own = `CREATE TABLE docs (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO docs VALUES (1, 'one'), (2, 'two');
CREATE VIRTUAL TABLE search USING fts5(body); INSERT INTO search (rowid, body) SELECT id, body FROM docs;`
  const moves = {
    "external content":
      "DROP TABLE search; CREATE VIRTUAL TABLE search USING fts5(body, content = 'docs', content_rowid = 'id');",
    "external content, filled": `DROP TABLE search; CREATE VIRTUAL TABLE search USING fts5(body, content = 'docs', content_rowid = 'id');
INSERT INTO search (search) VALUES ('rebuild');`,
    "the external content of fts4": `DROP TABLE search; CREATE VIRTUAL TABLE search USING fts4(content='docs', body);
INSERT INTO search (search) VALUES ('rebuild');`,
    "no content": `DROP TABLE search; CREATE VIRTUAL TABLE search USING fts5(body, content = '');
INSERT INTO search (rowid, body) SELECT id, body FROM docs;`
  }
  for (const [to, move] of Object.entries(moves)) {
    it.scoped(`that moves from its own content to ${to} has lost no row`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* startWith(file, { "001_create.sql": own })
        const report = yield* startWith(file, { "001_create.sql": own, "002_move.sql": move })
        assert.strictEqual(report.schemaVersion, "002")
      })
    )
  }

  it.scoped("that moves to the content of a table with fewer rows has lost some", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* startWith(file, { "001_create.sql": own })
      const move = `CREATE TABLE fewer (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO fewer VALUES (1, 'one');
DROP TABLE search; CREATE VIRTUAL TABLE search USING fts5(body, content = 'fewer', content_rowid = 'id');`
      const error = yield* refusal(startWith(file, { "001_create.sql": own, "002_move.sql": move }))
      assert.deepInclude(error, { reason: "RowsDeleted", losses: [{ table: "search", before: 2, after: 1 }] })
    })
  )
})

describe("an object that no migration made", () => {
  it.scoped("costs a start and an upgrade no replay, is reported, and stays apart from what migrations make", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      let runs = 0
      const effect = Effect.zipRight(
        Effect.sync(() => {
          runs += 1
        }),
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE TABLE IF NOT EXISTS made (id INTEGER PRIMARY KEY)`)
      )
      const upTo = (more: Readonly<Record<string, string>>) =>
        Migrations.all(
          Migrations.fromLoader(Effect.succeed([[1, "made", Effect.succeed(effect)]])),
          Migrations.fromRecord(more)
        )
      yield* start(file, { migrations: upTo({}) })
      yield* independently(file, (connection) =>
        connection.exec("CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
      )
      runs = 0
      const second = { "002_more.sql": "CREATE TABLE more (id INTEGER PRIMARY KEY);" }
      for (const migrations of [upTo({}), upTo(second), upTo(second)]) {
        const { integrity } = yield* start(file, { migrations })
        assert.deepStrictEqual(integrity.extra, ["table _litestream_seq"])
      }
      assert.strictEqual(runs, 0)
      yield* independently(file, (connection) => connection.exec("DROP TABLE more"))
      const error = yield* refusal(start(file, { migrations: upTo(second) }))
      assert.deepInclude(error, { _tag: "IntegrityError", reason: "SchemaDiffers" })
    })
  )

  it.scoped("belongs to a migration that creates it, even if it exists already", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* startWith(file, { "001_create.sql": "CREATE TABLE own (id INTEGER PRIMARY KEY);" })
      yield* independently(file, (connection) => connection.exec("CREATE TABLE late (id INTEGER PRIMARY KEY)"))
      const files = {
        "001_create.sql": "CREATE TABLE own (id INTEGER PRIMARY KEY);",
        "002_late.sql": "CREATE TABLE IF NOT EXISTS late (id INTEGER PRIMARY KEY);"
      }
      const { integrity } = yield* startWith(file, files)
      assert.deepStrictEqual(integrity.extra, [])
      yield* independently(file, (connection) => connection.exec("DROP TABLE late"))
      assert.deepInclude(yield* refusal(startWith(file, files)), { reason: "SchemaDiffers" })
    })
  )
})
