/** Directories of other tools, converted. Each is also run as the other tool would, and both have to make the same. */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { exitCode, Migrations, type OnOpen } from "../../layers/index.ts"
import type { ConvertOptions } from "../../layers/operate/Conversion.ts"
import type { ConvertError } from "../../layers/operate/ConvertError.ts"
import { convertMigrations } from "../../layers/operate/convert.ts"
import { planDatabase } from "../../layers/operate.ts"
import { objectNames, platform, refusal, start, temporaryFolder } from "../support/database.ts"
import { skipped, unavailable } from "../support/faults.ts"

const program = join(import.meta.dirname, "../../dist/database-ready.cjs")

type Files = Readonly<Record<string, string>>

const directoryOf = (files: Files) =>
  Effect.map(temporaryFolder, (folder) => {
    const source = join(folder, "theirs")
    mkdirSync(source)
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(source, name)), { recursive: true })
      writeFileSync(join(source, name), text)
    }
    return { source, destination: join(folder, "ours") }
  })

const converting = (options: ConvertOptions) => Effect.provide(convertMigrations(options), platform)

/** Every file below a directory with its text and times. */
const pictureOf = (directory: string): string =>
  readdirSync(directory, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => {
      const path = join(directory, name)
      const found = statSync(path)
      return `${name} ${found.mtimeMs} ${found.isFile() ? readFileSync(path, "utf8") : ""}`
    })
    .join("\n")

const users = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n"
const tags = "CREATE TABLE tags (user INTEGER NOT NULL REFERENCES users(id), tag TEXT NOT NULL);\n"
const trigger = "CREATE TRIGGER no_tags AFTER DELETE ON users BEGIN\n  DELETE FROM tags WHERE user = old.id;\nEND"
const redefine = `-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_users" ("id" INTEGER PRIMARY KEY, "name" TEXT NOT NULL DEFAULT '');
INSERT INTO "new_users" ("id", "name") SELECT "id", "name" FROM "users";
DROP TABLE "users";
ALTER TABLE "new_users" RENAME TO "users";
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;
`

/** The files as each tool has them, and the names that they get. */
const layouts: Readonly<Record<string, readonly [files: Files, names: ReadonlyArray<string>]>> = {
  "of Prisma": [
    {
      "20240101120000_init/migration.sql": users + tags,
      "20240102120000_redefine/migration.sql": redefine,
      "migration_lock.toml": 'provider = "sqlite"'
    },
    ["20240101120000_init.sql", "20240102120000_redefine.sql"]
  ],
  "of Prisma, with numbers that do not rise by name": [
    {
      "20250221_watcher/migration.sql": "ALTER TABLE users ADD COLUMN watcher TEXT;",
      "20250221232355_elapsed/migration.sql": users
    },
    ["001_elapsed.sql", "002_watcher.sql"]
  ],
  "of Diesel, which compares what is before the underscore as text": [
    {
      "2024-03-13-120000_add_owner/up.sql": "ALTER TABLE users ADD COLUMN owner TEXT;",
      "2024-03-13_init/up.sql": users
    },
    ["001_init.sql", "002_add_owner.sql"]
  ],
  "with a V before the number": [
    { "V0001.Init.up.sql": users, "V0001.Init.down.sql": "DROP TABLE users;", "V0002.Tags.up.sql": tags },
    ["0001_Init.sql", "0002_Tags.sql"]
  ],
  "of Drizzle, which has its order in a journal": [
    {
      "0001_late.sql": `ALTER TABLE \`users\` ADD \`age\` integer--> statement-breakpoint\n${trigger}\n--> statement-breakpoint\nCREATE INDEX a ON tags (tag)`,
      "0000_first.sql": `${users}--> statement-breakpoint\n${tags}`,
      "0001_forgotten.sql": "CREATE TABLE forgotten (a);",
      "meta/_journal.json": JSON.stringify({ entries: [{ tag: "0000_first" }, { tag: "0001_late" }] }),
      "meta/0000_snapshot.json": "{}"
    },
    ["0000_first.sql", "0001_late.sql"]
  ],
  "of Drizzle, that ends the transaction of the tool": [
    {
      "0000_a.sql": `COMMIT TRANSACTION;\n--> statement-breakpoint\nPRAGMA foreign_keys = OFF;\n--> statement-breakpoint\nBEGIN TRANSACTION;\n--> statement-breakpoint\n${users}--> statement-breakpoint\n${trigger.replaceAll("tags", "users").replace("user =", "id =")}\n--> statement-breakpoint\nCOMMIT TRANSACTION;\n--> statement-breakpoint\nBEGIN TRANSACTION;`,
      "meta/_journal.json": JSON.stringify({ entries: [{ tag: "0000_a" }] })
    },
    ["0000_a.sql"]
  ],
  "of Drizzle 1.0": [
    { "20240101120000_first/migration.sql": users, "20240101120000_first/snapshot.json": "{}" },
    ["20240101120000_first.sql"]
  ],
  "of Diesel": [
    {
      "00000000000000_setup/up.sql": "",
      "00000000000000_setup/down.sql": "",
      "2024-01-01-120000_users/up.sql": users,
      "2024-01-01-120000_users/down.sql": "DROP TABLE users;",
      "2024-01-02-120000-0000_tags/up.sql": tags,
      "2024-01-02-120000-0000_tags/down.sql": "DROP TABLE tags;"
    },
    ["00000000000000_setup.sql", "20240101120000_users.sql", "20240102120000_tags.sql"]
  ],
  "of Diesel, one with another mark in its time": [
    {
      "2018-01-14-171611_users/up.sql": users,
      "2024-03-06-170000_tags/up.sql": tags,
      "2024-03-13_170000_more/up.sql": "ALTER TABLE tags ADD COLUMN more TEXT;"
    },
    ["20180114171611_users.sql", "20240306170000_tags.sql", "20240313170000_more.sql"]
  ],
  "with the times of Laravel": [
    { "2024_03_13_180000_tags.sql": tags, "2024_03_13_170000_users.sql": users },
    ["20240313170000_users.sql", "20240313180000_tags.sql"]
  ],
  "with numbers of one digit and of two": [
    { "10_more.sql": "ALTER TABLE tags ADD COLUMN more TEXT;", "2_tags.sql": tags, "1_users.sql": users },
    ["1_users.sql", "2_tags.sql", "10_more.sql"]
  ],
  "of Flyway": [
    {
      "V1__users.sql": users,
      "V1.1__user_tags.sql": tags,
      "V1_10__More tags!.sql": "ALTER TABLE tags ADD COLUMN more TEXT;",
      "V1_2__index.sql": "CREATE INDEX tags_by_user ON tags (user);",
      "U1__users.sql": "DROP TABLE users;",
      "B1__all.sql": "CREATE TABLE never (a);",
      "R__names.sql": "DROP VIEW IF EXISTS names;\nCREATE VIEW names AS SELECT name FROM users;"
    },
    ["001_users.sql", "002_user_tags.sql", "003_index.sql", "004_More_tags.sql", "R__names.sql"]
  ],
  "of Flyway with whole numbers, in folders": [
    { "a/V2__tags.sql": tags, "V1__users.sql": users, "b/c/V10__index.sql": "CREATE INDEX i ON tags (user);" },
    ["1_users.sql", "2_tags.sql", "10_index.sql"]
  ],
  "of golang-migrate, with transactions": [
    {
      "000001_users.up.sql": `BEGIN;\n${users}COMMIT;\n`,
      "000001_users.down.sql": "DROP TABLE users;",
      "000002_tags.up.sql": `begin transaction;\n${tags}end;\nVACUUM;\nPRAGMA journal_mode = WAL;`,
      "000002_tags.down.sql": "DROP TABLE tags;",
      "embed.go": "package migrations"
    },
    ["000001_users.sql", "000002_tags.sql"]
  ],
  "of sqlx": [
    { "20240101120000_users.sql": users, "20240102120000_tags.sql": tags },
    ["20240101120000_users.sql", "20240102120000_tags.sql"]
  ],
  "of bun": [
    { "20240101120000_users.tx.up.sql": users, "20240101120000_users.tx.down.sql": "DROP TABLE users;" },
    ["20240101120000_users.sql"]
  ],
  "of goose": [
    {
      "00001_users.sql": `-- +goose NO TRANSACTION\n-- +goose Up\n${users}${tags}\n-- +goose Down\nDROP TABLE users;\n`,
      "00002_trigger.sql": `-- +goose Up\n-- +goose StatementBegin\n${trigger}\n-- +goose StatementEnd\nCREATE INDEX t ON tags (tag);\n-- +goose Down\nDROP TRIGGER no_tags;\n`
    },
    ["00001_users.sql", "00002_trigger.sql"]
  ],
  "of dbmate, which orders by name": [
    {
      "1_users.sql": `-- migrate:up\nCREATE INDEX people_by_id ON people (id);\n\n-- migrate:down\nDROP INDEX people_by_id;\n`,
      "10_people.sql": "-- migrate:up\nCREATE TABLE people (id);\n-- migrate:down\nDROP TABLE people;\n"
    },
    ["001_people.sql", "002_users.sql"]
  ],
  "of sql-migrate": [
    { "1_users.sql": `-- +migrate Up\n${users}\n-- +migrate Down notransaction\nDROP TABLE users;\n` },
    ["1_users.sql"]
  ],
  "of Rambler": [
    { "201409272258_users.sql": `-- rambler up\n${users}\n-- rambler down\nDROP TABLE users;\n` },
    ["201409272258_users.sql"]
  ],
  "of Play": [{ "1.sql": `# --- !Ups\n${users}\n# --- !Downs\nDROP TABLE users;\n` }, ["1_migration.sql"]],
  "of Postgrator": [
    { "001.do.users.sql": users, "001.undo.users.sql": "DROP TABLE users;", "002.do.sql": tags },
    ["001_users.sql", "002_migration.sql"]
  ],
  "in folders for up and down": [
    { "up/001-users.sql": users, "up/002 tags.sql": tags, "down/001-users.sql": "DROP TABLE users;" },
    ["001_users.sql", "002_tags.sql"]
  ],
  "with letters, signs and one number twice": [
    {
      "001-users.sql": users,
      "001a_tags.sql": tags,
      "002-index-up.sql": "CREATE INDEX i ON tags (user);",
      "002-index-down.sql": "DROP INDEX i;",
      "002.other.sql": "CREATE INDEX j ON tags (tag);",
      "10_last.sql": "ALTER TABLE users ADD COLUMN last TEXT;",
      "notes.sql": "SELECT 'not a migration';"
    },
    ["001_users.sql", "002_tags.sql", "003_index.sql", "004_other.sql", "005_last.sql"]
  ],
  "that rebuilds and deletes without a word": [
    {
      "1_all.sql": `${users}${tags}INSERT INTO users VALUES (1, 'Ann'), (2, 'Bob');\nINSERT INTO tags VALUES (1, 'x');\nCREATE TABLE "old ones" (a);`,
      "2_rebuild.sql": redefine.replaceAll(/^PRAGMA.*\n/gm, ""),
      "3_delete.sql": 'DELETE FROM users WHERE id = 2;\nDROP TABLE "old ones";'
    },
    ["1_all.sql", "2_rebuild.sql", "3_delete.sql"]
  ]
}

describe("a converted directory", () => {
  it.scoped("has strings in double quotes as strings where no column has that name, and says so", () =>
    Effect.gen(function* () {
      const { destination, source } = yield* directoryOf({
        "001_init.sql": `${users}CREATE TABLE kinds (kind TEXT CHECK (kind IN ("a", 'b')));\n`,
        "002_fill.sql": `INSERT INTO users (name) VALUES ("it's Ann"),\n  ("name");\nINSERT INTO kinds SELECT "a" FROM (SELECT "name" FROM users WHERE "name" <> "a");\n`,
        "003_watch.sql": `CREATE TRIGGER watch AFTER DELETE ON users WHEN old."name" <> "nobody" BEGIN\n  INSERT INTO kinds VALUES ("b");\nEND;\nCREATE VIEW named AS SELECT "name", "none" AS note FROM users;\n`
      })
      const { files } = yield* converting({ source, destination })
      assert.deepStrictEqual(
        files.flatMap(({ changes }) => changes.map(({ line, what }) => `${line}: ${what.replace(/:.*/, "")}`)),
        [
          `2: wrote 'a' for "a"`,
          `1: wrote 'it''s Ann' for "it's Ann"`,
          `2: wrote 'name' for "name"`,
          `3: wrote 'a' for "a"`,
          `1: wrote 'nobody' for "nobody"`,
          `2: wrote 'b' for "b"`,
          `4: wrote 'none' for "none"`
        ]
      )
      const text = (name: string) => readFileSync(join(destination, name), "utf8")
      assert.include(text("002_fill.sql"), `SELECT 'a' FROM (SELECT "name" FROM users WHERE "name" <> 'a')`)
      assert.include(text("003_watch.sql"), `old."name" <> 'nobody'`)
      assert.include(text("003_watch.sql"), `SELECT "name", 'none' AS note`)
      yield* start(":memory:", {
        migrations: Migrations.fromRecord(
          Object.fromEntries(readdirSync(destination).map((name) => [name, text(name)]))
        ),
        integrity: "full"
      })
    })
  )

  it.scopedLive.skipIf(unavailable !== undefined)(
    `that is refused leaves nothing, also where the last flush fails, and is made the next time${skipped}`,
    () =>
      Effect.gen(function* () {
        const { destination, source } = yield* directoryOf({ "001_users.sql": users })
        const args = [process.execPath, program, "convert", source, destination]
        const fault = ["-e", "trace=fsync", "-P", dirname(destination), "-e", "inject=fsync:error=EIO"]
        const trace = join(yield* temporaryFolder, "trace")
        const { status, stderr } = spawnSync("strace", ["-f", "-qq", "-o", trace, ...fault, ...args], {
          encoding: "utf8",
          env: { PATH: process.env["PATH"] }
        })
        assert.strictEqual(status, exitCode.inputOutput, stderr)
        assert.deepStrictEqual(readdirSync(dirname(destination)), ["theirs"])
        assert.lengthOf((yield* converting({ source, destination })).files, 1)
      })
  )

  it.scoped("runs functions of `onOpen` in both proofs", () =>
    Effect.gen(function* () {
      const { destination, source } = yield* directoryOf({
        "001_users.sql": users,
        "002_plain.sql": "UPDATE users SET name = plain(name) WHERE name <> plain(name);\n"
      })
      const onOpen: OnOpen = (connection) => connection.function("plain", (text) => String(text).trim())
      const refused = yield* refusal(converting({ source, destination }))
      assert.deepInclude(refused, { reason: "SourceFails", file: "002_plain.sql" })
      assert.lengthOf((yield* converting({ source, destination, onOpen })).files, 2)
      assert.deepStrictEqual(readdirSync(destination), ["001_users.sql", "002_plain.sql"])
    })
  )

  for (const [whose, [files, names]] of Object.entries(layouts)) {
    it.scoped(`${whose} is what a start accepts, and the source stays as it is`, () =>
      Effect.gen(function* () {
        const place = yield* directoryOf(files)
        const before = pictureOf(place.source)
        const shown = yield* converting({ ...place, dryRun: true })
        assert.isFalse(existsSync(place.destination))
        const converted = yield* converting(place)
        assert.deepStrictEqual(converted, { ...shown, isWritten: true })
        assert.deepStrictEqual(
          converted.files.map(({ to }) => to),
          names
        )
        assert.sameMembers(readdirSync(place.destination), [...names])
        assert.strictEqual(pictureOf(place.source), before)
        const migrations = Migrations.fromDirectory(place.destination).pipe(Effect.provide(platform))
        const file = join(dirname(place.source), "app.db")
        const plan = yield* Effect.provide(planDatabase({ filename: file, migrations }), platform)
        assert.isUndefined(plan.obstacle)
        yield* start(file, { migrations })
        const made = yield* objectNames(file, "table")
        assert.notInclude(made, "forgotten")
        assert.notInclude(made, "never")
        for (const name of readdirSync(place.destination)) {
          const text = readFileSync(join(place.destination, name), "utf8")
          assert.notMatch(
            text,
            /\+goose|migrate:|\+migrate|rambler|!Ups|statement-breakpoint|BEGIN;|PRAGMA foreign_keys/i,
            name
          )
        }
      })
    )
  }

  it.scoped("says what it changed, at the lines of the source, and what it declares", () =>
    Effect.gen(function* () {
      const place = yield* directoryOf(layouts["of Prisma"]?.[0] ?? {})
      const { files, layout, left } = yield* converting(place)
      assert.include(layout, "Prisma")
      assert.deepStrictEqual(left, [])
      assert.deepStrictEqual(files[1], {
        from: "20240102120000_redefine/migration.sql",
        to: "20240102120000_redefine.sql",
        changes: [
          { line: 3, what: "removed PRAGMA foreign_keys=OFF: the library switches foreign keys" },
          { line: 8, what: "removed PRAGMA foreign_keys=ON: the library switches foreign keys" }
        ],
        declares: ["foreign_keys = off"]
      })
      assert.strictEqual(
        readFileSync(join(place.destination, "20240102120000_redefine.sql"), "utf8"),
        `-- database-ready: foreign_keys = off\n${redefine.replaceAll(/^PRAGMA foreign_keys.*\n/gm, "")}`
      )
    })
  )

  it.scoped("declares what a rebuild and a deletion need", () =>
    Effect.gen(function* () {
      const place = yield* directoryOf(layouts["that rebuilds and deletes without a word"]?.[0] ?? {})
      const { files } = yield* converting(place)
      assert.deepStrictEqual(
        files.map(({ declares }) => declares),
        [[], ["foreign_keys = off"], ['deletes = users, "old ones"']]
      )
    })
  )

  it.scoped("leaves out what the other tool does not run, with the reason", () =>
    Effect.gen(function* () {
      const place = yield* directoryOf(layouts["of Drizzle, which has its order in a journal"]?.[0] ?? {})
      const { left } = yield* converting(place)
      assert.deepStrictEqual(left, [
        { path: "0001_forgotten.sql", reason: "it is not in Drizzle's journal, so Drizzle does not run it" }
      ])
    })
  )
})

describe("a directory is not converted", () => {
  it.scoped("for a placeholder of its tool, with what to do", () =>
    Effect.gen(function* () {
      const { destination, source } = yield* directoryOf({ "V1__a.sql": "CREATE TABLE a (b DEFAULT $".concat("{b});") })
      const error = yield* refusal(converting({ source, destination }))
      assert.deepInclude(error, { reason: "SourceFails", file: "V1__a.sql" })
      assert.include(error.remedy, "write what it puts")
    })
  )

  const refused: Readonly<Record<string, readonly [files: Files, reason: ConvertError["reason"], says: string]>> = {
    "where a migration is a program": [{ "001_a.sql": users, "002_b.go": "package m" }, "Programs", "002_b.go"],
    "of Rails": [{ "20240101120000_create_users.rb": "class A" }, "Programs", ".rb"],
    "without SQL": [{ "README.md": "hello" }, "NoMigrations", "there is no SQL file"],
    "without numbers": [{ "users.sql": users, "tags.sql": tags }, "NoMigrations", "tags.sql, users.sql have no number"],
    "whose files lie deeper": [{ "sqlite/001_a.sql": users }, "NoMigrations", "there are SQL files in sqlite"],
    "of two tools": [{ "001_a.sql": users, "V2__b.sql": tags }, "Unclear", "named for different tools"],
    "with two files in a folder": [{ "1_a/up.sql": users, "1_a/more.sql": tags }, "Unclear", "the folder 1_a has"],
    "with an empty folder": [{ "1_a/up.sql": users, "2_b/README.md": "" }, "Unclear", "the folder 2_b has no SQL file"],
    "whose journal names what is gone": [
      { "meta/_journal.json": '{"entries":[{"tag":"0000_a"}]}', "0001_b.sql": users },
      "Unclear",
      "0000_a.sql"
    ],
    "whose journal is none": [{ "meta/_journal.json": "{", "0001_b.sql": users }, "Unclear", "not a journal"],
    "with times that not every tool has in the same order": [
      { "20240306170000_a.sql": users, "20240313_b.sql": tags },
      "Unclear",
      "unless 20240313_b.sql has the number 20240313000000"
    ],
    "of Liquibase": [{ "1_a.sql": `--liquibase formatted sql\n${users}` }, "Unclear", "Liquibase"],
    "that SQLite refuses": [{ "1_a.sql": users, "2_b.sql": "CREATE TABEL b (c);" }, "SourceFails", "2_b.sql"],
    "that a start refuses": [
      { "1_a.sql": users, "2_b.sql": "CREATE VIEW v AS SELECT missing FROM users;" },
      "NotAccepted",
      "2_b"
    ],
    "with placeholders": [{ "1_a.sql": "CREATE TABLE {prefix}users (a);" }, "SourceFails", "1_a.sql"]
  }
  for (const [whose, [files, reason, says]] of Object.entries(refused)) {
    it.scoped(`${whose}, and nothing is written`, () =>
      Effect.gen(function* () {
        const place = yield* directoryOf(files)
        const error = yield* refusal(converting(place))
        assert.deepInclude(error, { _tag: "ConvertError", reason })
        assert.include(error.message, says)
        assert.deepStrictEqual(readdirSync(dirname(place.source)), ["theirs"])
      })
    )
  }

  it.scoped("into a place that is taken, in the source, or nowhere", () =>
    Effect.gen(function* () {
      const place = yield* directoryOf({ "1_a.sql": users })
      const to = (destination: string) => refusal(converting({ source: place.source, destination }))
      assert.deepInclude(yield* to(join(place.source, "ours")), { reason: "Within" })
      assert.deepInclude(yield* to(place.source), { reason: "Within" })
      assert.deepInclude(yield* to(dirname(place.source)), { reason: "Occupied" })
      assert.deepInclude(yield* to(join(place.source, "..", "no such", "ours")), {
        reason: "NotWritten",
        code: "ENOENT"
      })
      const links = [join(place.source, "..", "dangling"), join(place.source, "..", "circle")] as const
      symlinkSync("no such", links[0])
      symlinkSync("circle", links[1])
      for (const link of links) assert.deepInclude(yield* to(link), { reason: "Occupied" })
      writeFileSync(place.destination, "mine")
      assert.deepInclude(yield* to(place.destination), { reason: "Occupied" })
      assert.strictEqual(readFileSync(place.destination, "utf8"), "mine")
      const absent = yield* refusal(converting({ ...place, source: join(place.source, "no such") }))
      assert.deepInclude(absent, { _tag: "MigrationSourceError", reason: "DirectoryUnreadable" })
    })
  )

  it.scoped("over anything, but into an empty directory", () =>
    Effect.gen(function* () {
      const place = yield* directoryOf({ "1_a.sql": users })
      mkdirSync(place.destination, { mode: 0o750 })
      yield* converting(place)
      assert.strictEqual(statSync(place.destination).mode & 0o777, 0o750)
      assert.deepInclude(yield* refusal(converting(place)), { reason: "Occupied" })
    })
  )
})

describe("database-ready convert", () => {
  it.scoped("says what it did, and what it refuses, for people and as one line of JSON", () =>
    Effect.gen(function* () {
      const { source } = yield* directoryOf(layouts["of goose"]?.[0] ?? {})
      const run = (...flags: ReadonlyArray<string>) =>
        spawnSync(process.execPath, [program, "convert", ...flags], { encoding: "utf8", cwd: dirname(source) })
      const shown = run("theirs", "ours", "--dry-run", "--json")
      assert.deepInclude(JSON.parse(shown.stdout), { status: "would convert", objects: 4 })
      const converted = run("theirs", "ours")
      assert.strictEqual(converted.status, 0, converted.stderr)
      assert.include(converted.stdout, "line 5: wrote the semicolon that was missing")
      const refused = run("theirs", "ours", "--json")
      assert.strictEqual(refused.status, exitCode.usage)
      assert.deepInclude(JSON.parse(refused.stdout), { status: "failed" })
    })
  )
})
