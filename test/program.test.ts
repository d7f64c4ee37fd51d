import { spawnSync } from "node:child_process"
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { dirname, join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import packageJson from "../package.json" with { type: "json" }
import { applicationId } from "../src/service/migrations.ts"
import {
  independently,
  migrationFiles,
  migrationsDirectory,
  openConnection,
  pictureOf,
  rowsOf,
  startConversationFiles,
  temporaryFile,
  temporaryFolder
} from "./support/database.ts"
import { type Ended, program, runProgram, spawnProgram, withBrokenDriver } from "./support/program.ts"

const init = (file: string, ...more: ReadonlyArray<string>) => runProgram(["init", "--database", file, ...more])
const status = (file: string, ...more: ReadonlyArray<string>) => runProgram(["status", "--database", file, ...more])

/** A database without an object, which another process can hold. */
const blankDatabase = (file: string) =>
  Effect.suspend(() => {
    mkdirSync(dirname(file))
    return independently(file, (connection) => connection.pragma("journal_mode = WAL"))
  })

/** The one line on stdout, read. */
const reportOf = ({ stdout }: Ended) => {
  assert.match(stdout, /^[^\n]+\n$/)
  return JSON.parse(stdout)
}

/** The migrations of the service, by their names without `.sql`. */
const ours = migrationFiles.map((name) => name.replace(/\.sql$/, ""))
const newest = ours.at(-1)?.slice(0, 3)

describe("database-ready init", () => {
  it.scoped("makes the database ready and prints a line per stage, what was applied and the version", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const { code, stderr, stdout } = yield* init(file)
      assert.deepStrictEqual([code, stderr], [0, ""])
      const shape = stdout
        .replace(/ +\d+\.\d ms/g, " N ms")
        .replace(/[\d.]+ GB/, "N GB")
        .replace(/SQLite [\d.]+/, "SQLite V")
      assert.match(shape.split("\n")[0] ?? "", /^ {2}directory N ms {3}\w+, N GB free$/)
      assert.deepStrictEqual(shape.split("\n").slice(1), [
        "  connection N ms   SQLite V, created",
        "  pragmas N ms   journal wal, synchronous 1, foreign keys on",
        `  migrations N ms   at ${newest}, applied ${ours.length}`,
        `  integrity N ms   ${/schema \w{12}, pages and foreign keys ok \(migrations were applied\)/.exec(shape)?.[0]}`,
        "",
        `ready  ${file}  schema ${newest} N ms`,
        ""
      ])
    })
  )

  it.scoped("runs in any directory, with its migrations and data/conversation_files.db by default", () =>
    Effect.gen(function* () {
      const cwd = yield* temporaryFolder
      mkdirSync(join(cwd, "migrations"))
      writeFileSync(join(cwd, "migrations/001_mine.sql"), "CREATE TABLE mine (a);")
      const { code, stdout } = yield* runProgram(["init"], { cwd })
      assert.strictEqual(code, 0)
      assert.include(stdout, "applied 001_mine")
      assert.deepStrictEqual(readdirSync(join(cwd, "data")), ["conversation_files.db"])
    })
  )

  it.scoped("says so if its driver was built for another Node.js, or is missing", () =>
    Effect.gen(function* () {
      const folder = yield* withBrokenDriver(program, join(dirname(program), "program.cjs"))
      const args = [join(folder, "database-ready.cjs"), "init", "--database", join(folder, "new", "app.db")]
      const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" })
      assert.strictEqual(status, 70)
      assert.include(stderr, `Node.js ${process.versions.node} cannot load better-sqlite3`)
      // If install scripts were not run, there is no addon at all.
      rmSync(join(folder, "node_modules/better-sqlite3/build"), { recursive: true })
      const without = spawnSync(process.execPath, args, { encoding: "utf8" })
      assert.strictEqual(without.status, 70, without.stderr)
      assert.match(without.stderr, /ConnectionError\.DriverNotLoaded/)
      assert.match(without.stderr, /pnpm approve-builds/)
      assert.isFalse(existsSync(join(folder, "new")))
      assert.match(stderr, /ConnectionError\.DriverNotLoaded/)
      assert.match(stderr, /npm rebuild better-sqlite3/)
    })
  )

  it.scoped("takes its settings from the environment; a flag counts first", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      mkdirSync(join(folder, "migrations"))
      writeFileSync(join(folder, "migrations", "007_things.sql"), "CREATE TABLE things (x);")
      const env = {
        DATABASE_FILE: join(folder, "env.db"),
        DATABASE_MIGRATIONS: join(folder, "migrations"),
        DATABASE_INTEGRITY: "full",
        DATABASE_TIMEOUT: "20s"
      }
      const report = reportOf(yield* runProgram(["init", "--json", "--database", join(folder, "flag.db")], { env }))
      assert.deepStrictEqual(
        [report.database, report.schemaVersion, report.integrity.checked],
        [join(folder, "flag.db"), "007", "full"]
      )
      assert.strictEqual(reportOf(yield* runProgram(["init", "--json"], { env })).database, join(folder, "env.db"))
    })
  )

  it.scoped("treats an empty environment variable as not set", () =>
    Effect.gen(function* () {
      const cwd = yield* temporaryFolder
      cpSync(migrationsDirectory, join(cwd, "migrations"), { recursive: true })
      const names = ["FILE", "MIGRATIONS", "INTEGRITY", "BACKUPS", "TIMEOUT"]
      for (const name of names) {
        const ended = yield* runProgram(["init", "--json"], { cwd, env: { [`DATABASE_${name}`]: "" } })
        assert.deepStrictEqual([name, ended.code, ended.stderr], [name, 0, ""])
        const { database, integrity, schemaVersion } = reportOf(ended)
        const expected = [join(cwd, "data", "conversation_files.db"), "auto", newest]
        assert.deepStrictEqual([database, integrity.policy, schemaVersion], expected)
      }
    })
  )

  it.scoped("prints with --json one line with the whole report, and nothing else", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const ended = yield* init(file, "--json")
      const report = reportOf(ended)
      assert.strictEqual(ended.stderr, "")
      assert.deepStrictEqual(Object.keys(report).sort(), [
        "applied",
        "backup",
        "database",
        "durationMs",
        "events",
        "integrity",
        "lastWritten",
        "pragmas",
        "repeated",
        "schemaVersion",
        "stages",
        "startedAt",
        "status",
        "warnings"
      ])
      assert.deepStrictEqual(Object.keys(report.stages[0]), ["name", "attempts", "startedAt", "durationMs", "found"])
      assert.deepInclude(report.applied[0], { version: "001", name: "create_conversation_files" })
    })
  )

  it.scoped("says with --json why it was refused: stage, tag, reason, message, remedy, retryable", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      mkdirSync(dirname(file))
      writeFileSync(file, "no database at all, but long enough to have a header ".repeat(3))
      const ended = yield* init(file, "--json")
      const { error, stage, status } = reportOf(ended)
      assert.deepStrictEqual([ended.code, status, stage], [65, "failed", "connection"])
      assert.deepInclude(error, {
        _tag: "ConnectionError",
        reason: "NotADatabase",
        retryable: false,
        code: "SQLITE_NOTADB"
      })
      assert.isNotEmpty(error.message)
      assert.isNotEmpty(error.remedy)
    })
  )

  it.scoped("answers a failure with the reason and the remedy on stderr, and no stack trace", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      writeFileSync(join(folder, "001_bad.sql"), "CREATE TABLE a (x);\nCREATE TABEL b (x);")
      const { code, stderr, stdout } = yield* init(join(folder, "app.db"), "--migrations", folder)
      assert.deepStrictEqual([code, stdout], [65, ""])
      assert.include(stderr, "Migration 001_bad failed in line 2, `CREATE TABEL b (x)`")
      assert.match(stderr, /remedy {2}Fix the statement/)
      assert.notMatch(stderr, /^\s+at /m)
    })
  )

  it.scoped("refuses bad arguments and settings with a sentence and exit code 64", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<[ReadonlyArray<string>, Record<string, string>, RegExp]> = [
        [["init", "--nope"], {}, /unknown argument: '--nope'/],
        [["init", "--Database", "wanted.db"], {}, /unknown argument: '--Database'/],
        [["init", "--database", "my.db", "--Migrations", "m"], {}, /unknown argument: '--Migrations'/],
        [["init", "--DATABASE=my.db"], {}, /unknown argument: '--DATABASE=my.db'/],
        [["init", "--database", "my.db", "--", "--Integrity", "full"], {}, /unknown argument: '--Integrity'/],
        [["init", "--database", "my.db", "--JSON"], {}, /unknown argument: '--JSON'/],
        [["status", "--Timeout", "20s"], {}, /unknown argument: '--Timeout'/],
        [["restore", "--Backup", "my.backup"], {}, /unknown argument: '--Backup'/],
        [["INIT"], {}, /Invalid subcommand/],
        [["init", "--integrity", "banana"], {}, /schema, quick, full, auto/],
        [["init", "--timeout", "soon"], {}, /'soon' is not a duration/],
        [["init"], { DATABASE_INTEGRITY: "banana" }, /DATABASE_INTEGRITY/],
        [["init"], { DATABASE_TIMEOUT: "soon" }, /DATABASE_TIMEOUT/],
        [["frob"], {}, /init/],
        [[], {}, /init/]
      ]
      const cwd = yield* temporaryFolder
      for (const [args, env, expected] of cases) {
        const { code, stderr } = yield* runProgram(args, { cwd, env })
        assert.deepStrictEqual([code, args], [64, args])
        assert.match(stderr, expected)
      }
      assert.deepStrictEqual(readdirSync(cwd), [])
      assert.strictEqual(reportOf(yield* runProgram(["init", "--json", "--nope"])).error.reason, "Usage")
    })
  )

  it.scoped("writes nothing if no migrations were named and ./migrations is missing", () =>
    Effect.gen(function* () {
      const cwd = yield* temporaryFolder
      yield* independently(join(cwd, "app.db"), (connection) => connection.exec("CREATE TABLE users (name)"))
      const before = yield* pictureOf(cwd)
      for (const command of ["init", "status"]) {
        const { code, stderr, stdout } = yield* runProgram([command, "--database", "app.db"], { cwd })
        assert.deepStrictEqual([code, stdout], [64, ""])
        assert.include(stderr, "./migrations")
        assert.include(stderr, "--migrations DIRECTORY")
      }
      assert.deepStrictEqual(yield* pictureOf(cwd), before)
    })
  )

  it.scoped("recognizes an application's database of ten migrations, and does not call it newer: 65", () =>
    Effect.gen(function* () {
      const cwd = yield* temporaryFolder
      mkdirSync(join(cwd, "migrations"))
      for (let id = 1; id <= 10; id += 1) {
        writeFileSync(join(cwd, `migrations/${String(id).padStart(3, "0")}_step.sql`), `CREATE TABLE t${id} (a);`)
      }
      assert.strictEqual((yield* runProgram(["init", "--database", "app.db"], { cwd })).code, 0)
      const { code, stderr } = yield* init(join(cwd, "app.db"))
      assert.strictEqual(code, 65)
      assert.include(stderr, "HistoryError.OtherApplication")
      assert.include(stderr, "001_create_conversation_files")
    })
  )

  it.scoped("marks the file for the service when told to, as `npm run init` does", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const [, ...command] = /database-ready\.cjs (.*)$/.exec(packageJson.scripts.init) ?? []
      const { code, stderr } = yield* runProgram([...command.join(" ").split(" "), "--database", file])
      assert.strictEqual(code, 0, stderr)
      assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA application_id"), [{ application_id: applicationId }])
      assert.strictEqual((yield* init(file)).code, 0)
      assert.strictEqual((yield* init(file, "--application-id", "7")).code, 65)
      assert.strictEqual((yield* init(`${file}2`, "--application-id", "0")).code, 64)
    })
  )

  it.scoped("ends with 64 without its migrations, 73 without a directory, 76 on a newer database", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      assert.strictEqual((yield* init(file, "--migrations", "/nowhere/at/all")).code, 64)
      assert.strictEqual((yield* init("/dev/null/app.db")).code, 73)
      yield* startConversationFiles(file)
      yield* independently(file, (connection) =>
        connection.exec("INSERT INTO schema_migrations (version, description) VALUES ('999', 'newer')")
      )
      const newer = yield* init(file)
      assert.strictEqual(newer.code, 76)
      assert.include(newer.stderr, "The database is newer than this program: it has 999")
    })
  )

  it.scoped("ends with 77 if it may not write", (context) =>
    Effect.gen(function* () {
      // Root may write everywhere, so another user must be refused.
      const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
      const folder = yield* temporaryFolder
      chmodSync(folder, 0o555)
      const { status } = spawnSync(process.execPath, [program, "--version"], { stdio: "ignore", ...user })
      if (status !== 0) context.skip("another user than root cannot read this checkout")
      const { code, stderr } = yield* runProgram(["init", "--database", join(folder, "a", "app.db")], user)
      assert.deepStrictEqual([code, stderr.includes("PermissionDenied")], [77, true])

      // A ready file that cannot be written is not ready for a service, though a start has nothing to write.
      const file = join(folder, "app.db")
      chmodSync(folder, 0o777)
      yield* init(file)
      chmodSync(file, 0o444)
      const readOnly = yield* runProgram(["init", "--database", file], user)
      assert.deepStrictEqual([readOnly.code, readOnly.stderr.includes("PermissionDenied")], [77, true])
      assert.deepStrictEqual(readdirSync(folder), ["app.db"])
    })
  )

  it.scopedLive("ends with 75 at its deadline while another process holds the lock, and names what it waited for", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* blankDatabase(file)
      const rival = yield* openConnection(file)
      rival.exec("BEGIN IMMEDIATE")
      const { code, stderr } = yield* init(file, "--timeout", "300ms")
      assert.strictEqual(code, 75)
      assert.include(stderr, "The start did not finish within 300ms")
      assert.include(stderr, "Another process is writing to the database")
    })
  )

  it.scopedLive("ends at once on SIGTERM and SIGINT while it waits, with the shell's code and the file unchanged", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* blankDatabase(file)
      const rival = yield* openConnection(file)
      rival.exec("BEGIN IMMEDIATE")
      for (const [signal, code] of [
        ["SIGTERM", 143],
        ["SIGINT", 130]
      ] as const) {
        const running = spawnProgram(["init", "--database", file])
        yield* Effect.promise(() => running.says(/waiting in the migrations stage/))
        running.process.kill(signal)
        const ended = yield* Effect.promise(() => running.ended)
        assert.deepStrictEqual([ended.code, ended.stdout], [code, ""])
        assert.include(ended.stderr, "Interrupted in the migrations stage; nothing half-done is left behind")
      }
      rival.exec("ROLLBACK")
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT name FROM sqlite_schema"), [])
    })
  )

  it.scopedLive("says how far it had come if it is stopped during a copy or a long migration", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const migrations = yield* temporaryFolder
      writeFileSync(join(migrations, "001_create.sql"), "CREATE TABLE notes (body TEXT);")
      const args = ["init", "--database", file, "--migrations", migrations]
      yield* runProgram(args)
      yield* independently(file, (connection) =>
        connection.exec(
          "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 60000) INSERT INTO notes SELECT hex(randomblob(500)) FROM n"
        )
      )
      const endedAt = Effect.fnUntraced(function* (
        when: (running: ReturnType<typeof spawnProgram>) => Promise<unknown>,
        ...more: ReadonlyArray<string>
      ) {
        const running = spawnProgram([...args, ...more])
        yield* Effect.promise(() => when(running))
        running.process.kill("SIGTERM")
        const { code, stderr, stdout } = yield* Effect.promise(() => running.ended)
        assert.strictEqual(code, 143, stderr)
        return stdout + stderr
      })
      writeFileSync(join(migrations, "002_more.sql"), "ALTER TABLE notes ADD COLUMN more;")
      const partial = async () => {
        while (!readdirSync(dirname(file)).some((name) => /\.backup(?:\.early)?\.partial$/.test(name)))
          await setTimeout(2)
      }
      assert.match(
        yield* endedAt(partial),
        /Interrupted in the migrations stage while it was making the backup.*; nothing half-done is left behind/
      )
      const long = `CREATE TABLE copies (body);
INSERT INTO copies SELECT hex(body) FROM notes;
INSERT INTO copies SELECT body FROM copies;`
      writeFileSync(join(migrations, "002_more.sql"), long)
      const said = yield* endedAt(({ says }) => says(/statement 2 of 3/, "stdout"), "--backups", "0", "--json=stream")
      const where =
        "Interrupted in the migrations stage while it was applying 002_more: statement [23] of 3, line [23], after \\d+ s of it; nothing half-done is left behind"
      assert.match(said, new RegExp(`^${where}$`, "m"))
      assert.match(said, new RegExp(`^\\{.*"message":"${where}".*\\}$`, "m"))
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT version FROM schema_migrations"), [{ version: "001" }])
      assert.deepStrictEqual(
        readdirSync(dirname(file)).filter((name) => name.includes("partial")),
        []
      )
    })
  )

  it.scopedLive("ends with 75 if the database is moved away or replaced while it waits, and names what happened", () =>
    Effect.gen(function* () {
      for (const isReplaced of [false, true]) {
        const file = yield* temporaryFile
        mkdirSync(dirname(file))
        yield* independently(file, (connection) => connection.exec("CREATE TABLE others (x)"))
        const rival = yield* openConnection(file)
        rival.exec("BEGIN IMMEDIATE")
        const running = spawnProgram(["init", "--database", file])
        yield* Effect.promise(() => running.says(/waiting in the migrations stage/))
        renameSync(file, `${file}.moved`)
        if (isReplaced) yield* independently(file, (connection) => connection.exec("CREATE TABLE another (x)"))
        rival.exec("ROLLBACK")
        const { code, stderr } = yield* Effect.promise(() => running.ended)
        assert.strictEqual(code, 75, stderr)
        assert.include(stderr, `${file} is no longer the file that was opened (SQLITE_READONLY_DBMOVED: `)
        assert.match(stderr, /remedy {2}Restart the program\..*\n {2}code {4}ConnectionError\.Replaced$/m)
        for (const [path, table] of [
          [`${file}.moved`, "others"],
          ...(isReplaced ? [[file, "another"] as const] : [])
        ]) {
          assert.deepStrictEqual(yield* rowsOf(path ?? "", "SELECT name FROM sqlite_schema"), [{ name: table }])
        }
      }
    })
  )

  it.scopedLive("is safe when sixteen start at one moment on an absent file: all exit 0, one applies everything", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const ended = yield* Effect.all(
        Array.from({ length: 16 }, () => init(file, "--json")),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        ended.map(({ code, stderr }) => [code, stderr]),
        ended.map(() => [0, ""])
      )
      assert.strictEqual(ended.flatMap((one) => reportOf(one).applied).length, ours.length)
      assert.deepStrictEqual(
        yield* rowsOf(file, "SELECT version FROM schema_migrations"),
        ours.map((name) => ({ version: name.slice(0, 3) }))
      )
      assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA integrity_check"), [{ integrity_check: "ok" }])
    })
  )
})

describe("a stdout that cannot be written", () => {
  const lines = (folder: string): ReadonlyArray<readonly [code: number, args: ReadonlyArray<string>]> => {
    const ready = ["--database", join(folder, "app.db")]
    return [
      [0, ["init", ...ready]],
      [0, ["init", ...ready, "--json"]],
      [0, ["status", "--json", ...ready, "--integrity=full"]],
      [75, ["status", "--json", "--database", join(folder, "absent.db")]],
      [64, ["restore", "--json", ...ready]]
    ]
  }

  it.scoped("because its reader has gone away is nobody's fault: the exit code is that of the result", () =>
    Effect.gen(function* () {
      for (const [code, args] of lines(yield* temporaryFolder)) {
        const running = spawnProgram(args)
        running.process.stdout?.destroy()
        const ended = yield* Effect.promise(() => running.ended)
        assert.deepStrictEqual([args, ended.code, ended.stderr], [args, code, ""])
      }
    })
  )

  it.scoped("for another reason is an I/O error, told in one line on stderr", (context) =>
    Effect.gen(function* () {
      if (!existsSync("/dev/full")) context.skip("there is no /dev/full here")
      const full = openSync("/dev/full", "w")
      yield* Effect.addFinalizer(() => Effect.sync(() => closeSync(full)))
      for (const [, args] of lines(yield* temporaryFolder)) {
        const run = (stderr: "pipe" | number) =>
          spawnSync(process.execPath, [program, ...args], { stdio: ["ignore", full, stderr], encoding: "utf8" })
        const { status, stderr } = run("pipe")
        assert.deepStrictEqual([args, status], [args, 74])
        assert.match(stderr, /^Cannot write to stdout \(ENOSPC: no space left on device, write\)\n$/)
        assert.deepStrictEqual([args, run(full).status], [args, 74], "a stderr that cannot be written changes nothing")
      }
    })
  )

  it.scoped("does not matter if it is stderr that cannot be written", (context) =>
    Effect.gen(function* () {
      if (!existsSync("/dev/full")) context.skip("there is no /dev/full here")
      const full = openSync("/dev/full", "w")
      yield* Effect.addFinalizer(() => Effect.sync(() => closeSync(full)))
      const { status } = spawnSync(process.execPath, [program, "init", "--database", "/dev/null/app.db"], {
        stdio: ["ignore", "ignore", full]
      })
      assert.strictEqual(status, 73)
    })
  )
})

describe("database-ready status", () => {
  it.scoped("says ready without a single write: bytes, times and files stay", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* init(file)
      const before = [yield* pictureOf(dirname(file)), statSync(file).mtimeMs]
      const ended = yield* status(file)
      assert.deepStrictEqual([ended.code, ended.stderr], [0, ""])
      assert.match(ended.stdout, new RegExp(`^ready {2}.* schema ${newest} `, "m"))
      assert.deepStrictEqual([yield* pictureOf(dirname(file)), statSync(file).mtimeMs], before)
    })
  )

  it.scoped("ends with 75 if init has not run yet, and creates nothing", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const nothing = yield* status(join(folder, "absent", "app.db"))
      assert.strictEqual(nothing.code, 75)
      const absent = yield* status(join(folder, "app.db"))
      assert.deepStrictEqual([absent.code, readdirSync(folder)], [75, []])
      assert.include(absent.stderr, "There is no database at")
      writeFileSync(join(folder, "app.db"), "")
      const empty = yield* status(join(folder, "app.db"))
      assert.deepStrictEqual([empty.code, statSync(join(folder, "app.db")).size], [75, 0])
      assert.include(empty.stderr, `Migrations are pending: ${ours.join(", ")} (the database was never initialized)`)
    })
  )

  it.scoped("reads through the WAL of a crash without touching it", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* init(file)
      const rival = yield* openConnection(file)
      rival.exec("CREATE TABLE extra (x)")
      const before = yield* pictureOf(dirname(file))
      const ended = yield* status(file, "--json")
      assert.strictEqual(ended.code, 0)
      assert.deepStrictEqual(reportOf(ended).integrity.extra, ["table extra"])
      const after = yield* pictureOf(dirname(file))
      assert.deepStrictEqual([after["app.db"], after["app.db-wal"]], [before["app.db"], before["app.db-wal"]])
    })
  )
})
