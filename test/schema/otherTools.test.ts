/** What directories and tables of other tools say. */
import { describe } from "vitest"
import { layoutOf } from "../../layers/schema/ConvertedLayout.ts"
import { convertText, declaring, joinDeclarations, piecesOf } from "../../layers/schema/ConvertedText.ts"
import { ofJournal } from "../../layers/schema/DrizzleJournal.ts"
import { type ForeignLayout, shortened, type Unclear } from "../../layers/schema/ForeignLayout.ts"
import { afterNumber, namedOf, numberAt } from "../../layers/schema/ForeignNames.ts"
import { compareNumbers } from "../../layers/schema/ForeignNumbers.ts"
import { matchEntries, migrationOf } from "../../layers/schema/LedgerMatch.ts"
import { type LedgerEntry, type LedgerRow, millisOf, ofFile } from "../../layers/schema/LedgerRows.ts"
import { ledgerKinds, ledgersAmong, ledgerTools } from "../../layers/schema/Ledgers.ts"
import { hindranceOf, loneStatementOf, postgresStatements } from "../../layers/schema/PostgresScript.ts"
import { table } from "./table.ts"

const told = (found: ForeignLayout | Unclear) =>
  "reason" in found
    ? `${found.reason}: ${found.detail}`
    : [
        `${found.layout}${found.isRenumbered ? ", with new numbers" : ""}`,
        ...found.found.map(({ name, number, path, version }) => `${path} (${number}) is ${version} ${name}`),
        ...found.left.map(({ path, reason }) => `${path} is left: ${reason}`)
      ].join(" | ")
/** Folders end with a slash. */
const entriesOf = (paths: ReadonlyArray<string>) =>
  paths.map((path) => ({ path: path.replace(/\/$/, ""), isDirectory: path.endsWith("/") }))

describe("a directory of another tool", () => {
  table("has files in an order", (paths: ReadonlyArray<string>) => told(layoutOf(entriesOf(paths), undefined, false)), [
    [[], "NoMigrations: there is no SQL file"],
    [["README.md"], "NoMigrations: there is no SQL file"],
    [["a.sql"], "NoMigrations: a.sql has no number, and the order is not known"],
    [["a.sql", "b.sql"], "NoMigrations: a.sql, b.sql have no number, and the order is not known"],
    [["x/a.sql"], "NoMigrations: there are SQL files in x"],
    [["x/a.sql", "x/b.sql", "y/z/c.sql"], "NoMigrations: there are SQL files in x, y/z"],
    [
      ["a.sql", "b.sql", "c.sql", "d.sql", "e.sql", "f.sql", "g.sql"],
      "NoMigrations: a.sql, b.sql, c.sql, d.sql, e.sql and 2 more have no number, and the order is not known"
    ],
    [["2_b.sql", "1_a.sql"], "numbered files | 1_a.sql (1) is 1 a | 2_b.sql (2) is 2 b"],
    [["10_b.sql", "9_a.sql"], "numbered files | 9_a.sql (9) is 9 a | 10_b.sql (10) is 10 b"],
    [["1_b.sql", "1_a.sql"], "numbered files, with new numbers | 1_a.sql (1) is 001 a | 1_b.sql (1) is 002 b"],
    [
      ["1_a.up.sql", "1_a.down.sql", "2_b.up.sql"],
      "files that do and files that undo, as of golang-migrate or sqlx | 1_a.up.sql (1) is 1 a | 2_b.up.sql (2) is 2 b | 1_a.down.sql is left: it undoes a migration"
    ],
    [
      ["1-a.sql", "2.b.sql", "3 c d.sql"],
      "numbered files | 1-a.sql (1) is 1 a | 2.b.sql (2) is 2 b | 3 c d.sql (3) is 3 c_d"
    ],
    [
      ["1a_x.sql", "1b_y.sql", "1_z.sql"],
      "numbered files, with new numbers | 1_z.sql (1) is 001 z | 1a_x.sql (1a) is 002 x | 1b_y.sql (1b) is 003 y"
    ],
    [
      ["1.1_a.sql", "1.10_b.sql", "1.2_c.sql"],
      "numbered files, with new numbers | 1.1_a.sql (1.1) is 001 a | 1.2_c.sql (1.2) is 002 c | 1.10_b.sql (1.10) is 003 b"
    ],
    [["001.sql", "002.sql"], "numbered files | 001.sql (001) is 001 migration | 002.sql (002) is 002 migration"],
    [
      ["20240131120000_a.sql", "20240131_120001_b.sql", "2024-01-31-120002_c.sql"],
      "numbered files | 20240131120000_a.sql (20240131120000) is 20240131120000 a | 20240131_120001_b.sql (20240131-120001) is 20240131120001 b | 2024-01-31-120002_c.sql (2024-01-31-120002) is 20240131120002 c"
    ],
    [
      ["2024-01-31-120000-0000_a.sql", "2024-01-31-120000-0001_b.sql"],
      "numbered files, with new numbers | 2024-01-31-120000-0000_a.sql (2024-01-31-120000-0000) is 001 a | 2024-01-31-120000-0001_b.sql (2024-01-31-120000-0001) is 002 b"
    ],
    [
      ["20240131120000123456_a.sql"],
      "numbered files, with new numbers | 20240131120000123456_a.sql (20240131120000123456) is 20240131120000 a"
    ],
    [
      ["20240131_a.sql", "20240201120000_b.sql"],
      "numbered files | 20240131_a.sql (20240131) is 20240131 a | 20240201120000_b.sql (20240201120000) is 20240201120000 b"
    ],
    [
      ["20240301_a.sql", "20240201120000_b.sql"],
      "Unclear: tools that compare numbers and tools that compare names do not run 20240301_a.sql and 20240201120000_b.sql in the same order, unless 20240301_a.sql has the number 20240301000000"
    ],
    [
      ["20240201_a.sql", "20240201120000_b.sql"],
      "Unclear: tools that compare numbers and tools that compare names do not run 20240201_a.sql and 20240201120000_b.sql in the same order, unless 20240201_a.sql has the number 20240201000000"
    ],
    [
      ["1_a/migration.sql", "1_a/", "2_b/", "2_b/up.sql", "2_b/down.sql"],
      "a folder for each migration, as of Prisma, Drizzle or Diesel | 1_a/migration.sql (1) is 1 a | 2_b/up.sql (2) is 2 b | 2_b/down.sql is left: it undoes a migration"
    ],
    [["1_a/"], "Unclear: the folder 1_a has no SQL file"],
    [["1_a/", "2_b.sql"], "Unclear: the folder 1_a has no SQL file"],
    [["1_a.go/", "2_b.sql"], "Unclear: the folder 1_a.go has no SQL file"],
    [
      ["1_a/up.sql", "1_a/migration.sql"],
      "Unclear: the folder 1_a has 1_a/up.sql, 1_a/migration.sql, and a migration is one migration.sql or up.sql"
    ],
    // Diesel's versions are text without hyphens.
    [
      ["2_z/up.sql", "10_a/up.sql", "1_b/up.sql", "1_abc/up.sql"],
      "a folder for each migration, as of Prisma, Drizzle or Diesel, with new numbers | 1_abc/up.sql (1) is 001 abc | 1_b/up.sql (1) is 002 b | 10_a/up.sql (10) is 003 a | 2_z/up.sql (2) is 004 z"
    ],
    [
      ["2024-02-01-000000_a/up.sql", "20240101000000_b/up.sql"],
      "a folder for each migration, as of Prisma, Drizzle or Diesel | 20240101000000_b/up.sql (20240101000000) is 20240101000000 b | 2024-02-01-000000_a/up.sql (2024-02-01-000000) is 20240201000000 a"
    ],
    [
      ["1_b/up.sql", "10_a/migration.sql"],
      "a folder for each migration, as of Prisma, Drizzle or Diesel, with new numbers | 10_a/migration.sql (10) is 001 a | 1_b/up.sql (1) is 002 b"
    ],
    [
      ["9_b/migration.sql", "10_a/migration.sql"],
      "a folder for each migration, as of Prisma, Drizzle or Diesel, with new numbers | 10_a/migration.sql (10) is 001 a | 9_b/migration.sql (9) is 002 b"
    ],
    [["x/", "1_a.sql"], "numbered files | 1_a.sql (1) is 1 a"],
    [["x/1_y/", "1_a.sql"], "numbered files | 1_a.sql (1) is 1 a"],
    [["1_a/", "1_a/x.sql"], "Unclear: the folder 1_a has x.sql, and a migration is one migration.sql or up.sql"],
    [
      ["1_a/", "1_a/up.sql", "1_a/x.sql"],
      "Unclear: the folder 1_a has 1_a/up.sql, 1_a/x.sql, and a migration is one migration.sql or up.sql"
    ],
    [
      ["1_a/up.sql", "1_b.sql"],
      "Unclear: 1_a/up.sql and 1_b.sql are named for different tools, and their order is not known"
    ],
    [
      ["x/up.sql", "1_a/up.sql"],
      "a folder for each migration, as of Prisma, Drizzle or Diesel | 1_a/up.sql (1) is 1 a | x/up.sql is left: the folder x has no number"
    ],
    [
      ["1_a/b/up.sql", "2_a.sql"],
      "numbered files | 2_a.sql (2) is 2 a | 1_a/b/up.sql is left: it is in a folder of a folder"
    ],
    [
      ["up/1_a.sql", "down/1_a.sql"],
      "numbered files | up/1_a.sql (1) is 1 a | down/1_a.sql is left: it undoes a migration"
    ],
    [["up/a.sql"], "NoMigrations: there are SQL files in up"],
    [["do/1_a.sql"], "numbered files | do/1_a.sql (1) is 1 a"],
    [["undo/1.sql"], "NoMigrations: there are SQL files in undo"],
    [
      ["V1__a.sql", "V2__b.sql", "U2__b.sql", "R__c.sql", "R__a d.sql"],
      "Flyway | V1__a.sql (1) is 1 a | V2__b.sql (2) is 2 b | R__a d.sql () is undefined a_d | R__c.sql () is undefined c | U2__b.sql is left: it undoes a migration"
    ],
    [
      ["V1.2__a.sql", "V1.10__b.sql", "V1_3__c.sql"],
      "Flyway, with new numbers | V1.2__a.sql (1.2) is 001 a | V1_3__c.sql (1_3) is 002 c | V1.10__b.sql (1.10) is 003 b"
    ],
    [["V__a.sql"], "Unclear: V__a.sql is not a name of Flyway's"],
    [["R1__a.sql"], "Unclear: R1__a.sql is not a name of Flyway's"],
    [["B2__base.sql", "V3__c.sql"], "Flyway | B2__base.sql (2) is 2 base | V3__c.sql (3) is 3 c"],
    [
      ["B2__base.sql", "V1__a.sql", "V3__c.sql"],
      "Flyway | V1__a.sql (1) is 1 a | V3__c.sql (3) is 3 c | B2__base.sql is left: a baseline, in the place of the versions that are here"
    ],
    [
      ["B2__base.sql", "B3__base.sql", "V4__c.sql"],
      "Flyway | B3__base.sql (3) is 3 base | V4__c.sql (4) is 4 c | B2__base.sql is left: a baseline, in the place of the versions that are here"
    ],
    [
      ["B2__base.sql", "V2__c.sql"],
      "Flyway | V2__c.sql (2) is 2 c | B2__base.sql is left: a baseline, in the place of the versions that are here"
    ],
    [["sub/V1__a.sql"], "Flyway | sub/V1__a.sql (1) is 1 a"],
    [["B1__a.sql"], "Flyway | B1__a.sql (1) is 1 a"],
    [
      ["B3__base.sql", "B2__base.sql", "R__a.sql", "R__c.sql"],
      "Flyway | B3__base.sql (3) is 3 base | R__a.sql () is undefined a | R__c.sql () is undefined c | B2__base.sql is left: a baseline, in the place of the versions that are here"
    ],
    [
      ["V20240201120000__b.sql", "V20240301__a.sql"],
      "Flyway, with new numbers | V20240301__a.sql (20240301) is 001 a | V20240201120000__b.sql (20240201120000) is 002 b"
    ],
    [
      ["001.do.a.sql", "001.undo.a.sql", "002.do.sql", "10.DO.b.c.sql"],
      "Postgrator | 001.do.a.sql (001) is 001 a | 002.do.sql (002) is 002 migration | 10.DO.b.c.sql (10) is 10 b_c | 001.undo.a.sql is left: it undoes a migration"
    ],
    [
      ["1_a.sql", "V1__b.sql"],
      "Unclear: 1_a.sql and V1__b.sql are named for different tools, and their order is not known"
    ],
    [
      ["1_a.sql", "001.do.a.sql", "2_b/up.sql"],
      "Unclear: 1_a.sql and 001.do.a.sql and 2_b/up.sql are named for different tools, and their order is not known"
    ],
    [["1_a.go", "2_b.sql"], "Programs: 1_a.go"],
    [["1_a.sqlx"], "NoMigrations: there is no SQL file"],
    [["1_a.pyc", "1_a.d.cts", "1_a.sql"], "numbered files | 1_a.sql (1) is 1 a"],
    [
      ["1_a_test.x.go", "1_a.test.x.go", "xy/1_a.d.ts.go", "V1.2__a.java"],
      "Programs: 1_a_test.x.go, 1_a.test.x.go, xy/1_a.d.ts.go, V1.2__a.java"
    ],
    [
      ["1_a.sql", "down.sql"],
      "numbered files | 1_a.sql (1) is 1 a | down.sql is left: its name has no number, so it is not a migration to other tools either"
    ],
    [["x/2024_a.ts"], "Programs: x/2024_a.ts"],
    [["a.ts", "1_a.sql"], "numbered files | 1_a.sql (1) is 1 a"],
    [["1_a_test.go", "1_a.sql"], "numbered files | 1_a.sql (1) is 1 a"],
    [["1_a.test.ts", "1_a.d.ts", "1_a.spec.js", "1_a.sql"], "numbered files | 1_a.sql (1) is 1 a"],
    [["V1__a.java"], "Programs: V1__a.java"],
    [["R__a.py"], "Programs: R__a.py"],
    [["x/y/1_a.go", "1_a.sql"], "numbered files | 1_a.sql (1) is 1 a"],
    [
      ["1_a.mjs", "2_a.cts", "3_a.exs", "4_a.rb", "5_a.php", "6_a.rs"],
      "Programs: 1_a.mjs, 2_a.cts, 3_a.exs, 4_a.rb, 5_a.php and 1 more"
    ],
    [["1_a.kt"], "Programs: 1_a.kt"],
    [["1_a.clj"], "Programs: 1_a.clj"],
    [["1_a.cs"], "Programs: 1_a.cs"],
    [["1_a.ex"], "Programs: 1_a.ex"],
    [["1_a.md", "1_a.sql"], "numbered files | 1_a.sql (1) is 1 a"],
    [["1.a.js"], "Programs: 1.a.js"],
    [["1-a.js"], "Programs: 1-a.js"],
    [["1a.js", "1_a.sql"], "numbered files | 1_a.sql (1) is 1 a"],
    [
      [".git/", ".git/1_a.ts", "node_modules/", "node_modules/1_a.ts", "1_a.sql"],
      "numbered files | 1_a.sql (1) is 1 a"
    ],
    [["x/node_modules/1.sql", "1_a.sql"], "numbered files | 1_a.sql (1) is 1 a"],
    [["._1_a.sql", "1_a.sql"], "numbered files | 1_a.sql (1) is 1 a"],
    [
      ["x/.#1_a.sql", "1_a.sql~", "1_a.sql.orig", "1_a.sql.bak", "1_a.sql.swp", "1_a.sql"],
      "numbered files | 1_a.sql (1) is 1 a"
    ],
    [["node_modulesx/a.sql"], "NoMigrations: there are SQL files in node_modulesx"],
    [
      ["1_a-up.sql", "1_a-down.sql"],
      "files that do and files that undo, as of golang-migrate or sqlx | 1_a-up.sql (1) is 1 a | 1_a-down.sql is left: it undoes a migration"
    ],
    [["1_a-down.sql"], "numbered files | 1_a-down.sql (1) is 1 a-down"],
    [["1_a_up.sql"], "numbered files | 1_a_up.sql (1) is 1 a_up"],
    [
      ["1_a_do.sql", "1_a_undo.sql"],
      "files that do and files that undo, as of golang-migrate or sqlx | 1_a_do.sql (1) is 1 a | 1_a_undo.sql is left: it undoes a migration"
    ],
    [
      ["1_a.tx.up.sql", "1_a.tx.down.sql"],
      "files that do and files that undo, as of golang-migrate or sqlx | 1_a.tx.up.sql (1) is 1 a | 1_a.tx.down.sql is left: it undoes a migration"
    ],
    [
      ["1_a-up.sql", "1_a-rollback.sql"],
      "files that do and files that undo, as of golang-migrate or sqlx | 1_a-up.sql (1) is 1 a | 1_a-rollback.sql is left: it undoes a migration"
    ],
    [
      ["1_a_revert.sql", "1_a_UP.sql"],
      "files that do and files that undo, as of golang-migrate or sqlx | 1_a_UP.sql (1) is 1 a | 1_a_revert.sql is left: it undoes a migration"
    ],
    [
      ["1_a.revert.sql"],
      "files that do and files that undo, as of golang-migrate or sqlx | 1_a.revert.sql is left: it undoes a migration"
    ],
    [
      ["1_up.sql", "1_down.sql"],
      "files that do and files that undo, as of golang-migrate or sqlx | 1_up.sql (1) is 1 migration | 1_down.sql is left: it undoes a migration"
    ],
    [["1_é ü!.sql"], "numbered files | 1_é ü!.sql (1) is 1 é_ü"],
    [
      [
        "1_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.sql"
      ],
      "numbered files | 1_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.sql (1) is 1 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    ],
    [["1_!.sql"], "numbered files | 1_!.sql (1) is 1 migration"],
    [["1__a__.sql"], "numbered files | 1__a__.sql (1) is 1 a"],
    [["999_a.sql", "1000_b.sql"], "numbered files | 999_a.sql (999) is 999 a | 1000_b.sql (1000) is 1000 b"],
    [["01_a.sql", "1_b.sql"], "numbered files, with new numbers | 01_a.sql (01) is 001 a | 1_b.sql (1) is 002 b"],
    [
      ["x/up.sql", "b.sql", "a.sql", "1_a.sql"],
      "numbered files | 1_a.sql (1) is 1 a | a.sql is left: its name has no number, so it is not a migration to other tools either | b.sql is left: its name has no number, so it is not a migration to other tools either | x/up.sql is left: the folder x has no number"
    ],
    [["123456789012345_a.sql"], "numbered files | 123456789012345_a.sql (123456789012345) is 123456789012345 a"],
    [
      ["1234567890123456_a.sql"],
      "numbered files, with new numbers | 1234567890123456_a.sql (1234567890123456) is 12345678901234 a"
    ],
    [
      ["1234567890123456_a.sql", "100000000000000_b.sql"],
      "numbered files, with new numbers | 100000000000000_b.sql (100000000000000) is 001 b | 1234567890123456_a.sql (1234567890123456) is 002 a"
    ],
    [
      ["20240301_abc.sql", "20240201120000_b.sql"],
      "Unclear: tools that compare numbers and tools that compare names do not run 20240301_abc.sql and 20240201120000_b.sql in the same order, unless 20240301_abc.sql has the number 20240301000000"
    ],
    [
      ["1.1_a.sql", "20240301_a.sql", "20240201120000_b.sql"],
      "Unclear: tools that compare numbers and tools that compare names do not run 20240301_a.sql and 20240201120000_b.sql in the same order, unless 20240301_a.sql has the number 20240301000000"
    ],
    [["1___a  !b.sql"], "numbered files | 1___a  !b.sql (1) is 1 a_b"],
    [["1_!a!!.sql"], "numbered files | 1_!a!!.sql (1) is 1 a"],
    [["0_a.sql", "1_b.sql"], "numbered files | 0_a.sql (0) is 0 a | 1_b.sql (1) is 1 b"],
    [["1_a.SQL"], "numbered files | 1_a.SQL (1) is 1 a"]
  ])
  table(
    "is ordered by names if its tool does so",
    (paths: ReadonlyArray<string>) => told(layoutOf(entriesOf(paths), undefined, true)),
    [
      [["2_b.sql", "10_a.sql"], "numbered files, with new numbers | 10_a.sql (10) is 001 a | 2_b.sql (2) is 002 b"],
      [
        ["20240301_a.sql", "20240201120000_b.sql"],
        "numbered files, with new numbers | 20240201120000_b.sql (20240201120000) is 001 b | 20240301_a.sql (20240301) is 002 a"
      ],
      [
        ["20240201_a.sql", "20240201120000_b.sql"],
        "numbered files, with new numbers | 20240201120000_b.sql (20240201120000) is 001 b | 20240201_a.sql (20240201) is 002 a"
      ],
      [["b.sql"], "NoMigrations: b.sql has no number, and the order is not known"]
    ]
  )
  table(
    "runs what Drizzle's journal says",
    (journal: string) =>
      told(layoutOf(entriesOf(["0000_a.sql", "0001_b.sql", "meta/_journal.json", "x.SQL"]), journal, false)),
    [
      [
        '{"entries":[{"tag":"0000_a"},{"tag":"0001_b"}]}',
        "Drizzle, with its journal | 0000_a.sql (0000) is 0000 a | 0001_b.sql (0001) is 0001 b | x.SQL is left: it is not in Drizzle's journal, so Drizzle does not run it"
      ],
      [
        '{"entries":[{"tag":"0001_b"},{"tag":"0000_a"}]}',
        "Drizzle, with its journal, with new numbers | 0001_b.sql (0001) is 001 b | 0000_a.sql (0000) is 002 a | x.SQL is left: it is not in Drizzle's journal, so Drizzle does not run it"
      ],
      ['{"entries":[]}', "NoMigrations: the journal of Drizzle is empty"],
      ['{"entries":[{"tag":"0002_c"}]}', "Unclear: the journal of Drizzle names 0002_c.sql, and it is not here"],
      [
        '{"entries":[{"tag":"0002_c"},{"tag":"3"},{"tag":"0000_a"}]}',
        "Unclear: the journal of Drizzle names 0002_c.sql, 3.sql, and they are not here"
      ],
      ["{}", "Unclear: meta/_journal.json is not a journal of Drizzle's"],
      ["[]", "Unclear: meta/_journal.json is not a journal of Drizzle's"],
      ["null", "Unclear: meta/_journal.json is not a journal of Drizzle's"],
      ["x", "Unclear: meta/_journal.json is not a journal of Drizzle's"],
      ["3", "Unclear: meta/_journal.json is not a journal of Drizzle's"],
      ['{"entries":[{"tag":1}]}', "Unclear: meta/_journal.json is not a journal of Drizzle's"],
      ['{"entries":[null]}', "Unclear: meta/_journal.json is not a journal of Drizzle's"],
      ['{"entries":["a"]}', "Unclear: meta/_journal.json is not a journal of Drizzle's"],
      ['{"entries":[{}]}', "Unclear: meta/_journal.json is not a journal of Drizzle's"],
      ['{"entries":{}}', "Unclear: meta/_journal.json is not a journal of Drizzle's"],
      [
        '{"entries":[{"tag":"0000_a"}]}',
        "Drizzle, with its journal | 0000_a.sql (0000) is 0000 a | 0001_b.sql is left: it is not in Drizzle's journal, so Drizzle does not run it | x.SQL is left: it is not in Drizzle's journal, so Drizzle does not run it"
      ]
    ]
  )
  table(
    "may have names without numbers in the journal",
    (tags: ReadonlyArray<string>) =>
      told(
        ofJournal(
          JSON.stringify({ entries: tags.map((tag) => ({ tag })) }),
          tags.map((tag) => `${tag}.sql`),
          []
        )
      ),
    [
      [["a", "b"], "Drizzle, with its journal, with new numbers | a.sql () is 001 a | b.sql () is 002 b"],
      [["1_a", "b"], "Drizzle, with its journal, with new numbers | 1_a.sql (1) is 001 a | b.sql () is 002 b"],
      [["a", "1_b"], "Drizzle, with its journal, with new numbers | a.sql () is 001 a | 1_b.sql (1) is 002 b"],
      [
        ["20240131_120000_x", "20240201_1_y"],
        "Drizzle, with its journal, with new numbers | 20240131_120000_x.sql (20240131-120000) is 001 x | 20240201_1_y.sql (20240201) is 002 1_y"
      ]
    ]
  )
  table("names numbers", numberAt, [
    ["1_a", { number: "1", written: "1" }],
    ["1", { number: "1", written: "1" }],
    ["a", undefined],
    ["1a_x", { number: "1a", written: "1a" }],
    ["1abc_x", undefined],
    ["1.2.3-a", { number: "1.2.3", written: "1.2.3" }],
    ["1.2a x", { number: "1.2a", written: "1.2a" }],
    ["2024-01-31", { number: "2024-01-31", written: "2024-01-31" }],
    ["2024-01-31-1200_a", { number: "2024-01-31-1200", written: "2024-01-31-1200" }],
    ["2024-01-31T120000Z_a", { number: "2024-01-31T120000Z", written: "2024-01-31T120000Z" }],
    ["2024-01-31_120000_a", { number: "2024-01-31_120000", written: "2024-01-31_120000" }],
    ["2024-01-31-120000-0001_a", { number: "2024-01-31-120000-0001", written: "2024-01-31-120000-0001" }],
    ["2024-01-31120000_a", { number: "2024-01-31120000", written: "2024-01-31120000" }],
    ["20240131_120000_a", { number: "20240131-120000", written: "20240131_120000" }],
    ["20240131-1200_a", { number: "20240131-1200", written: "20240131-1200" }],
    ["20240131T120000Z a", { number: "20240131-120000Z", written: "20240131T120000Z" }],
    ["2024_01_31_120000_a", { number: "2024-01-31-120000", written: "2024_01_31_120000" }],
    ["2024_01_3_120000_a", { number: "2024", written: "2024" }],
    ["2024_13_31_120000_a", { number: "2024", written: "2024" }],
    ["20240131_250000_a", { number: "20240131", written: "20240131" }],
    ["2024_0131_120000_a", { number: "2024", written: "2024" }],
    ["18990131_120000_a", { number: "18990131", written: "18990131" }],
    ["20240131_126000_a", { number: "20240131", written: "20240131" }],
    ["1x", { number: "1x", written: "1x" }],
    ["x20240131_120000_a", undefined],
    ["20240115_120000_a", { number: "20240115-120000", written: "20240115_120000" }],
    ["20240131_120000", { number: "20240131-120000", written: "20240131_120000" }],
    ["1/", undefined],
    ["2024_10_09_235959_a", { number: "2024-10-09-235959", written: "2024_10_09_235959" }],
    ["2024_12_30_1959_a", { number: "2024-12-30-1959", written: "2024_12_30_1959" }],
    ["x1_a", undefined],
    ["2024-01-31-12_a", { number: "2024-01-31", written: "2024-01-31" }],
    ["1.a", { number: "1", written: "1" }],
    ["1..2_a", { number: "1", written: "1" }],
    ["20240131_12000_a", { number: "20240131", written: "20240131" }],
    ["2024-1-31_a", { number: "2024", written: "2024" }]
  ])
  table("names what follows a number", ([stem, number]: readonly [string, string]) => afterNumber(stem, number), [
    [["1_a", "1"], "a"],
    [["1 -_.a_b", "1"], "a_b"],
    [["1a_b", "1"], "a_b"],
    [["1", "1"], ""]
  ])
  table(
    "has names that say what a file is",
    ([path, ...scripts]: readonly [string, ...Array<string>]) => namedOf(path, scripts),
    [
      [["v1__a.sql"], "its name has no number, so it is not a migration to other tools either"],
      [["V1__a.sqlx"], "its name has no number, so it is not a migration to other tools either"],
      [["xV1__a.sql"], "its name has no number, so it is not a migration to other tools either"],
      [["a/b/c.sql"], "it is in a folder of a folder"],
      [["UP/1_a.sql"], { path: "UP/1_a.sql", form: "numbered", number: "1", name: "a", half: "up" }],
      [["down/x.sql"], "it undoes a migration"],
      [["Rollback/1.sql"], "it undoes a migration"],
      [["x/1.sql"], "the folder x has no number"],
      [["1_x/Up.SQL", "1_x/Up.SQL"], { path: "1_x/Up.SQL", form: "folders", number: "1", name: "x", half: "up" }],
      [
        ["1_x/undo.sql", "1_x/undo.sql", "1_x/up.sql"],
        { path: "1_x/undo.sql", form: "folders", number: "1", name: "x", half: "down" }
      ],
      [
        ["1_x/up.sql", "1_x/up.sql", "1_x/rollback.sql", "1_xy/up.sql", "1_x/y/z.sql"],
        { path: "1_x/up.sql", form: "folders", number: "1", name: "x", half: "up" }
      ],
      [
        ["1_x/xdown.sql", "1_x/xdown.sql"],
        { reason: "Unclear", detail: "the folder 1_x has xdown.sql, and a migration is one migration.sql or up.sql" }
      ],
      [
        ["1_x/migrationx.sql"],
        {
          reason: "Unclear",
          detail: "the folder 1_x has migrationx.sql, and a migration is one migration.sql or up.sql"
        }
      ],
      [["up/a.sql"], "its name has no number, so it is not a migration to other tools either"],
      [["ups/1_a.sql"], "the folder ups has no number"],
      [["downs/1.sql"], "the folder downs has no number"],
      [["countdown/1.sql"], "the folder countdown has no number"],
      [
        ["1_x/xup.sql"],
        { reason: "Unclear", detail: "the folder 1_x has xup.sql, and a migration is one migration.sql or up.sql" }
      ],
      [["x1.do.a.sql"], "its name has no number, so it is not a migration to other tools either"],
      [["1.doit.sql"], { path: "1.doit.sql", form: "numbered", number: "1", name: "doit", half: "up" }],
      [["1_a.upper.sql"], { path: "1_a.upper.sql", form: "numbered", number: "1", name: "a.upper", half: "up" }],
      [["1_aV2.b.sql"], { path: "1_aV2.b.sql", form: "numbered", number: "1", name: "aV2.b", half: "up" }],
      [["V12.a.down.sql"], { path: "V12.a.down.sql", form: "numbered", number: "12", name: "a", half: "down" }]
    ]
  )
  table(
    "compares numbers by their parts",
    ([one, other]: readonly [string, string]) => {
      const named = (number: string) => ({ path: "", form: "numbered", number, name: "", half: "up" }) as const
      return compareNumbers(named(one), named(other))
    },
    [
      [["1", "2"], -1],
      [["2", "1"], 1],
      [["1", "1"], 0],
      [["1.2", "1.10"], -1],
      [["1_2", "1.2"], 0],
      [["1", "1.0"], 0],
      [["1", "1.1"], -1],
      [["1a", "1b"], -1],
      [["1b", "1a"], 1],
      [["0001a", "1a"], 0],
      [["1", "1a"], -1],
      [["2024-01-31", "20240131"], 0],
      [["2024-01-31-1", "2024-02-01"], 1],
      [["01", "1"], 0],
      [["", "0"], 0],
      [["99999999999999999999", "99999999999999999998"], 1],
      [["1ab", "1b"], -1],
      [["1ab", "1a"], 1],
      [["1.a", "1"], 1]
    ]
  )
  table("is told in a few names", shortened, [
    [[], ""],
    [["a"], "a"],
    [["a", "b", "c", "d", "e"], "a, b, c, d, e"],
    [["a", "b", "c", "d", "e", "f"], "a, b, c, d, e and 1 more"]
  ])
})

describe("the text of another tool's migration", () => {
  table(
    "is one of ours without its marks",
    (script: string) => {
      const { changes, declares, text, tools } = convertText(script)
      return [text, [...changes.map(({ line, what }) => `${line}: ${what}`), ...declares, ...tools].join(" | ")]
    },
    [
      ["", ["-- Nothing is run here.\nSELECT 1;\n", "0: nothing in it is run: wrote SELECT 1"]],
      ["CREATE TABLE a (x);\n", ["CREATE TABLE a (x);\n", ""]],
      ["﻿\n\n  a;  \n\n", ["  a;\n", ""]],
      ["-- +goose Up\na;\n-- +goose Down\nb;\nc;\n", ["a;\n", "3: left out the half that undoes, to line 5 | goose"]],
      ["-- +goose Up\na;\n-- +goose Down\nb;", ["a;\n", "3: left out the half that undoes, to line 4 | goose"]],
      [
        "-- migrate:up\n-- x\n\n-- migrate:down\nb",
        [
          "-- Nothing is run here.\nSELECT 1;\n-- x\n",
          "4: left out the half that undoes, to line 5 | 0: nothing in it is run: wrote SELECT 1 | dbmate"
        ]
      ],
      [
        "a\n--> statement-breakpoint\nb;\n--> statement-breakpoint\nc",
        ["a;\nb;\nc\n", "1: wrote the semicolon that was missing"]
      ],
      [
        "-- +goose StatementBegin\na;\nb\n-- +goose StatementEnd\nc",
        ["a;\nb;\nc\n", "3: wrote the semicolon that was missing | goose"]
      ],
      [
        "-- +goose StatementBegin\n-- +goose StatementEnd\n",
        ["-- Nothing is run here.\nSELECT 1;\n", "0: nothing in it is run: wrote SELECT 1 | goose"]
      ],
      ["# --- !Ups\na;\n# --- !Downs\nb;", ["a;\n", "3: left out the half that undoes, to line 4 | Play evolutions"]],
      ["a # !Ups\n", ["a\n", "Play evolutions"]],
      ["# !Ups\n-- +goose StatementBegin\na;", ["a;\n", "Play evolutions | goose"]],
      ["/* migrate:up */ a;", [" a;\n", "dbmate"]],
      ["-- +goose Up\r\na;\r\n", ["a;\n", "goose"]],
      ["a\n-- +goose StatementBegin \nb", ["a;\nb\n", "1: wrote the semicolon that was missing | goose"]],
      ["a\n--  +goose  statement begin\nb", ["a;\nb\n", "1: wrote the semicolon that was missing | goose"]],
      ["a\n--+goose StatementEnd\nb", ["a;\nb\n", "1: wrote the semicolon that was missing | goose"]],
      ["a\n-- see -- +goose statementend\nb", ["a\n-- see -- +goose statementend\nb\n", ""]],
      ["a\n-- +goose statement beginning\nb", ["a\n-- +goose statement beginning\nb\n", ""]],
      ["a;'\uFEFF'", ["a;'\uFEFF'\n", ""]],
      ["-- +goose Up\na;\n-- +goose Down", ["a;\n", "3: left out the half that undoes | goose"]],
      ["-- +goose Up\na;\n-- +goose Down\nb;\n  ", ["a;\n", "3: left out the half that undoes, to line 4 | goose"]],
      [
        "a\n-- +goose StatementEnd\n-- +goose Down\r\nb\r\n",
        ["a;\n", "1: wrote the semicolon that was missing | 3: left out the half that undoes, to line 4 | goose"]
      ],
      [
        "a\n--> statement-breakpoint\nb\n--> statement-breakpoint\nc",
        ["a;\nb;\nc\n", "1: wrote the semicolon that was missing | 3: wrote the semicolon that was missing"]
      ],
      [
        "a\n-- +goose NO TRANSACTION\n-- +goose StatementEnd\nb",
        ["a;\nb\n", "1: wrote the semicolon that was missing | goose"]
      ],
      [
        "a-- +goose NO TRANSACTION\n-- +goose StatementEnd\nb",
        ["a;\nb\n", "1: wrote the semicolon that was missing | goose"]
      ],
      ["BEGIN; -- Down\na;", ["; -- Down\na;\n", "1: removed BEGIN: BEGIN would begin or end a transaction"]],
      [
        `PRAGMA journal_mode = '${"w".repeat(36)}';\na;`,
        [
          "a;\n",
          `1: removed PRAGMA journal_mode = '${"w".repeat(36)}': SQLite ignores or refuses PRAGMA journal_mode inside a transaction`
        ]
      ],
      ["a;\n  \nb;", ["a;\n  \nb;\n", ""]],
      [
        "BEGIN;\na;\nCOMMIT;",
        [
          "a;\n",
          "1: removed BEGIN: BEGIN would begin or end a transaction | 3: removed COMMIT: COMMIT would begin or end a transaction"
        ]
      ],
      [
        "PRAGMA foreign_keys=OFF;\na;\nPRAGMA foreign_keys=ON;\n",
        [
          "a;\n",
          "1: removed PRAGMA foreign_keys=OFF: the library switches foreign keys | 3: removed PRAGMA foreign_keys=ON: the library switches foreign keys | foreign_keys = off"
        ]
      ],
      [
        "-- database-ready: foreign_keys = off\nPRAGMA foreign_keys=OFF;\na;",
        [
          "-- database-ready: foreign_keys = off\na;\n",
          "2: removed PRAGMA foreign_keys=OFF: the library switches foreign keys"
        ]
      ],
      ["PRAGMA foreign_keys=ON;a;", ["a;\n", "1: removed PRAGMA foreign_keys=ON: the library switches foreign keys"]],
      [
        "PRAGMA journal_mode = wal;",
        [
          "-- Nothing is run here.\nSELECT 1;\n",
          "1: removed PRAGMA journal_mode = wal: SQLite ignores or refuses PRAGMA journal_mode inside a transaction | 0: nothing in it is run: wrote SELECT 1"
        ]
      ],
      ["VACUUM ;a", ["a\n", "1: removed VACUUM: SQLite refuses VACUUM inside a transaction"]],
      ["ROLLBACK;\na", ["ROLLBACK;\na\n", ""]],
      ["ATTACH 'x' AS y;\na", ["ATTACH 'x' AS y;\na\n", ""]],
      [
        "PRAGMA user_version = 3;\na",
        [
          "a\n",
          "1: removed PRAGMA user_version = 3: user_version is the number of the newest migration, which the library writes"
        ]
      ],
      [
        "PRAGMA page_size = 1; -- x\na; PRAGMA page_size = 2",
        [
          " -- x\na;\n",
          "1: removed PRAGMA page_size = 1: PRAGMA page_size takes effect only before the first page of a file is written, and is lost in a migration | 2: removed PRAGMA page_size = 2: PRAGMA page_size takes effect only before the first page of a file is written, and is lost in a migration"
        ]
      ],
      ["BEGIN -- x\n;\na", [" -- x\n;\na\n", "1: removed BEGIN: BEGIN would begin or end a transaction"]],
      [
        "PRAGMA\n foreign_keys = off;a",
        ["a\n", "1: removed PRAGMA foreign_keys = off: the library switches foreign keys | foreign_keys = off"]
      ],
      [
        "PRAGMA nothing_that_is_known_to_anybody_at_all_in_the_whole_world = 1;\na",
        [
          "a\n",
          "1: removed PRAGMA nothing_that_is_known_to_anybody_at_all_in_the_whole…: SQLite has no PRAGMA nothing_that_is_known_to_anybody_at_all_in_the_whole_world, and would ignore it"
        ]
      ],
      ["a;\n\n\nb;\n", ["a;\n\n\nb;\n", ""]],
      [
        "-- only a comment\n",
        ["-- Nothing is run here.\nSELECT 1;\n-- only a comment\n", "0: nothing in it is run: wrote SELECT 1"]
      ],
      ["x\n--;;\n--;;\ny", ["x;\ny\n", "1: wrote the semicolon that was missing"]],
      ["x;;\n--;;\ny", ["x;;\ny\n", ""]],
      ["'\n-- +goose Down\n'", ["'\n-- +goose Down\n'\n", ""]],
      [
        "-- database-ready: x\nPRAGMA foreign_keys=off;a",
        [
          "-- database-ready: x\na\n",
          "2: removed PRAGMA foreign_keys=off: the library switches foreign keys | foreign_keys = off"
        ]
      ],
      [
        "COMMIT",
        [
          "-- Nothing is run here.\nSELECT 1;\n",
          "1: removed COMMIT: COMMIT would begin or end a transaction | 0: nothing in it is run: wrote SELECT 1"
        ]
      ],
      ["a;\nEND;\nb", ["a;\nb\n", "2: removed END: END would begin or end a transaction"]],
      ["-- +goose NO TRANSACTION\na;", ["a;\n", "goose"]],
      ["-- +goose ENVSUB ON\na; -- b\n-- c", ["a; -- b\n-- c\n", "goose"]],
      ["/* x */ BEGIN; a;", ["/* x */  a;\n", "1: removed BEGIN: BEGIN would begin or end a transaction"]],
      ["BEGIN\t;a;", ["a;\n", "1: removed BEGIN: BEGIN would begin or end a transaction"]],
      [
        "PRAGMA foreign_keys=off;PRAGMA foreign_keys=off;a;",
        [
          "a;\n",
          "1: removed PRAGMA foreign_keys=off: the library switches foreign keys | 1: removed PRAGMA foreign_keys=off: the library switches foreign keys | foreign_keys = off"
        ]
      ],
      ["a\r\n--> statement-breakpoint\r\nb\r\n", ["a;\r\nb\n", "1: wrote the semicolon that was missing"]],
      ["a\n-- bun:split\n", ["a;\n", "1: wrote the semicolon that was missing"]],
      ["PRAGMA cache_size = 1;a", ["PRAGMA cache_size = 1;a\n", ""]]
    ]
  )
  table("is given to SQLite in pieces", piecesOf, [
    ["a", ["a"]],
    ["a\n--> statement-breakpoint\nb", ["a\n", "\nb"]],
    ["-- +goose Up\na\n-- +goose Down\nb", ["", "\na\n\n"]],
    ["--;;", ["", ""]],
    ["# !Ups x\na", ["# !Ups x\na"]],
    ["a#b", ["a#b"]]
  ])
  table(
    "declares above everything",
    ([text, ...declares]: readonly [string, ...Array<string>]) => declaring(text, declares),
    [
      [["a"], "a"],
      [
        ["a\n", "deletes = x", "foreign_keys = off"],
        "-- database-ready: deletes = x\n-- database-ready: foreign_keys = off\na\n"
      ]
    ]
  )
  table("declares all tables at once", joinDeclarations, [
    [[], []],
    [
      ["deletes = a", "foreign_keys = off", "deletes = b", "deletes = a", "foreign_keys = off"],
      ["foreign_keys = off", "deletes = a, b"]
    ],
    [["x deletes = a"], ["x deletes = a"]]
  ])
})

describe("a table in which another tool keeps what it applied", () => {
  const read = ([tool, ...rows]: readonly [string, ...Array<LedgerRow>]) =>
    ledgerKinds.find(({ tools }) => tools.includes(tool))?.read(rows)
  table("has rows that mean migrations", read, [
    [
      [
        "drizzle",
        { hash: "0123456789abcdef", created_at: 1 },
        { hash: "ff", name: "0001_b" },
        { hash: "f", name: null },
        { hash: "f", name: "x" }
      ],
      {
        entries: [
          { label: "0123456789ab", hash: "0123456789abcdef", place: 0 },
          { label: "0001_b", number: "0001", name: "b", hash: "ff" },
          { label: "f", hash: "f", place: 2 },
          { label: "x", name: "x", hash: "f" }
        ],
        unfinished: []
      }
    ],
    [
      [
        "prisma",
        { migration_name: "20240131120000_a", finished_at: 1706702400000, rolled_back_at: null },
        { migration_name: "2_b", finished_at: null, rolled_back_at: null },
        { migration_name: "3_c", finished_at: 1, rolled_back_at: 2 }
      ],
      {
        entries: [{ label: "20240131120000_a", number: "20240131120000", name: "a", at: 1706702400000 }],
        unfinished: ["2_b"]
      }
    ],
    [
      [
        "knex",
        { name: "20240131_a.js", batch: 1, migration_time: "2024-01-31 12:00:00" },
        { name: "b.ts", migration_time: null }
      ],
      {
        entries: [
          { label: "20240131_a.js", number: "20240131", name: "a", at: 1706702400000 },
          { label: "b.ts", name: "b", at: undefined }
        ],
        unfinished: []
      }
    ],
    [
      ["kysely", { name: "1_a", timestamp: "2024-01-31T12:00:00.000Z" }],
      { entries: [{ label: "1_a", number: "1", name: "a", at: 1706702400000 }], unfinished: [] }
    ],
    [
      ["effect", { migration_id: 1, name: "a", created_at: "2024-01-31 12:00:00" }],
      { entries: [{ label: "1_a", number: "1", name: "a", at: 1706702400000 }], unfinished: [] }
    ],
    [
      ["typeorm", { timestamp: 1706702400000, name: "CreateUsers1706702400000" }],
      { entries: [{ label: "CreateUsers1706702400000", number: "1706702400000", name: "CreateUsers" }], unfinished: [] }
    ],
    [
      [
        "goose",
        { id: 3, version_id: 2, is_applied: 0 },
        { id: 1, version_id: 0, is_applied: 1 },
        { id: 2, version_id: 2, is_applied: 1, tstamp: "2024-01-31 12:00:00" },
        { id: 4, version_id: 1, is_applied: 1, tstamp: "2024-01-31 12:00:00" },
        { id: 5, version_id: -1, is_applied: 1 }
      ],
      { entries: [{ label: "1", number: "1", at: 1706702400000 }], unfinished: [] }
    ],
    [
      ["golang-migrate", { version: 3, dirty: 0 }],
      { entries: [{ label: "3", number: "3", isAllBefore: true }], unfinished: [] }
    ],
    [["golang-migrate", { version: 3, dirty: 1 }], { entries: [], unfinished: ["3"] }],
    [
      ["golang-migrate", { version: -1, dirty: 0 }, { version: 0, dirty: "false" }],
      { entries: [{ label: "0", number: "0", isAllBefore: true }], unfinished: [] }
    ],
    [["golang-migrate", { version: 2, dirty: "true" }], { entries: [], unfinished: ["2"] }],
    [
      ["golang-migrate", { version: 2, dirty: false }],
      { entries: [{ label: "2", number: "2", isAllBefore: true }], unfinished: [] }
    ],
    [
      ["dbmate", { version: "20240131120000" }],
      { entries: [{ label: "20240131120000", number: "20240131120000", at: undefined }], unfinished: [] }
    ],
    [["rails", { version: "1" }], { entries: [{ label: "1", number: "1", at: undefined }], unfinished: [] }],
    [
      [
        "sqlx",
        { version: 1, description: "a", success: 1, installed_on: "2024-01-31 12:00:00" },
        { version: 2, description: "b", success: 0 }
      ],
      { entries: [{ label: "1", number: "1", name: "a", at: 1706702400000 }], unfinished: ["2"] }
    ],
    [
      ["diesel", { version: "2024-01-31-120000", run_on: "2024-01-31 12:00:00" }],
      { entries: [{ label: "2024-01-31-120000", number: "20240131120000", at: 1706702400000 }], unfinished: [] }
    ],
    [
      [
        "flyway",
        { version: "1", description: "a", type: "SQL", success: 1, installed_on: "2024-01-31 12:00:00.5" },
        { version: null, description: "r", type: "SQL", success: 1 },
        { version: "2.1", description: "b", type: "SQL", success: 0 },
        { version: "3", description: "c", type: "SQL", success: 1 },
        { version: "3", description: "c", type: "DELETE", success: 1 },
        { version: "4", description: "<< Flyway Baseline >>", type: "BASELINE", success: 1 },
        { version: "5x", type: "UNDO_SQL", success: "1" },
        { version: "x6", type: "X_BASELINE_Y", success: 1 }
      ],
      {
        entries: [
          { label: "V1", number: "1", name: "a", at: 1706702400500, isAllBefore: false },
          { label: "V4", number: "4", name: undefined, at: undefined, isAllBefore: true },
          { label: "V5x", number: undefined, name: "", at: undefined, isAllBefore: false },
          { label: "Vx6", number: undefined, name: undefined, at: undefined, isAllBefore: true }
        ],
        unfinished: ["V2.1"]
      }
    ],
    [
      ["django", { app: "a", name: "0001_initial", applied: "2024-01-31 12:00:00.123456" }],
      { entries: [{ label: "a.0001_initial", number: "0001", name: "initial", at: 1706702400123 }], unfinished: [] }
    ],
    [
      ["django", { app: "a", name: "0001_initial" }, { app: "b", name: "0001_initial" }],
      {
        entries: [
          { label: "a.0001_initial", at: undefined },
          { label: "b.0001_initial", at: undefined }
        ],
        unfinished: []
      }
    ],
    [["umzug", { name: "1_a.js" }], { entries: [{ label: "1_a.js", number: "1", name: "a" }], unfinished: [] }],
    [
      ["pocketbase", { file: "1706702400_a.go", applied: 1706702400000000 }],
      { entries: [{ label: "1706702400_a.go", number: "1706702400", name: "a", at: 1706702400000 }], unfinished: [] }
    ]
  ])
  table(
    "is known by its shape",
    (tables: ReadonlyArray<readonly [string, ...Array<string>]>) =>
      ledgersAmong(tables.map(([name, ...columns]) => ({ name, columns }))).map(({ isRails, kind, table }) => [
        kind.tools,
        kind.beside,
        table,
        isRails
      ]),
    [
      [[], []],
      [
        [
          ["__drizzle_migrations", "hash", "created_at"],
          ["_prisma_migrations", "migration_name", "finished_at", "rolled_back_at"],
          ["knex_migrations", "name", "batch"],
          ["kysely_migration", "name", "timestamp"],
          ["effect_sql_migrations", "migration_id", "name"],
          ["migrations", "timestamp", "name"],
          ["goose_db_version", "version_id", "is_applied"],
          ["schema_migrations", "version", "dirty"],
          ["schema_migrations", "version"],
          ["_sqlx_migrations", "version", "description", "success"],
          ["__diesel_schema_migrations", "version", "run_on"],
          ["flyway_schema_history", "version", "description", "type", "success"],
          ["django_migrations", "app", "name"],
          ["sequelizemeta", "name"],
          ["_migrations", "file", "applied"]
        ],
        [
          [["drizzle"], undefined, "__drizzle_migrations", false],
          [["prisma"], undefined, "_prisma_migrations", false],
          [["knex"], ["knex_migrations_lock"], "knex_migrations", false],
          [["kysely"], ["kysely_migration_lock"], "kysely_migration", false],
          [["effect"], undefined, "effect_sql_migrations", false],
          [["typeorm"], ["typeorm_metadata"], "migrations", false],
          [["goose"], undefined, "goose_db_version", false],
          [["golang-migrate"], undefined, "schema_migrations", false],
          [["dbmate", "rails"], ["ar_internal_metadata"], "schema_migrations", false],
          [["sqlx"], undefined, "_sqlx_migrations", false],
          [["diesel"], undefined, "__diesel_schema_migrations", false],
          [["flyway"], undefined, "flyway_schema_history", false],
          [["django"], undefined, "django_migrations", false],
          [["umzug"], undefined, "sequelizemeta", false],
          [["pocketbase"], undefined, "_migrations", false]
        ]
      ],
      [
        [
          ["__DRIZZLE_MIGRATIONS", "hash", "created_at", "more"],
          ["_PRISMA_MIGRATIONS", "migration_name", "finished_at", "rolled_back_at", "more"],
          ["KNEX_MIGRATIONS", "name", "batch", "more"],
          ["KYSELY_MIGRATION", "name", "timestamp", "more"],
          ["EFFECT_SQL_MIGRATIONS", "migration_id", "name", "more"],
          ["MIGRATIONS", "timestamp", "name", "more"],
          ["GOOSE_DB_VERSION", "version_id", "is_applied", "more"],
          ["SCHEMA_MIGRATIONS", "version", "dirty", "more"],
          ["SCHEMA_MIGRATIONS", "version", "more"],
          ["_SQLX_MIGRATIONS", "version", "description", "success", "more"],
          ["__DIESEL_SCHEMA_MIGRATIONS", "version", "run_on", "more"],
          ["FLYWAY_SCHEMA_HISTORY", "version", "description", "type", "success", "more"],
          ["DJANGO_MIGRATIONS", "app", "name", "more"],
          ["SEQUELIZEMETA", "name", "more"],
          ["_MIGRATIONS", "file", "applied", "more"]
        ],
        [
          [["drizzle"], undefined, "__DRIZZLE_MIGRATIONS", false],
          [["prisma"], undefined, "_PRISMA_MIGRATIONS", false],
          [["knex"], ["knex_migrations_lock"], "KNEX_MIGRATIONS", false],
          [["kysely"], ["kysely_migration_lock"], "KYSELY_MIGRATION", false],
          [["effect"], undefined, "EFFECT_SQL_MIGRATIONS", false],
          [["typeorm"], ["typeorm_metadata"], "MIGRATIONS", false],
          [["goose"], undefined, "GOOSE_DB_VERSION", false],
          [["sqlx"], undefined, "_SQLX_MIGRATIONS", false],
          [["diesel"], undefined, "__DIESEL_SCHEMA_MIGRATIONS", false],
          [["flyway"], undefined, "FLYWAY_SCHEMA_HISTORY", false],
          [["django"], undefined, "DJANGO_MIGRATIONS", false],
          [["umzug"], undefined, "SEQUELIZEMETA", false],
          [["pocketbase"], undefined, "_MIGRATIONS", false]
        ]
      ],
      [
        [
          ["__drizzle_migrations", "created_at"],
          ["_prisma_migrations", "finished_at", "rolled_back_at"],
          ["knex_migrations", "batch"],
          ["kysely_migration", "timestamp"],
          ["effect_sql_migrations", "name"],
          ["migrations", "name"],
          ["goose_db_version", "is_applied"],
          ["schema_migrations", "dirty"],
          ["schema_migrations"],
          ["_sqlx_migrations", "description", "success"],
          ["__diesel_schema_migrations", "run_on"],
          ["flyway_schema_history", "description", "type", "success"],
          ["django_migrations", "name"],
          ["sequelizemeta"],
          ["_migrations", "applied"]
        ],
        []
      ],
      [
        [
          ["__drizzle_migrations", "hash"],
          ["_prisma_migrations", "migration_name", "finished_at"],
          ["knex_migrations", "name"],
          ["kysely_migration", "name"],
          ["effect_sql_migrations", "migration_id"],
          ["migrations", "timestamp"],
          ["goose_db_version", "version_id"],
          ["schema_migrations", "version"],
          ["schema_migrations"],
          ["_sqlx_migrations", "version", "description"],
          ["__diesel_schema_migrations", "version"],
          ["flyway_schema_history", "version", "description", "type"],
          ["django_migrations", "app"],
          ["sequelizemeta"],
          ["_migrations", "file"]
        ],
        [[["dbmate", "rails"], ["ar_internal_metadata"], "schema_migrations", false]]
      ],
      [
        [["schema_migrations", "version"], ["ar_internal_metadata"]],
        [[["dbmate", "rails"], ["ar_internal_metadata"], "schema_migrations", true]]
      ],
      [
        [["schema_migrations", "version", "dirty"], ["ar_internal_metadata"]],
        [[["golang-migrate"], undefined, "schema_migrations", false]]
      ],
      [[["_prisma_migrations", "migration_name", "finished_at"]], []],
      [[["_sqlx_migrations", "version", "success"]], []],
      [[["flyway_schema_history", "version", "type", "success"]], []],
      [[["flyway_schema_history", "version", "description", "success"]], []]
    ]
  )
  table("is one of these tools'", (_: string) => ledgerTools, [
    [
      "all",
      [
        "drizzle",
        "prisma",
        "knex",
        "kysely",
        "effect",
        "typeorm",
        "goose",
        "golang-migrate",
        "dbmate",
        "rails",
        "ecto",
        "sqlx",
        "diesel",
        "flyway",
        "django",
        "umzug",
        "pocketbase",
        "none"
      ]
    ]
  ])
  table("has times", millisOf, [
    [1706702400, 1706702400000],
    [1706702400000, 1706702400000],
    [1706702400000000, 1706702400000],
    [100000000000000, 100000000000000],
    [100000000000, 100000000000000],
    [100000000, undefined],
    [100000001, 100000001000],
    [100000000001, 100000000001],
    [100000000000001, 100000000000],
    [0, undefined],
    [-5, undefined],
    ["2024-01-31 12:00:00", 1706702400000],
    ["2024-01-31T12:00:00.123Z", 1706702400123],
    ["2024-01-31 12:00:00.5", 1706702400500],
    ["2024-01-31T12:00:00+02:00", 1706695200000],
    ["2024-01-31 12:00:00.5 -01:00", 1706706000500],
    ["2024-01-31 12:00:00 +00:00", 1706702400000],
    ["2024-01-31 12:00", 1706702400000],
    ["2024-01-31T12:00:00Z", 1706702400000],
    ["5", undefined],
    ["12", undefined],
    ["x2024-01-31", undefined],
    ["2024-01-31x", undefined],
    ["2024-01-31 12:00:00.123456789+00:00", 1706702400123],
    ["2024-01-31", 1706659200000],
    ["x", undefined],
    ["", undefined],
    [null, undefined],
    [undefined, undefined],
    [253402300799, 253402300799],
    [253402300800, 253402300800],
    [2534023008000, 2534023008000],
    ["1960-01-01", undefined],
    ["1970-01-01T00:00:00Z", undefined],
    [1706702400000.7, 1706702400000],
    ["9999-12-31 23:59:59", 253402300799000],
    ["12345-01-01", undefined],
    [253402300800000, 253402300800],
    [253402300799999000, 253402300799999],
    [253402300800000000, undefined]
  ])
  table("has names of files", ofFile, [
    ["1_a.js", { label: "1_a.js", number: "1", name: "a" }],
    ["a.js", { label: "a.js", name: "a" }],
    ["x/y/2024-01-31_a.up.sql", { label: "x/y/2024-01-31_a.up.sql", number: "20240131", name: "a" }],
    ["x\\1_a.sql", { label: "x\\1_a.sql", number: "1", name: "a" }],
    ["V1__a.sql", { label: "V1__a.sql", number: "1", name: "a" }],
    ["v20240131-a.ts", { label: "v20240131-a.ts", number: "20240131", name: "a" }],
    ["1_2.js", { label: "1_2.js", name: "1_2" }],
    ["1.a.mjs", { label: "1.a.mjs", number: "1", name: "a" }],
    ["1_a.cts", { label: "1_a.cts", number: "1", name: "a" }],
    ["1_a.go", { label: "1_a.go", number: "1", name: "a" }],
    ["1_a.rb", { label: "1_a.rb", number: "1", name: "a" }],
    ["1_a.py", { label: "1_a.py", number: "1", name: "a" }],
    ["1_a.php", { label: "1_a.php", number: "1", name: "a" }],
    ["1_a.md", { label: "1_a.md", number: "1", name: "a.md" }],
    ["1_a.sql.bak", { label: "1_a.sql.bak", number: "1", name: "a.sql.bak" }],
    ["12", { label: "12", name: "12" }],
    ["1-2-3_a", { label: "1-2-3_a", number: "123", name: "a" }],
    ["vx_a", { label: "vx_a", name: "vx_a" }],
    ["1_a.up.js", { label: "1_a.up.js", number: "1", name: "a" }],
    ["1_a.js.js", { label: "1_a.js.js", number: "1", name: "a.js" }],
    ["xV1_a", { label: "xV1_a", name: "xV1_a" }],
    ["1a", { label: "1a", name: "1a" }],
    ["1__ a", { label: "1__ a", number: "1", name: " a" }]
  ])
})

describe("the rows of another tool", () => {
  const ours = [
    { id: 1, name: "create_users", hash: "h1" },
    { id: 2, name: "add_age", hash: "h2" },
    { id: 3, name: "addAge2", hash: undefined },
    { id: 4, name: "twice", hash: "h4" },
    { id: 5, name: "twice", hash: "h5" }
  ]
  table(
    "mean one of our migrations",
    (entry: Omit<LedgerEntry, "label">) => migrationOf({ label: "x", ...entry }, ours)?.id,
    [
      [{}, undefined],
      [{ hash: "h2" }, 2],
      [{ hash: "h2", number: "1", name: "create_users" }, 2],
      [{ hash: "none", number: "1" }, 1],
      [{ number: "1" }, 1],
      [{ number: "01" }, 1],
      [{ number: "9" }, undefined],
      [{ number: "1", name: "CreateUsers" }, 1],
      [{ number: "1", name: "add_age" }, 2],
      [{ number: "9", name: "Add-Age" }, 2],
      [{ name: "create users" }, 1],
      [{ name: "createUSERS" }, 1],
      [{ name: "_create.users_" }, 1],
      [{ name: "twice" }, undefined],
      [{ name: "none" }, undefined],
      [{ name: "add_age_2" }, undefined],
      [{ name: "addAge2" }, 3],
      [{ name: "add_age2" }, 3],
      [{ name: "ADD_AGE" }, 2],
      [{ name: "addÄge" }, undefined],
      [{ number: "5", name: "twice" }, 5],
      [{ name: "__create__users__" }, 1],
      [{ name: "" }, undefined]
    ]
  )
  table(
    "are all from the first on, or say what does not fit",
    (entries: ReadonlyArray<LedgerEntry>) => {
      const matched = matchEntries(entries, ours, ({ id, name }) => `${id}_${name}`)
      return "differs" in matched
        ? matched.differs
        : matched.map(({ entry, migration }) => [migration.id, entry?.label])
    },
    [
      [[], []],
      [[{ label: "a", place: 0, hash: "converted" }], [[1, "a, by its place"]]],
      [[{ label: "a", number: "1" }], [[1, "a"]]],
      [
        [
          { label: "a", number: "2" },
          { label: "b", number: "1" }
        ],
        [
          [1, "b"],
          [2, "a"]
        ]
      ],
      [[{ label: "a", number: "2" }], "it does not have 1_create_users, which comes before others"],
      [[{ label: "a", number: "9" }], "no file is a"],
      [
        [
          { label: "a", number: "1" },
          { label: "b", number: "1" }
        ],
        "no file is b"
      ],
      [
        [{ label: "a", number: "3", isAllBefore: true }],
        [
          [1, undefined],
          [2, undefined],
          [3, "a"]
        ]
      ],
      [
        [
          { label: "a", number: "1" },
          { label: "c", number: "3", isAllBefore: true }
        ],
        [
          [1, "a"],
          [2, undefined],
          [3, "c"]
        ]
      ],
      [[{ label: "a", number: "9", isAllBefore: true }], "no file is a"],
      [
        [{ label: "a", number: "3", isAllBefore: false }],
        "it does not have 1_create_users, 2_add_age, which comes before others"
      ],
      [
        [
          { label: "l0", number: "20" },
          { label: "l1", number: "21" },
          { label: "l2", number: "22" },
          { label: "l3", number: "23" },
          { label: "l4", number: "24" },
          { label: "l5", number: "25" },
          { label: "l6", number: "26" }
        ],
        "no file is l0, l1, l2, l3, l4 and 2 more"
      ],
      [
        [
          { label: "l0", number: "20" },
          { label: "l1", number: "21" },
          { label: "l2", number: "22" },
          { label: "l3", number: "23" },
          { label: "l4", number: "24" }
        ],
        "no file is l0, l1, l2, l3, l4"
      ],
      [
        [{ label: "a", number: "5" }],
        "it does not have 1_create_users, 2_add_age, 3_addAge2, 4_twice, which comes before others"
      ]
    ]
  )
})

describe("SQL as PostgreSQL writes it", () => {
  table(
    "is cut into statements",
    (script: string) =>
      postgresStatements(script)
        .map(({ line, offset, text, words }) => `${offset} ${line}: ${text} (${words.join(" ")})`)
        .join(" | "),
    [
      ["", ""],
      [";", ""],
      ["a; b", "0 1: a (A) | 3 1: b (B)"],
      ["\n-- x\na\n;\n/* y /* z */ ; */ b c", "6 3: a (A) | 28 5: b c (B C)"],
      ["a 'x;''y' b; c", "0 1: a 'x;''y' b (A B) | 13 1: c (C)"],
      ["E'x\\'; y' ; b", "0 1: E'x\\'; y' (E'X\\'; Y') | 12 1: b (B)"],
      ["e'x''y\\\\';b", "0 1: e'x''y\\\\' (E'X''Y\\\\') | 10 1: b (B)"],
      ['a "b;""c" ; d', '0 1: a "b;""c" (A) | 12 1: d (D)'],
      ["$$a;b$$;c", "0 1: $$a;b$$ () | 8 1: c (C)"],
      ["$x$a;$$b$x$;c", "0 1: $x$a;$$b$x$ () | 12 1: c (C)"],
      ["$x$a;b", "0 1: $x$a;b ()"],
      ["$1;a", "0 1: $1 () | 3 1: a (A)"],
      ["a$b$;c", "0 1: a$b$ (A$B$) | 5 1: c (C)"],
      ["/* open ; a", ""],
      ["/* a /* b */ ; c", ""],
      ["a -- ;\nb;c", "0 1: a -- ;\nb (A B) | 9 2: c (C)"],
      ["(a;b);c", "0 1: (a;b) (A B) | 6 1: c (C)"],
      ["a);b", "0 1: a) (A) | 3 1: b (B)"],
      ["((a;b);c);d", "0 1: ((a;b);c) (A B C) | 10 1: d (D)"],
      [
        "CREATE FUNCTION f() BEGIN ATOMIC a; CASE b END; c; END; d",
        "0 1: CREATE FUNCTION f() BEGIN ATOMIC a; CASE b END; c; END (CREATE FUNCTION F BEGIN ATOMIC A CASE B END C END) | 56 1: d (D)"
      ],
      ["BEGIN; ATOMIC; END; x", "0 1: BEGIN (BEGIN) | 7 1: ATOMIC; END (ATOMIC END) | 20 1: x (X)"],
      ["begin atomic a; end; b", "0 1: begin atomic a; end (BEGIN ATOMIC A END) | 21 1: b (B)"],
      ["begin x atomic; b", "0 1: begin x atomic (BEGIN X ATOMIC) | 16 1: b (B)"],
      ["CASE END; a", "0 1: CASE END (CASE END) | 10 1: a (A)"],
      ["1e5.2x a;b", "0 1: 1e5.2x a (A) | 9 1: b (B)"],
      ["é ü;b", "0 1: é ü () | 4 1: b (B)"],
      ["a b c d e f g h i j k l m n", "0 1: a b c d e f g h i j k l m n (A B C D E F G H I J K L)"],
      ["x'1;2';b", "0 1: x'1;2' (X) | 7 1: b (B)"],
      ["a::b; c", "0 1: a::b (A B) | 6 1: c (C)"],
      ["BEGIN ATOMIC a; END b; c", "0 1: BEGIN ATOMIC a; END b (BEGIN ATOMIC A END B) | 23 1: c (C)"],
      ["BEGIN ATOMIC (a; b); END; c", "0 1: BEGIN ATOMIC (a; b); END (BEGIN ATOMIC A B END) | 26 1: c (C)"],
      [
        "BEGIN ATOMIC a; END; CASE; END; b",
        "0 1: BEGIN ATOMIC a; END (BEGIN ATOMIC A END) | 21 1: CASE (CASE) | 27 1: END (END) | 32 1: b (B)"
      ],
      ["a*/b;c", "0 1: a*/b (A B) | 5 1: c (C)"],
      ["U&'x;';b", "0 1: U&'x;' (U) | 7 1: b (B)"],
      ["$é$;$é$;b", "0 1: $é$;$é$ () | 8 1: b (B)"],
      ["'a", "0 1: 'a (A)"],
      ["E'a\\", "0 1: E'a\\ (E A)"],
      ['"a', '0 1: "a (A)'],
      ["a;\r\nb", "0 1: a (A) | 4 2: b (B)"],
      ["$a-$;b$a-$;c", "0 1: $a-$ (A) | 5 1: b$a-$ (B$A) | 11 1: c (C)"]
    ]
  )
  const first = (script: string) => postgresStatements(script)[0] ?? { text: "", offset: 0, line: 0, words: [] }
  table("may be what a migration cannot run", (script: string) => hindranceOf(first(script)), [
    ["a", undefined],
    ["\\copy x", "it is for psql"],
    ["BEGIN", "it begins or ends a transaction"],
    ["START TRANSACTION", "it begins or ends a transaction"],
    ["START x", undefined],
    ["COMMIT", "it begins or ends a transaction"],
    ["END", "it begins or ends a transaction"],
    ["ROLLBACK", "it begins or ends a transaction"],
    ["ABORT", "it begins or ends a transaction"],
    ["PREPARE TRANSACTION 'x'", "it begins or ends a transaction"],
    ["PREPARE x", undefined],
    ["SAVEPOINT x", "it begins or ends a transaction"],
    ["RELEASE x", "it begins or ends a transaction"],
    ["BEGINNING", undefined],
    ["x BEGIN", undefined],
    ["COPY a FROM STDIN", "its rows would have to come from psql"],
    ["COPY a (b, c) FROM STDIN WITH x", "its rows would have to come from psql"],
    ["COPY a FROM 'x'", undefined],
    ["COPY a TO STDOUT", undefined],
    ["copy a from stdin", "its rows would have to come from psql"],
    [
      "CREATE INDEX CONCURRENTLY i ON a (x)",
      "PostgreSQL does not run it in a transaction; an index is made so in a file of its own, with `-- database-ready: transaction = none`"
    ],
    [
      "CREATE UNIQUE INDEX CONCURRENTLY i ON a (x)",
      "PostgreSQL does not run it in a transaction; an index is made so in a file of its own, with `-- database-ready: transaction = none`"
    ],
    ["CREATE INDEX i ON a (x)", undefined],
    [
      "DROP INDEX CONCURRENTLY i",
      "PostgreSQL does not run it in a transaction; an index is made so in a file of its own, with `-- database-ready: transaction = none`"
    ],
    [
      "REINDEX TABLE CONCURRENTLY a",
      "PostgreSQL does not run it in a transaction; an index is made so in a file of its own, with `-- database-ready: transaction = none`"
    ],
    ["REINDEX TABLE a", undefined],
    [
      "VACUUM a",
      "PostgreSQL does not run it in a transaction; an index is made so in a file of its own, with `-- database-ready: transaction = none`"
    ],
    [
      "CREATE DATABASE x",
      "PostgreSQL does not run it in a transaction; an index is made so in a file of its own, with `-- database-ready: transaction = none`"
    ],
    [
      "DROP DATABASE x",
      "PostgreSQL does not run it in a transaction; an index is made so in a file of its own, with `-- database-ready: transaction = none`"
    ],
    [
      "CREATE TABLESPACE x",
      "PostgreSQL does not run it in a transaction; an index is made so in a file of its own, with `-- database-ready: transaction = none`"
    ],
    [
      "DROP TABLESPACE x",
      "PostgreSQL does not run it in a transaction; an index is made so in a file of its own, with `-- database-ready: transaction = none`"
    ],
    [
      "ALTER SYSTEM SET x = 1",
      "PostgreSQL does not run it in a transaction; an index is made so in a file of its own, with `-- database-ready: transaction = none`"
    ],
    [
      "CREATE SUBSCRIPTION x",
      "PostgreSQL does not run it in a transaction; an index is made so in a file of its own, with `-- database-ready: transaction = none`"
    ],
    [
      "DROP SUBSCRIPTION x",
      "PostgreSQL does not run it in a transaction; an index is made so in a file of its own, with `-- database-ready: transaction = none`"
    ],
    [
      "CLUSTER",
      "PostgreSQL does not run it in a transaction; an index is made so in a file of its own, with `-- database-ready: transaction = none`"
    ],
    ["CLUSTER a", undefined],
    ["CREATE TABLE a", undefined],
    ["x VACUUM", undefined],
    ["ALTER TABLE system", undefined],
    ["XCOPY a FROM STDIN", undefined],
    ["COPY a FROM STDINX", undefined],
    ["CREATE DATABASES x", undefined],
    [
      "REINDEX CONCURRENTLY",
      "PostgreSQL does not run it in a transaction; an index is made so in a file of its own, with `-- database-ready: transaction = none`"
    ]
  ])
  table(
    "may run outside of a transaction",
    (script: string) => {
      const { index, kind, within } = loneStatementOf(first(script)) ?? {}
      return kind === undefined ? "none" : `${kind} ${index}: ${within}`
    },
    [
      ["a", "none"],
      ["CREATE INDEX CONCURRENTLY i ON a (x)", "createIndex i: CREATE INDEX  i ON a (x)"],
      [
        'create  unique  index  concurrently  if  not  exists  "I ""x"  on  a (x)',
        'createIndex I "x: create  unique  index    if  not  exists  "I ""x"  on  a (x)'
      ],
      ["CREATE INDEX CONCURRENTLY ON a (x)", "none"],
      ["CREATE INDEX CONCURRENTLY Éx$1 ON a", "createIndex Éx$1: CREATE INDEX  Éx$1 ON a"],
      ["CREATE INDEX CONCURRENTLY 1 ON a", "none"],
      ["CREATE INDEX i ON a", "none"],
      ["x CREATE INDEX CONCURRENTLY i ON a", "none"],
      ["DROP INDEX CONCURRENTLY I", "dropIndex i: DROP INDEX  I"],
      ['DROP INDEX CONCURRENTLY IF EXISTS "I" RESTRICT', 'dropIndex I: DROP INDEX  IF EXISTS "I" RESTRICT'],
      ["DROP INDEX CONCURRENTLY i, j", "none"],
      ["DROP INDEX CONCURRENTLY i CASCADE", "none"],
      ["drop index  concurrently  a.b", "none"],
      ["DROP INDEX i", "none"],
      ["ALTER TYPE t ADD VALUE 'x'", "addValue : ALTER TYPE t ADD VALUE 'x'"],
      ["ALTER TYPE t\nADD  VALUE 'x'", "addValue : ALTER TYPE t\nADD  VALUE 'x'"],
      ["ALTER TYPES t ADD VALUE 'x'", "none"],
      ["ALTER TYPE t RENAME VALUE 'x' TO 'y'", "none"],
      ["x ALTER TYPE t ADD VALUE 'x'", "none"],
      ["VACUUM", "vacuum : "],
      ["vacuum a", "vacuum : "],
      ["VACUUMS", "none"],
      ["x VACUUM", "none"],
      ["CREATE INDEX CONCURRENTLY i ONx a", "none"],
      ['DROP INDEX CONCURRENTLY "a""b"  RESTRICT ', 'dropIndex a"b: DROP INDEX  "a""b"  RESTRICT'],
      ["DROP INDEX CONCURRENTLYx", "none"],
      ["CREATE INDEX CONCURRENTLY concurrently ON a", "createIndex concurrently: CREATE INDEX  concurrently ON a"],
      ["ALTER TYPE t ADD VALUES 'x'", "none"],
      ["alter type t add value 'x'", "addValue : alter type t add value 'x'"]
    ]
  )
})
