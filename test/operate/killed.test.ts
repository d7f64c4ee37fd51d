/**
 * Kills each command that writes at the calls that change something: what is left is the old or the new, and the same
 * command completes it, and deletes what was left. Those of `init`, `restore` and `backup` are with their other faults.
 * The short form takes some calls; long form: `FAULTS=all npx vitest run --config
 * test/vitest.config.ts operate/killed`.
 */
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Migrations } from "../../layers/index.ts"
import { adopt, repair } from "../../layers/operate.ts"
import { independently, platform, refusal, rowsOf, start, temporaryFolder } from "../support/database.ts"
import { everything, kill, limit, options, skipped, unavailable, wasReached } from "../support/faults.ts"
import { program } from "../support/program.ts"

const calls = everything
  ? ["openat", "pwrite64", "fsync", "fdatasync", "ftruncate", "link", "unlink", "rename", "fcntl"]
  : ["link", "unlink"]

const files = {
  "001_users.sql": "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);",
  "002_tags.sql": "CREATE TABLE tags (user INTEGER, tag TEXT);"
}
const edited = { ...files, "002_tags.sql": `${files["002_tags.sql"]}\nINSERT INTO tags VALUES (1, 'a');` }

/** Vitest gives up on a worker that does not answer for a minute. */
const aTurn = Effect.sleep("1 millis")

interface Command {
  readonly args: ReadonlyArray<string>
  readonly migrations: Readonly<Record<string, string>>
  /** What a start is refused with before. */
  readonly refused: string
  readonly prepare: (file: string) => Effect.Effect<unknown, unknown>
  readonly again: (file: string) => Effect.Effect<unknown, unknown>
}

const from = Migrations.fromRecord(edited)
const commands: Readonly<Record<string, Command>> = {
  repair: {
    args: ["repair", "accept-edited", "002", "--reason", "killed", "--yes"],
    migrations: edited,
    refused: "Edited",
    prepare: (file) => start(file, { migrations: Migrations.fromRecord(files) }),
    again: (filename) =>
      Effect.provide(
        repair({ filename, migrations: from, repair: "accept-edited", versions: ["002"], reason: "again" }),
        platform
      )
  },
  adopt: {
    args: ["adopt", "--yes"],
    migrations: files,
    refused: "StatementFailed",
    prepare: (file) =>
      independently(file, (connection) =>
        connection.exec(
          `${Object.values(files).join("")} CREATE TABLE knex_migrations (id integer not null primary key autoincrement, name varchar(255), batch integer, migration_time datetime);
INSERT INTO knex_migrations (name, batch) VALUES ('001_users.js', 1), ('002_tags.js', 1);`
        )
      ),
    again: (filename) => Effect.provide(adopt({ filename, migrations: Migrations.fromRecord(files) }), platform)
  }
}

const history = "SELECT version, name, checksum FROM schema_migrations ORDER BY version"

describe.skipIf(unavailable !== undefined)(`killed at any moment${skipped}`, () => {
  for (const [name, { again, args, migrations, prepare, refused }] of Object.entries(commands)) {
    it.scopedLive(
      `${name} leaves the old history or the new one, and can be run again`,
      () =>
        Effect.gen(function* () {
          const folder = yield* temporaryFolder
          const origin = join(folder, "origin")
          mkdirSync(join(origin, "migrations"), { recursive: true })
          for (const [file, text] of Object.entries(migrations)) writeFileSync(join(origin, "migrations", file), text)
          yield* prepare(join(origin, "app.db"))
          let killed = 0
          for (const call of calls) {
            for (let nth = 1; everything || nth <= 2; nth += 1) {
              yield* aTurn
              const home = join(folder, `${call}-${nth}`)
              cpSync(origin, home, { recursive: true })
              const file = join(home, "app.db")
              const fault = { what: kill, call, nth }
              const trace = join(folder, "trace")
              spawnSync(
                "strace",
                [
                  ...["-f", "-qq", "-o", trace, ...options(fault), process.execPath, program, ...args],
                  ...["--database", file, "--migrations", join(home, "migrations")]
                ],
                { timeout: 120_000, env: { PATH: process.env["PATH"], UV_THREADPOOL_SIZE: "1" } }
              )
              if (!wasReached(fault, readFileSync(trace, "utf8"))) break
              killed += 1
              const label = `${call} ${nth}`
              const starting = start(file, {
                migrations: Migrations.fromRecord(migrations),
                access: "inspect",
                pragmas: { journalMode: name === "adopt" ? "delete" : "wal" }
              })
              const isNew = yield* Effect.isSuccess(starting)
              if (!isNew) {
                // With a rollback journal only a start rolls back, as the remedy says.
                if ((yield* refusal(starting)).reason === "NotRecovered") {
                  yield* refusal(start(file, { migrations: Migrations.fromRecord(migrations) }))
                }
                assert.strictEqual((yield* refusal(starting)).reason, refused, label)
                yield* again(file)
              }
              yield* starting
              assert.lengthOf(yield* rowsOf(file, history), 2, label)
              assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA integrity_check"), [{ integrity_check: "ok" }], label)
              // A copy that is whole may stay without its repair.
              const copies = readdirSync(home).filter((other) => other.endsWith(".backup"))
              assert.isNotEmpty(copies, label)
              for (const copy of copies) {
                assert.deepStrictEqual(yield* rowsOf(join(home, copy), "PRAGMA integrity_check"), [
                  { integrity_check: "ok" }
                ])
              }
              if (!isNew) {
                assert.deepStrictEqual(
                  readdirSync(home).filter((other) => other.endsWith(".partial")),
                  [],
                  label
                )
              }
            }
          }
          assert.isAbove(killed, 0)
          console.log(`${name}: killed ${killed} times`)
        }),
      limit
    )
  }
})

/** A command that writes no history. */
interface Writer {
  /** In the folder it is run in. */
  readonly args: ReadonlyArray<string>
  /** The calls that are of interest here; in the long form it is every one. */
  readonly calls: ReadonlyArray<string>
  /** What it makes, if anything. It is there whole, or not at all. */
  readonly makes?: string
  /** The names in the folder where it has run to its end once, or more often. */
  readonly leaves: ReadonlyArray<string>
}

const given = ["app.db", "app.db.gz", "migrations", "theirs", "tmp"]

const writers: Readonly<Record<string, Writer>> = {
  convert: {
    args: ["convert", "theirs", "ours"],
    calls: ["rename"],
    makes: "ours",
    leaves: ["ours"]
  },
  "proof, to a file": {
    args: ["proof", "--database", "app.db", "--to", "proof.json"],
    calls: ["link"],
    makes: "proof.json",
    leaves: ["proof.json"]
  },
  rehearse: { args: ["rehearse", "--database", "app.db"], calls: ["rmdir"], leaves: [] },
  new: {
    args: ["new", "more"],
    calls: ["link", "write"],
    makes: "migrations/003_more.sql",
    leaves: []
  },
  "backups --verify, of a compressed one": {
    args: ["backups", "--database", "app.db", "--verify"],
    calls: ["rmdir"],
    leaves: []
  },
  "restore of a compressed one, to another path": {
    args: ["restore", "--database", "other.db", "--backup", "app.db.gz"],
    calls: ["fsync"],
    makes: "other.db",
    leaves: ["other.db"]
  }
}

const everyCall = [...calls, "write", "mkdir", "rmdir", "fchmod", "chmod"].filter((call) => call !== "fcntl")

/** What is at a path and below it. */
const contentOf = (path: string): unknown =>
  !existsSync(path)
    ? undefined
    : statSync(path).isDirectory()
      ? readdirSync(path).map((name) => [name, contentOf(join(path, name))])
      : readFileSync(path, "latin1").length

describe.skipIf(unavailable !== undefined)(`killed at any moment${skipped}`, () => {
  for (const [name, { args, calls: some, leaves, makes = "" }] of Object.entries(writers)) {
    it.scopedLive(
      `${name}, leaves all of what it makes or nothing, and the same command clears up`,
      () =>
        Effect.gen(function* () {
          const folder = yield* temporaryFolder
          const origin = join(folder, "origin")
          for (const directory of ["migrations", "theirs", "tmp"])
            mkdirSync(join(origin, directory), { recursive: true })
          for (const [file, text] of Object.entries(files)) {
            writeFileSync(join(origin, "migrations", file), text)
            writeFileSync(join(origin, "theirs", file), text)
          }
          const database = join(origin, "app.db")
          yield* start(database, { migrations: Migrations.fromRecord(files) })
          writeFileSync(join(origin, "app.db.gz"), gzipSync(readFileSync(database)))
          cpSync(join(origin, "app.db.gz"), join(origin, "app.db.20260101T120000000Z.backup.gz"))
          if (name === "rehearse") writeFileSync(join(origin, "migrations", "003_x.sql"), "CREATE TABLE x (y);")
          const run = (home: string, before: ReadonlyArray<string> = []) => {
            const [command = process.execPath, ...more] = [...before, process.execPath, program, ...args]
            return spawnSync(command, more, {
              cwd: home,
              encoding: "utf8",
              timeout: 120_000,
              env: { PATH: process.env["PATH"], TMPDIR: join(home, "tmp"), UV_THREADPOOL_SIZE: "1" }
            })
          }
          // Of one length: a proof has the path of its database.
          const homeOf = (label: string) => join(folder, label.padEnd(20, "_"))
          const whole = homeOf("whole")
          cpSync(origin, whole, { recursive: true })
          assert.strictEqual(run(whole).status, 0, name)
          let killed = 0
          for (const call of everything ? everyCall : some) {
            for (let nth = 1; everything || nth === 1; nth += 1) {
              yield* aTurn
              const home = homeOf(`${call}-${nth}`)
              cpSync(origin, home, { recursive: true })
              const fault = { what: kill, call, nth }
              const trace = join(folder, "trace")
              run(home, ["strace", "-f", "-qq", "-o", trace, ...options(fault)])
              if (!wasReached(fault, readFileSync(trace, "utf8"))) break
              killed += 1
              const label = `${name}: ${call} ${nth}`
              const isMade = makes !== "" && existsSync(join(home, makes))
              if (isMade) assert.deepEqual(contentOf(join(home, makes)), contentOf(join(whole, makes)), label)
              // To another name where that one is taken: what was left is beside it, or where copies are made.
              const again = run(home)
              if (!isMade) assert.strictEqual(again.status, 0, `${label}: ${again.stdout}${again.stderr}`)
              if (isMade) continue
              // A reader in WAL mode leaves SQLite's own files, which the next start deletes.
              const left = readdirSync(home).filter((other) => !/^app\.db(?:-wal|-shm|\.20260101.*)$/.test(other))
              assert.sameMembers(left, [...given, ...leaves], label)
              assert.deepStrictEqual(readdirSync(join(home, "tmp")), [], label)
              const [ours, theirs] = [home, whole].map((one) => readdirSync(join(one, "migrations")))
              assert.deepStrictEqual(ours, theirs, label)
            }
          }
          assert.isAbove(killed, everything ? some.length : 0)
          console.log(`${name}: killed ${killed} times`)
        }),
      limit
    )
  }
})
