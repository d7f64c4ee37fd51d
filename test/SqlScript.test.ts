import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as FastCheck from "effect/FastCheck"
import { isBlank, openingWords, statementsOf, structureOf, tokensOf } from "../layers/schema/SqlScript.ts"
import { migrationsDirectory } from "./support/database.ts"

/** Statements that make splitting hard: semicolons that end nothing. */
const statement = FastCheck.constantFrom(
  "SELECT 1",
  "SELECT ';', 'it''s; END;'",
  'SELECT 1 AS "a;b", 2 AS [c;d], 3 AS `e;f`',
  "SELECT /* ; not here */ 2",
  "SELECT 3 -- nor here ;\n + 4",
  "CREATE TABLE t (x CHECK (x <> ';'))",
  "CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT CASE WHEN 1 THEN 2 END; SELECT 'x; END;'; END",
  "CREATE TEMP TRIGGER b AFTER INSERT ON t BEGIN\n  UPDATE t SET x = 1; /* ; END; */ DELETE FROM t;\nEND",
  "create temporary trigger c after insert on t begin select 1; end",
  "EXPLAIN QUERY PLAN SELECT 1",
  "CREATE TABLE trigger_log (begin_at, end_at)",
  "INSERT INTO t VALUES (x'3b', ';;')"
)
const gap = FastCheck.constantFrom(";", ";\n", " ; ", ";;\n", ";\n-- a comment; with a semicolon\n", ";/* and; one */")

describe("splitting a script", () => {
  it("returns the statements that were joined, whatever is between them", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(FastCheck.tuple(statement, gap)), (parts) => {
        const script = parts.map(([text, after]) => text + after).join("")
        assert.deepStrictEqual(
          statementsOf(script).map(({ text }) => text),
          parts.map(([text]) => text)
        )
      }),
      { numRuns: 2000 }
    )
  })

  it("numbers each statement by the line on which it begins", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(FastCheck.tuple(statement, gap)), (parts) => {
        const script = parts.map(([text, after]) => text + after).join("")
        const lines = script.split("\n")
        for (const { line, text } of statementsOf(script)) {
          assert.include(lines[line - 1], text.split("\n", 1)[0])
        }
      })
    )
  })

  it("loses nothing of any text: what is not in a statement is white space, a comment or a semicolon", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.string({ unit: FastCheck.constantFrom(..."a;'\"`[]-/*\n (x"), maxLength: 40 }),
        (script) => {
          const tokens = (structure: string) => structure.split(" ").filter((token) => token !== ";" && token !== "")
          assert.deepStrictEqual(
            statementsOf(script).flatMap(({ text }) => tokens(structureOf(text))),
            tokens(structureOf(script))
          )
        }
      ),
      { numRuns: 5000 }
    )
  })

  it("ends each statement with what it says, and a trigger with the word END alone", () => {
    const piece = FastCheck.constantFrom(
      ..."a b;'\"`[]-/*\n(x\u00a0\ufeff",
      "CREATE TRIGGER ",
      "--",
      "/*",
      "*/",
      "''",
      "; ",
      "END",
      " 1"
    )
    FastCheck.assert(
      FastCheck.property(FastCheck.string({ unit: piece, maxLength: 40 }), (script) => {
        for (const { text } of statementsOf(script)) {
          const tokens = [...tokensOf(text)]
          assert.isFalse(
            [tokens.at(0), tokens.at(-1)].some((token) => token === undefined || isBlank(token)),
            text
          )
        }
      }),
      { numRuns: 5000 }
    )
    const trigger = "CREATE /* one */ TEMP\n TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; "
    for (const notEnd of ["END\ufeff", "END\u00a0", "ENDS", "END x", "END-1", "END()"]) {
      assert.strictEqual(statementsOf(`${trigger}${notEnd}; SELECT 2; END; SELECT 3`).length, 2, notEnd)
    }
    for (const end of ["END", "end ", "END \ufeff", "END -- it is\n"]) {
      assert.strictEqual(statementsOf(`${trigger}${end}; SELECT 2; SELECT 3`).length, 3, end)
    }
    for (const other of [
      "CREATE TRIGGERS a",
      "CREATE\ufeffTRIGGER a",
      "CREATE TEMP. TRIGGER a",
      "CREATE 'x' TRIGGER a"
    ]) {
      assert.strictEqual(statementsOf(`${other} BEGIN SELECT 1; END; SELECT 2`).length, 3, other)
    }
  })

  it("reads tens of megabytes in one literal, one comment and one list of numbers", () => {
    for (const long of [`'${"x".repeat(3e7)}'`, `/*${"x".repeat(3e7)}*/ 1`, "1, ".repeat(1e7)]) {
      assert.strictEqual(statementsOf(`SELECT ${long};SELECT 2`).length, 2)
    }
  })

  it("agrees with SQLite on every statement of the real migration: each is one, and complete", () => {
    const database = new Sqlite(":memory:")
    const statements = statementsOf(
      readFileSync(join(migrationsDirectory, "001_create_conversation_files.sql"), "utf8")
    )
    // The driver refuses a text with more than one statement, and SQLite an incomplete one.
    for (const { text } of statements) database.prepare(text).run()
    assert.strictEqual(statements.length, 5 + 8 + 3 + 3)
  })

  it("finds no statement in a script of white space and comments", () => {
    assert.deepStrictEqual(statementsOf("\uFEFF  -- nothing\n/* here */ ;; \n"), [])
  })

  it("accepts a last statement without a semicolon, and one whose quote never closes", () => {
    assert.deepStrictEqual(statementsOf("SELECT 1;\nSELECT 2"), [
      { text: "SELECT 1", line: 1 },
      { text: "SELECT 2", line: 2 }
    ])
    assert.deepStrictEqual(statementsOf("SELECT 'a; SELECT 2;"), [{ text: "SELECT 'a; SELECT 2;", line: 1 }])
  })
})

describe("the words a statement begins with", () => {
  it("are found after comments, in capitals", () => {
    assert.deepStrictEqual(openingWords("/* x */ pragma -- y\n foreign_keys = off", 2), ["PRAGMA", "FOREIGN_KEYS"])
  })
})

describe("the structure of a definition", () => {
  it("does not depend on white space, comments, capitals and unnecessary quotes", () => {
    assert.strictEqual(
      structureOf('CREATE TABLE "Notes"(\n  id integer primary key, -- the key\n  [body] text)'),
      structureOf("create table notes (ID INTEGER PRIMARY KEY, body /* what it says */ TEXT)")
    )
  })

  it("depends on case and spaces of a string, on names that need quotes, and on every word", () => {
    const different = [
      "CREATE TABLE t (x DEFAULT 'a')",
      "CREATE TABLE t (x DEFAULT 'A')",
      "CREATE TABLE t (x DEFAULT ' a')",
      "CREATE TABLE t (\"x y\" DEFAULT 'a')",
      "CREATE TABLE t (x NOT NULL DEFAULT 'a')",
      'CREATE TABLE t (x DEFAULT "Upload")',
      'CREATE TABLE t (x DEFAULT "upload")',
      "CREATE TABLE t (x DEFAULT upload)",
      "CREATE TABLE t (x DEFAULT 1)",
      "CREATE TABLE t (x DEFAULT 10)"
    ]
    assert.strictEqual(new Set(different.map(structureOf)).size, different.length)
  })
})
