/** What is dangerous in a migration, in words. */
import { assert, describe, it } from "vitest"
import { isLintCode, type LintCode, lintCodes } from "../../layers/schema/LintCodes.ts"
import { withoutIgnored } from "../../layers/schema/LintIgnores.ts"
import { culpritOf, declarable } from "../../layers/schema/LintRun.ts"
import { hiddenIn } from "../../layers/schema/LintStatements.ts"
import { affinityOf, isAutoincrement, rowidOf } from "../../layers/schema/SchemaFacts.ts"
import { statementsOf } from "../../layers/schema/SqlScript.ts"
import { factsOf, lintOf, runOf } from "./lintOf.ts"
import { table } from "./table.ts"

const base = `CREATE TABLE owners (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, age TEXT, code TEXT UNIQUE);
CREATE TABLE pets (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES owners (id) ON DELETE CASCADE, name TEXT);
CREATE INDEX pets_by_owner ON pets (owner);
CREATE UNIQUE INDEX owners_by_name ON owners (name);
CREATE TABLE Tags (id INTEGER PRIMARY KEY, label TEXT, n INT, b BLOB, x);
CREATE INDEX tags_by_label ON tags (label); CREATE INDEX tags_by_lower ON tags (lower(label)); CREATE INDEX tags_some ON tags (n) WHERE n > 1;
CREATE TABLE "my log" (line TEXT, at TEXT);
CREATE TABLE parts (a INT, b INT, c INT, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE kinds (k TEXT NOT NULL, v TEXT) STRICT;
CREATE VIRTUAL TABLE words USING fts5(x);
CREATE TRIGGER tagged AFTER INSERT ON tags BEGIN SELECT 1; END;
CREATE VIEW labels AS SELECT name AS label FROM pets;
CREATE TRIGGER petted AFTER INSERT ON pets BEGIN SELECT 1; END;
`
const lint = (file: string) => lintOf(base, file)
/** A rebuild of the table Tags with these columns and this copy. */
const tags = ([columns, copy, after = "", options = ""]: readonly [string, string, string?, string?]) =>
  lint(
    `CREATE TABLE made (${columns}) ${options};\nINSERT INTO made ${copy};\nDROP TABLE tags;\nALTER TABLE made RENAME TO tags;\n${after}`
  ).map((found) => found.replace(/ \|.*/, ""))
const all = "id INTEGER PRIMARY KEY, label TEXT, n INT, b BLOB, x"
const kept =
  "CREATE INDEX tags_by_label ON tags (label); CREATE INDEX tags_by_lower ON tags (lower(label)); CREATE INDEX tags_some ON tags (n) WHERE n > 1; CREATE TRIGGER tagged AFTER INSERT ON tags BEGIN SELECT 1; END"

describe("what lint says", () => {
  table("of rows that go", lint, [
    [
      "DELETE FROM tags",
      [
        "deletes-undeclared 1: It deletes every row of Tags, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = Tags` above the first statement. | deletes = Tags"
      ]
    ],
    [
      "DELETE FROM tags WHERE n",
      [
        "deletes-undeclared 1: It deletes rows of Tags, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = Tags` above the first statement. | deletes = Tags"
      ]
    ],
    [
      'DELETE FROM "my log"',
      [
        'deletes-undeclared 1: It deletes every row of my log, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = "my log"` above the first statement. | deletes = "my log"'
      ]
    ],
    ["-- database-ready: deletes = TAGS\nDELETE FROM tags", []],
    [
      "DELETE FROM words",
      [
        "deletes-undeclared 1: It deletes every row of words, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = words` above the first statement. | deletes = words"
      ]
    ],
    ["CREATE TABLE a (x);\nDELETE FROM a", []],
    [
      'DROP TABLE "my log"',
      [
        'deletes-undeclared 1: It drops my log, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = "my log"` above the first statement. | deletes = "my log"'
      ]
    ],
    ['-- database-ready: deletes = "my log"\nDROP TABLE "my log"', []],
    [
      "DROP TABLE tags; CREATE TABLE tags (x)",
      [
        "deletes-undeclared 1: It drops Tags and makes it again without copying its rows, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = Tags` above the first statement. | deletes = Tags"
      ]
    ],
    [
      'DROP TABLE "my log"; CREATE TABLE "my log" (x); INSERT INTO "my log" VALUES (1)',
      [
        'deletes-undeclared 1: It drops my log and makes it again without copying its rows, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = "my log"` above the first statement. | deletes = "my log"'
      ]
    ],
    [
      "ALTER TABLE tags RENAME TO t2; DELETE FROM t2",
      [
        "deletes-undeclared 1: It deletes every row of Tags, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = Tags` above the first statement. | deletes = Tags"
      ]
    ],
    [
      "ALTER TABLE tags RENAME TO t2; DROP TABLE t2",
      [
        "deletes-undeclared 1: It drops Tags, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = Tags` above the first statement. | deletes = Tags"
      ]
    ],
    ["-- database-ready: deletes = t2\nALTER TABLE tags RENAME TO t2; DROP TABLE t2", []],
    ["DROP TABLE kinds; CREATE TABLE kinds AS SELECT 1 AS x", []],
    [
      "DROP TABLE kinds; DROP TABLE IF EXISTS kinds",
      [
        "hidden-drift 1: There is no table kinds at this point, so in a database of these migrations this does nothing | Correct the name, or remove the statement.",
        "deletes-undeclared 1: It drops kinds, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = kinds` above the first statement. | deletes = kinds"
      ]
    ],
    [
      "DROP TABLE kinds; CREATE INDEX kinds ON tags (n)",
      [
        "deletes-undeclared 1: It drops kinds, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = kinds` above the first statement. | deletes = kinds"
      ]
    ],
    ["CREATE TRIGGER kinds AFTER INSERT ON tags BEGIN SELECT 1; END; DROP TRIGGER kinds", []],
    ["CREATE TEMP TABLE t (x); INSERT INTO t SELECT 1; DELETE FROM t; ALTER TABLE t RENAME TO t2", []],
    // A declaration of another table that has the name for a while.
    [
      "-- database-ready: deletes = t2\nALTER TABLE kinds RENAME TO t1; ALTER TABLE parts RENAME TO kinds; ALTER TABLE kinds RENAME TO t2; DROP TABLE t1",
      [
        "deletes-undeclared 2: It drops kinds, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = kinds` above the first statement. | deletes = kinds"
      ]
    ]
  ])
  table("of a table that is rewritten", lint, [
    [
      "UPDATE tags SET n = 1",
      [
        "whole-table-update 1: It rewrites every row of Tags, and nobody else can write for that time | Add a WHERE for the rows that need it. Where a new column gets one value, write that as its DEFAULT instead. If the table stays small, say so in a lint-ignore."
      ]
    ],
    ["UPDATE tags SET n = 1 WHERE n", []],
    ["ALTER TABLE tags ADD COLUMN z;\nUPDATE tags SET z = n + 1", []],
    [
      "ALTER TABLE tags ADD COLUMN z;\nUPDATE tags SET z = 1",
      [
        "whole-table-update 2: It rewrites every row of Tags, and nobody else can write for that time | Add a WHERE for the rows that need it. Where a new column gets one value, write that as its DEFAULT instead. If the table stays small, say so in a lint-ignore."
      ]
    ],
    [
      "ALTER TABLE tags ADD COLUMN z;\nUPDATE tags SET z = 1.5",
      [
        "whole-table-update 2: It rewrites every row of Tags, and nobody else can write for that time | Add a WHERE for the rows that need it. Where a new column gets one value, write that as its DEFAULT instead. If the table stays small, say so in a lint-ignore."
      ]
    ],
    [
      "ALTER TABLE tags ADD COLUMN z;\nUPDATE tags SET z = n + 1, n = n + 2",
      [
        "whole-table-update 2: It rewrites every row of Tags, and nobody else can write for that time | Add a WHERE for the rows that need it. Where a new column gets one value, write that as its DEFAULT instead. If the table stays small, say so in a lint-ignore."
      ]
    ],
    ["CREATE TABLE a (x); UPDATE a SET x = 1", []],
    [
      "ALTER TABLE kinds ADD COLUMN n TEXT; UPDATE tags SET n = n + 1",
      [
        "whole-table-update 1: It rewrites every row of Tags, and nobody else can write for that time | Add a WHERE for the rows that need it. Where a new column gets one value, write that as its DEFAULT instead. If the table stays small, say so in a lint-ignore."
      ]
    ],
    [
      "ALTER TABLE tags ADD COLUMN y; ALTER TABLE tags RENAME COLUMN n TO m; UPDATE tags SET m = m + 1",
      [
        "whole-table-update 1: It rewrites every row of Tags, and nobody else can write for that time | Add a WHERE for the rows that need it. Where a new column gets one value, write that as its DEFAULT instead. If the table stays small, say so in a lint-ignore."
      ]
    ],
    ["ALTER TABLE tags ADD COLUMN z; ALTER TABLE tags ADD COLUMN y;\nUPDATE tags SET z = lower(label), y = n", []]
  ])
  table("of a table to which others refer", lint, [
    [
      "DROP TABLE owners",
      [
        "deletes-undeclared 1: It drops owners, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = owners` above the first statement. | deletes = owners",
        "drop-referenced 1: It drops owners, to which pets still refers | First drop or rebuild what refers to it: every later write there would fail."
      ]
    ],
    [
      "DROP TABLE pets; DROP TABLE owners",
      [
        "deletes-undeclared 1: It drops owners, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = owners` above the first statement. | deletes = owners",
        "deletes-undeclared 1: It drops pets, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = pets` above the first statement. | deletes = pets"
      ]
    ],
    [
      "DROP TABLE owners; DROP TABLE pets",
      [
        "deletes-undeclared 1: It drops owners, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = owners` above the first statement. | deletes = owners",
        "drop-referenced 1: It drops owners while pets still refers to it: with rows in both, that fails or deletes them | Drop pets first.",
        "deletes-undeclared 1: It drops pets, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = pets` above the first statement. | deletes = pets"
      ]
    ],
    [
      "-- database-ready: foreign_keys = off\nDROP TABLE owners; DROP TABLE pets",
      [
        "deletes-undeclared 2: It drops owners, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = owners` above the first statement. | deletes = owners",
        "deletes-undeclared 2: It drops pets, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = pets` above the first statement. | deletes = pets"
      ]
    ],
    [
      "-- database-ready: deletes = owners\nDROP TABLE owners",
      [
        "drop-referenced 2: It drops owners, to which pets still refers | First drop or rebuild what refers to it: every later write there would fail."
      ]
    ],
    [
      "CREATE TABLE made (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);\nINSERT INTO made (id, name) SELECT id, name FROM owners;\nDROP TABLE owners;\nALTER TABLE made RENAME TO owners",
      [
        "rebuild-undeclared 3: It rebuilds owners, to which pets refers: with foreign keys on, the DROP first deletes its rows, and ON DELETE actions run | Write `-- database-ready: foreign_keys = off` above the first statement: they are then off for this file, and checked at its end. | foreign_keys = off",
        "rebuild-loses 3: Dropping the old owners drops index owners_by_name too, and the file does not make it again | Create it again at the end of the file. If it may go, say so with a DROP above."
      ]
    ],
    [
      "-- database-ready: foreign_keys = off\nCREATE TABLE made (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);\nINSERT INTO made (id, name) SELECT id, name FROM owners;\nDROP TABLE owners;\nALTER TABLE made RENAME TO owners;CREATE UNIQUE INDEX owners_by_name ON owners (name)",
      []
    ],
    [
      "ALTER TABLE owners RENAME TO old;\nCREATE TABLE owners (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);\nINSERT INTO owners (id, name) SELECT id, name FROM old;\nDROP TABLE old",
      [
        "drop-referenced 4: The rename took the references of pets with it, and now they refer to old, which it drops | Make the new table under another name, copy the rows, drop the old table, and rename the new one: then references stay.",
        "rebuild-loses 4: Dropping the old owners drops index owners_by_name too, and the file does not make it again | Create it again at the end of the file. If it may go, say so with a DROP above."
      ]
    ],
    [
      "CREATE TABLE more (o REFERENCES owners);\nDROP TABLE owners",
      [
        "deletes-undeclared 2: It drops owners, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = owners` above the first statement. | deletes = owners",
        "drop-referenced 2: It drops owners, to which pets still refers | First drop or rebuild what refers to it: every later write there would fail."
      ]
    ],
    ["CREATE TABLE a (x PRIMARY KEY); CREATE TABLE b (y REFERENCES a);\nDROP TABLE a", []],
    ["CREATE TABLE a (x PRIMARY KEY); CREATE TABLE b (y REFERENCES a);\nDROP TABLE a; DROP TABLE b", []],
    ["CREATE TABLE a (x PRIMARY KEY, y REFERENCES a);\nDROP TABLE a", []],
    [
      "DROP TABLE pets",
      [
        "deletes-undeclared 1: It drops pets, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = pets` above the first statement. | deletes = pets"
      ]
    ],
    [
      "CREATE TABLE b (y REFERENCES owners);\nDROP TABLE owners; DROP TABLE b; DROP TABLE pets",
      [
        "deletes-undeclared 2: It drops owners, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = owners` above the first statement. | deletes = owners",
        "drop-referenced 2: It drops owners while pets still refers to it: with rows in both, that fails or deletes them | Drop pets first.",
        "deletes-undeclared 2: It drops pets, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = pets` above the first statement. | deletes = pets"
      ]
    ]
  ])
  const codes = (base: string, file: string) => lintOf(base, file).map((found) => found.replace(/ .*/s, ""))
  const undeclared = ["deletes-undeclared"]
  table("of rows that are put back", (file: string) => codes(base, file), [
    ["CREATE TABLE c AS SELECT * FROM kinds; DELETE FROM kinds; INSERT INTO kinds SELECT * FROM c", []],
    ['CREATE TEMP TABLE C AS SELECT * from "KINDS"; DELETE FROM Kinds; INSERT INTO kinds SELECT k, v FROM [c]', []],
    ["CREATE TABLE c AS SELECT * FROM kinds; DELETE FROM kinds WHERE k; INSERT INTO kinds SELECT * FROM c", undeclared],
    ["DELETE FROM kinds; CREATE TABLE c AS SELECT * FROM kinds; INSERT INTO kinds SELECT * FROM c", undeclared],
    ["CREATE TABLE c AS SELECT * FROM kinds; INSERT INTO kinds SELECT * FROM c; DELETE FROM kinds", undeclared],
    ["CREATE TABLE c AS SELECT a, b FROM parts; DELETE FROM kinds; INSERT INTO kinds SELECT * FROM c", undeclared],
    ["CREATE TABLE c AS SELECT * FROM kinds WHERE k; DELETE FROM kinds; INSERT INTO kinds SELECT * FROM c", undeclared],
    [
      "CREATE TABLE c AS SELECT DISTINCT * FROM kinds; DELETE FROM kinds; INSERT INTO kinds SELECT * FROM c",
      undeclared
    ],
    [
      "CREATE TABLE c AS SELECT * FROM kinds; DELETE FROM kinds; INSERT INTO kinds SELECT distinct * FROM c",
      undeclared
    ],
    ["CREATE TABLE c AS SELECT 1 AS k, 2 AS kinds; DELETE FROM kinds; INSERT INTO kinds SELECT * FROM c", undeclared],
    ["CREATE TABLE c AS SELECT * FROM kinds; DELETE FROM kinds; INSERT INTO kinds SELECT * FROM c WHERE k", undeclared],
    ["CREATE TABLE c AS SELECT * FROM kinds; DELETE FROM kinds; INSERT INTO pets (name) SELECT k FROM c", undeclared],
    [
      "CREATE TABLE c AS SELECT * FROM kinds; CREATE TABLE d AS SELECT a, b FROM parts; DELETE FROM kinds; INSERT INTO kinds SELECT * FROM d",
      undeclared
    ],
    ["CREATE VIEW c AS SELECT * FROM kinds; DELETE FROM kinds; INSERT INTO kinds SELECT * FROM c", undeclared]
  ])
  const rebuiltTop = (columns: string, fill: string) =>
    `CREATE TABLE made (id INTEGER PRIMARY KEY, ${columns}); ${fill}; DROP TABLE top; ALTER TABLE made RENAME TO top`
  const up = "up REFERENCES top, x"
  const filled = "INSERT INTO made (id, x) SELECT id, 1 FROM top"
  table(
    "of references that stay empty",
    (file: string) =>
      codes(
        "CREATE TABLE top (id INTEGER PRIMARY KEY, up REFERENCES top); CREATE TABLE other (up)",
        `-- database-ready: deletes = top\n${file}`
      ),
    [
      ["DROP TABLE top", []],
      [rebuiltTop(up, filled), []],
      [rebuiltTop(up, "INSERT INTO made (id, UP) SELECT id, 1 FROM top"), ["rebuild-undeclared"]],
      [rebuiltTop(up, "INSERT INTO made SELECT id, up, 1 FROM top"), ["rebuild-undeclared"]],
      [rebuiltTop("up DEFAULT 1 REFERENCES top, x", filled), ["rebuild-undeclared"]],
      [rebuiltTop(up, `${filled}; UPDATE made SET x = 1`), []],
      [rebuiltTop(up, `${filled}; UPDATE made SET x = 1, up = 2`), ["rebuild-undeclared"]],
      [rebuiltTop(up, `${filled}; INSERT INTO other (up) VALUES (1); UPDATE other SET up = 2 WHERE up`), []],
      [
        rebuiltTop("up, x, FOREIGN KEY (up, x) REFERENCES top (id, up)", "INSERT INTO made (up) SELECT id FROM top"),
        ["rebuild-undeclared"]
      ],
      [
        rebuiltTop(
          "up, x DEFAULT 1, FOREIGN KEY (up, x) REFERENCES top (id, up)",
          "INSERT INTO made (id) SELECT id FROM top"
        ),
        ["rebuild-undeclared"]
      ]
    ]
  )
  table(
    "of a table to which two others refer",
    (file: string) =>
      lintOf(
        "CREATE TABLE Top (id INTEGER PRIMARY KEY, b REFERENCES bottom); CREATE TABLE bottom (id INTEGER PRIMARY KEY); CREATE TABLE a (x REFERENCES top); CREATE TABLE b (x REFERENCES top); CREATE TABLE c (x REFERENCES bottom)",
        `-- database-ready: deletes = top, a, b\n${file}`
      ).map((found) => found.replace(/ \|.*/s, "")),
    [
      ["DROP TABLE top", ["drop-referenced 2: It drops Top, to which a, b still refer"]],
      [
        "CREATE TRIGGER a AFTER INSERT ON c BEGIN SELECT 1; END; DROP TABLE top",
        ["drop-referenced 2: It drops Top, to which a, b still refer"]
      ],
      [
        "DROP TABLE top; DROP TABLE a; DROP TABLE b",
        ["drop-referenced 2: It drops Top while a, b still refer to it: with rows in both, that fails or deletes them"]
      ],
      [
        "DROP TABLE b; DROP TABLE top; DROP TABLE a",
        ["drop-referenced 2: It drops Top while a still refers to it: with rows in both, that fails or deletes them"]
      ],
      [
        "CREATE TABLE made (id INTEGER PRIMARY KEY, b); INSERT INTO made (id) SELECT id FROM top; DROP TABLE top; ALTER TABLE made RENAME TO top",
        [
          "rebuild-undeclared 2: It rebuilds Top, to which a, b refer: with foreign keys on, the DROP first deletes its rows, and ON DELETE actions run"
        ]
      ],
      [
        "CREATE TABLE m (x PRIMARY KEY); CREATE TABLE n (y REFERENCES m); INSERT INTO n VALUES (1); DROP TABLE m; DROP TABLE n",
        []
      ],
      [
        "CREATE TABLE m (x PRIMARY KEY); CREATE TABLE n (y REFERENCES m); INSERT INTO n VALUES (1); DROP TABLE m",
        ["drop-referenced 2: It drops m, to which n still refers"]
      ]
    ]
  )
  it("leaves foreign keys to the finding about the PRAGMA", () => {
    assert.isFalse(
      lintOf(base, "-- database-ready: deletes = owners, pets\nDROP TABLE owners; DROP TABLE pets", true).some(
        (found) => found.startsWith("drop-referenced")
      )
    )
  })
  table("of the copy of a table", tags, [
    [
      [all, "SELECT * FROM tags", kept],
      [
        "insert-select-star 2: SELECT * copies Tags by position, so another order of columns would mix them up without an error"
      ]
    ],
    [
      ["id INTEGER PRIMARY KEY, n INT, label TEXT, b BLOB, x", "SELECT * FROM tags", kept],
      [
        "columns-mixed-up 2: SELECT * goes by position: Tags.label goes into n",
        "type-change 2: Tags.label was TEXT and becomes INT, and the copy does not convert it: a value that does not look like one stays as it is"
      ]
    ],
    [[all, "(id, label, n, b, x) SELECT id, label, n, b, x FROM tags", kept], []],
    [
      [all, "(id, label, n, b, x) SELECT * FROM tags", kept],
      [
        "insert-select-star 2: SELECT * copies Tags by position, so another order of columns would mix them up without an error"
      ]
    ],
    [
      [all, "(x, label, n, b, id) SELECT * FROM tags", kept],
      ["columns-mixed-up 2: SELECT * goes by position: Tags.id goes into x"]
    ],
    [
      ["id INTEGER PRIMARY KEY, label TEXT, n INT, b BLOB, x, g AS (n)", "SELECT * FROM tags", kept],
      [
        "insert-select-star 2: SELECT * copies Tags by position, so another order of columns would mix them up without an error"
      ]
    ],
    [["id INTEGER PRIMARY KEY, label TEXT, n INT, b BLOB, x, more", "SELECT *, 1 FROM tags", kept], []],
    [[all, "SELECT id, label, n, b, x FROM tags UNION SELECT 1, 2, 3, 4, 5", kept], []],
    [["id INTEGER PRIMARY KEY, label INT, n REAL, b NUMERIC, x BLOB", "(n, b, x) SELECT n, b, n FROM tags", kept], []],
    [["id INTEGER PRIMARY KEY, label TEXT, n BLOB, b, x", "(n) SELECT n FROM tags", kept], []],
    [
      [
        "id INTEGER PRIMARY KEY, label TEXT NOT NULL, z",
        "(label, z) SELECT label, n FROM tags",
        `${kept.replace("CREATE INDEX tags_some ON tags (n) WHERE n > 1; ", "")}; ALTER TABLE tags DROP COLUMN z`
      ],
      ["not-null-on-existing 2: Tags.label may be NULL, and the new column may not: one such row and the copy fails"]
    ],
    [
      [
        "id INTEGER PRIMARY KEY, label INT, n TEXT, b BLOB, x",
        "(id, label, n, b, x) SELECT id, label, n, b, x FROM tags",
        kept
      ],
      [
        "type-change 2: Tags.label was TEXT and becomes INT, and the copy does not convert it: a value that does not look like one stays as it is"
      ]
    ],
    [
      [
        "id INTEGER PRIMARY KEY, label REAL, n INT, b INT, x INT",
        "(id, label, n, b, x) SELECT id, label, n, b, x FROM tags",
        kept
      ],
      [
        "type-change 2: Tags.label was TEXT and becomes REAL, and the copy does not convert it: a value that does not look like one stays as it is",
        "type-change 2: Tags.b was BLOB and becomes INT, and the copy does not convert it: a value that does not look like one stays as it is"
      ]
    ],
    [
      [
        "id INTEGER PRIMARY KEY, label BLOB, n INT, b TEXT, x TEXT",
        "(id, label, n, b, x) SELECT id, label, n, b, x FROM tags",
        kept
      ],
      [
        "type-change 2: Tags.label was TEXT and becomes BLOB, and the copy does not convert it: a value that does not look like one stays as it is",
        "type-change 2: Tags.b was BLOB and becomes TEXT, and the copy does not convert it: a value that does not look like one stays as it is"
      ]
    ],
    [
      ["id INTEGER PRIMARY KEY, label, n, b, x BLOB", "(id, label, n, b, x) SELECT id, label, n, b, x FROM tags", kept],
      []
    ],
    [
      [
        "id INTEGER PRIMARY KEY, label NUMERIC, n NUMERIC, b REAL, x REAL",
        "(id, label, n, b, x) SELECT id, label, n, b, x FROM tags",
        kept
      ],
      [
        "type-change 2: Tags.b was BLOB and becomes REAL, and the copy does not convert it: a value that does not look like one stays as it is"
      ]
    ],
    [
      [
        "id INTEGER PRIMARY KEY, label INTEGER, n INT, b BLOB, x ANY",
        "(id, label, n, b, x) SELECT id, label, n, b, x FROM tags",
        kept,
        "STRICT"
      ],
      [
        "type-change 2: Tags.label was TEXT and becomes INTEGER, and the copy does not convert it: a value of another type fails"
      ]
    ],
    [
      [
        "id INTEGER PRIMARY KEY, label INT, n INT, b, x",
        "(id, label, n, b, x) SELECT id, CAST(label AS INTEGER), n, b, x FROM tags",
        kept
      ],
      []
    ],
    [
      ["id INTEGER PRIMARY KEY, label INT, n INT, b, x", "(id, n) SELECT id, label FROM tags", kept],
      [
        "type-change 2: Tags.label was TEXT and becomes INT, and the copy does not convert it: a value that does not look like one stays as it is"
      ]
    ],
    [
      [
        "id INTEGER PRIMARY KEY, label TEXT NOT NULL, n INT, b, x",
        "(id, label, n, b, x) SELECT id, label, n, b, x FROM tags",
        kept
      ],
      ["not-null-on-existing 2: Tags.label may be NULL, and the new column may not: one such row and the copy fails"]
    ],
    [
      [
        "id INTEGER PRIMARY KEY, label TEXT NOT NULL, n INT, b, x",
        "(id, label) SELECT id, label FROM tags WHERE label",
        kept
      ],
      []
    ],
    [
      [
        "id INTEGER PRIMARY KEY, label TEXT NOT NULL, n INT, b, x",
        "(id, label) SELECT id, coalesce(label, '') FROM tags",
        kept
      ],
      []
    ],
    [
      [
        "id INTEGER NOT NULL PRIMARY KEY, label TEXT, n INT NOT NULL, b, x",
        "(id, label, n) SELECT id, label, id FROM tags",
        kept
      ],
      []
    ],
    [
      [all, "(id, label, n, b, x) SELECT id, label, n, b, x FROM tags"],
      [
        "rebuild-loses 3: Dropping the old Tags drops index tags_some, index tags_by_lower, index tags_by_label, trigger tagged too, and the file does not make them again"
      ]
    ],
    [
      [
        all,
        "(id, label, n, b, x) SELECT id, label, n, b, x FROM tags",
        "CREATE INDEX other ON tags (label); CREATE INDEX other2 ON tags (lower(n)); CREATE INDEX other3 ON tags (n)"
      ],
      [
        "rebuild-loses 3: Dropping the old Tags drops index tags_some, trigger tagged too, and the file does not make them again"
      ]
    ],
    [
      [all, "(id) SELECT id FROM tags", "DROP TABLE words"],
      [
        "deletes-undeclared 5: It drops words, and the file does not declare it: a database in which that deletes rows refuses the upgrade",
        "rebuild-loses 3: Dropping the old Tags drops index tags_some, index tags_by_lower, index tags_by_label, trigger tagged too, and the file does not make them again"
      ]
    ],
    [
      ["id INTEGER PRIMARY KEY, x", "(id, x) SELECT id, x FROM tags"],
      [
        "rebuild-loses 3: Dropping the old Tags drops index tags_by_lower, trigger tagged too, and the file does not make them again"
      ]
    ],
    [
      [
        all,
        "(id) SELECT id FROM tags",
        "CREATE UNIQUE INDEX tags_u ON tags (label); CREATE TRIGGER tagged AFTER INSERT ON owners BEGIN SELECT 1; END"
      ],
      [
        "rebuild-loses 3: Dropping the old Tags drops index tags_some, index tags_by_lower too, and the file does not make them again"
      ]
    ],
    [
      ["id INT PRIMARY KEY, label TEXT, n INT, b, x", "(id) SELECT id FROM tags", kept],
      ["rowid-lost 1: tags.id was INTEGER PRIMARY KEY, and is no longer the number that SQLite gives each row"]
    ],
    [["id2 INTEGER PRIMARY KEY, label TEXT, n INT, b, x", "(id2) SELECT id FROM tags", kept], []],
    [
      ["id INTEGER PRIMARY KEY, label TEXT UNIQUE, n INT, b, x", "(id, label) SELECT id, label FROM tags", kept],
      ["unique-on-existing 1: Two rows of tags may be the same in label, and then this fails"]
    ],
    [
      ["ID TEXT, label TEXT, n INT, b, x", "(id) SELECT id FROM tags", kept],
      ["rowid-lost 1: tags.id was INTEGER PRIMARY KEY, and is no longer the number that SQLite gives each row"]
    ],
    [
      ["id INTEGER PRIMARY KEY, label TEXT, n INT, b, x", "(id) SELECT id FROM tags", kept, "WITHOUT ROWID"],
      ["rowid-lost 1: tags.id was INTEGER PRIMARY KEY, and is no longer the number that SQLite gives each row"]
    ],
    [
      [
        "label TEXT PRIMARY KEY, id INTEGER, n INT, b, x",
        "(label, id) SELECT label, id FROM tags",
        kept,
        "WITHOUT ROWID"
      ],
      [
        "not-null-on-existing 2: Tags.label may be NULL, and the new column may not: one such row and the copy fails",
        "rowid-lost 1: tags.id was INTEGER PRIMARY KEY, and is no longer the number that SQLite gives each row",
        "unique-on-existing 1: Two rows of tags may be the same in label, and then this fails"
      ]
    ],
    [
      [all, "VALUES (1, 2, 3, 4, 5)", ""],
      [
        "deletes-undeclared 3: It drops Tags and makes it again without copying its rows, and the file does not declare it: a database in which that deletes rows refuses the upgrade"
      ]
    ],
    [[all, '(id, label, n) SELECT id, "label", tags.n FROM tags', kept], []],
    [
      [all, "(label, id) SELECT id, label FROM tags", kept],
      [
        "type-change 2: Tags.label was TEXT and becomes INTEGER, and the copy does not convert it: a value that does not look like one stays as it is"
      ]
    ]
  ])
  /** What a rebuild of a table with these indexes loses, if the new one has these columns and this is behind it. */
  const lost = ([before, after, columns = "id INTEGER PRIMARY KEY, a, b"]: readonly [string, string, string?]) =>
    lintOf(
      `CREATE TABLE t (id INTEGER PRIMARY KEY, a, b); CREATE TABLE u (x); CREATE TRIGGER on_u AFTER INSERT ON u BEGIN SELECT 1; END; ${before}`,
      `-- database-ready: deletes = u\nCREATE TABLE made (${columns}); INSERT INTO made (b) SELECT b FROM t; DROP TABLE t; ALTER TABLE made RENAME TO t; ${after}`
    ).flatMap((found) => /^rebuild-loses .* drops (.*) too/.exec(found)?.[1] ?? [])
  table("of indexes and triggers that a rebuild loses", lost, [
    [["CREATE INDEX x ON t (a); CREATE INDEX y ON t (b)", ""], ["index y, index x"]],
    [["CREATE INDEX x ON t (a)", "CREATE INDEX x ON t (b)"], []],
    // A trigger may have the name of an index.
    [["CREATE INDEX x ON t (a)", "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END"], ["index x"]],
    [
      [
        "CREATE INDEX x ON t (a)",
        "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END; DROP TRIGGER x; CREATE INDEX y ON u (x); DROP INDEX y"
      ],
      ["index x"]
    ],
    [["CREATE INDEX x ON t (a)", "CREATE INDEX x ON t (a); DROP INDEX x"], []],
    [["CREATE INDEX x ON t (a)", "CREATE INDEX x ON u (x); DROP TABLE u"], ["index x"]],
    [["CREATE INDEX x ON t (a, b)", "", "id INTEGER PRIMARY KEY, b"], []],
    [["CREATE INDEX x ON t (ID)", "", "Id INTEGER PRIMARY KEY, b"], []],
    [["CREATE UNIQUE INDEX x ON t (id)", ""], []],
    [["CREATE INDEX x ON t (id) WHERE a", ""], ["index x"]],
    [["CREATE INDEX x ON t (id, a)", ""], ["index x"]],
    [["CREATE INDEX x ON t (id)", "", "id INT, b"], ["index x"]],
    [["CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END", "DROP TABLE u"], ["trigger x"]],
    [["CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END", "CREATE INDEX x ON u (x)"], ["trigger x"]],
    [["CREATE UNIQUE INDEX x ON t (a)", "CREATE UNIQUE INDEX y ON t (A)"], []],
    [["CREATE UNIQUE INDEX x ON t (a)", "CREATE INDEX y ON t (a)"], ["index x"]],
    [["CREATE INDEX x ON t (a) WHERE b", "CREATE INDEX y ON t (a) WHERE b"], []],
    [["CREATE INDEX x ON t (a)", "CREATE INDEX y ON t (a) WHERE b"], ["index x"]],
    [["CREATE INDEX x ON t (a) WHERE b", "CREATE INDEX y ON t (a)"], ["index x"]],
    [["CREATE INDEX x ON t (a)", "CREATE INDEX y ON t (a, b)"], []],
    [["CREATE INDEX x ON t (a)", "CREATE INDEX y ON t (b, a)"], ["index x"]],
    [["CREATE INDEX x ON t (a)", "CREATE INDEX y ON t (a, b) WHERE b"], ["index x"]],
    [["CREATE INDEX x ON t (a) WHERE b", "CREATE INDEX y ON t (a, b)"], ["index x"]],
    [["CREATE INDEX x ON t (a) WHERE b", "CREATE INDEX y ON t (a, b) WHERE b"], ["index x"]],
    [["CREATE UNIQUE INDEX x ON t (a)", "CREATE INDEX y ON t (a, b)"], ["index x"]]
  ])
  /** A rebuild of kinds, or of another table, with these columns and this copy. */
  const rebuilt = ([columns, copy, before = "", name = "kinds"]: readonly [string, string, string?, string?]) =>
    lintOf(
      `${base} CREATE TABLE made_of (a TEXT, c AS (a), b TEXT)`,
      `${before}CREATE TABLE made (${columns});\nINSERT INTO made ${copy};\nDROP TABLE ${name};\nALTER TABLE made RENAME TO ${name}`
    ).map((found) => found.replace(/ \|.*/, ""))
  table("of the copies of other tables", rebuilt, [
    [["k, v", "SELECT *, x FROM words"], []],
    [["a, b, c", "SELECT * FROM parts"], []],
    [
      ["key TEXT, v TEXT", "SELECT * FROM kinds"],
      [
        "insert-select-star 2: SELECT * copies kinds by position, so another order of columns would mix them up without an error"
      ]
    ],
    [
      ["k TEXT NOT NULL", "SELECT v FROM kinds"],
      ["not-null-on-existing 2: kinds.v may be NULL, and the new column may not: one such row and the copy fails"]
    ],
    [["v TEXT NOT NULL", "SELECT v FROM kinds", "UPDATE kinds SET V = '' WHERE v IS NULL; "], []],
    [
      ["v TEXT NOT NULL", "SELECT v FROM kinds", "UPDATE kinds SET k = '' WHERE k = 'x'; "],
      ["not-null-on-existing 2: kinds.v may be NULL, and the new column may not: one such row and the copy fails"]
    ],
    // A generated column is one of `*`, and an INSERT leaves it out.
    [
      ["a TEXT, c TEXT, b TEXT", "SELECT * FROM made_of", "", "made_of"],
      [
        "insert-select-star 2: SELECT * copies made_of by position, so another order of columns would mix them up without an error"
      ]
    ],
    [
      ["a TEXT, d AS (a), b TEXT, c TEXT", "SELECT * FROM made_of", "", "made_of"],
      ["columns-mixed-up 2: SELECT * goes by position: made_of.c goes into b"]
    ]
  ])
  table("of other rebuilds", lint, [
    ["INSERT INTO kinds SELECT * FROM kinds", []],
    [
      "CREATE VIRTUAL TABLE made USING fts5 (label);\nINSERT INTO made SELECT label FROM tags;\nDROP TABLE tags;\nALTER TABLE made RENAME TO tags",
      []
    ],
    [
      "DROP TRIGGER tagged; DROP INDEX tags_by_label; DROP INDEX tags_by_lower; DROP INDEX tags_some; CREATE TABLE made (id INTEGER PRIMARY KEY, label); INSERT INTO made SELECT id, label FROM tags; DROP TABLE tags; ALTER TABLE made RENAME TO tags",
      []
    ],
    [
      "CREATE TABLE made (k TEXT, v TEXT);\nINSERT INTO made SELECT * FROM kinds;\nDROP TABLE kinds;\nALTER TABLE made RENAME TO kinds",
      [
        "insert-select-star 2: SELECT * copies kinds by position, so another order of columns would mix them up without an error | Name the columns on both sides: INSERT INTO new (a, b) SELECT a, b FROM old."
      ]
    ],
    [
      "CREATE TABLE made (k TEXT NOT NULL, v TEXT NOT NULL);\nINSERT INTO made SELECT k, v FROM kinds;\nDROP TABLE kinds;\nALTER TABLE made RENAME TO kinds",
      [
        "not-null-on-existing 2: kinds.v may be NULL, and the new column may not: one such row and the copy fails | Give such rows a value: coalesce(v, ...)."
      ]
    ],
    ['CREATE TABLE made AS SELECT * FROM "my log";\nDROP TABLE "my log";\nALTER TABLE made RENAME TO "my log"', []],
    [
      "CREATE TABLE made (id INTEGER PRIMARY KEY, name);\nINSERT INTO made SELECT id, name FROM owners;\nDROP TABLE owners;\nALTER TABLE made RENAME TO owners",
      [
        "rebuild-undeclared 3: It rebuilds owners, to which pets refers: with foreign keys on, the DROP first deletes its rows, and ON DELETE actions run | Write `-- database-ready: foreign_keys = off` above the first statement: they are then off for this file, and checked at its end. | foreign_keys = off",
        "rebuild-loses 3: Dropping the old owners drops index owners_by_name too, and the file does not make it again | Create it again at the end of the file. If it may go, say so with a DROP above.",
        "autoincrement-lost 1: The new owners has no AUTOINCREMENT: numbers of deleted rows are used again | Write AUTOINCREMENT as the old table has it, unless that is meant."
      ]
    ],
    [
      "CREATE TABLE made (a INT, b INT, c INT);\nINSERT INTO made SELECT * FROM parts;\nDROP TABLE parts;\nALTER TABLE made RENAME TO parts",
      [
        "insert-select-star 2: SELECT * copies parts by position, so another order of columns would mix them up without an error | Name the columns on both sides: INSERT INTO new (a, b) SELECT a, b FROM old."
      ]
    ],
    [
      "CREATE TABLE x2 (x);\nINSERT INTO x2 SELECT x FROM words;\nDROP TABLE words;\nALTER TABLE x2 RENAME TO words",
      []
    ],
    [
      "CREATE TABLE made (id INT PRIMARY KEY, label TEXT);\nINSERT INTO made SELECT id, label FROM tags;\nDROP TABLE tags;\nALTER TABLE made RENAME TO tags",
      [
        "rebuild-loses 3: Dropping the old Tags drops index tags_by_lower, index tags_by_label, trigger tagged too, and the file does not make them again | Create it again at the end of the file. If it may go, say so with a DROP above.",
        "rowid-lost 1: tags.id was INTEGER PRIMARY KEY, and is no longer the number that SQLite gives each row | Declare id as INTEGER PRIMARY KEY, unless the program now gives every row its own."
      ]
    ],
    [
      "CREATE TABLE made (v TEXT, k TEXT);\nINSERT INTO made SELECT * FROM kinds;\nDROP TABLE kinds;\nALTER TABLE made RENAME TO kinds",
      [
        "columns-mixed-up 2: SELECT * goes by position: kinds.k goes into v | Name the columns on both sides: INSERT INTO new (a, b) SELECT a, b FROM old."
      ]
    ],
    [
      "CREATE TABLE made (k TEXT, v TEXT, z);\nINSERT INTO made SELECT *, v FROM kinds;\nDROP TABLE kinds;\nALTER TABLE made RENAME TO kinds",
      []
    ],
    [
      "-- database-ready: foreign_keys = off\nCREATE TABLE made (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);\nINSERT INTO made (id, name) SELECT id, name FROM owners;\nDROP TABLE owners;\nALTER TABLE made RENAME TO owners; CREATE INDEX o2 ON owners (name)",
      [
        "rebuild-loses 4: Dropping the old owners drops index owners_by_name too, and the file does not make it again | Create it again at the end of the file. If it may go, say so with a DROP above."
      ]
    ],
    [
      "ALTER TABLE kinds RENAME TO old;\nCREATE TABLE kinds (k TEXT, v INT);\nINSERT INTO kinds SELECT * FROM old;\nDROP TABLE old",
      [
        "insert-select-star 3: SELECT * copies kinds by position, so another order of columns would mix them up without an error | Name the columns on both sides: INSERT INTO new (a, b) SELECT a, b FROM old.",
        "type-change 3: kinds.v was TEXT and becomes INT, and the copy does not convert it: a value that does not look like one stays as it is | Convert it: CAST(v AS INTEGER), or correct the rows first."
      ]
    ]
  ])
  table("of values that must be unique", lint, [
    [
      "CREATE UNIQUE INDEX u ON tags (label)",
      [
        "unique-on-existing 1: Two rows of Tags may be the same in label, and then this fails | Merge or correct such rows in the same file first; or say in a lint-ignore why there are none."
      ]
    ],
    [
      "CREATE UNIQUE INDEX u ON tags (label, lower(n))",
      [
        "unique-on-existing 1: Two rows of Tags may be the same in label, an expression, and then this fails | Merge or correct such rows in the same file first; or say in a lint-ignore why there are none."
      ]
    ],
    ["CREATE UNIQUE INDEX u ON tags (id, label)", []],
    ["CREATE INDEX u ON tags (label)", []],
    [
      "CREATE UNIQUE INDEX u ON tags (label) WHERE n",
      [
        "unique-on-existing 1: Two rows of Tags may be the same in label, and then this fails | Merge or correct such rows in the same file first; or say in a lint-ignore why there are none."
      ]
    ],
    ["CREATE UNIQUE INDEX u ON owners (code, name)", []],
    [
      "CREATE UNIQUE INDEX u ON parts (b)",
      [
        "unique-on-existing 1: Two rows of parts may be the same in b, and then this fails | Merge or correct such rows in the same file first; or say in a lint-ignore why there are none."
      ]
    ],
    ["CREATE UNIQUE INDEX u ON parts (c, b, a)", []],
    [
      "CREATE UNIQUE INDEX u ON parts (a, c)",
      [
        "unique-on-existing 1: Two rows of parts may be the same in a, c, and then this fails | Merge or correct such rows in the same file first; or say in a lint-ignore why there are none."
      ]
    ],
    [
      "DELETE FROM tags WHERE n; CREATE UNIQUE INDEX u ON tags (label)",
      [
        "deletes-undeclared 1: It deletes rows of Tags, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = Tags` above the first statement. | deletes = Tags"
      ]
    ],
    ["UPDATE tags SET n = id WHERE n; CREATE UNIQUE INDEX u ON tags (n)", []],
    ["ALTER TABLE tags ADD COLUMN z; CREATE UNIQUE INDEX u ON tags (z)", []],
    [
      "ALTER TABLE tags ADD COLUMN z DEFAULT 1; CREATE UNIQUE INDEX u ON tags (z)",
      [
        "unique-on-existing 1: Every row of Tags gets the same default for z: with two rows this fails | Merge or correct such rows in the same file first; or say in a lint-ignore why there are none."
      ]
    ],
    [
      "ALTER TABLE tags ADD COLUMN z DEFAULT 1; CREATE UNIQUE INDEX u ON tags (z, n)",
      [
        "unique-on-existing 1: Two rows of Tags may be the same in z, n, and then this fails | Merge or correct such rows in the same file first; or say in a lint-ignore why there are none."
      ]
    ],
    [
      "ALTER TABLE tags ADD COLUMN z DEFAULT 1; ALTER TABLE tags ADD COLUMN y; CREATE UNIQUE INDEX u ON tags (z, y)",
      []
    ],
    ["CREATE TABLE a (x); CREATE UNIQUE INDEX u ON a (x)", []],
    ["DROP INDEX owners_by_name; CREATE UNIQUE INDEX OWNERS_BY_NAME ON owners (name, age)", []],
    [
      "DROP INDEX tags_by_label;\nCREATE UNIQUE INDEX tags_by_label ON tags (label)",
      [
        "unique-on-existing 2: Two rows of Tags may be the same in label, and then this fails | Merge or correct such rows in the same file first; or say in a lint-ignore why there are none."
      ]
    ],
    [
      "ALTER TABLE tags RENAME TO t2; CREATE UNIQUE INDEX u ON t2 (label)",
      [
        "unique-on-existing 1: Two rows of t2 may be the same in label, and then this fails | Merge or correct such rows in the same file first; or say in a lint-ignore why there are none."
      ]
    ],
    [
      "DROP TABLE tags; CREATE TABLE tags (label UNIQUE)",
      [
        "deletes-undeclared 1: It drops Tags and makes it again without copying its rows, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = Tags` above the first statement. | deletes = Tags"
      ]
    ],
    [
      "CREATE TABLE made (k TEXT UNIQUE, v TEXT);\nINSERT INTO made SELECT k, v FROM kinds;\nDROP TABLE kinds;\nALTER TABLE made RENAME TO kinds",
      [
        "unique-on-existing 1: Two rows of kinds may be the same in k, and then this fails | Merge or correct such rows in the same file first; or say in a lint-ignore why there are none."
      ]
    ],
    [
      "CREATE TABLE made (k TEXT UNIQUE, v TEXT);\nINSERT INTO made SELECT DISTINCT k, v FROM kinds;\nDROP TABLE kinds;\nALTER TABLE made RENAME TO kinds",
      []
    ],
    [
      "CREATE TABLE made (k TEXT UNIQUE, v TEXT);\nINSERT OR IGNORE INTO made SELECT k, v FROM kinds;\nDROP TABLE kinds;\nALTER TABLE made RENAME TO kinds",
      []
    ],
    [
      "CREATE TABLE made (k TEXT UNIQUE, v TEXT);\nINSERT OR  REPLACE INTO made SELECT k, v FROM kinds;\nDROP TABLE kinds;\nALTER TABLE made RENAME TO kinds",
      []
    ],
    [
      "CREATE TABLE made (k TEXT UNIQUE, v TEXT);\nINSERT INTO made SELECT k, v FROM kinds GROUP  BY k;\nDROP TABLE kinds;\nALTER TABLE made RENAME TO kinds",
      []
    ],
    [
      "CREATE TABLE made (k TEXT UNIQUE, v TEXT);\nINSERT INTO made SELECT k || 1, v FROM kinds;\nDROP TABLE kinds;\nALTER TABLE made RENAME TO kinds",
      []
    ],
    [
      "CREATE TABLE made (k TEXT, v TEXT UNIQUE);\nINSERT INTO made (v, k) SELECT k, v FROM kinds;\nDROP TABLE kinds;\nALTER TABLE made RENAME TO kinds",
      [
        "unique-on-existing 1: Two rows of kinds may be the same in v, and then this fails | Merge or correct such rows in the same file first; or say in a lint-ignore why there are none."
      ]
    ],
    [
      "CREATE TABLE made (k TEXT, v TEXT);\nCREATE UNIQUE INDEX u ON made (k);\nINSERT INTO made SELECT * FROM kinds;\nDROP TABLE kinds;\nALTER TABLE made RENAME TO kinds",
      [
        "insert-select-star 3: SELECT * copies kinds by position, so another order of columns would mix them up without an error | Name the columns on both sides: INSERT INTO new (a, b) SELECT a, b FROM old.",
        "unique-on-existing 2: Two rows of kinds may be the same in k, and then this fails | Merge or correct such rows in the same file first; or say in a lint-ignore why there are none."
      ]
    ],
    [
      "CREATE TABLE made (a INT, b INT, c INT, UNIQUE (c, b, a));\nINSERT INTO made SELECT a, b, c FROM parts;\nDROP TABLE parts;\nALTER TABLE made RENAME TO parts",
      []
    ],
    [
      "CREATE TABLE made (a INT, b INT, c INT, UNIQUE (c, b));\nINSERT INTO made SELECT a, b, c FROM parts;\nDROP TABLE parts;\nALTER TABLE made RENAME TO parts",
      [
        "unique-on-existing 1: Two rows of parts may be the same in c, b, and then this fails | Merge or correct such rows in the same file first; or say in a lint-ignore why there are none."
      ]
    ],
    ["CREATE TABLE kinds2 (k TEXT UNIQUE);\nINSERT INTO kinds2 SELECT k FROM kinds", []],
    [
      "CREATE TRIGGER u AFTER INSERT ON tags BEGIN SELECT 1; END;\nCREATE UNIQUE INDEX u ON tags (label)",
      [
        "unique-on-existing 2: Two rows of Tags may be the same in label, and then this fails | Merge or correct such rows in the same file first; or say in a lint-ignore why there are none."
      ]
    ],
    // The condition may leave out all rows from before.
    ["ALTER TABLE tags ADD COLUMN z DEFAULT 0; CREATE UNIQUE INDEX u ON tags (label) WHERE z", []],
    [
      "ALTER TABLE tags ADD COLUMN z DEFAULT 0; CREATE UNIQUE INDEX u ON tags (label) WHERE n",
      [
        "unique-on-existing 1: Two rows of Tags may be the same in label, and then this fails | Merge or correct such rows in the same file first; or say in a lint-ignore why there are none."
      ]
    ],
    [
      "CREATE TABLE made (k TEXT UNIQUE, v TEXT);\nINSERT INTO made SELECT k, v FROM kinds;\nINSERT INTO made SELECT DISTINCT v, k FROM kinds;\nDROP TABLE kinds;\nALTER TABLE made RENAME TO kinds",
      []
    ],
    [
      "CREATE TABLE made (k TEXT, v TEXT);\nINSERT INTO made SELECT k, v FROM kinds;\nDROP TABLE kinds;\nALTER TABLE made RENAME TO kinds;\nCREATE UNIQUE INDEX u ON kinds (lower(k))",
      []
    ],
    [
      "CREATE TABLE made (k TEXT UNIQUE, v TEXT);\nINSERT INTO made SELECT k, v FROM kinds UNION SELECT 1, 2;\nDROP TABLE kinds;\nALTER TABLE made RENAME TO kinds",
      []
    ],
    [
      "CREATE TABLE made (k TEXT UNIQUE, v TEXT);\nINSERT INTO made SELECT *, x FROM words;\nDROP TABLE kinds;\nALTER TABLE made RENAME TO kinds",
      []
    ],
    [
      "ALTER TABLE kinds RENAME TO old;\nCREATE TABLE kinds (k TEXT UNIQUE, v TEXT);\nINSERT INTO kinds SELECT k, v FROM old",
      [
        "unique-on-existing 2: Two rows of kinds may be the same in k, and then this fails | Merge or correct such rows in the same file first; or say in a lint-ignore why there are none."
      ]
    ],
    [
      "CREATE TABLE made (k TEXT UNIQUE, v TEXT);\nINSERT INTO made SELECT k, v FROM kinds WHERE k;\nDROP TABLE kinds;\nALTER TABLE made RENAME TO kinds",
      []
    ]
  ])
  table(
    "of a unique index that is made again",
    (file: string) =>
      lintOf(
        "CREATE TABLE t (a, b); CREATE UNIQUE INDEX x ON t (a, b); CREATE UNIQUE INDEX some ON t (a) WHERE b; CREATE UNIQUE INDEX low ON t (lower(a))",
        file
      ).map((found) => found.replace(/ \|.*/, "")),
    [
      ["CREATE INDEX other ON t (b)", []],
      ["DROP INDEX x; CREATE UNIQUE INDEX X ON t (B, a)", []],
      [
        "DROP INDEX x; CREATE UNIQUE INDEX x ON t (b)",
        ["unique-on-existing 1: Two rows of t may be the same in b, and then this fails"]
      ],
      ["DROP INDEX some; CREATE UNIQUE INDEX Some ON t (A) WHERE b", []],
      [
        "DROP INDEX some; CREATE UNIQUE INDEX some ON t (a)",
        ["unique-on-existing 1: Two rows of t may be the same in a, and then this fails"]
      ],
      ["DROP INDEX low; CREATE UNIQUE INDEX low ON t (lower(a))", []],
      [
        "DROP INDEX low; CREATE UNIQUE INDEX other ON t (lower(a))",
        ["unique-on-existing 1: Two rows of t may be the same in an expression, and then this fails"]
      ],
      [
        "CREATE INDEX other ON t (b); DROP INDEX other; CREATE UNIQUE INDEX other ON t (b)",
        ["unique-on-existing 1: Two rows of t may be the same in b, and then this fails"]
      ]
    ]
  )
  table("of statements that do nothing", lint, [
    [
      "CREATE TABLE IF NOT EXISTS kinds (k TEXT NOT NULL, v TEXT) STRICT",
      ["hidden-drift 1: There is a table kinds already, so this does nothing | Remove the statement."]
    ],
    [
      "CREATE TABLE IF NOT EXISTS main.kinds (k TEXT NOT NULL, v TEXT) STRICT",
      ["hidden-drift 1: There is a table kinds already, so this does nothing | Remove the statement."]
    ],
    [
      "CREATE TABLE IF NOT EXISTS kinds (k)",
      [
        "hidden-drift 1: There is a table kinds already, with another definition, and IF NOT EXISTS hides that this one is not made | Change what is there with ALTER TABLE or a rebuild, or remove the statement."
      ]
    ],
    ["CREATE TABLE IF NOT EXISTS fresh (k)", []],
    ["CREATE TEMP TABLE IF NOT EXISTS kinds (k)", []],
    [
      "CREATE INDEX IF NOT EXISTS pets_by_owner ON pets (owner)",
      ["hidden-drift 1: There is an index pets_by_owner already, so this does nothing | Remove the statement."]
    ],
    [
      "CREATE INDEX IF NOT EXISTS PETS_BY_OWNER ON pets (name)",
      [
        "hidden-drift 1: There is an index pets_by_owner already, with another definition, and IF NOT EXISTS hides that this one is not made | Change what is there with ALTER TABLE or a rebuild, or remove the statement."
      ]
    ],
    [
      "CREATE VIEW IF NOT EXISTS labels AS SELECT name AS label FROM pets",
      ["hidden-drift 1: There is a view labels already, so this does nothing | Remove the statement."]
    ],
    ["CREATE VIEW IF NOT EXISTS tagged AS SELECT 1", []],
    [
      "CREATE TRIGGER IF NOT EXISTS tagged AFTER INSERT ON tags BEGIN SELECT 1; END",
      ["hidden-drift 1: There is a trigger tagged already, so this does nothing | Remove the statement."]
    ],
    [
      "DROP TABLE IF EXISTS none",
      [
        "hidden-drift 1: There is no table none at this point, so in a database of these migrations this does nothing | Correct the name, or remove the statement."
      ]
    ],
    ["DROP VIEW IF EXISTS labels", []],
    [
      "DROP VIEW IF EXISTS none",
      [
        "hidden-drift 1: There is no view none at this point, so in a database of these migrations this does nothing | Correct the name, or remove the statement."
      ]
    ],
    ["DROP TABLE IF EXISTS fresh; CREATE TABLE fresh (x)", []],
    ["CREATE TEMP TABLE t (x); DROP TABLE IF EXISTS t", []],
    [
      "DROP INDEX IF EXISTS none;\nDROP TRIGGER IF EXISTS none",
      [
        "hidden-drift 1: There is no index none at this point, so in a database of these migrations this does nothing | Correct the name, or remove the statement.",
        "hidden-drift 2: There is no trigger none at this point, so in a database of these migrations this does nothing | Correct the name, or remove the statement."
      ]
    ],
    [
      "DROP TABLE IF EXISTS none1; CREATE TABLE other (x)",
      [
        "hidden-drift 1: There is no table none1 at this point, so in a database of these migrations this does nothing | Correct the name, or remove the statement."
      ]
    ],
    ["CREATE TEMP TABLE t (x); DROP TABLE t; DROP TABLE IF EXISTS t", []],
    [
      "DROP TABLE tags; CREATE TABLE tags (x)",
      [
        "deletes-undeclared 1: It drops Tags and makes it again without copying its rows, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = Tags` above the first statement. | deletes = Tags"
      ]
    ],
    ["DROP INDEX IF EXISTS tags_by_label", []]
  ])
  table(
    "of statements that fail, or that were not looked at, is nothing",
    ([sql, isKnown]: readonly [string, boolean]) => {
      const [one] = runOf(base, sql).ran
      return (
        one && hiddenIn({ ...one, before: isKnown ? factsOf(base) : undefined }, { ...runOf(base, ""), ran: [one] })
      )
    },
    [
      [["SELECT 1", true], []],
      [["DROP TABLE kinds", true], []],
      [["CREATE TABLE IF NOT EXISTS kinds (k)", false], []],
      [["DROP TABLE IF EXISTS none", false], []]
    ]
  )
  table("of values that depend on the time", lint, [
    [
      "INSERT INTO tags (label) VALUES (CURRENT_TIMESTAMP)",
      [
        "depends-on-time 1: CURRENT_TIMESTAMP gives the time at which each database is upgraded, and the row keeps it | Write the value itself, or let the program write such rows once the database is ready."
      ]
    ],
    [
      "INSERT INTO tags (label)\nVALUES (current_date), (current_time)",
      [
        "depends-on-time 2: current_date gives the time at which each database is upgraded, and the row keeps it | Write the value itself, or let the program write such rows once the database is ready."
      ]
    ],
    [
      "UPDATE tags SET label = datetime('now') WHERE n",
      [
        "depends-on-time 1: datetime gives the time at which each database is upgraded, and the row keeps it | Write the value itself, or let the program write such rows once the database is ready."
      ]
    ],
    [
      "UPDATE tags SET label = datetime() WHERE n",
      [
        "depends-on-time 1: datetime gives the time at which each database is upgraded, and the row keeps it | Write the value itself, or let the program write such rows once the database is ready."
      ]
    ],
    [
      "UPDATE tags SET label = date(' NOW ') WHERE n",
      [
        "depends-on-time 1: date gives the time at which each database is upgraded, and the row keeps it | Write the value itself, or let the program write such rows once the database is ready."
      ]
    ],
    ["UPDATE tags SET label = date(n) WHERE n", []],
    [
      "UPDATE tags SET label = strftime('%Y') WHERE n",
      [
        "depends-on-time 1: strftime gives the time at which each database is upgraded, and the row keeps it | Write the value itself, or let the program write such rows once the database is ready."
      ]
    ],
    ["UPDATE tags SET label = strftime('%Y', n) WHERE n", []],
    [
      "UPDATE tags SET label = strftime('%Y', 'now') WHERE n",
      [
        "depends-on-time 1: strftime gives the time at which each database is upgraded, and the row keeps it | Write the value itself, or let the program write such rows once the database is ready."
      ]
    ],
    [
      "UPDATE tags SET n = random() WHERE n",
      [
        "depends-on-time 1: random gives another value in every database, and the row keeps it | Write the value itself, or let the program write such rows once the database is ready."
      ]
    ],
    [
      "UPDATE tags SET n = randomblob(4) WHERE n",
      [
        "depends-on-time 1: randomblob gives another value in every database, and the row keeps it | Write the value itself, or let the program write such rows once the database is ready."
      ]
    ],
    [
      "UPDATE tags SET n = julianday() WHERE n",
      [
        "depends-on-time 1: julianday gives the time at which each database is upgraded, and the row keeps it | Write the value itself, or let the program write such rows once the database is ready."
      ]
    ],
    ["UPDATE tags SET n = unixepoch((1)) WHERE n", []],
    [
      "UPDATE tags SET n = unixepoch(date('now')) WHERE n",
      [
        "depends-on-time 1: unixepoch gives the time at which each database is upgraded, and the row keeps it | Write the value itself, or let the program write such rows once the database is ready."
      ]
    ],
    [
      "UPDATE tags SET n = time() WHERE n",
      [
        "depends-on-time 1: time gives the time at which each database is upgraded, and the row keeps it | Write the value itself, or let the program write such rows once the database is ready."
      ]
    ],
    [
      "CREATE TABLE a AS SELECT random() AS r",
      [
        "depends-on-time 1: random gives another value in every database, and the row keeps it | Write the value itself, or let the program write such rows once the database is ready."
      ]
    ],
    ["CREATE TABLE a (x DEFAULT CURRENT_TIMESTAMP)", []],
    [
      "UPDATE tags SET label = current_time WHERE n",
      [
        "depends-on-time 1: current_time gives the time at which each database is upgraded, and the row keeps it | Write the value itself, or let the program write such rows once the database is ready."
      ]
    ],
    [
      "UPDATE tags SET n = timediff('now', label) WHERE n",
      [
        "depends-on-time 1: timediff gives the time at which each database is upgraded, and the row keeps it | Write the value itself, or let the program write such rows once the database is ready."
      ]
    ],
    [
      "UPDATE tags SET n = label IS DISTINCT FROM date('now') WHERE n",
      [
        "depends-on-time 1: date gives the time at which each database is upgraded, and the row keeps it | Write the value itself, or let the program write such rows once the database is ready."
      ]
    ],
    ["CREATE TABLE random (x); INSERT INTO random (x) VALUES (1); INSERT INTO main.random (x) VALUES (1)", []],
    ["INSERT INTO tags (label) SELECT my_current_date FROM (SELECT 1 AS my_current_date)", []],
    ["UPDATE tags SET label = date(xnowy) FROM (SELECT 1 AS xnowy) WHERE n", []],
    ["INSERT INTO tags (label) VALUES ('now'), ('date()')", []],
    ["CREATE TABLE date (x); INSERT INTO date (x) VALUES (1)", []],
    ["INSERT INTO tags (label) SELECT current_date2 FROM (SELECT 1 AS current_date2)", []],
    ["INSERT INTO tags (label) SELECT x.time FROM (SELECT 1 AS time) AS x", []],
    ["UPDATE tags SET label = date('x now') WHERE n", []],
    ["UPDATE tags SET label = date('now x') WHERE n", []],
    [
      "UPDATE tags SET label = date('now', 'start of day') WHERE n",
      [
        "depends-on-time 1: date gives the time at which each database is upgraded, and the row keeps it | Write the value itself, or let the program write such rows once the database is ready."
      ]
    ],
    ["CREATE TABLE time (x); INSERT INTO main.time (x) VALUES (1)", []],
    [
      "DELETE FROM tags WHERE n < random()",
      [
        "deletes-undeclared 1: It deletes rows of Tags, and the file does not declare it: a database in which that deletes rows refuses the upgrade | If the rows may go, write `-- database-ready: deletes = Tags` above the first statement. | deletes = Tags"
      ]
    ],
    ['INSERT INTO tags (label) SELECT "random" FROM (SELECT 1 AS random)', []],
    [
      "UPDATE tags\nSET n =\n random()\nWHERE n",
      [
        "depends-on-time 3: random gives another value in every database, and the row keeps it | Write the value itself, or let the program write such rows once the database is ready."
      ]
    ]
  ])
})

describe("a comment that silences a finding", () => {
  const left = ([text, code, line, isSeen]: readonly [string, LintCode, number, boolean?]) =>
    withoutIgnored(text, statementsOf(text), [{ code, line, message: "m", remedy: "r" }], isSeen).map(
      ({ code, line, message, remedy }) => `${code} ${line}: ${message} | ${remedy}`
    )
  table("is for a statement", left, [
    [["a;\nb", "rowid-lost", 2], ["rowid-lost 2: m | r"]],
    [["a;\n-- lint-ignore rowid-lost: so\nb", "rowid-lost", 3], []],
    [
      ["a;\n-- lint-ignore rowid-lost: so\nb", "rowid-lost", 1],
      [
        "rowid-lost 1: m | r",
        "ignore-unused 2: Nothing here is rowid-lost | Remove the comment, or put it directly above the statement that it is for."
      ]
    ],
    [["a; -- lint-ignore rowid-lost: so\nb", "rowid-lost", 1], []],
    [
      ["a; -- lint-ignore rowid-lost: so\nb", "rowid-lost", 2],
      [
        "rowid-lost 2: m | r",
        "ignore-unused 1: Nothing here is rowid-lost | Remove the comment, or put it directly above the statement that it is for."
      ]
    ],
    [["a\n-- lint-ignore rowid-lost: so\nc;\nb", "rowid-lost", 1], []],
    [["a\n-- lint-ignore rowid-lost: so\nc;\nb", "rowid-lost", 3], []],
    [
      ["a\n-- lint-ignore rowid-lost: so\nc;\nb", "rowid-lost", 4],
      [
        "rowid-lost 4: m | r",
        "ignore-unused 2: Nothing here is rowid-lost | Remove the comment, or put it directly above the statement that it is for."
      ]
    ],
    [["/* lint-ignore rowid-lost: so */\na", "rowid-lost", 2], []],
    [["/*\n * lint-ignore rowid-lost: so\n */\na", "rowid-lost", 4], []],
    [
      ["-- lint-ignore rowid-lost, type-change: so\na", "type-change", 2],
      [
        "ignore-unused 1: Nothing here is rowid-lost | Remove the comment, or put it directly above the statement that it is for."
      ]
    ],
    [
      ["-- lint-ignore rowid-lost type-change: so\na", "type-change", 2],
      [
        "ignore-unused 1: Nothing here is rowid-lost | Remove the comment, or put it directly above the statement that it is for."
      ]
    ],
    [
      ["-- lint-ignore rowid-lost\na", "rowid-lost", 2],
      [
        "rowid-lost 2: m | r",
        "ignore-without-reason 1: The comment gives no reason, so it does not silence rowid-lost | Write why it is safe here: `-- lint-ignore rowid-lost: reason`."
      ]
    ],
    [
      ["-- lint-ignore rowid-lost:  \na", "rowid-lost", 2],
      [
        "rowid-lost 2: m | r",
        "ignore-without-reason 1: The comment gives no reason, so it does not silence rowid-lost | Write why it is safe here: `-- lint-ignore rowid-lost: reason`."
      ]
    ],
    [
      ["/* lint-ignore rowid-lost: */a", "rowid-lost", 1],
      [
        "rowid-lost 1: m | r",
        "ignore-without-reason 1: The comment gives no reason, so it does not silence rowid-lost | Write why it is safe here: `-- lint-ignore rowid-lost: reason`."
      ]
    ],
    [
      ["-- lint-ignore nothing: so\na", "rowid-lost", 2],
      [
        "rowid-lost 2: m | r",
        "ignore-unknown 1: There is no code nothing | Write the code as the finding has it: `-- lint-ignore CODE: reason`."
      ]
    ],
    [
      ["-- lint-ignore: so\na", "rowid-lost", 2],
      [
        "rowid-lost 2: m | r",
        "ignore-unknown 1: The comment names no code | Write `-- lint-ignore CODE: reason`, or remove it."
      ]
    ],
    [
      ["-- lint-ignore\na", "rowid-lost", 2],
      [
        "rowid-lost 2: m | r",
        "ignore-unknown 1: The comment names no code | Write `-- lint-ignore CODE: reason`, or remove it."
      ]
    ],
    [["-- lint-ignored rowid-lost: so\na", "rowid-lost", 2], ["rowid-lost 2: m | r"]],
    [["-- x lint-ignore rowid-lost: so\na", "rowid-lost", 2], ["rowid-lost 2: m | r"]],
    [["'lint-ignore'", "rowid-lost", 1], ["rowid-lost 1: m | r"]],
    [
      ["a;\n-- lint-ignore rowid-lost: so", "rowid-lost", 1],
      [
        "rowid-lost 1: m | r",
        "ignore-unused 2: Nothing here is rowid-lost | Remove the comment, or put it directly above the statement that it is for."
      ]
    ],
    [["a;\n-- lint-ignore rowid-lost: so", "rowid-lost", 2], []],
    [
      ["-- lint-ignore type-change: so\na", "rowid-lost", 2],
      [
        "rowid-lost 2: m | r",
        "ignore-unused 1: Nothing here is type-change | Remove the comment, or put it directly above the statement that it is for."
      ]
    ],
    [["-- lint-ignore type-change: so\na", "rowid-lost", 2, false], ["rowid-lost 2: m | r"]],
    [
      ["-- lint-ignore type-change: so\na", "rowid-lost", 2, true],
      [
        "rowid-lost 2: m | r",
        "ignore-unused 1: Nothing here is type-change | Remove the comment, or put it directly above the statement that it is for."
      ]
    ],
    [["--lint-ignore rowid-lost:x\na\nb;c", "rowid-lost", 3], []],
    [["/* lint-ignore rowid-lost: a\nb */ c", "rowid-lost", 2], []],
    [["-- LINT-IGNORE rowid-lost: so\na", "rowid-lost", 2], ["rowid-lost 2: m | r"]],
    [["-- lint-ignore rowid-lost: so\n-- lint-ignore rowid-lost: so\na", "rowid-lost", 3], []]
  ])
})

describe("facts of a schema", () => {
  table("have affinities", affinityOf, [
    ["INT", "INTEGER"],
    ["bigint", "INTEGER"],
    ["CHARACTER(20)", "TEXT"],
    ["clob", "TEXT"],
    ["TEXT", "TEXT"],
    ["", "BLOB"],
    ["blob", "BLOB"],
    ["REAL", "REAL"],
    ["floating", "REAL"],
    ["double", "REAL"],
    ["NUMERIC", "NUMERIC"],
    ["date", "NUMERIC"],
    ["STRING", "NUMERIC"],
    ["FLOATING POINT", "INTEGER"],
    ["CHARINT", "INTEGER"]
  ])
  table(
    "have a rowid",
    (columns: string) => {
      const facts = factsOf(`CREATE TABLE a ${columns}`).tables.get("a")
      return facts && [rowidOf(facts)?.name, isAutoincrement(facts)]
    },
    [
      ["(x INTEGER PRIMARY KEY)", ["x", false]],
      ["(x integer primary key autoincrement)", ["x", true]],
      ["(x INT PRIMARY KEY)", [undefined, false]],
      ["(x INTEGER, y, PRIMARY KEY (x, y))", [undefined, false]],
      ["(x INTEGER PRIMARY KEY) WITHOUT ROWID", [undefined, false]],
      ["(x)", [undefined, false]],
      ["(xautoincrement)", [undefined, false]]
    ]
  )
  table("have names that a declaration can have", declarable, [
    ["a", "a"],
    ["a.b", "a.b"],
    ["a b", '"a b"'],
    ["", '""'],
    ["é", '"é"'],
    ["a-b", '"a-b"']
  ])
  table(
    "owe what is broken to a statement",
    ([file, name, sql]: readonly [string, string, string]) => culpritOf(runOf(base, file), { name, sql })?.text,
    [
      [
        ["ALTER TABLE tags RENAME TO t2; SELECT 1", "labels", "SELECT label FROM Tags"],
        "ALTER TABLE tags RENAME TO t2"
      ],
      [["CREATE VIEW v AS SELECT 1; DROP TABLE kinds", "V", "SELECT * FROM kinds"], "CREATE VIEW v AS SELECT 1"],
      [["DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT 1", "v", "x"], "CREATE VIEW v AS SELECT 1"],
      [["CREATE TABLE a (x); DROP TABLE kinds; SELECT 1", "v", "SELECT * FROM a, kinds"], "DROP TABLE kinds"],
      [["ALTER TABLE parts RENAME TO q; DROP TABLE kinds; SELECT 1", "v", "SELECT * FROM kinds"], "DROP TABLE kinds"],
      [["SELECT 1; DROP TABLE kinds; SELECT 2", "v", "SELECT * FROM kinds"], "DROP TABLE kinds"],
      [["ALTER TABLE tags DROP COLUMN x; SELECT 1", "v", "SELECT * FROM tags"], "ALTER TABLE tags DROP COLUMN x"],
      [["ALTER TABLE tags RENAME TO t2; SELECT 1", "v", "SELECT * FROM t2"], "ALTER TABLE tags RENAME TO t2"],
      [["SELECT 1; SELECT 2", "v", "SELECT * FROM kinds"], "SELECT 2"],
      [["CREATE TABLE a (x); DROP TABLE kinds; SELECT 1", "v", "SELECT * FROM kinds"], "DROP TABLE kinds"],
      [
        ["INSERT INTO pets (name) VALUES ('v'); CREATE VIEW v AS SELECT 1; SELECT 2", "v", "x"],
        "CREATE VIEW v AS SELECT 1"
      ],
      [["DROP TABLE parts; DROP TABLE kinds", "v", "SELECT * FROM kinds"], "DROP TABLE kinds"],
      [["ALTER TABLE parts RENAME TO q; SELECT 1", "v", "SELECT * FROM q"], "ALTER TABLE parts RENAME TO q"],
      [["SELECT 1; SELECT 2; SELECT 3", "v", "x"], "SELECT 3"],
      [["DELETE FROM parts; ALTER TABLE parts ADD COLUMN z; SELECT 1", "v", "SELECT * FROM parts"], "SELECT 1"],
      [["", "v", ""], undefined]
    ]
  )
  table("have findings with a code", (code: string) => [isLintCode(code), isLintCode(code) && lintCodes[code]], [
    ["incomplete", [true, "error"]],
    ["not-sql", [true, "error"]],
    ["not-allowed", [true, "error"]],
    ["statement-fails", [true, "error"]],
    ["not-replayed", [true, "warning"]],
    ["double-quoted-string", [true, "error"]],
    ["dropped-column-used", [true, "error"]],
    ["broken-object", [true, "error"]],
    ["rebuild-undeclared", [true, "error"]],
    ["deletes-undeclared", [true, "error"]],
    ["drop-referenced", [true, "error"]],
    ["reference-to-missing", [true, "error"]],
    ["foreign-key-mismatch", [true, "error"]],
    ["foreign-key-without-index", [true, "warning"]],
    ["not-null-without-default", [true, "error"]],
    ["add-column-refused", [true, "error"]],
    ["not-null-on-existing", [true, "warning"]],
    ["unique-on-existing", [true, "warning"]],
    ["type-change", [true, "warning"]],
    ["rebuild-loses", [true, "warning"]],
    ["autoincrement-lost", [true, "warning"]],
    ["rowid-lost", [true, "warning"]],
    ["insert-select-star", [true, "warning"]],
    ["columns-mixed-up", [true, "error"]],
    ["whole-table-update", [true, "warning"]],
    ["depends-on-time", [true, "warning"]],
    ["hidden-drift", [true, "warning"]],
    ["ignore-without-reason", [true, "warning"]],
    ["ignore-unused", [true, "warning"]],
    ["ignore-unknown", [true, "warning"]],
    ["toString", [false, false]],
    ["", [false, false]]
  ])
})
