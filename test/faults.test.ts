/**
 * A start that is killed, or whose system call fails, at every step that changes something; then a start
 * without a fault. strace injects the fault at the n-th call of a kind on the database's files, n rising
 * until the call is not reached. The short form takes some of the calls; the long one is
 * `FAULTS=all npx vitest run --config test/vitest.config.ts faults`.
 */

import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { independently, rowsOf, temporaryFolder } from "./support/database.ts"
import { program, runProgram } from "./support/program.ts"

const everything = process.env["FAULTS"] === "all"
const calls = everything
  ? ["mkdir", "openat", "pread64", "pwrite64", "fsync", "ftruncate", "unlink", "fcntl"]
  : ["mkdir", "fsync", "ftruncate", "unlink"]

const first = "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);\nINSERT INTO notes (body) VALUES ('first');"
const second = "CREATE TABLE tags (note INTEGER REFERENCES notes(id), tag TEXT);\nALTER TABLE notes ADD COLUMN at TEXT;"

const manyNotes = (file: string) =>
  independently(file, (connection) =>
    connection.exec(
      "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 200) INSERT INTO notes (body) SELECT x FROM n"
    )
  )

/** Dropping the old table with foreign keys on would delete the rows that refer to it. */
const rebuild = `-- database-ready: foreign_keys = off
CREATE TABLE tags (note INTEGER REFERENCES notes(id) ON DELETE CASCADE, tag TEXT);
INSERT INTO tags SELECT id, 'a' FROM notes;
CREATE TABLE new_notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
INSERT INTO new_notes SELECT id, body FROM notes;
DROP TABLE notes;
ALTER TABLE new_notes RENAME TO notes;`

/** Situations to start in: how many rows have to be there afterwards, and what has to be done before. */
const situations = {
  "a first start": { rows: 1, second, tags: 0, before: () => Effect.void },
  "a table rebuild": {
    rows: 201,
    second: rebuild,
    tags: 201,
    before: (file: string, init: Effect.Effect<unknown>) => Effect.zipRight(init, manyNotes(file))
  },
  "a second migration on a database with rows": {
    rows: 201,
    second,
    tags: 0,
    before: (file: string, init: Effect.Effect<unknown>) => Effect.zipRight(init, manyNotes(file))
  },
  "the takeover of an older history table": {
    rows: 1,
    second,
    tags: 0,
    before: (file: string) =>
      Effect.suspend(() => {
        mkdirSync(dirname(file))
        return independently(file, (connection) =>
          connection.exec(`${first}
          CREATE TABLE schema_migrations (migration_id INTEGER PRIMARY KEY, version TEXT, description TEXT, applied_at TEXT, status TEXT, execution_time_ms INTEGER);
          INSERT INTO schema_migrations (version, description, status) VALUES ('001', 'before', 'completed');`)
        )
      })
  }
}

const tracer = spawnSync("strace", ["-qq", "-e", "trace=none", "true"])
const reason = tracer.error?.message ?? (tracer.status === 0 ? undefined : String(tracer.stderr))

/** One start under a fault: whether the fault was reached, and how the program ended. */
const startUnder = (fault: string, file: string, call: string, nth: number, args: ReadonlyArray<string>) => {
  const trace = join(dirname(dirname(file)), "trace")
  const paths = [file, `${file}-wal`, `${file}-shm`, `${file}-journal`, dirname(file)].flatMap((path) => ["-P", path])
  const inject = `inject=${call}:${fault}:when=${nth}`
  const { signal, status, stderr, stdout } = spawnSync(
    "strace",
    ["-f", "-qq", "-o", trace, ...paths, "-e", `trace=${call}`, "-e", inject, process.execPath, program, ...args],
    { encoding: "utf8" }
  )
  const reached = readFileSync(trace, "utf8").includes(fault.startsWith("signal") ? "SIGKILL" : "(INJECTED)")
  return { reached, code: status ?? signal, stdout, stderr }
}

describe.skipIf(reason !== undefined)(`faults${reason === undefined ? "" : ` (skipped: ${reason})`}`, () => {
  for (const [name, { before, rows, second, tags }] of Object.entries(situations)) {
    /** Everything up to the faulty start, which is then made again and again from a copy. */
    const prepared = Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const origin = join(folder, "origin")
      mkdirSync(join(origin, "migrations"), { recursive: true })
      const args = (home: string) => [
        "init",
        "--json",
        "--database",
        join(home, "data", "app.db"),
        "--migrations",
        join(home, "migrations")
      ]
      writeFileSync(join(origin, "migrations", "001_notes.sql"), first)
      yield* before(join(origin, "data", "app.db"), runProgram(args(origin)))
      writeFileSync(join(origin, "migrations", "002_tags.sql"), second)
      return (label: string) => {
        const home = join(folder, label)
        cpSync(origin, home, { recursive: true })
        return { file: join(home, "data", "app.db"), args: args(home) }
      }
    })

    const readyAfterwards = Effect.fnUntraced(function* (file: string, args: ReadonlyArray<string>, label: string) {
      const again = yield* runProgram(args)
      assert.deepStrictEqual([again.code, again.stderr], [0, ""], label)
      const recorded = yield* rowsOf(file, "SELECT version FROM schema_migrations ORDER BY version")
      assert.deepStrictEqual(recorded, [{ version: "001" }, { version: "002" }], label)
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT count(*) AS rows FROM notes"), [{ rows }], label)
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT count(*) AS tags FROM tags"), [{ tags }], label)
      assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA integrity_check"), [{ integrity_check: "ok" }], label)
      assert.deepStrictEqual(readdirSync(dirname(file)), ["app.db"], label)
    })

    it.scopedLive(
      `${name}, killed at every step: the next start is ready, each migration recorded once, every row there`,
      () =>
        Effect.gen(function* () {
          const copy = yield* prepared
          let killed = 0
          for (const call of calls) {
            for (let nth = 1; ; nth += 1) {
              const label = `${call}-${nth}`
              const { args, file } = copy(label)
              const { reached } = startUnder("signal=SIGKILL", file, call, nth, args)
              if (!reached) break
              killed += 1
              yield* readyAfterwards(file, args, label)
            }
          }
          assert.isAbove(killed, 0)
          console.log(`${name}: killed ${killed} times`)
        }),
      everything ? 3_600_000 : 300_000
    )

    it.scopedLive(
      `${name}, failing at every step: a typed reason or ready, never a lie, and the next start is ready`,
      () =>
        Effect.gen(function* () {
          const copy = yield* prepared
          let failed = 0
          for (const error of everything ? ["EIO", "ENOSPC", "EACCES", "EMFILE", "EINTR"] : ["EIO"]) {
            for (const call of calls) {
              for (let nth = 1; ; nth += 1) {
                const label = `${error}-${call}-${nth}`
                const { args, file } = copy(label)
                const { code, reached, stdout } = startUnder(`error=${error}`, file, call, nth, args)
                if (!reached) break
                failed += 1
                const report = JSON.parse(stdout)
                if (code === 0) {
                  assert.strictEqual(report.status, "ready", label)
                  const tables = yield* rowsOf(file, "SELECT name FROM sqlite_schema WHERE name IN ('notes', 'tags')")
                  assert.strictEqual(tables.length, 2, label)
                } else {
                  assert.include([65, 73, 74, 75, 77], code, label)
                  assert.notStrictEqual(report.error._tag, "Defect", label)
                  assert.isNotEmpty(report.error.remedy, label)
                }
                yield* readyAfterwards(file, args, label)
              }
            }
          }
          assert.isAbove(failed, 0)
          console.log(`${name}: ${failed} failing calls`)
        }),
      everything ? 3_600_000 : 300_000
    )
  }
})
