/** How schemas differ, and which statements lead from one to the other. */
import { describe } from "vitest"
import { differencesOf, keyOf, keysOf, type ObjectDifference } from "../../layers/schema/SchemaDifference.ts"
import { inOrder, stepsFor, titleOf } from "../../layers/schema/SchemaSteps.ts"
import { factsOf } from "./lintOf.ts"
import { table } from "./table.ts"

const differences = ([from, to]: readonly [string, string]) => differencesOf(factsOf(from), factsOf(to))
const told = ({ after, before, change, name, parts, table, type }: ObjectDifference) =>
  `${change} ${type} ${name} of ${table}: ${parts.length > 0 ? parts.map((part) => `${part.part} ${part.name}: ${part.before} -> ${part.after}`).join("; ") : `${before} -> ${after}`}`

describe("two schemas", () => {
  table(
    "differ in their objects and the parts of tables",
    (pair: readonly [string, string]) => differences(pair).map(told),
    [
      [["", ""], []],
      [["CREATE TABLE a (x)", 'create  table "A"(X -- y\n)'], []],
      [
        [
          "",
          "CREATE TABLE b (x); CREATE TABLE a (x); CREATE INDEX i ON a (x); CREATE VIEW v AS SELECT 1; CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END"
        ],
        [
          "added table a of a: null -> CREATE TABLE a (x)",
          "added table b of b: null -> CREATE TABLE b (x)",
          "added index i of a: null -> CREATE INDEX i ON a (x)",
          "added view v of v: null -> CREATE VIEW v AS SELECT 1",
          "added trigger t of a: null -> CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END"
        ]
      ],
      [
        [
          "CREATE TABLE b (x); CREATE TABLE a (x); CREATE INDEX i ON a (x); CREATE VIEW v AS SELECT 1; CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END",
          ""
        ],
        [
          "removed table a of a: CREATE TABLE a (x) -> null",
          "removed table b of b: CREATE TABLE b (x) -> null",
          "removed index i of a: CREATE INDEX i ON a (x) -> null",
          "removed view v of v: CREATE VIEW v AS SELECT 1 -> null",
          "removed trigger t of a: CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END -> null"
        ]
      ],
      [
        [
          "CREATE TABLE a (x); CREATE INDEX i ON a (x); CREATE VIEW v AS SELECT 1 AS x",
          "CREATE TABLE a (x); CREATE INDEX i ON a (x DESC); CREATE VIEW v AS SELECT 2 AS x"
        ],
        [
          "changed index i of a: CREATE INDEX i ON a (x) -> CREATE INDEX i ON a (x DESC)",
          "changed view v of v: CREATE VIEW v AS SELECT 1 AS x -> CREATE VIEW v AS SELECT 2 AS x"
        ]
      ],
      [
        ["CREATE TABLE a (x INT, y)", "CREATE TABLE a (x TEXT, z)"],
        ["changed table a of a: column x: x INT -> x TEXT; column y: y -> null; column z: null -> z"]
      ],
      [
        ["CREATE TABLE a (x, y, z)", "CREATE TABLE a (x, z, y)"],
        ["changed table a of a: column order : x, y, z -> x, z, y"]
      ],
      [
        ["CREATE TABLE a (x, z)", "CREATE TABLE a (x, y, z)"],
        ["changed table a of a: column y: null -> y; column order : x, z -> x, y, z"]
      ],
      [["CREATE TABLE a (x, z)", "CREATE TABLE a (x, z, y)"], ["changed table a of a: column y: null -> y"]],
      [
        ["CREATE TABLE a (x, y, z)", "CREATE TABLE a (z, y)"],
        ["changed table a of a: column x: x -> null; column order : x, y, z -> z, y"]
      ],
      [
        ["CREATE TABLE a (x, UNIQUE (x))", "CREATE TABLE a (x, CHECK (x > 1))"],
        ["changed table a of a: constraint : UNIQUE (x) -> null; constraint : null -> CHECK (x > 1)"]
      ],
      [
        ["CREATE TABLE a (x, UNIQUE (x), CHECK (x))", 'CREATE TABLE a (x, check ( X ), unique("x"))'],
        [
          'changed table a of a: definition : CREATE TABLE a (x, UNIQUE (x), CHECK (x)) -> CREATE TABLE a (x, check ( X ), unique("x"))'
        ]
      ],
      [["CREATE TABLE a (x INT)", "CREATE TABLE a (x INT) STRICT"], ["changed table a of a: options :  -> STRICT"]],
      [
        ["CREATE TABLE a (x PRIMARY KEY) WITHOUT ROWID", "CREATE TABLE a (x PRIMARY KEY)"],
        ["changed table a of a: options : WITHOUT ROWID -> "]
      ],
      [
        ["CREATE VIRTUAL TABLE a USING fts5(x)", "CREATE VIRTUAL TABLE a USING fts5(y)"],
        [
          "changed table a of a: definition : CREATE VIRTUAL TABLE a USING fts5(x) -> CREATE VIRTUAL TABLE a USING fts5(y)"
        ]
      ],
      [
        ["CREATE TABLE a (x)", "CREATE VIRTUAL TABLE a USING fts5(x)"],
        ["changed table a of a: definition : CREATE TABLE a (x) -> CREATE VIRTUAL TABLE a USING fts5(x)"]
      ],
      [
        ["CREATE TABLE a (x); CREATE VIEW b AS SELECT 1", "CREATE TABLE b (x); CREATE VIEW a AS SELECT 1"],
        [
          "removed table a of a: CREATE TABLE a (x) -> null",
          "added table b of b: null -> CREATE TABLE b (x)",
          "added view a of a: null -> CREATE VIEW a AS SELECT 1",
          "removed view b of b: CREATE VIEW b AS SELECT 1 -> null"
        ]
      ],
      [['CREATE TABLE a (x, "Y")', "CREATE TABLE a (X, y INT)"], ['changed table a of a: column Y: "Y" -> y INT']],
      [
        ["CREATE TABLE a (x, CHECK (x))", "CREATE TABLE a (x)"],
        ["changed table a of a: constraint : CHECK (x) -> null"]
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, CHECK (x))"],
        ["changed table a of a: constraint : null -> CHECK (x)"]
      ],
      [
        ["CREATE TABLE a (x DEFAULT 'A')", "CREATE TABLE a (x DEFAULT 'a')"],
        ["changed table a of a: column x: x DEFAULT 'A' -> x DEFAULT 'a'"]
      ]
    ]
  )
  table("have keys for what differs", (pair: readonly [string, string]) => differences(pair).map(keysOf), [
    [
      ["CREATE TABLE A (x INT, CHECK (x))", "CREATE TABLE A (x TEXT, CHECK (x > 1)) STRICT"],
      [
        [
          "table a\u0000column\u0000x",
          "table a\u0000constraint\u0000check (x)",
          "table a\u0000constraint\u0000check (x > 1)",
          "table a\u0000options\u0000"
        ]
      ]
    ],
    [
      ["", 'CREATE TABLE "A B" (x); CREATE VIEW V AS SELECT 1'],
      [["table a b"], ["view v"]]
    ],
    [["CREATE TABLE a (x, y)", 'CREATE TABLE a (y, "X")'], [["table a\u0000column order\u0000"]]],
    [
      ["CREATE VIRTUAL TABLE A USING fts5(x)", "CREATE VIRTUAL TABLE A USING fts5(y)"],
      [["table a\u0000definition\u0000"]]
    ]
  ])
  table("have titles for the parts of tables", titleOf, [
    [{ part: "column", name: "X", before: "X", after: null }, "column X"],
    [{ part: "constraint", name: "", before: "CHECK (x)", after: null }, "CHECK (x)"],
    [{ part: "constraint", name: "", before: null, after: "CHECK (y)" }, "CHECK (y)"],
    [{ part: "options", name: "", before: "", after: "STRICT" }, "options"],
    [{ part: "column order", name: "", before: "a", after: "b" }, "column order"],
    [{ part: "constraint", name: "", before: null, after: null }, ""]
  ])
  table(
    "have a key for each part",
    (part: "column" | "constraint" | "options") => [
      keyOf({ type: "table", name: "A" }, { part, name: "X", before: null, after: "CHECK (X)" }),
      keyOf({ type: "table", name: "A" }, { part, name: "X", before: null, after: null })
    ],
    [
      ["column", ["table a\u0000column\u0000x", "table a\u0000column\u0000x"]],
      ["constraint", ["table a\u0000constraint\u0000check (x)", "table a\u0000constraint\u0000"]],
      ["options", ["table a\u0000options\u0000x", "table a\u0000options\u0000x"]]
    ]
  )
})

describe("the statements between two schemas", () => {
  table(
    "are those that lose nothing",
    ([from, to]: readonly [string, string]) => {
      const { notGenerated, steps } = stepsFor(differences([from, to]), factsOf(from), factsOf(to))
      return [
        ...inOrder(steps).map(
          ({ sql, step }) =>
            `${step.key.replaceAll("\0", "|")} (${step.object}): ${sql}${step.column === undefined ? "" : ` [${step.column.definition}${step.column.isStrict ? ", strict" : ""}]`}`
        ),
        ...notGenerated.map(({ key, object, reason }) => `not ${key.replaceAll("\0", "|")} (${object}): ${reason}`)
      ]
    },
    [
      [["", ""], []],
      [
        [
          "",
          "CREATE TABLE a (x UNIQUE); CREATE INDEX i ON a (x); CREATE UNIQUE INDEX u ON a (x); CREATE VIEW v AS SELECT 1; CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END"
        ],
        [
          "table a (table a): CREATE TABLE a (x UNIQUE)",
          "index i (index i): CREATE INDEX i ON a (x)",
          "index u (index u): CREATE UNIQUE INDEX u ON a (x)",
          "view v (view v): CREATE VIEW v AS SELECT 1",
          "trigger t (trigger t): CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END"
        ]
      ],
      [
        [
          "CREATE TABLE a (x UNIQUE); CREATE INDEX i ON a (x); CREATE UNIQUE INDEX u ON a (x); CREATE VIEW v AS SELECT 1; CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END",
          "CREATE TABLE a (x UNIQUE)"
        ],
        [
          'trigger t (trigger t): DROP TRIGGER "t"',
          'view v (view v): DROP VIEW "v"',
          'index i (index i): DROP INDEX "i"',
          'index u (index u): DROP INDEX "u"'
        ]
      ],
      [["CREATE TABLE a (x)", ""], ["not table a (table a): its rows would be lost"]],
      [
        ["CREATE TABLE a (x); CREATE INDEX i ON a (x)", "CREATE TABLE a (x); CREATE INDEX i ON a (x DESC)"],
        ['index i (index i): DROP INDEX "i"', "index i (index i): CREATE INDEX i ON a (x DESC)"]
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x); CREATE UNIQUE INDEX I ON A (x)"],
        ["not index i (index I): rows may have equal values"]
      ],
      [
        ["CREATE TABLE a (x); CREATE UNIQUE INDEX i ON a (x)", "CREATE TABLE a (x)"],
        ['index i (index i): DROP INDEX "i"']
      ],
      [
        [
          "CREATE TABLE a (x); CREATE UNIQUE INDEX i ON a (x)",
          "CREATE TABLE a (x); CREATE UNIQUE INDEX i ON a (x DESC)"
        ],
        ["not index i (index i): rows may have equal values"]
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x); CREATE TABLE b (y); CREATE UNIQUE INDEX i ON b (y)"],
        ["table b (table b): CREATE TABLE b (y)", "index i (index i): CREATE UNIQUE INDEX i ON b (y)"]
      ],
      [
        [
          "CREATE VIEW v AS SELECT 1 AS x; CREATE TRIGGER t INSTEAD OF INSERT ON v BEGIN SELECT 1; END",
          "CREATE VIEW v AS SELECT 2 AS x; CREATE TRIGGER t INSTEAD OF INSERT ON v BEGIN SELECT 1; END"
        ],
        [
          'view v (view v): DROP VIEW "v"',
          "view v (view v): CREATE VIEW v AS SELECT 2 AS x",
          "view v (view v): CREATE TRIGGER t INSTEAD OF INSERT ON v BEGIN SELECT 1; END"
        ]
      ],
      [
        [
          "CREATE VIEW v AS SELECT 1 AS x; CREATE TRIGGER t INSTEAD OF INSERT ON V BEGIN SELECT 1; END",
          "CREATE VIEW v AS SELECT 2 AS x; CREATE TRIGGER t INSTEAD OF INSERT ON v BEGIN SELECT 2; END"
        ],
        [
          'trigger t (trigger t): DROP TRIGGER "t"',
          'view v (view v): DROP VIEW "v"',
          "view v (view v): CREATE VIEW v AS SELECT 2 AS x",
          "trigger t (trigger t): CREATE TRIGGER t INSTEAD OF INSERT ON v BEGIN SELECT 2; END"
        ]
      ],
      [
        [
          "CREATE VIEW v AS SELECT 1 AS x; CREATE VIEW w AS SELECT 1 AS x; CREATE TRIGGER t INSTEAD OF INSERT ON w BEGIN SELECT 1; END",
          "CREATE VIEW v AS SELECT 2 AS x; CREATE VIEW w AS SELECT 1 AS x; CREATE TRIGGER t INSTEAD OF INSERT ON w BEGIN SELECT 1; END"
        ],
        ['view v (view v): DROP VIEW "v"', "view v (view v): CREATE VIEW v AS SELECT 2 AS x"]
      ],
      [
        [
          'CREATE TABLE a (x); CREATE TRIGGER "T t" AFTER INSERT ON a BEGIN SELECT 1; END',
          'CREATE TABLE a (x); CREATE TRIGGER "T t" AFTER INSERT ON a BEGIN SELECT 2; END'
        ],
        [
          'trigger t t (trigger T t): DROP TRIGGER "T t"',
          'trigger t t (trigger T t): CREATE TRIGGER "T t" AFTER INSERT ON a BEGIN SELECT 2; END'
        ]
      ],
      [
        ['CREATE TABLE "A b" (x)', 'CREATE TABLE "A b" (x, y INT DEFAULT 1 NOT NULL)'],
        [
          'table a b|column|y (table A b: column y): ALTER TABLE "A b" ADD COLUMN y INT DEFAULT 1 NOT NULL [y INT DEFAULT 1 NOT NULL]'
        ]
      ],
      [
        ["CREATE TABLE a (x INT) STRICT", "CREATE TABLE a (x INT, y INT) STRICT"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y INT [y INT, strict]']
      ],
      [
        ["CREATE TABLE a (x, y)", "CREATE TABLE a (x)"],
        ["not table a|column|y (table a: column y): what the column holds would be lost"]
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x INT)"],
        ["not table a|column|x (table a: column x): it takes a rebuild of the table"]
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y AS (x))"],
        ["not table a|column|y (table a: column y): it is generated from the rows"]
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y AS (x) STORED)"],
        ["not table a|column|y (table a: column y): it is generated from the rows"]
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, CHECK (x))"],
        ["not table a|constraint|check (x) (table a: CHECK (x)): it takes a rebuild of the table"]
      ],
      [
        ["CREATE TABLE a (x INT)", "CREATE TABLE a (x INT) STRICT"],
        ["not table a|options| (table a: options): it takes a rebuild of the table"]
      ],
      [
        ["CREATE TABLE a (x, z)", "CREATE TABLE a (x, y, z)"],
        [
          'table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y [y]',
          "not table a|column order| (table a: column order): it takes a rebuild of the table"
        ]
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT 1)"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT 1 [y DEFAULT 1]']
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT -1)"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT -1 [y DEFAULT -1]']
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT + 1.5)"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT + 1.5 [y DEFAULT + 1.5]']
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT 1_000)"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT 1_000 [y DEFAULT 1_000]']
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT .5)"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT .5 [y DEFAULT .5]']
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT 1e5)"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT 1e5 [y DEFAULT 1e5]']
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT 1.e-5)"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT 1.e-5 [y DEFAULT 1.e-5]']
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT .5e+2)"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT .5e+2 [y DEFAULT .5e+2]']
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT 0xAf_1)"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT 0xAf_1 [y DEFAULT 0xAf_1]']
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT 1e10)"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT 1e10 [y DEFAULT 1e10]']
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT .55)"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT .55 [y DEFAULT .55]']
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT .5e10)"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT .5e10 [y DEFAULT .5e10]']
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT 1e+10)"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT 1e+10 [y DEFAULT 1e+10]']
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT 'it''s')"],
        ["table a|column|y (table a: column y): ALTER TABLE \"a\" ADD COLUMN y DEFAULT 'it''s' [y DEFAULT 'it''s']"]
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT x'00')"],
        ["table a|column|y (table a: column y): ALTER TABLE \"a\" ADD COLUMN y DEFAULT x'00' [y DEFAULT x'00']"]
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT X'00')"],
        ["table a|column|y (table a: column y): ALTER TABLE \"a\" ADD COLUMN y DEFAULT X'00' [y DEFAULT X'00']"]
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT TRUE)"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT TRUE [y DEFAULT TRUE]']
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT false)"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT false [y DEFAULT false]']
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT null)"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT null [y DEFAULT null]']
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT NULL)"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT NULL [y DEFAULT NULL]']
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT (1))"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT (1) [y DEFAULT (1)]']
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT CURRENT_TIMESTAMP)"],
        ["not table a|column|y (table a: column y): its default is not a constant"]
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT (random()))"],
        ["not table a|column|y (table a: column y): its default is not a constant"]
      ],
      [
        ["CREATE TABLE a (x)", 'CREATE TABLE a (x, y DEFAULT "text")'],
        ["not table a|column|y (table a: column y): its default is not a constant"]
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT 1.5)"],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT 1.5 [y DEFAULT 1.5]']
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT (1 + 1))"],
        ["not table a|column|y (table a: column y): its default is not a constant"]
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT 'a')"],
        ["table a|column|y (table a: column y): ALTER TABLE \"a\" ADD COLUMN y DEFAULT 'a' [y DEFAULT 'a']"]
      ],
      [
        [
          "CREATE TABLE b (z PRIMARY KEY); CREATE TABLE a (x)",
          "CREATE TABLE b (z PRIMARY KEY); CREATE TABLE a (x, y REFERENCES b)"
        ],
        ['table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y REFERENCES b [y REFERENCES b]']
      ],
      [
        [
          "CREATE TABLE b (z PRIMARY KEY); CREATE TABLE a (x)",
          "CREATE TABLE b (z PRIMARY KEY); CREATE TABLE a (x, y DEFAULT 1 REFERENCES b)"
        ],
        ["not table a|column|y (table a: column y): its default may be no row of the other table"]
      ],
      [
        [
          "CREATE TABLE b (z PRIMARY KEY); CREATE TABLE a (x)",
          "CREATE TABLE b (z PRIMARY KEY); CREATE TABLE a (x, y DEFAULT NULL References b)"
        ],
        [
          'table a|column|y (table a: column y): ALTER TABLE "a" ADD COLUMN y DEFAULT NULL References b [y DEFAULT NULL References b]'
        ]
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y CHECK (rowid > 1))"],
        ["not table a|column|y (table a: column y): its check depends on the rows"]
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y CHECK (OID > 1))"],
        ["not table a|column|y (table a: column y): its check depends on the rows"]
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y CHECK (_rowid_ > 1))"],
        ["not table a|column|y (table a: column y): its check depends on the rows"]
      ],
      [
        ["CREATE TABLE a (x)", "CREATE TABLE a (x, y DEFAULT 'references' CHECK (y <> 'rowid'))"],
        [
          "table a|column|y (table a: column y): ALTER TABLE \"a\" ADD COLUMN y DEFAULT 'references' CHECK (y <> 'rowid') [y DEFAULT 'references' CHECK (y <> 'rowid')]"
        ]
      ],
      [
        ["CREATE VIRTUAL TABLE a USING fts5(x)", "CREATE VIRTUAL TABLE a USING fts5(y)"],
        ["not table a|definition| (table a: definition): it takes a rebuild of the table"]
      ],
      [
        ["CREATE TABLE a (x)", 'CREATE TABLE a (x, "Y y")'],
        ['table a|column|y y (table a: column Y y): ALTER TABLE "a" ADD COLUMN "Y y" ["Y y"]']
      ],
      [
        ["CREATE TABLE a (x, y)", "CREATE TABLE a (y, x)"],
        ["not table a|column order| (table a: column order): it takes a rebuild of the table"]
      ],
      [
        ["CREATE VIEW v AS SELECT 1 AS x; CREATE TRIGGER t INSTEAD OF INSERT ON v BEGIN SELECT 1; END", ""],
        ['trigger t (trigger t): DROP TRIGGER "t"', 'view v (view v): DROP VIEW "v"']
      ],
      [
        [
          "CREATE TABLE a (x UNIQUE); CREATE INDEX i ON a (x)",
          "CREATE TABLE a (x UNIQUE); CREATE INDEX i ON a (x DESC)"
        ],
        ['index i (index i): DROP INDEX "i"', "index i (index i): CREATE INDEX i ON a (x DESC)"]
      ]
    ]
  )
})
