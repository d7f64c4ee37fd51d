import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { SqlClient } from "@effect/sql"
import { afterAll, assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { DatabaseReady, Migrations, type OnOpen, type OpenedConnection, restoreBackup } from "../layers/index.ts"
import { backUp, listBackups } from "../layers/operate.ts"
import { pictureOf, platform, refusal, start, starting, temporaryFile, temporaryFolder } from "./support/database.ts"

const sqliteVec: { readonly load: (connection: Pick<OpenedConnection, "loadExtension">) => void } = createRequire(
  import.meta.url
)("sqlite-vec")

const folder = mkdtempSync(join(tmpdir(), "database-ready-extension-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** An extension with a collation and a tokenizer: better-sqlite3 itself can make neither. */
const extension = join(folder, "extension.so")
const compiler = spawnSync("cc", [
  "-shared",
  "-fPIC",
  `-I${join(import.meta.dirname, "../node_modules/better-sqlite3/deps/sqlite3")}`,
  join(import.meta.dirname, "support/extension.c"),
  "-o",
  extension
])
const uncompiled = compiler.status === 0 ? "" : " (skipped: no C compiler)"

const slug = (text: unknown) => String(text).toLowerCase().replaceAll(" ", "-")

let opened = 0
const onOpen: OnOpen = (connection) => {
  opened += 1
  connection.function("slug", { deterministic: true }, slug)
  connection.aggregate("longest", {
    start: "",
    step: (longest: string, text) => (String(text).length > longest.length ? String(text) : longest)
  })
  sqliteVec.load(connection)
  if (uncompiled === "") connection.loadExtension(extension)
}
const options = { onOpen, pragmas: { trustedSchema: true } }

const first = `
CREATE TABLE pages (id INTEGER PRIMARY KEY, title TEXT NOT NULL CHECK (slug(title) <> ''), slug TEXT AS (slug(title)));
CREATE UNIQUE INDEX pages_by_slug ON pages (slug(title));
CREATE TABLE seen (slug TEXT);
CREATE TRIGGER pages_seen AFTER INSERT ON pages BEGIN INSERT INTO seen VALUES (slug(new.title)); END;
CREATE VIRTUAL TABLE vectors USING vec0(embedding float[4]);
INSERT INTO pages (title) VALUES ('One Page'), ('Two Pages');
INSERT INTO vectors (rowid, embedding) VALUES (1, '[1, 2, 3, 4]');`
const second = `
ALTER TABLE pages ADD COLUMN lead TEXT;
UPDATE pages SET lead = (SELECT longest(title) FROM pages);
CREATE VIEW slugs AS SELECT slug(title) AS slug FROM pages;`

const one = Migrations.fromRecord({ "001_pages.sql": first })
const both = Migrations.fromRecord({ "001_pages.sql": first, "002_lead.sql": second })

/** A module of the same, for another process. */
const moduleWith = (folder: string, text: string): URL => {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, "onOpen.mjs")
  writeFileSync(path, text)
  return pathToFileURL(path)
}
const sound = `export default (connection) => {
  connection.function("slug", { deterministic: true }, (text) => String(text).toLowerCase().replaceAll(" ", "-"))
}`

describe("onOpen", () => {
  it.scoped(
    "is there at a start, an upgrade with a backup, a restart that looks at everything, health and a stream",
    () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* start(file, { ...options, migrations: one })
        const upgraded = yield* start(file, { ...options, migrations: both })
        assert.isDefined(upgraded.backup)
        yield* Effect.gen(function* () {
          const { health, read, report, write } = yield* DatabaseReady
          const sql = yield* SqlClient.SqlClient
          assert.strictEqual(report.integrity.checked, "full")
          yield* write(sql`INSERT INTO pages (title) VALUES ('Third Page')`)
          const before = opened
          yield* health
          assert.isAbove(opened, before, "health looks through a connection of its own")
          assert.deepStrictEqual(yield* read(sql`SELECT slug('A B') AS slug`), [{ slug: "a-b" }])
          const streamed = yield* Stream.runCollect(sql`SELECT slug FROM slugs ORDER BY slug(slug)`.stream)
          assert.deepStrictEqual(
            Array.from(streamed, ({ slug }) => slug),
            ["one-page", "third-page", "two-pages"]
          )
          assert.deepStrictEqual(yield* sql`SELECT slug FROM seen WHERE slug LIKE 'third%'`, [{ slug: "third-page" }])
        }).pipe(Effect.provide(starting(file, { ...options, migrations: both, integrity: "full" })))
        // The schema is replayed in memory to say what differs.
        const direct = new Sqlite(file)
        direct.exec("CREATE TABLE extra (id)")
        direct.close()
        const { integrity } = yield* start(file, { ...options, migrations: both })
        assert.deepStrictEqual(integrity.extra, ["table extra"])
      })
  )

  it.scoped("is there when a backup is restored, and its absence is no verdict on the backup", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { ...options, migrations: one })
      const { backup } = yield* start(file, { ...options, migrations: both })
      const refused = yield* refusal(restoreBackup({ filename: file }))
      assert.strictEqual(refused.reason, "NotProven")
      assert.match(refused.message, /slug.*`onOpen`/)
      const restored = yield* restoreBackup({ filename: file, onOpen })
      assert.strictEqual(restored.backup, backup)
      assert.strictEqual(restored.schemaVersion, "001")
      yield* start(file, { ...options, migrations: one })
    }).pipe(Effect.provide(platform))
  )

  it.scoped("is missed by a backup, the list of backups and a restore, in whatever part of the schema", () =>
    Effect.gen(function* () {
      const schemas = [
        "CREATE TABLE t (x CHECK (slug(x) <> '')); INSERT INTO t VALUES ('a')",
        "CREATE TABLE t (x PRIMARY KEY CHECK (slug(x) <> '')) WITHOUT ROWID",
        "CREATE TABLE t (x, y AS (slug(x)))",
        "CREATE TABLE t (x); CREATE INDEX i ON t (x) WHERE slug(x) <> ''",
        "CREATE TABLE t (x); CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT slug(new.x); END"
      ]
      for (const sql of schemas) {
        const file = yield* temporaryFile
        yield* start(file, { ...options, migrations: Migrations.fromRecord({ "001_it.sql": sql }) })
        const { backup } = yield* backUp({ filename: file, onOpen })
        const notMade = yield* refusal(backUp({ filename: file }))
        assert.deepStrictEqual([sql, notMade.reason], [sql, "NotWritten"])
        assert.match(notMade.message, /function:? slug.*`onOpen`/)
        const listed = (more: { readonly onOpen?: OnOpen }) =>
          Effect.map(listBackups({ filename: file, verify: true, ...more }), (all) =>
            all.map(({ soundness }) => soundness)
          )
        assert.deepStrictEqual([yield* listed({}), yield* listed({ onOpen })], [["unreadable"], ["ok"]], sql)
        for (const filename of [file, `${file}.elsewhere`]) {
          const refused = yield* refusal(restoreBackup({ filename, backup }))
          assert.deepStrictEqual([sql, refused.reason], [sql, "NotProven"])
          assert.match(refused.message, /function:? slug.*`onOpen`/)
          yield* restoreBackup({ filename, backup, onOpen })
        }
      }
    }).pipe(Effect.provide(platform))
  )

  it.scoped("is not missed by a backup where only an object of others needs it", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const direct = new Sqlite(file)
      direct.exec("CREATE VIEW theirs AS SELECT theirs(body) FROM notes")
      direct.close()
      const { backup } = yield* backUp({ filename: file })
      yield* restoreBackup({ filename: file, backup })
    }).pipe(Effect.provide(platform))
  )

  it.scoped(
    "as a module is loaded by the process that checks a large file; a function keeps the check here, and says so",
    () =>
      Effect.gen(function* () {
        const lines = yield* Ref.make<ReadonlyArray<string>>([])
        const logged = Logger.make<unknown, void>(({ message }) => {
          Effect.runSync(Ref.update(lines, (before) => [...before, String(message)]))
        })
        const file = yield* temporaryFile
        const pages = Migrations.fromRecord({
          "001_pages.sql": `CREATE TABLE pages (title TEXT CHECK (slug(title) <> '')); CREATE INDEX by_slug ON pages (slug(title));
          WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 1300)
          INSERT INTO pages SELECT hex(randomblob(2000)) FROM n;`
        })
        const module = moduleWith(yield* temporaryFolder, sound)
        const withModule = {
          onOpen: module,
          pragmas: { trustedSchema: true },
          migrations: pages,
          integrity: "full"
        } as const
        const captured = Effect.provide(Logger.replace(Logger.defaultLogger, logged))
        yield* captured(start(file, withModule))
        const blocks = Ref.get(lines).pipe(
          Effect.map((all) => all.filter((line) => /blocks the event loop/.test(line)))
        )
        assert.deepStrictEqual(yield* blocks, [])
        yield* captured(start(file, { ...withModule, onOpen }))
        assert.match((yield* blocks).join(), /`onOpen` is a function/)
      })
  )

  it.scoped.each([
    ["throws", () => assert.fail("not today"), /not today/],
    ["writes", (db: { exec(sql: string): unknown }) => void db.exec("CREATE TABLE mine (id)"), /readonly/],
    ["begins a transaction", (db: { exec(sql: string): unknown }) => void db.exec("BEGIN"), /left a transaction open/],
    ["returns a promise", () => Promise.reject(new Error("later")), /returned a promise/],
    ["closes it", (db: object) => void ("close" in db && typeof db.close === "function" && db.close()), /closed/],
    ["is a module that is not there", new URL("file:///no/such/module.mjs"), /no\/such\/module/],
    ["is a module with nothing to call", new URL("data:text/javascript,export default 1"), /no function/],
    [
      "loads what is not there",
      (db: { loadExtension(path: string): unknown }) => void db.loadExtension("/no/such/extension"),
      /no\/such\/extension/
    ]
  ] satisfies ReadonlyArray<readonly [string, OnOpen, RegExp]>)(
    "that %s is refused, and nothing is created",
    ([, onOpen, said]) =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const refused = yield* refusal(start(join(folder, "data/app.db"), { onOpen }))
        assert.strictEqual(refused._tag, "ConnectionError")
        assert.strictEqual(refused.reason, "OnOpenFailed")
        assert.match(refused.sentence, said)
        assert.match(refused.remedy, /`onOpen`/)
        assert.deepStrictEqual(readdirSync(folder), [])
      })
  )
})

describe("A start without it", () => {
  const made = (sql: string) =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const migrations = Migrations.fromRecord({ "001_it.sql": sql })
      yield* start(file, { ...options, migrations })
      return { file, migrations }
    })

  it.scoped.each([
    ["a CHECK", "CREATE TABLE t (x CHECK (slug(x) <> ''))", "function slug"],
    ["a default", "CREATE TABLE t (x DEFAULT (slug('A B')))", "function slug"],
    ["a generated column", "CREATE TABLE t (x, y AS (slug(x)))", "function slug"],
    ["an index", "CREATE TABLE t (x); CREATE INDEX i ON t (slug(x))", "function slug"],
    [
      "a partial index",
      "CREATE TABLE t (x); CREATE INDEX i ON t (x) WHERE \"slug\" /* so */ (x) > ''",
      "function slug"
    ],
    [
      "a trigger",
      "CREATE TABLE t (x); CREATE TRIGGER g AFTER DELETE ON t BEGIN SELECT slug(old.x); END",
      "function slug"
    ],
    ["a view", "CREATE TABLE t (x); CREATE VIEW v AS SELECT longest(x) FROM t", "function longest"],
    ["a virtual table", "CREATE VIRTUAL TABLE v USING vec0(e float[2])", "module vec0"],
    ...(uncompiled === ""
      ? [
          ["a column's order", "CREATE TABLE t (x COLLATE backwards)", "collation sequence backwards"],
          [
            "an index's order",
            "CREATE TABLE t (x); CREATE INDEX i ON t (x COLLATE backwards)",
            "collation sequence backwards"
          ],
          ["full-text search", "CREATE VIRTUAL TABLE f USING fts5(x, tokenize = 'words')", "tokenizer words"]
        ]
      : [])
  ])("names what %s needs, in an old file and in a new one", ([, sql = "", missed = ""]) =>
    Effect.gen(function* () {
      const { file, migrations } = yield* made(sql)
      const before = yield* pictureOf(join(file, ".."))
      const old = yield* refusal(start(file, { migrations, integrity: "schema" }))
      assert.strictEqual(`${old._tag}.${old.reason}`, "ConnectionError.MissingExtension")
      assert.include(old.remedy, missed)
      assert.match(old.remedy, /`onOpen`.*--on-open/)
      assert.deepStrictEqual(yield* pictureOf(join(file, "..")), before)
      const created = yield* refusal(start(`${file}.new`, { migrations }))
      assert.strictEqual(created._tag, "UpgradeError")
      assert.include(created.remedy, missed)
      assert.match(created.remedy, /`onOpen`/)
    })
  )

  it.scoped("is refused in an inspection, and with a new migration before it is tried", () =>
    Effect.gen(function* () {
      const { file, migrations } = yield* made("CREATE TABLE t (x CHECK (slug(x) <> ''))")
      const inspected = yield* refusal(start(file, { migrations, access: "inspect" }))
      assert.strictEqual(inspected.reason, "MissingExtension")
      const begin = { "000_begin.sql": "CREATE TABLE b (x)" }
      yield* start(`${file}.begun`, { migrations: Migrations.fromRecord(begin) })
      const pending = Migrations.fromRecord({ ...begin, "001_view.sql": "CREATE VIEW v AS SELECT slug(x) AS s FROM b" })
      const added = yield* refusal(start(`${file}.begun`, { migrations: pending }))
      assert.strictEqual(`${added._tag}.${added.reason}`, "UpgradeError.SchemaBroken")
      assert.match(added.remedy, /function slug.*`onOpen`/)
    })
  )

  it.scoped("names what a repeatable migration needs", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const migrations = Migrations.fromRecord({
        "001_it.sql": "CREATE TABLE t (x)",
        "R__slugs.sql": "CREATE VIEW slugs AS SELECT slug(x) FROM t"
      })
      yield* start(file, { ...options, migrations })
      const refused = yield* refusal(start(file, { migrations, integrity: "schema" }))
      assert.strictEqual(refused.reason, "MissingExtension")
      assert.include(refused.message, "view slugs")
      yield* start(file, { ...options, migrations })
    })
  )

  it.scoped("asks for trust where SQLite does not let the schema call it", () =>
    Effect.gen(function* () {
      const { file, migrations } = yield* made("CREATE TABLE t (x CHECK (slug(x) <> ''))")
      const refused = yield* refusal(start(file, { onOpen, migrations }))
      assert.strictEqual(refused.reason, "MissingExtension")
      assert.match(refused.message, /unsafe use of slug\(\).*trustedSchema/)
    })
  )

  it.scoped("passes where only an old migration needed it, and where a pending one takes it away", () =>
    Effect.gen(function* () {
      const sql = "CREATE TABLE t (x); INSERT INTO t VALUES (slug('A B'))"
      const { file, migrations } = yield* made(sql)
      yield* start(file, { migrations })
      const trigger = "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT slug(new.x); END"
      const record = { "001_it.sql": sql, "002_trigger.sql": trigger }
      yield* start(file, { ...options, migrations: Migrations.fromRecord(record) })
      yield* start(file, { migrations: Migrations.fromRecord({ ...record, "003_drop.sql": "DROP TRIGGER g" }) })
    })
  )
})
