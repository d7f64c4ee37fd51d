/** The next migration file of a directory. */
import { spawn, spawnSync } from "node:child_process"
import { appendFileSync, chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { exitCode, exitCodeOf, Migrations } from "../../layers/index.ts"
import { newMigration } from "../../layers/operate.ts"
import { lowerHalfIn } from "../../layers/schema/Halves.ts"
import { templateOf } from "../../layers/schema/NewMigration.ts"
import { platform, refusal, rivalProcess, start, temporaryFolder } from "../support/database.ts"
import { skipped, unavailable } from "../support/faults.ts"

const program = join(import.meta.dirname, "../../dist/database-ready.cjs")

/** A directory with these files, each with an empty statement. */
const directoryOf = (...names: ReadonlyArray<string>) =>
  Effect.map(temporaryFolder, (folder) => {
    for (const name of names) {
      mkdirSync(join(folder, name, ".."), { recursive: true })
      writeFileSync(join(folder, name), ";")
    }
    return folder
  })

const make = (directory: string, name: string, number?: string) =>
  Effect.provide(newMigration({ directory, name, number }), platform)

describe("a new migration", () => {
  const numbers: ReadonlyArray<readonly [there: ReadonlyArray<string>, version: string]> = [
    [[], "001"],
    [["README.md", ".gitkeep"], "001"],
    [["001_a.sql"], "002"],
    [["0001_a.sql", "0002_b.sql"], "0003"],
    [["8_a.sql", "9_b.sql"], "10"],
    [["999_a.sql"], "1000"],
    [["001_a.sql", "R__views.sql"], "002"],
    [["000001_a.up.sql", "000001_a.down.sql"], "000002"],
    [["010_a.sql", "020_b.sql"], "021"],
    // 2026-11-28 02:03:04 UTC
    [["20240101120000_a/migration.sql"], "20261128020304"],
    [["001_a.sql", "20240101120000_b.sql"], "20261128020304"],
    [["202401011200_a.sql"], "202611280203"],
    [["20240101_a.sql"], "20261128"],
    [["1700000000_a.sql"], "1795831384"],
    [["1700000000000_a.sql"], "1795831384000"],
    // A time that is not past: the order counts, not the clock.
    [["20270101120000_a.sql"], "20270101120001"],
    [["20261128_a.sql"], "20261129"],
    // A number with eight digits that is not a day.
    [["20249901_a.sql"], "20249902"]
  ]
  for (const [there, version] of numbers) {
    it.effect(`has the number ${version} after ${there.join(", ") || "nothing"}`, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(Date.UTC(2026, 10, 28, 2, 3, 4))
        const directory = yield* directoryOf(...there)
        const created = yield* make(directory, "add owner")
        assert.deepStrictEqual(created, {
          path: join(directory, `${version}_add_owner.sql`),
          version,
          name: "add_owner"
        })
        assert.strictEqual(readFileSync(created.path, "utf8"), templateOf(`${version}_add_owner`))
        assert.deepStrictEqual(
          readdirSync(directory).filter((name) => name.startsWith(".new")),
          []
        )
      }).pipe(Effect.scoped)
    )
  }

  it.effect("is refused by a start before somebody has written into it, and read after that", () =>
    Effect.gen(function* () {
      const directory = yield* directoryOf()
      const { path } = yield* make(directory, "größe-2")
      const migrations = Migrations.fromDirectory(directory).pipe(Effect.provide(platform))
      const file = join(directory, "data", "app.db")
      assert.deepInclude(yield* refusal(start(file, { migrations })), {
        reason: "Incomplete",
        migration: "001_größe-2"
      })
      appendFileSync(path, "CREATE TABLE a (b);")
      assert.strictEqual((yield* start(file, { migrations })).schemaVersion, "001")
      assert.isUndefined(lowerHalfIn(templateOf("002_down")))
    }).pipe(Effect.scoped)
  )

  const names: ReadonlyArray<readonly [name: string, sentence: string, instead: string]> = [
    ["", "empty", "add_owner"],
    ["  ", "empty", "add_owner"],
    ["003_add_owner", "the number is added", "add_owner"],
    ["2024", "the number is added", "add_owner"],
    ["add_owner.sql", "the ending .sql is added", "add_owner"],
    ["../escape", "letters, digits, hyphens and underscores", "escape"],
    ["a/b", "letters, digits, hyphens and underscores", "a_b"],
    ["users.down", "letters, digits, hyphens and underscores", "users_down"],
    ['say "hi"', "letters, digits, hyphens and underscores", "say_hi"],
    ["a\0b", "letters, digits, hyphens and underscores", "a_b"],
    ["---", "it has no letter", "---"],
    ["x".repeat(201), "longer than 200 bytes", "add_owner"]
  ]
  for (const [name, sentence, instead] of names) {
    it.effect(`is refused where its name is ${JSON.stringify(name.slice(0, 20))}`, () =>
      Effect.gen(function* () {
        const directory = yield* directoryOf("001_a.sql")
        const error = yield* refusal(make(directory, name))
        assert.deepInclude(error, { _tag: "MigrationFilesError", reason: "BadName", subject: name })
        assert.include(error.message, sentence)
        if (instead !== "---") assert.include(error.message, `Name it like ${instead}.`)
        assert.deepStrictEqual(readdirSync(directory), ["001_a.sql"])
      }).pipe(Effect.scoped)
    )
  }

  it.effect("takes a number that somebody chose, above all others", () =>
    Effect.gen(function* () {
      const directory = yield* directoryOf("001_a.sql", "002_b.sql")
      const errorOf = (number: string) => refusal(make(directory, "c", number))
      assert.deepInclude(yield* errorOf("2"), { reason: "Taken" })
      assert.deepInclude(yield* errorOf("1"), { reason: "BadNumber", instead: "003" })
      assert.deepInclude(yield* errorOf("-3"), { reason: "BadNumber" })
      assert.deepInclude(yield* errorOf("3.5"), { reason: "BadNumber" })
      assert.deepInclude(yield* errorOf("1234567890123456"), { reason: "BadNumber" })
      assert.strictEqual((yield* make(directory, "c", "100")).version, "100")
      assert.strictEqual((yield* make(directory, "d")).version, "101")
    }).pipe(Effect.scoped)
  )

  it.effect("is refused where the directory cannot be read or written, or a start could not read it", () =>
    Effect.gen(function* () {
      const directory = yield* directoryOf("001_a.sql", "V2__b.sql")
      assert.deepInclude(yield* refusal(make(directory, "c")), { _tag: "MigrationSourceError", reason: "BadLayout" })
      const absent = yield* refusal(make(join(directory, "no such"), "c"))
      assert.deepInclude(absent, { _tag: "MigrationSourceError", reason: "DirectoryUnreadable" })
      assert.strictEqual(exitCodeOf(absent), exitCode.usage)
      const file = yield* refusal(make(join(directory, "001_a.sql"), "c"))
      assert.deepInclude(file, { reason: "DirectoryUnreadable", code: "ENOTDIR" })
      const closed = yield* directoryOf("001_a.sql")
      if (process.getuid?.() === 0) return
      chmodSync(closed, 0o555)
      const unwritten = yield* refusal(make(closed, "c"))
      assert.deepInclude(unwritten, { reason: "NotWritten", code: "EACCES" })
      assert.strictEqual(exitCodeOf(unwritten), exitCode.permission)
    }).pipe(Effect.scoped)
  )

  it.effect("takes the number of a run that was killed, and deletes what it left", () =>
    Effect.gen(function* () {
      const directory = yield* directoryOf("001_a.sql", ".new.partial", ".new.unfinished", ".keep.new")
      assert.strictEqual((yield* make(directory, "b")).version, "002")
      assert.deepStrictEqual(readdirSync(directory).sort(), [".keep.new", "001_a.sql", "002_b.sql"])
    }).pipe(Effect.scoped)
  )

  it.effect.skipIf(unavailable !== undefined)(
    `is not there where it is refused, also if only its first name cannot be deleted${skipped}`,
    () =>
      Effect.gen(function* () {
        const directory = yield* directoryOf("001_a.sql")
        const fails = ["-P", join(directory, ".new.unfinished"), "-e", "inject=unlink:error=EIO:when=1"]
        const { status, stdout } = spawnSync(
          "strace",
          [
            ...["-f", "-qq", "-o", "/dev/null", "-e", "trace=unlink", ...fails],
            ...[process.execPath, program, "new", "b", "--migrations", directory, "--json"]
          ],
          { encoding: "utf8", timeout: 60_000 }
        )
        assert.deepStrictEqual([status, JSON.parse(stdout).status], [exitCode.inputOutput, "failed"])
        assert.deepStrictEqual(readdirSync(directory), ["001_a.sql"])
      }).pipe(Effect.scoped)
  )

  it.scopedLive("does not wait for itself where the lock file appears only as it opens it", () =>
    Effect.gen(function* () {
      const directory = yield* directoryOf("001_a.sql")
      // As if another run had deleted it a moment ago: it is taken to be there, and is made by opening it.
      symlinkSync(join(directory, "nowhere"), join(directory, ".new.partial"))
      assert.strictEqual((yield* make(directory, "b")).version, "002")
      assert.notInclude(readdirSync(directory), ".new.partial")
    })
  )

  it.scopedLive("is refused, and can be tried again, while another run does not end", () =>
    Effect.gen(function* () {
      const directory = yield* directoryOf("001_a.sql")
      yield* rivalProcess(join(directory, ".new.partial"), "PRAGMA journal_mode = memory; BEGIN EXCLUSIVE")
      const error = yield* refusal(make(directory, "b"))
      assert.deepInclude(error, { reason: "NotWritten", code: "SQLITE_BUSY", detail: "another run is writing one" })
      assert.strictEqual(exitCodeOf(error), exitCode.tryAgain)
      assert.deepStrictEqual(readdirSync(directory).sort(), [".new.partial", "001_a.sql"])
    })
  )
})

describe("database-ready new", () => {
  it.effect("prints the path; many at once never make the same number", () =>
    Effect.gen(function* () {
      const directory = yield* directoryOf("001_a.sql")
      const lines = yield* Effect.all(
        Array.from({ length: 3 }, (_, index) =>
          Effect.async<string>((resume) => {
            const child = spawn(process.execPath, [program, "new", `step ${index}`, "--migrations", directory])
            let out = ""
            child.stdout.on("data", (chunk) => {
              out += chunk
            })
            child.once("exit", () => resume(Effect.succeed(out.trim())))
          })
        ),
        { concurrency: "unbounded" }
      )
      const found = readdirSync(directory).sort()
      assert.deepStrictEqual(
        lines.toSorted(),
        found.filter((name) => name !== "001_a.sql").map((name) => join(directory, name))
      )
      assert.strictEqual(new Set(found.map((name) => name.slice(0, 3))).size, 4, found.join(", "))
    }).pipe(Effect.scoped)
  )

  it.effect("says in one line of JSON what it did, and what it refuses", () =>
    Effect.gen(function* () {
      const directory = yield* directoryOf()
      const run = (...flags: ReadonlyArray<string>) =>
        spawnSync(process.execPath, [program, "new", ...flags], { encoding: "utf8", cwd: directory })
      const created = run("first", "--migrations", ".", "--json")
      assert.deepStrictEqual(JSON.parse(created.stdout), {
        status: "created",
        path: "001_first.sql",
        version: "001",
        name: "first"
      })
      const refused = run("002_x", "--migrations", ".", "--json")
      assert.strictEqual(refused.status, exitCode.usage)
      assert.deepInclude(JSON.parse(refused.stdout), { status: "failed" })
      const nowhere = run("x")
      assert.strictEqual(nowhere.status, exitCode.usage)
      assert.include(nowhere.stderr, "Name the directory with --migrations DIRECTORY")
    }).pipe(Effect.scoped)
  )
})
