/** What statements do, and which of them a migration cannot run. */
import { describe } from "vitest"
import { type Declaration, plain } from "../../layers/schema/Declaration.ts"
import type { Obstacle } from "../../layers/schema/Obstacle.ts"
import { foreignKeysSetBy, isLostSetting, misplacedStatement } from "../../layers/schema/PragmaRules.ts"
import { countMade, misplacedInRepeatable } from "../../layers/schema/RepeatableRules.ts"
import { statementsOf } from "../../layers/schema/SqlScript.ts"
import { breakpoint, obstacleIn } from "../../layers/schema/StatementRules.ts"
import { plainColumn, shapeOf, spokenTokens } from "../../layers/schema/StatementShape.ts"
import { tableDefinition } from "../../layers/schema/TableDefinition.ts"
import { touchedTables } from "../../layers/schema/TouchedTables.ts"
import { table } from "./table.ts"

const told = (found: Obstacle | undefined) =>
  found === undefined
    ? "none"
    : `${found.reason} ${found.statement.line}: ${found.statement.text} | ${found.detail} | ${found.remedy ?? "no remedy"}`
const obstacle = (text: string, declared: Partial<Declaration> = {}) =>
  told(obstacleIn({ id: 7, text, declared: { ...plain, ...declared }, statements: statementsOf(text) }))

/** A token by its text alone. */
const wordOf = (_: string, value: unknown) =>
  typeof value === "object" && value !== null && "start" in value && "text" in value ? value.text : value

describe("a statement", () => {
  const shape = (sql: string) => {
    const { kind, ...facts } = shapeOf(sql)
    const said = Object.entries(facts).flatMap(([name, fact]) =>
      fact === false || fact === undefined ? [] : [fact === true ? name : `${name} ${JSON.stringify(fact, wordOf)}`]
    )
    return [kind, ...said].join(", ")
  }
  table("has a shape", shape, [
    ["", "other"],
    ["SELECT 1", "other"],
    ["CREATE TABLE A (x)", 'create, type "table", name "a", table "a"'],
    ["create temp table a as select 1", 'create, type "table", name "a", table "a", isTemporary, isSelect'],
    [
      "CREATE TEMPORARY TABLE IF NOT EXISTS a (x)",
      'create, type "table", name "a", table "a", isTemporary, ifNotExists'
    ],
    ["CREATE TABLE temp.a (x)", 'create, type "table", name "a", table "a", isTemporary'],
    ['CREATE TABLE main."A b" (x)', 'create, type "table", name "a b", table "a b"'],
    ["CREATE VIRTUAL TABLE a USING fts5(x)", 'create, type "table", name "a", table "a", isVirtual'],
    ["CREATE UNIQUE INDEX i ON A (x)", 'create, type "index", name "i", table "a", isUnique'],
    ['CREATE INDEX IF NOT EXISTS main.i ON "B" (x)', 'create, type "index", name "i", table "b", ifNotExists'],
    ["CREATE VIEW v AS SELECT 1", 'create, type "view", name "v", table "v"'],
    ["CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END", 'create, type "trigger", name "t", table "t"'],
    ["CREATE TEMP TRIGGER t", 'create, type "trigger", name "t", table "t", isTemporary'],
    ["CREATE x", "other"],
    ["CREATE TABLE IF a", 'create, type "table", name "if", table "if"'],
    ["CREATE TABLE IF NOT a", 'create, type "table", name "if", table "if"'],
    ["CREATE", "other"],
    ["CREATE INDEX i", 'create, type "index", name "i", table "i"'],
    ["DROP TABLE A", 'drop, type "table", name "a"'],
    ["DROP TABLE IF EXISTS main.[A b]", 'drop, type "table", ifExists, name "a b"'],
    ["DROP INDEX i", 'drop, type "index", name "i"'],
    ["DROP VIEW IF v", 'drop, type "view", name "if"'],
    ["DROP", 'drop, type "", name ""'],
    ["DROP TRIGGER 'T'", 'drop, type "trigger", name "t"'],
    ['ALTER TABLE a RENAME TO "B"', 'renameTable, table "a", to "b"'],
    ["ALTER TABLE main.a RENAME TO b", 'renameTable, table "a", to "b"'],
    ["ALTER TABLE a RENAME COLUMN x TO y", 'alter, table "a"'],
    ["ALTER TABLE a RENAME x TO y", 'alter, table "a"'],
    ["ALTER TABLE a ADD COLUMN X int", 'addColumn, table "a", column "x"'],
    ["ALTER TABLE a ADD x", 'addColumn, table "a", column "x"'],
    ["ALTER TABLE a DROP COLUMN x", 'alter, table "a"'],
    ["ALTER a", "other"],
    ["ALTER TABLE", 'alter, table ""'],
    ["INSERT INTO a VALUES (1)", 'insert, table "a", from ""'],
    ['INSERT OR IGNORE INTO main.A (x, "Y") VALUES (1, 2)', 'insert, table "a", columns ["x","y"], from ""'],
    ["REPLACE INTO a (x) SELECT y FROM b", 'insert, table "a", columns ["x"], isSelect, selected [["y"]], from "b"'],
    ["INSERT INTO a SELECT * FROM main.B", 'insert, table "a", isSelect, selected [["*"]], from "b"'],
    [
      "INSERT INTO a AS z (x) SELECT DISTINCT b.x, f(y, z) AS q FROM b WHERE 1",
      'insert, table "a", columns ["x"], isSelect, selected [["b",".","x"],["f","(","y",",","z",")","AS","q"]], from "b"'
    ],
    ["INSERT INTO a SELECT ALL x FROM (SELECT 1)", 'insert, table "a", isSelect, selected [["x"]], from ""'],
    ["INSERT INTO a SELECT 1", 'insert, table "a", isSelect, selected [["1"]], from ""'],
    ["INSERT INTO a SELECT x FROM b UNION SELECT y FROM c", 'insert, table "a", isSelect, from ""'],
    ["INSERT INTO a SELECT x FROM b EXCEPT SELECT y FROM c", 'insert, table "a", isSelect, from ""'],
    ["INSERT INTO a SELECT x FROM b INTERSECT SELECT y FROM c", 'insert, table "a", isSelect, from ""'],
    [
      "INSERT INTO a SELECT (SELECT x FROM c), y FROM b",
      'insert, table "a", isSelect, selected [["(","SELECT","x","FROM","c",")"],["y"]], from "b"'
    ],
    [
      "INSERT INTO a SELECT x FROM b WHERE y IN (SELECT 1 UNION SELECT 2)",
      'insert, table "a", isSelect, selected [["x"]], from "b"'
    ],
    ["INSERT INTO a DEFAULT VALUES", 'insert, table "a", from ""'],
    ["WITH c AS (SELECT 1) INSERT INTO a SELECT x FROM c", 'insert, table "a", isSelect, selected [["x"]], from "c"'],
    ["INSERT INTO a WITH c AS (SELECT 1) SELECT x FROM c", 'insert, table "a", isSelect, selected [["x"]], from "c"'],
    ["INSERT INTO a (x) WITH c AS (VALUES (1)) VALUES (2)", 'insert, table "a", columns ["x"], from ""'],
    ["INSERT INTO a (x", 'insert, table "a", columns ["x"], from ""'],
    ["INSERT INTO a ((x), y) VALUES (1)", 'insert, table "a", columns ["(","y"], from ""'],
    ["WITH c AS (SELECT 1)", "other"],
    ["WITH c AS (DELETE) SELECT 1", "other"],
    ["INSERT", 'insert, table "", from ""'],
    ["INSERT INTO a () SELECT 1", 'insert, table "a", columns [""], isSelect, selected [["1"]], from ""'],
    [
      'INSERT INTO a (x) SELECT "from" FROM b',
      'insert, table "a", columns ["x"], isSelect, selected [["\\"from\\""]], from "b"'
    ],
    ["insert or replace into a select x from b", 'insert, table "a", isSelect, selected [["x"]], from "b"'],
    ["UPDATE a SET x = 1", 'update, table "a", isWhole, sets [{"column":"x","isConstant":true}]'],
    [
      "UPDATE OR IGNORE main.A SET x = 'a', \"Y\" = y + 1 WHERE x",
      'update, table "a", sets [{"column":"x","isConstant":true},{"column":"y","isConstant":false}]'
    ],
    [
      "UPDATE a SET x = null, y = TRUE, z = false, w = 1.5, v = f(1)",
      'update, table "a", isWhole, sets [{"column":"x","isConstant":true},{"column":"y","isConstant":true},{"column":"z","isConstant":true},{"column":"w","isConstant":true},{"column":"v","isConstant":false}]'
    ],
    [
      "UPDATE a SET x = (SELECT y FROM b WHERE z)",
      'update, table "a", isWhole, sets [{"column":"x","isConstant":false}]'
    ],
    ["UPDATE a SET x = 1 FROM b", 'update, table "a", sets [{"column":"x","isConstant":true}]'],
    ["UPDATE a SET x = 1 LIMIT 1", 'update, table "a", sets [{"column":"x","isConstant":false}]'],
    ["UPDATE a SET x = 2 RETURNING x", 'update, table "a", isWhole, sets [{"column":"x","isConstant":true}]'],
    ["UPDATE a SET (x, y) = (1, 2)", 'update, table "a", isWhole, sets [{"column":"(","isConstant":false}]'],
    ["UPDATE a SET", 'update, table "a", isWhole, sets [{"column":"","isConstant":false}]'],
    [
      "WITH c AS (SELECT 1 WHERE 2) UPDATE a SET x = 1",
      'update, table "a", isWhole, sets [{"column":"x","isConstant":true}]'
    ],
    ["UPDATE a SET x = -1", 'update, table "a", isWhole, sets [{"column":"x","isConstant":true}]'],
    ["UPDATE a SET x = 'b' || 'c'", 'update, table "a", isWhole, sets [{"column":"x","isConstant":false}]'],
    ["UPDATE a SET x = nullx", 'update, table "a", isWhole, sets [{"column":"x","isConstant":false}]'],
    ["UPDATE a SET x = y", 'update, table "a", isWhole, sets [{"column":"x","isConstant":false}]'],
    [
      "UPDATE a SET x = truex, y = xnull",
      'update, table "a", isWhole, sets [{"column":"x","isConstant":false},{"column":"y","isConstant":false}]'
    ],
    ["UPDATE a", 'update, table "a", isWhole, sets [{"column":"","isConstant":false}]'],
    ["UPDATE a SET x =", 'update, table "a", isWhole, sets [{"column":"x","isConstant":false}]'],
    ["DELETE FROM A", 'delete, table "a", isWhole'],
    ["DELETE FROM main.a WHERE x", 'delete, table "a"'],
    ["DELETE FROM a LIMIT 1", 'delete, table "a"'],
    ['DELETE FROM a RETURNING "where"', 'delete, table "a", isWhole'],
    ["WITH c AS (SELECT 1) DELETE FROM a WHERE x IN c", 'delete, table "a"'],
    ["with c as (select 1) delete from a", 'delete, table "a", isWhole'],
    ["DELETE a", "other"],
    ["-- x\nDELETE /* y */ FROM a", 'delete, table "a", isWhole'],
    ["DELETE FROM a WHERE (x)", 'delete, table "a"'],
    ["PRAGMA x", "other"],
    ["BEGIN", "other"]
  ])
  table("selects columns as they are", (sql: string) => plainColumn(spokenTokens(sql)), [
    ["*", "*"],
    ["a.*", "*"],
    ["A", "a"],
    ["a.B", "b"],
    ['"X y"', "x y"],
    ['a."X"', "x"],
    ["x AS y", "x"],
    ["x y", "x"],
    ["a.x AS y", "x"],
    ["a.x y", "x"],
    ["x + 1", undefined],
    ["f(x)", undefined],
    ["1", undefined],
    ["'x'", undefined],
    ["null", undefined],
    ["NULL", undefined],
    ["current_date", undefined],
    ["current_time", undefined],
    ["current_timestamp", undefined],
    ["true", undefined],
    ["false", undefined],
    ["x || y", undefined],
    ["", undefined],
    ["a.", undefined],
    ["a.1", undefined],
    ['x "y" z', undefined],
    ["x 'y'", "x"],
    ["a.x y z", undefined],
    ["currentx", "currentx"],
    ["nullx", "nullx"],
    ["xnull", "xnull"],
    ['"null"', "null"],
    ["x . y . z", undefined],
    ["a.null", undefined],
    ["x,", undefined],
    ["x COLLATE nocase", undefined],
    ["a.x + 1", undefined],
    ["2x", undefined]
  ])
  table("touches tables", (script: string) => touchedTables(statementsOf(script)), [
    ["SELECT 1", []],
    ["SELECT * FROM A", ["a"]],
    ['SELECT * FROM a, B JOIN "C d" ON x = y', ["a", "b", "c d", "x"]],
    ["INSERT INTO a SELECT x FROM b WHERE y", ["a", "b"]],
    ["INSERT OR IGNORE INTO main.a VALUES (1, 2)", ["a"]],
    ["UPDATE a SET x = 1, y = 2", ["a"]],
    ["UPDATE OR REPLACE a SET x = 1", ["a"]],
    ["UPDATE OR ROLLBACK a SET x = 1", ["a"]],
    ["UPDATE OR FAIL a SET x = 1", ["a"]],
    ["UPDATE OR ABORT a SET x = 1", ["a"]],
    ["DELETE FROM 'a'", ["a"]],
    ["CREATE TABLE IF NOT EXISTS a (x REFERENCES b, y)", ["a"]],
    ["CREATE INDEX i ON a (x, y)", ["a"]],
    ["DROP TABLE IF EXISTS a", ["a"]],
    ["ALTER TABLE a RENAME TO b", ["a"]],
    ["CREATE VIEW v AS SELECT * FROM a", []],
    ["CREATE TEMP VIEW v AS SELECT * FROM a", []],
    ["CREATE TEMPORARY TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END", []],
    ["CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END; DELETE FROM c", ["c"]],
    ["SELECT (SELECT x FROM a), y FROM b", ["a", "b"]],
    ["SELECT x FROM (SELECT y FROM a), b", ["a", "b"]],
    [
      "SELECT x FROM (SELECT y FROM a WHERE y IN (1, 2) ORDER BY y, z) AS s, (b, c), d WHERE (x), e",
      ["a", "b", "c", "d"]
    ],
    ["INSERT INTO a (x, y) SELECT (1), z FROM b", ["a", "b"]],
    ["UPDATE a SET x = (SELECT y FROM b, c), z = 1", ["a", "b", "c"]],
    ["SELECT x FROM a GROUP BY y, z", ["a"]],
    ["SELECT x FROM a ORDER BY y, z", ["a"]],
    ["SELECT x FROM a HAVING y, z", ["a"]],
    ["SELECT x FROM a LIMIT 1, 2", ["a"]],
    ["SELECT x FROM a WHERE y IN (1, z), w", ["a"]],
    ["DELETE FROM a RETURNING x, y", ["a"]],
    ["SELECT x FROM a AS b, c", ["a", "c"]],
    ["DELETE FROM a; DELETE FROM A; DELETE FROM b", ["a", "b"]],
    ["INSERT INTO a VALUES (1), (2)", ["a"]],
    ["SELECT x FROM a -- , b\n, c", ["a", "c"]],
    ["EXPLAIN CREATE VIEW v AS SELECT 1 FROM a", ["a"]],
    ["CREATE TEMP TABLE a AS SELECT * FROM b", ["a", "b"]],
    ["SELECT x FROM [a b], `c`", ["a b", "c"]],
    ["CREATE VIEWS FROM a", ["a"]],
    ["SELECT * FROM", []],
    ["UPDATE a SET x = 1 FROM b, c SET d, e", ["a", "b", "c"]],
    ["SELECT x FROM a VALUES b, c", ["a"]],
    ["SELECT x FROM a SELECT b, c", ["a"]],
    ["SELECT x FROM a ON b, c", ["a", "b"]]
  ])
})

describe("the definition of a table", () => {
  const parts = (sql: string) => {
    const found = tableDefinition(sql)
    return found === undefined
      ? "nothing"
      : `${[...found.columns].map(([key, { name, text }]) => `${key} ${name}: ${text}`).join("; ")} | ${found.constraints.join("; ")} | ${found.options}`
  }
  table("is cut into columns and constraints", parts, [
    ["CREATE TABLE a (x)", "x x: x |  | "],
    [
      "CREATE TABLE a (X INT, \"Y z\" text DEFAULT 'a,b' CHECK (x IN (1, 2)), PRIMARY KEY (x, y)) STRICT, WITHOUT ROWID",
      "x X: X INT; y z Y z: \"Y z\" text DEFAULT 'a,b' CHECK (x IN (1, 2)) | PRIMARY KEY (x, y) | STRICT, WITHOUT ROWID"
    ],
    [
      "CREATE TABLE a (x, CONSTRAINT c UNIQUE (x), FOREIGN KEY (x) REFERENCES b (y), CHECK (x), unique(x))",
      "x x: x | CONSTRAINT c UNIQUE (x); FOREIGN KEY (x) REFERENCES b (y); CHECK (x); unique(x) | "
    ],
    ['CREATE TABLE a ("check" int)', 'check check: "check" int |  | '],
    ["CREATE TABLE a (  x -- y, z\n  int ,/* z */ y\n)", "x x: x int; y y: y |  | "],
    ["CREATE TABLE a AS SELECT 1", "nothing"],
    ["CREATE VIEW v AS SELECT 1", "nothing"],
    ["CREATE TABLE a (CHECK (1))", "nothing"],
    ["CREATE TABLE a (x", "nothing"],
    ["CREATE TABLE a ()", "nothing"],
    ["CREATE TABLE a (x)  STRICT  ", "x x: x |  | STRICT"],
    ["CREATE TABLE a(x)STRICT(y)", "x x: x |  | STRICT(y)"],
    ["CREATE TABLE a (x DEFAULT (1 + (2)), y)", "x x: x DEFAULT (1 + (2)); y y: y |  | "],
    [
      "CREATE TABLE a (x, x2, primaryx int, constraints)",
      "x x: x; x2 x2: x2; primaryx primaryx: primaryx int; constraints constraints: constraints |  | "
    ],
    ["CREATE TABLE a (xprimary)", "xprimary xprimary: xprimary |  | "],
    ["CREATE TABLE a (x,)", "x x: x |  | "],
    ["CREATE TABLE a (x) (y, z)", "x x: x;  : (y |  | z)"],
    ["CREATE TABLE a ( [x] )", "x x: [x] |  | "]
  ])
})

describe("what a migration cannot run", () => {
  table("is told with its line and remedy", (text: string) => obstacle(text), [
    ["CREATE TABLE a (x)", "none"],
    [
      "",
      "Incomplete 0:  | nothing in it is run | Write the missing statements. If there is nothing to do, write a comment that says why, instead of all that is there. Delete the file if no database has applied it and none should."
    ],
    ["-- x", "none"],
    [
      "a 'b",
      "Incomplete 1: 'b | the string that begins here is never closed | Close it with `'` where it ends: until then everything after it belongs to it."
    ],
    [
      "a\n'b\nc",
      "Incomplete 2: 'b | the string that begins here is never closed | Close it with `'` where it ends: until then everything after it belongs to it."
    ],
    [
      'a "b',
      'Incomplete 1: "b | the name that begins here is never closed | Close it with `"` where it ends: until then everything after it belongs to it.'
    ],
    [
      "a `b",
      "Incomplete 1: `b | the name that begins here is never closed | Close it with ``` where it ends: until then everything after it belongs to it."
    ],
    [
      "a [b",
      "Incomplete 1: [b | the name that begins here is never closed | Close it with `]` where it ends: until then everything after it belongs to it."
    ],
    [
      "a /* b",
      "Incomplete 1: /* b | the comment that begins here is never closed | Close it with `*/` where it ends: until then everything after it belongs to it."
    ],
    [
      "a /*/",
      "Incomplete 1: /*/ | the comment that begins here is never closed | Close it with `*/` where it ends: until then everything after it belongs to it."
    ],
    ["a /**/", "none"],
    [
      "a 'b''",
      "Incomplete 1: 'b'' | the string that begins here is never closed | Close it with `'` where it ends: until then everything after it belongs to it."
    ],
    ["a 'b'''", "none"],
    ["a [b]", "none"],
    ['a "b"', "none"],
    [
      "\na /* b\n c",
      "Incomplete 2: /* b | the comment that begins here is never closed | Close it with `*/` where it ends: until then everything after it belongs to it."
    ],
    ["a -- 'b", "none"],
    [
      "/* a */ '",
      "Incomplete 1: ' | the string that begins here is never closed | Close it with `'` where it ends: until then everything after it belongs to it."
    ],
    [
      "a\n\n [b",
      "Incomplete 3: [b | the name that begins here is never closed | Close it with `]` where it ends: until then everything after it belongs to it."
    ],
    [
      "a '",
      "Incomplete 1: ' | the string that begins here is never closed | Close it with `'` where it ends: until then everything after it belongs to it."
    ],
    [
      "[",
      "Incomplete 1: [ | the name that begins here is never closed | Close it with `]` where it ends: until then everything after it belongs to it."
    ],
    [
      "/*",
      "Incomplete 1: /* | the comment that begins here is never closed | Close it with `*/` where it ends: until then everything after it belongs to it."
    ],
    [
      "a `b``",
      "Incomplete 1: `b`` | the name that begins here is never closed | Close it with ``` where it ends: until then everything after it belongs to it."
    ],
    [
      "/* */* a /*",
      "Incomplete 1: /* | the comment that begins here is never closed | Close it with `*/` where it ends: until then everything after it belongs to it."
    ],
    [".read x", "NotSql 1: .read x | it is a command of the sqlite3 shell | Remove it, or write it as SQL."],
    ["\\i x", "NotSql 1: \\i x | it is a command of psql | Remove it, or write it as SQL."],
    ["# x\na", "NotSql 1: # x\na | SQLite has no comments with # | Begin the comment with `--`."],
    ["// x\na", "NotSql 1: // x\na | SQLite has no comments with // | Begin the comment with `--`."],
    [
      "delimiter //\na",
      "NotSql 1: delimiter //\na | DELIMITER is a command of the mysql client | Remove it; a trigger ends with `END;`."
    ],
    [
      "DELIMITER",
      "NotSql 1: DELIMITER | DELIMITER is a command of the mysql client | Remove it; a trigger ends with `END;`."
    ],
    ["delimiters a", "none"],
    ["SELECT delimiter", "none"],
    ["CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE WHEN 1 THEN 'x' END; END", "none"],
    [
      "a\n---;;\nb",
      "Incomplete 2: ---;; | there is no semicolon before it, and to SQLite it is a comment | End the statement of line 1 with `;`."
    ],
    [
      "a;\n .tables\n b",
      "NotSql 2: .tables\n b | it is a command of the sqlite3 shell | Remove it, or write it as SQL."
    ],
    [
      "a\nGO",
      "NotSql 2: GO | GO is a command of SQL Server's tools | End the statement before it with `;`, and remove GO."
    ],
    [
      "a\nGO\nCREATE x",
      "NotSql 2: GO | GO is a command of SQL Server's tools | End the statement before it with `;`, and remove GO."
    ],
    ["a\ngo\nb", "none"],
    [
      "a\ngo  \n  delete from x",
      "NotSql 2: go   | GO is a command of SQL Server's tools | End the statement before it with `;`, and remove GO."
    ],
    ["a go", "none"],
    ["SELECT 1 AS\ngo\nFROM (\nselect 1)", "none"],
    ["SELECT 1\nletgo\nselect", "none"],
    ["SELECT 1\ngo on\nselect", "none"],
    ["a AS\ngo\nFROM x", "none"],
    ["a\n  GO\n", "none"],
    [
      "GO\nSELECT 1",
      "NotSql 1: GO\nSELECT 1 | GO is a command of SQL Server's tools | End the statement before it with `;`, and remove GO."
    ],
    ["a\nGO x", "none"],
    [
      "a\nGO;",
      "NotSql 2: GO | GO is a command of SQL Server's tools | End the statement before it with `;`, and remove GO."
    ],
    [
      "a\r\nGO\r\n",
      "NotSql 2: GO | GO is a command of SQL Server's tools | End the statement before it with `;`, and remove GO."
    ],
    [
      "a;\nGO\nCOMMIT",
      "NotSql 2: GO\nCOMMIT | GO is a command of SQL Server's tools | End the statement before it with `;`, and remove GO."
    ],
    ["a\nGO\nselected", "none"],
    ["a\nGOTO", "none"],
    [
      "<<<<<<< HEAD\na",
      "NotSql 1: <<<<<<< HEAD\na | it is a mark of a merge that was not finished | Finish the merge."
    ],
    ["a\n=======\nb", "NotSql 2: ======= | it is a mark of a merge that was not finished | Finish the merge."],
    ["a\n>>>>>>> x", "NotSql 2: >>>>>>> x | it is a mark of a merge that was not finished | Finish the merge."],
    ["a\n|||||||\nb", "NotSql 2: ||||||| | it is a mark of a merge that was not finished | Finish the merge."],
    ["a ======= b", "none"],
    ["a\n ======= b", "none"],
    ["a\n========\nb", "none"],
    ["a\n<<<<<<", "none"],
    ["a '\n=======\n'", "none"],
    ["a -- x\n=======", "NotSql 2: ======= | it is a mark of a merge that was not finished | Finish the merge."],
    [
      "a ?",
      "NotSql 1: ? | ? is a placeholder that nobody fills in | Write the value itself. Text needs quotes around it."
    ],
    [
      "a :name",
      "NotSql 1: :name | :name is a placeholder that nobody fills in | Write the value itself. Text needs quotes around it."
    ],
    ["a : name", "none"],
    [
      "a @x",
      "NotSql 1: @x | @x is a placeholder that nobody fills in | Write the value itself. Text needs quotes around it."
    ],
    [
      "a #x",
      "NotSql 1: #x | #x is a placeholder that nobody fills in | Write the value itself. Text needs quotes around it."
    ],
    [
      "a {x}",
      "NotSql 1: {x} | {x} is a placeholder that nobody fills in | Write the value itself. Text needs quotes around it."
    ],
    [
      "a {{ x }}",
      "NotSql 1: {{ x }} | {{ is a placeholder that nobody fills in | Write the value itself. Text needs quotes around it."
    ],
    [
      "a $\u007bx.y}",
      "NotSql 1: $\u007bx.y} | $\u007bx.y} is a placeholder that nobody fills in | Write the value itself. Text needs quotes around it."
    ],
    [
      "a $x",
      "NotSql 1: $x | $x is a placeholder that nobody fills in | Write the value itself. Text needs quotes around it."
    ],
    ["a x$y", "none"],
    ["a '?' ", "none"],
    ['a "?"', "none"],
    ["a :1", "none"],
    [
      "a ::b",
      "NotSql 1: :b | :b is a placeholder that nobody fills in | Write the value itself. Text needs quotes around it."
    ],
    ["a $1", "none"],
    [
      "a :name.x",
      "NotSql 1: :name.x | :name.x is a placeholder that nobody fills in | Write the value itself. Text needs quotes around it."
    ],
    [
      "b = ?1",
      "NotSql 1: ?1 | ?1 is a placeholder that nobody fills in | Write the value itself. Text needs quotes around it."
    ],
    [
      "\na\n:x",
      "NotSql 3: :x | :x is a placeholder that nobody fills in | Write the value itself. Text needs quotes around it."
    ],
    ["a -- ?", "none"],
    [
      "a {",
      "NotSql 1: { | { is a placeholder that nobody fills in | Write the value itself. Text needs quotes around it."
    ],
    [
      "a }",
      "NotSql 1: } | } is a placeholder that nobody fills in | Write the value itself. Text needs quotes around it."
    ],
    [
      "[a?] :b",
      "NotSql 1: :b | :b is a placeholder that nobody fills in | Write the value itself. Text needs quotes around it."
    ],
    ["a $", "none"],
    [
      "a #{x}}",
      "NotSql 1: #{x}} | #{x}} is a placeholder that nobody fills in | Write the value itself. Text needs quotes around it."
    ],
    [
      "a\n@",
      "NotSql 2: @ | @ is a placeholder that nobody fills in | Write the value itself. Text needs quotes around it."
    ],
    [
      "a x:y",
      "NotSql 1: :y | :y is a placeholder that nobody fills in | Write the value itself. Text needs quotes around it."
    ],
    [
      "a\n--> statement-breakpoint\nb",
      "Incomplete 2: --> statement-breakpoint | there is no semicolon before it, and to SQLite it is a comment | End the statement of line 1 with `;`."
    ],
    ["a;\n--> statement-breakpoint\nb", "none"],
    ["a\n-->statement-breakpoint", "none"],
    [
      "a\n--;;\nb",
      "Incomplete 2: --;; | there is no semicolon before it, and to SQLite it is a comment | End the statement of line 1 with `;`."
    ],
    [
      "a\n--bun:split\nb",
      "Incomplete 2: --bun:split | there is no semicolon before it, and to SQLite it is a comment | End the statement of line 1 with `;`."
    ],
    ["a\n-- bun:split", "none"],
    ["a '\n--;;\n'", "none"],
    ["a -- x statement-breakpoint", "none"],
    ["a\n---> statement-breakpoint", "none"],
    ["a /* bun:split */", "none"],
    ["CREATE TRIGGER t BEGIN a; END", "none"],
    [
      "CREATE TRIGGER t BEGIN a",
      "Incomplete 1: CREATE TRIGGER t BEGIN a | the trigger never ends, so everything after it belongs to it | End the last statement of the trigger with `;`, and the trigger with `END;`."
    ],
    [
      "CREATE TRIGGER t BEGIN a END",
      "Incomplete 1: CREATE TRIGGER t BEGIN a END | the trigger never ends, so everything after it belongs to it | End the last statement of the trigger with `;`, and the trigger with `END;`."
    ],
    [
      "CREATE TEMP TRIGGER t BEGIN a;\nEND\nb",
      "Incomplete 2: END | there is no semicolon after the END of the trigger of line 1 | Write `END;`."
    ],
    ["CREATE TEMPORARY TRIGGER t BEGIN a; END -- x\n", "none"],
    [
      "CREATE TRIGGER t BEGIN a; END /* x */ b",
      "Incomplete 1: END /* x */ b | there is no semicolon after the END of the trigger of line 1 | Write `END;`."
    ],
    [
      "create trigger t begin a;\n\n end c",
      "Incomplete 3: end c | there is no semicolon after the END of the trigger of line 1 | Write `END;`."
    ],
    ["SELECT trigger", "none"],
    ["CREATE TABLE trigger (x)", "none"],
    [
      "CREATE TRIGGER t BEGIN a; ENDE; b",
      "Incomplete 1: CREATE TRIGGER t BEGIN a; ENDE; b | the trigger never ends, so everything after it belongs to it | End the last statement of the trigger with `;`, and the trigger with `END;`."
    ],
    [
      "CREATE TRIGGER t BEGIN a; xend; b",
      "Incomplete 1: CREATE TRIGGER t BEGIN a; xend; b | the trigger never ends, so everything after it belongs to it | End the last statement of the trigger with `;`, and the trigger with `END;`."
    ],
    ["CREATE TRIGGERS t BEGIN a", "none"],
    [
      "ATTACH 'x' AS y",
      "NotAllowed 1: ATTACH 'x' AS y | another database is not part of this one's history | Copy its rows with your program."
    ],
    [
      "DETACH y",
      "NotAllowed 1: DETACH y | another database is not part of this one's history | Copy its rows with your program."
    ],
    ["BEGIN", "NotAllowed 1: BEGIN | BEGIN would begin or end a transaction | no remedy"],
    ["COMMIT", "NotAllowed 1: COMMIT | COMMIT would begin or end a transaction | no remedy"],
    ["END", "NotAllowed 1: END | END would begin or end a transaction | no remedy"],
    ["ROLLBACK", "NotAllowed 1: ROLLBACK | ROLLBACK would undo the other migrations | no remedy"],
    ["ROLLBACK TO x", "none"],
    ["ROLLBACK TRANSACTION TO x", "none"],
    [
      "ROLLBACK TRANSACTION",
      "NotAllowed 1: ROLLBACK TRANSACTION | ROLLBACK would undo the other migrations | no remedy"
    ],
    ["ROLLBACK x y TO", "NotAllowed 1: ROLLBACK x y TO | ROLLBACK would undo the other migrations | no remedy"],
    [
      "VACUUM",
      "NotAllowed 1: VACUUM | SQLite refuses VACUUM inside a transaction | Remove it. Run VACUUM from the program or by hand, while nobody else uses the database."
    ],
    ["SAVEPOINT x", "none"],
    ["begin immediate", "NotAllowed 1: begin immediate | BEGIN would begin or end a transaction | no remedy"],
    ["a;\nb;\ncommit", "NotAllowed 3: commit | COMMIT would begin or end a transaction | no remedy"],
    ["BEGINS", "none"],
    [
      "SELECT '\u0000'",
      "NotAllowed 1: SELECT '\u0000' | SQLite reads nothing after a NUL character | Remove the character, or write it as char(0)."
    ],
    ["EXPLAIN SELECT 1", "none"],
    ["EXPLAIN", "none"],
    ["PRAGMA", "none"],
    ["PRAGMA main.", "none"],
    ["ENDS x", "none"],
    ["RELEASE x", "none"]
  ])
  table("may be a setting", (text: string) => obstacle(text), [
    ["PRAGMA foreign_keys", "none"],
    [
      "PRAGMA foreign_keys = on",
      "NotAllowed 1: PRAGMA foreign_keys = on | foreign keys are on already, and SQLite ignores the PRAGMA inside a transaction | Remove line 1."
    ],
    [
      "PRAGMA foreign_keys = 1",
      "NotAllowed 1: PRAGMA foreign_keys = 1 | foreign keys are on already, and SQLite ignores the PRAGMA inside a transaction | Remove line 1."
    ],
    [
      "PRAGMA foreign_keys(yes)",
      "NotAllowed 1: PRAGMA foreign_keys(yes) | foreign keys are on already, and SQLite ignores the PRAGMA inside a transaction | Remove line 1."
    ],
    [
      "PRAGMA foreign_keys = true",
      "NotAllowed 1: PRAGMA foreign_keys = true | foreign keys are on already, and SQLite ignores the PRAGMA inside a transaction | Remove line 1."
    ],
    [
      "PRAGMA foreign_keys = off",
      "NotAllowed 1: PRAGMA foreign_keys = off | SQLite ignores PRAGMA foreign_keys inside a transaction; declare `-- database-ready: foreign_keys = off` instead | Remove line 1, and write `-- database-ready: foreign_keys = off` above the first statement: foreign keys are then off for this file, and on again after it."
    ],
    [
      "PRAGMA foreign_keys = 0",
      "NotAllowed 1: PRAGMA foreign_keys = 0 | SQLite ignores PRAGMA foreign_keys inside a transaction; declare `-- database-ready: foreign_keys = off` instead | Remove line 1, and write `-- database-ready: foreign_keys = off` above the first statement: foreign keys are then off for this file, and on again after it."
    ],
    [
      "PRAGMA foreign_keys = +2",
      "NotAllowed 1: PRAGMA foreign_keys = +2 | foreign keys are on already, and SQLite ignores the PRAGMA inside a transaction | Remove line 1."
    ],
    [
      "PRAGMA foreign_keys = -1",
      "NotAllowed 1: PRAGMA foreign_keys = -1 | foreign keys are on already, and SQLite ignores the PRAGMA inside a transaction | Remove line 1."
    ],
    [
      "PRAGMA foreign_keys = x",
      "NotAllowed 1: PRAGMA foreign_keys = x | SQLite ignores PRAGMA foreign_keys inside a transaction; declare `-- database-ready: foreign_keys = off` instead | Remove line 1, and write `-- database-ready: foreign_keys = off` above the first statement: foreign keys are then off for this file, and on again after it."
    ],
    [
      "PRAGMA foreign_keys = -0",
      "NotAllowed 1: PRAGMA foreign_keys = -0 | SQLite ignores PRAGMA foreign_keys inside a transaction; declare `-- database-ready: foreign_keys = off` instead | Remove line 1, and write `-- database-ready: foreign_keys = off` above the first statement: foreign keys are then off for this file, and on again after it."
    ],
    [
      "PRAGMA foreign_keys = onx",
      "NotAllowed 1: PRAGMA foreign_keys = onx | SQLite ignores PRAGMA foreign_keys inside a transaction; declare `-- database-ready: foreign_keys = off` instead | Remove line 1, and write `-- database-ready: foreign_keys = off` above the first statement: foreign keys are then off for this file, and on again after it."
    ],
    [
      "PRAGMA foreign_keys = 'on'",
      "NotAllowed 1: PRAGMA foreign_keys = 'on' | foreign keys are on already, and SQLite ignores the PRAGMA inside a transaction | Remove line 1."
    ],
    [
      'pragma main.foreign_keys="off"',
      'NotAllowed 1: pragma main.foreign_keys="off" | SQLite ignores PRAGMA foreign_keys inside a transaction; declare `-- database-ready: foreign_keys = off` instead | Remove line 1, and write `-- database-ready: foreign_keys = off` above the first statement: foreign keys are then off for this file, and on again after it.'
    ],
    [
      "PRAGMA foreign_keys=off;\na;\nPRAGMA foreign_keys = on",
      "NotAllowed 1: PRAGMA foreign_keys=off | SQLite ignores PRAGMA foreign_keys inside a transaction; declare `-- database-ready: foreign_keys = off` instead | Remove lines 1 and 3, and write `-- database-ready: foreign_keys = off` above the first statement: foreign keys are then off for this file, and on again after it."
    ],
    [
      "PRAGMA foreign_keys=off;\na;\nPRAGMA foreign_keys;\nPRAGMA foreign_keys = on;\nPRAGMA foreign_keys=0",
      "NotAllowed 1: PRAGMA foreign_keys=off | SQLite ignores PRAGMA foreign_keys inside a transaction; declare `-- database-ready: foreign_keys = off` instead | Remove lines 1, 4 and 5, and write `-- database-ready: foreign_keys = off` above the first statement: foreign keys are then off for this file, and on again after it."
    ],
    [
      "PRAGMA foreign_keys=on; PRAGMA foreign_keys=on",
      "NotAllowed 1: PRAGMA foreign_keys=on | foreign keys are on already, and SQLite ignores the PRAGMA inside a transaction | Remove line 1."
    ],
    [
      "PRAGMA foreign_keys=on; PRAGMA foreign_keys=off",
      "NotAllowed 1: PRAGMA foreign_keys=on | SQLite ignores PRAGMA foreign_keys inside a transaction; declare `-- database-ready: foreign_keys = off` instead | Remove line 1, and write `-- database-ready: foreign_keys = off` above the first statement: foreign keys are then off for this file, and on again after it."
    ],
    ["PRAGMA foreign_keys xon", "none"],
    ["PRAGMA user_version", "none"],
    ["PRAGMA user_version = 7", "none"],
    [
      "PRAGMA user_version = 8",
      "NotAllowed 1: PRAGMA user_version = 8 | user_version is the number of the newest migration, which the library writes | Remove it. Keep a number of your own in a table."
    ],
    ["PRAGMA user_version(7)", "none"],
    [
      "EXPLAIN PRAGMA user_version = 8",
      "NotAllowed 1: EXPLAIN PRAGMA user_version = 8 | user_version is the number of the newest migration, which the library writes | Remove it. Keep a number of your own in a table."
    ],
    [
      "EXPLAIN QUERY PLAN PRAGMA user_version = 8",
      "NotAllowed 1: EXPLAIN QUERY PLAN PRAGMA user_version = 8 | user_version is the number of the newest migration, which the library writes | Remove it. Keep a number of your own in a table."
    ],
    [
      "PRAGMA \"user_version\" = '8'",
      "NotAllowed 1: PRAGMA \"user_version\" = '8' | user_version is the number of the newest migration, which the library writes | Remove it. Keep a number of your own in a table."
    ],
    [
      "PRAGMA auto_vacuum = 1",
      'NotAllowed 1: PRAGMA auto_vacuum = 1 | PRAGMA auto_vacuum takes effect only before the first page of a file is written, and is lost in a migration | Remove it. For a new file give DatabaseReady.layer the option `newFile: { autoVacuum: "incremental" }`; an existing file keeps what it has. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped.'
    ],
    ["PRAGMA auto_vacuum", "none"],
    [
      "PRAGMA encoding = 'UTF-8'",
      "NotAllowed 1: PRAGMA encoding = 'UTF-8' | PRAGMA encoding takes effect only before the first page of a file is written, and is lost in a migration | Remove it. For a new file give DatabaseReady.layer the option `newFile: { encoding: \"UTF-16le\" }`; an existing file keeps what it has. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA page_size = 1",
      "NotAllowed 1: PRAGMA page_size = 1 | PRAGMA page_size takes effect only before the first page of a file is written, and is lost in a migration | Remove it. For a new file give DatabaseReady.layer the option `newFile: { pageSize: 8192 }`; an existing file keeps what it has. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA temp_store = 2",
      'NotAllowed 1: PRAGMA temp_store = 2 | SQLite ignores or refuses PRAGMA temp_store inside a transaction | Remove it, and give DatabaseReady.layer the option `pragmas: { tempStore: "memory" }`. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped.'
    ],
    [
      "PRAGMA default_cache_size = 1",
      "NotAllowed 1: PRAGMA default_cache_size = 1 | PRAGMA default_cache_size is overridden by the settings | Remove it, and give DatabaseReady.layer the option `pragmas: { cacheSize: -64000 }`. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA legacy_file_format = 1",
      "NotAllowed 1: PRAGMA legacy_file_format = 1 | PRAGMA legacy_file_format does nothing any more | Remove it. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA temp_store_directory = 'x'",
      "NotAllowed 1: PRAGMA temp_store_directory = 'x' | PRAGMA temp_store_directory is set for the whole process, and would outlive the migration | Remove it. Set the variable SQLITE_TMPDIR of the process. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA data_store_directory = 'x'",
      "NotAllowed 1: PRAGMA data_store_directory = 'x' | PRAGMA data_store_directory is set for the whole process, and would outlive the migration | Remove it. Give an absolute path as the filename. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA soft_heap_limit = 1",
      "NotAllowed 1: PRAGMA soft_heap_limit = 1 | PRAGMA soft_heap_limit is set for the whole process, and would outlive the migration | Remove it. Give DatabaseReady.layer the option `pragmas: { softHeapLimit: 256000000 }`. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA hard_heap_limit = 1",
      "NotAllowed 1: PRAGMA hard_heap_limit = 1 | PRAGMA hard_heap_limit is set for the whole process, and would outlive the migration | Remove it. Give DatabaseReady.layer the option `pragmas: { hardHeapLimit: 512000000 }`. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA journal_mode = wal",
      'NotAllowed 1: PRAGMA journal_mode = wal | SQLite ignores or refuses PRAGMA journal_mode inside a transaction | Remove it, and give DatabaseReady.layer the option `pragmas: { journalMode: "wal" }`.'
    ],
    ["PRAGMA journal_mode", "none"],
    [
      "PRAGMA synchronous = 1",
      'NotAllowed 1: PRAGMA synchronous = 1 | SQLite ignores or refuses PRAGMA synchronous inside a transaction | Remove it, and give DatabaseReady.layer the option `pragmas: { synchronous: "full" }`.'
    ],
    [
      "PRAGMA wal_checkpoint",
      "NotAllowed 1: PRAGMA wal_checkpoint | SQLite refuses PRAGMA wal_checkpoint inside a transaction | Remove it. SQLite checkpoints by itself; the program may do so once the database is ready."
    ],
    [
      "PRAGMA wal_checkpoint(full)",
      "NotAllowed 1: PRAGMA wal_checkpoint(full) | SQLite refuses PRAGMA wal_checkpoint inside a transaction | Remove it. SQLite checkpoints by itself; the program may do so once the database is ready."
    ],
    ["PRAGMA cache_size = 1", "none"],
    [
      "PRAGMA nothing",
      "NotAllowed 1: PRAGMA nothing | SQLite has no PRAGMA nothing, and would ignore it | Correct its name, or remove it. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA nothing = 1",
      "NotAllowed 1: PRAGMA nothing = 1 | SQLite has no PRAGMA nothing, and would ignore it | Correct its name, or remove it. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA key = 'x'",
      "NotAllowed 1: PRAGMA key = 'x' | PRAGMA key is for a database that is not open yet | Remove it: this library's SQLite does not encrypt. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA rekey = 'x'",
      "NotAllowed 1: PRAGMA rekey = 'x' | PRAGMA rekey is for a database that is not open yet | Remove it: this library's SQLite does not encrypt. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA hexkey = 'x'",
      "NotAllowed 1: PRAGMA hexkey = 'x' | PRAGMA hexkey is for a database that is not open yet | Remove it: this library's SQLite does not encrypt. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA textkey = 'x'",
      "NotAllowed 1: PRAGMA textkey = 'x' | PRAGMA textkey is for a database that is not open yet | Remove it: this library's SQLite does not encrypt. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA hexrekey",
      "NotAllowed 1: PRAGMA hexrekey | PRAGMA hexrekey is for a database that is not open yet | Remove it: this library's SQLite does not encrypt. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA cipher_x",
      "NotAllowed 1: PRAGMA cipher_x | PRAGMA cipher_x is for a database that is not open yet | Remove it: this library's SQLite does not encrypt. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA kdf_iter = 1",
      "NotAllowed 1: PRAGMA kdf_iter = 1 | PRAGMA kdf_iter is for a database that is not open yet | Remove it: this library's SQLite does not encrypt. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA xkey = 1",
      "NotAllowed 1: PRAGMA xkey = 1 | SQLite has no PRAGMA xkey, and would ignore it | Correct its name, or remove it. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA keys = 1",
      "NotAllowed 1: PRAGMA keys = 1 | SQLite has no PRAGMA keys, and would ignore it | Correct its name, or remove it. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA xcipher",
      "NotAllowed 1: PRAGMA xcipher | SQLite has no PRAGMA xcipher, and would ignore it | Correct its name, or remove it. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA xkdf",
      "NotAllowed 1: PRAGMA xkdf | SQLite has no PRAGMA xkdf, and would ignore it | Correct its name, or remove it. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "-- x\nPRAGMA /* y */ page_size -- z\n = 1",
      "NotAllowed 2: PRAGMA /* y */ page_size -- z\n = 1 | PRAGMA page_size takes effect only before the first page of a file is written, and is lost in a migration | Remove it. For a new file give DatabaseReady.layer the option `newFile: { pageSize: 8192 }`; an existing file keeps what it has. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    [
      "PRAGMA x.page_size = 1",
      "NotAllowed 1: PRAGMA x.page_size = 1 | PRAGMA page_size takes effect only before the first page of a file is written, and is lost in a migration | Remove it. For a new file give DatabaseReady.layer the option `newFile: { pageSize: 8192 }`; an existing file keeps what it has. If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."
    ],
    ["PRAGMA analysis_limit = 1", "none"],
    ["PRAGMA optimize", "none"],
    ["PRAGMA table_info(a)", "none"],
    ["PRAGMAS x", "none"]
  ])
  table(
    "is skipped if it is a setting and that is declared",
    (text: string) => obstacle(text, { settings: "ignored" }),
    [
      ["PRAGMA page_size = 1", "none"],
      ["PRAGMA nothing", "none"],
      [
        "PRAGMA journal_mode = wal",
        'NotAllowed 1: PRAGMA journal_mode = wal | SQLite ignores or refuses PRAGMA journal_mode inside a transaction | Remove it, and give DatabaseReady.layer the option `pragmas: { journalMode: "wal" }`.'
      ],
      [
        "PRAGMA foreign_keys = off",
        "NotAllowed 1: PRAGMA foreign_keys = off | SQLite ignores PRAGMA foreign_keys inside a transaction; declare `-- database-ready: foreign_keys = off` instead | Remove line 1, and write `-- database-ready: foreign_keys = off` above the first statement: foreign keys are then off for this file, and on again after it."
      ],
      [
        "PRAGMA user_version = 1",
        "NotAllowed 1: PRAGMA user_version = 1 | user_version is the number of the newest migration, which the library writes | Remove it. Keep a number of your own in a table."
      ],
      ["BEGIN", "NotAllowed 1: BEGIN | BEGIN would begin or end a transaction | no remedy"],
      [
        "PRAGMA wal_checkpoint",
        "NotAllowed 1: PRAGMA wal_checkpoint | SQLite refuses PRAGMA wal_checkpoint inside a transaction | Remove it. SQLite checkpoints by itself; the program may do so once the database is ready."
      ]
    ]
  )
  table("is said of a file that declares foreign keys off", (text: string) => obstacle(text, { foreignKeys: "off" }), [
    [
      "PRAGMA foreign_keys = off",
      "NotAllowed 1: PRAGMA foreign_keys = off | SQLite ignores PRAGMA foreign_keys inside a transaction, and the file declares it already | Remove line 1."
    ],
    [
      "PRAGMA foreign_keys = on",
      "NotAllowed 1: PRAGMA foreign_keys = on | SQLite ignores PRAGMA foreign_keys inside a transaction, and the file declares it already | Remove line 1."
    ],
    [
      "PRAGMA foreign_keys = off;\nPRAGMA foreign_keys = on;\n PRAGMA foreign_keys = on",
      "NotAllowed 1: PRAGMA foreign_keys = off | SQLite ignores PRAGMA foreign_keys inside a transaction, and the file declares it already | Remove lines 1, 2 and 3."
    ]
  ])
  table("includes a declaration for PostgreSQL", (text: string) => obstacle(text, { transaction: "none" }), [
    [
      "\nSELECT 1",
      "NotAllowed 2: SELECT 1 | `transaction = none` is for PostgreSQL | Remove the declaration: on SQLite all statements of a migration run in its transaction."
    ],
    ["-- x", "none"],
    [
      "a '",
      "Incomplete 1: ' | the string that begins here is never closed | Close it with `'` where it ends: until then everything after it belongs to it."
    ]
  ])
  const all = [
    "analysis_limit",
    "application_id",
    "automatic_index",
    "busy_timeout",
    "cache_size",
    "cache_spill",
    "case_sensitive_like",
    "cell_size_check",
    "checkpoint_fullfsync",
    "collation_list",
    "compile_options",
    "count_changes",
    "data_version",
    "database_list",
    "defer_foreign_keys",
    "empty_result_callbacks",
    "foreign_key_check",
    "foreign_key_list",
    "freelist_count",
    "full_column_names",
    "fullfsync",
    "function_list",
    "ignore_check_constraints",
    "incremental_vacuum",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "journal_size_limit",
    "legacy_alter_table",
    "locking_mode",
    "max_page_count",
    "mmap_size",
    "module_list",
    "optimize",
    "page_count",
    "pragma_list",
    "query_only",
    "quick_check",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "schema_version",
    "secure_delete",
    "short_column_names",
    "shrink_memory",
    "stats",
    "table_info",
    "table_list",
    "table_xinfo",
    "threads",
    "trusted_schema",
    "wal_autocheckpoint",
    "writable_schema"
  ]
  table(
    "is no pragma that works in a transaction",
    (names: ReadonlyArray<string>) => names.filter((name) => obstacle(`PRAGMA ${name} = 1`) !== "none"),
    [[all, []]]
  )
  table("may be lost without an error", (text: string) => isLostSetting({ text, line: 1 }), [
    ["PRAGMA page_size = 1", true],
    ["PRAGMA page_size", false],
    ["PRAGMA nothing", true],
    ["PRAGMA nothing = 1", true],
    ["PRAGMA journal_mode = wal", false],
    ["PRAGMA foreign_keys = on", false],
    ["PRAGMA user_version = 1", false],
    ["PRAGMA cache_size = 1", false],
    ["SELECT 1", false],
    ["PRAGMA", false],
    ["PRAGMA nothing \u0000", false],
    ["EXPLAIN PRAGMA page_size(1)", true],
    ["EXPLAIN SELECT 1", false],
    ["PRAGMA wal_checkpoint", false]
  ])
  table("switches foreign keys", (text: string) => foreignKeysSetBy({ text, line: 1 }), [
    ["PRAGMA foreign_keys = on", "on"],
    ["PRAGMA foreign_keys = off", "off"],
    ["PRAGMA foreign_keys", undefined],
    ["PRAGMA x = on", undefined],
    ["SELECT 1", undefined],
    ["EXPLAIN QUERY PLAN PRAGMA foreign_keys(0)", "off"]
  ])
  table(
    "is looked for in each statement",
    (text: string) =>
      told(misplacedStatement({ text, line: 3 }, { id: 7, text, declared: plain, statements: [{ text, line: 3 }] })),
    [
      [
        "PRAGMA foreign_keys = off",
        "NotAllowed 3: PRAGMA foreign_keys = off | SQLite ignores PRAGMA foreign_keys inside a transaction; declare `-- database-ready: foreign_keys = off` instead | Remove line 3, and write `-- database-ready: foreign_keys = off` above the first statement: foreign keys are then off for this file, and on again after it."
      ],
      [
        "VACUUM",
        "NotAllowed 3: VACUUM | SQLite refuses VACUUM inside a transaction | Remove it. Run VACUUM from the program or by hand, while nobody else uses the database."
      ],
      ["SELECT", "none"]
    ]
  )
  table("begins after a mark of another tool", (comment: string) => breakpoint.test(comment), [
    ["--> statement-breakpoint", true],
    ["--;;", true],
    ["--bun:split", true],
    ["-- bun:split", true],
    ["x --;;", false],
    ["-- > statement-breakpoint", false],
    ["-->  statement-breakpoint", true]
  ])
})

describe("a repeatable migration", () => {
  table("makes only views and triggers", (text: string) => told(misplacedInRepeatable(statementsOf(text))), [
    ["CREATE VIEW v AS SELECT 1", "none"],
    ["DROP VIEW v; create trigger t begin a; end; DROP TRIGGER IF EXISTS x", "none"],
    [
      "",
      "Incomplete 0:  | nothing in it is run | Write the view or trigger. To remove what the file has made, leave only its DROP statements in it."
    ],
    [
      "CREATE VIEW v AS SELECT 1;\nCREATE TABLE a (x)",
      "NotAllowed 2: CREATE TABLE a (x) | a repeatable migration makes only views and triggers, which hold no rows | Move the statement into a numbered migration, NNN_name.sql."
    ],
    [
      "DELETE FROM a",
      "NotAllowed 1: DELETE FROM a | a repeatable migration makes only views and triggers, which hold no rows | Move the statement into a numbered migration, NNN_name.sql."
    ],
    [
      "CREATE TEMP VIEW v AS SELECT 1",
      "NotAllowed 1: CREATE TEMP VIEW v AS SELECT 1 | a repeatable migration makes only views and triggers, which hold no rows | Move the statement into a numbered migration, NNN_name.sql."
    ],
    [
      "ALTER VIEW v",
      "NotAllowed 1: ALTER VIEW v | a repeatable migration makes only views and triggers, which hold no rows | Move the statement into a numbered migration, NNN_name.sql."
    ],
    [
      "CREATE VIEWS v",
      "NotAllowed 1: CREATE VIEWS v | a repeatable migration makes only views and triggers, which hold no rows | Move the statement into a numbered migration, NNN_name.sql."
    ],
    [
      "x CREATE VIEW v",
      "NotAllowed 1: x CREATE VIEW v | a repeatable migration makes only views and triggers, which hold no rows | Move the statement into a numbered migration, NNN_name.sql."
    ]
  ])
  table("says how many objects it makes", (text: string) => countMade(statementsOf(text)), [
    ["CREATE VIEW v AS SELECT 1; DROP VIEW w; create view x as select 1", 2],
    ["", 0]
  ])
})
