/**
 * Kills a start, or fails its system call, at every step that changes something; then starts without a fault. strace
 * injects the fault at the n-th call of a kind on the database's files, with rising n until the call is not reached.
 * The short form takes some of the calls; long form: `FAULTS=all npx vitest run --config test/vitest.config.ts faults`.
 */

import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Migrations, restoreBackup } from "../layers/index.ts"
import {
  crashAfter,
  independently,
  platform,
  rivalProcess,
  rowsOf,
  start,
  temporaryFolder
} from "./support/database.ts"
import { everything, type Fault, kill, limit, options, skipped, unavailable, wasReached } from "./support/faults.ts"
import { program, runProgram } from "./support/program.ts"
import { contentOf } from "./support/reference.ts"

const calls = {
  onTheDatabase: everything
    ? ["mkdir", "openat", "pread64", "pwrite64", "fsync", "ftruncate", "unlink", "fcntl"]
    : ["mkdir", "fsync", "ftruncate", "unlink"],
  onTheBackup: everything
    ? ["openat", "pread64", "pwrite64", "fsync", "ftruncate", "unlink", "fcntl", "rename"]
    : ["fsync", "rename"],
  ofARestore: everything
    ? ["pwrite64", "fsync", "ftruncate", "unlink", "rename", "link"]
    : ["ftruncate", "unlink", "rename", "link"]
}

const first = "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);\nINSERT INTO notes (body) VALUES ('first');"
const second = "CREATE TABLE tags (note INTEGER REFERENCES notes(id), tag TEXT);\nALTER TABLE notes ADD COLUMN at TEXT;"

const manyNotes = (file: string) =>
  independently(file, (connection) =>
    connection.exec(
      "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 200) INSERT INTO notes (body) SELECT x FROM n"
    )
  )

/** With foreign keys on, dropping the old table would delete the rows that refer to it. */
const rebuild = `-- database-ready: foreign_keys = off
CREATE TABLE tags (note INTEGER REFERENCES notes(id) ON DELETE CASCADE, tag TEXT);
INSERT INTO tags SELECT id, 'a' FROM notes;
CREATE TABLE new_notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
INSERT INTO new_notes SELECT id, body FROM notes;
DROP TABLE notes;
ALTER TABLE new_notes RENAME TO notes;`

/** Between two files that only add: three transactions, because foreign keys cannot be switched within one. */
const rebuildBetween = {
  "003_rebuild.sql": `-- database-ready: foreign_keys = off
CREATE TABLE new_notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL, at TEXT);
INSERT INTO new_notes SELECT id, body, at FROM notes;
DROP TABLE notes;
ALTER TABLE new_notes RENAME TO notes;`,
  "004_more.sql": "CREATE TABLE more (note INTEGER REFERENCES notes(id));"
}

interface Situation {
  readonly rows: number
  readonly tags: number
  /** `002`, and what follows it. */
  readonly second: string
  readonly more?: Readonly<Record<string, string>>
  /** The copy that must be there afterwards. A start that continues after a killed one makes another. */
  readonly backup?: string
  readonly before: (file: string, init: Effect.Effect<unknown>) => Effect.Effect<unknown>
}

/** Situations to start in: how many rows and which files must be there afterwards, and the preparation. */
const situations: Readonly<Record<string, Situation>> = {
  "a first start": { rows: 1, second, tags: 0, before: () => Effect.void },
  "a table rebuild": {
    rows: 201,
    second: rebuild,
    tags: 201,
    backup: "app.db.001-to-002.backup",
    before: (file, init) => Effect.zipRight(init, manyNotes(file))
  },
  "a second migration on a database with rows": {
    rows: 201,
    second,
    tags: 0,
    backup: "app.db.001-to-002.backup",
    before: (file, init) => Effect.zipRight(init, manyNotes(file))
  },
  "an upgrade with a rebuild in the middle": {
    rows: 201,
    second,
    more: rebuildBetween,
    tags: 0,
    backup: "app.db.001-to-004.backup",
    before: (file, init) => Effect.zipRight(init, manyNotes(file))
  },
  "the takeover of an older history table": {
    rows: 1,
    second,
    tags: 0,
    backup: "app.db.001-to-002.backup",
    before: (file) =>
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

interface FaultOnFiles extends Fault {
  /** The fault hits calls on these paths; calls on any path if there are none. */
  readonly paths: ReadonlyArray<string>
}

/** One run under a fault: whether the fault was reached, and how the program ended. */
const runUnder = ({ paths, ...fault }: FaultOnFiles, file: string, args: ReadonlyArray<string>) => {
  const trace = join(dirname(dirname(file)), "trace")
  const where = paths.flatMap((path) => ["-P", path])
  const { signal, status, stderr, stdout } = spawnSync(
    "strace",
    ["-f", "-qq", "-o", trace, ...where, ...options(fault), process.execPath, program, ...args],
    // strace counts per thread: only one other thread keeps the count of file system calls exact.
    {
      encoding: "utf8",
      timeout: 120_000,
      killSignal: "SIGKILL",
      env: { PATH: process.env["PATH"], UV_THREADPOOL_SIZE: "1" }
    }
  )
  const reached = wasReached(fault, readFileSync(trace, "utf8"))
  return { reached, code: status ?? signal, stdout, stderr }
}

const failures = (everything ? ["EIO", "ENOSPC", "EACCES", "EMFILE", "EINTR"] : ["EIO"]).map((code) => `error=${code}`)

/** Every fault of a kind, on each file of the database and the backup, as often as each is reached. */
const faultsOfAnInit = (
  file: string,
  what: string,
  name = "app.db.001-to-002.backup"
): ReadonlyArray<Omit<FaultOnFiles, "nth">> => {
  const backup = join(dirname(file), name)
  const database = [file, `${file}-wal`, `${file}-shm`, `${file}-journal`, dirname(file)]
  const copies = [backup, `${backup}.partial`, `${backup}.partial-journal`]
  return [
    ...calls.onTheDatabase.map((call) => ({ what, call, paths: database })),
    ...calls.onTheBackup.map((call) => ({ what, call, paths: copies }))
  ]
}

/** Runs with one call after the other under the fault, each in its own copy, until the call is not reached. */
const sweep = Effect.fnUntraced(function* <E, R>(
  faults: (file: string) => ReadonlyArray<Omit<FaultOnFiles, "nth">>,
  copy: (label: string) => { readonly file: string; readonly args: ReadonlyArray<string> },
  survived: (
    ended: ReturnType<typeof runUnder>,
    at: { readonly file: string; readonly args: ReadonlyArray<string>; readonly label: string }
  ) => Effect.Effect<void, E, R>
) {
  let count = 0
  const kinds = faults("").length
  for (let kind = 0; kind < kinds; kind += 1) {
    // The short form takes each of the first four, where the database is opened, and then every fourth one.
    for (let nth = 1; ; nth += everything || nth < 4 ? 1 : 4) {
      const { args, file } = copy(`${kind}-${nth}`)
      const fault = faults(file)[kind]
      if (fault === undefined) break
      const ended = runUnder({ ...fault, nth }, file, args)
      if (!ended.reached) break
      count += 1
      yield* survived(ended, { file, args, label: `${fault.what} ${fault.call} ${nth}: ${ended.stderr}` })
    }
  }
  assert.isAbove(count, 0)
  return count
})

/** Expects a refusal with its reason, or success, which `done` verifies. */
const honest = Effect.fnUntraced(function* <E, R>(
  { code, stdout }: ReturnType<typeof runUnder>,
  label: string,
  done: Effect.Effect<void, E, R>
) {
  const report = JSON.parse(stdout)
  if (code === 0) {
    assert.notStrictEqual(report.status, "failed", label)
    yield* done
  } else {
    assert.include([65, 73, 74, 75, 77], code, label)
    assert.notStrictEqual(report.error._tag, "Defect", label)
    assert.isNotEmpty(report.error.remedy, label)
  }
})

/** On a busy machine a start also says what takes long: `... in the migrations stage: ...`. */
const warningsIn = (stderr: string): string => stderr.replace(/^.* in the \w+ stage: .*\n?/gm, "")

const byProgram = Effect.fnUntraced(function* (args: ReadonlyArray<string>, label: string) {
  const { code, stderr } = yield* runProgram(args)
  assert.deepStrictEqual([code, warningsIn(stderr)], [0, ""], label)
})

/** The start after it, without a fault: a program; in the short form in this process, which takes half of the time. */
const next = Effect.fnUntraced(function* (file: string, args: ReadonlyArray<string>, label: string) {
  if (everything) return yield* byProgram(args, label)
  const migrations = Effect.provide(Migrations.fromDirectory(join(dirname(dirname(file)), "migrations")), platform)
  assert.deepStrictEqual((yield* start(file, { migrations })).warnings, [], label)
})

const argumentsIn = (home: string) => ["--json", "--database", join(home, "data", "app.db")]

describe.skipIf(unavailable !== undefined)(`a start${skipped}`, () => {
  for (const [name, { backup, before, more = {}, rows, second, tags }] of Object.entries(situations)) {
    /** Everything up to the faulty start, which is then repeated from a copy. */
    const prepared = Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const origin = join(folder, "origin")
      mkdirSync(join(origin, "migrations"), { recursive: true })
      const args = (home: string) => ["init", ...argumentsIn(home), "--migrations", join(home, "migrations")]
      writeFileSync(join(origin, "migrations", "001_notes.sql"), first)
      yield* before(join(origin, "data", "app.db"), runProgram(args(origin)))
      for (const [name, text] of Object.entries({ "002_tags.sql": second, ...more })) {
        writeFileSync(join(origin, "migrations", name), text)
      }
      return (label: string) => {
        const home = join(folder, label)
        cpSync(origin, home, { recursive: true })
        return { file: join(home, "data", "app.db"), args: args(home) }
      }
    })

    const readyAfterwards = Effect.fnUntraced(function* (file: string, args: ReadonlyArray<string>, label: string) {
      yield* next(file, args, label)
      const recorded = yield* rowsOf(file, "SELECT version FROM schema_migrations ORDER BY version")
      const versions = ["001", "002", ...Object.keys(more).map((name) => name.slice(0, 3))]
      assert.deepStrictEqual(
        recorded,
        versions.map((version) => ({ version })),
        label
      )
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT count(*) AS rows FROM notes"), [{ rows }], label)
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT count(*) AS tags FROM tags"), [{ tags }], label)
      assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA integrity_check"), [{ integrity_check: "ok" }], label)
      const goneOn = new RegExp(`^app\\.db\\.00[23]-to-${versions.at(-1)}(\\.\\d+)?\\.backup$`)
      const left = readdirSync(dirname(file)).filter((name) => !goneOn.test(name))
      assert.deepStrictEqual(left.sort(), backup === undefined ? ["app.db"] : ["app.db", backup], label)
    })

    it.scopedLive(
      `in ${name}, killed at every step: the next one is ready, each migration recorded once, every row and the backup there`,
      () =>
        Effect.gen(function* () {
          const killed = yield* sweep(
            (file) => faultsOfAnInit(file, kill, backup),
            yield* prepared,
            (_, { args, file, label }) => readyAfterwards(file, args, label)
          )
          console.log(`${name}: killed ${killed} times`)
        }),
      limit
    )

    it.scopedLive(
      `in ${name}, failing at every step: a typed reason or ready, never a lie, and the next one is ready`,
      () =>
        Effect.gen(function* () {
          const failed = yield* sweep(
            (file) => failures.flatMap((what) => faultsOfAnInit(file, what, backup)),
            yield* prepared,
            (ended, { args, file, label }) =>
              Effect.gen(function* () {
                yield* honest(
                  ended,
                  label,
                  Effect.map(rowsOf(file, "SELECT name FROM sqlite_schema WHERE name IN ('notes', 'tags')"), (tables) =>
                    assert.strictEqual(tables.length, 2, label)
                  )
                )
                yield* readyAfterwards(file, args, label)
              })
          )
          console.log(`${name}: ${failed} failing calls`)
        }),
      limit
    )
  }
})

describe.skipIf(unavailable !== undefined)(`a start that makes repeatable migrations again${skipped}`, () => {
  const before = {
    "001_notes.sql": `${first}\nCREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT);`,
    "R__listed.sql": "CREATE VIEW listed AS SELECT body FROM notes;",
    "R__logged.sql":
      "CREATE TRIGGER logged AFTER INSERT ON notes BEGIN INSERT INTO log (what) SELECT 'was ' || body FROM listed; END;"
  }
  const newText = { ...before, "R__listed.sql": "CREATE VIEW listed AS SELECT id, body FROM notes;" }
  const numbered = { ...newText, "002_tags.sql": second, ...rebuildBetween }
  const releases: Readonly<
    Record<string, { readonly files: Readonly<Record<string, string>>; readonly isOne: boolean }>
  > = everything
    ? {
        "because a text changed": { files: newText, isOne: true },
        "after numbered ones, in several transactions": { files: numbered, isOne: false }
      }
    : { "because a text changed": { files: newText, isOne: true } }

  for (const [why, { files, isOne }] of Object.entries(releases)) {
    it.scopedLive(
      `${why}, killed at every step: the old ones or the new ones are there, and the next start makes the new ones`,
      () =>
        Effect.gen(function* () {
          const folder = yield* temporaryFolder
          const home = (label: string) => join(folder, label)
          const fileOf = (label: string) => join(home(label), "data", "app.db")
          const migrations = join(folder, "migrations")
          mkdirSync(migrations)
          for (const [name, text] of Object.entries(files)) writeFileSync(join(migrations, name), text)
          const startAt = (label: string, list: Readonly<Record<string, string>>) =>
            start(fileOf(label), { migrations: Migrations.fromRecord(list) })
          yield* startAt("origin", before)
          const copy = (label: string, from = "origin") => {
            cpSync(home(from), home(label), { recursive: true })
            return { file: fileOf(label), args: ["init", ...argumentsIn(home(label)), "--migrations", migrations] }
          }
          copy("done")
          yield* startAt("done", files)
          const [old, made] = yield* Effect.all([
            independently(fileOf("origin"), contentOf),
            independently(fileOf("done"), contentOf)
          ])
          assert.notStrictEqual(old, made)

          // A new text alone makes no backup.
          const faults = (file: string) =>
            faultsOfAnInit(file, kill, "app.db.001-to-004.backup").filter(({ paths }) => !isOne || paths.includes(file))
          const killed = yield* sweep(faults, copy, (_, { file, label }) =>
            Effect.gen(function* () {
              const left = file.slice(folder.length + 1).split("/")[0] ?? ""
              // Not the file itself: to look at it is to recover it, which the next start has to do.
              copy(`${left}-look`, left)
              const found = yield* independently(fileOf(`${left}-look`), contentOf)
              if (isOne) assert.include([old, made], found, label)
              const { repeated, warnings } = yield* startAt(left, files)
              if (isOne) assert.deepStrictEqual(repeated, found === made ? [] : ["R__listed"], label)
              assert.deepStrictEqual(warnings, [], label)
              assert.strictEqual(yield* independently(file, contentOf), made, label)
              assert.deepStrictEqual((yield* startAt(left, files)).repeated, [], label)
              assert.deepStrictEqual(
                readdirSync(dirname(file)).filter((name) => !name.endsWith(".backup")),
                ["app.db"],
                label
              )
            })
          )
          console.log(`repeatable migrations ${why}: killed ${killed} times`)
        }),
      limit
    )
  }
})

/** The kernel forbids writing, but access(2) does not show it: a sticky directory, AppArmor, Landlock. */
describe.skipIf(unavailable !== undefined)(`a database that may not be opened for writing${skipped}`, () => {
  const migrated = Effect.gen(function* () {
    const home = yield* temporaryFolder
    mkdirSync(join(home, "migrations"))
    writeFileSync(join(home, "migrations", "001_notes.sql"), first)
    const args = ["init", ...argumentsIn(home), "--migrations", join(home, "migrations"), "--timeout", "10s"]
    assert.strictEqual((yield* runProgram(args)).code, 0)
    return { file: join(home, "data", "app.db"), args }
  })
  const forbidden = { what: "error=EACCES", call: "openat" }
  const refused = [true, 77, "ConnectionError", false]
  const refusalIn = ({ code, reached, stdout }: ReturnType<typeof runUnder>) => {
    const { error } = JSON.parse(stdout)
    return [reached, code, error?._tag, error?.retryable]
  }

  it.scopedLive("is refused, even if the first statement would not have noticed", () =>
    Effect.gen(function* () {
      const { args, file } = yield* migrated
      const ended = runUnder({ ...forbidden, nth: 1, paths: [file] }, file, args)
      assert.deepStrictEqual(refusalIn(ended), refused)
      assert.strictEqual(JSON.parse(ended.stdout).error.reason, "ReadOnly")
      assert.strictEqual((yield* runProgram(args)).code, 0)
    })
  )

  it.scopedLive("is refused next to the WAL of a crash and next to a living writer, without asking for its lock", () =>
    Effect.gen(function* () {
      const { args, file } = yield* migrated
      yield* crashAfter(file, "INSERT INTO notes (body) VALUES ('late')")
      // The first is the reader that keeps the WAL.
      for (const path of [file, `${file}-wal`]) {
        const ended = runUnder({ ...forbidden, nth: 2, paths: [path] }, file, args)
        assert.deepStrictEqual(refusalIn(ended), refused, path)
      }
      // The first is the check for a lost WAL.
      const shm = runUnder({ ...forbidden, nth: 2, paths: [`${file}-shm`] }, file, args)
      assert.deepStrictEqual(refusalIn(shm), refused)
      yield* rivalProcess(file, "BEGIN IMMEDIATE")
      const beside = runUnder({ ...forbidden, nth: 2, paths: [file] }, file, args)
      assert.deepStrictEqual(refusalIn(beside), refused)
      // For a user who may write, another's lock does not prevent being ready.
      assert.strictEqual((yield* runProgram(args)).code, 0)
    })
  )
})

const ruined = "nothing that SQLite could open, for somebody wrote over it. ".repeat(100)

describe.skipIf(unavailable !== undefined)(`a restore${skipped}`, () => {
  const over = {
    "a database": () => {},
    "a file that SQLite cannot open": (file: string) => writeFileSync(file, ruined)
  }
  // The short form takes the first.
  for (const [name, ruin] of Object.entries(over).slice(0, everything ? undefined : 1)) {
    const prepared = Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const origin = join(folder, "origin")
      mkdirSync(join(origin, "migrations"), { recursive: true })
      const file = join(origin, "data", "app.db")
      const init = runProgram(["init", ...argumentsIn(origin), "--migrations", join(origin, "migrations")])
      writeFileSync(join(origin, "migrations", "001_notes.sql"), first)
      yield* init
      writeFileSync(join(origin, "migrations", "002_tags.sql"), second)
      yield* init
      yield* manyNotes(file)
      ruin(file)
      return (label: string) => {
        const home = join(folder, label)
        cpSync(origin, home, { recursive: true, preserveTimestamps: true })
        return { file: join(home, "data", "app.db"), args: ["restore", ...argumentsIn(home)] }
      }
    })
    const faults = (what: string) => calls.ofARestore.map((call) => ({ what, call, paths: [] }))
    const count = "SELECT count(*) AS notes FROM notes"
    const told = `${count.replace(" FROM", ", (SELECT count(*) FROM schema_migrations WHERE events LIKE '%restore%') AS told FROM")}`

    /** The old or the new database, whole; and the next restore succeeds. */
    const oneOrTheOther = Effect.fnUntraced(function* (file: string, args: ReadonlyArray<string>, label: string) {
      const bytes = readFileSync(file, "latin1")
      if (bytes !== ruined) {
        assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA integrity_check"), [{ integrity_check: "ok" }], label)
        // The new one is never there without its note.
        const either = [[{ notes: 1, told: 1 }], [{ notes: 201, told: 0 }]]
        assert.deepInclude(either, yield* rowsOf(file, told), label)
      }
      yield* everything ? byProgram(args, label) : Effect.provide(restoreBackup({ filename: file }), platform)
      assert.deepStrictEqual(yield* rowsOf(file, told), [{ notes: 1, told: 1 }], label)
      const kept = readdirSync(dirname(file)).filter((other) => /\.replaced-\w+$/.test(other))
      assert.isNotEmpty(kept, label)
      const whole = Effect.forEach(kept, (other) => {
        const copy = join(dirname(file), other)
        return readFileSync(copy, "latin1") === ruined ? Effect.succeed([]) : rowsOf(copy, "PRAGMA integrity_check")
      })
      for (const rows of yield* whole)
        if (rows.length > 0) assert.deepStrictEqual(rows, [{ integrity_check: "ok" }], label)
    })

    it.scopedLive(
      `over ${name}, killed at every step: the old or the new database is there, whole, and the next restore succeeds`,
      () =>
        Effect.gen(function* () {
          const killed = yield* sweep(
            () => faults(kill),
            yield* prepared,
            (_, { args, file, label }) => oneOrTheOther(file, args, label)
          )
          console.log(`restore over ${name}: killed ${killed} times`)
        }),
      limit
    )

    it.scopedLive(
      `over ${name}, failing at every step: a typed reason or restored, never a lie, nothing is left, and the next restore succeeds`,
      () =>
        Effect.gen(function* () {
          const copy = yield* prepared
          const before = readdirSync(dirname(copy("before").file)).sort()
          const failed = yield* sweep(
            () => failures.flatMap(faults),
            copy,
            (ended, { args, file, label }) =>
              Effect.gen(function* () {
                // What cannot be deleted stays.
                const isLeft = ended.code === 0 || label.includes(" unlink ")
                if (!isLeft) assert.deepStrictEqual(readdirSync(dirname(file)).sort(), before, label)
                const restored = Effect.map(rowsOf(file, count), (rows) =>
                  assert.deepStrictEqual(rows, [{ notes: 1 }], label)
                )
                yield* honest(ended, label, restored)
                yield* oneOrTheOther(file, args, label)
              })
          )
          console.log(`restore over ${name}: ${failed} failing calls`)
        }),
      limit
    )
  }
})
