/** What names of files mean, and what a new one is called. */
import { describe } from "vitest"
import { type Entry, migrationFilesOf } from "../../layers/schema/MigrationFiles.ts"
import { nameOf, newestVersion, nextVersion, templateOf, wrongNumber } from "../../layers/schema/NewMigration.ts"
import { type Titled, unclearOrderOf, wholeTitleOf } from "../../layers/schema/NumberOrder.ts"
import { table } from "./table.ts"

/** What a directory is taken for, in a line for each file, or why it is refused. */
const read = (entries: ReadonlyArray<Entry>) => {
  const files = migrationFilesOf(entries)
  return "reason" in files
    ? `${files.reason} ${files.path}: ${files.detail} | ${files.remedy ?? "no remedy"}`
    : files.map(({ name, path, version }) => `${path} is ${version} ${name}`).join(", ")
}
const readNames = (names: ReadonlyArray<string>) => read(names.map((name) => ({ name })))
const readFolder = (inside: ReadonlyArray<string>) => read([{ name: "001_users", inside }])

describe("a file in the directory of migrations", () => {
  table("is a migration if its name says so", readNames, [
    [[], ""],
    [["001_a.sql"], "001_a.sql is 001 a"],
    [["1_a.sql", "R__views.sql"], "1_a.sql is 1 a, R__views.sql is R_ views"],
    [["001_a.up.sql", "001_a.down.sql"], "001_a.up.sql is 001 a"],
    [["001_a.tx.up.sql", "001_a.tx.down.sql"], "001_a.tx.up.sql is 001 a"],
    [["001_a.sql", "1_a.undo.sql"], "001_a.sql is 001 a"],
    [["001_a.sql", "001_a.rollback.sql", "001_a.revert.sql"], "001_a.sql is 001 a"],
    [["001_a.b.sql"], "001_a.b.sql is 001 a.b"],
    [["001_a_.sql"], "001_a_.sql is 001 a_"],
    [["123456789012345_a.sql"], "123456789012345_a.sql is 123456789012345 a"],
    [["README.md", "notes.txt", "x.sqlite"], ""],
    [["._001_a.sql", ".#001_a.sql"], ""],
    [["001_a.sql", "001_a.sql~", "001_a.sql.orig", "001_a.sql.bak", "001_a.sql.swp"], "001_a.sql is 001 a"],
    [["001__a.sql"], "001__a.sql is 001 _a"],
    [["R__a.b.sql"], "R__a.b.sql is R_ a.b"],
    [["001_a.downsql.sql"], "001_a.downsql.sql is 001 a.downsql"],
    [["001_ä ö.sql"], "001_ä ö.sql is 001 ä ö"]
  ])
  table("is refused if its name does not say how it is meant", readNames, [
    [
      ["001_a.sql~"],
      "BadName 001_a.sql~: it looks like a copy that an editor or a merge left, of a file that is not here | Give it back its name, NNN_name.sql, or move it out of the directory."
    ],
    [
      ["001_a.sql.orig"],
      "BadName 001_a.sql.orig: it looks like a copy that an editor or a merge left, of a file that is not here | Give it back its name, NNN_name.sql, or move it out of the directory."
    ],
    [
      ["001_a.sql.BAK"],
      "BadName 001_a.sql.BAK: it looks like a copy that an editor or a merge left, of a file that is not here | Give it back its name, NNN_name.sql, or move it out of the directory."
    ],
    [
      ["001_a.sql.swp"],
      "BadName 001_a.sql.swp: it looks like a copy that an editor or a merge left, of a file that is not here | Give it back its name, NNN_name.sql, or move it out of the directory."
    ],
    [
      ["001_a.down.sql"],
      "BadLayout 001_a.down.sql: it undoes 001_a, which is not here | Put 001_a.up.sql beside it, or move 001_a.down.sql out of the directory. Do not number it as a migration: what it undoes would be lost."
    ],
    [
      ["001_a.sql", "001_b.undo.sql"],
      "BadLayout 001_b.undo.sql: it undoes 001_b, which is not here | Put 001_b.up.sql beside it, or move 001_b.undo.sql out of the directory. Do not number it as a migration: what it undoes would be lost."
    ],
    [
      ["001_a.sql", "002_a.undo.sql"],
      "BadLayout 002_a.undo.sql: it undoes 002_a, which is not here | Put 002_a.up.sql beside it, or move 002_a.undo.sql out of the directory. Do not number it as a migration: what it undoes would be lost."
    ],
    [
      ["0012_a.revert.sql", "012_b.sql"],
      "BadLayout 0012_a.revert.sql: it undoes 0012_a, which is not here | Put 0012_a.up.sql beside it, or move 0012_a.revert.sql out of the directory. Do not number it as a migration: what it undoes would be lost."
    ],
    [
      ["1234567890123456_a.sql"],
      "BadName 1234567890123456_a.sql: its number has 16 digits, and only 15 are compared exactly | Drop the digits after the seconds or the leading zeros, here and in the other numbers like it, as in 12345678901234_name.sql. If files share that second, count up from it. A file that this library has applied anywhere keeps its number."
    ],
    [
      ["20240131120000999_a.sql"],
      "BadName 20240131120000999_a.sql: its number has 17 digits, and only 15 are compared exactly | Drop the digits after the seconds or the leading zeros, here and in the other numbers like it, as in 20240131120000_name.sql. If files share that second, count up from it. A file that this library has applied anywhere keeps its number."
    ],
    [["001_.sql"], "BadName 001_.sql: expected NNN_name.sql | no remedy"],
    [["_a.sql"], "BadName _a.sql: expected NNN_name.sql | no remedy"],
    [["a.sql"], "BadName a.sql: expected NNN_name.sql | no remedy"],
    [["001.sql"], "BadName 001.sql: expected NNN_name.sql | no remedy"],
    [
      ["001a.sql"],
      "BadName 001a.sql: 001a has a letter after its number, and only numbers are ordered | Give it and the files after it whole numbers, in the order in which they should run. A file that any database has applied keeps its number: give new files numbers above it."
    ],
    [["V1__init.sql"], "BadLayout V1__init.sql: it is named for Flyway, version 1 | Name it 1_init.sql."],
    [
      ["v1.2__init it-now.sql"],
      "BadLayout v1.2__init it-now.sql: it is named for Flyway, version 1.2 | Name it NNN_name.sql, with one whole number for each version, in Flyway's order."
    ],
    [
      ["V1_2__init.sql"],
      "BadLayout V1_2__init.sql: it is named for Flyway, version 1_2 | Name it NNN_name.sql, with one whole number for each version, in Flyway's order."
    ],
    [
      ["V20__make it so.sql"],
      "BadLayout V20__make it so.sql: it is named for Flyway, version 20 | Name it 20_make_it_so.sql."
    ],
    [
      ["U1__init.sql"],
      "BadLayout U1__init.sql: it is a Flyway script that undoes version 1 | Move it out of the directory. Do not number it as a migration: what it undoes would be lost."
    ],
    [
      ["u2.1__init.sql"],
      "BadLayout u2.1__init.sql: it is a Flyway script that undoes version 2.1 | Move it out of the directory. Do not number it as a migration: what it undoes would be lost."
    ],
    [
      ["r__view.sql"],
      "BadName r__view.sql: a repeatable migration is named R__name.sql, with a capital letter and without a number | Name it R__view.sql. Such files run in the order of their names."
    ],
    [
      ["R1__view.sql"],
      "BadName R1__view.sql: a repeatable migration is named R__name.sql, with a capital letter and without a number | Name it R__view.sql. Such files run in the order of their names."
    ],
    [["R__.sql"], "BadName R__.sql: expected NNN_name.sql | no remedy"],
    [
      ["V__a.sql"],
      "BadLayout V__a.sql: it is named for Flyway | Name it NNN_name.sql, with one whole number for each version, in Flyway's order."
    ],
    [["001-a.sql"], "BadName 001-a.sql: expected NNN_name.sql | Name it 001_a.sql, or move it out of the directory."],
    [
      ["001 a b.sql"],
      "BadName 001 a b.sql: expected NNN_name.sql | Name it 001_a_b.sql, or move it out of the directory."
    ],
    [["001.a.sql"], "BadName 001.a.sql: expected NNN_name.sql | Name it 001_a.sql, or move it out of the directory."],
    [
      ["1-_ a--b c.SQL"],
      "BadName 1-_ a--b c.SQL: expected NNN_name.sql | Name it 1_a_b_c.sql, or move it out of the directory."
    ],
    [["x001_a.sql~"], ""],
    [["001 a.sqlx"], "BadName 001 a.sqlx: expected NNN_name.sql | no remedy"],
    [
      ["001.undo.a.sqlx"],
      "BadLayout 001.undo.a.sqlx: it undoes a migration, and this library undoes nothing | Move it out of the directory. Do not number it as a migration: what it undoes would be lost."
    ],
    [
      ["12.undo.a.sql"],
      "BadLayout 12.undo.a.sql: it undoes a migration, and this library undoes nothing | Move it out of the directory. Do not number it as a migration: what it undoes would be lost."
    ],
    [["a1.undo.b"], ""],
    [
      ["10.2_a.sql"],
      "BadName 10.2_a.sql: its number has parts, and only whole numbers are ordered | Give each file one whole number, in the order in which they should run. A file that any database has applied keeps its number."
    ],
    [["x1.2_a.sql"], "BadName x1.2_a.sql: expected NNN_name.sql | no remedy"],
    [
      ["1.2_abc.sql"],
      "BadName 1.2_abc.sql: its number has parts, and only whole numbers are ordered | Give each file one whole number, in the order in which they should run. A file that any database has applied keeps its number."
    ],
    [["V1__a  b.sql"], "BadLayout V1__a  b.sql: it is named for Flyway, version 1 | Name it 1_a_b.sql."],
    [["12.do.a  b.sql"], "BadLayout 12.do.a  b.sql: it is named for Postgrator | Name it 12_a_b.sql."],
    [["x12.do.a.sql"], "BadName x12.do.a.sql: expected NNN_name.sql | no remedy"],
    [["x2024-01-31_a.sql"], "BadName x2024-01-31_a.sql: expected NNN_name.sql | no remedy"],
    [
      ["001.rollback.xyz.sql"],
      "BadLayout 001.rollback.xyz.sql: it undoes a migration, and this library undoes nothing | Move it out of the directory. Do not number it as a migration: what it undoes would be lost."
    ],
    [["001_a.sql.bakx"], "BadName 001_a.sql.bakx: expected NNN_name.sql | no remedy"],
    [["xR__a.sql"], "BadName xR__a.sql: expected NNN_name.sql | no remedy"],
    [["R__a.sqlx.sql"], "R__a.sqlx.sql is R_ a.sqlx"],
    [["001_a.SQL"], "BadName 001_a.SQL: expected NNN_name.sql | Name it 001_a.sql, or move it out of the directory."],
    [
      ["20240131T1200_a.sql"],
      "BadName 20240131T1200_a.sql: expected NNN_name.sql | Name it 202401311200_a.sql, or move it out of the directory."
    ],
    [
      ["20240131T120000Z_a.sql"],
      "BadName 20240131T120000Z_a.sql: expected NNN_name.sql | Name it 20240131120000_a.sql, or move it out of the directory."
    ],
    [["20240131T12000000_a.sql"], "BadName 20240131T12000000_a.sql: expected NNN_name.sql | no remedy"],
    [
      ["20240131t120000-a.sql"],
      "BadName 20240131t120000-a.sql: expected NNN_name.sql | Name it 20240131120000_a.sql, or move it out of the directory."
    ],
    [
      ["2024-01-31_a.sql"],
      "BadName 2024-01-31_a.sql: expected NNN_name.sql | Name it 20240131_a.sql, or move it out of the directory."
    ],
    [
      ["2024.01.31-120000_a.sql"],
      "BadName 2024.01.31-120000_a.sql: expected NNN_name.sql | Name it 20240131120000_a.sql, or move it out of the directory."
    ],
    [
      ["2024-01-31T12:00:00Z_add it.sql"],
      "BadName 2024-01-31T12:00:00Z_add it.sql: expected NNN_name.sql | Name it 20240131120000_add_it.sql, or move it out of the directory."
    ],
    [
      ["2024-01-31 12.30-a.sql"],
      "BadName 2024-01-31 12.30-a.sql: expected NNN_name.sql | Name it 202401311230_a.sql, or move it out of the directory."
    ],
    [
      ["2024-01-31_1230_a.sql"],
      "BadName 2024-01-31_1230_a.sql: expected NNN_name.sql | Name it 202401311230_a.sql, or move it out of the directory."
    ],
    [
      ["2024-13-31_a.sql"],
      "BadName 2024-13-31_a.sql: expected NNN_name.sql | Name it 2024_13_31_a.sql, or move it out of the directory."
    ],
    [
      ["1999-12-30_a.sql"],
      "BadName 1999-12-30_a.sql: expected NNN_name.sql | Name it 19991230_a.sql, or move it out of the directory."
    ],
    [
      ["2124-12-30_a.sql"],
      "BadName 2124-12-30_a.sql: expected NNN_name.sql | Name it 2124_12_30_a.sql, or move it out of the directory."
    ],
    [
      ["2024-01-31T25:00_a.sql"],
      "BadName 2024-01-31T25:00_a.sql: expected NNN_name.sql | Name it 2024_01_31T25_00_a.sql, or move it out of the directory."
    ],
    [
      ["2024-01-31T12:60_a.sql"],
      "BadName 2024-01-31T12:60_a.sql: expected NNN_name.sql | Name it 2024_01_31T12_60_a.sql, or move it out of the directory."
    ],
    [
      ["2024-02-09-2359.59_a.sql"],
      "BadName 2024-02-09-2359.59_a.sql: expected NNN_name.sql | Name it 20240209235959_a.sql, or move it out of the directory."
    ],
    [
      ["2024-10-20_a.sql"],
      "BadName 2024-10-20_a.sql: expected NNN_name.sql | Name it 20241020_a.sql, or move it out of the directory."
    ],
    [
      ["2024-1-3_a.sql"],
      "BadName 2024-1-3_a.sql: expected NNN_name.sql | Name it 2024_1_3_a.sql, or move it out of the directory."
    ],
    [
      ["1.2_a.sql"],
      "BadName 1.2_a.sql: its number has parts, and only whole numbers are ordered | Give each file one whole number, in the order in which they should run. A file that any database has applied keeps its number."
    ],
    [
      ["1.2.3-a.sql"],
      "BadName 1.2.3-a.sql: its number has parts, and only whole numbers are ordered | Give each file one whole number, in the order in which they should run. A file that any database has applied keeps its number."
    ],
    [
      ["1.10.a.sql"],
      "BadName 1.10.a.sql: its number has parts, and only whole numbers are ordered | Give each file one whole number, in the order in which they should run. A file that any database has applied keeps its number."
    ],
    [["1.2a.sql"], "BadName 1.2a.sql: expected NNN_name.sql | Name it 1_2a.sql, or move it out of the directory."],
    [
      ["001a_x.sql"],
      "BadName 001a_x.sql: 001a has a letter after its number, and only numbers are ordered | Give it and the files after it whole numbers, in the order in which they should run. A file that any database has applied keeps its number: give new files numbers above it."
    ],
    [
      ["12ab-x.sql"],
      "BadName 12ab-x.sql: 12ab has a letter after its number, and only numbers are ordered | Give it and the files after it whole numbers, in the order in which they should run. A file that any database has applied keeps its number: give new files numbers above it."
    ],
    [
      ["12B.x.sql"],
      "BadName 12B.x.sql: 12B has a letter after its number, and only numbers are ordered | Give it and the files after it whole numbers, in the order in which they should run. A file that any database has applied keeps its number: give new files numbers above it."
    ],
    [["12abc_x.sql"], "BadName 12abc_x.sql: expected NNN_name.sql | no remedy"],
    [["001.do.init.sql"], "BadLayout 001.do.init.sql: it is named for Postgrator | Name it 001_init.sql."],
    [["001.do.sql"], "BadLayout 001.do.sql: it is named for Postgrator | Name it 001_name.sql."],
    [
      ["002.do.create users-now.sql"],
      "BadLayout 002.do.create users-now.sql: it is named for Postgrator | Name it 002_create_users_now.sql."
    ],
    [["001.DO.a.sql"], "BadLayout 001.DO.a.sql: it is named for Postgrator | Name it 001_a.sql."],
    [
      ["001.undo.init.sql"],
      "BadLayout 001.undo.init.sql: it undoes a migration, and this library undoes nothing | Move it out of the directory. Do not number it as a migration: what it undoes would be lost."
    ],
    [
      ["001.undo.sql"],
      "BadLayout 001.undo.sql: it undoes a migration, and this library undoes nothing | Move it out of the directory. Do not number it as a migration: what it undoes would be lost."
    ],
    [["001_a-down.sql"], "001_a-down.sql is 001 a-down"],
    [
      ["001-a.down.sql"],
      "BadLayout 001-a.down.sql: it undoes a migration, and this library undoes nothing | Move it out of the directory. Do not number it as a migration: what it undoes would be lost."
    ],
    [
      ["down.sql"],
      "BadLayout down.sql: it undoes a migration, and this library undoes nothing | Move it out of the directory. Do not number it as a migration: what it undoes would be lost."
    ],
    [
      ["undo.sql"],
      "BadLayout undo.sql: it undoes a migration, and this library undoes nothing | Move it out of the directory. Do not number it as a migration: what it undoes would be lost."
    ],
    [
      ["rollback.sql"],
      "BadLayout rollback.sql: it undoes a migration, and this library undoes nothing | Move it out of the directory. Do not number it as a migration: what it undoes would be lost."
    ],
    [
      ["revert.sql"],
      "BadLayout revert.sql: it undoes a migration, and this library undoes nothing | Move it out of the directory. Do not number it as a migration: what it undoes would be lost."
    ],
    [
      ["001-rollback.x.sql"],
      "BadLayout 001-rollback.x.sql: it undoes a migration, and this library undoes nothing | Move it out of the directory. Do not number it as a migration: what it undoes would be lost."
    ],
    [
      ["a_revert.sql"],
      "BadLayout a_revert.sql: it undoes a migration, and this library undoes nothing | Move it out of the directory. Do not number it as a migration: what it undoes would be lost."
    ],
    [
      ["a.undo.b.sql"],
      "BadLayout a.undo.b.sql: it undoes a migration, and this library undoes nothing | Move it out of the directory. Do not number it as a migration: what it undoes would be lost."
    ],
    [["updown.sql"], "BadName updown.sql: expected NNN_name.sql | no remedy"],
    [["down.x.sql"], "BadName down.x.sql: expected NNN_name.sql | no remedy"],
    [
      ["a/001_b.sql"],
      "BadName a/001_b.sql: expected NNN_name.sql, or NNN_name/migration.sql, without a folder before it | no remedy"
    ],
    [
      ["a\\001_b.sql"],
      "BadName a\\001_b.sql: expected NNN_name.sql, or NNN_name/migration.sql, without a folder before it | no remedy"
    ],
    [
      ["001_a/x.sql"],
      "BadName 001_a/x.sql: expected NNN_name.sql, or NNN_name/migration.sql, without a folder before it | no remedy"
    ],
    [["1234567890123456-a.sql"], "BadName 1234567890123456-a.sql: expected NNN_name.sql | no remedy"],
    [
      ["001-äß é.sql"],
      "BadName 001-äß é.sql: expected NNN_name.sql | Name it 001_äß_é.sql, or move it out of the directory."
    ],
    [["001-__.sql"], "BadName 001-__.sql: expected NNN_name.sql | Name it 001__.sql, or move it out of the directory."],
    [["7"], "BadName 7: expected NNN_name.sql | no remedy"],
    [["7.txt"], "BadName 7.txt: expected NNN_name.sql | no remedy"],
    [["001_a.md"], "BadName 001_a.md: expected NNN_name.sql | no remedy"]
  ])
  table("is refused if it is not one", read, [
    [[{ name: "001_a.sql", kind: "SymbolicLink" }], "BadName 001_a.sql: it is not a file: SymbolicLink | no remedy"],
    [[{ name: "001_a.sql", inside: [] }], "BadName 001_a.sql: it is not a file: Directory | no remedy"],
    [
      [{ name: "R__a.sql", inside: ["a.sql"], kind: "Socket" }],
      "BadName R__a.sql: it is not a file: Socket | no remedy"
    ],
    [[{ name: "docs", inside: ["a.sql"] }], ""],
    [[{ name: "._001_a.sql", inside: [] }], ""],
    [[{ name: "001", kind: "Socket" }], "BadName 001: it is not a file: Socket | no remedy"]
  ])
})

describe("a folder that is a migration", () => {
  table("has one file that is run", readFolder, [
    [["migration.sql"], "001_users/migration.sql is 001 users"],
    [["up.sql", "down.sql"], "001_users/up.sql is 001 users"],
    [["up.sql", "notes.md"], "001_users/up.sql is 001 users"],
    [["migration.sql", "._migration.sql"], "001_users/migration.sql is 001 users"],
    [
      [],
      "BadLayout 001_users: the folder has no SQL file in it | Put the folder's migration.sql or up.sql back, or move the folder out of the directory."
    ],
    [
      ["down.sql"],
      "BadLayout 001_users: its only SQL file is a down.sql, which undoes a migration | Put the folder's migration.sql or up.sql back, or move the folder out of the directory."
    ],
    [
      ["notes.md"],
      "BadLayout 001_users: the folder has no SQL file in it | Put the folder's migration.sql or up.sql back, or move the folder out of the directory."
    ],
    [
      ["a.sql"],
      "BadLayout 001_users: the folder has a.sql | Put everything into one migration.sql or up.sql in the folder, or each file as NNN_name.sql directly into the migrations directory."
    ],
    [
      ["up.sql", "b.sql"],
      "BadLayout 001_users: the folder has up.sql, b.sql | Put everything into one migration.sql or up.sql in the folder, or each file as NNN_name.sql directly into the migrations directory."
    ],
    [
      ["a.sql", "b.sql"],
      "BadLayout 001_users: the folder has a.sql, b.sql | Put everything into one migration.sql or up.sql in the folder, or each file as NNN_name.sql directly into the migrations directory."
    ],
    [
      ["xup.sql"],
      "BadLayout 001_users: the folder has xup.sql | Put everything into one migration.sql or up.sql in the folder, or each file as NNN_name.sql directly into the migrations directory."
    ],
    [
      ["up.sqlx"],
      "BadLayout 001_users: the folder has no SQL file in it | Put the folder's migration.sql or up.sql back, or move the folder out of the directory."
    ],
    [
      ["Up.SQL"],
      "BadLayout 001_users: the folder has Up.SQL | Put everything into one migration.sql or up.sql in the folder, or each file as NNN_name.sql directly into the migrations directory."
    ],
    [
      ["up.sql.sql"],
      "BadLayout 001_users: the folder has up.sql.sql | Put everything into one migration.sql or up.sql in the folder, or each file as NNN_name.sql directly into the migrations directory."
    ],
    [
      ["migration.sql", "up.sql"],
      "BadLayout 001_users: the folder has migration.sql, up.sql | Put everything into one migration.sql or up.sql in the folder, or each file as NNN_name.sql directly into the migrations directory."
    ],
    [
      ["xdown.sql"],
      "BadLayout 001_users: the folder has xdown.sql | Put everything into one migration.sql or up.sql in the folder, or each file as NNN_name.sql directly into the migrations directory."
    ]
  ])
  table("has a number and a name", ({ name }: { readonly name: string }) => read([{ name, inside: ["up.sql"] }]), [
    [{ name: "2024-01-31-120000_a" }, "2024-01-31-120000_a/up.sql is 20240131120000 a"],
    [
      { name: "2024-01-31-120000-0000_users" },
      "BadName 2024-01-31-120000-0000_users/up.sql: its number has 18 digits, and only 15 are compared exactly | Drop the digits after the seconds or the leading zeros, here and in the other numbers like it, as in 20240131120000_name.sql. If files share that second, count up from it. A file that this library has applied anywhere keeps its number."
    ],
    [
      { name: "001-a" },
      "BadLayout 001-a: a folder that is a migration is named NNN_name | Name it like 001-a_create_users."
    ],
    [{ name: "1" }, "BadLayout 1: a folder that is a migration is named NNN_name | Name it like 1_create_users."],
    [{ name: "1_" }, "BadLayout 1_: a folder that is a migration is named NNN_name | Name it like 1__create_users."],
    [{ name: "12_a_b" }, "12_a_b/up.sql is 12 a_b"],
    [
      { name: "1x_a" },
      "BadLayout 1x_a: a folder that is a migration is named NNN_name | Name it like 1x_a_create_users."
    ],
    [
      { name: "2024-01-31-120000-000012_a" },
      "BadName 2024-01-31-120000-000012_a/up.sql: its number has 20 digits, and only 15 are compared exactly | Drop the digits after the seconds or the leading zeros, here and in the other numbers like it, as in 20240131120000_name.sql. If files share that second, count up from it. A file that this library has applied anywhere keeps its number."
    ]
  ])
})

describe("a new migration", () => {
  table("has a name that files can have", nameOf, [
    ["add owner", { name: "add_owner" }],
    ["  add  owner\n", { name: "add_owner" }],
    ["add-owner_2", { name: "add-owner_2" }],
    ["straße", { name: "straße" }],
    ["ñame", { name: "ñame" }],
    ["", { wrong: "it is empty", instead: "add_owner" }],
    ["   ", { wrong: "it is empty", instead: "add_owner" }],
    ["a.sql", { wrong: "the ending .sql is added", instead: "a" }],
    ["A.SQL", { wrong: "the ending .sql is added", instead: "A" }],
    ["001_a", { wrong: "the number is added", instead: "a" }],
    ["001", { wrong: "the number is added", instead: "add_owner" }],
    ["12a", { name: "12a" }],
    ["a/b", { wrong: "a name has letters, digits, hyphens and underscores", instead: "a_b" }],
    ["a.b", { wrong: "a name has letters, digits, hyphens and underscores", instead: "a_b" }],
    ["___", { wrong: "it has no letter", instead: "add_owner" }],
    ["--", { wrong: "it has no letter", instead: "add_owner" }],
    ["-", { wrong: "it has no letter", instead: "add_owner" }],
    ["_a_", { name: "_a_" }],
    ["a..b!", { wrong: "a name has letters, digits, hyphens and underscores", instead: "a_b" }],
    [
      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
      {
        name: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
      }
    ],
    [
      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
      { wrong: "it is longer than 200 bytes", instead: "add_owner" }
    ],
    [
      "ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé",
      { wrong: "it is longer than 200 bytes", instead: "add_owner" }
    ],
    [
      "éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé",
      { name: "éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé" }
    ],
    ["a b.sql", { wrong: "the ending .sql is added", instead: "a_b" }],
    ["001__a b.sql", { wrong: "the ending .sql is added", instead: "a_b" }],
    ["1", { wrong: "the number is added", instead: "add_owner" }],
    ["1_", { wrong: "the number is added", instead: "add_owner" }],
    ["/", { wrong: "a name has letters, digits, hyphens and underscores", instead: "add_owner" }],
    ["a.sqlx", { wrong: "a name has letters, digits, hyphens and underscores", instead: "a_sqlx" }],
    [".sql", { wrong: "the ending .sql is added", instead: "add_owner" }]
  ])
  const versions = (list: ReadonlyArray<string>) => list.map((version) => ({ version }))
  table(
    "has the next number, or the time if the newest is one",
    (list: ReadonlyArray<string>) => nextVersion(versions(list), Date.UTC(2026, 10, 28, 15, 4, 5, 678)),
    [
      [[], "001"],
      [["R_"], "001"],
      [["001"], "002"],
      [["001", "R_"], "002"],
      [["R_", "9"], "10"],
      [["010", "009"], "011"],
      [["0099"], "0100"],
      [["20240131"], "20261128"],
      [["2024013112"], "2026112815"],
      [["202401311200"], "202611281504"],
      [["20240131120000"], "20261128150405"],
      [["20240131120000123"], "20240131120000124"],
      [["20991231"], "20991232"],
      [["20991231235959"], "20991231235960"],
      [["20241331"], "20241332"],
      [["20240132"], "20240133"],
      [["20240100"], "20240101"],
      [["202401"], "202402"],
      [["20240131125"], "20240131126"],
      [["20240131126000"], "20240131126001"],
      [["20240131246000"], "20240131246001"],
      [["1700000000"], "1795878245"],
      [["1700000000000"], "1795878245678"],
      [["2700000000"], "2700000001"],
      [["3700000000000"], "3700000000001"],
      [["17000000001"], "17000000002"],
      [["1800000000"], "1800000001"],
      [["1999999999999"], "2000000000000"],
      [["19991231"], "19991232"],
      [["22001231"], "22001232"],
      [["21991231"], "21991232"],
      [["20240229235959"], "20261128150405"],
      [["2024013124"], "2026112815"],
      [["2024013123"], "2026112815"],
      [["2024100912"], "2026112815"],
      [["2024123009"], "2026112815"],
      [["2024023019"], "2026112815"]
    ]
  )
  table("comes behind the newest", (list: ReadonlyArray<string>) => newestVersion(versions(list)), [
    [[], undefined],
    [["R_"], undefined],
    [["2", "10", "9"], "10"],
    [["010", "10"], "010"],
    [["1", "R_"], "1"]
  ])
  table(
    "may have a chosen number above all others",
    ([number, newest]: readonly [string, string?]) => wrongNumber(number, newest),
    [
      [["1"], undefined],
      [["0"], undefined],
      [["x"], { reason: "BadNumber", detail: "a number has 1 to 15 digits, and nothing else" }],
      [[""], { reason: "BadNumber", detail: "a number has 1 to 15 digits, and nothing else" }],
      [["1x"], { reason: "BadNumber", detail: "a number has 1 to 15 digits, and nothing else" }],
      [["x1"], { reason: "BadNumber", detail: "a number has 1 to 15 digits, and nothing else" }],
      [["123456789012345"], undefined],
      [["1234567890123456"], { reason: "BadNumber", detail: "a number has 1 to 15 digits, and nothing else" }],
      [["2", "1"], undefined],
      [["2", "2"], { reason: "Taken", detail: "a migration has it" }],
      [["002", "2"], { reason: "Taken", detail: "a migration has it" }],
      [
        ["1", "2"],
        { reason: "BadNumber", detail: "it is below the newest, 2, and would come too late for what is applied" }
      ],
      [["10", "9"], undefined]
    ]
  )
  table("says what to do with it", templateOf, [
    [
      "001_a",
      "-- 001_a\n--\n-- Write SQL statements here. They run in one transaction: no BEGIN and no COMMIT.\n-- Once a database has applied this file, do not edit it. Write a new one.\n"
    ]
  ])
})

describe("the order of numbers that are times", () => {
  const titled = (names: ReadonlyArray<string>): ReadonlyArray<Titled> =>
    names.map((name) => ({ version: name.replace(/_.*/, ""), name: name.replace(/^\d+_/, "") }))
  table(
    "is unclear if they have not the same number of digits",
    (names: ReadonlyArray<string>) => {
      const { one, other, shorter, title } = unclearOrderOf(titled(names)) ?? {}
      return one === undefined || other === undefined || shorter === undefined
        ? "clear"
        : `${one.name}, ${other.name}: ${shorter.name} should be ${title}`
    },
    [
      [[], "clear"],
      [["1_a", "2_b"], "clear"],
      [["001_a", "20240313_b"], "clear"],
      [["20240313_a", "20240314_b"], "clear"],
      [["20240313_a", "20240306170000_b"], "a, b: a should be 20240313000000_a"],
      [["20240306170000_a", "20240313_b"], "clear"],
      [["20240305_a", "20240306170000_b"], "clear"],
      [["20240306_a", "20240306170000_b"], "a, b: a should be 20240306000000_a"],
      [["20240306170000_a", "20240306_b"], "a, b: b should be 20240306000000_b"],
      [["20240306_170000_a", "20240306180000_b"], "clear"],
      [["20240306_170000_a", "20240305_b"], "170000_a, b: 170000_a should be 20240306170000_a"],
      [["20240306_170000_a", "20240306_160000_b"], "170000_a, 160000_b: 170000_a should be 20240306170000_a"],
      [["20240306_1700_a", "20240306_170000_b"], "1700_a, 170000_b: 1700_a should be 20240306170000_a"],
      [["20240306-1700-a"], "clear"],
      [["20240313_a", "20240306170000_b", "2024030617000000_c"], "a, b: a should be 2024031300000000_a"],
      [
        ["2024_03_13_170000_a", "2024_03_13_160000_b"],
        "03_13_170000_a, 03_13_160000_b: 03_13_170000_a should be 20240313170000_a"
      ],
      [["2024_03_13_a", "2024_03_14_b"], "clear"],
      [["2024_03_14_a", "2024_03_13_b"], "03_14_a, 03_13_b: 03_14_a should be 20240314_a"],
      [["2024_03_13_170000_a", "20240313_b"], "03_13_170000_a, b: 03_13_170000_a should be 20240313170000_a"],
      [["2024_13_13_a", "20240101_b"], "clear"],
      [["2024_03_32_a", "2024_03_31_b"], "clear"],
      [["1234567_a", "12345678_b"], "clear"],
      [["12345678_a", "123456789_b"], "a, b: a should be 123456780_a"],
      [["1710000000_a", "1710000000000_b"], "a, b: a should be 1710000000000_a"],
      [["1710000000_a", "20240313_b"], "clear"],
      [["20240313_a", "20240312_b"], "a, b: b should be 20240312_b"],
      [["020240313_a", "20240312_b"], "a, b: b should be 20240312_b"],
      [["20240313_250000_a", "20240312_b"], "250000_a, b: b should be 20240312_b"],
      [["20240313_170000_", "20240313160000_b"], "170000_, b: 170000_ should be 20240313000000_170000_"],
      [["20240313_2359_a", "20240313_2358_b"], "2359_a, 2358_b: 2359_a should be 202403132359_a"],
      [["20240313_0959_a", "20240313_095900_b"], "0959_a, 095900_b: 0959_a should be 20240313095900_a"],
      [["20240313_12_a", "2024031311_b"], "12_a, b: 12_a should be 2024031300_12_a"],
      [["20240313_1260_a", "20240312_b"], "1260_a, b: b should be 20240312_b"],
      [["1999_12_30_1010_a", "1999_12_30_1009_b"], "12_30_1010_a, 12_30_1009_b: 12_30_1010_a should be 199912301010_a"],
      [["2199_01_01_a", "2199_01_02_b"], "clear"],
      [["20240313_a", "20240315_b", "20240314120000_c"], "b, c: b should be 20240315000000_b"],
      [["20240331_1200_a", "20240301_1200_b"], "1200_a, 1200_b: 1200_a should be 202403311200_a"],
      [["20240930_a", "20241001120000_b", "20241001_c"], "b, c: c should be 20241001000000_c"],
      [["2024_10_20_a", "2024_10_09_b"], "10_20_a, 10_09_b: 10_20_a should be 20241020_a"],
      [["2024-10-20_1200_a"], "clear"]
    ]
  )
  table(
    "needs the whole time in the number",
    ([version, name]: readonly [string, string]) => wholeTitleOf({ version, name }),
    [
      [["20240313", "170000_a"], "20240313170000_a"],
      [["20240313", "a"], undefined],
      [["20240313", "1700_a"], "202403131700_a"],
      [["20240313", "1700-_a"], "202403131700_a"],
      [["020240313", "170000_a"], "20240313170000_a"],
      [["2024", "03_13_170000_a"], "20240313170000_a"],
      [["2024", "03_13_a"], "20240313_a"],
      [["2024", "03-13-a"], "20240313_a"],
      [["2024", "03_13"], undefined],
      [["2024", "03_13_"], undefined],
      [["2024", "03_13_1700_a"], "202403131700_a"],
      [["2024", "03_13_170000__a"], "20240313170000_a"],
      [["001", "a"], undefined],
      [["20240313", "170000"], undefined],
      [["20240313", "170000_"], undefined],
      [["20240313", "240000_a"], undefined],
      [["20240313", "176000_a"], undefined],
      [["20240313", "170060_a"], undefined],
      [["2024", "3_13_a"], undefined],
      [["1899", "03_13_a"], undefined],
      [["2024", "12_31_235959-x"], "20241231235959_x"],
      [["2024", "10_09_095959_x"], "20241009095959_x"],
      [["2024", "03_13_2460_x"], "20240313_2460_x"],
      [["20240313", "x170000_a"], undefined],
      [["2024", "x03_13_a"], undefined],
      [["120240313", "170000_a"], undefined],
      [["202403131", "170000_a"], undefined],
      [["12024", "03_13_a"], undefined],
      [["20243", "03_13_a"], undefined],
      [["20240313", "1959_x"], "202403131959_x"],
      [["20240313", "0000_x"], "202403130000_x"],
      [["20240313", "2359_x"], "202403132359_x"],
      [["20240313", "170000__x"], "20240313170000_x"],
      [["20240313", "1700001_x"], undefined],
      [["20240313", "17000_x"], undefined],
      [["20240300", "1700_x"], undefined],
      [["20240010", "1700_x"], undefined],
      [["20241231", "1700_x"], "202412311700_x"],
      [["20240930", "1700_x"], "202409301700_x"],
      [["20241301", "1700_x"], undefined],
      [["20240332", "1700_x"], undefined],
      [["2024", "00_10_x"], undefined],
      [["2024", "13_10_x"], undefined],
      [["2024", "10_00_x"], undefined],
      [["2024", "10_32_x"], undefined],
      [["2024", "09_30_x"], "20240930_x"],
      [["2024", "12_01__x"], "20241201_x"],
      [["2024", "12_01_1200__x"], "202412011200_x"],
      [["2024", "12_01_2400_x"], "20241201_2400_x"],
      [["2024", "12_01_1960_x"], "20241201_1960_x"],
      [["2024", "12_01_12a_x"], "20241201_12a_x"]
    ]
  )
})
