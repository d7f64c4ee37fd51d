/** Repeatable migrations: views and triggers that are made again whenever their text changes. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import { DatabaseReady, type InitializationError, Migrations } from "../layers/index.ts"
import {
  independently,
  objectNames,
  pictureOf,
  refusal,
  rowsOf,
  start,
  starting,
  temporaryFile
} from "./support/database.ts"
import { contentOf } from "./support/reference.ts"

const numbered: Readonly<Record<string, string>> = {
  "001_create.sql": `CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL, price INTEGER);
CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT NOT NULL);`,
  "002_seed.sql": "INSERT INTO orders (item, price) VALUES ('tea', 3);",
  "003_rename.sql": "ALTER TABLE orders RENAME COLUMN price TO cents;\nUPDATE orders SET cents = cents * 100;",
  "004_rebuild.sql": `-- database-ready: foreign_keys = off
CREATE TABLE next (id INTEGER PRIMARY KEY, item TEXT NOT NULL, cents INTEGER NOT NULL) STRICT;
INSERT INTO next SELECT * FROM orders;
DROP TABLE orders;
ALTER TABLE next RENAME TO orders;`,
  "005_more.sql": "INSERT INTO orders (item, cents) VALUES ('milk', 120);"
}
const list = "DROP VIEW IF EXISTS items;\nCREATE VIEW items AS SELECT item FROM orders;"
const logged = `CREATE TRIGGER logged AFTER INSERT ON orders BEGIN
  INSERT INTO log (what) VALUES (NEW.item);
END;`
/** Needs a view of a file with an earlier name. */
const added = `CREATE TRIGGER added INSTEAD OF INSERT ON items BEGIN
  INSERT INTO orders (item) VALUES (NEW.item);
END;`

const upTo = (count: number, repeatables: Readonly<Record<string, string>> = {}) =>
  Migrations.fromRecord({ ...Object.fromEntries(Object.entries(numbered).slice(0, count)), ...repeatables })

const first = { "R__items.sql": list, "R__logged.sql": logged, "R__with_added.sql": added }
const second = { ...first, "R__items.sql": "CREATE VIEW items AS SELECT item, id FROM orders;" }
/** Lets programs that know 001 run beside it. */
const open = Object.fromEntries(
  Object.entries(second).map(([name, sql]) => [name, `-- database-ready: compatible_from = 1\n${sql}`])
)

const contentAt = (file: string) => independently(file, contentOf)
const starts = (file: string, migrations: Migrations.Migrations) => start(file, { migrations, backups: 0 })
const refused = (file: string, migrations: Migrations.Migrations): Effect.Effect<InitializationError, Error> =>
  refusal(starts(file, migrations))

describe("repeatable migrations", () => {
  it.scoped("are made after the numbered ones, and left alone by the next start", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const report = yield* starts(file, upTo(2, first))
      assert.deepStrictEqual(report.repeated, ["R__items", "R__logged", "R__with_added"])
      assert.deepStrictEqual(report.integrity.extra, [])
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT * FROM log"), [])
      const before = yield* rowsOf(file, "PRAGMA schema_version")
      const again = yield* starts(file, upTo(2, first))
      assert.deepStrictEqual(again.repeated, [])
      assert.strictEqual(again.integrity.fingerprint, report.integrity.fingerprint)
      assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA schema_version"), before)
    })
  )

  it.scoped("are made again when a text changes, without a backup, in one transaction with the rest", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* starts(file, upTo(2, first))
      const pending = yield* refusal(start(file, { migrations: upTo(2, second), access: "inspect" }))
      assert.include(pending.message, "pending: R__items")
      const changed = yield* start(file, { migrations: upTo(2, second) })
      assert.deepStrictEqual([changed.repeated, changed.applied, changed.backup], [["R__items"], [], undefined])
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT * FROM items"), [{ item: "tea", id: 1 }])
      assert.deepStrictEqual(yield* objectNames(file, "trigger"), ["added", "logged"])
      const fresh = yield* temporaryFile
      const { integrity } = yield* starts(fresh, upTo(2, second))
      assert.strictEqual(changed.integrity.fingerprint, integrity.fingerprint)
    })
  )

  it("mean the same in any number of starts, whichever texts came before", { timeout: 120_000 }, () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.boolean()), { maxLength: 3 }), (cuts) =>
        Effect.gen(function* () {
          const once = yield* temporaryFile
          const expected = yield* starts(once, upTo(5, open))
          const file = yield* temporaryFile
          // A text that was replaced is not made again: each start has a text of its own.
          for (const [index, [count, hasAll]] of cuts.sort(([one], [other]) => one - other).entries()) {
            const text = `${list}\n-- ${index}`
            const known = index === 0 && !hasAll ? {} : { ...first, "R__items.sql": text }
            yield* starts(file, upTo(count, known))
          }
          const report = yield* starts(file, upTo(5, open))
          assert.strictEqual(yield* contentAt(file), yield* contentAt(once))
          assert.strictEqual(report.integrity.fingerprint, expected.integrity.fingerprint)
        }).pipe(Effect.scoped, Effect.runPromise)
      ),
      { numRuns: Number(process.env["CASES"] ?? 5), seed: 1 }
    )
  )

  it.scoped("that were changed or dropped by hand are drift", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* starts(file, upTo(2, first))
      yield* independently(file, (connection) =>
        connection.exec("DROP TRIGGER logged; DROP VIEW items; CREATE VIEW items AS SELECT 1 AS item;")
      )
      for (const migrations of [upTo(2, first), upTo(2, second), upTo(5, first)]) {
        const error = yield* refused(file, migrations)
        assert.strictEqual(error.reason, "SchemaDiffers")
        assert.include(error.message, "trigger logged")
      }
    })
  )

  it.scoped("keep what others have: an extra object, and an extra trigger on their view", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* starts(file, upTo(2, first))
      const trigger = "CREATE TRIGGER of_others INSTEAD OF DELETE ON items BEGIN SELECT 1; END"
      yield* independently(file, (connection) => connection.exec(`CREATE TABLE others (x, y); ${trigger};`))
      for (const migrations of [upTo(2, second), upTo(5, second)]) {
        const { integrity } = yield* starts(file, migrations)
        assert.deepStrictEqual(integrity.extra, ["table others", "trigger of_others"])
      }
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT sql FROM sqlite_schema WHERE name = 'of_others'"), [
        { sql: trigger }
      ])
    })
  )

  it.scoped("of two releases do not replace each other: a text that was replaced is an older program's", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* starts(file, upTo(2, first))
      yield* starts(file, upTo(2, second))
      const before = yield* contentAt(file)
      const error = yield* refused(file, upTo(2, first))
      assert.deepStrictEqual([error._tag, error.reason], ["HistoryError", "NewerDatabase"])
      assert.include(error.message, "R__items")
      assert.include(error.remedy, "compatible_from")
      assert.strictEqual((yield* refused(file, upTo(3, first))).reason, "NewerDatabase")
      assert.strictEqual(yield* contentAt(file), before)
      // A comment makes an earlier text a new one.
      const back = yield* starts(file, upTo(2, { ...first, "R__items.sql": `-- without the id\n${list}` }))
      assert.deepStrictEqual(back.repeated, ["R__items"])
    })
  )

  it.scoped("that are compatible let older programs run, which change nothing", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* starts(file, upTo(2, first))
      yield* starts(file, upTo(2, open))
      const before = yield* contentAt(file)
      for (const migrations of [upTo(2, first), upTo(2, {}), upTo(2, open)]) {
        const report = yield* starts(file, migrations)
        assert.deepStrictEqual([report.repeated, report.integrity.extra], [[], []])
      }
      assert.strictEqual(yield* contentAt(file), before)
    })
  )

  it.scoped("of a program with fewer numbered migrations are never made", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const more = { "003_more.sql": "-- database-ready: compatible_from = 2\nCREATE TABLE more (x, y);" }
      yield* starts(file, upTo(2, { ...more, ...open }))
      const before = yield* contentAt(file)
      assert.deepStrictEqual((yield* starts(file, upTo(2, { ...first }))).repeated, [])
      assert.strictEqual((yield* refused(file, upTo(2, { ...first, "R__new.sql": logged }))).reason, "NewerDatabase")
      assert.strictEqual(yield* contentAt(file), before)
    })
  )

  it.scoped("are missed when their file is gone; a file with a DROP alone removes what it made", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* starts(file, upTo(2, first))
      const { "R__logged.sql": _, ...fewer } = first
      assert.strictEqual((yield* refused(file, upTo(2, fewer))).reason, "NewerDatabase")
      const missing = yield* refused(file, upTo(3, fewer))
      assert.strictEqual(missing.reason, "Missing")
      assert.include(missing.message, "R__logged")
      yield* starts(file, upTo(2, { ...first, "R__logged.sql": "DROP TRIGGER IF EXISTS logged;" }))
      assert.deepStrictEqual(yield* objectNames(file, "trigger"), ["added"])
    })
  )

  it.scoped("that SQLite refuses change nothing", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* starts(file, upTo(2, first))
      const before = yield* pictureOf(file.replace(/app\.db$/, ""))
      const cases: ReadonlyArray<readonly [sql: string, reason: string, says: string]> = [
        ["CREATE VIEW v AS SELECT absent FROM orders;", "SchemaBroken", "no such column: absent"],
        ["CREATE TRIGGER t AFTER INSERT ON nowhere BEGIN SELECT 1; END;", "StatementFailed", "no such table"],
        ["CREATE VIEW orders AS SELECT 1;", "StatementFailed", "Drop it in a new numbered migration"],
        ["DROP VIEW v;", "StatementFailed", "IF EXISTS"],
        ["DROP VIEW items; CREATE VIEW items AS SELECT 1;", "NotAllowed", "it drops trigger added, view items"],
        ["CREATE VIEW IF NOT EXISTS items AS SELECT 1;", "NotAllowed", "IF NOT EXISTS"],
        ["CREATE VIEW temp.v AS SELECT 1;", "NotAllowed", "temp."],
        ["CREATE TEMP VIEW v AS SELECT 1;", "NotAllowed", "only views and triggers"],
        ["CREATE TABLE t (x);", "NotAllowed", "only views and triggers"],
        ["CREATE VIEW v AS SELECT 1; DELETE FROM orders;", "NotAllowed", "numbered migration"],
        ["-- nothing", "Incomplete", "nothing in it is run"],
        ["CREATE VIEW v AS SELECT '1;", "Incomplete", "never closed"]
      ]
      for (const [sql, reason, says] of cases) {
        // Its name is the last one.
        const error = yield* refused(file, upTo(2, { ...first, "R__z.sql": sql }))
        assert.deepStrictEqual([sql, error.reason], [sql, reason])
        assert.include(error.message, "R__z")
        assert.include(error.message, says)
      }
      assert.deepStrictEqual(yield* pictureOf(file.replace(/app\.db$/, "")), before)
    })
  )

  it.scoped("are not there between the transactions of an upgrade, and the next start makes them", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* starts(file, upTo(2, first))
      const failing = Migrations.all(upTo(4, second), Migrations.fromEffect("005_fails", Effect.fail("no")))
      const error = yield* refused(file, failing)
      assert.deepStrictEqual([error._tag, error.reason], ["UpgradeError", "EffectFailed"])
      assert.deepStrictEqual(yield* objectNames(file, "view"), [])
      // Older programs would miss them.
      assert.strictEqual((yield* refused(file, upTo(2, first))).reason, "NewerDatabase")
      const report = yield* starts(file, upTo(4, first))
      assert.deepStrictEqual(report.repeated, ["R__items", "R__logged", "R__with_added"])
      const fresh = yield* temporaryFile
      yield* starts(fresh, upTo(4, first))
      assert.strictEqual(yield* contentAt(file), yield* contentAt(fresh))
    })
  )

  it.scoped("are made again after an upgrade by a release that does not know them", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* starts(file, upTo(2, first))
      // What such a release leaves: a view that RENAME has rewritten, and a row without the column.
      yield* independently(file, (connection) =>
        connection.exec("ALTER TABLE schema_migrations RENAME COLUMN repeatables TO kept")
      )
      const old = yield* starts(file, upTo(3))
      assert.deepStrictEqual(old.integrity.extra, ["trigger added", "trigger logged", "view items"])
      yield* independently(file, (connection) =>
        connection.exec(
          "ALTER TABLE schema_migrations DROP COLUMN repeatables; ALTER TABLE schema_migrations RENAME COLUMN kept TO repeatables"
        )
      )
      const report = yield* starts(file, upTo(3, first))
      assert.deepStrictEqual(report.integrity.extra, [])
      const fresh = yield* temporaryFile
      yield* starts(fresh, upTo(3, first))
      assert.strictEqual(yield* contentAt(file), yield* contentAt(fresh))
    })
  )

  it.scoped("keep a running program from writing once they were changed under it", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const running = Effect.gen(function* () {
        const { write } = yield* DatabaseReady
        yield* write(Effect.void)
        yield* starts(file, upTo(2, second))
        return yield* refusal(write(Effect.void))
      })
      const error = yield* Effect.provide(running, starting(file, { migrations: upTo(2, first) }))
      assert.strictEqual(error.reason, "NewerDatabase")
    })
  )

  it.scoped("are refused where their files cannot be told apart or have nothing to stand on", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const cases: ReadonlyArray<readonly [migrations: Migrations.Migrations, reason: string, says: string]> = [
        [Migrations.all(upTo(1, first), Migrations.fromRecord(first)), "Duplicate", "another name"],
        [Migrations.fromRecord(first), "BadName", "001_name.sql"],
        [upTo(1, { "r__items.sql": list }), "BadName", "R__items.sql"],
        [upTo(1, { "R1__items.sql": list }), "BadName", "R__items.sql"],
        [
          upTo(1, { "R__items.sql": `-- database-ready: deletes = orders\n${list}` }),
          "BadDeclaration",
          "compatible_from"
        ]
      ]
      for (const [migrations, reason, says] of cases) {
        const error = yield* refused(file, migrations)
        assert.strictEqual(error.reason, reason)
        assert.include(error.message, says)
      }
    })
  )
})
