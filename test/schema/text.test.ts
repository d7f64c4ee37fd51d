/** How SQL text is cut, what is compared of it, and what a comment declares. */
import { createHash } from "node:crypto"
import { assert, describe, it } from "vitest"
import { checksumOf, mayHaveBeen, statementsChecksumOf, statementsIn } from "../../layers/schema/Checksum.ts"
import {
  commentsOf,
  declarationNames,
  declarationOf,
  declarationText,
  isPlain,
  plain,
  withoutDeclarations
} from "../../layers/schema/Declaration.ts"
import { unwrittenIn } from "../../layers/schema/EmptyScript.ts"
import { liquibaseLineIn, lowerHalfIn, toolOfMark, upperHalfOf } from "../../layers/schema/Halves.ts"
import {
  firstLine,
  foldName,
  identifier,
  mentions,
  openingParts,
  openingWords,
  phrasesOf,
  statementsOf,
  structureOf,
  tokensOf,
  unquote
} from "../../layers/schema/SqlScript.ts"
import { table } from "./table.ts"

describe("SQL text", () => {
  table(
    "ends where its last word does, which may end in the mark U+FEFF",
    (sql: string) => statementsOf(sql).map(({ text }) => text),
    [
      ["a b \t\r\f\n;", ["a b"]],
      ["a\uFEFF\uFEFF \n;b", ["a\uFEFF\uFEFF", "b"]],
      ["a \uFEFF;b", ["a", "b"]],
      ["a =\uFEFF;b", ["a =", "b"]]
    ]
  )
  table("has a first line", firstLine, [
    ["a\nb\nc", "a"],
    ["a", "a"],
    ["\na", ""]
  ])
  const kinds = (sql: string) =>
    [...tokensOf(sql)].map(({ kind, start, text }) => `${start} ${kind} ${text}`).join(" | ")
  table("is cut into tokens", kinds, [
    ["", ""],
    ["a", "0 word a"],
    ["SELECT 1", "0 word SELECT | 6 space   | 7 word 1"],
    [" \t\n\f\r﻿x", "0 space  \t\n\f\r﻿ | 6 word x"],
    ["a--b\nc", "0 word a | 1 comment --b | 4 space \n | 5 word c"],
    ["--", "0 comment --"],
    ["/* a */b", "0 comment /* a */ | 7 word b"],
    ["/* a **/b", "0 comment /* a **/ | 8 word b"],
    ["/* a * / */b", "0 comment /* a * / */ | 11 word b"],
    ["/**/b", "0 comment /**/ | 4 word b"],
    ["/*/ b", "0 comment /*/ b"],
    ["/* a", "0 comment /* a"],
    ["/* *", "0 comment /* *"],
    ["'a''b'c", "0 string 'a''b' | 6 word c"],
    ["'a", "0 string 'a"],
    ["''", "0 string ''"],
    ["'a'''b", "0 string 'a''' | 5 word b"],
    ['"a""b"c', '0 quoted "a""b" | 6 word c'],
    ['"a', '0 quoted "a'],
    ["`a``b`c", "0 quoted `a``b` | 6 word c"],
    ["`a", "0 quoted `a"],
    ["[a]b]", "0 quoted [a] | 3 word b | 4 other ]"],
    ["[a", "0 quoted [a"],
    ["[]x", "0 quoted [] | 2 word x"],
    ["é_$9  ", "0 word é_$9 | 4 space   | 5 word  "],
    ["a-b/c", "0 word a | 1 other - | 2 word b | 3 other / | 4 word c"],
    ["(a,b);", "0 other ( | 1 word a | 2 other , | 3 word b | 4 other ) | 5 other ;"],
    ["\u0000x", "0 other \u0000 | 1 word x"],
    ["a b", "0 word a b"],
    ["#a", "0 other # | 1 word a"],
    ["- -", "0 other - | 1 space   | 2 other -"],
    ["/ *", "0 other / | 1 space   | 2 other *"]
  ])
  const phrases = (sql: string) =>
    [...phrasesOf(sql)].map(({ kind, start, text }) => `${start} ${kind} ${text}`).join(" | ")
  table("is cut into longer tokens", phrases, [
    ["SELECT a, b (c) ; d", "0 word SELECT a, b (c)  | 16 other ; | 17 space   | 18 word d"],
    ["a - b", "0 word a  | 2 other - | 3 space   | 4 word b"],
    ["a--b", "0 word a | 1 comment --b"],
    ["a / b /* c */ d", "0 word a  | 2 other / | 3 space   | 4 word b  | 6 comment /* c */ | 13 space   | 14 word d"],
    ["a 'b' c", "0 word a  | 2 string 'b' | 5 space   | 6 word c"],
    ["  a  \n", "0 space    | 2 word a  \n"],
    [";;", "0 other ; | 1 other ;"],
    ["[a] b", "0 quoted [a] | 3 space   | 4 word b"],
    ["﻿a\f\r", "0 space ﻿ | 1 word a\f\r"],
    ['a "b"`c`', '0 word a  | 2 quoted "b" | 5 quoted `c`'],
    ["'a", "0 string 'a"]
  ])
  const cut = (sql: string) =>
    statementsOf(sql)
      .map(({ line, text }) => `${line}: ${text}`)
      .join(" | ")
  table("is cut into statements", cut, [
    ["", ""],
    [";", ""],
    ["a;b", "1: a | 1: b"],
    ["a ; b ;", "1: a | 1: b"],
    ["\n\na\n;\n\nb", "3: a | 6: b"],
    ["-- x\na -- y\n;/* z */ b", "2: a | 3: b"],
    ["a \t\n\f\r﻿;b", "1: a | 2: b"],
    ["a -- ;\nb;c", "1: a -- ;\nb | 2: c"],
    ["CREATE TRIGGER t BEGIN a; b; END; c", "1: CREATE TRIGGER t BEGIN a; b; END | 1: c"],
    ["create temp trigger t begin a; end ; c", "1: create temp trigger t begin a; end | 1: c"],
    ["CREATE TEMPORARY TRIGGER t BEGIN a; END;c", "1: CREATE TEMPORARY TRIGGER t BEGIN a; END | 1: c"],
    ["EXPLAIN CREATE TRIGGER t BEGIN a; END; c", "1: EXPLAIN CREATE TRIGGER t BEGIN a; END | 1: c"],
    [
      "EXPLAIN QUERY PLAN CREATE TRIGGER t BEGIN a; END; c",
      "1: EXPLAIN QUERY PLAN CREATE TRIGGER t BEGIN a; END | 1: c"
    ],
    ["EXPLAIN QUERY CREATE TRIGGER t; a", "1: EXPLAIN QUERY CREATE TRIGGER t | 1: a"],
    ["CREATE TABLE trigger (a); b", "1: CREATE TABLE trigger (a) | 1: b"],
    ["CREATE x TRIGGER t; a; END; b", "1: CREATE x TRIGGER t | 1: a | 1: END | 1: b"],
    ["DROP TRIGGER t; a", "1: DROP TRIGGER t | 1: a"],
    ["CREATE TEMP TABLE trigger (a); b", "1: CREATE TEMP TABLE trigger (a) | 1: b"],
    ["x CREATE TRIGGER t; a", "1: x CREATE TRIGGER t | 1: a"],
    ["TEMP TRIGGER t; a", "1: TEMP TRIGGER t | 1: a"],
    ["CREATE TRIGGER t BEGIN CASE a END; END; b", "1: CREATE TRIGGER t BEGIN CASE a END; END | 1: b"],
    ["CREATE TRIGGER t BEGIN a; END b; END; c", "1: CREATE TRIGGER t BEGIN a; END b; END | 1: c"],
    ["CREATE TRIGGER t BEGIN a; END", "1: CREATE TRIGGER t BEGIN a; END"],
    [
      "CREATE TRIGGER t BEGIN a; END; CREATE TRIGGER u BEGIN b; END; c",
      "1: CREATE TRIGGER t BEGIN a; END | 1: CREATE TRIGGER u BEGIN b; END | 1: c"
    ],
    ['CREATE TRIGGER t BEGIN a; "END"; END; b', '1: CREATE TRIGGER t BEGIN a; "END"; END | 1: b'],
    ['CREATE TRIGGER "CREATE TRIGGER" BEGIN a; ; END; b', '1: CREATE TRIGGER "CREATE TRIGGER" BEGIN a; ; END | 1: b'],
    ["CREATE TRIGGER t BEGIN a;\nEND;\nb\n;", "1: CREATE TRIGGER t BEGIN a;\nEND | 3: b"],
    ["-- trigger\na; END; b", "2: a | 2: END | 2: b"],
    ["EXPLAIN QUERY PLAN a; -- trigger\nb", "1: EXPLAIN QUERY PLAN a | 2: b"],
    ["EXPLAIN EXPLAIN CREATE TRIGGER t; a", "1: EXPLAIN EXPLAIN CREATE TRIGGER t | 1: a"],
    ["a 'x' ; b -- trigger", "1: a 'x' | 1: b"],
    ["CREATE TEMP TEMP TRIGGER t; a", "1: CREATE TEMP TEMP TRIGGER t | 1: a"]
  ])
  table(
    "has comments, at its head or behind it",
    (sql: string) => [...commentsOf(sql)].map(({ isAtHead, text }) => `${isAtHead ? "head" : "behind"} ${text}`),
    [
      ["-- a\n/* b */ x -- c", ["head -- a", "head /* b */", "behind -- c"]],
      ["x", []],
      [" -- a", ["head -- a"]],
      ["; -- a", ["behind -- a"]],
      ["/* a */'x'/* b */", ["head /* a */", "behind /* b */"]]
    ]
  )
  table(
    "begins with words and names",
    (sql: string) => openingParts(sql, 3).map(({ keyword, name }) => `${keyword}:${name}`),
    [
      ["", []],
      ["create table a", ["CREATE:create", "TABLE:table", "A:a"]],
      ["/* */ \"b c\".'d''e' f", [":b c", ".:.", ":d'e"]],
      ["a(b", ["A:a"]],
      ["(a", []],
      ["a , b", ["A:a"]],
      ["main.x y", ["MAIN:main", ".:.", "X:x"]],
      ["[a] b", [":a", "B:b"]],
      ["a b c d", ["A:a", "B:b", "C:c"]]
    ]
  )
  table("begins with words", (sql: string) => openingWords(sql, 2), [
    ['create "table" a', ["CREATE", "TABLE"]],
    ["a", ["A"]],
    ["", []],
    ["select * from", ["SELECT"]]
  ])
  table("mentions names", ([sql, name]: readonly [string, string]) => mentions(sql, name), [
    [["SELECT A", "a"], true],
    [["SELECT ab", "a"], false],
    [["'A'", "a"], true],
    [['"A"', "a"], true],
    [["[a]", "a"], true],
    [["-- a", "a"], false],
    [["(a)", "a"], true],
    [["", "a"], false],
    [["b 'ä'", "ä"], true],
    [["x.(", "("], false]
  ])
  table("has a structure", structureOf, [
    ["", ""],
    ['CREATE  TABLE "A" -- x\n(b)', "create table a ( b )"],
    ["'A' 'b''c'", "'A' 'b''c'"],
    ['default "A" "A"', 'default "A" a'],
    ["DEFAULT [B c]", "default [B c]"],
    ['"a b" "A$1" "1a" "" `x`', '"a b" a$1 "1a" "" x'],
    ['[a"b]', '"a""b"'],
    ['DEFAULT /* x */ "Up"', 'default "Up"'],
    ["x'3B'", "x '3B'"]
  ])
  table("can have any name", identifier, [
    ["a", '"a"'],
    ['a"b"', '"a""b"""'],
    ["", '""']
  ])
  table("has one name in any capitals", foldName, [
    ["aBC", "abc"],
    ["ÄÖ", "ÄÖ"],
    ["ABCxYZ", "abcxyz"],
    ["", ""]
  ])
  table("has names in quotes", unquote, [
    ['"a""b"', 'a"b'],
    ["[a]]", "a]"],
    ["'it''s'", "it's"],
    ["`a``b`", "a`b"],
    ["[a[[b]", "a[[b"]
  ])
})

describe("the checksum of a text", () => {
  it("is that of SHA-256", () => {
    assert.strictEqual(checksumOf("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  })
  const isSame = ([one, other]: readonly [string, string]) => checksumOf(one) === checksumOf(other)
  table("does not depend on what editors change", isSame, [
    [["a\nb", "a\r\nb"], true],
    [["a\nb", "a\rb"], true],
    [["a \t\nb", "a\nb"], true],
    [["a", "a\n \n"], true],
    [["﻿a", "a"], true],
    [["a b", "a  b"], false],
    [["a\n\nb", "a\nb"], false],
    [["a﻿ b", "a b"], false],
    [[" a", "a"], false],
    [["a  b", "a b"], true],
    [["a\n  b", "a\nb"], false],
    [["a\r\r\nb", "a\n\nb"], true],
    [["ab", "a\nb"], false]
  ])
  table(
    "of its statements counts comments within them",
    ([one, other]: readonly [string, string]) =>
      statementsChecksumOf(statementsOf(one), "x") === statementsChecksumOf(statementsOf(other), "x"),
    [
      [["a;b", "a ; -- x\n b"], true],
      [["a;b", "a -- x\n;b"], true],
      [["a -- x\nc", "a\nc"], false],
      [["a;b", "b;a"], false],
      [["a; b", "a b"], false],
      [["a \nb", "a\r\nb"], true],
      [["", "a"], false]
    ]
  )
  it("of its statements holds the checksum of the whole text", () => {
    const statements = statementsOf("a")
    assert.notStrictEqual(statementsChecksumOf(statements, "x"), statementsChecksumOf(statements, "y"))
    assert.strictEqual(
      statementsChecksumOf(statementsOf("a ;\n b"), "x"),
      createHash("sha256").update("x\na;\nb;\n").digest("hex")
    )
  })
  table(
    "may be that of a text without the declaration",
    ([former, text]: readonly [string, string]) => mayHaveBeen(checksumOf(former), text),
    [
      [["a\n", "-- database-ready: deletes = a\na\n"], true],
      [["a\n", "﻿-- database-ready: deletes = a\r\na\r\n"], true],
      [["a\n", "-- database-ready: deletes = a\nb\n"], false],
      [["a", "a"], false]
    ]
  )
  it("is of statements that are cut once", () => {
    const body = { text: "a;b" }
    assert.strictEqual(statementsIn(body), statementsIn(body))
    assert.deepStrictEqual(statementsIn(body), statementsOf("a;b"))
  })
})

describe("a declaration", () => {
  const declared = (script: string) => {
    const found = declarationOf(script, 7)
    return typeof found === "string" ? found : JSON.stringify(found)
  }
  table("is read at the head of a script", declared, [
    ["", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    ["CREATE TABLE a (x)", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    ["-- database-ready: foreign_keys = off\na", '{"foreignKeys":"off","deletes":[],"settings":"refused"}'],
    ["--database-ready:foreign_keys=off", '{"foreignKeys":"off","deletes":[],"settings":"refused"}'],
    ["  -- database-ready:  deletes =  a ,b  \n", '{"foreignKeys":"on","deletes":["a","b"],"settings":"refused"}'],
    [
      "-- x\n\n-- database-ready: compatible_from = 7\n-- database-ready: settings = ignored\n-- database-ready: transaction = none\na",
      '{"foreignKeys":"on","deletes":[],"compatibleFrom":7,"settings":"ignored","transaction":"none"}'
    ],
    ["﻿-- database-ready: deletes = a\r\nx", '{"foreignKeys":"on","deletes":["a"],"settings":"refused"}'],
    [
      "-- database-ready: deletes = a\n-- database-ready: deletes = b\nx",
      '{"foreignKeys":"on","deletes":["b"],"settings":"refused"}'
    ],
    ["\t\f-- database-ready: deletes = a", '{"foreignKeys":"on","deletes":["a"],"settings":"refused"}'],
    ["/* x */ -- database-ready: deletes = a\nx", '{"foreignKeys":"on","deletes":["a"],"settings":"refused"}'],
    [
      "/* x */\n-- database-ready: foreign_keys = off\n-- database-ready: deletes = a\nx",
      '{"foreignKeys":"off","deletes":["a"],"settings":"refused"}'
    ],
    [
      '-- database-ready: deletes = "a b", `c`, [d e], main.f, G, "x""y", MAIN.h',
      '{"foreignKeys":"on","deletes":["a b","c","d e","f","G","x\\"y","h"],"settings":"refused"}'
    ],
    [
      "-- database-ready: deletes = a b",
      "`-- database-ready: deletes = a b`: a b: a name with blanks needs quotes, and names need commas between them"
    ],
    [
      "-- database-ready: deletes = a,",
      "`-- database-ready: deletes = a,`: the value is a list of tables, with commas between"
    ],
    [
      "-- database-ready: deletes = ,a",
      "`-- database-ready: deletes = ,a`: the value is a list of tables, with commas between"
    ],
    [
      "-- database-ready: deletes = a,,b",
      "`-- database-ready: deletes = a,,b`: the value is a list of tables, with commas between"
    ],
    [
      '-- database-ready: deletes = "a',
      '`-- database-ready: deletes = "a`: the value is a list of tables, with commas between'
    ],
    [
      "-- database-ready: deletes = a; b",
      "`-- database-ready: deletes = a; b`: a; b: a name with blanks needs quotes, and names need commas between them"
    ],
    [
      '-- database-ready: deletes = ""',
      '`-- database-ready: deletes = ""`: the value is a list of tables, with commas between'
    ],
    [
      "-- database-ready: deletes = [a",
      "`-- database-ready: deletes = [a`: the value is a list of tables, with commas between"
    ],
    ["-- database-ready: deletes = a.b", '{"foreignKeys":"on","deletes":["a.b"],"settings":"refused"}'],
    [
      '-- database-ready: deletes = a"b',
      '`-- database-ready: deletes = a"b`: the value is a list of tables, with commas between'
    ],
    [
      "-- database-ready: deletes = `a`b",
      "`-- database-ready: deletes = `a`b`: the value is a list of tables, with commas between"
    ],
    ["-- database-ready: foreign_keys = on", "`-- database-ready: foreign_keys = on`: the only value is off"],
    [
      "-- database-ready: compatible_from = 8",
      "`-- database-ready: compatible_from = 8`: the value is the number of a migration, 7 at most"
    ],
    [
      "-- database-ready: compatible_from = x1",
      "`-- database-ready: compatible_from = x1`: the value is the number of a migration, 7 at most"
    ],
    [
      "-- database-ready: compatible_from = 1x",
      "`-- database-ready: compatible_from = 1x`: the value is the number of a migration, 7 at most"
    ],
    [
      "-- database-ready: compatible_from = 007",
      '{"foreignKeys":"on","deletes":[],"compatibleFrom":7,"settings":"refused"}'
    ],
    [
      "-- database-ready: compatible_from = 12",
      "`-- database-ready: compatible_from = 12`: the value is the number of a migration, 7 at most"
    ],
    ["-- database-ready: settings = off", "`-- database-ready: settings = off`: the only value is ignored"],
    ["-- database-ready: transaction = off", "`-- database-ready: transaction = off`: the only value is none"],
    [
      "-- database-ready: delete = a",
      "`-- database-ready: delete = a`: the names are foreign_keys, deletes, compatible_from, settings, transaction"
    ],
    [
      "-- database-ready: nothing = 1",
      "`-- database-ready: nothing = 1`: the names are foreign_keys, deletes, compatible_from, settings, transaction"
    ],
    ["a;\n-- database-ready: deletes = a", "`-- database-ready: deletes = a` must stand before the first statement"],
    ["a -- database-ready: deletes = a", "`-- database-ready: deletes = a` must stand before the first statement"],
    ["-- database-ready", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    ["-- database-ready: deletes", "`-- database-ready: deletes` is not of the form `-- database-ready: name = value`"],
    [
      "-- database-ready: deletes =",
      "`-- database-ready: deletes =` is not of the form `-- database-ready: name = value`"
    ],
    ["-- database-ready:", "`-- database-ready:` is not of the form `-- database-ready: name = value`"],
    [
      "-- database ready: deletes = a",
      "`-- database ready: deletes = a` is not of the form `-- database-ready: name = value`"
    ],
    [
      "-- databaseready: deletes = a",
      "`-- databaseready: deletes = a` is not of the form `-- database-ready: name = value`"
    ],
    [
      "-- Database-Ready: deletes = a",
      "`-- Database-Ready: deletes = a` is not of the form `-- database-ready: name = value`"
    ],
    [
      "-- database-ready deletes = a",
      "`-- database-ready deletes = a` is not of the form `-- database-ready: name = value`"
    ],
    [
      "-- database_ready: deletes = a",
      "`-- database_ready: deletes = a` is not of the form `-- database-ready: name = value`"
    ],
    [
      "-- database-redy: deletes = a",
      "`-- database-redy: deletes = a` is not of the form `-- database-ready: name = value`"
    ],
    [
      "-- database-redi: deletes = a",
      "`-- database-redi: deletes = a` is not of the form `-- database-ready: name = value`"
    ],
    ["-- databas-redi: deletes = a", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    ["-- data-redi: deletes = a", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    [
      "-- database-ready: deletes a = b",
      "`-- database-ready: deletes a = b` is not of the form `-- database-ready: name = value`"
    ],
    [
      "-- database-ready = deletes",
      "`-- database-ready = deletes` is not of the form `-- database-ready: name = value`"
    ],
    ["-- ! database-ready =x", "`-- ! database-ready =x` is not of the form `-- database-ready: name = value`"],
    ["-- database ready = x", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    ["-- ready: deletes = a", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    ["-- the database: deletes = a", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    [
      "-- database-ready; foreign_key = off",
      "`-- database-ready; foreign_key = off` is not of the form `-- database-ready: name = value`"
    ],
    [
      "-- database-ready: foreignkeys = off",
      "`-- database-ready: foreignkeys = off`: the names are foreign_keys, deletes, compatible_from, settings, transaction"
    ],
    [
      "-- databaseready, deletez = a",
      "`-- databaseready, deletez = a` is not of the form `-- database-ready: name = value`"
    ],
    [
      "-- database.ready deletezz = a",
      "`-- database.ready deletezz = a` is not of the form `-- database-ready: name = value`"
    ],
    ["-- database.ready deletezzz = a", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    ["-- database-ready x = a", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    ["-- see database-ready: it = good", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    ["-- database-ready is good", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    ["-- it is database-ready: x", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    ["-- see -- database-ready: that", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    ["-- see database-ready = x", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    ["-- database-ready= off", "`-- database-ready= off` is not of the form `-- database-ready: name = value`"],
    ["-- database-ready : x", "`-- database-ready : x` is not of the form `-- database-ready: name = value`"],
    ["/** database-ready: x */", "`/** database-ready: x */` is not of the form `-- database-ready: name = value`"],
    [
      "-- database ready : deletes = a",
      "`-- database ready : deletes = a` is not of the form `-- database-ready: name = value`"
    ],
    [
      "-- database_ready: deletes=a",
      "`-- database_ready: deletes=a` is not of the form `-- database-ready: name = value`"
    ],
    ["-- x\r\n-- database-ready: deletes = `ab`\r\na", '{"foreignKeys":"on","deletes":["ab"],"settings":"refused"}'],
    [
      "-- x\n-- database-redy: deletes = a\na",
      "`-- database-redy: deletes = a` is not of the form `-- database-ready: name = value`"
    ],
    [
      "-- database-ready: deletes = a, b  c",
      "`-- database-ready: deletes = a, b  c`: b  c: a name with blanks needs quotes, and names need commas between them"
    ],
    [
      "-- database-ready: compatible_from = 1e0",
      "`-- database-ready: compatible_from = 1e0`: the value is the number of a migration, 7 at most"
    ],
    [
      "-- database-ready: compatible_from = -1",
      "`-- database-ready: compatible_from = -1`: the value is the number of a migration, 7 at most"
    ],
    [
      "/* database-ready: deletes = a */",
      "`/* database-ready: deletes = a */` is not of the form `-- database-ready: name = value`"
    ],
    [
      "/*\n * database-ready: deletes = a\n */ x",
      "`* database-ready: deletes = a` is not of the form `-- database-ready: name = value`"
    ],
    [
      "/* x\n database-ready deletes = a */ x",
      "`database-ready deletes = a */` is not of the form `-- database-ready: name = value`"
    ],
    ["# database-ready: deletes = a", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    ["'-- database-ready: deletes = a'", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    ["a '\n-- database-ready: deletes = a\n'", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    [
      "--- database-ready: deletes = a",
      "`--- database-ready: deletes = a` is not of the form `-- database-ready: name = value`"
    ],
    [
      "-- * database-ready : deletes = a",
      "`-- * database-ready : deletes = a` is not of the form `-- database-ready: name = value`"
    ],
    ["-- DATABASE-READY: x", "`-- DATABASE-READY: x` is not of the form `-- database-ready: name = value`"],
    ["--\tdatabase-ready:\tdeletes\t=\ta\t", '{"foreignKeys":"on","deletes":["a"],"settings":"refused"}'],
    [
      "-- database-ready: deletes = a = b",
      "`-- database-ready: deletes = a = b`: a = b: a name with blanks needs quotes, and names need commas between them"
    ],
    ["-- x\n--database-readydeletes = a", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    ["-- database ready:foreign_keys=off", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    ["-- database-ready: settings = ignored x", "`-- database-ready: settings = ignored x`: the only value is ignored"],
    [
      "-- databasexready: deletes = a",
      "`-- databasexready: deletes = a` is not of the form `-- database-ready: name = value`"
    ],
    [
      "-- dtabase-ready: deletes = a",
      "`-- dtabase-ready: deletes = a` is not of the form `-- database-ready: name = value`"
    ],
    [
      "-- dtbase-ready: deletes = a",
      "`-- dtbase-ready: deletes = a` is not of the form `-- database-ready: name = value`"
    ],
    [
      "-- database-ready: compatible_fro = 1",
      "`-- database-ready: compatible_fro = 1`: the names are foreign_keys, deletes, compatible_from, settings, transaction"
    ],
    ["-- xx database-ready deletes = a", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    [
      "-- 1 database-ready deletes = a",
      "`-- 1 database-ready deletes = a` is not of the form `-- database-ready: name = value`"
    ],
    ["-- Data base: deletes = a", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    [
      "-- database-ready: ta = a",
      "`-- database-ready: ta = a`: the names are foreign_keys, deletes, compatible_from, settings, transaction"
    ],
    ["-- data base-ready : deletes = a", '{"foreignKeys":"on","deletes":[],"settings":"refused"}'],
    ["x -- data\n-- base deletes = a", '{"foreignKeys":"on","deletes":[],"settings":"refused"}']
  ])
  it("has these names", () => {
    assert.deepStrictEqual(declarationNames(), [
      "foreign_keys",
      "deletes",
      "compatible_from",
      "settings",
      "transaction"
    ])
  })
  table(
    "is kept as a text",
    (script: string) => {
      const declared = declarationOf(script, 7)
      return typeof declared === "string" ? "" : [declarationText(declared), isPlain(declared)]
    },
    [
      ["", ["", true]],
      [
        '-- database-ready: foreign_keys = off\n-- database-ready: deletes = a, "b c"\n-- database-ready: compatible_from = 0\n-- database-ready: settings = ignored\n-- database-ready: transaction = none',
        ['foreign_keys = off; deletes = "a", "b c"; compatible_from = 0; settings = ignored; transaction = none', false]
      ],
      ["-- database-ready: deletes = a", ['deletes = "a"', false]]
    ]
  )
  it("declares nothing where it is plain", () => {
    assert.isTrue(isPlain(plain))
    assert.deepStrictEqual(plain, { foreignKeys: "on", deletes: [], compatibleFrom: undefined, settings: "refused" })
  })
  table("may have been added to a text later", (script: string) => [...new Set(withoutDeclarations(script))], [
    ["a", []],
    ["-- database-ready: deletes = a\na", ["a"]],
    ["-- x\n-- database-ready: deletes = a\na", ["-- x\na", "a"]],
    ["\n-- database-ready: deletes = a\n\na\n", ["\n\na\n", "\na\n", "a\n"]],
    [
      "-- y\n\n-- x\n-- database-ready: deletes = a\n-- database-ready: settings = ignored\n\n\na",
      [
        "-- y\n\n-- x\n-- database-ready: settings = ignored\n\n\na",
        "-- database-ready: settings = ignored\n\n\na",
        "-- y\n\n-- x\n-- database-ready: deletes = a\n\n\na",
        "-- y\n\n-- x\n-- database-ready: deletes = a\na",
        "\n\na",
        "a",
        "-- y\n\n-- x\n\n\na",
        "-- y\n\n-- x\na"
      ]
    ],
    ["/* database-ready: deletes = a */ a", []],
    ["  --database-ready: deletes = a\n a", [" a", "a"]],
    ["a\n-- database-ready: deletes = a", ["a", "a\n-- database-ready: deletes = a"]],
    ["-- database-ready: deletes = a\n\n", ["\n", ""]],
    ["-- a = database\na", []],
    ["a -- database-ready: deletes = a", []],
    ["-- database-ready: deletes = a\n/* x */ a -- y", ["/* x */ a -- y", "a -- y"]]
  ])
  it("may be one of many", () => {
    const lines = (count: number) =>
      Array.from({ length: count }, (_, index) => `-- database-ready: deletes = t${index}`)
    const former = (count: number) => new Set(withoutDeclarations(`a\n${lines(count).join("\na\n")}\na`))
    assert.strictEqual(former(4).size, 16)
    assert.strictEqual(former(5).size, 7)
    assert.isTrue(former(5).has("a\na\na\na\na\na"))
  })
})

describe("a script without a statement", () => {
  it("is told what to do", () => {
    assert.deepStrictEqual(unwrittenIn(""), {
      reason: "Incomplete",
      statement: { text: "", line: 0 },
      detail: "nothing in it is run",
      remedy:
        "Write the missing statements. If there is nothing to do, write a comment that says why, instead of all that is there. Delete the file if no database has applied it and none should."
    })
  })
  table("is unfinished unless a comment says why", (script: string) => unwrittenIn(script)?.detail ?? "finished", [
    ["", "nothing in it is run"],
    ["-- nothing to do", "finished"],
    ["/* nothing\n to do */", "finished"],
    ["-- 123", "nothing in it is run"],
    ["--", "nothing in it is run"],
    ["/***/", "nothing in it is run"],
    ["-- database-ready: deletes = a", "nothing in it is run"],
    ["--> statement-breakpoint", "nothing in it is run"],
    ["--bun:split", "nothing in it is run"],
    ["-- +goose Up", "nothing in it is run"],
    ["-- migrate:up", "nothing in it is run"],
    ["-- migrate:up x", "finished"],
    ["-- Write SQL statements here.", "nothing is written into the template yet, and nothing in it is run"],
    [
      "-- 001_a\n--\n-- Write SQL statements here. They",
      "nothing is written into the template yet, and nothing in it is run"
    ],
    ["-- Your SQL goes here", "nothing is written into the template yet, and nothing in it is run"],
    ["-- Add migration script here", "nothing is written into the template yet, and nothing in it is run"],
    ["-- Add up migration script here", "nothing is written into the template yet, and nothing in it is run"],
    ["-- add down migration script here", "nothing is written into the template yet, and nothing in it is run"],
    ["-- Custom SQL migration file, put", "nothing is written into the template yet, and nothing in it is run"],
    ["-- SQL in section 'Up'", "nothing is written into the template yet, and nothing in it is run"],
    ["-- SQL in this section is", "nothing is written into the template yet, and nothing in it is run"],
    ["/* Your SQL goes here */", "nothing is written into the template yet, and nothing in it is run"],
    ["/*\n * Your SQL goes here\n */", "nothing is written into the template yet, and nothing in it is run"],
    ["-- We write: Your SQL goes here", "finished"],
    ["-- Add a migration script here", "finished"],
    ["/** x */", "finished"],
    ["-- x database-ready: y", "finished"],
    ["-- Ünd", "finished"],
    ["-- +goose", "finished"],
    ["-- a:b c", "finished"],
    ["-- 1 > 2 bun:split it", "finished"],
    ["/** Your SQL goes here **/", "nothing is written into the template yet, and nothing in it is run"],
    ["/* Your SQL goes here*/", "nothing is written into the template yet, and nothing in it is run"],
    ["-->  statement-breakpoint", "nothing in it is run"],
    ["-->statement-breakpoint", "nothing in it is run"],
    [" -- \tYour SQL goes here", "nothing is written into the template yet, and nothing in it is run"],
    ["/*\n** Your SQL goes here\n**/", "nothing is written into the template yet, and nothing in it is run"],
    ["/* up:x */", "nothing in it is run"],
    ["/* up:x **/", "nothing in it is run"],
    ["-- a -- b:c", "finished"],
    ["--- Your SQL goes here", "nothing is written into the template yet, and nothing in it is run"]
  ])
})

describe("a file with two halves", () => {
  const told = (script: string) => {
    const { lastLine, line, mark, tool } = lowerHalfIn(script) ?? {}
    return [tool === undefined ? "none" : `${tool}, ${line} to ${lastLine}: ${mark}`, upperHalfOf(script)]
  }
  table("has a lower one that would run", told, [
    ["a", ["none", "a"]],
    ["-- +goose Up\na;\n-- +goose Down\nb;\n", ["goose, 3 to 4: -- +goose Down", "-- +goose Up\na;\n\n\n"]],
    ["-- +goose Down\nb;\n\n-- +goose Up\na;", ["goose, 1 to 2: -- +goose Down", "\n\n\n-- +goose Up\na;"]],
    [
      "-- +migrate Up\na;\n-- +migrate Down notransaction\nb;\nc\n\n",
      ["sql-migrate, 3 to 5: -- +migrate Down notransaction", "-- +migrate Up\na;\n\n\n\n\n"]
    ],
    ["a;\n-- +micrate down\nb", ["micrate, 2 to 3: -- +micrate down", "a;\n\n"]],
    [
      "a;\n-- migrate:down transaction:false x:y\nb",
      ["dbmate, 2 to 3: -- migrate:down transaction:false x:y", "a;\n\n"]
    ],
    ["a;\n-- rambler down\nb", ["rambler, 2 to 3: -- rambler down", "a;\n\n"]],
    ["a;\n# --- !Downs\nb", ["Play evolutions, 2 to 3: # --- !Downs", "a;\n\n"]],
    ["a;\n--- !Downs\nb", ["Play evolutions, 2 to 3: --- !Downs", "a;\n\n"]],
    ["a;\n-- !Downs x\nb", ["none", "a;\n-- !Downs x\nb"]],
    ["a;\n---- create above / drop below ----\nb", ["tern, 2 to 3: ---- create above / drop below ----", "a;\n\n"]],
    ["a;\n--//@UNDO\nb", ["MyBatis Migrations or dbdeploy, 2 to 3: --//@UNDO", "a;\n\n"]],
    ["a;\n-- // undo\nb", ["MyBatis Migrations or dbdeploy, 2 to 3: -- // undo", "a;\n\n"]],
    ["a;\n-- Down Migration\nb", ["node-pg-migrate, 2 to 3: -- Down Migration", "a;\n\n"]],
    ["a;\n-- begin down script\nb", ["node-pg-migrate, 2 to 3: -- begin down script", "a;\n\n"]],
    ["a;\n-- migration: down -\nb", ["node-pg-migrate, 2 to 3: -- migration: down -", "a;\n\n"]],
    ["a;\n-- migrate down\nb", ["node-pg-migrate, 2 to 3: -- migrate down", "a;\n\n"]],
    ["a;\n-- Down\nb", ["another tool, 2 to 3: -- Down", "a;\n\n"]],
    ["-- Down\nb", ["none", "\n"]],
    ["a;\n-- @DOWN\nb", ["another tool, 2 to 3: -- @DOWN", "a;\n\n"]],
    ["a;\n-- [rollback]\nb", ["another tool, 2 to 3: -- [rollback]", "a;\n\n"]],
    ["a;\n-- === Revert ===\nb", ["another tool, 2 to 3: -- === Revert ===", "a;\n\n"]],
    ["a;\n-- 'undo'\nb", ["none", "a;\n-- 'undo'\nb"]],
    ["a;\n-- undo 1\nb", ["none", "a;\n-- undo 1\nb"]],
    ["a;\n-- Down with it\nb", ["none", "a;\n-- Down with it\nb"]],
    ["a;\n/* down */\nb", ["another tool, 2 to 3: /* down */", "a;\n\n"]],
    ["a;\n/* +goose Down */\nb", ["goose, 2 to 3: /* +goose Down */", "a;\n\n"]],
    ["a;\n/*\n down */\nb", ["none", "a;\n/*\n down */\nb"]],
    ["a; -- down\nb", ["none", "a; -- down\nb"]],
    ["x -- +goose Down\nb", ["none", "x -- +goose Down\nb"]],
    ["a;\n  -- +goose Down  \n b", ["goose, 2 to 3: -- +goose Down", "a;\n  \n"]],
    ["a;\n-- +goose Down\n-- nothing\n", ["none", "a;\n\n\n"]],
    ["a;\n-- +goose Down\n", ["none", "a;\n\n"]],
    ["a;\n-- up\nb;\n-- down\nc;\n-- up\nd", ["another tool, 4 to 5: -- down", "a;\n-- up\nb;\n\n\n-- up\nd"]],
    ["a\r\n-- +goose Down\r\nb", ["goose, 2 to 3: -- +goose Down", "a\r\n\n"]],
    ["'\n-- +goose Down\n'", ["none", "'\n-- +goose Down\n'"]],
    ["-- +goose Down\nb;\n-- +goose Down\nc", ["goose, 1 to 4: -- +goose Down", "\n\n\n"]],
    ["a;\n-- +GOOSE DOWN\nb", ["goose, 2 to 3: -- +GOOSE DOWN", "a;\n\n"]],
    ["a;\n-- +goose Downx\nb", ["none", "a;\n-- +goose Downx\nb"]],
    ["a;\n-- x +goose Down\nb", ["none", "a;\n-- x +goose Down\nb"]],
    ["# down\nb", ["none", "# down\nb"]],
    ["a;\n#!Downs\nb", ["Play evolutions, 2 to 3: #!Downs", "a;\n\n"]],
    ["a;\n# !ups\nc;\n# !downs\nb", ["Play evolutions, 4 to 5: # !downs", "a;\n# !ups\nc;\n\n"]],
    ["a;\n-- migrate:DOWN\nb", ["dbmate, 2 to 3: -- migrate:DOWN", "a;\n\n"]],
    ["a;\n-- migration down\nb", ["node-pg-migrate, 2 to 3: -- migration down", "a;\n\n"]],
    ["a;\n-- down sql:\nb", ["node-pg-migrate, 2 to 3: -- down sql:", "a;\n\n"]],
    ["a;\n--down\nb", ["another tool, 2 to 3: --down", "a;\n\n"]],
    ["a;\n-- +a1 down no transaction\nb", ["a1, 2 to 3: -- +a1 down no transaction", "a;\n\n"]],
    ["a;\n-- +1a down\nb", ["none", "a;\n-- +1a down\nb"]],
    ["a;\n--ädown\nb", ["none", "a;\n--ädown\nb"]],
    [
      "a;\n-- migrate up\nb;\n-- migrate down\nc",
      ["node-pg-migrate, 4 to 5: -- migrate down", "a;\n-- migrate up\nb;\n\n"]
    ],
    [
      "a;\n-- Up Migration x\nb\n-- Down Script --\nc",
      ["node-pg-migrate, 4 to 5: -- Down Script --", "a;\n-- Up Migration x\nb\n\n"]
    ],
    ["a;\n-- +goose  Down\nb", ["goose, 2 to 3: -- +goose  Down", "a;\n\n"]],
    ["a;\n--+goose Down\nb", ["goose, 2 to 3: --+goose Down", "a;\n\n"]],
    ["a;\n-- +goose Down  no  transaction\nb", ["goose, 2 to 3: -- +goose Down  no  transaction", "a;\n\n"]],
    ["a;\n-- x -- +goose Down\nb", ["none", "a;\n-- x -- +goose Down\nb"]],
    ["a;\n\f-- migrate:down\nb", ["dbmate, 2 to 3: -- migrate:down", "a;\n\f\n"]],
    ["a;\n--  migrate:down\nb", ["dbmate, 2 to 3: --  migrate:down", "a;\n\n"]],
    ["a;\n--migrate:down\nb", ["dbmate, 2 to 3: --migrate:down", "a;\n\n"]],
    ["a;\n-- migrate:down  x:y\nb", ["dbmate, 2 to 3: -- migrate:down  x:y", "a;\n\n"]],
    ["a;\n-- migrate:down please\nb", ["none", "a;\n-- migrate:down please\nb"]],
    ["a;\n-- x -- migrate:down\nb", ["none", "a;\n-- x -- migrate:down\nb"]],
    ["a;\n--  rambler  down\nb", ["rambler, 2 to 3: --  rambler  down", "a;\n\n"]],
    ["a;\n--rambler down\nb", ["rambler, 2 to 3: --rambler down", "a;\n\n"]],
    ["a;\n-- rambler downs\nb", ["none", "a;\n-- rambler downs\nb"]],
    ["a;\n-- x -- rambler down\nb", ["none", "a;\n-- x -- rambler down\nb"]],
    ["a;\n-- x -- !Downs\nb", ["none", "a;\n-- x -- !Downs\nb"]],
    ["a;\n# ! Downs\nb", ["Play evolutions, 2 to 3: # ! Downs", "a;\n\n"]],
    ["a;\n-- x -- create above / drop below\nb", ["none", "a;\n-- x -- create above / drop below\nb"]],
    ["a;\n--create above / drop below\nb", ["tern, 2 to 3: --create above / drop below", "a;\n\n"]],
    ["a;\n----  create above / drop below  ----\nb", ["tern, 2 to 3: ----  create above / drop below  ----", "a;\n\n"]],
    ["a;\n--- create above / drop below x\nb", ["none", "a;\n--- create above / drop below x\nb"]],
    ["a;\n-- x -- // undo\nb", ["none", "a;\n-- x -- // undo\nb"]],
    ["a;\n-- // undone\nb", ["none", "a;\n-- // undone\nb"]],
    ["a;\n-- see -- Down Migration\nb", ["none", "a;\n-- see -- Down Migration\nb"]],
    ["a;\n-- Down Migration of x\nb", ["none", "a;\n-- Down Migration of x\nb"]],
    ["a;\n--- --begin  down  script\nb", ["node-pg-migrate, 2 to 3: --- --begin  down  script", "a;\n\n"]],
    ["a;\n-- x -- migrate down\nb", ["none", "a;\n-- x -- migrate down\nb"]],
    ["a;\n-- migrate down now\nb", ["none", "a;\n-- migrate down now\nb"]],
    ["a;\n---  migrate down\nb", ["node-pg-migrate, 2 to 3: ---  migrate down", "a;\n\n"]],
    ["a;\n-- x -- down\nb", ["none", "a;\n-- x -- down\nb"]],
    ["a;\n/**  down  **/\nb", ["another tool, 2 to 3: /**  down  **/", "a;\n\n"]],
    ["a;\n/*down*/\nb", ["another tool, 2 to 3: /*down*/", "a;\n\n"]],
    ["a;\n/* x */ /* down */\nb", ["none", "a;\n/* x */ /* down */\nb"]],
    [
      "a;\n-- begin up sql\nb;\n-- begin down sql\nc",
      ["node-pg-migrate, 4 to 5: -- begin down sql", "a;\n-- begin up sql\nb;\n\n"]
    ],
    ["a;\n-- rollback\nb;\n-- up\nc;\n-- rollback\nd", ["another tool, 2 to 3: -- rollback", "a;\n\n\n-- up\nc;\n\n"]],
    ["-- undo\n;\n-- up\na", ["none", "\n\n-- up\na"]]
  ])
  table("has marks of a tool", toolOfMark, [
    ["-- +goose Up", "goose"],
    ["-- +goose StatementBegin", "goose"],
    ["-- +goose statement end", "goose"],
    ["-- +goose NO TRANSACTION", "goose"],
    ["-- +migrate NoTransaction", "sql-migrate"],
    ["-- +goose ENVSUB ON", "goose"],
    ["-- +goose envsub", undefined],
    ["-- +micrate statement begin x", undefined],
    ["x -- +goose StatementBegin", undefined],
    ["-- +other StatementBegin", undefined],
    ["-- +migrate Up", "sql-migrate"],
    ["-- migrate:up", "dbmate"],
    ["-- Up", undefined],
    ["-- Up Migration", undefined],
    ["-- hello", undefined],
    ["-- rambler up", "rambler"],
    ["# !Ups", "Play evolutions"],
    ["--//@UNDO", "MyBatis Migrations or dbdeploy"],
    ["-- migrate up", undefined],
    ["--+goose  statementbegin", "goose"],
    ["---- create above / drop below ----", "tern"],
    ["/* +goose Up */", "goose"],
    ["/* migrate:down */", "dbmate"],
    ["-- +goose envsub  on", "goose"],
    ["-- +other up", "other"]
  ])
  table("is Liquibase's if its header says so", liquibaseLineIn, [
    ["a", 0],
    ["--liquibase formatted sql", 1],
    ["\n -- Liquibase  Formatted SQL x", 2],
    ["﻿-- liquibase formatted sql", 1],
    ["-- liquibase formatted sqlx", 0],
    ["-- x liquibase formatted sql", 0],
    ["-- liquibase", 0],
    ["--  liquibase formatted  sql", 1],
    ["x --liquibase formatted sql", 0],
    ["--liquibaseformatted sql", 0],
    ["--liquibase formattedsql", 0],
    ["a\nb\n  --  liquibase formatted sql", 3]
  ])
})
