/**
 * The backup of a large database is made while others write, and has what was committed when the upgrade began. Long
 * form, with more ways to write: `EARLY=long npx vitest run --config test/vitest.config.ts earlyCopy`.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Migrations, type ProgressEvent } from "../layers/index.ts"
import { copyDatabase } from "../layers/sqlite/DatabaseCopy.ts"
import { lockForCopying } from "../layers/sqlite/LockFile.ts"
import { openSqlite } from "../layers/sqlite/Sqlite.ts"
import { applyCommits, endOfCommits } from "../layers/sqlite/WalTail.ts"
import {
  independently,
  notesFiles,
  openConnection,
  platform,
  refusal,
  rowsOf,
  start,
  temporaryFile,
  temporaryFolder,
  withInstantStatements
} from "./support/database.ts"

const picture =
  "SELECT count(*) AS rows, total(id) AS ids, total(id * (length(body) + unicode(substr(body, 1 + id % 7)))) AS bodies FROM notes"

/** What the upgrade finds is what the backup must have. */
const proving = Migrations.fromRecord({ ...notesFiles, "003_proof.sql": `CREATE TABLE proof AS ${picture};` })

const large = Effect.gen(function* () {
  const file = yield* temporaryFile
  yield* start(file)
  yield* independently(file, (connection) =>
    connection.exec(`WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 4400)
      INSERT INTO notes (body) SELECT hex(randomblob(4000)) FROM n; PRAGMA wal_checkpoint(TRUNCATE);`)
  )
  return file
})

/** Another process that inserts, changes and deletes rows, and reports each commit. */
const writing = (file: string, also = "") =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const script = `const connection = new (require("better-sqlite3"))(process.argv[1], { timeout: 60000 })
connection.pragma("synchronous = normal")
const change = connection.transaction(() => connection.exec(\`INSERT INTO notes (body) SELECT hex(randomblob(200 + abs(random() % 900))) FROM (VALUES (1), (2), (3));
UPDATE notes SET body = hex(randomblob(300)) WHERE id = abs(random() % 4400) OR id = (SELECT max(id) FROM notes) - 3;
DELETE FROM notes WHERE id = abs(random() % 4400)\`))
let done = 0
const go = () => { change(); ${also}; console.log(++done); setTimeout(go, 2) }
go()`
      const child = spawn(process.execPath, ["-e", script, file], {
        cwd: import.meta.dirname,
        stdio: ["ignore", "pipe", "inherit"]
      })
      let commits = 0
      child.stdout.setEncoding("utf8").on("data", (lines: string) => {
        commits += lines.split("\n").length - 1
      })
      return { child, commits: () => commits }
    }),
    ({ child }) => ended(child)
  )

const ended = (child: ChildProcess) =>
  Effect.async<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

const beside = (file: string) =>
  readdirSync(dirname(file))
    .map((name) => name.slice(basename(file).length))
    .filter((suffix) => suffix !== "" && !/^-(wal|shm)$/.test(suffix))
    .sort()

/** Runs an action when a copy begins. */
const whenCopying = (act: Effect.Effect<void>) => (event: ProgressEvent) =>
  event._tag === "StageProgress" && event.doing === "making the backup" && event.done === 0 ? act : Effect.void

const isProven = Effect.fnUntraced(function* (file: string, backup: string) {
  assert.deepStrictEqual(yield* rowsOf(backup, "PRAGMA integrity_check"), [{ integrity_check: "ok" }])
  const wanted = yield* rowsOf(file, "SELECT * FROM proof")
  assert.deepStrictEqual(yield* rowsOf(backup, picture), wanted)
  assert.deepStrictEqual(yield* rowsOf(backup, "SELECT max(version) AS v FROM schema_migrations"), [{ v: "002" }])
  // Rollback journal: a copy in WAL mode could not be read without other files.
  assert.deepStrictEqual([...readFileSync(backup).subarray(18, 20)], [1, 1])
})

describe("what a WAL gets after the moment that a reader holds", () => {
  for (const pageSize of [512, 4096, 65_536]) {
    for (const emptied of [false, true]) {
      it.scoped(
        `is all that the copy lacks, in pages of ${pageSize} bytes${emptied ? ", in a WAL that starts over" : ""}`,
        () =>
          Effect.gen(function* () {
            const file = join(yield* temporaryFolder, "app.db")
            const live = yield* openConnection(file)
            live.exec(`PRAGMA page_size = ${pageSize}; PRAGMA journal_mode = wal; PRAGMA cache_size = 4;
            CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT); CREATE INDEX by_body ON notes(body)`)
            const commit = (rows: number) =>
              live.exec(`WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < ${rows})
              INSERT INTO notes (body) SELECT hex(randomblob(150)) FROM n; DELETE FROM notes WHERE id % 5 = 2`)
            commit(300)
            if (emptied) live.pragma("wal_checkpoint(PASSIVE)")
            const source = yield* openSqlite({ filename: file, readonly: true })
            yield* source.run("BEGIN")
            yield* source.run("SELECT count(*) FROM notes")
            const begun = yield* endOfCommits(file, Effect.void)
            const copy = `${file}.copy`
            yield* Effect.provide(copyDatabase(file, copy, { source }), platform)
            let end = begun
            for (const rows of [1, 40, 200]) {
              commit(rows)
              live.pragma("wal_checkpoint(PASSIVE)")
              // After the commits there are pages of an unfinished transaction.
              live.exec(`BEGIN; UPDATE notes SET body = body || 'x'`)
              if (end === undefined) return assert.fail("the end of the commits is not known")
              end = yield* applyCommits(file, end, copy, Effect.void)
              live.exec("ROLLBACK")
              const all = "SELECT id, body FROM notes ORDER BY body"
              assert.deepStrictEqual(yield* rowsOf(copy, all), live.prepare(all).all())
              assert.deepStrictEqual(yield* rowsOf(copy, "PRAGMA integrity_check"), [{ integrity_check: "ok" }])
            }
            assert.strictEqual(end?.salts !== begun?.salts, emptied)
          })
      )
    }
  }
})

describe("the backup of a large database", () => {
  // Nobody waits for the reader that holds the copied state.
  const checkpoint = (mode: string) =>
    `connection.pragma("busy_timeout = 0"); connection.pragma("wal_checkpoint(${mode})"); connection.pragma("busy_timeout = 60000")`
  const ways = {
    "while another process writes, and the file grows and shrinks":
      'if (done % 20 === 5) connection.exec("DELETE FROM notes WHERE id % 7 = 3; PRAGMA incremental_vacuum")',
    ...(process.env["EARLY"] === "long"
      ? {
          "while the WAL is emptied again and again": checkpoint("TRUNCATE"),
          "while the WAL starts over again and again": checkpoint("RESTART")
        }
      : {})
  }
  for (const [how, also] of Object.entries(ways)) {
    it.scopedLive(`is what is committed when the upgrade begins, ${how}`, () =>
      Effect.gen(function* () {
        const file = yield* large
        const { commits } = yield* writing(file, also)
        yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => commits() > 5 })
        let during = 0
        const wait = Effect.suspend(() => {
          const before = commits()
          return Effect.repeat(Effect.sleep("10 millis"), { until: () => commits() > before + 20 }).pipe(
            Effect.zipRight(
              Effect.sync(() => {
                during = commits() - before
              })
            )
          )
        })
        const { backup = "" } = yield* withInstantStatements(
          start(file, { migrations: proving, onProgress: whenCopying(wait) })
        )
        assert.isAbove(during, 20)
        assert.deepStrictEqual(beside(file), [".002-to-003.backup"])
        yield* isProven(file, backup)
      })
    )
  }

  it.scopedLive("is made once if several start at the same time, and the others wait without the write lock", () =>
    Effect.gen(function* () {
      const file = yield* large
      let copies = 0
      const count = whenCopying(Effect.sync(() => (copies += 1)).pipe(Effect.asVoid))
      const starts = [1, 2, 3].map(() => withInstantStatements(start(file, { migrations: proving, onProgress: count })))
      const reports = yield* Effect.all(starts, { concurrency: "unbounded" })
      const backups = reports.flatMap(({ backup }) => backup ?? [])
      assert.deepStrictEqual([copies, backups], [1, [`${file}.002-to-003.backup`]])
      yield* isProven(file, `${file}.002-to-003.backup`)
      assert.deepStrictEqual(beside(file), [".002-to-003.backup"])
    })
  )

  it.scopedLive("is discarded if somebody has upgraded the database meanwhile", () =>
    Effect.gen(function* () {
      const file = yield* large
      const others = Migrations.fromRecord({ ...notesFiles, "003_proof.sql": `CREATE TABLE proof AS ${picture};` })
      let isFirst = true
      const meanwhile = Effect.suspend(() => {
        if (!isFirst) return Effect.void
        isFirst = false
        return Effect.orDie(Effect.asVoid(start(file, { migrations: others, backups: 0 })))
      })
      const { applied, backup } = yield* withInstantStatements(
        start(file, { migrations: proving, onProgress: whenCopying(meanwhile) })
      )
      assert.deepStrictEqual([applied, backup, beside(file)], [[], undefined, []])
    })
  )

  it.scopedLive("is not made for a release that fails for its rows", () =>
    Effect.gen(function* () {
      const file = yield* large
      const wrong = Migrations.fromRecord({ ...notesFiles, "003_wrong.sql": "INSERT INTO notes (id) VALUES (1);" })
      let copies = 0
      const count = whenCopying(Effect.sync(() => (copies += 1)).pipe(Effect.asVoid))
      yield* refusal(start(file, { migrations: wrong, onProgress: count }))
      assert.deepStrictEqual([copies, beside(file)], [0, []])
    })
  )

  it.scoped("is deleted if a killed process left it unfinished, but not while it is being made", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const left = [".002-to-003.backup.early.partial", ".002-to-003.backup.early.partial-journal"]
      for (const suffix of left) writeFileSync(`${file}${suffix}`, "")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* lockForCopying(file)
          yield* start(file)
          assert.deepStrictEqual(beside(file), [...left, ".upgrade.partial"])
        })
      )
      writeFileSync(`${file}.upgrade.partial`, "")
      yield* start(file)
      assert.deepStrictEqual(beside(file), [])
    })
  )
})
