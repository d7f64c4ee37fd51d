import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { DatabaseReady, Migrations } from "../layers/index.ts"
import { checksumOf } from "../layers/schema/Checksum.ts"
import {
  independently,
  migrationFiles,
  migrationsDirectory,
  notes,
  notesFiles,
  onlyFirst,
  pictureOf,
  platform,
  refusal,
  rowsOf,
  start,
  startConversationFiles,
  starting,
  temporaryFile,
  temporaryFolder
} from "./support/database.ts"

const sources = (files: Readonly<Record<string, string>>) => ({ migrations: Migrations.fromRecord(files) })

describe("the source of migrations", () => {
  const sourceRefusal = (files: Readonly<Record<string, string | Uint8Array>>) =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
      const refused = yield* refusal(
        Effect.provide(
          DatabaseReady,
          DatabaseReady.layer({
            filename: ":memory:",
            migrations: Migrations.fromDirectory(folder)
          })
        ).pipe(Effect.provide(platform), Effect.scoped, Effect.asVoid)
      )
      return [refused._tag, refused.reason]
    })

  it.scoped("may hold other files, but none that looks like a migration and would not be run", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* sourceRefusal({ "001_a.sql": "", "add_tags.sql": "" }), [
        "MigrationSourceError",
        "BadName"
      ])
      assert.deepStrictEqual(yield* sourceRefusal({ "001_a.sql": "", "002_b.ts": "" }), [
        "MigrationSourceError",
        "BadName"
      ])
      assert.deepStrictEqual(yield* sourceRefusal({ "001-a.sql": "" }), ["MigrationSourceError", "BadName"])
      assert.deepStrictEqual(yield* sourceRefusal({ "v2_tags.SQL": "" }), ["MigrationSourceError", "BadName"])
    })
  )

  it.scoped("is UTF-8 text: no character is guessed, and every edit is seen", () =>
    Effect.gen(function* () {
      const sql = "INSERT INTO names VALUES ('M\u00fcller');"
      const utf16 = Buffer.from(sql, "utf16le")
      for (const [what, bytes] of [
        ["Latin-1", Buffer.from(sql, "latin1")],
        ["UTF-16", utf16],
        ["UTF-16 with its mark", Buffer.concat([Buffer.from([0xff, 0xfe]), utf16])],
        ["UTF-16 of ASCII alone", Buffer.from("SELECT 1;", "utf16le")],
        ["cut off within a character", Buffer.from(sql).subarray(0, sql.indexOf("\u00fc") + 1)],
        ["a surrogate", Buffer.from([0xed, 0xa0, 0x80])]
      ] as const) {
        const refused = yield* sourceRefusal({ "001_names.sql": bytes })
        assert.deepStrictEqual(refused, ["MigrationSourceError", "NotUtf8"], what)
      }
    })
  )

  it.scoped("may hold every character of UTF-8, even a byte order mark and the replacement character", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = yield* temporaryFile
      const sql = "\ufeffCREATE TABLE names AS SELECT 'M\u00fcller \ufffd \u{1f600}' AS name;"
      writeFileSync(join(folder, "001_names.sql"), sql)
      yield* start(file, { migrations: Effect.provide(Migrations.fromDirectory(folder), platform) })
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT name FROM names"), [{ name: "M\u00fcller \ufffd \u{1f600}" }])
    })
  )

  it.effect("refuses values that are not text, such as the modules of import.meta.glob", () =>
    Effect.gen(function* () {
      for (const [value, kind] of [
        ['{ "default": "SELECT 1" }', "object"],
        ["7", "number"],
        ["null", "object"]
      ] as const) {
        const error = yield* Effect.flip(Migrations.fromRecord(JSON.parse(`{ "001_a.sql": ${value} }`)))
        assert.include(error, { reason: "BadName", path: "001_a.sql", retryable: false })
        assert.include(error.detail, `it is not text, but of type ${kind}`)
      }
    })
  )

  it.scoped("refuses a fifo or a directory in place of a migration, without waiting for it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      spawnSync("mkfifo", [join(folder, "001_fifo.sql")])
      const refused = yield* Effect.provide(
        refusal(
          Effect.scoped(
            Layer.build(DatabaseReady.layer({ filename: ":memory:", migrations: Migrations.fromDirectory(folder) }))
          )
        ),
        platform
      )
      assert.strictEqual(refused.sentence, "001_fifo.sql is not named like a migration (it is not a file: FIFO)")
    })
  )

  it.scoped("may be links to files, as a ConfigMap's are, but not links to directories or to nothing", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const mounted = join(folder, "mounted")
      mkdirSync(join(mounted, "..2026"), { recursive: true })
      writeFileSync(join(mounted, "..2026", "001_a.sql"), "CREATE TABLE a (x)")
      symlinkSync("..2026", join(mounted, "..data"))
      symlinkSync("..data/001_a.sql", join(mounted, "001_a.sql"))
      const migrations = Migrations.fromDirectory(mounted)
      const started = Effect.scoped(Layer.build(DatabaseReady.layer({ filename: ":memory:", migrations })))
      const context = yield* Effect.provide(started, platform)
      assert.strictEqual(Context.get(context, DatabaseReady).report.schemaVersion, "001")
      for (const [target, kind] of [
        ["..2026", "Directory"],
        ["nowhere", "a link that leads nowhere"]
      ] as const) {
        symlinkSync(target, join(mounted, "002_b.sql"))
        const { sentence } = yield* Effect.provide(refusal(started), platform)
        assert.strictEqual(sentence, `002_b.sql is not named like a migration (it is not a file: ${kind})`)
        unlinkSync(join(mounted, "002_b.sql"))
      }
    })
  )

  it.scoped("may not use a number twice, however it is written", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* sourceRefusal({ "001_a.sql": "", "1_b.sql": "" }), [
        "MigrationSourceError",
        "Duplicate"
      ])
    })
  )

  it("has checksums that do not change when an editor saves the file, but change with everything else", () => {
    const text = "CREATE TABLE t (\n  x TEXT\n);\n"
    const same = [
      `\uFEFF${text}`,
      text.replaceAll("\n", "\r\n"),
      text.replace("(\n", "(  \t\n"),
      text.trimEnd(),
      `${text}\n\n`
    ]
    const other = [text.replace("x", "y"), text.replace("  x", " x"), text.replace("\n);", ");")]
    assert.deepStrictEqual(
      same.map(checksumOf),
      same.map(() => checksumOf(text))
    )
    assert.isFalse(other.map(checksumOf).includes(checksumOf(text)))
  })
})

describe("migrations", () => {
  it.scopedLive("report the time that really passed, even if the wall clock is set back meanwhile", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const clock = yield* Effect.clock
      let wall = 1_700_000_000_000
      const setBack: Clock.Clock = Object.create(clock, {
        unsafeCurrentTimeMillis: { value: () => (wall -= 1000) }
      })
      yield* Effect.withClock(start(file), setBack)
      const times = "count(*) > 0 AS isAny, sum(execution_time_ms NOT BETWEEN 0 AND 900) AS wrong"
      assert.deepStrictEqual(yield* rowsOf(file, `SELECT ${times} FROM schema_migrations`), [{ isAny: 1, wrong: 0 }])
    })
  )

  it.scoped("run completely: many statements, triggers and all, from a directory and from a record", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      yield* independently(file, (connection) => connection.exec("INSERT INTO notes (body) VALUES ('')"))
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT body FROM notes"), [{ body: "first" }, { body: "empty" }])
    })
  )

  it.scoped("are applied in one transaction: a failing one also rolls back those before it", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const before = yield* pictureOf(dirname(file))
      const refused = yield* refusal(
        start(
          file,
          sources({
            ...notesFiles,
            "003_bad.sql": "INSERT INTO tags VALUES (1, 'x');\nINSERT INTO tags VALUES (NULL, NULL);"
          })
        )
      )
      assert.deepStrictEqual([refused._tag, refused.reason], ["UpgradeError", "StatementFailed"])
      assert.include(refused.message, "Migration 003_bad failed in line 2")
      assert.include(refused.message, "SQLITE_CONSTRAINT_NOTNULL")
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )

  it.scoped("may not leave rows whose references point to nothing", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const refused = yield* refusal(
        start(
          file,
          sources({
            ...notesFiles,
            "003_orphans.sql": "PRAGMA defer_foreign_keys = ON; INSERT INTO tags VALUES (4711, 'x');"
          })
        )
      )
      assert.deepStrictEqual([refused._tag, refused.reason], ["UpgradeError", "ForeignKeyViolations"])
      assert.include(refused.message, "row 1 of tags refers to a missing row of notes")
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT * FROM tags"), [])
    })
  )

  it.scoped("may not hold a statement that would end the transaction or has no effect inside one", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      for (const statement of [
        "COMMIT",
        "end transaction",
        "BEGIN IMMEDIATE",
        "ROLLBACK",
        "VACUUM",
        "/* quietly */ PRAGMA foreign_keys = OFF",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA main.foreign_keys = OFF",
        'PRAGMA "foreign_keys" = off',
        "ATTACH 'other.db' AS other",
        "INSERT INTO a VALUES (1) \0, (2)"
      ]) {
        const refused = yield* refusal(start(file, sources({ "001_a.sql": `CREATE TABLE a (x);\n${statement};` })))
        assert.deepStrictEqual([refused._tag, refused.reason], ["UpgradeError", "NotAllowed"], statement)
        assert.propertyVal(refused, "line", 2)
      }
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT name FROM sqlite_schema"), [])
    })
  )

  it.scoped("may use savepoints", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const sql =
        "CREATE TABLE a (x); SAVEPOINT s; INSERT INTO a VALUES (1); ROLLBACK TO s; RELEASE s; INSERT INTO a VALUES (2);"
      yield* start(file, sources({ "001_a.sql": sql }))
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT x FROM a"), [{ x: 2 }])
    })
  )

  it.scoped("that rewrite the history are rolled back, so that no later start has to refuse it", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const before = yield* pictureOf(dirname(file))
      const rewriting = [
        "DELETE FROM schema_migrations WHERE version = '001'",
        "UPDATE schema_migrations SET checksum = 'abc' WHERE version = '001'",
        "UPDATE schema_migrations SET status = 'half' WHERE version = '002'",
        "INSERT INTO schema_migrations (version, description) VALUES ('900', 'another')",
        "CREATE TRIGGER again AFTER INSERT ON schema_migrations BEGIN DELETE FROM schema_migrations; END"
      ]
      for (const sql of rewriting) {
        const migrations = Migrations.fromRecord({ ...notesFiles, "003_rewrite.sql": sql })
        const refused = yield* refusal(start(file, { migrations }))
        assert.deepStrictEqual([refused._tag, refused.reason], ["UpgradeError", "HistoryRewritten"], sql)
        assert.deepStrictEqual(yield* pictureOf(dirname(file)), before, sql)
      }
    })
  )

  it.scoped("leave nothing temporary on the connection, which would hide what is in the file", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const temporary = [
        'CREATE TEMP TABLE tags AS SELECT 1 AS note, "x" AS tag FROM (SELECT 1 AS "x")',
        "CREATE INDEX temp.by_tag ON tags(tag)",
        "CREATE TEMP VIEW notes AS SELECT 1 AS id",
        "CREATE TEMP TRIGGER gone AFTER INSERT ON main.tags BEGIN DELETE FROM tags; END",
        "CREATE VIRTUAL TABLE temp.words USING fts5(word)",
        'CREATE TEMP TABLE "od""d" (x INTEGER PRIMARY KEY AUTOINCREMENT)'
      ]
      yield* start(file)
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`INSERT INTO tags VALUES (1, 'mine')`
        assert.deepStrictEqual(yield* sql`SELECT body FROM notes`, [{ body: "first" }])
        assert.deepStrictEqual(yield* sql`SELECT name FROM temp.sqlite_schema WHERE name NOT LIKE 'sqlite%'`, [])
      }).pipe(Effect.provide(starting(file, sources({ ...notesFiles, "003_work.sql": `${temporary.join(";\n")};` }))))
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT tag FROM tags"), [{ tag: "mine" }])
    })
  )

  it.scoped("that mark the file as another program's are rolled back", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { applicationId: 4711 })
      const before = yield* pictureOf(dirname(file))
      const migrations = Migrations.fromRecord({ ...notesFiles, "003_mark.sql": "PRAGMA application_id = 777;" })
      const refused = yield* refusal(start(file, { migrations, applicationId: 4711 }))
      assert.include(refused.message, "After 003_mark, every start would refuse the database (application_id is no")
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
      assert.strictEqual((yield* start(file, { migrations })).schemaVersion, "003", "nobody else minds")
    })
  )

  it.scoped("read only part of a large index for its statistics, however many rows there are", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      // The part of the index that a limited look sees is not like the rest.
      const rows = `WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 5000)
INSERT INTO tags SELECT 1, CASE WHEN x <= 3000 THEN 'a' ELSE 'b' || x END FROM n`
      yield* independently(file, (connection) => connection.exec(rows))
      yield* start(file, sources({ ...notesFiles, "003_index.sql": "CREATE INDEX by_tag ON tags(tag);" }))
      const whole = yield* independently(file, (connection) => {
        const before = connection.prepare("SELECT stat FROM sqlite_stat1 WHERE idx = 'by_tag'").get()
        connection.exec("ANALYZE")
        return [before, connection.prepare("SELECT stat FROM sqlite_stat1 WHERE idx = 'by_tag'").get()]
      })
      assert.notDeepEqual(whole[0], whole[1])
    })
  )

  it.scoped("leave statistics behind if tables already held rows", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      yield* independently(file, (connection) => connection.exec("INSERT INTO tags VALUES (1, 'a')"))
      yield* start(file, sources({ ...notesFiles, "003_index.sql": "CREATE INDEX by_tag ON tags(tag);" }))
      assert.deepInclude(yield* rowsOf(file, "SELECT DISTINCT tbl FROM sqlite_stat1"), { tbl: "tags" })
    })
  )

  it.scoped("that were edited, renamed, lost or slipped in are refused with the file untouched", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const before = yield* pictureOf(dirname(file))
      const { "001_create_notes.sql": first, "002_add_tags.sql": second } = notesFiles
      const cases: ReadonlyArray<[string, Readonly<Record<string, string>>]> = [
        ["Edited", { ...notesFiles, "001_create_notes.sql": first.replace("first", "second") }],
        ["Renamed", { "001_make_notes.sql": first, "002_add_tags.sql": second }],
        ["Missing", { "002_add_tags.sql": second }],
        ["NewerDatabase", { "001_create_notes.sql": first }],
        ["Late", { ...notesFiles, "000_before.sql": "CREATE TABLE early (x);" }]
      ]
      for (const [reason, files] of cases) {
        const refused = yield* refusal(start(file, sources(files)))
        assert.deepStrictEqual([refused._tag, refused.reason], ["HistoryError", reason])
      }
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )

  it.scoped("are not confused by another tool's table of that name", () =>
    Effect.gen(function* () {
      const shapes = {
        "dbmate's or Rails' shape": "version TEXT PRIMARY KEY",
        "golang-migrate's shape": "version INTEGER, dirty INTEGER",
        "Ecto's shape": "version INTEGER PRIMARY KEY, inserted_at TEXT",
        "an unknown shape": "what TEXT"
      }
      for (const [shape, columns] of Object.entries(shapes)) {
        const file = yield* temporaryFile
        mkdirSync(dirname(file))
        yield* independently(file, (connection) => connection.exec(`CREATE TABLE schema_migrations (${columns})`))
        const before = yield* pictureOf(dirname(file))
        const refused = yield* refusal(start(file))
        assert.deepStrictEqual([refused._tag, refused.reason], ["HistoryError", "ForeignHistory"])
        assert.include(refused.message, shape)
        assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
      }
    })
  )

  it.scoped("are judged before the first write: a refused file does not even change its journal mode", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      yield* independently(file, (connection) => connection.pragma("journal_mode = DELETE"))
      const before = yield* pictureOf(dirname(file))
      yield* refusal(start(file, { migrations: onlyFirst }))
      const failing = { ...notesFiles, "003_bad.sql": "INSERT INTO nowhere VALUES (1);" }
      assert.strictEqual((yield* refusal(start(file, sources(failing)))).reason, "StatementFailed")
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )
})

describe("migrations as Effects", () => {
  const upper = Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql.withTransaction(sql`UPDATE notes SET body = upper(body)`)
  })

  it.scoped("come from a loader of @effect/sql, and run between SQL files in the same transaction", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const effects = Migrations.fromLoader(Migrator.fromRecord({ "003_upper": upper }))
      const last = Migrations.fromRecord({ "004_last.sql": "CREATE TABLE last (x);" })
      const report = yield* start(file, { migrations: Migrations.all(notes, effects, last) })
      assert.deepStrictEqual(
        report.applied.map(({ version }) => version),
        ["001", "002", "003", "004"]
      )
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT body FROM notes"), [{ body: "FIRST" }])
      const again = yield* start(file, { migrations: Migrations.all(notes, effects, last) })
      assert.deepStrictEqual(again.applied, [])
    })
  )

  it.scoped("that fail or die are values, and are rolled back with the rest", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const endings = {
        fails: Effect.zipRight(upper, Effect.fail("no reason")),
        dies: Effect.zipRight(upper, Effect.die(new Error("boom"))),
        asks: Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.asVoid(sql`SELECT * FROM nowhere`))
      }
      for (const ending of Object.values(endings)) {
        const effects = Migrations.fromLoader(Migrator.fromRecord({ "003_upper": ending }))
        const refused = yield* refusal(start(file, { migrations: Migrations.all(notes, effects) }))
        assert.deepStrictEqual([refused._tag, refused.reason], ["UpgradeError", "EffectFailed"])
      }
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT name FROM sqlite_schema"), [])
    })
  )

  it.scoped("that end the transaction are detected", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const ending = Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.asVoid(sql`COMMIT`))
      const effects = Migrations.fromLoader(Migrator.fromRecord({ "003_commit": ending }))
      const refused = yield* refusal(start(file, { migrations: Migrations.all(notes, effects) }))
      assert.deepStrictEqual([refused._tag, refused.reason], ["UpgradeError", "TransactionEnded"])
    })
  )

  it.scoped("have numbers that can be a version, or are refused before there is a file", () =>
    Effect.gen(function* () {
      for (const number of [-1, 1.5, Number.NaN, 1e15]) {
        const file = yield* temporaryFile
        const migrations = Migrations.fromLoader(Effect.succeed([[number, "odd", Effect.succeed(Effect.void)]]))
        const refused = yield* refusal(start(file, { migrations }))
        assert.deepStrictEqual([refused._tag, refused.reason], ["MigrationSourceError", "NotLoaded"], String(number))
        assert.isFalse(existsSync(file))
      }
      const file = yield* temporaryFile
      const largest = Migrations.fromLoader(Effect.succeed([[1e15 - 1, "last", Effect.succeed(Effect.void)]]))
      yield* start(file, { migrations: largest })
      yield* start(file, { migrations: largest })
    })
  )

  it.scoped("that cannot be loaded are values too", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const broken = Migrations.fromLoader(
        Migrator.fromGlob({ "001_broken.ts": () => Promise.reject(new Error("no such module")) })
      )
      const refused = yield* refusal(start(file, { migrations: broken }))
      assert.deepStrictEqual([refused._tag, refused.reason], ["UpgradeError", "EffectFailed"])
      assert.include(refused.message, "no such module")
    })
  )
})

describe("a database of the system before this one", () => {
  const real = readFileSync(join(migrationsDirectory, "001_create_conversation_files.sql"), "utf8")

  /** The same objects in another style: white space, capitals and comments. */
  const foreignSchema = real
    .replace(/--[^\n]*/g, "-- noted elsewhere")
    .replace(/^[ \t]+/gm, "        ")
    .replace(/\bTEXT\b/g, "text")
    .replaceAll("AS session_count", "as session_count")

  const foreign = (file: string, schema: string) =>
    Effect.suspend(() => {
      mkdirSync(dirname(file), { recursive: true })
      return independently(file, (connection) => {
        connection.exec(schema)
        connection.exec(`
          CREATE TABLE IF NOT EXISTS schema_migrations (
            migration_id INTEGER PRIMARY KEY AUTOINCREMENT, version TEXT NOT NULL UNIQUE, description TEXT NOT NULL,
            applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, status TEXT DEFAULT 'completed', execution_time_ms INTEGER);
          INSERT INTO schema_migrations (version, description, applied_at, status)
            VALUES ('001', 'Conversation files', '2025-09-30 12:00:00', 'completed');
          INSERT INTO conversation_files (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash)
            VALUES ('f', 's', 'a', 'b', 'c', 1, 'd');`)
      })
    })

  it.scoped("is taken over: rows kept, missing columns added, ready", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* foreign(file, foreignSchema)
      const report = yield* startConversationFiles(file)
      assert.deepStrictEqual(
        report.applied.map(({ version, name }) => `${version}_${name}.sql`),
        migrationFiles.slice(1)
      )
      assert.deepStrictEqual(
        yield* rowsOf(
          file,
          "SELECT migration_id, version, description, applied_at, status, execution_time_ms, name, length(checksum) AS checksum FROM schema_migrations WHERE version = '001'"
        ),
        [
          {
            migration_id: 1,
            version: "001",
            description: "Conversation files",
            applied_at: "2025-09-30 12:00:00",
            status: "completed",
            execution_time_ms: null,
            name: "create_conversation_files",
            checksum: 64
          }
        ]
      )
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT file_id FROM conversation_files"), [{ file_id: "f" }])
      const again = yield* startConversationFiles(file)
      assert.include(again.stages[3]?.found, "nothing to apply")
    })
  )

  it.scoped("is taken over and checked when nothing else is pending", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* foreign(file, foreignSchema)
      const known = Migrations.fromRecord({ "001_create_conversation_files.sql": real })
      const report = yield* start(file, { migrations: known })
      assert.deepStrictEqual(report.applied, [])
      assert.include(report.stages[3]?.found, "took over 001_create_conversation_files")
      assert.strictEqual(report.integrity.because, "it was taken over")
    })
  )

  it.scoped("is refused with the difference if its structure is another, and stays as it is", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* foreign(file, foreignSchema.replace(/(mime_type +)text,/, "$1text, mime_guess text,"))
      const before = yield* pictureOf(dirname(file))
      const refused = yield* refusal(startConversationFiles(file))
      assert.deepStrictEqual([refused._tag, refused.reason], ["IntegrityError", "SchemaDiffers"])
      assert.include(refused.message, "changed: table conversation_files")
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )

  it.scoped("is refused if rows refer to nothing, and stays as it is", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* foreign(file, foreignSchema)
      yield* independently(file, (connection) => {
        connection.pragma("foreign_keys = OFF")
        connection.exec("INSERT INTO file_metadata (file_id, metadata_key) VALUES ('nobody', 'k')")
      })
      const before = yield* pictureOf(dirname(file))
      const refused = yield* refusal(startConversationFiles(file))
      assert.deepStrictEqual([refused._tag, refused.reason], ["IntegrityError", "ForeignKeyViolations"])
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )

  it.scoped("that was created in part and never recorded is completed, its rows kept", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      mkdirSync(dirname(file))
      const [beforeIndexes = ""] = foreignSchema.split("CREATE INDEX")
      yield* independently(file, (connection) => connection.exec(beforeIndexes))
      const report = yield* startConversationFiles(file)
      assert.strictEqual(report.applied.length, migrationFiles.length)
      assert.deepStrictEqual(report.integrity.extra, [])
    })
  )
})
