/** What `lint` finds in a migration, and what it does not take for it. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import { Migrations } from "../../layers/index.ts"
import { type LintCode, lint, lintCodes } from "../../layers/operate.ts"
import { temporaryFolder } from "../support/database.ts"
import { runProgram } from "../support/program.ts"

const base = `CREATE TABLE owners (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, age TEXT, code TEXT UNIQUE);
CREATE TABLE pets (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES owners (id) ON DELETE CASCADE, name TEXT);
CREATE INDEX pets_by_owner ON pets (owner);
CREATE INDEX owners_by_name ON owners (name);
CREATE TABLE tags (id INTEGER PRIMARY KEY, label TEXT);
CREATE TABLE log (line TEXT, at TEXT);
CREATE TABLE notes (body TEXT);
CREATE TRIGGER tagged AFTER INSERT ON tags BEGIN INSERT INTO log (line) VALUES (new.label); END;
CREATE VIEW lines AS SELECT line FROM log;
`

const found = (second: string, first = base) =>
  Effect.map(lint(Migrations.fromRecord({ "001_create.sql": first, "002_change.sql": second })), ({ findings }) =>
    findings.filter(({ file }) => file === "002_change.sql").map(({ code, line }) => `${code} ${line}`)
  )

const off = "-- database-ready: foreign_keys = off\n"
const rebuilt = (table: string, columns: string, copy: string, after = "") =>
  `${off}CREATE TABLE made (${columns});\nINSERT INTO made ${copy} FROM ${table};\nDROP TABLE ${table};\nALTER TABLE made RENAME TO ${table};\n${after}`
const tagged = "CREATE TRIGGER tagged AFTER INSERT ON tags BEGIN INSERT INTO log (line) VALUES (new.label); END;"
const tags = (columns: string, copy: string) => rebuilt("tags", columns, copy, tagged)
const ofOwners = "CREATE INDEX owners_by_name ON owners (name);"

/** Each: a file that has it, with its line, and files that look like it and have nothing. */
const cases: Record<LintCode, ReadonlyArray<readonly [sql: string, line: number | undefined]>> = {
  incomplete: [
    ["CREATE TABLE a (b TEXT DEFAULT 'x);", 1],
    ["CREATE TABLE a (b TEXT DEFAULT 'it''s');", undefined]
  ],
  "not-sql": [
    ["CREATE TABLE a (b);\nGO\nCREATE TABLE c (d);", 2],
    ['CREATE TABLE a ("go");', undefined]
  ],
  "not-allowed": [
    ["PRAGMA foreign_keys = off;\nCREATE TABLE a (b);", 1],
    ["CREATE TABLE a (b);\nVACUUM;", 2],
    ["PRAGMA journal_mode = wal;\nCREATE TABLE a (b);", 1],
    ["BEGIN;\nCREATE TABLE a (b);\nCOMMIT;", 1],
    ["PRAGMA foreign_key_check;\nCREATE TABLE a (b);", undefined],
    ['CREATE TABLE vacuum_log ("begin");', undefined]
  ],
  "statement-fails": [
    ["CREATE TABLE a (b);\nCREATE TABLE tags (c);", 2],
    ["CREATE TABLE a (b);", undefined]
  ],
  "not-replayed": [
    ["CREATE TABLE a (b);\nCREATE VIRTUAL TABLE v USING vec0 (x float[3]);", 2],
    ["CREATE VIRTUAL TABLE v USING fts5 (x);", undefined]
  ],
  "double-quoted-string": [
    ['INSERT INTO tags (label)\nVALUES ("red");', 2],
    ['CREATE TRIGGER t AFTER INSERT ON log BEGIN INSERT INTO tags (label) VALUES ("red"); END;', 1],
    ['CREATE VIEW v AS SELECT "red" AS colour FROM tags;', 1],
    ["CREATE TABLE a (b TEXT CHECK (b IN (\"x\", 'y')));", 1],
    ['INSERT INTO tags (label)\nSELECT "name" FROM pets WHERE\n"name" <> "red";', 3],
    ['INSERT INTO "tags" ("label") SELECT "name" FROM pets;', undefined],
    ["INSERT INTO tags (label) VALUES ('\"red\"');", undefined]
  ],
  "dropped-column-used": [
    ["ALTER TABLE owners DROP COLUMN name;", 1],
    ["ALTER TABLE log DROP COLUMN line;", 1],
    ["ALTER TABLE owners DROP COLUMN age;", undefined]
  ],
  "broken-object": [
    [tags("id INTEGER PRIMARY KEY, title TEXT", "(id, title) SELECT id, label"), 6],
    ["-- database-ready: deletes = log\nDROP TABLE log;", 2],
    [`${off}CREATE TABLE made AS SELECT line, at FROM log;\nDROP TABLE log;\nALTER TABLE made RENAME TO log;`, 4],
    ["ALTER TABLE log RENAME TO journal;", undefined]
  ],
  "rebuild-undeclared": [
    [
      rebuilt(
        "owners",
        "id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, age TEXT, code TEXT UNIQUE",
        "(id, name, age, code) SELECT id, name, age, code",
        ofOwners
      ).replace(off, ""),
      3
    ],
    [
      rebuilt(
        "owners",
        "id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, age TEXT, code TEXT UNIQUE",
        "(id, name, age, code) SELECT id, name, age, code",
        ofOwners
      ),
      undefined
    ],
    [tags("id INTEGER PRIMARY KEY, label TEXT", "(id, label) SELECT id, label").replace(off, ""), undefined]
  ],
  "deletes-undeclared": [
    ["DELETE FROM pets WHERE owner IS NULL;", 1],
    ["DELETE FROM pets;", 1],
    ["DROP TABLE pets;", 1],
    ["DROP TABLE pets;\nCREATE TABLE pets (id INTEGER PRIMARY KEY);", 1],
    ["-- database-ready: deletes = pets\nDROP TABLE pets;", undefined],
    ["CREATE TABLE a (b);\nINSERT INTO a VALUES (1);\nDELETE FROM a;\nDROP TABLE a;", undefined],
    ["CREATE TEMP TABLE kept AS SELECT id FROM pets;\nDROP TABLE kept;", undefined],
    [
      `${off}CREATE TABLE made AS SELECT body FROM notes;\nDROP TABLE notes;\nALTER TABLE made RENAME TO notes;`,
      undefined
    ]
  ],
  "drop-referenced": [
    ["-- database-ready: deletes = owners\nDROP TABLE owners;", 2],
    ["-- database-ready: deletes = owners, pets\nDROP TABLE owners;\nDROP TABLE pets;", 2],
    [
      `${off}ALTER TABLE owners RENAME TO old;\nCREATE TABLE owners (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, age TEXT, code TEXT UNIQUE);\nINSERT INTO owners (id, name, age, code) SELECT id, name, age, code FROM old;\nDROP TABLE old;\n${ofOwners}`,
      5
    ],
    ["-- database-ready: deletes = owners, pets\nDROP TABLE pets;\nDROP TABLE owners;", undefined]
  ],
  "reference-to-missing": [
    ["CREATE TABLE a (b INTEGER PRIMARY KEY REFERENCES nobody (id));", 1],
    // Where the migrations made it and dropped it again, that is the place.
    [
      "CREATE TABLE p (id INTEGER PRIMARY KEY);\nCREATE TABLE c (b INTEGER PRIMARY KEY REFERENCES p (id));\nALTER TABLE p RENAME TO q;\nDROP TABLE q;",
      4
    ],
    [
      "CREATE TABLE p (id INTEGER PRIMARY KEY);\nCREATE TABLE c (b INTEGER PRIMARY KEY REFERENCES p (id));\nDROP TABLE p;\nCREATE TABLE p (id INTEGER PRIMARY KEY);",
      undefined
    ],
    [
      "CREATE TABLE a (b INTEGER PRIMARY KEY REFERENCES later (id));\nCREATE TABLE later (id INTEGER PRIMARY KEY);",
      undefined
    ]
  ],
  "foreign-key-mismatch": [
    ["CREATE TABLE a (b INTEGER PRIMARY KEY, c TEXT REFERENCES owners (name));\nCREATE INDEX a_c ON a (c);", 1],
    ["CREATE TABLE a (b INTEGER PRIMARY KEY, c TEXT REFERENCES owners (code));\nCREATE INDEX a_c ON a (c);", undefined]
  ],
  "foreign-key-without-index": [
    ["CREATE TABLE a (\n  b INTEGER REFERENCES owners (id)\n);", 1],
    ["ALTER TABLE log ADD COLUMN owner INTEGER REFERENCES owners (id);", 1],
    ["CREATE TABLE a (b INTEGER REFERENCES owners (id));\nCREATE INDEX a_b ON a (b);", undefined],
    ["CREATE TABLE a (b INTEGER REFERENCES owners (id));\nCREATE INDEX a_b ON a (b) WHERE b IS NOT NULL;", undefined],
    ["CREATE TABLE a (b INTEGER REFERENCES owners (id), c INTEGER, UNIQUE (b, c));", undefined]
  ],
  "not-null-without-default": [
    ["CREATE TABLE a (b);\nALTER TABLE tags ADD COLUMN colour TEXT NOT NULL;", 2],
    ["ALTER TABLE tags ADD COLUMN colour TEXT NOT NULL DEFAULT '';", undefined],
    ["ALTER TABLE tags ADD COLUMN colour TEXT;", undefined]
  ],
  "add-column-refused": [
    ["ALTER TABLE tags ADD COLUMN made TEXT DEFAULT CURRENT_TIMESTAMP;", 1],
    ["ALTER TABLE tags ADD COLUMN made TEXT DEFAULT (datetime('now'));", 1],
    [
      "ALTER TABLE tags ADD COLUMN owner INTEGER DEFAULT 1 REFERENCES owners (id);\nCREATE INDEX tags_by_owner ON tags (owner);",
      1
    ],
    ["ALTER TABLE tags ADD COLUMN kind TEXT NOT NULL DEFAULT 'c' CHECK (kind IN ('a', 'b'));", 1],
    ["ALTER TABLE tags ADD COLUMN kind TEXT NOT NULL DEFAULT 'a' CHECK (kind IN ('a', 'b'));", undefined],
    ["ALTER TABLE tags ADD COLUMN most INTEGER DEFAULT 9 CHECK (most < id);", undefined],
    [
      "ALTER TABLE tags ADD COLUMN owner INTEGER REFERENCES owners (id);\nCREATE INDEX tags_by_owner ON tags (owner);",
      undefined
    ]
  ],
  "not-null-on-existing": [
    [tags("id INTEGER PRIMARY KEY, label TEXT NOT NULL", "(id, label) SELECT id, label"), 3],
    [tags("id INTEGER PRIMARY KEY, label TEXT NOT NULL", "(id, label) SELECT id, coalesce(label, '')"), undefined]
  ],
  "unique-on-existing": [
    ["CREATE UNIQUE INDEX one_label ON tags (label);", 1],
    ["ALTER TABLE tags ADD COLUMN slug TEXT NOT NULL DEFAULT '';\nCREATE UNIQUE INDEX one_slug ON tags (slug);", 2],
    [tags("id INTEGER PRIMARY KEY, label TEXT UNIQUE", "(id, label) SELECT id, label"), 2],
    ["ALTER TABLE tags ADD COLUMN slug TEXT;\nCREATE UNIQUE INDEX one_slug ON tags (slug);", undefined],
    ["CREATE TABLE a (b);\nCREATE UNIQUE INDEX one_b ON a (b);", undefined],
    ["CREATE UNIQUE INDEX one ON owners (code, name);", undefined],
    [
      "-- database-ready: deletes = tags\nDELETE FROM tags WHERE id NOT IN (SELECT min(id) FROM tags GROUP BY label);\nCREATE UNIQUE INDEX one_label ON tags (label);",
      undefined
    ]
  ],
  "type-change": [
    [tags("id INTEGER PRIMARY KEY, label INTEGER", "(id, label) SELECT id, label"), 3],
    [tags("id INTEGER PRIMARY KEY, label INTEGER", "(id, label) SELECT id, CAST(label AS INTEGER)"), undefined],
    [tags("id INTEGER PRIMARY KEY, label VARCHAR(20)", "(id, label) SELECT id, label"), undefined]
  ],
  "rebuild-loses": [
    [
      `-- database-ready: deletes = tags\nDROP TABLE tags;\nCREATE TABLE tags (id INTEGER PRIMARY KEY, label TEXT);`,
      undefined
    ],
    [
      rebuilt(
        "owners",
        "id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, age TEXT, code TEXT UNIQUE",
        "(id, name, age, code) SELECT id, name, age, code"
      ),
      4
    ],
    [rebuilt("tags", "id INTEGER PRIMARY KEY, label TEXT", "(id, label) SELECT id, label"), 4],
    [
      `DROP TRIGGER tagged;\n${rebuilt("tags", "id INTEGER PRIMARY KEY, label TEXT", "(id, label) SELECT id, label").replace(off, "")}`,
      undefined
    ]
  ],
  "autoincrement-lost": [
    [
      rebuilt(
        "owners",
        "id INTEGER PRIMARY KEY, name TEXT, age TEXT, code TEXT UNIQUE",
        "(id, name, age, code) SELECT id, name, age, code",
        ofOwners
      ),
      2
    ],
    [
      rebuilt(
        "owners",
        "id INTEGER PRIMARY KEY autoincrement, name TEXT, age TEXT, code TEXT UNIQUE",
        "(id, name, age, code) SELECT id, name, age, code",
        ofOwners
      ),
      undefined
    ]
  ],
  "rowid-lost": [
    [tags("id INT PRIMARY KEY, label TEXT", "(id, label) SELECT id, label"), 2],
    [tags("label TEXT, id INTEGER, PRIMARY KEY (id)", "(id, label) SELECT id, label"), undefined]
  ],
  "insert-select-star": [
    [tags("id INTEGER PRIMARY KEY, label TEXT", "SELECT *"), 3],
    [tags("id INTEGER PRIMARY KEY, label TEXT", "(id, label) SELECT id, label"), undefined]
  ],
  "columns-mixed-up": [
    [
      tags("label TEXT, id INTEGER PRIMARY KEY", "SELECT *").replace("label TEXT, id INTEGER PRIMARY KEY", "label, id"),
      3
    ],
    [tags("label TEXT, id INTEGER PRIMARY KEY", "(id, label) SELECT id, label"), undefined]
  ],
  "whole-table-update": [
    ["UPDATE tags SET label = upper(label);", 1],
    ["UPDATE tags SET label = (SELECT name FROM pets WHERE pets.id = tags.id);", 1],
    ["ALTER TABLE tags ADD COLUMN colour TEXT;\nUPDATE tags SET colour = 'red';", 2],
    ["ALTER TABLE tags ADD COLUMN size INTEGER;\nUPDATE tags SET size = length(label);", undefined],
    ["UPDATE tags SET label = '' WHERE label IS NULL;", undefined],
    ["CREATE TABLE a (b);\nUPDATE a SET b = 1;", undefined]
  ],
  "depends-on-time": [
    ["INSERT INTO tags (label) VALUES\n  (datetime('now'));", 2],
    ["INSERT INTO tags (label) VALUES (CURRENT_TIMESTAMP);", 1],
    ["UPDATE tags SET label = hex(randomblob(8)) WHERE label IS NULL;", 1],
    ["CREATE TABLE a AS SELECT id, random() AS r FROM tags;", 1],
    ["CREATE TABLE a (b TEXT DEFAULT CURRENT_TIMESTAMP, c TEXT DEFAULT (datetime('now')));", undefined],
    ["CREATE TRIGGER t AFTER INSERT ON log BEGIN INSERT INTO tags (label) VALUES (datetime('now')); END;", undefined],
    ["INSERT INTO tags (label) VALUES ('random()'), (date('2020-01-01'));", undefined],
    ["CREATE TABLE random (date TEXT);\nINSERT INTO random (date) VALUES ('now');", undefined]
  ],
  "hidden-drift": [
    ["CREATE TABLE IF NOT EXISTS tags (id INTEGER PRIMARY KEY, label TEXT, colour TEXT);", 1],
    ["CREATE INDEX IF NOT EXISTS pets_by_owner ON pets (owner, name);", 1],
    ["DROP INDEX IF EXISTS pets_by_name;", 1],
    ["CREATE TABLE IF NOT EXISTS a (b);", undefined],
    ["DROP VIEW IF EXISTS v;\nCREATE VIEW v AS SELECT 1 AS a;", undefined],
    ["DROP INDEX IF EXISTS owners_by_name;", undefined]
  ],
  "ignore-without-reason": [
    ["-- lint-ignore whole-table-update\nUPDATE tags SET label = '';", 1],
    ["-- lint-ignore whole-table-update: a table of ten rows\nUPDATE tags SET label = '';", undefined]
  ],
  "ignore-unused": [
    ["-- lint-ignore whole-table-update: a table of ten rows\nCREATE TABLE a (b);", 1],
    ["UPDATE tags SET label = ''; -- lint-ignore whole-table-update: a table of ten rows", undefined]
  ],
  "ignore-unknown": [
    ["-- lint-ignore whole-table: small\nCREATE TABLE a (b);", 1],
    ["-- lint-ignored before\nCREATE TABLE a (b);", undefined]
  ]
}

/** What real directories do, in our words: without a finding, and the neighbour that has one. */
const ordinary: ReadonlyArray<readonly [first: string, second: string, code?: LintCode]> = [
  // A row made up for the trial breaks the table's own CHECK.
  [
    "CREATE TABLE jobs (id INTEGER PRIMARY KEY, kind TEXT CHECK (kind IN ('a', 'b')));",
    "ALTER TABLE jobs ADD COLUMN sort TEXT NOT NULL DEFAULT 'x' CHECK (sort IN ('x', 'y'));\nALTER TABLE jobs ADD COLUMN note TEXT;"
  ],
  // An index whose columns another one begins with, or which are the rowid, is not missed.
  [
    "CREATE TABLE parts (a INTEGER, b INTEGER);\nCREATE INDEX parts_a ON parts (a);",
    rebuilt("parts", "a INTEGER NOT NULL, b INTEGER, PRIMARY KEY (a, b)", "(a, b) SELECT coalesce(a, 0), b")
  ],
  [
    "CREATE TABLE parts (a INTEGER NOT NULL, b INTEGER);\nCREATE UNIQUE INDEX parts_a ON parts (a);",
    rebuilt("parts", "a INTEGER PRIMARY KEY, b INTEGER", "(a, b) SELECT a, b")
  ],
  [
    "CREATE TABLE parts (a INTEGER, b INTEGER);\nCREATE INDEX parts_b ON parts (b);",
    rebuilt("parts", "a INTEGER NOT NULL, b INTEGER, PRIMARY KEY (a, b)", "(a, b) SELECT coalesce(a, 0), b"),
    "rebuild-loses"
  ],
  [
    "CREATE TABLE parts (a INTEGER, b INTEGER);\nCREATE UNIQUE INDEX parts_a ON parts (a);",
    rebuilt("parts", "a INTEGER NOT NULL, b INTEGER, PRIMARY KEY (a, b)", "(a, b) SELECT coalesce(a, 0), b"),
    "rebuild-loses"
  ],
  // A start counts no rows of an index over another table's rows.
  [
    "CREATE TABLE docs (id INTEGER PRIMARY KEY, body TEXT);\nCREATE VIRTUAL TABLE found USING fts5 (body, content = docs);",
    "DROP TABLE found;"
  ],
  ["CREATE VIRTUAL TABLE found USING fts5 (body);", "DROP TABLE found;", "deletes-undeclared"],
  // SQLite lets such a key be NULL, and nobody writes one.
  [
    "CREATE TABLE keys (id BLOB PRIMARY KEY, body TEXT);",
    rebuilt("keys", "id BLOB PRIMARY KEY NOT NULL, body TEXT", "(id, body) SELECT id, body")
  ],
  // Only the new table refers to the old one, in a column that the copy leaves empty.
  [
    "CREATE TABLE files (id INTEGER PRIMARY KEY, name TEXT);",
    rebuilt(
      "files",
      "id INTEGER PRIMARY KEY, name TEXT, small INTEGER UNIQUE REFERENCES files (id)",
      "(id, name) SELECT id, name"
    ).replace(off, "")
  ],
  [
    "CREATE TABLE files (id INTEGER PRIMARY KEY, name TEXT);",
    rebuilt(
      "files",
      "id INTEGER PRIMARY KEY, name TEXT, small INTEGER UNIQUE REFERENCES files (id)",
      "(id, name, small) SELECT id, name, id"
    ).replace(off, ""),
    "rebuild-undeclared"
  ],
  // Rows that do not fit were changed or deleted before.
  [
    "CREATE TABLE marks (id INTEGER PRIMARY KEY, page INTEGER, name TEXT);",
    "-- database-ready: deletes = marks\nDELETE FROM marks WHERE page IS NULL;\nUPDATE marks SET name = '' WHERE name IS NULL;\nCREATE TABLE made (id INTEGER PRIMARY KEY, page INTEGER NOT NULL, name TEXT NOT NULL);\nINSERT INTO made (id, page, name) SELECT id, page, name FROM marks;\nDROP TABLE marks;\nALTER TABLE made RENAME TO marks;"
  ],
  [
    "CREATE TABLE marks (id INTEGER PRIMARY KEY, page INTEGER, name TEXT);",
    "-- database-ready: deletes = marks\nDELETE FROM marks WHERE page IS NULL;\nCREATE TABLE made (id INTEGER PRIMARY KEY, page INTEGER, name TEXT NOT NULL);\nINSERT INTO made (id, page, name) SELECT id, page, name FROM marks;\nDROP TABLE marks;\nALTER TABLE made RENAME TO marks;",
    "not-null-on-existing"
  ],
  // The condition speaks of a column that no row has a value of its own in.
  [
    "CREATE TABLE photos (album INTEGER);",
    "ALTER TABLE photos ADD COLUMN cover INTEGER NOT NULL DEFAULT 0;\nCREATE UNIQUE INDEX one_cover ON photos (album) WHERE cover = 1;"
  ],
  [
    "CREATE TABLE photos (album INTEGER, cover INTEGER);",
    "CREATE UNIQUE INDEX one_cover ON photos (album) WHERE cover = 1;",
    "unique-on-existing"
  ],
  // What is taken out is put back.
  [
    "CREATE TABLE acts (id INTEGER PRIMARY KEY, name TEXT);",
    "CREATE TEMP TABLE kept AS SELECT * FROM acts;\nDELETE FROM acts;\nINSERT INTO acts SELECT * FROM kept;\nDROP TABLE kept;"
  ],
  [
    "CREATE TABLE acts (id INTEGER PRIMARY KEY, name TEXT);",
    "CREATE TEMP TABLE kept AS SELECT * FROM acts WHERE id > 9;\nDELETE FROM acts;\nINSERT INTO acts SELECT * FROM kept;\nDROP TABLE kept;",
    "deletes-undeclared"
  ]
]

describe("lint", () => {
  for (const [index, [first, second, code]] of ordinary.entries()) {
    it.effect(`finds ${code ?? "nothing"} in ${index + 1}: ${second.replace(off, "").slice(0, 40)}`, () =>
      Effect.gen(function* () {
        const all = (yield* found(second, first)).map((one) => one.replace(/ \d+$/, ""))
        assert.deepStrictEqual(
          all.filter((one) => code === undefined || one === code),
          code === undefined ? [] : [code]
        )
      })
    )
  }

  it.effect("names what is missing at that point, also where a migration made it and another dropped it", () =>
    Effect.gen(function* () {
      const { findings } = yield* lint(
        Migrations.fromRecord({
          "001_create.sql": "CREATE TABLE a (b);\nCREATE INDEX i ON a (b);",
          "002_drop.sql": "-- database-ready: deletes = a\nDROP TABLE a;",
          "003_again.sql": "DROP TABLE IF EXISTS a;\nCREATE TABLE c (d);\nCREATE INDEX i ON c (d);",
          "004_twice.sql": "CREATE INDEX IF NOT EXISTS i ON c (d);"
        })
      )
      assert.deepStrictEqual(
        findings.map(({ message }) => message),
        [
          "There is no table a at this point, so in a database of these migrations this does nothing",
          "There is an index i already, so this does nothing"
        ]
      )
    })
  )

  for (const code of Object.keys(lintCodes)) {
    it.effect(`finds ${code}, and not where it only looks like it`, () =>
      Effect.gen(function* () {
        const tried = Object.entries(cases).find(([name]) => name === code)?.[1] ?? []
        assert.isTrue(tried.some(([, line]) => line !== undefined) && tried.some(([, line]) => line === undefined))
        for (const [sql, line] of tried) {
          const all = yield* found(sql)
          if (line === undefined)
            assert.isFalse(
              all.some((one) => one.startsWith(`${code} `)),
              `${sql}\n${all}`
            )
          else assert.include(all, `${code} ${line}`, sql)
        }
      })
    )
  }
  it.effect("finds nothing else in the near misses", () =>
    Effect.gen(function* () {
      const others: Array<string> = []
      for (const [code, tried] of Object.entries(cases)) {
        for (const [sql, line] of tried) {
          const all = line === undefined ? yield* found(sql) : []
          if (all.length > 0) others.push(`${code}: ${sql}: ${all.join(", ")}`)
        }
      }
      assert.deepStrictEqual(others, [])
    })
  )
})

const words = [
  ..."CREATE TABLE INDEX UNIQUE VIEW TRIGGER TEMP VIRTUAL IF NOT EXISTS DROP ALTER RENAME TO ADD COLUMN".split(" "),
  ..."INSERT INTO SELECT FROM WHERE UPDATE SET DELETE WITH AS VALUES PRAGMA foreign_keys BEGIN END NULL".split(" "),
  ..."owners pets tags log id name label main temp datetime random CURRENT_TIMESTAMP REFERENCES DEFAULT".split(" "),
  ..."( ) , . ; = * 'now' \"label\" [tags] `id` 1 -- /* */ ' \" \0 🦊".split(" "),
  "\n",
  "-- lint-ignore type-change: reason\n",
  "-- lint-ignore\n"
]

/** Statements that SQLite can run, in any order. */
const statements = Object.values(cases).flatMap((tried) => tried.flatMap(([sql]) => sql.split(/(?<=;)\n/)))

describe("lint of any text", () => {
  const text = fc.oneof(
    fc.array(fc.constantFrom(...words), { maxLength: 30 }).map((parts) => parts.join(" ")),
    fc.array(fc.constantFrom(...statements), { minLength: 1, maxLength: 6 }).map((parts) => parts.join("\n"))
  )
  it.effect.prop(
    "gives findings on lines that the file has, and never fails",
    [text],
    ([second]) =>
      Effect.gen(function* () {
        const lines = second.split("\n").length
        const source = Migrations.fromRecord({ "001_create.sql": base, "002_change.sql": second })
        const { findings } = yield* Effect.orElseSucceed(lint(source), () => ({ findings: [] }))
        for (const { file, line, message, remedy } of findings) {
          assert.isTrue(file === "001_create.sql" || (line >= 1 && line <= lines), `${line} of ${lines}: ${second}`)
          assert.notMatch(message + remedy, /undefined|\[object/)
        }
      }),
    { fastCheck: { numRuns: Number(process.env["LINT_TEXTS"] ?? 40) } }
  )
})

describe("lint of several sources", () => {
  it.effect("finds nothing in the migrations of the service that is here", () =>
    Effect.gen(function* () {
      const { findings } = yield* lint(Migrations.fromDirectory("migrations")).pipe(Effect.provide(NodeContext.layer))
      assert.deepStrictEqual(findings, [])
    })
  )

  it.effect("runs migrations that are Effects, and looks at what comes after them", () =>
    Effect.gen(function* () {
      const effect = Migrations.fromEffect(
        "002_effect",
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* sql`CREATE TABLE made (id INTEGER PRIMARY KEY)`
        })
      )
      const texts = Migrations.fromRecord({ "001_create.sql": base, "003_change.sql": "DROP TABLE made;" })
      const { findings, migrations } = yield* lint(Migrations.all(texts, effect))
      assert.deepStrictEqual([migrations, findings.map(({ code }) => code)], [3, ["deletes-undeclared"]])
    })
  )

  it.effect("says where it could not look on, instead of that there is nothing", () =>
    Effect.gen(function* () {
      const broken = Migrations.fromEffect("002_effect", Effect.fail("no"))
      const texts = Migrations.fromRecord({ "001_create.sql": base, "003_change.sql": "DROP TABLE tags;" })
      const { findings } = yield* lint(Migrations.all(texts, broken))
      assert.deepStrictEqual(
        findings.map(({ code, file }) => `${file} ${code}`),
        ["002_effect not-replayed"]
      )
    })
  )

  it.effect.each([
    ["DROP TABLE tags;\nALTER TABLE other RENAME TO more;", "002_change.sql:3 broken-object"],
    ["SELECT 'never closed", "002_change.sql:2 incomplete"],
    ["INSERT INTO tags SELECT nothing FROM tags;", "002_change.sql:2 statement-fails"]
  ])("says that what follows a statement that cannot run was not looked at: %s", ([stops, found]) =>
    Effect.gen(function* () {
      const { findings } = yield* lint(
        Migrations.fromRecord({
          "001_create.sql": "CREATE TABLE tags (tag TEXT); CREATE VIEW v AS SELECT tag FROM main.tags;",
          "002_change.sql": `CREATE TABLE other (id INTEGER);\n${stops}`,
          "003_drop.sql": "DROP TABLE other;"
        })
      )
      assert.strictEqual(`${findings[0]?.file}:${findings[0]?.line} ${findings[0]?.code}`, found)
      assert.match(findings.map(({ code, message }) => `${code} ${message}`).join(), /hat follows was not looked at/)
    })
  )

  it.effect("refuses a directory that is not there", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(lint(Migrations.fromDirectory("no such directory")))
      assert.strictEqual(error.reason, "DirectoryUnreadable")
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

describe("the program", () => {
  it.scoped("prints each finding with file, line, code and remedy, and ends with 65 for errors", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      writeFileSync(join(directory, "001_create.sql"), "CREATE TABLE a (b TEXT);\n")
      writeFileSync(join(directory, "002_drop.sql"), "UPDATE a SET b = 'x';\n")
      const warned = yield* runProgram(["lint", directory])
      assert.deepStrictEqual([warned.code, warned.stderr], [0, ""])
      assert.match(
        warned.stdout,
        /002_drop\.sql:1: warning whole-table-update: .*\n {2}Remedy: .*\n2 migrations: 0 errors, 1 warning\n$/
      )
      assert.strictEqual((yield* runProgram(["lint", directory, "--strict"])).code, 65)
      writeFileSync(join(directory, "003_drop.sql"), "DROP TABLE a;\n")
      const failed = yield* runProgram(["lint", directory, "--json"])
      const { errors, findings, status } = JSON.parse(failed.stdout)
      assert.deepStrictEqual([failed.code, status, errors, findings.length], [65, "found", 1, 2])
      const absent = yield* runProgram(["lint", join(directory, "no"), "--json"])
      assert.deepStrictEqual([absent.code, JSON.parse(absent.stdout).error.reason], [64, "DirectoryUnreadable"])
    })
  )
})
