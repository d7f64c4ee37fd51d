/** Migrations of other tools: read if their meaning is clear, otherwise refused with the remedy. */

import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { MigrationSource, Migrations } from "../layers/index.ts"
import { lowerHalfIn, upperHalfOf } from "../layers/schema/Halves.ts"
import {
  independently,
  objectNames,
  platform,
  refusal,
  start,
  temporaryFile,
  temporaryFolder
} from "./support/database.ts"

const up = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT DEFAULT 'it''s; -- +goose Down');\n"
const down = "DROP TABLE users;\n"

const twofold = {
  goose: `-- +goose Up\n${up}\n-- +goose Down\n${down}`,
  "goose with its other marks": `-- +goose NO TRANSACTION\n-- +goose Up\n-- +goose StatementBegin\n${up}-- +goose StatementEnd\n--  +GOOSE DOWN\n-- +goose StatementBegin\n${down}-- +goose StatementEnd\n`,
  "goose, the lower half first": `-- +goose Down\n${down}\n-- +goose Up\n${up}`,
  "sql-migrate": `-- +migrate Up\n${up}\n-- +migrate Down notransaction\n${down}`,
  micrate: `-- +micrate Up\n${up}-- +micrate Down\n${down}`,
  dbmate: `-- migrate:up\n${up}\n-- migrate:down\n${down}`,
  "dbmate with options": `-- migrate:up transaction:false\n${up}\n--migrate:down transaction:false\n${down}`,
  rambler: `-- rambler up\n${up}\n-- rambler down\n${down}`,
  "Play evolutions": `-- !Ups\n${up}\n# --- !Downs\n${down}`,
  tern: `${up}\n---- create above / drop below ----\n\n${down}`,
  "node-pg-migrate": `-- Up Migration\n${up}\n-- Down Migration\n${down}`,
  "node-sqlite": `--------------\n-- Up\n--------------\n${up}\n--------------\n-- Down\n--------------\n${down}`,
  "a mark with a sign": `-- @UP\n${up}-- @DOWN\n${down}`,
  shmig: `-- ==== UP ====\n${up}-- ==== DOWN ====\n${down}`,
  "MyBatis Migrations": `-- // create users\n${up}\n-- //@UNDO\n${down}`,
  dbdeploy: `${up}\n--//@UNDO\n${down}`,
  "a block comment": `/* UP */\n${up}/* DOWN */\n${down}`,
  "CRLF and a byte order mark": `\uFEFF-- +goose Up\n${up}-- +goose Down\n${down}`.replaceAll("\n", "\r\n")
}

describe("a file with two halves", () => {
  for (const [whose, text] of Object.entries(twofold)) {
    it.scoped(`is refused before there is a database, with the lines to remove: ${whose}`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        const error = yield* refusal(start(file, { migrations: Migrations.fromRecord({ "001_users.sql": text }) }))
        assert.deepInclude(error, { _tag: "MigrationSourceError", reason: "BadLayout", path: "001_users.sql" })
        const lines = text.split(/\r?\n/)
        const at = lines.findIndex((line) => /down|undo|drop below/i.test(line) && !line.includes("users"))
        assert.include(error.message, `line ${at + 1}, \`${lines[at]}\``)
        assert.match("remedy" in error ? error.remedy : "", new RegExp(`Remove lines ${at + 1} to \\d+;`))
      })
    )

    it.scoped(`runs its upper half if that is asked for: ${whose}`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        const source = Migrations.fromRecord({ "001_users.sql": text }, { halves: "up" })
        yield* start(file, { migrations: source })
        assert.deepStrictEqual(yield* objectNames(file, "table"), ["schema_migrations", "users"])
        yield* start(file, { migrations: source })
      })
    )
  }

  it.scoped("does not count as edited if only its lower half is edited", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const at = (text: string) =>
        start(file, { migrations: Migrations.fromRecord({ "001_users.sql": text }, { halves: "up" }) })
      yield* at(twofold.goose)
      yield* at(twofold.goose.replace("DROP TABLE users", "DROP TABLE IF EXISTS users"))
      assert.propertyVal(yield* refusal(at(twofold.goose.replace("TEXT", "BLOB"))), "reason", "Edited")
    })
  )

  it.scoped("keeps its line numbers, even after a lower half", () =>
    Effect.gen(function* () {
      const text = `-- +goose Down\n${down}\n\n-- +goose Up\nCREATE TABEL users (id);`
      const file = yield* temporaryFile
      const migrations = Migrations.fromRecord({ "001_users.sql": text }, { halves: "up" })
      assert.deepInclude(yield* refusal(start(file, { migrations })), { reason: "StatementFailed", line: 6 })
    })
  )

  it.scoped("equals one with an empty lower half, and one without it", () =>
    Effect.gen(function* () {
      for (const text of [`-- +goose Up\n${up}`, `-- +goose Up\n${up}-- +goose Down\n-- nothing\n`]) {
        const file = yield* temporaryFile
        yield* start(file, { migrations: Migrations.fromRecord({ "001_users.sql": text }) })
      }
    })
  )

  it.scoped("is not recognized in changesets of Liquibase, which are refused for a reason of their own", () =>
    Effect.gen(function* () {
      const text = `--liquibase formatted sql\n--changeset me:1 dbms:sqlite\n${up}--rollback ${down}`
      const file = yield* temporaryFile
      const refused = yield* refusal(start(file, { migrations: Migrations.fromRecord({ "001_users.sql": text }) }))
      assert.deepInclude(refused, { reason: "BadLayout", path: "001_users.sql" })
      assert.include(refused.message, "line 1 is a mark of Liquibase")
      yield* start(file, { migrations: Migrations.fromRecord({ "001_users.sql": text }, { halves: "up" }) })
      assert.include(yield* objectNames(file, "table"), "users")
    })
  )
})

describe("text that is not a mark", () => {
  const prose = [
    "-- up to here",
    "-- Down payments table",
    "-- down migration is not needed, because nothing is lost",
    "-- migrate:down would drop it",
    "-- +goose Down is in another file",
    "-- Undo log of the editor",
    "-- rollback is the caller's",
    "-- goes up and down",
    "-- 'down'",
    "-- !important: Downs",
    "-- 1 down",
    "-- create above or drop below",
    "/* Down payments */",
    "SELECT 1 AS x -- down"
  ]
  for (const comment of prose) {
    it(`is read as a comment: ${comment}`, () => {
      const text = `CREATE TABLE a (x);\n${comment}\n;CREATE TABLE b (x);`
      assert.isUndefined(lowerHalfIn(text))
      assert.strictEqual(upperHalfOf(text), text)
    })
  }

  it("is a mark within a string, a name, a comment or after a statement", () => {
    const mark = FastCheck.constantFrom("-- +goose Down", "-- migrate:down", "-- Down", "# --- !Downs", "-- //@UNDO")
    const around = FastCheck.constantFrom<readonly [string, string]>(
      ["INSERT INTO a VALUES ('\n", "\n');"],
      ['CREATE TABLE "x\n', '\n" (x);'],
      ["CREATE TABLE [x\n", "\n] (x);"],
      ["/* about\n", "\n*/"],
      ["-- about ", ""]
    )
    FastCheck.assert(
      FastCheck.property(mark, around, (mark, [before, after]) => {
        const text = `CREATE TABLE a (x);\n${before}${mark}${after}\nCREATE TABLE b (x);`
        assert.isUndefined(lowerHalfIn(text))
        assert.strictEqual(upperHalfOf(text), text)
      })
    )
  })
})

const inFolder = Effect.fnUntraced(function* (files: Readonly<Record<string, string>>) {
  const folder = yield* temporaryFolder
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return Effect.provide(Migrations.fromDirectory(folder), platform)
})

const a = "CREATE TABLE a (x);"
const b = "CREATE TABLE b (x);"
const drop = "DROP TABLE a;"

const layouts: Readonly<Record<string, readonly [Readonly<Record<string, string>>, ReadonlyArray<string>]>> = {
  "golang-migrate's pairs": [
    { "001_a.up.sql": a, "001_a.down.sql": drop, "002_b.up.sql": b, "002_b.down.sql": drop },
    ["001_a", "002_b"]
  ],
  "an up file alone": [{ "001_a.up.sql": a }, ["001_a"]],
  "bun's files without a transaction": [{ "001_a.tx.up.sql": a, "001_a.tx.down.sql": drop }, ["001_a"]],
  "a rollback beside a plain file": [{ "001_a.sql": a, "001_a.rollback.sql": drop }, ["001_a"]],
  "Prisma's folders": [
    { "20230101120000_a/migration.sql": a, "20230201120000_b/migration.sql": b, "migration_lock.toml": "x" },
    ["20230101120000_a", "20230201120000_b"]
  ],
  "Drizzle's folders": [
    { "20230101120000_a/migration.sql": a, "20230101120000_a/snapshot.json": "{}" },
    ["20230101120000_a"]
  ],
  "Drizzle's files": [{ "0000_a.sql": a, "meta/_journal.json": "{}", "meta/0000_snapshot.json": "{}" }, ["0000_a"]],
  "Diesel's folders": [
    { "2023-01-01-120000_a/up.sql": a, "2023-01-01-120000_a/down.sql": drop, "00000000000000_b/up.sql": b },
    ["00000000000000_b", "20230101120000_a"]
  ],
  "what editors and systems leave beside": [
    { "001_a.sql": a, "001_a.sql~": a, "001_a.sql.orig": a, "._001_a.sql": "\0", ".#001_a.sql": "", ".DS_Store": "" },
    ["001_a"]
  ]
}

describe("other tools' layouts", () => {
  for (const [whose, [files, titles]] of Object.entries(layouts)) {
    it.scoped(`are read if their meaning is clear, from a directory and from a record: ${whose}`, () =>
      Effect.gen(function* () {
        for (const source of [yield* inFolder(files), Migrations.fromRecord(files)]) {
          const file = yield* temporaryFile
          const { applied } = yield* start(file, { migrations: source })
          assert.deepStrictEqual(
            applied.map(({ name, version }) => `${version}_${name}`),
            titles
          )
          assert.include(yield* objectNames(file, "table"), "a")
        }
      })
    )
  }

  it.scoped("do not rename an up file that an earlier version applied under its full name", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: Migrations.fromRecord({ "001_a.sql": a }) })
      yield* independently(file, (connection) => connection.exec("UPDATE schema_migrations SET name = 'a.up'"))
      yield* start(file, { migrations: Migrations.fromRecord({ "001_a.up.sql": a, "001_a.down.sql": drop }) })
    })
  )

  for (const [what, files, path, sentence, cure] of [
    [
      "a down file alone",
      { "001_a.sql": a, "002_b.down.sql": drop },
      "002_b.down.sql",
      "it undoes 002_b, which is not here",
      "Do not number it as a migration"
    ],
    [
      "a down file of another number",
      { "001_a.up.sql": a, "002_a.down.sql": drop },
      "002_a.down.sql",
      "it undoes 002_a",
      "Do not number it as a migration"
    ],
    [
      "a folder with several files",
      { "001_a/one.sql": a, "001_a/two.sql": b },
      "001_a",
      "the folder has one.sql, two.sql",
      "one migration.sql or up.sql"
    ],
    [
      "a folder with both",
      { "001_a/migration.sql": a, "001_a/up.sql": b },
      "001_a",
      "the folder has",
      "one migration.sql or up.sql"
    ],
    ["a folder of files", { "2024/001_a.sql": a }, "2024", "the folder has 001_a.sql", "directly into the migrations"],
    [
      "an empty folder",
      { "001_a/notes.txt": "" },
      "001_a",
      "no SQL file",
      "Put the folder's migration.sql or up.sql back"
    ],
    [
      "a folder that only undoes",
      { "001_a/down.sql": drop },
      "001_a",
      "which undoes",
      "Put the folder's migration.sql or up.sql back"
    ],
    ["Flyway's versions", { "V1__a_b.sql": a }, "V1__a_b.sql", "named for Flyway, version 1", "Name it 1_a_b.sql"],
    ["Flyway's parts", { "V1.2__a.sql": a }, "V1.2__a.sql", "Flyway, version 1.2", "in Flyway's order"],
    ["Flyway's undo", { "U1__a.sql": drop }, "U1__a.sql", "undoes version 1", "Move it out"],
    ["Postgrator's", { "001.do.a.sql": a }, "001.do.a.sql", "Postgrator", "Name it 001_a.sql"],
    ["db-migrate's", { "001-a-down.sql": a }, "001-a-down.sql", "it undoes", "Move it out"]
  ] as const) {
    it.scoped(`are refused with the remedy if it is not: ${what}`, () =>
      Effect.gen(function* () {
        for (const source of [yield* inFolder(files), Migrations.fromRecord(files)]) {
          const error = yield* Effect.flip(source)
          assert.deepInclude(error, { reason: "BadLayout", path })
          assert.include(error.message, sentence)
          assert.include(error.remedy, cure)
        }
      })
    )
  }

  for (const [what, name, sentence, cure] of [
    [
      "letters behind it",
      "002a_x.sql",
      "002a has a letter after its number",
      "Give it and the files after it whole numbers"
    ],
    ["parts", "1.2_x.sql", "its number has parts", "one whole number"],
    ["too many digits", "20231231235959123_x.sql", "17 digits", "20231231235959_name.sql"],
    ["an R before it", "R1__a.sql", "without a number", "Name it R__a.sql"],
    ["a small r and none", "r__a.sql", "with a capital letter", "Name it R__a.sql"],
    ["another mark behind it", "002-add tags.sql", "expected NNN_name.sql", "Name it 002_add_tags.sql"],
    ["a capital extension", "002_A.SQL", "expected NNN_name.sql", "Name it 002_A.sql"],
    ["a time with a letter", "20240101T120000_x.sql", "expected NNN_name.sql", "Name it 20240101120000_x.sql"],
    ["a time with marks", "2024-03-13_170000_add_x.sql", "expected NNN_name.sql", "Name it 20240313170000_add_x.sql"],
    ["a time with colons", "2024-03-13T17:00:00_x.sql", "expected NNN_name.sql", "Name it 20240313170000_x.sql"],
    ["a day with hyphens", "2024-03-13_add_x.sql", "expected NNN_name.sql", "Name it 20240313_add_x.sql"],
    ["a day with points", "2024.03.13-x.sql", "expected NNN_name.sql", "Name it 20240313_x.sql"],
    ["a copy without its original", "002_x.sql.bak", "a copy that an editor or a merge left", "Give it back its name"]
  ] as const) {
    it.effect(`have numbers that are refused with what to do: ${what}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Migrations.fromRecord({ "001_a.sql": a, [name]: b }))
        assert.deepInclude(error, { reason: "BadName", path: name })
        assert.include(error.message, sentence)
        assert.include(error.remedy, cure)
      })
    )
  }

  it.effect("have one number for several files; no remedy changes their order or what was applied", () =>
    Effect.gen(function* () {
      const source = Migrations.fromRecord({ "002_a_users.sql": a, "002_b_tags.sql": b, "003_c.sql": "" })
      const error = yield* Effect.flip(
        Effect.scoped(Effect.flatMap(temporaryFile, (file) => start(file, { migrations: source })))
      )
      assert.deepInclude(error, { reason: "Duplicate", path: "002_a_users, 002_b_tags" })
      assert.notInclude(error.message, "next free")
    })
  )

  // Vaultwarden has one folder with an underscore among many with a hyphen: by its number it would be the first.
  const mixed: Readonly<Record<string, readonly [Readonly<Record<string, string>>, path: string, title: string]>> = {
    "a folder with another mark than the rest": [
      { "2018-01-14-171611_a/up.sql": a, "2024-03-06-170000_b/up.sql": b, "2024-03-13_170000_c/up.sql": "" },
      "2024-03-13_170000_c/up.sql",
      "20240313170000_c"
    ],
    "a day among times": [{ "20240306170000_a.sql": a, "20240313_b.sql": b }, "20240313_b.sql", "20240313000000_b"],
    "a day that a time begins with": [
      { "20250221_b/migration.sql": b, "20250221232355_a/migration.sql": a },
      "20250221_b/migration.sql",
      "20250221000000_b"
    ],
    "a time of day behind the number": [
      { "20240313120000_a.sql": a, "20240313_1700_b.sql": b },
      "20240313_1700_b.sql",
      "20240313170000_b"
    ],
    "a day behind a year": [
      { "20230101120000_a.sql": a, "2024_03_13_170000_b.sql": b },
      "2024_03_13_170000_b.sql",
      "20240313170000_b"
    ]
  }
  for (const [what, [files, path, title]] of Object.entries(mixed)) {
    it.effect(`have times whose order depends on who reads them, and are refused with the name: ${what}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(MigrationSource.make(Migrations.fromRecord(files)))
        assert.deepInclude(error, { reason: "BadName", path })
        assert.include(error.remedy, `Name it ${title}:`)
      })
    )
  }

  it.effect("have one number for several times, and are refused with a name for each", () =>
    Effect.gen(function* () {
      const files = { "2024_03_13_170000_a.sql": a, "2024_04_01_090000_b.sql": b }
      const error = yield* Effect.flip(MigrationSource.make(Migrations.fromRecord(files)))
      assert.deepInclude(error, { reason: "Duplicate" })
      assert.include(error.remedy, "Name them 20240313170000_a, 20240401090000_b:")
    })
  )

  /** How somebody may write a time in front of a name. `-` between the parts of a day stands in names of folders. */
  const written: Readonly<Record<string, (digits: string) => string>> = {
    seconds: (digits) => digits,
    minutes: (digits) => digits.slice(0, 12),
    day: (digits) => digits.slice(0, 8),
    "a day, and the time behind it": (digits) => `${digits.slice(0, 8)}_${digits.slice(8)}`,
    Laravel: (digits) => digits.replace(/^(....)(..)(..)/, "$1_$2_$3_"),
    Diesel: (digits) => digits.replace(/^(....)(..)(..)/, "$1-$2-$3-"),
    "Diesel's, with another mark": (digits) => digits.replace(/^(....)(..)(..)/, "$1-$2-$3_")
  }
  const times = FastCheck.uniqueArray(
    FastCheck.tuple(
      FastCheck.date({ min: new Date("1999-06-01"), max: new Date("2031-01-01"), noInvalidDate: true }),
      FastCheck.constantFrom(...Object.values(written))
    ),
    { minLength: 2, maxLength: 8, selector: ([date]) => date.toISOString().slice(0, 10) }
  )

  it("are in the order of their times, or refused with names that put them there", () => {
    FastCheck.assert(
      FastCheck.property(times, (times) => {
        const inOrder = [...times].sort(([one], [other]) => one.getTime() - other.getTime())
        const files = inOrder.map(
          ([date, write], at) => `${write(date.toISOString().replaceAll(/\D/g, "").slice(0, 14))}_m${at}/up.sql`
        )
        const wanted = files.map((_, at) => `m${at}`)
        let names: ReadonlyArray<string> = files
        for (let renamed = 0; ; renamed += 1) {
          const record = Object.fromEntries(names.map((name) => [name, ""]))
          const read = Effect.runSync(Effect.either(MigrationSource.make(Migrations.fromRecord(record))))
          if (Either.isRight(read)) {
            assert.deepStrictEqual(
              read.right.map(({ name }) => /m\d+$/.exec(name)?.[0]),
              wanted
            )
            return
          }
          // As the remedy says: once to tell it from its twins, and once to put it in order.
          assert.isBelow(renamed, 2 * files.length)
          const [, titles = ""] = /Name (?:it|them) ([^:]+):/.exec(read.left.remedy) ?? []
          assert.notStrictEqual(titles, "", read.left.message)
          for (const title of titles.split(", ")) {
            const mark = /m\d+$/.exec(title)?.[0] ?? ""
            names = names.map((name) => (name.endsWith(`_${mark}/up.sql`) ? `${title}/up.sql` : name))
          }
        }
      })
    )
  })

  it("count by their numbers, whatever the digits", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.uniqueArray(FastCheck.nat({ max: 9_999_999 }), { minLength: 1 }), (numbers) => {
        const record = Object.fromEntries(numbers.map((number) => [`${number}_m.sql`, ""]))
        const read = Effect.runSync(MigrationSource.make(Migrations.fromRecord(record)))
        assert.deepStrictEqual(
          read.map(({ id }) => id),
          [...numbers].sort((one, other) => one - other)
        )
      })
    )
  })
})
