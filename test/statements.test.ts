/** Which statements of a migration are refused before anything is written, and what is run as written. */

import { existsSync } from "node:fs"
import { dirname } from "node:path"
import * as Migrator from "@effect/sql/Migrator"
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { Migrations } from "../layers/index.ts"
import { type Declaration, plain } from "../layers/schema/Declaration.ts"
import { templateOf } from "../layers/schema/NewMigration.ts"
import { statementsOf } from "../layers/schema/SqlScript.ts"
import { obstacleIn } from "../layers/schema/StatementRules.ts"
import { notesFiles, onlyFirst, pictureOf, refusal, rowsOf, start, temporaryFile } from "./support/database.ts"

const obstacle = (text: string, declared: Partial<Declaration> = {}) =>
  obstacleIn({ id: 7, text, declared: { ...plain, ...declared }, statements: statementsOf(text) })

const told = (text: string) => {
  const found = obstacle(text)
  return found === undefined
    ? "none"
    : `${found.reason} in line ${found.statement.line}: ${found.detail}. ${found.remedy}`
}

describe("a setting that a migration cannot change", () => {
  const connection = new Sqlite(":memory:")
  const named = (sql: string) => connection.prepare(sql).pluck().all().map(String)
  const pragmas = named("SELECT name FROM pragma_pragma_list")
  const refused = new Set([
    ...["auto_vacuum", "data_store_directory", "default_cache_size", "encoding", "foreign_keys", "hard_heap_limit"],
    ...["journal_mode", "legacy_file_format", "page_size", "soft_heap_limit", "synchronous", "temp_store"],
    ...["temp_store_directory", "user_version", "wal_checkpoint"]
  ])

  it("is refused in every way that it can be written, and no other pragma of SQLite is", () => {
    assert.isAbove(pragmas.length, 50)
    for (const pragma of pragmas) {
      for (const sql of [
        `PRAGMA ${pragma} = 4711`,
        `pragma main.${pragma.toUpperCase()}(4711)`,
        `PRAGMA /* quietly */ "${pragma}" -- so\n = '4711'`,
        `EXPLAIN PRAGMA ${pragma} = 4711`
      ]) {
        assert.strictEqual(
          obstacle(`CREATE TABLE a (x);\n${sql};`)?.reason,
          refused.has(pragma) ? "NotAllowed" : undefined,
          sql
        )
      }
      if (pragma !== "wal_checkpoint") assert.isUndefined(obstacle(`PRAGMA ${pragma};`), `${pragma} is only read`)
    }
  })

  it("has its option named, if there is one", () => {
    for (const [sql, words] of [
      ["PRAGMA page_size = 8192", "newFile: { pageSize: 8192 }"],
      ["PRAGMA auto_vacuum(full)", "newFile: { autoVacuum"],
      ["PRAGMA encoding = 'UTF-16'", "newFile: { encoding"],
      ["PRAGMA journal_mode = WAL", "pragmas: { journalMode"],
      ["PRAGMA synchronous = OFF", "pragmas: { synchronous"],
      ["PRAGMA temp_store = 2", "pragmas: { tempStore"],
      ["PRAGMA wal_checkpoint", "SQLite checkpoints by itself"],
      ["PRAGMA user_version = 3", "Keep a number of your own in a table"],
      ["PRAGMA foreign_key = off", "SQLite has no PRAGMA foreign_key, and would ignore it"],
      ["PRAGMA key = 'x'", "does not encrypt"]
    ] as const) {
      assert.include(told(sql), words)
    }
  })

  it("is skipped if that is declared, unless SQLite fails on it or only the library may write it", () => {
    const never = new Set(["foreign_keys", "journal_mode", "synchronous", "user_version", "wal_checkpoint"])
    const wayOut = "write `-- database-ready: settings = ignored` above the first one"
    for (const pragma of pragmas) {
      const found = obstacle(`PRAGMA ${pragma} = 4711;`, { settings: "ignored" })
      assert.strictEqual(found?.reason, never.has(pragma) ? "NotAllowed" : undefined, pragma)
      const remedy = obstacle(`PRAGMA ${pragma} = 4711;`)?.remedy ?? ""
      assert.strictEqual(remedy.includes(wayOut), refused.has(pragma) && !never.has(pragma), pragma)
    }
    for (const sql of ["BEGIN", "COMMIT", "ROLLBACK", "ATTACH 'x' AS y", "DETACH y", "VACUUM", "END"]) {
      assert.strictEqual(obstacle(sql, { settings: "ignored" })?.reason, "NotAllowed", sql)
      assert.notInclude(told(sql), wayOut)
    }
    for (const sql of ["PRAGMA key = 'x'", "PRAGMA foreign_key = off", "EXPLAIN PRAGMA page_size(512)"]) {
      assert.include(told(sql), wayOut)
      assert.isUndefined(obstacle(sql, { settings: "ignored" }), sql)
    }
  })

  it("does not include the migration's own number in user_version", () => {
    assert.strictEqual(told("PRAGMA user_version = 7"), "none")
  })

  it("is said to hold already if foreign keys are switched on, and to need a declaration if switched off", () => {
    const table = "CREATE TABLE a (x);\n"
    for (const on of ["ON", "1", "true", "yes", "'on'", "2"]) {
      const said = told(`${table}PRAGMA foreign_keys = ${on};`)
      assert.include(said, "foreign keys are on already")
      assert.include(said, "Remove line 2.")
      assert.notInclude(said, "declare")
    }
    for (const off of ["OFF", "0", "false", "no"]) {
      assert.include(
        told(`${table}PRAGMA foreign_keys(${off});`),
        "Remove line 2, and write `-- database-ready: foreign_keys = off`"
      )
    }
    const pair = `PRAGMA foreign_keys=OFF;\n${table}PRAGMA foreign_keys=ON;`
    assert.include(told(pair), "Remove lines 1 and 3, and write `-- database-ready: foreign_keys = off`")
    const declared = obstacle(`-- database-ready: foreign_keys = off\n${pair}`, { foreignKeys: "off" })
    assert.include(declared?.detail, "the file declares it already")
    assert.strictEqual(declared?.remedy, "Remove lines 2 and 4.")
  })
})

describe("an incomplete text", () => {
  for (const [what, text, words] of [
    [
      "a comment",
      "CREATE TABLE a (x);\n/* and so on\nCREATE TABLE b (x);",
      "in line 2: the comment that begins here is never closed"
    ],
    ["a comment that only seems to be closed", "SELECT 1; /*/", "the comment that begins here is never closed"],
    [
      "a string",
      "CREATE TABLE a (x);\nINSERT INTO a VALUES ('it''s);\n",
      "in line 2: the string that begins here is never closed"
    ],
    ["a string with a doubled quote at its end", "SELECT 'x''", "the string that begins here"],
    ["a quoted name", 'CREATE TABLE "a (x);', "the name that begins here is never closed"],
    ["a name in brackets", "CREATE TABLE [a (x);", "Close it with `]`"],
    ["a name in backticks", "CREATE TABLE `a (x);", "the name that begins here is never closed"],
    ["an empty file", "", "nothing in it is run"],
    [
      "blanks, semicolons, marks, declarations and a byte order mark",
      "\uFEFF -- +goose Up\n;;\n/* *** */ -- migrate:up\n--> statement-breakpoint\n-- database-ready: compatible_from = 1\n",
      "nothing in it is run"
    ],
    ...[
      templateOf("007_add_owner"),
      "-- Your SQL goes here\n",
      "-- Add migration script here\n",
      "-- Custom SQL migration file, put your code below! --\n",
      "-- +goose Up\n-- SQL in this section is executed when the migration is applied.\n"
    ].map(
      (template) => [`a template, ${template.slice(0, 20)}`, template, "nothing is written into the template"] as const
    ),
    [
      "a breakpoint without a semicolon",
      "CREATE TABLE a (x)\n--> statement-breakpoint\nCREATE TABLE b (x);",
      "in line 2: there is no semicolon before it"
    ],
    [
      "Migratus' separator without one",
      "CREATE TABLE a (x)\n--;;\nCREATE TABLE b (x)",
      "End the statement of line 1 with `;`."
    ],
    [
      "bun's separator without one",
      "CREATE TABLE a (x)\n--bun:split\nCREATE TABLE b (x)",
      "in line 2: there is no semicolon"
    ],
    [
      "a trigger without its end",
      "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1;\nCREATE TABLE b (x);",
      "in line 1: the trigger never ends"
    ],
    [
      "a trigger whose last statement lacks its semicolon",
      "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1 END;",
      "the trigger never ends"
    ],
    [
      "a trigger whose END lacks its semicolon",
      "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END\nCREATE TABLE b (x);",
      "no semicolon after the END"
    ]
  ] as const) {
    it(`is told what is missing, and where: ${what}`, () => {
      assert.include(told(text), "Incomplete")
      assert.include(told(text), words)
    })
  }

  it.scoped("is refused with the database as it was", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const before = yield* pictureOf(dirname(file))
      for (const text of ["CREATE TABLE a (x); /* open", ""]) {
        const migrations = Migrations.all(onlyFirst, Migrations.fromRecord({ "002_x.sql": text }))
        assert.deepInclude(yield* refusal(start(file, { migrations })), {
          _tag: "UpgradeError",
          reason: "Incomplete",
          migration: "002_x"
        })
      }
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )
})

describe("a text that is only a comment", () => {
  const comment = "-- Integers have 64 bits in SQLite: nothing to do\n"
  const withComment = (text: string) => Migrations.all(onlyFirst, Migrations.fromRecord({ "002_wider.sql": text }))

  it.scoped("is applied and recorded like any other, on a new database and on an old one", () =>
    Effect.gen(function* () {
      for (const before of [undefined, onlyFirst]) {
        const file = yield* temporaryFile
        if (before !== undefined) yield* start(file, { migrations: before })
        const { applied, schemaVersion } = yield* start(file, { migrations: withComment(comment) })
        assert.strictEqual(schemaVersion, "002")
        assert.strictEqual(applied.at(-1)?.name, "wider")
        assert.deepStrictEqual((yield* start(file, { migrations: withComment(comment) })).applied, [])
        assert.deepStrictEqual(yield* rowsOf(file, "SELECT version, status FROM schema_migrations ORDER BY version"), [
          { version: "001", status: "completed" },
          { version: "002", status: "completed" }
        ])
      }
    })
  )

  it.scoped("may say it in other words later, and is edited once it has a statement", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: withComment(comment) })
      yield* start(file, { migrations: withComment("/* Integers have 64 bits in SQLite. */") })
      const refused = yield* refusal(start(file, { migrations: withComment(`${comment}CREATE TABLE t (x);`) }))
      assert.deepInclude(refused, { _tag: "HistoryError", reason: "Edited" })
    })
  )
})

describe("a text for another program", () => {
  for (const [what, text, words] of [
    ["GO", "CREATE TABLE a (x)\nGO\nCREATE TABLE b (x)\nGO", "in line 2: GO is a command"],
    ["DELIMITER", "DELIMITER //\nCREATE TABLE a (x);", "DELIMITER is a command of the mysql client"],
    [
      "a command of the shell",
      "CREATE TABLE a (x);\n.read other.sql",
      "in line 2: it is a command of the sqlite3 shell"
    ],
    ["a command of psql", "\\i other.sql\n", "it is a command of psql"],
    [
      "a merge that was not finished",
      "CREATE TABLE a (\n<<<<<<< HEAD\n  x\n=======\n  y\n>>>>>>> theirs\n);",
      "in line 2: it is a mark of a merge"
    ],
    ["a placeholder", "CREATE TABLE $" + "{schema}_a (x);", "is a placeholder that nobody fills in"],
    ["a parameter", "INSERT INTO a VALUES (:name)", ":name is a placeholder that nobody fills in"],
    ["a comment of MySQL's", "# about\nCREATE TABLE a (x);", "SQLite has no comments with #"]
  ] as const) {
    it(`is told which program it is for: ${what}`, () => {
      assert.include(told(text), "NotSql")
      assert.include(told(text), words)
    })
  }
})

describe("what SQLite runs", () => {
  const statement = FastCheck.constantFrom(
    "CREATE TABLE IF NOT EXISTS t (x, \"y?\" DEFAULT '$name {{x}} :z')",
    "INSERT INTO t (x) VALUES ('/* -- \n--> statement-breakpoint\n <<<<<<< \nGO\n')",
    "INSERT INTO t (x) VALUES (json_extract('{\"a\":[1]}', '$.a[0]') -> '$')",
    "CREATE TRIGGER IF NOT EXISTS r AFTER INSERT ON t BEGIN SELECT CASE WHEN 1 THEN 2 END; UPDATE t SET x = x; END",
    "UPDATE t SET x = 'DELIMITER' -- ? :a @b $c #d\n WHERE x = 1",
    'SELECT 1 AS [go], x AS "?"\n, 2 AS go FROM t',
    "PRAGMA cache_size = 100",
    "PRAGMA table_info(t)",
    "INSERT INTO t (x) VALUES (char(0)), (x'3b')",
    "DELETE FROM t WHERE x = ';' /* ; */"
  )
  const gap = FastCheck.constantFrom(
    ";",
    ";\n",
    ";\n--> statement-breakpoint\n",
    ";;\n-- up to here\n",
    ";/* a ' b */\n"
  )

  it("is split exactly as SQLite runs it, and nothing of it is refused", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(FastCheck.tuple(statement, gap), { minLength: 1, maxLength: 12 }), (parts) => {
        const script = ["CREATE TABLE t (x, y);", ...parts.map(([text, after]) => text + after)].join("")
        assert.strictEqual(told(script), "none")
        assert.deepStrictEqual(byStatement(script), byItself(script))
      }),
      { numRuns: 1000 }
    )
  })

  it("has the same effect in accepted statements as in the whole text, or fails at the same place", () => {
    const piece = FastCheck.constantFrom(
      ...[
        "'",
        '"',
        "`",
        "[",
        "]",
        "/*",
        "*/",
        "--",
        "\n",
        ";",
        "; ",
        " ",
        "x",
        "END",
        "END;",
        "BEGIN",
        "CASE WHEN 1 THEN 2 END"
      ],
      ...["CREATE TRIGGER r AFTER INSERT ON t", "INSERT INTO t VALUES (1, 2)", "INSERT INTO t VALUES ('a", "');"],
      ...[
        "SELECT 1",
        "DELETE FROM t",
        "CREATE TABLE u (x)",
        "--> statement-breakpoint\n",
        "EXPLAIN",
        "CREATE TEMP TABLE v (x)"
      ]
    )
    FastCheck.assert(
      FastCheck.property(FastCheck.array(piece, { maxLength: 14 }), (pieces) => {
        const script = `CREATE TABLE t (x, y);\n${pieces.join("")}`
        if (obstacle(script) !== undefined) return
        assert.deepStrictEqual(byStatement(script), byItself(script), script)
      }),
      { numRuns: 5000 }
    )
  })

  const stateOf = (connection: Sqlite.Database) => [
    connection
      .prepare("SELECT type, name, sql FROM sqlite_schema UNION ALL SELECT type, name, sql FROM temp.sqlite_schema")
      .all(),
    connection.prepare("SELECT * FROM t").all()
  ]

  /** Each statement through the driver, until one fails. */
  const byStatement = (script: string) => {
    const connection = new Sqlite(":memory:")
    let failed = false
    for (const { text } of statementsOf(script)) {
      try {
        const prepared = connection.prepare(text)
        if (prepared.reader) prepared.all()
        else prepared.run()
      } catch {
        failed = true
        break
      }
    }
    return [failed, stateOf(connection)]
  }

  const byItself = (script: string) => {
    const connection = new Sqlite(":memory:")
    let failed = false
    try {
      connection.exec(script)
    } catch {
      failed = true
    }
    return [failed, stateOf(connection)]
  }
})

class Unreachable extends Data.TaggedError("Unreachable")<{ readonly host: string }> {}

describe("an Effect that fails", () => {
  const failing = Effect.fnUntraced(function* (effect: Effect.Effect<unknown, unknown>) {
    const file = yield* temporaryFile
    const loader = Migrator.fromRecord({ "001_merge": Effect.asVoid(effect) })
    const error = yield* refusal(start(file, { migrations: Migrations.fromLoader(loader) }))
    assert.deepInclude(error, { _tag: "UpgradeError", reason: "EffectFailed" })
    return error
  })

  const net = new Error("net down")
  for (const [what, effect, detail] of [
    ["a promise", Effect.tryPromise(() => Promise.reject(net)), "net down"],
    ["a promise that rejects with no error", Effect.tryPromise(() => Promise.reject("gone")), "gone"],
    ["an error with a cause", Effect.die(new Error("could not merge", { cause: net })), "could not merge: net down"],
    ["causes of causes", Effect.die(new Error("a", { cause: new Error("b", { cause: net }) })), "a: b: net down"],
    ["a defect", Effect.die(net), "net down"],
    ["a tagged error without a sentence", Effect.fail(new Unreachable({ host: "db" })), "Unreachable (host: db)"],
    ["a text", Effect.fail("no reason"), "no reason"],
    ["several at once", Effect.all([Effect.fail(net), Effect.die(new Error("boom"))], { concurrency: 2 }), "net down"],
    ["several in one", Effect.fail(new AggregateError([net, new Error("boom")], "both")), "both: net down: boom"]
  ] as const) {
    it.scoped(`says why, whatever was around it: ${what}`, () =>
      Effect.gen(function* () {
        const error = yield* failing(effect)
        assert.include(error.message, `(${detail}`)
        assert.include(Cause.pretty(Cause.fail(error), { renderErrorCause: true }), detail.replace(/^.*: (?!db)/, ""))
      })
    )
  }

  it.scoped("keeps the failure, and its place", () =>
    Effect.gen(function* () {
      const error = yield* failing(Effect.fail(net))
      assert.propertyVal(error.cause, "message", "net down")
      assert.include(Cause.pretty(Cause.fail(error), { renderErrorCause: true }), "statements.test.ts")
    })
  )

  it.scoped("or dies in its loader is a value with its cause too", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      for (const loader of [
        Effect.die(net),
        Effect.sync((): never => {
          throw new Error("not there", { cause: net })
        })
      ]) {
        const error = yield* refusal(start(file, { migrations: Migrations.fromLoader(loader) }))
        assert.deepInclude(error, { _tag: "MigrationSourceError", reason: "NotLoaded" })
        assert.include(error.message, "net down")
        assert.isDefined(error.cause)
      }
      assert.isFalse(existsSync(file))
    })
  )
})

describe("`status`", () => {
  it.scoped("says what a start would refuse in a pending migration, and changes nothing", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const before = yield* pictureOf(dirname(file))
      for (const [text, reason] of [
        ["VACUUM;", "NotAllowed"],
        ["PRAGMA auto_vacuum = 1;", "NotAllowed"],
        ["-- Your SQL goes here", "Incomplete"],
        ["INSERT INTO notes VALUES (1, ?);", "NotSql"],
        ["CREATE TABLE a (x);", "Pending"]
      ] as const) {
        const migrations = Migrations.fromRecord({
          "001_create_notes.sql": notesFiles["001_create_notes.sql"],
          "002_next.sql": text
        })
        const inspected = yield* refusal(start(file, { migrations, access: "inspect" }))
        assert.deepInclude(inspected, { _tag: "UpgradeError", reason, migration: "002_next" })
        assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
        if (reason === "Pending") continue
        const started = yield* refusal(start(file, { migrations }))
        assert.strictEqual(inspected.message, started.message)
      }
    })
  )
})
