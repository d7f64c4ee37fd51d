/** What holds for every text, name and schema. The mutation tests leave this file out: it is random. */
import Sqlite from "better-sqlite3"
import * as FastCheck from "effect/FastCheck"
import { assert, describe, it } from "vitest"
import { schemaFacts } from "../../layers/operate/schemaFacts.ts"
import { checksumOf, mayHaveBeen } from "../../layers/schema/Checksum.ts"
import { convertText, declaring } from "../../layers/schema/ConvertedText.ts"
import { type Declaration, declarationOf, declarationText } from "../../layers/schema/Declaration.ts"
import { compareNumbers } from "../../layers/schema/ForeignNumbers.ts"
import { upperHalfOf } from "../../layers/schema/Halves.ts"
import { migrationFilesOf } from "../../layers/schema/MigrationFiles.ts"
import { nameOf, nextVersion, wrongNumber } from "../../layers/schema/NewMigration.ts"
import { unclearOrderOf } from "../../layers/schema/NumberOrder.ts"
import { postgresStatements } from "../../layers/schema/PostgresScript.ts"
import { differencesOf, keysOf } from "../../layers/schema/SchemaDifference.ts"
import type { SchemaFacts } from "../../layers/schema/SchemaFacts.ts"
import { inOrder, stepsFor } from "../../layers/schema/SchemaSteps.ts"
import { phrasesOf, tokensOf } from "../../layers/schema/SqlScript.ts"

const { array, assert: holds, constantFrom, property, record, string, subarray, tuple } = FastCheck

const piece = constantFrom(
  ..."ab1;'\"`[]-/*\n #$().,=\u00a0\ufeffé",
  ...[
    "--",
    "/*",
    "*/",
    "''",
    "$$",
    "E'",
    "\\",
    "\r\n",
    "BEGIN ATOMIC ",
    "END",
    "CREATE TRIGGER ",
    "PRAGMA foreign_keys=off"
  ],
  ...["-- +goose Up\n", "-- +goose Down\n", "-- Down\n", "--> statement-breakpoint\n", "--;;\n", "COMMIT", ";\n"]
)
const script = string({ unit: piece, maxLength: 30 })
describe("SQL text", () => {
  it("is its tokens, short ones or long ones", () => {
    holds(
      property(script, (sql) => {
        for (const tokens of [[...tokensOf(sql)], [...phrasesOf(sql)]]) {
          assert.strictEqual(tokens.map(({ text }) => text).join(""), sql)
          for (const { start, text } of tokens) assert.strictEqual(sql.slice(start, start + text.length), text)
        }
      })
    )
  })

  it("has PostgreSQL's statements at their places, in their order", () => {
    holds(
      property(script, (sql) => {
        let end = 0
        for (const { line, offset, text } of postgresStatements(sql)) {
          assert.isAtLeast(offset, end)
          assert.strictEqual(sql.slice(offset, offset + text.length), text)
          assert.strictEqual(sql.slice(0, offset).split("\n").length, line)
          end = offset + text.length
        }
      })
    )
  })

  it("is converted once: what came of it stays as it is", () => {
    const line = constantFrom(
      ..."a1;'\"`[]/*\n\f\v$(),=\ufeff\u00a0\u3000\u2028é",
      ...["/*", "*/", "-- x\n", "SELECT 1;", "CREATE TRIGGER ", "BEGIN;\n", "END", "COMMIT;", "VACUUM;", "-- Down\n"],
      ...["PRAGMA foreign_keys=off;\n", "-- +goose Up\n", "-- +goose StatementBegin\n", "-- migrate:down\n"],
      ...["--> statement-breakpoint\n", "--;;\n", "\n# --- !Ups\n", "\n# --- !Downs\n"]
    )
    holds(
      property(string({ unit: line, maxLength: 20 }), (sql) => {
        const { text } = convertText(sql)
        assert.strictEqual(convertText(text).text, text)
      }),
      { numRuns: 1000, examples: [["END\ufeff"], ["\f-- Down\nVACUUM;/*-- migrate:down\n"]] }
    )
  })

  it("keeps its lines without its lower halves, and has none then", () => {
    holds(
      property(script, (sql) => {
        const upper = upperHalfOf(sql)
        assert.strictEqual(upper.split("\n").length, sql.split("\n").length)
        assert.strictEqual(upperHalfOf(upper), upper)
      })
    )
  })
})

const name = string({ unit: constantFrom(..."aB 1_é\"`'[],;.-"), minLength: 1, maxLength: 6 }).filter(
  (given) => given.trim() === given
)
const declared: FastCheck.Arbitrary<Declaration> = record({
  foreignKeys: constantFrom("on" as const, "off" as const),
  deletes: array(name, { maxLength: 3 }),
  compatibleFrom: FastCheck.option(FastCheck.nat(7), { nil: undefined }),
  settings: constantFrom("refused" as const, "ignored" as const)
})

describe("a declaration", () => {
  it("is read as it is kept, with any names", () => {
    holds(
      property(declared, (declaration) => {
        const kept = declarationText(declaration)
        assert.deepStrictEqual(
          declarationOf(declaring("SELECT 1", kept === "" ? [] : kept.split(/; (?=\w+ =)/)), 7),
          declaration
        )
      })
    )
  })

  it("that is added to an applied text does not make it another", () => {
    const line = constantFrom("", "-- about", "SELECT 1;", "SELECT 'a\nb';", " \t")
    holds(
      property(array(line, { maxLength: 4 }), constantFrom("\n", "\r\n"), (lines, lineEnd) => {
        const former = ["SELECT 0;", ...lines].join(lineEnd)
        assert.isTrue(mayHaveBeen(checksumOf(former), `-- database-ready: deletes = a${lineEnd}${former}`))
      })
    )
  })
})

describe("a new migration", () => {
  it("has a name that its file can have, or another one is named that can", () => {
    holds(
      property(
        string({ unit: FastCheck.oneof(constantFrom(..."aé1_-. /\\\n"), FastCheck.fullUnicode()), maxLength: 12 }),
        (given) => {
          const found = nameOf(given)
          const possible = "name" in found ? found.name : found.instead
          assert.deepStrictEqual(nameOf(possible), { name: possible })
          const path = `001_${possible}.sql`
          assert.deepStrictEqual(migrationFilesOf([{ name: path }]), [{ path, version: "001", name: possible }])
        }
      )
    )
  })

  it("comes behind all others, whatever their numbers and the time", () => {
    const versions = array(
      FastCheck.oneof(FastCheck.nat(99_999), FastCheck.integer({ min: 20_000_101, max: 20_991_231 })),
      { maxLength: 5 }
    )
    holds(
      property(versions, FastCheck.integer({ min: 0, max: 4e12 }), (numbers, millis) => {
        const files = numbers.map((number) => ({ version: String(number).padStart(3, "0") }))
        const next = nextVersion(files, millis)
        const newest = numbers.length === 0 ? undefined : String(Math.max(...numbers))
        assert.isUndefined(wrongNumber(next, newest))
      })
    )
  })
})

describe("numbers of other tools", () => {
  const number = string({ unit: constantFrom(..."0129._-ab"), maxLength: 6 })
  const compared = (one: string, other: string) => {
    const named = (number: string) => ({ path: "", form: "numbered", number, name: "", half: "up" }) as const
    return Math.sign(compareNumbers(named(one), named(other)))
  }

  it("have one order", () => {
    holds(
      property(number, number, number, (one, other, third) => {
        assert.strictEqual(compared(one, other) + compared(other, one), 0)
        if (compared(one, other) <= 0 && compared(other, third) <= 0) assert.isAtMost(compared(one, third), 0)
      }),
      { numRuns: 1000 }
    )
  })

  it("are clear as times if all have as many digits, in their order", () => {
    const times = FastCheck.uniqueArray(FastCheck.integer({ min: 10_000_000, max: 99_999_999 }), { maxLength: 6 })
    holds(
      property(times, (numbers) => {
        const ordered = numbers.toSorted((one, other) => one - other)
        assert.isUndefined(unclearOrderOf(ordered.map((version) => ({ version: String(version), name: "a" }))))
      })
    )
  })
})

// No UNIQUE: whether SQLite takes a column is asked of SQLite, in `diff`.
const column = constantFrom(
  "a INT",
  "b TEXT DEFAULT 'x'",
  '"c d"',
  "e NOT NULL DEFAULT 1",
  "f CHECK (f > 0)",
  "g AS (1)",
  "i REFERENCES t0",
  "j DEFAULT (random())",
  "k TEXT"
)
const tableOf = (name: string) =>
  tuple(FastCheck.uniqueArray(column, { minLength: 1, maxLength: 5 }), subarray(["CHECK (1 > 0)", "UNIQUE (z)"])).map(
    ([columns, constraints]) => `CREATE TABLE ${name} (z INT, ${[...columns, ...constraints].join(", ")})`
  )
const onTable = subarray([
  "CREATE INDEX i0 ON t0 (z)",
  "CREATE UNIQUE INDEX i1 ON t0 (z)",
  "CREATE VIEW v0 AS SELECT z FROM t0",
  "CREATE TRIGGER r0 AFTER INSERT ON t0 BEGIN SELECT 1; END"
])
const onView = subarray(["CREATE TRIGGER r1 INSTEAD OF INSERT ON v1 BEGIN SELECT 1; END"])
const view = constantFrom("CREATE VIEW v1 AS SELECT 1 AS x", "CREATE VIEW v1 AS SELECT 2 AS x")
const schema = tuple(tableOf("t0"), FastCheck.option(tableOf("t1")), onTable, view, onView).map(
  ([first, second, more, view, triggers]) => [first, ...(second === null ? [] : [second]), ...more, view, ...triggers]
)

const withDatabase = <A>(statements: ReadonlyArray<string>, use: (database: Sqlite.Database) => A): A => {
  const database = new Sqlite(":memory:")
  try {
    for (const statement of statements) database.exec(statement)
    return use(database)
  } finally {
    database.close()
  }
}
const factsOf = (statements: ReadonlyArray<string>): SchemaFacts => withDatabase(statements, schemaFacts)
const keysBetween = (from: SchemaFacts, to: SchemaFacts) => differencesOf(from, to).flatMap(keysOf).sort()

describe("two schemas", () => {
  it("do not differ if they are written in other words", () => {
    holds(
      property(schema, (statements) => {
        const respelled = statements.map((sql) =>
          sql.replaceAll("CREATE", "create /* again */").replaceAll(", ", " ,\n  ")
        )
        assert.deepStrictEqual(differencesOf(factsOf(statements), factsOf(respelled)), [])
      }),
      { numRuns: 60 }
    )
  })

  it("differ the other way round in the other direction", () => {
    holds(
      property(schema, schema, (one, other) => {
        const [there, back] = [differencesOf(factsOf(one), factsOf(other)), differencesOf(factsOf(other), factsOf(one))]
        const sides = new Set(
          there.map(({ after, before, change, name, type }) => JSON.stringify([type, name, change, before, after]))
        )
        const turned = { added: "removed", removed: "added", changed: "changed" } as const
        for (const { after, before, change, name, type } of back) {
          assert.isTrue(sides.has(JSON.stringify([type, name, turned[change], after, before])))
        }
        assert.strictEqual(there.length, back.length)
      }),
      { numRuns: 60 }
    )
  })

  it("are led to each other by the statements, but for what is left to a person", () => {
    holds(
      property(schema, schema, (from, to) => {
        const [before, after] = [factsOf(from), factsOf(to)]
        const { notGenerated, steps } = stepsFor(differencesOf(before, after), before, after)
        const done = withDatabase(from, (database) => {
          database.pragma("legacy_alter_table = on")
          for (const { sql } of inOrder(steps)) database.exec(sql)
          return schemaFacts(database)
        })
        assert.includeMembers(
          notGenerated.map(({ key }) => key),
          keysBetween(done, after).filter((key) => !key.endsWith("column order\0"))
        )
      }),
      { numRuns: 60 }
    )
  })
})
