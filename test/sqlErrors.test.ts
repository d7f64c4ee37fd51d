/** What a failed statement says about the database, as the program asks for it. */
import { SqlClient } from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import { assert, describe, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Record from "effect/Record"
import {
  DatabaseReady,
  isBusy,
  isCheckViolation,
  isConstraint,
  isDamaged,
  isForeignKeyViolation,
  isFull,
  isIoError,
  isNotNullViolation,
  isReadOnly,
  isUniqueViolation,
  Migrations,
  WriteError
} from "../layers/index.ts"
import { rivalWriter } from "../layers/testing.ts"
import { refusal, start, starting, temporaryFile } from "./support/database.ts"

const questions = {
  isBusy,
  isCheckViolation,
  isConstraint,
  isDamaged,
  isForeignKeyViolation,
  isFull,
  isIoError,
  isNotNullViolation,
  isReadOnly,
  isUniqueViolation
}

/** The questions that are answered with yes. */
const yesTo = (error: unknown): ReadonlyArray<string> =>
  Object.keys(Record.filter(questions, (question) => question(error)))

const migrations = Migrations.fromRecord({
  "001_t.sql": `CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, age INTEGER CHECK (age > 0), parent INTEGER REFERENCES t(id));
CREATE TABLE numbers (n INTEGER) STRICT;
CREATE TRIGGER no_numbers BEFORE DELETE ON numbers BEGIN SELECT RAISE(ABORT, 'keep them'); END;
INSERT INTO t (id, name, age) VALUES (1, 'one', 1);
INSERT INTO numbers VALUES (1);`
})

/** A statement, and what its failure answers. */
const statements: ReadonlyArray<readonly [sql: string, yes: ReadonlyArray<string>]> = [
  ["INSERT INTO t (name) VALUES ('one')", ["isConstraint", "isUniqueViolation"]],
  ["INSERT INTO t (id, name) VALUES (1, 'two')", ["isConstraint", "isUniqueViolation"]],
  ["INSERT INTO t (name) VALUES (NULL)", ["isConstraint", "isNotNullViolation"]],
  ["INSERT INTO t (name, age) VALUES ('two', 0)", ["isCheckViolation", "isConstraint"]],
  ["INSERT INTO t (name, parent) VALUES ('two', 9)", ["isConstraint", "isForeignKeyViolation"]],
  ["INSERT INTO numbers VALUES ('a')", ["isConstraint"]],
  ["DELETE FROM numbers", ["isConstraint"]],
  ["SELECT * FROM nothing", []]
]

const code = (text: string) => new SqlError({ cause: Object.assign(new Error(text), { code: text }) })

class Outer extends Data.TaggedError("Outer")<{ readonly cause: unknown }> {}

describe("an error of SQL", () => {
  it.scoped("tells which constraint a statement broke, as a statement and as a write", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient
        const { write } = yield* DatabaseReady
        for (const [text, yes] of statements) {
          assert.deepStrictEqual(yesTo(yield* Effect.flip(sql.unsafe(text))), yes, text)
          assert.deepStrictEqual(yesTo(yield* Effect.flip(write(sql.unsafe(text)))), yes, text)
        }
      }).pipe(Effect.provide(starting(file, { migrations })))
    })
  )

  it.scoped("tells of a lock and of a connection that may only read, from this library's client and from another", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations })
      const insert = Effect.flatMap(SqlClient, (sql) => sql`INSERT INTO numbers VALUES (2)`)
      const inspecting = starting(file, { migrations, access: "inspect" })
      assert.deepStrictEqual(yesTo(yield* refusal(Effect.provide(insert, inspecting))), ["isReadOnly"])

      yield* rivalWriter(file)
      const patient = { migrations, pragmas: { busyTimeout: 0 }, lockPatience: 0 }
      const write = Effect.flatMap(DatabaseReady, (ready) => ready.write(insert))
      assert.deepStrictEqual(yesTo(yield* refusal(Effect.provide(insert, starting(file, patient)))), ["isBusy"])
      assert.deepStrictEqual(yesTo(yield* refusal(Effect.provide(write, starting(file, patient)))), ["isBusy"])
      const theirs = Layer.orDie(SqliteClient.layer({ filename: file, disableWAL: true }))
      const impatient = Effect.flatMap(SqlClient, (sql) => Effect.zipRight(sql`PRAGMA busy_timeout = 0`, insert))
      assert.deepStrictEqual(yesTo(yield* refusal(Effect.provide(impatient, theirs))), ["isBusy"])
    })
  )

  it("tells it by every extended code of SQLite", () => {
    const codes = {
      SQLITE_BUSY_SNAPSHOT: ["isBusy"],
      SQLITE_LOCKED_SHAREDCACHE: ["isBusy"],
      SQLITE_PROTOCOL: ["isBusy"],
      SQLITE_FULL: ["isFull"],
      SQLITE_READONLY_CANTLOCK: ["isReadOnly"],
      SQLITE_READONLY_DBMOVED: [],
      SQLITE_AUTH: ["isReadOnly"],
      SQLITE_CORRUPT_INDEX: ["isDamaged"],
      SQLITE_NOTADB: ["isDamaged"],
      SQLITE_IOERR_WRITE: ["isIoError"],
      SQLITE_IOERR_NOMEM: [],
      SQLITE_CONSTRAINT: ["isConstraint"],
      SQLITE_CONSTRAINT_ROWID: ["isConstraint", "isUniqueViolation"],
      SQLITE_ERROR: []
    }
    assert.deepStrictEqual(
      Record.map(codes, (_, name) => yesTo(code(name))),
      codes
    )
  })

  it("is found behind the errors that a program wraps around it, and nowhere else", () => {
    assert.deepStrictEqual(yesTo(new Outer({ cause: new Outer({ cause: code("SQLITE_BUSY") }) })), ["isBusy"])
    for (const other of [undefined, null, "SQLITE_BUSY", new Error("SQLITE_BUSY"), { code: 5 }]) {
      assert.deepStrictEqual(yesTo(other), [])
    }
  })

  it("is what its WriteError says where SQLite's code says less", () => {
    const facts = { sentence: "", remedy: "", retryable: false, database: "a.db" }
    const cause = code("SQLITE_IOERR_WRITE")
    const full = new WriteError({ ...facts, cause, reason: "DiskFull", code: "SQLITE_IOERR_WRITE" })
    assert.deepStrictEqual(yesTo(full), ["isFull"])
    assert.deepStrictEqual(yesTo(new WriteError({ ...facts, cause, reason: "Refused", code: "SQLITE_ERROR" })), [
      "isIoError"
    ])
  })
})
