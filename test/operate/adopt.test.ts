/** Databases of other tools, taken over. `test/ledgers` says which of them the real tool made. */
import { spawnSync } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import { DatabaseReady, exitCode, exitCodeOf, Migrations } from "../../layers/index.ts"
import { type AdoptOptions, adopt } from "../../layers/operate.ts"
import {
  independently,
  pictureOf,
  platform,
  refusal,
  rowsOf,
  start,
  starting,
  temporaryFile,
  temporaryFolder
} from "../support/database.ts"

const ledgers = join(import.meta.dirname, "../ledgers")
const program = join(import.meta.dirname, "../../dist/database-ready.cjs")
const ledgerOf = (tool: string) => readFileSync(join(ledgers, `${tool}.sql`), "utf8")

const one = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);"
const two =
  "CREATE TABLE tags (user INTEGER NOT NULL REFERENCES users(id), tag TEXT NOT NULL);\nCREATE INDEX tags_by_user ON tags(user);"
const later = "ALTER TABLE users ADD COLUMN age INTEGER;"
const timed = { "20240101120000_create_users.sql": one, "20240102120000_add_tags.sql": two }
const counted = { "001_create_users.sql": one, "002_add_tags.sql": two }

/** A database with what a script makes, and a row. */
const databaseOf = (script: string) =>
  Effect.tap(temporaryFile, (file) => {
    mkdirSync(dirname(file), { recursive: true })
    return independently(file, (connection) => {
      connection.exec(script)
      if (script.includes("users (")) connection.exec("INSERT INTO users (name) VALUES ('Ann')")
    })
  })

const adopting = (
  filename: string,
  files: Readonly<Record<string, string>>,
  options: Omit<AdoptOptions, "filename" | "migrations"> = {}
) => Effect.provide(adopt({ filename, migrations: Migrations.fromRecord(files), ...options }), platform)

/** The rows of every table that is not ours. */
const contentsOf = (file: string) =>
  independently(file, (connection) =>
    connection
      .prepare<[], string>(
        "SELECT name FROM sqlite_schema AS objects WHERE type = 'table' AND NOT EXISTS (SELECT 1 FROM pragma_table_info(objects.name) WHERE name = 'content_version')"
      )
      .pluck()
      .all()
      .map((name) => [name.replace("former_", ""), connection.prepare(`SELECT * FROM "${name}"`).all()])
      .sort(([one], [other]) => (String(one) < String(other) ? -1 : 1))
  )

const drizzleFiles = {
  "0000_create_users.sql": "CREATE TABLE `users` (\n\t`id` integer PRIMARY KEY NOT NULL,\n\t`name` text NOT NULL\n);\n",
  "0001_add_tags.sql":
    "CREATE TABLE `tags` (\n\t`user` integer NOT NULL,\n\t`tag` text NOT NULL,\n\tFOREIGN KEY (`user`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action\n);\n--> statement-breakpoint\nCREATE INDEX `tags_by_user` ON `tags` (`user`);"
}
const djangoFiles = {
  "0001_initial.sql":
    'CREATE TABLE "app_user" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" text NOT NULL);',
  "0002_tag.sql":
    'CREATE TABLE "app_tag" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "tag" text NOT NULL, "user_id" bigint NOT NULL REFERENCES "app_user" ("id") DEFERRABLE INITIALLY DEFERRED);\nCREATE INDEX "app_tag_user_id_3eb7ac2a" ON "app_tag" ("user_id");'
}

/** The files as each tool's users have them, the table that is read, and the number of an entry, where there is one. */
const tools: Readonly<Record<string, readonly [files: Readonly<Record<string, string>>, table: string]>> = {
  drizzle: [drizzleFiles, "__drizzle_migrations"],
  prisma: [timed, "_prisma_migrations"],
  knex: [timed, "knex_migrations"],
  kysely: [counted, "kysely_migration"],
  effect: [counted, "effect_sql_migrations"],
  typeorm: [{ "1704110400000_create_users.sql": one, "1704196800000_add_tags.sql": two }, "migrations"],
  dbmate: [timed, "schema_migrations"],
  goose: [timed, "goose_db_version"],
  "golang-migrate": [timed, "schema_migrations"],
  sqlx: [timed, "_sqlx_migrations"],
  ecto: [timed, "schema_migrations"],
  diesel: [timed, "__diesel_schema_migrations"],
  flyway: [timed, "flyway_schema_history"],
  rails: [timed, "schema_migrations"],
  django: [djangoFiles, "django_migrations"],
  pocketbase: [{ "1704110400_create_users.sql": one, "1704196800_add_tags.sql": two }, "_migrations"]
}

describe("a takeover", () => {
  it("is tried with every table that there is a fixture of", () => {
    assert.sameMembers(
      readdirSync(ledgers).map((name) => name.replace(".sql", "")),
      Object.keys(tools)
    )
  })

  for (const [tool, [files, table]] of Object.entries(tools)) {
    it.effect(`of a database of ${tool} records what it applied, and changes nothing else`, () =>
      Effect.gen(function* () {
        const file = yield* databaseOf(ledgerOf(tool))
        const before = yield* contentsOf(file)
        const last = Object.keys(files).at(-1)?.replace(/_.*/, "") ?? ""
        const next = `${String(BigInt(last) + 1n).padStart(last.length, "0")}_later.sql`
        const all = { ...files, [next]: tool === "django" ? later.replace("users", "app_user") : later }
        const shown = yield* adopting(file, all, { dryRun: true })
        assert.deepInclude(shown, { table, isWritten: false, backup: undefined, extra: [] })
        const adopted = yield* adopting(file, all, { expected: shown, program: "test" })
        assert.deepStrictEqual(adopted, { ...shown, isWritten: true, backup: adopted.backup })
        assert.deepStrictEqual(
          adopted.recorded.map(({ name, version }) => `${version}_${name}.sql`),
          Object.keys(files)
        )
        assert.deepStrictEqual(adopted.pending, [next.replace(".sql", "")])
        assert.deepStrictEqual(yield* contentsOf(file), before)
        assert.deepStrictEqual(yield* contentsOf(adopted.backup ?? ""), before)
        const status = yield* start(file, {
          migrations: Migrations.fromRecord(files),
          access: "inspect",
          // It stays as the other tool has it until a start.
          pragmas: { journalMode: "delete" },
          integrity: "full"
        })
        assert.deepInclude(status, { status: "ready", schemaVersion: adopted.recorded.at(-1)?.version })
        const report = yield* start(file, { migrations: Migrations.fromRecord(all) })
        assert.deepStrictEqual(
          report.applied.map(({ version }) => version),
          [next.replace("_later.sql", "")]
        )
      }).pipe(Effect.scoped)
    )
  }

  it.effect("keeps when each migration was applied, where the other tool says so", () =>
    Effect.gen(function* () {
      const file = yield* databaseOf(ledgerOf("sqlx"))
      yield* adopting(file, timed)
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT version, applied_at, status, name FROM schema_migrations"), [
        { version: "20240101120000", applied_at: "2024-01-01 12:00:01", status: "completed", name: "create_users" },
        { version: "20240102120000", applied_at: "2024-01-02 12:00:01", status: "completed", name: "add_tags" }
      ])
      const times = (yield* adopting(yield* databaseOf(ledgerOf("pocketbase")), tools["pocketbase"]?.[0] ?? {}))
        .recorded
      assert.deepStrictEqual(
        times.map(({ appliedAt }) => appliedAt),
        ["2024-01-01T12:00:01.000Z", "2024-01-02T12:00:01.000Z"]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("finds files by their names where the numbers are others", () =>
    Effect.gen(function* () {
      for (const tool of ["knex", "typeorm", "prisma", "flyway", "sqlx"]) {
        const adopted = yield* adopting(yield* databaseOf(ledgerOf(tool)), counted, { dryRun: true })
        assert.lengthOf(adopted.recorded, 2, tool)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("of a database without a history goes as far as somebody says", () =>
    Effect.gen(function* () {
      const file = yield* databaseOf(`PRAGMA user_version = 7; ${one}`)
      assert.deepInclude(yield* refusal(adopting(file, counted)), { reason: "NoHistory" })
      assert.deepInclude(yield* refusal(adopting(file, counted, { through: "3" })), { reason: "NoSuchVersion" })
      assert.deepInclude(yield* refusal(adopting(file, counted, { through: "one" })), { reason: "NoSuchVersion" })
      const far = yield* refusal(adopting(file, counted, { through: "2" }))
      assert.include(far.message, "through 002, missing: index tags_by_user, table tags")
      const adopted = yield* adopting(file, counted, { through: "001" })
      assert.deepInclude(adopted, { tool: undefined, pending: ["002_add_tags"], userVersion: { before: 7, after: 1 } })
      assert.strictEqual((yield* start(file, { migrations: Migrations.fromRecord(counted) })).schemaVersion, "002")
      assert.deepInclude(yield* refusal(adopting(file, counted, { through: "2" })), { reason: "AlreadyOurs" })
    }).pipe(Effect.scoped)
  )

  it.effect(
    "with a version that somebody says takes each row by its name, not by a number that was another one's",
    () =>
      Effect.gen(function* () {
        const rows = "('2_create_users.js', 1), ('3_add_tags.js', 1)"
        const file = yield* databaseOf(
          `${one} ${two} CREATE TABLE knex_migrations (id INTEGER PRIMARY KEY, name, batch, migration_time); INSERT INTO knex_migrations (name, batch) VALUES ${rows};`
        )
        const { recorded } = yield* adopting(file, counted, { through: "2", dryRun: true })
        assert.deepStrictEqual(
          recorded.map(({ entry, version }) => [version, entry]),
          [
            ["001", "2_create_users.js"],
            ["002", "3_add_tags.js"]
          ]
        )
      }).pipe(Effect.scoped)
  )

  it.effect("is not of a schema that reaches further, or is another one", () =>
    Effect.gen(function* () {
      const further = yield* databaseOf(`${one} ${two}`)
      const short = yield* refusal(adopting(further, counted, { through: "1" }))
      assert.include(short.message, "extra: index tags_by_user, table tags")
      const changed = yield* databaseOf(one.replace("NOT NULL", ""))
      assert.include((yield* refusal(adopting(changed, counted, { through: "1" }))).message, "changed: table users")
      const extra = yield* databaseOf(`${one} CREATE TABLE theirs (a);`)
      assert.include((yield* refusal(adopting(extra, counted, { through: "1" }))).message, "extra: table theirs")
      const kept = yield* adopting(extra, counted, { through: "1", keepExtra: true })
      assert.deepStrictEqual(kept.extra, ["table theirs"])
      assert.strictEqual((yield* start(extra, { migrations: Migrations.fromRecord(counted) })).schemaVersion, "002")
    }).pipe(Effect.scoped)
  )

  const unfinished: ReadonlyArray<readonly [tool: string, statement: string, label: string]> = [
    ["golang-migrate", "UPDATE schema_migrations SET dirty = 1", "20240102120000"],
    ["sqlx", "UPDATE _sqlx_migrations SET success = 0 WHERE version = 20240102120000", "20240102120000"],
    ["flyway", "UPDATE flyway_schema_history SET success = 0 WHERE installed_rank = 2", "V20240102120000"],
    [
      "prisma",
      "DELETE FROM _prisma_migrations WHERE applied_steps_count = 1 AND migration_name LIKE '%tags'; UPDATE _prisma_migrations SET rolled_back_at = NULL",
      "20240102120000_add_tags"
    ]
  ]
  for (const [tool, statement, label] of unfinished) {
    it.effect(`is refused where ${tool} says that a migration failed`, () =>
      Effect.gen(function* () {
        const file = yield* databaseOf(`${ledgerOf(tool)};${statement};`)
        const picture = yield* pictureOf(dirname(file))
        const error = yield* refusal(adopting(file, timed))
        assert.deepInclude(error, { _tag: "AdoptError", reason: "Unfinished", detail: label, database: file })
        assert.strictEqual(exitCodeOf(error), exitCode.data)
        assert.deepStrictEqual(yield* pictureOf(dirname(file)), picture)
      }).pipe(Effect.scoped)
    )
  }

  it.effect("names what the files and the other tool's rows do not have in common", () =>
    Effect.gen(function* () {
      const errorOf = (script: string, files: Readonly<Record<string, string>>) =>
        Effect.flatMap(databaseOf(script), (file) => refusal(adopting(file, files)))
      const fewer = yield* errorOf(ledgerOf("goose"), { "20240101120000_create_users.sql": one })
      assert.include(fewer.message, "no file is 20240102120000")
      const gap = `${ledgerOf("dbmate")}; DELETE FROM schema_migrations WHERE version = '20240101120000';`
      assert.include((yield* errorOf(gap, timed)).message, "it does not have 20240101120000_create_users")
      const name = yield* errorOf(ledgerOf("effect"), { "001_init.sql": one, "002_add_tags.sql": two })
      assert.include(name.message, "no file is 1_create_users")
      const down = `${ledgerOf("goose")}; INSERT INTO goose_db_version VALUES (9, 20240102120000, 0, NULL);`
      assert.include((yield* errorOf(down, timed)).message, "through 20240101120000, extra: index tags_by_user")
      const none = yield* errorOf(`${ledgerOf("kysely")}; DELETE FROM kysely_migration;`, counted)
      assert.deepInclude(none, { reason: "NoHistory", detail: "it has no rows" })
    }).pipe(Effect.scoped)
  )

  it.effect("reads a tool's table under another name, where somebody says which, and its lock beside it", () =>
    Effect.gen(function* () {
      const renamed: Readonly<Record<string, readonly [from: string | undefined, usual: string, extra: string]>> = {
        drizzle: [undefined, "__drizzle_migrations", ""],
        knex: [undefined, "knex_migrations", ""],
        goose: [undefined, "goose_db_version", ""],
        flyway: [undefined, "flyway_schema_history", ""],
        rails: ["rails", "schema_migrations", "CREATE TABLE knex_migrations (id integer, name, batch, migration_time);"]
      }
      for (const [tool, [from, usual, extra]] of Object.entries(renamed)) {
        const file = yield* databaseOf(`${ledgerOf(tool).replaceAll(usual, "Kept_Elsewhere")} ${extra}`)
        const files = tools[tool]?.[0] ?? {}
        const unnamed = yield* refusal(adopting(file, files, { from }))
        assert.deepInclude(unnamed, { reason: "NoHistory" }, tool)
        assert.include(unnamed.remedy, "--table NAME")
        const adopted = yield* adopting(file, files, { from, table: "kept_elsewhere" })
        assert.deepInclude(adopted, { tool, table: "Kept_Elsewhere", renamedTo: undefined, extra: [] })
        assert.lengthOf(adopted.recorded, 2, tool)
        yield* start(file, { migrations: Migrations.fromRecord(files) })
      }
      const other = yield* refusal(adopting(yield* databaseOf(ledgerOf("knex")), timed, { table: "tags" }))
      assert.include(other.message, "tags is not the table of a tool")
    }).pipe(Effect.scoped)
  )

  it.effect("of Drizzle takes rows by their place where the files were converted, and says so", () =>
    Effect.gen(function* () {
      const converted = Object.fromEntries(
        Object.entries(drizzleFiles).map(([name, text]) => [name, text.replace("--> statement-breakpoint\n", "")])
      )
      const file = yield* databaseOf(ledgerOf("drizzle"))
      const { recorded } = yield* adopting(file, converted, { dryRun: true })
      assert.deepStrictEqual(
        recorded.map(({ entry }) => entry),
        ["300145a8ca1e", "3b2174ec1beb, by its place"]
      )
      const fewer = { "0000_create_users.sql": drizzleFiles["0000_create_users.sql"] }
      assert.include((yield* refusal(adopting(file, fewer))).message, "no file is 3b2174ec1beb")
      // A text that makes another schema is still refused.
      const edited = {
        ...converted,
        "0001_add_tags.sql": converted["0001_add_tags.sql"]?.replace("text", "blob") ?? ""
      }
      assert.deepInclude(yield* refusal(adopting(file, edited)), { reason: "SchemaDiffers" })
    }).pipe(Effect.scoped)
  )

  it.effect("asks which history counts where there are several", () =>
    Effect.gen(function* () {
      const file = yield* databaseOf(
        `${ledgerOf("goose")} CREATE TABLE knex_migrations (id integer, name, batch, migration_time);`
      )
      const error = yield* refusal(adopting(file, timed))
      assert.include(error.message, "knex (knex_migrations), goose (goose_db_version)")
      assert.strictEqual(exitCodeOf(error), exitCode.usage)
      const other = yield* refusal(adopting(file, timed, { from: "sqlx" }))
      assert.include(other.message, "it has none of sqlx, it has knex (knex_migrations), goose (goose_db_version)")
      assert.deepInclude(yield* refusal(adopting(file, timed, { from: "knex" })), { detail: "it has no rows" })
      assert.strictEqual((yield* adopting(file, timed, { from: "goose" })).tool, "goose")
    }).pipe(Effect.scoped)
  )

  it.effect("does not take a table for a history whose columns are others", () =>
    Effect.gen(function* () {
      const file = yield* databaseOf(`${one} CREATE TABLE migrations (id, file); CREATE TABLE _migrations (a);`)
      assert.deepInclude(yield* refusal(adopting(file, counted)), { reason: "NoHistory" })
    }).pipe(Effect.scoped)
  )

  const named: Readonly<Record<string, string>> = {
    "a table of no tool":
      "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, done_at TEXT); INSERT INTO schema_migrations VALUES (1, '2024-01-01');",
    "an empty table of another shape": "CREATE TABLE Schema_Migrations (version INTEGER PRIMARY KEY, done_at TEXT);",
    "a table that has half of our columns":
      "CREATE TABLE schema_migrations (migration_id INTEGER PRIMARY KEY, description, status); INSERT INTO schema_migrations VALUES (1, 'one', 'completed');",
    "dbmate's table with a column more":
      "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, note TEXT); INSERT INTO schema_migrations VALUES ('1', 'by hand');",
    "a view": "CREATE VIEW schema_migrations AS SELECT name AS version FROM users;",
    "an index": "CREATE INDEX schema_migrations ON users(name);"
  }
  for (const [what, script] of Object.entries(named)) {
    it.effect(`leaves ${what} of the name that this library needs, and says so`, () =>
      Effect.gen(function* () {
        const file = yield* databaseOf(`${one} ${script}`)
        const picture = yield* pictureOf(dirname(file))
        for (const keepExtra of [false, true]) {
          for (const from of [undefined, "none"]) {
            const error = yield* refusal(adopting(file, counted, { from, through: "1", keepExtra }))
            assert.deepInclude(error, { _tag: "AdoptError", reason: "NameTaken", database: file })
            assert.include(error.remedy, "schema_migrations")
            assert.strictEqual(exitCodeOf(error), exitCode.data)
          }
        }
        assert.deepStrictEqual(yield* pictureOf(dirname(file)), picture)
      }).pipe(Effect.scoped)
    )
  }

  it.effect("writes into an empty table of this library, and leaves what hangs on it", () =>
    Effect.gen(function* () {
      const file = yield* databaseOf(
        `${one} CREATE TABLE schema_migrations (migration_id INTEGER PRIMARY KEY, version, description, applied_at, status, execution_time_ms, note); CREATE INDEX by_note ON schema_migrations(note);`
      )
      yield* adopting(file, counted, { through: "1" })
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT name FROM sqlite_schema WHERE name = 'by_note'"), [
        { name: "by_note" }
      ])
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT version, note FROM schema_migrations"), [
        { version: "001", note: null }
      ])
      assert.strictEqual((yield* start(file, { migrations: Migrations.fromRecord(counted) })).schemaVersion, "002")
    }).pipe(Effect.scoped)
  )

  it.effect("gives the other tool's table a name that nothing has", () =>
    Effect.gen(function* () {
      const file = yield* databaseOf(
        `${ledgerOf("dbmate")}; CREATE VIEW former_schema_migrations AS SELECT 1; CREATE INDEX Former_Schema_Migrations_2 ON users(name);`
      )
      const adopted = yield* adopting(file, timed, { keepExtra: true })
      assert.strictEqual(adopted.renamedTo, "former_schema_migrations_3")
      assert.lengthOf(yield* rowsOf(file, "SELECT * FROM former_schema_migrations_3"), 2)
    }).pipe(Effect.scoped)
  )

  it.effect("writes only what was shown", () =>
    Effect.gen(function* () {
      const file = yield* databaseOf(ledgerOf("goose"))
      const shown = yield* adopting(file, timed, { dryRun: true })
      yield* independently(file, (connection) => connection.exec("PRAGMA user_version = 3"))
      const picture = yield* pictureOf(dirname(file))
      assert.deepInclude(yield* refusal(adopting(file, timed, { expected: shown })), { reason: "Changed" })
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), picture)
    }).pipe(Effect.scoped)
  )

  it.effect("makes nothing where there is nothing, and looks at what is no database of another tool", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const absent = yield* refusal(adopting(join(folder, "no.db"), counted, { through: "1" }))
      assert.deepInclude(absent, { _tag: "ConnectionError", reason: "Absent" })
      const nowhere = yield* refusal(adopting(join(folder, "no", "no.db"), counted, { through: "1" }))
      assert.deepInclude(nowhere, { _tag: "DirectoryError" })
      writeFileSync(join(folder, "text.db"), "a text file that is longer than the header of a database ".repeat(4))
      assert.deepInclude(yield* refusal(adopting(join(folder, "text.db"), counted)), { reason: "NotADatabase" })
      assert.deepInclude(yield* refusal(adopting(folder, counted)), { reason: "NotAFile" })
      assert.deepInclude(yield* refusal(adopting(":memory:", counted)), { reason: "Empty" })
      assert.deepStrictEqual(readdirSync(folder), ["text.db"])
      const empty = join(folder, "empty.db")
      writeFileSync(empty, "")
      assert.deepInclude(yield* refusal(adopting(empty, counted)), { reason: "Empty" })
    }).pipe(Effect.scoped)
  )

  it.effect("is what the refusal of another tool's database names", () =>
    Effect.gen(function* () {
      const foreign = yield* refusal(
        start(yield* databaseOf(ledgerOf("rails")), { migrations: Migrations.fromRecord(timed) })
      )
      assert.deepInclude(foreign, { reason: "ForeignHistory" })
      assert.include(foreign.message, "`database-ready adopt ")
      const there = yield* refusal(
        start(yield* databaseOf(ledgerOf("knex")), { migrations: Migrations.fromRecord(timed) })
      )
      assert.include(there.message, "`database-ready adopt ")
    }).pipe(Effect.scoped)
  )

  it.effect("leaves a database that is ready, and is not drift", () =>
    Effect.gen(function* () {
      const file = yield* databaseOf(ledgerOf("rails"))
      yield* adopting(file, timed)
      const health = yield* Effect.provide(
        Effect.flatMap(DatabaseReady, ({ health }) => health),
        starting(file, { migrations: Migrations.fromRecord(timed) })
      )
      assert.strictEqual(health.schemaVersion, "20240102120000")
    }).pipe(Effect.scoped)
  )
})

describe("database-ready adopt", () => {
  it.effect("shows what it would write, wants a yes, and writes it with --yes", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      for (const [name, text] of Object.entries(timed)) writeFileSync(join(folder, name), text)
      const file = join(folder, "it's größe.db")
      const connection = new Sqlite(file)
      connection.exec(ledgerOf("dbmate"))
      connection.close()
      const run = (...flags: ReadonlyArray<string>) =>
        spawnSync(process.execPath, [program, "adopt", "--database", file, "--migrations", folder, ...flags], {
          encoding: "utf8"
        })
      const dry = run("--dry-run")
      assert.strictEqual(dry.status, 0, dry.stderr)
      assert.include(dry.stdout, "20240102120000_add_tags")
      assert.include(dry.stdout, "former_schema_migrations")
      const unasked = run("--json")
      assert.strictEqual(unasked.status, exitCode.usage)
      assert.nestedInclude(JSON.parse(unasked.stdout), { status: "failed", "error.reason": "NotConfirmed" })
      const done = run("--yes", "--json")
      assert.strictEqual(done.status, 0, done.stderr)
      assert.deepInclude(JSON.parse(done.stdout), { status: "adopted", tool: "dbmate", database: file })
    }).pipe(Effect.scoped)
  )
})
