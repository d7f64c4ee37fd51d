import { randomBytes } from "node:crypto"
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Migrations, UpgradeError } from "../layers/index.ts"
import { adopt } from "../layers/operate.ts"
import { independently, pictureOf, platform, refusal, rowsOf, start, temporaryFile } from "./support/database.ts"

const before =
  "CREATE TABLE parents (id INTEGER PRIMARY KEY); CREATE TABLE children (parent REFERENCES parents, word TEXT); INSERT INTO parents VALUES (1); INSERT INTO children VALUES (1, NULL), (1, NULL);"

describe("the remedy of a statement that fails", () => {
  const cases: ReadonlyArray<readonly [what: string, sql: string, remedy: RegExp]> = [
    ["a parent that is dropped", "DROP TABLE parents;", /foreign_keys = off/],
    ["a row without its parent", "INSERT INTO children VALUES (7, 'x');", /Insert the rows that are referred to/],
    [
      "rows that are not unique",
      "CREATE UNIQUE INDEX one ON children(parent);",
      /Change or delete the rows that break this constraint/
    ],
    ["a column that needs a value", "ALTER TABLE children ADD COLUMN more NOT NULL;", /DEFAULT/],
    [
      "an unknown module",
      "CREATE VIRTUAL TABLE v USING vec0(a);",
      /no module vec0 of its own.*`onOpen`.*correct the name/
    ],
    [
      "an unknown tokenizer",
      "CREATE VIRTUAL TABLE f USING fts5(a, tokenize = 'nope');",
      /no tokenizer nope of its own.*`onOpen`/
    ],
    ["an unknown function", "UPDATE children SET word = nofn(word);", /no function nofn of its own.*`onOpen`/],
    ["a table that is not there", "INSERT INTO nowhere VALUES (1);", /Check the name, and whether an earlier/],
    ["anything else", "CREATE TABEL x (a);", /^Fix the statement/]
  ]
  for (const [what, sql, remedy] of cases) {
    it.scoped(`fits ${what}`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        const migrations = Migrations.fromRecord({ "001_before.sql": before, "002_then.sql": sql })
        const error = yield* refusal(start(file, { migrations }))
        assert.strictEqual(error.reason, "StatementFailed")
        assert.match(error.remedy, remedy)
      })
    )
  }

  for (const [ledger, tool] of [
    ["_prisma_migrations", "Prisma"],
    ["__drizzle_migrations", "Drizzle"],
    ["SequelizeMeta", "Sequelize"]
  ]) {
    it.scoped(`says that the tables belong to ${tool}, and how to take them over`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        mkdirSync(dirname(file))
        yield* independently(file, (connection) =>
          connection.exec(`CREATE TABLE ${ledger} (id); CREATE TABLE users (id)`)
        )
        const migrations = Migrations.fromRecord({ "001_users.sql": "CREATE TABLE users (id);" })
        const { remedy } = yield* refusal(start(file, { migrations }))
        assert.include(remedy, `belongs to ${tool} (${ledger})`)
        assert.include(remedy, "take it over")
        // By hand, as an earlier system of the same shape left it.
        yield* independently(file, (connection) =>
          connection.exec(`CREATE TABLE schema_migrations (migration_id INTEGER PRIMARY KEY, version TEXT, description TEXT, applied_at TEXT, status TEXT, execution_time_ms INTEGER);
INSERT INTO schema_migrations (version, description, status) VALUES ('001', 'users', 'completed')`)
        )
        const pending = yield* refusal(start(file, { migrations, access: "inspect" }))
        assert.include(
          pending.sentence,
          "The database has not been taken over yet (applied by an earlier system: 001_users)"
        )
        assert.strictEqual((yield* start(file, { migrations })).schemaVersion, "001")
      })
    )
  }
})

describe("a file that is not a database", () => {
  const files: ReadonlyArray<readonly [looks: string, bytes: Buffer]> = [
    ["gzip data", gzipSync(randomBytes(3000))],
    ["zstd data", Buffer.concat([Buffer.from("28b52ffd", "hex"), randomBytes(3000)])],
    ["a Git LFS pointer", Buffer.from("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")],
    ["an HTML or XML page", Buffer.from(`<!DOCTYPE html><html>${"x".repeat(2000)}`)],
    ["JSON", Buffer.from(`{"a": ${"1".repeat(2000)}}`)],
    ["a dump in SQL", Buffer.from(`PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n${"-- x\n".repeat(500)}`)],
    ["an encrypted database", randomBytes(8192)]
  ]
  for (const [looks, bytes] of files) {
    it.scoped(`is said to look like ${looks}, and is not touched`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        mkdirSync(dirname(file))
        writeFileSync(file, bytes)
        const picture = yield* pictureOf(dirname(file))
        const error = yield* refusal(start(file))
        assert.strictEqual(error.reason, "NotADatabase")
        assert.include(error.sentence, `it looks like ${looks}`)
        assert.notStrictEqual(
          error.remedy,
          "Move that file away. Or choose another path. Nothing in the file was changed."
        )
        assert.deepStrictEqual(yield* pictureOf(dirname(file)), picture)
      })
    )
  }
})

describe("a table schema_migrations of another tool", () => {
  for (const [tool, ledger, row] of [
    ["dbmate's or Rails' shape", "CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY)", "VALUES ('1')"],
    [
      "golang-migrate's shape",
      "CREATE TABLE schema_migrations (version uint64, dirty bool); CREATE UNIQUE INDEX version_unique ON schema_migrations (version)",
      "VALUES (1, 0)"
    ],
    [
      "Ecto's shape",
      "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, inserted_at TEXT)",
      "VALUES (1, NULL)"
    ]
  ] as const) {
    it.scoped(`in ${tool} is taken over by the command that the remedy names`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        mkdirSync(dirname(file))
        const schema = "CREATE TABLE users (id INTEGER PRIMARY KEY);"
        yield* independently(file, (connection) =>
          connection.exec(`${ledger}; ${schema} INSERT INTO users VALUES (7); INSERT INTO schema_migrations ${row}`)
        )
        const migrations = Migrations.fromRecord({
          "001_users.sql": schema,
          "002_more.sql": "CREATE TABLE more (x);"
        })
        const error = yield* refusal(start(file, { migrations }))
        assert.deepInclude(error, { _tag: "HistoryError", reason: "ForeignHistory" })
        assert.include(error.message, tool)
        assert.include(error.remedy, "run `database-ready adopt")
        yield* Effect.provide(adopt({ filename: file, migrations }), platform)
        const { applied } = yield* start(file, { migrations })
        assert.deepStrictEqual(
          applied.map(({ version }) => version),
          ["002"]
        )
        assert.deepStrictEqual(yield* rowsOf(file, "SELECT id FROM users"), [{ id: 7 }])
        assert.deepStrictEqual((yield* start(file, { migrations })).applied, [])
      })
    )
  }
})

describe("a code of SQLite for a file that it cannot open or write", () => {
  it("has a remedy of its own, whatever was asked when it came", () => {
    const codes = [
      "READONLY_DBMOVED",
      "READONLY_ROLLBACK",
      "READONLY_RECOVERY",
      "READONLY_CANTLOCK",
      "READONLY_CANTINIT",
      "READONLY_DIRECTORY",
      "CANTOPEN",
      "CANTOPEN_ISDIR",
      "CANTOPEN_FULLPATH",
      "CANTOPEN_CONVPATH",
      "CANTOPEN_SYMLINK"
    ]
    for (const code of codes) {
      const error = new UpgradeError({
        reason: "StatementFailed",
        migration: "002_then",
        statement: "DROP TABLE parents",
        line: 1,
        losses: [],
        detail: "SQLite said so",
        code: `SQLITE_${code}`,
        retryable: false
      })
      assert.notMatch(error.remedy, /^Fix the statement/, code)
      assert.match(error.remedy, /\b(file|directory|wal|link)\b/, code)
    }
  })
})
