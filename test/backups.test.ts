import {
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { basename, dirname, join } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import { DatabaseReady, Migrations, type RestoreError, restoreBackup } from "../layers/index.ts"
import {
  crashAfter,
  damagePage,
  independently,
  notes,
  notesFiles,
  onlyFirst,
  openConnection,
  pictureOf,
  platform,
  refusal,
  rivalProcess,
  rowsOf,
  start,
  temporaryFile
} from "./support/database.ts"
import { runProgram, spawnProgram } from "./support/program.ts"

/** The files next to the database, without the database's name. */
const beside = (file: string) =>
  Effect.sync(() =>
    readdirSync(dirname(file))
      .filter((name) => name !== basename(file))
      .map((name) => name.replace(basename(file), ""))
      .sort()
  )

const bodies = "SELECT body FROM notes ORDER BY id"
const restore = (options: Parameters<typeof restoreBackup>[0]) => Effect.provide(restoreBackup(options), platform)

/** A copy next to it. */
const copyOf = (file: string) =>
  independently(file, (connection) => {
    const copy = join(dirname(file), "copy.backup")
    connection.prepare("VACUUM INTO ?").run(copy)
    return copy
  })

/** The platform with some calls replaced. */
const platformWith = (change: (fs: FileSystem.FileSystem) => Partial<FileSystem.FileSystem>) =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => ({ ...fs, ...change(fs) }))
  ).pipe(Layer.provide(NodeFileSystem.layer), Layer.merge(NodePath.layer))

/** Runs an action right after the old file got the name under which it is kept. */
const whenKept = (act: Effect.Effect<unknown>) =>
  platformWith((fs) => ({
    rename: (from, to) => Effect.zipLeft(fs.rename(from, to), /\.replaced-\w+$/.test(to) ? act : Effect.void)
  }))

/** Runs an action after the restore has seen that nobody uses the database, before it begins. */
const whenSeenUnused = (act: Effect.Effect<unknown>) =>
  platformWith((fs) => ({
    stat: (path) => Effect.zipRight(/\.replaced-\w+$/.test(path) ? act : Effect.void, fs.stat(path))
  }))

/** A database that was upgraded from 001 to 002, and written to afterwards. */
const upgraded = Effect.gen(function* () {
  const file = yield* temporaryFile
  yield* start(file, { migrations: onlyFirst })
  const { backup = "" } = yield* start(file)
  yield* independently(file, (connection) => connection.exec("INSERT INTO notes (body) VALUES ('second')"))
  return { file, backup }
})

describe("an upgrade of a database with rows", () => {
  it.scoped("is preceded by a copy: whole, sound, one file that only its owner may read, named in the report", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      yield* crashAfter(file, "INSERT INTO notes (body) VALUES ('in the WAL')")
      const report = yield* start(file)
      const backup = `${file}.001-to-002.backup`
      assert.strictEqual(report.backup, backup)
      assert.include(report.stages[3]?.found, backup)
      assert.deepStrictEqual(yield* beside(file), [".001-to-002.backup"])
      assert.strictEqual(statSync(backup).mode & 0o777, 0o600)
      assert.deepStrictEqual(yield* rowsOf(backup, bodies), [{ body: "first" }, { body: "in the WAL" }])
      assert.deepStrictEqual(yield* rowsOf(backup, "SELECT version FROM schema_migrations"), [{ version: "001" }])
      assert.deepStrictEqual(yield* rowsOf(backup, "PRAGMA integrity_check"), [{ integrity_check: "ok" }])
      assert.deepStrictEqual(yield* beside(file), [".001-to-002.backup"])
    })
  )

  it.scoped("that was made before this library is copied as version `none`", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      mkdirSync(dirname(file))
      yield* independently(file, (connection) => connection.exec("CREATE TABLE old (x); INSERT INTO old VALUES (1)"))
      assert.strictEqual((yield* start(file)).backup, `${file}.none-to-002.backup`)
    })
  )

  const without = {
    "where there was nothing yet": {},
    "where no table holds a row": {
      before: Migrations.fromRecord({ "001_create_notes.sql": "CREATE TABLE notes (id INTEGER PRIMARY KEY, body);" }),
      after: Migrations.fromRecord({
        "001_create_notes.sql": "CREATE TABLE notes (id INTEGER PRIMARY KEY, body);",
        "002_more.sql": "CREATE TABLE more (x);"
      })
    },
    "where nothing is pending": { before: notes },
    "where the settings ask for none": { before: onlyFirst, backups: 0 },
    "where it fails": {
      before: onlyFirst,
      after: Migrations.fromRecord({ ...notesFiles, "003_wrong.sql": "CREATE TABLE half (x); CREATE TABEL x;" })
    },
    "where it fails for its rows": {
      before: onlyFirst,
      after: Migrations.fromRecord({ ...notesFiles, "003_wrong.sql": "INSERT INTO notes (id) VALUES (1);" })
    },
    "where it would delete rows": {
      before: onlyFirst,
      after: Migrations.fromRecord({ ...notesFiles, "003_wrong.sql": "DELETE FROM notes;" })
    }
  }
  for (const [where, { after = notes, backups, before }] of Object.entries<{
    readonly before?: Migrations.Migrations
    readonly after?: Migrations.Migrations
    readonly backups?: number
  }>(without)) {
    it.scoped(`leaves no copy ${where}`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        if (before !== undefined) yield* start(file, { migrations: before })
        yield* Effect.ignore(start(file, { migrations: after, backups }))
        assert.deepStrictEqual(yield* beside(file), [])
      })
    )
  }

  it.scopedLive("flushes the copy of a large one while it is written, and all of it at the end", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const rows = 36
      yield* independently(file, (connection) => {
        const insert = connection.prepare("INSERT INTO notes (body) VALUES (hex(randomblob(500000)))")
        for (let row = 0; row < rows; row += 1) insert.run()
        connection.pragma("wal_checkpoint(TRUNCATE)")
      })
      const { size } = statSync(file)
      /** Bytes that were written when a flush was requested. */
      const flushes: Array<number> = []
      const watching = platformWith((fs) => ({
        open: (path, options) =>
          Effect.map(fs.open(path, options), (opened) =>
            path.endsWith(".partial")
              ? Object.create(opened, {
                  sync: {
                    value: Effect.zipRight(
                      Effect.sync(() => flushes.push(statSync(path).size)),
                      opened.sync
                    )
                  }
                })
              : opened
          )
      }))
      const { backup } = yield* Effect.scoped(
        Effect.provide(
          Effect.map(DatabaseReady, ({ report }) => report),
          Layer.fresh(DatabaseReady.layer({ filename: file, migrations: notes })).pipe(Layer.provide(watching))
        )
      )
      assert.isBelow(flushes.at(0) ?? size, size)
      assert.strictEqual(flushes.at(-1), size)
      assert.deepStrictEqual(yield* rowsOf(backup ?? "", "SELECT count(*) AS n FROM notes"), [{ n: rows + 1 }])
    })
  )

  it.scoped("leaves no copy when it is interrupted", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const reached = yield* Deferred.make<void>()
      const stuck = platformWith((fs) => ({
        open: (path, options) =>
          path.endsWith(".partial")
            ? Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never)
            : fs.open(path, options)
      }))
      const starting = DatabaseReady.layer({ filename: file, migrations: notes }).pipe(
        Layer.fresh,
        Layer.provide(stuck)
      )
      const fiber = yield* Effect.fork(Effect.scoped(Layer.build(starting)))
      yield* Deferred.await(reached)
      assert.match((yield* beside(file)).join(), /\.001-to-002\.backup(\.early)?\.partial/)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* beside(file), [])
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT version FROM schema_migrations"), [{ version: "001" }])
    })
  )

  it.scoped("that fails deletes its copy while nobody else can have begun one of the same name", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const rival = yield* openConnection(file)
      const codes: Array<unknown> = []
      const tryToWrite = Effect.sync(() => {
        try {
          rival.exec("BEGIN IMMEDIATE; ROLLBACK")
          codes.push("free")
        } catch (thrown) {
          codes.push(thrown instanceof Sqlite.SqliteError && thrown.code)
        }
      })
      const starting = Layer.fresh(DatabaseReady.layer({ filename: file, migrations: notes })).pipe(
        Layer.provide(
          platformWith((fs) => ({
            open: (path, options) => {
              if (path.includes(".partial")) truncateSync(path)
              return fs.open(path, options)
            },
            remove: (path, options) =>
              Effect.zipRight(path.includes(".partial") ? tryToWrite : Effect.void, fs.remove(path, options))
          }))
        )
      )
      yield* refusal(Layer.build(starting))
      // The copy, and what SQLite may have made beside it.
      assert.deepStrictEqual(new Set(codes), new Set(["SQLITE_BUSY"]))
    })
  )

  const wrong = {
    "a row": "INSERT INTO notes (id, body) VALUES (1, 'again');",
    "rows that it would delete": "DELETE FROM notes;",
    "rows that refer to nothing": "PRAGMA defer_foreign_keys = ON; INSERT INTO tags VALUES (99, 'x');",
    "its history": "UPDATE schema_migrations SET checksum = 'x';"
  }
  for (const [what, sql] of Object.entries(wrong)) {
    it.scoped(`that fails repeatedly because of ${what} copies nothing`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* start(file, { migrations: onlyFirst })
        const copies: Array<string> = []
        const watching = platformWith((fs) => ({
          open: (path, options) => {
            if (path.includes(".backup")) copies.push(path)
            return fs.open(path, options)
          }
        }))
        const migrations = Migrations.fromRecord({ ...notesFiles, "003_wrong.sql": sql })
        const starting = DatabaseReady.layer({ filename: file, migrations })
        yield* refusal(Layer.build(Layer.fresh(starting).pipe(Layer.provide(watching))))
        yield* refusal(Layer.build(Layer.fresh(starting).pipe(Layer.provide(watching))))
        assert.deepStrictEqual(copies, [])
        assert.deepStrictEqual(yield* rowsOf(file, bodies), [{ body: "first" }])
      })
    )
  }

  for (const journalMode of ["wal", "delete"] as const) {
    it.scoped(`copies none of its own writes, even more than fits into memory: in journal mode ${journalMode}`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        const pragmas = { journalMode, cacheSize: 10 }
        yield* start(file, { migrations: onlyFirst, pragmas })
        yield* independently(file, (connection) =>
          connection.exec(
            "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 500) INSERT INTO notes (body) SELECT x FROM n"
          )
        )
        const expected = yield* rowsOf(file, bodies)
        const longer = "UPDATE notes SET body = hex(zeroblob(1000)); INSERT INTO notes (body) SELECT body FROM notes;"
        const migrations = Migrations.fromRecord({ ...notesFiles, "003_longer.sql": longer })
        const { backup = "" } = yield* start(file, { migrations, pragmas })
        assert.deepStrictEqual(yield* rowsOf(backup, bodies), expected)
        assert.deepStrictEqual(yield* rowsOf(backup, "SELECT version FROM schema_migrations"), [{ version: "001" }])
        assert.deepStrictEqual(yield* rowsOf(file, "SELECT count(*) AS rows FROM notes"), [{ rows: 1002 }])
      })
    )
  }

  it.scoped("does not begin if the copy is empty", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const starting = Layer.fresh(DatabaseReady.layer({ filename: file, migrations: notes })).pipe(
        Layer.provide(
          platformWith((fs) => ({
            open: (path, options) => {
              if (path.includes(".partial")) truncateSync(path)
              return fs.open(path, options)
            }
          }))
        )
      )
      const error = yield* refusal(Layer.build(starting))
      assert.deepInclude(error, { _tag: "BackupError", reason: "NotWritten", detail: "it is empty" })
      assert.deepStrictEqual(yield* beside(file), [])
    })
  )

  it.scoped("deletes what a killed start left of a copy, and nothing else", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      for (const name of [
        ".001-to-009.backup.partial",
        ".001-to-002.backup.partial",
        ".001-to-002.backup.partial-journal",
        ".mine.backup",
        ".backup.partial"
      ]) {
        writeFileSync(`${file}${name}`, "half a copy")
      }
      yield* start(file)
      assert.deepStrictEqual(yield* beside(file), [".001-to-002.backup", ".backup.partial", ".mine.backup"])
    })
  )

  it.scoped("keeps the newest copies, as many as the settings say", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const files: Record<string, string> = { ...notesFiles }
      yield* start(file, { migrations: onlyFirst })
      for (const version of ["002", "003", "004"]) {
        if (version !== "002") files[`${version}_more.sql`] = `CREATE TABLE t${version} (x);`
        const { backup } = yield* start(file, { migrations: Migrations.fromRecord(files) })
        // Older than the next ones, however coarse the clock of the filesystem.
        utimesSync(backup ?? "", 0, Number(version))
      }
      assert.deepStrictEqual(yield* beside(file), [".002-to-003.backup", ".003-to-004.backup"])
    })
  )

  it.scoped("does not begin on damaged pages, whatever the integrity policy: refused before the first write", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const rootPage = yield* independently(file, (connection) => {
        connection.exec(
          `INSERT INTO notes (body) SELECT hex(randomblob(900)) FROM (VALUES (1),(2),(3),(4),(5),(6),(7),(8))`
        )
        connection.pragma("wal_checkpoint(TRUNCATE)")
        return Number(connection.prepare("SELECT max(pageno) FROM dbstat WHERE name = 'notes'").pluck().get())
      })
      yield* damagePage(file, rootPage)
      const before = yield* pictureOf(dirname(file))
      const error = yield* refusal(start(file, { integrity: "schema" }))
      assert.deepInclude(error, { _tag: "IntegrityError", reason: "DamagedPages" })
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )

  it.scoped("does not begin if the copy cannot be made: a typed reason, nothing changed, none left", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      // A directory in its place can be neither deleted as a file nor replaced by a rename.
      mkdirSync(join(`${file}.001-to-002.backup`, "in the way"), { recursive: true })
      const bytes = readFileSync(file)
      const error = yield* refusal(start(file))
      assert.deepInclude(error, { _tag: "BackupError", reason: "NotWritten", code: "EISDIR" })
      assert.deepStrictEqual(readFileSync(file), bytes)
      assert.deepStrictEqual(yield* beside(file), [".001-to-002.backup"])
    })
  )
})

const remains = [
  ".001-to-002.backup.partial",
  ".001-to-002.backup.partial-journal",
  ".none-to-7.3.backup.early.partial-wal",
  ".replaced-20261126T000000000Z.partial",
  ".replaced-20261126T000000000Z.restored.partial",
  ".replaced-20261126T000000000Z.restored.partial-shm"
]
const ofSomebody = [
  ".001-to-002.backup.partial-notes",
  ".001-to-002.backup.partial.gz",
  ".backup.partial",
  ".mine-to-002.backup.partial",
  ".replaced-20261126T000000000Z",
  ".replaced-yesterday.partial"
]
const writeBeside = (file: string, names: ReadonlyArray<string>) => {
  for (const name of names) writeFileSync(`${file}${name}`, "half a copy")
}

describe("abandoned copies", () => {
  const starts = {
    "with nothing pending": start,
    "with nothing pending that makes no backups": (file: string) => start(file, { backups: 0 }),
    "that upgrades and makes no backups": (file: string) =>
      start(file, {
        backups: 0,
        migrations: Migrations.fromRecord({ ...notesFiles, "003_more.sql": "CREATE TABLE m (x);" })
      }),
    "that is refused": (file: string) =>
      refusal(
        start(file, { migrations: Migrations.fromRecord({ ...notesFiles, "003_wrong.sql": "CREATE TABEL m (x);" }) })
      )
  }
  for (const [which, starting] of Object.entries(starts)) {
    it.scoped(`are deleted by a start ${which}; other files with such names stay`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* start(file)
        writeBeside(file, [...remains, ...ofSomebody])
        mkdirSync(`${file}.002-to-003.backup.partial`)
        yield* starting(file)
        assert.deepStrictEqual(yield* beside(file), [...ofSomebody, ".002-to-003.backup.partial"].sort())
      })
    )
  }

  it.scoped("are deleted by a start of the older release, with backups whose upgrade was never committed", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const kept = [".000-to-001.backup", ".000-to-001.backup.uncommitted"]
      writeBeside(file, [...kept, ".001-to-002.backup", ".001-to-002.backup.uncommitted"])
      yield* start(file, { migrations: onlyFirst })
      assert.deepStrictEqual(yield* beside(file), [".000-to-001.backup"])
    })
  )

  it.scoped("stay and are named while another process writes, because it may be using them", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      writeBeside(file, remains)
      const rival = yield* openConnection(file)
      rival.exec("BEGIN IMMEDIATE")
      const lines: Array<string> = []
      const listening = Logger.replace(
        Logger.defaultLogger,
        Logger.make(({ logLevel, message }) => {
          lines.push(`${logLevel.label} ${message}`)
        })
      )
      yield* Effect.provide(start(file), listening)
      for (const name of remains) assert.include(lines.join(), `${file}${name}`)
      // Sixteen starts after a kill all try to delete them. Finding the lock taken must not be a warning.
      assert.notInclude(lines.join(), "WARN")
      rival.exec("ROLLBACK")
      yield* start(file)
      assert.deepStrictEqual(
        (yield* beside(file)).filter((name) => name.includes("partial")),
        []
      )
    })
  )

  it.scoped("are not touched by `status`, nor is a restore's copy that somebody has open", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      writeBeside(file, remains)
      yield* start(file, { access: "inspect" })
      assert.deepStrictEqual(yield* beside(file), remains)
      const inUse = remains[4] ?? ""
      const scope = yield* Effect.scope
      const descriptor = openSync(`${file}${inUse}`, "r")
      yield* Scope.addFinalizer(
        scope,
        Effect.sync(() => closeSync(descriptor))
      )
      yield* start(file)
      assert.deepStrictEqual(yield* beside(file), [inUse])
    })
  )

  it.scopedLive("are deleted by a start of the older release after one that was killed while it copied", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const folder = join(dirname(dirname(file)), "migrations")
      mkdirSync(folder)
      writeFileSync(join(folder, "001_create_notes.sql"), notesFiles["001_create_notes.sql"])
      const args = ["init", "--json", "--database", file, "--migrations", folder]
      yield* runProgram(args)
      yield* independently(file, (connection) =>
        connection.exec(
          "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 60000) INSERT INTO notes (body) SELECT hex(randomblob(500)) FROM n"
        )
      )
      writeFileSync(join(folder, "002_add_tags.sql"), notesFiles["002_add_tags.sql"])
      const upgrading = spawnProgram(args)
      while (
        !readdirSync(dirname(file)).some(
          (name) => name.endsWith(".backup.early.partial") || name.endsWith(".backup.partial")
        )
      )
        yield* Effect.sleep("2 millis")
      upgrading.process.kill("SIGKILL")
      yield* Effect.promise(() => upgrading.ended)
      assert.match((yield* beside(file)).join(), /\.001-to-002\.backup(\.early)?\.partial/)
      rmSync(join(folder, "002_add_tags.sql"))
      const { code } = yield* runProgram([...args, "--backups", "0"])
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(yield* beside(file), [])
    })
  )
})

describe("a restore", () => {
  it.scoped("does not call a backup damaged because another process has it locked", () =>
    Effect.gen(function* () {
      const { backup, file } = yield* upgraded
      const rival = yield* openConnection(backup)
      rival.exec("BEGIN EXCLUSIVE")
      const refused = yield* refusal(restore({ filename: file }))
      assert.deepInclude({ ...refused }, { reason: "NotProven", backup, retryable: true })
    })
  )

  it.scoped("restores the newest backup, keeps the old file, and the older program is ready on it", () =>
    Effect.gen(function* () {
      const { backup, file } = yield* upgraded
      writeFileSync(`${file}.000-to-001.backup`, "older, and no database")
      utimesSync(`${file}.000-to-001.backup`, 0, 0)
      const restored = yield* restore({ filename: file })
      assert.deepInclude(restored, { database: file, backup, schemaVersion: "001" })
      assert.deepStrictEqual(yield* rowsOf(file, bodies), [{ body: "first" }])
      assert.match(restored.replaced ?? "", /\.replaced-\w+$/)
      assert.deepStrictEqual(yield* rowsOf(restored.replaced ?? "", bodies), [{ body: "first" }, { body: "second" }])
      assert.strictEqual((yield* start(file, { migrations: onlyFirst })).schemaVersion, "001")
      assert.strictEqual((yield* start(file)).schemaVersion, "002")
    })
  )

  const eventsOf = (file: string) =>
    independently(file, (connection) =>
      connection
        .prepare("SELECT events FROM schema_migrations WHERE events IS NOT NULL")
        .pluck()
        .all()
        .flatMap((events) => JSON.parse(String(events)))
    )

  const overWhat = {
    "a database": () => {},
    "what SQLite cannot open": (file: string) => writeFileSync(file, "not a database any more. ".repeat(200)),
    nothing: (file: string) => rmSync(file),
    "a database with pages of another size": (_: string, backup: string) => {
      const connection = new Sqlite(backup)
      connection.exec("PRAGMA page_size = 8192; VACUUM")
      connection.close()
    },
    "a database, from a history of an earlier release": (_: string, backup: string) => {
      const connection = new Sqlite(backup)
      connection.exec("ALTER TABLE schema_migrations DROP COLUMN events")
      connection.close()
    }
  }
  for (const [what, prepare] of Object.entries(overWhat)) {
    it.scopedLive(`over ${what} is in the history of the database, and leaves the backup as it was`, () =>
      Effect.gen(function* () {
        const { backup, file } = yield* upgraded
        prepare(file, backup)
        const bytes = readFileSync(backup)
        yield* restore({ filename: file, program: "notes 1.2" })
        assert.deepStrictEqual(readFileSync(backup), bytes)
        const [event, ...others] = yield* eventsOf(file)
        assert.deepStrictEqual(others, [])
        assert.include(event, { what: "restore", detail: backup, program: "notes 1.2" })
        const { events } = yield* start(file, { migrations: onlyFirst, access: "inspect" })
        assert.deepStrictEqual(events, [event])
        yield* restore({ filename: file, backup: yield* copyOf(file) })
        assert.lengthOf(yield* eventsOf(file), 2)
        const left = (yield* beside(file)).filter((name) => !/\.(backup|replaced-\w+)$/.test(name))
        assert.deepStrictEqual(left, [])
      })
    )
  }

  it.scoped("leaves the history of another system as that system knows it", () =>
    Effect.gen(function* () {
      const { backup, file } = yield* upgraded
      const columns = "name, checksum, schema_fingerprint, program, compatible_from, schema_objects, content_version"
      yield* independently(backup, (connection) => {
        for (const column of `${columns}, declared, repeatables, events`.split(", ")) {
          connection.exec(`ALTER TABLE schema_migrations DROP COLUMN ${column}`)
        }
      })
      const table = "SELECT sql FROM sqlite_schema WHERE name = 'schema_migrations'"
      const before = yield* rowsOf(backup, table)
      yield* restore({ filename: file })
      assert.deepStrictEqual(yield* rowsOf(file, table), before)
    })
  )

  it.scoped("whose note a trigger forbids is done, with a warning", () =>
    Effect.gen(function* () {
      const { backup, file } = yield* upgraded
      yield* independently(backup, (connection) =>
        connection.exec(
          "CREATE TRIGGER mine BEFORE UPDATE ON schema_migrations BEGIN SELECT RAISE(ABORT, 'never'); END"
        )
      )
      const { code, stderr } = yield* runProgram(["restore", "--database", file])
      assert.strictEqual(code, 0)
      assert.match(stderr, /history .* does not say that it was restored.*never/)
      assert.deepStrictEqual(yield* rowsOf(file, bodies), [{ body: "first" }])
      assert.deepStrictEqual(yield* eventsOf(file), [])
    })
  )

  it.scopedLive("is shown by status and by check", () =>
    Effect.gen(function* () {
      const { backup, file } = yield* upgraded
      yield* restore({ filename: file })
      const migrations = join(dirname(file), "migrations")
      mkdirSync(migrations)
      writeFileSync(join(migrations, "001_create_notes.sql"), notesFiles["001_create_notes.sql"])
      for (const command of ["status", "check"]) {
        const { stdout } = yield* runProgram([command, "--database", file, "--migrations", migrations])
        assert.match(stdout, new RegExp(`history .*restored from ${backup} on 20[\\dT:-]{17}Z by \\S+ at \\S+`))
      }
    })
  )

  it.scoped("includes rows that only a crash's WAL held", () =>
    Effect.gen(function* () {
      const { file } = yield* upgraded
      yield* crashAfter(file, "INSERT INTO notes (body) VALUES ('third')")
      const { replaced = "" } = yield* restore({ filename: file })
      assert.deepStrictEqual(yield* rowsOf(file, bodies), [{ body: "first" }])
      assert.strictEqual((yield* rowsOf(replaced, bodies)).length, 3)
    })
  )

  it.scoped("never overwrites what an earlier one kept", () =>
    Effect.gen(function* () {
      const { file } = yield* upgraded
      const { replaced = "" } = yield* restore({ filename: file })
      const again = yield* refusal(restore({ filename: file }))
      // The test clock stands still, so the second would get the first one's name.
      assert.deepInclude(again, { _tag: "RestoreError", reason: "NotWritten", retryable: false })
      assert.strictEqual((yield* rowsOf(replaced, bodies)).length, 2)
    })
  )

  it.scoped("works without WAL if there is no shared memory: the old file is kept, a missing one created", () =>
    Effect.gen(function* () {
      const { backup, file } = yield* upgraded
      const elsewhere = join(dirname(file), "elsewhere.db")
      // The test clock stands still, so the tried name is known. A directory cannot be shared memory.
      for (const name of [file, elsewhere]) mkdirSync(`${name}.replaced-19700101T000000000Z.restored.partial-shm`)
      yield* independently(file, (connection) => connection.pragma("journal_mode = delete"))
      const picture = () => [readFileSync(file, "hex"), readdirSync(dirname(file))]
      const before = picture()
      const refused = yield* refusal(restore({ filename: file }))
      assert.deepInclude({ ...refused }, { _tag: "RestoreError", reason: "NotWritten", retryable: false })
      assert.deepStrictEqual(picture(), before)
      yield* restore({ filename: elsewhere, backup })
      assert.deepStrictEqual(yield* rowsOf(elsewhere, "PRAGMA journal_mode"), [{ journal_mode: "delete" }])
      assert.deepStrictEqual(yield* rowsOf(elsewhere, bodies), [{ body: "first" }])
    })
  )

  it.scoped("is refused while anybody has the database open, with nothing changed", () =>
    Effect.gen(function* () {
      const { file } = yield* upgraded
      const error = yield* Effect.scoped(
        Effect.gen(function* () {
          const neighbour = yield* openConnection(file)
          neighbour.prepare("SELECT count(*) FROM notes").get()
          return yield* refusal(restore({ filename: file }))
        })
      )
      assert.deepInclude(error, { _tag: "RestoreError", reason: "InUse", retryable: true })
      assert.deepStrictEqual(yield* beside(file), [".001-to-002.backup"])
      assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA journal_mode"), [{ journal_mode: "wal" }])
      assert.strictEqual((yield* rowsOf(file, bodies)).length, 2)
      yield* restore({ filename: file })
    })
  )

  it.scoped("is refused if an idle connection without a WAL has the file open, and names its process", () =>
    Effect.gen(function* () {
      const { file } = yield* upgraded
      const idle = yield* rivalProcess(file, "PRAGMA journal_mode = delete; SELECT count(*) FROM notes")
      const error = yield* refusal(restore({ filename: file }))
      assert.deepInclude(error, { _tag: "RestoreError", reason: "InUse", retryable: true })
      assert.include(error.message, `open in process ${idle.pid} (`)
      assert.deepStrictEqual(yield* beside(file), [".001-to-002.backup"])
      assert.strictEqual((yield* rowsOf(file, bodies)).length, 2)
    })
  )

  it.scoped("is refused while a service has a database open whose header is damaged, with nothing moved", () =>
    Effect.gen(function* () {
      const { file } = yield* upgraded
      const service = yield* rivalProcess(file, "INSERT INTO notes (body) VALUES ('third')")
      yield* damagePage(file, 1)
      const before = yield* beside(file)
      const error = yield* refusal(restore({ filename: file }))
      assert.deepInclude(error, { _tag: "RestoreError", reason: "InUse", retryable: true })
      assert.include(error.message, `open in process ${service.pid} (`)
      assert.deepStrictEqual(yield* beside(file), before)
      assert.include(before, "-wal")
    })
  )

  it.scoped("is refused when somebody opens an unreadable database meanwhile, with nothing moved", () =>
    Effect.gen(function* () {
      const { file } = yield* upgraded
      yield* damagePage(file, 1)
      const before = yield* pictureOf(dirname(file))
      const scope = yield* Effect.scope
      const opening = Scope.extend(openConnection(file), scope)
      const error = yield* refusal(Effect.provide(restoreBackup({ filename: file }), whenSeenUnused(opening)))
      assert.deepStrictEqual([error._tag, error.reason, error.retryable], ["RestoreError", "InUse", true])
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )

  it.scopedLive("loses no commit made meanwhile: it is in the database or in the kept file", () =>
    Effect.gen(function* () {
      const { file } = yield* upgraded
      const committed = yield* Deferred.make<void>()
      const rival = Effect.async<void>((resume) => {
        const connection = new Sqlite(file, { timeout: 0 })
        const again = () => {
          try {
            connection.exec("INSERT INTO notes (body) VALUES ('rival')")
            connection.close()
            resume(Effect.void)
          } catch {
            setImmediate(again)
          }
        }
        again()
      })
      const begun = Effect.forkDaemon(Effect.intoDeferred(rival, committed))
      const { replaced = "" } = yield* Effect.provide(restoreBackup({ filename: file }), whenKept(begun))
      yield* Deferred.await(committed)
      const restored = yield* rowsOf(file, bodies)
      assert.deepInclude([...restored, ...(yield* rowsOf(replaced, bodies))], { body: "rival" })
      assert.notDeepInclude(restored, { body: "second" })
    })
  )

  it.scopedLive("leaves nothing behind if the backup and its copy turn out to be unreadable", () =>
    Effect.gen(function* () {
      const { backup, file } = yield* upgraded
      const ruin = Effect.map(beside(file), (names) => {
        const [copy] = names.filter((name) => name.endsWith(".restored.partial"))
        for (const each of [backup, `${file}${copy}`]) writeFileSync(each, "no database any more ".repeat(1000))
      })
      const refused = yield* refusal(Effect.provide(restoreBackup({ filename: file }), whenKept(ruin)))
      assert.deepStrictEqual([refused._tag, refused.retryable], ["RestoreError", false])
      assert.deepStrictEqual(yield* beside(file), [".001-to-002.backup"])
      assert.strictEqual((yield* rowsOf(file, bodies)).length, 2)
    })
  )

  for (const journalMode of ["wal", "delete"]) {
    it.scoped(`restores the journal mode of the database: ${journalMode}`, () =>
      Effect.gen(function* () {
        const { file } = yield* upgraded
        yield* independently(file, (connection) => connection.pragma(`journal_mode = ${journalMode}`))
        yield* restore({ filename: file })
        assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA journal_mode"), [{ journal_mode: journalMode }])
      })
    )
  }

  it.scoped("leaves a database that `status` finds ready, overwritten or replaced", () =>
    Effect.gen(function* () {
      const { backup, file } = yield* upgraded
      const ready = { migrations: onlyFirst, access: "inspect" as const }
      yield* restore({ filename: file })
      assert.strictEqual((yield* start(file, ready)).schemaVersion, "001")
      const other = join(dirname(file), "other.db")
      yield* restore({ filename: other, backup })
      assert.strictEqual((yield* start(other, ready)).schemaVersion, "001")
    })
  )

  const backups = { small: 1, "larger than SQLite's cache": 20_000 }
  for (const [size, rows] of Object.entries(backups)) {
    it.scopedLive(`never claims to have overwritten a file that a reader holds, with a backup that is ${size}`, () =>
      Effect.gen(function* () {
        const { backup, file } = yield* upgraded
        yield* independently(backup, (connection) =>
          connection.exec(
            `WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < ${rows}) INSERT INTO notes (body) SELECT hex(randomblob(500)) FROM n`
          )
        )
        yield* independently(file, (connection) => connection.pragma("journal_mode = delete"))
        const readers: Array<Sqlite.Database> = []
        const read = Effect.sync(() => {
          const reader = new Sqlite(file, { timeout: 0 })
          readers.push(reader)
          reader.exec("BEGIN; SELECT count(*) FROM notes")
        })
        const error = yield* refusal(Effect.provide(restoreBackup({ filename: file }), whenSeenUnused(read)))
        assert.deepStrictEqual([error._tag, error.reason, error.retryable], ["RestoreError", "InUse", true])
        for (const reader of readers) reader.close()
        assert.deepStrictEqual(yield* beside(file), [".001-to-002.backup"])
        assert.strictEqual((yield* rowsOf(file, bodies)).length, 2)
        assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA integrity_check"), [{ integrity_check: "ok" }])
      })
    )
  }

  it.scoped("replaces what SQLite cannot open, and keeps its bytes and its WAL together", () =>
    Effect.gen(function* () {
      const { file } = yield* upgraded
      yield* crashAfter(file, "INSERT INTO notes (body) VALUES ('third')")
      writeFileSync(file, "not a database any more, for somebody wrote over its beginning. ".repeat(40))
      const text = readFileSync(file)
      const wal = readFileSync(`${file}-wal`)
      const { replaced = "" } = yield* restore({ filename: file })
      assert.deepStrictEqual(yield* rowsOf(file, bodies), [{ body: "first" }])
      assert.deepStrictEqual([readFileSync(replaced), readFileSync(`${replaced}-wal`)], [text, wal])
      assert.strictEqual((yield* start(file, { migrations: onlyFirst })).schemaVersion, "001")
    })
  )

  it.scoped("creates a database that is missing, whose WAL was left behind", () =>
    Effect.gen(function* () {
      const { backup, file } = yield* upgraded
      yield* crashAfter(file, "INSERT INTO notes (body) VALUES ('third')")
      const elsewhere = join(dirname(file), "other.db")
      for (const part of ["-wal", "-shm"]) writeFileSync(`${elsewhere}${part}`, readFileSync(`${file}${part}`))
      const restored = yield* restore({ filename: elsewhere, backup })
      assert.deepInclude(restored, { database: elsewhere, replaced: undefined })
      assert.deepStrictEqual(yield* rowsOf(elsewhere, bodies), [{ body: "first" }])
    })
  )

  it.scoped("overwrites a database with damaged pages, and keeps a copy of it", () =>
    Effect.gen(function* () {
      const { file } = yield* upgraded
      yield* damagePage(file, 2)
      const { replaced = "" } = yield* restore({ filename: file })
      assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA integrity_check"), [{ integrity_check: "ok" }])
      assert.deepStrictEqual(readFileSync(replaced).subarray(4096, 8192), Buffer.alloc(4096, 0xa5))
    })
  )

  it.scoped("keeps a file unchanged that is too short to be a database", () =>
    Effect.gen(function* () {
      const { backup, file } = yield* upgraded
      writeFileSync(file, "x")
      const restored = yield* restore({ filename: file })
      assert.strictEqual(restored.backup, backup)
      assert.strictEqual(readFileSync(restored.replaced ?? "", "utf8"), "x")
      assert.deepStrictEqual(yield* rowsOf(file, bodies), [{ body: "first" }])
    })
  )

  it.scoped("is refused without a sound backup: none, absent, damaged, not a database, not a file", () =>
    Effect.gen(function* () {
      const { backup, file } = yield* upgraded
      const text = join(dirname(file), "text")
      writeFileSync(text, "no database at all, but long enough to have a header ".repeat(3))
      yield* damagePage(backup, 2)
      const link = join(dirname(file), "link")
      linkSync(file, link)
      const before = yield* pictureOf(dirname(file))
      const refusals: ReadonlyArray<{ readonly backup: string | undefined; readonly reason: RestoreError["reason"] }> =
        [
          { backup: join(dirname(file), "absent"), reason: "NoBackup" },
          { backup: undefined, reason: "NotABackup" },
          { backup: text, reason: "NotABackup" },
          { backup: dirname(file), reason: "NotABackup" },
          { backup: file, reason: "SameFile" },
          { backup: link, reason: "SameFile" }
        ]
      for (const { reason, ...chosen } of refusals) {
        assert.deepInclude(yield* refusal(restore({ filename: file, ...chosen })), { _tag: "RestoreError", reason })
      }
      assert.deepInclude(yield* refusal(restore({ filename: join(dirname(file), "nothing.db") })), {
        reason: "NoBackup"
      })
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )

  it.scoped("overwrites a database with a backup of another page size", () =>
    Effect.gen(function* () {
      const { backup, file } = yield* upgraded
      yield* independently(backup, (connection) => connection.exec("PRAGMA page_size = 8192; VACUUM"))
      yield* restore({ filename: file })
      assert.deepStrictEqual(yield* rowsOf(file, bodies), [{ body: "first" }])
      assert.strictEqual((yield* start(file, { migrations: onlyFirst })).schemaVersion, "001")
    })
  )

  it.scopedLive("is refused when somebody begins to write at the last moment, with nothing changed", () =>
    Effect.gen(function* () {
      const { backup, file } = yield* upgraded
      // Rewriting the backup in the database's page size is the last step before the lock.
      yield* independently(backup, (connection) => connection.exec("PRAGMA page_size = 8192; VACUUM"))
      const rivals: Array<Sqlite.Database> = []
      const beginning = platformWith((fs) => ({
        open: (path, options) => {
          if (path.endsWith(".restored.partial")) {
            const rival = new Sqlite(file, { timeout: 0 })
            rival.exec("BEGIN IMMEDIATE")
            rivals.push(rival)
          }
          return fs.open(path, options)
        }
      }))
      const error = yield* refusal(Effect.provide(restoreBackup({ filename: file }), beginning))
      assert.deepStrictEqual([error._tag, error.reason, error.retryable], ["RestoreError", "InUse", true])
      assert.strictEqual(rivals.length, 1)
      for (const rival of rivals) rival.close()
      assert.deepStrictEqual(yield* beside(file), [".001-to-002.backup"])
      assert.strictEqual((yield* rowsOf(file, bodies)).length, 2)
    })
  )

  it.scoped("finds the newest backup among broken links and directories", () =>
    Effect.gen(function* () {
      const { backup, file } = yield* upgraded
      symlinkSync(join(dirname(file), "nowhere"), `${file}.009-to-010.backup`)
      mkdirSync(`${file}.010-to-011.backup`)
      assert.strictEqual((yield* restore({ filename: file })).backup, backup)
    })
  )

  for (const [which, ruin] of Object.entries({
    overwrites: () => undefined,
    replaces: (file: string) => writeFileSync(file, "nothing that SQLite could open ".repeat(100))
  })) {
    it.scoped(`that ${which} deletes what a killed one left, and nothing else`, () =>
      Effect.gen(function* () {
        const { file } = yield* upgraded
        ruin(file)
        const kept = ".replaced-20261126T000000000Z"
        for (const name of [kept, `${kept}.partial`, `${kept}.restored.partial`, `${kept}.restored.partial-wal`]) {
          writeFileSync(`${file}${name}`, "")
        }
        const { replaced = "" } = yield* restore({ filename: file })
        const left = [".001-to-002.backup", kept, replaced.replace(file, "")]
        assert.deepStrictEqual(yield* beside(file), left.sort())
      })
    )
  }

  it.scoped("is refused with 77 if the user may not read the backup or not write the database", () =>
    Effect.gen(function* () {
      const { backup, file } = yield* upgraded
      const nobody = { uid: 65534, gid: 65534 }
      chmodSync(dirname(dirname(file)), 0o755)
      const ended = Effect.map(runProgram(["restore", "--database", file], nobody), ({ code }) => code)
      const own = (path: string) => chownSync(path, nobody.uid, nobody.gid)
      own(dirname(file))
      own(file)
      assert.strictEqual(yield* ended, 77)
      own(backup)
      chownSync(file, 0, 0)
      assert.strictEqual(yield* ended, 77)
      own(file)
      chownSync(dirname(file), 0, 0)
      chmodSync(dirname(file), 0o755)
      assert.strictEqual(yield* ended, 77)
      own(dirname(file))
      assert.strictEqual(yield* ended, 0)
    })
  )

  it.scoped("shows what SQLite said about a backup whose history cannot be read", () =>
    Effect.gen(function* () {
      const { backup, file } = yield* upgraded
      yield* independently(backup, (connection) =>
        connection.exec("DROP TABLE schema_migrations; CREATE VIEW schema_migrations AS SELECT * FROM nowhere")
      )
      const refused = yield* refusal(restore({ filename: file }))
      assert.deepInclude(
        { ...refused },
        { reason: "NotABackup", code: "SQLITE_ERROR", detail: "no such table: main.nowhere" }
      )
    })
  )

  it.scoped("as a program tells what it did, in lines and JSON, and why not, with the exit code", () =>
    Effect.gen(function* () {
      const { backup, file } = yield* upgraded
      const lines = yield* runProgram(["restore", "--database", file])
      assert.deepStrictEqual([lines.code, lines.stderr], [0, ""])
      assert.match(
        lines.stdout,
        /^restored {2}(.+) {2}schema 001 {2}from \1\.001-to-002\.backup\nkept {6}\1\.replaced-\w+, /
      )
      const { code, stdout } = yield* runProgram(["restore", "--json", "--database", file, "--backup", backup])
      assert.strictEqual(code, 0)
      assert.deepInclude(JSON.parse(stdout), { status: "restored", database: file, backup, schemaVersion: "001" })

      const none = yield* runProgram(["restore", "--database", join(dirname(file), "none.db")])
      assert.deepStrictEqual([none.code, none.stdout], [64, ""])
      assert.include(none.stderr, "RestoreError.NoBackup")
      const busy = new Sqlite(file)
      busy.exec("PRAGMA journal_mode = wal; BEGIN IMMEDIATE")
      const used = yield* runProgram(["restore", "--json", "--database", file])
      busy.close()
      assert.deepStrictEqual([used.code, JSON.parse(used.stdout).error.reason], [75, "InUse"])
      writeFileSync(backup, "")
      const unsound = [backup, dirname(file)]
      for (const named of unsound) {
        assert.strictEqual((yield* runProgram(["restore", "--database", file, "--backup", named])).code, 65)
      }
      const itself = yield* runProgram(["restore", "--database", file, "--backup", file])
      assert.strictEqual(itself.code, 64)
      assert.include(itself.stderr, `${file} is the database itself`)
    })
  )
})
