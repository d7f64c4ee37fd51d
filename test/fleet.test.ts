import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { DatabaseFleet, DatabaseReady, type FleetOptions, Migrations } from "../layers/index.ts"
import { files } from "../layers/machine/files.ts"
import {
  independently,
  notes,
  notesFiles,
  onlyFirst,
  openDescriptors,
  platform,
  rowsOf,
  start,
  temporaryFolder
} from "./support/database.ts"
import { runProgram } from "./support/program.ts"

/** A fleet of databases that are ready. */
const fleetOf = (names: ReadonlyArray<string>, options: Partial<FleetOptions<never>> = {}) =>
  Effect.gen(function* () {
    const directory = yield* temporaryFolder
    const [first, ...more] = names.map((name) => join(directory, `${name}.db`))
    if (first !== undefined) yield* start(first)
    for (const file of more) if (first !== undefined) copyFileSync(first, file)
    const fleet = yield* DatabaseFleet.make({ directory, migrations: notes, ...options }).pipe(Effect.provide(platform))
    return { directory, fleet, file: (name: string) => join(directory, `${name}.db`) }
  })

const inScope = Scope.make()

describe("a fleet", () => {
  it.scoped("opens a database on demand, keeps it while it is used, and closes it when it was idle for a while", () =>
    Effect.gen(function* () {
      const { directory, fleet } = yield* fleetOf(["acme", "umbrella"], { idleTimeToLive: "1 minute" })
      assert.deepStrictEqual(yield* fleet.names, ["acme", "umbrella"])
      assert.deepStrictEqual(openDescriptors(directory), [])
      const using = yield* inScope
      const { sql } = yield* Scope.extend(fleet.get("acme"), using)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* sql`SELECT body FROM notes`, [{ body: "first" }])
      yield* Scope.close(using, Exit.void)
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(yield* fleet.openNames, ["acme"])
      yield* Effect.scoped(fleet.get("acme"))
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(yield* fleet.openNames, ["acme"], "each use begins the time again")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* fleet.openNames, [])
      assert.deepStrictEqual(openDescriptors(directory), [])
    })
  )

  it.scoped("shares one start between all who ask at the same time, and another after it was closed", () =>
    Effect.gen(function* () {
      let starts = 0
      const { fleet } = yield* fleetOf(["acme", "umbrella"], {
        idleTimeToLive: 0,
        onProgress: ({ _tag, stage }) =>
          Effect.sync(() => {
            if (_tag === "StageStarted" && stage === "directory") starts += 1
          })
      })
      const asked = Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? "acme" : "umbrella"))
      const clients = yield* Effect.scoped(
        Effect.map(Effect.forEach(asked, fleet.get, { concurrency: "unbounded" }), (all) => all.map(({ sql }) => sql))
      )
      assert.strictEqual(new Set(clients).size, 2)
      assert.strictEqual(starts, 2)
      assert.deepStrictEqual(yield* fleet.openNames, [])
      yield* Effect.scoped(fleet.get("acme"))
      assert.strictEqual(starts, 3)
    })
  )

  it.scoped("never has more open than its bound: the one idle for longest goes first, and else a request waits", () =>
    Effect.gen(function* () {
      const { directory, fleet } = yield* fleetOf(["a", "b", "c"], { maxOpen: 2 })
      yield* Effect.scoped(fleet.get("a"))
      yield* Effect.scoped(fleet.get("b"))
      yield* Effect.scoped(fleet.get("a"))
      const first = yield* inScope
      yield* Scope.extend(fleet.get("c"), first)
      assert.deepStrictEqual(yield* fleet.openNames, ["a", "c"])
      const second = yield* inScope
      yield* Scope.extend(fleet.get("a"), second)
      const waits = yield* Effect.fork(Effect.scoped(fleet.get("b")))
      const givesUp = yield* Effect.fork(Effect.scoped(fleet.get("b")))
      yield* TestClock.adjust("1 hour")
      assert.isNull(waits.unsafePoll())
      yield* Fiber.interrupt(givesUp)
      yield* Scope.close(first, Exit.void)
      yield* Fiber.join(waits)
      assert.deepStrictEqual(yield* fleet.openNames, ["a", "b"])
      yield* Scope.close(second, Exit.void)
      // More than can be open, in any order, many times over.
      const most = { seen: 0 }
      yield* Effect.forEach(
        Array.from({ length: 60 }, (_, index) => ["a", "b", "c"][(index * index) % 3] ?? "a"),
        (name) =>
          Effect.scoped(
            Effect.gen(function* () {
              const { sql } = yield* fleet.get(name)
              yield* sql`SELECT 1`
              yield* Effect.yieldNow()
              const files = openDescriptors(directory).filter((path) => path.endsWith(".db"))
              most.seen = Math.max(most.seen, new Set(files).size)
            })
          ),
        { concurrency: 12, discard: true }
      )
      assert.strictEqual(most.seen, 2)
    })
  )

  it.scoped("keeps nothing of those that it closed, however many they were", () =>
    Effect.gen(function* () {
      const names = Array.from({ length: 8 }, (_, at) => `tenant-${at}`)
      // What each start has of the fibers before it, and keeps in memory for as long as its database is open.
      const kept: Array<number> = []
      const { fleet } = yield* fleetOf(names, {
        maxOpen: 1,
        onProgress: ({ _tag, stage }) =>
          Effect.map(Effect.getFiberRefs, ({ locals }) => {
            if (_tag !== "StagePassed" || stage !== "integrity") return
            kept.push(Math.max(...Array.from(locals.values(), ({ length }) => length)))
          })
      })
      yield* Effect.forEach(names, (name) => Effect.scoped(fleet.get(name)), { discard: true })
      yield* Stream.runDrain(fleet.upgradeAll({ concurrency: 1 }))
      const asked = kept.slice(0, names.length)
      const all = kept.slice(names.length)
      assert.deepStrictEqual([asked.length, all.length], [names.length, names.length])
      assert.deepStrictEqual([...new Set(asked)], asked.slice(0, 1))
      assert.deepStrictEqual([...new Set(all)], all.slice(0, 1))
    })
  )

  it.scoped("closes what is open with itself", () =>
    Effect.gen(function* () {
      const own = yield* inScope
      const { directory, fleet } = yield* fleetOf(["acme"]).pipe(Effect.provideService(Scope.Scope, own))
      yield* fleet.get("acme")
      assert.isNotEmpty(openDescriptors(directory))
      yield* Scope.close(own, Exit.void)
      assert.deepStrictEqual(openDescriptors(directory), [])
    })
  )

  it.scoped("refuses every name that is not a file of its directory, and touches nothing", () =>
    Effect.gen(function* () {
      const { directory, fleet } = yield* fleetOf([])
      const inner = join(directory, "inner")
      mkdirSync(inner)
      const outside = [
        ...["", ".", "..", "../acme", "..\\acme", "a/../../acme", "/etc/passwd", "inner/acme", "C:acme", "file:acme"],
        ...["a\0b", "a\nb", " acme", "acme ", ".acme", "acme\ud800", "e\u0301", "a".repeat(300)]
      ]
      const reasons = yield* Effect.forEach(outside, (name) =>
        Effect.map(Effect.flip(Effect.scoped(fleet.getOrCreate(name))), ({ _tag, reason }) => `${_tag}.${reason}`)
      )
      assert.deepStrictEqual(
        reasons,
        outside.map(() => "FleetError.InvalidName")
      )
      assert.deepStrictEqual(readdirSync(directory), ["inner"])
      assert.deepStrictEqual(readdirSync(inner), [])
      const elsewhere = DatabaseFleet.make({ directory: "postgres://app:s3cr3t@db.example.org/app", migrations: notes })
      const error = yield* Effect.flip(Effect.provide(elsewhere, platform))
      assert.deepStrictEqual([error._tag, error.reason], ["FleetError", "OtherEngine"])
      assert.notInclude(JSON.stringify([error, error.message]), "s3cr3t")
    })
  )

  it.scoped(
    "refuses a link, which could lead out of the directory, and a name that is not there unless it may create",
    () =>
      Effect.gen(function* () {
        const { directory, file, fleet } = yield* fleetOf([])
        const elsewhere = join(yield* temporaryFolder, "elsewhere.db")
        yield* start(elsewhere)
        symlinkSync(elsewhere, file("linked"))
        const linked = yield* Effect.flip(Effect.scoped(fleet.getOrCreate("linked")))
        assert.deepInclude(linked, { _tag: "FleetError", reason: "Linked", database: file("linked") })
        const absent = yield* Effect.flip(Effect.scoped(fleet.get("acme")))
        assert.deepInclude(absent, { _tag: "FleetError", reason: "NotFound", retryable: false })
        assert.include(absent.message, directory)
        assert.isFalse(existsSync(file("acme")))
        const created = yield* Effect.scoped(fleet.getOrCreate("acme"))
        assert.deepStrictEqual(created.report.applied.length, 2)
        yield* Effect.scoped(fleet.get("acme"))
      })
  )

  it.scoped("gives a database as layers too, for what asks for a SqlClient", () =>
    Effect.gen(function* () {
      const { file, fleet } = yield* fleetOf(["acme"])
      const program = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { report, write } = yield* DatabaseReady
        yield* write(sql`INSERT INTO notes (body) VALUES ('second')`)
        return report.database
      })
      assert.strictEqual(yield* Effect.provide(program, fleet.layer("acme")), file("acme"))
      assert.deepStrictEqual(yield* rowsOf(file("acme"), "SELECT count(*) AS n FROM notes"), [{ n: 2 }])
    })
  )

  it.scoped("names the one that is damaged, serves the rest, and serves it again once it is sound", () =>
    Effect.gen(function* () {
      const { file, fleet } = yield* fleetOf(["a", "b", "c"])
      writeFileSync(file("b"), "no database, but longer than the smallest page of one. ".repeat(20))
      const results = yield* Effect.forEach(["a", "b", "c"], (name) => Effect.either(Effect.scoped(fleet.get(name))))
      assert.deepStrictEqual(results.map(Either.isRight), [true, false, true])
      const refused = yield* Effect.flip(Effect.scoped(fleet.get("b")))
      assert.deepInclude(refused, { _tag: "ConnectionError", reason: "NotADatabase", database: file("b") })
      copyFileSync(file("a"), file("b"))
      yield* Effect.scoped(fleet.get("b"))
    })
  )

  it.scoped("upgrades all of them, names those that are refused, and goes on with the rest in the next run", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      const names = Array.from({ length: 6 }, (_, index) => `tenant-${index}`)
      const file = (name: string) => join(directory, `${name}.db`)
      yield* start(file("tenant-0"), { migrations: onlyFirst })
      for (const name of names.slice(1)) copyFileSync(file("tenant-0"), file(name))
      writeFileSync(file("tenant-3"), "damaged ".repeat(200))
      const run = (count: number) =>
        Effect.gen(function* () {
          const fleet = yield* DatabaseFleet.make({ directory, migrations: notes, maxOpen: 2 })
          const files = yield* Stream.runCollect(Stream.take(fleet.upgradeAll({ concurrency: 3 }), count))
          assert.deepStrictEqual(yield* fleet.openNames, [])
          return Chunk.toReadonlyArray(files)
        }).pipe(Effect.scoped, Effect.provide(platform))
      const begun = yield* run(2)
      assert.deepStrictEqual(
        begun.map(({ done, total }) => `${done}/${total}`),
        ["1/6", "2/6"]
      )
      const all = yield* run(6)
      const refused = all.flatMap(({ name, result }) =>
        Either.isLeft(result) ? [[name, result.left.reason, result.left.database]] : []
      )
      assert.deepStrictEqual(refused, [["tenant-3", "NotADatabase", file("tenant-3")]])
      const applied = all.map(({ result }) => (Either.isRight(result) ? result.right.applied.length : 0))
      assert.isAtMost(
        applied.reduce((sum, count) => sum + count, 0),
        3,
        "those of the first run are only looked at"
      )
      for (const name of names.filter((name) => name !== "tenant-3")) {
        assert.deepStrictEqual(yield* rowsOf(file(name), "SELECT count(*) AS n FROM schema_migrations"), [{ n: 2 }])
      }
    })
  )

  /** A fleet that is at the first version, written a while ago. */
  const behind = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
    const directory = yield* temporaryFolder
    const file = (name: string) => join(directory, `${name}.db`)
    const [first = ""] = names
    yield* start(file(first), { migrations: onlyFirst })
    for (const name of names) {
      if (name !== first) copyFileSync(file(first), file(name))
      utimesSync(file(name), 0, 0)
    }
    const fleet = yield* DatabaseFleet.make({ directory, migrations: notes, backups: 1 })
    return { directory, file, fleet }
  })

  it.scoped("reads its directory as often for many upgrades as for few, and each has its backup", () =>
    Effect.gen(function* () {
      const platformFiles = yield* FileSystem.FileSystem
      const readsFor = (count: number) =>
        Effect.gen(function* () {
          let reads = 0
          const counted: FileSystem.FileSystem = {
            ...platformFiles,
            readDirectory: (path, options) => {
              reads += 1
              return platformFiles.readDirectory(path, options)
            }
          }
          const names = Array.from({ length: count }, (_, index) => `tenant-${index}`)
          const { directory, file, fleet } = yield* Effect.provideService(behind(names), FileSystem.FileSystem, counted)
          const listed = vi.spyOn(files, "names")
          // One that an earlier upgrade left, which is older.
          for (const name of names) copyFileSync(file(name), `${file(name)}.none-to-001.backup`)
          yield* Stream.runDrain(fleet.upgradeAll())
          const listings = listed.mock.calls.filter(([path]) => path === directory).length
          listed.mockRestore()
          assert.deepStrictEqual(
            readdirSync(directory).filter((name) => !name.endsWith(".db")),
            names.map((name) => `${name}.db.001-to-002.backup`).sort()
          )
          return reads + listings
        }).pipe(Effect.scoped)
      const few = yield* readsFor(2)
      assert.strictEqual(yield* readsFor(9), few)
      assert.isAtMost(few, 3, "the names, and one look for all")
    }).pipe(Effect.provide(platform))
  )

  it.scoped("overwrites nothing that came beside a database since the directory was read", () =>
    Effect.gen(function* () {
      const { directory, file, fleet } = yield* behind(["a", "b"])
      yield* Effect.scoped(fleet.get("a"))
      writeFileSync(`${file("b")}.001-to-002.backup`, "of another process")
      writeFileSync(`${file("b")}.001-to-002.2.backup.partial`, "of one that was killed")
      const { report } = yield* Effect.scoped(fleet.get("b"))
      assert.strictEqual(report.backup, `${file("b")}.001-to-002.2.backup`)
      assert.deepStrictEqual(
        readdirSync(directory).filter((name) => name.startsWith("b.db.")),
        ["b.db.001-to-002.2.backup"],
        "one is kept"
      )
      assert.include(readFileSync(report.backup ?? "", "latin1"), "SQLite format 3")
    }).pipe(Effect.provide(platform))
  )

  it.scoped("reads the migrations once, and replays them once for all databases with objects of others", () =>
    Effect.gen(function* () {
      const seen = { reads: 0, runs: 0 }
      const count = (of: "reads" | "runs") =>
        Effect.sync(() => {
          seen[of] += 1
        })
      const { file, fleet } = yield* Effect.gen(function* () {
        const directory = yield* temporaryFolder
        const counted = Migrations.fromLoader(Migrator.fromRecord({ "003_count": count("runs") }))
        const migrations = Effect.zipRight(count("reads"), Migrations.all(notes, counted))
        const file = (name: string) => join(directory, `${name}.db`)
        yield* start(file("a"), { migrations })
        yield* independently(file("a"), (connection) => {
          connection.exec("CREATE TABLE others (id INTEGER)")
          // As an earlier release left it: only a replay can tell whose objects they are.
          connection.exec("UPDATE schema_migrations SET schema_objects = NULL")
        })
        for (const name of ["b", "c", "d"]) copyFileSync(file("a"), file(name))
        Object.assign(seen, { reads: 0, runs: 0 })
        const fleet = yield* DatabaseFleet.make({ directory, migrations, idleTimeToLive: 0 }).pipe(
          Effect.provide(platform)
        )
        return { file, fleet }
      })
      const extra = (name: string) =>
        Effect.map(Effect.scoped(fleet.get(name)), ({ report }) => report.integrity.extra.join())
      const found = yield* Effect.forEach(["a", "b", "c", "a"], extra, { concurrency: "unbounded" })
      assert.deepStrictEqual(
        found,
        Array.from({ length: 4 }, () => "table others")
      )
      yield* independently(file("d"), (connection) => connection.exec("DROP TABLE tags"))
      const drifted = yield* Effect.flip(extra("d"))
      assert.deepInclude(drifted, { reason: "SchemaDiffers", database: file("d") })
      assert.deepStrictEqual(seen, { reads: 1, runs: 1 })
    })
  )

  it.scoped("finds a view that does not compile in one database, whatever it knows of the others", () =>
    Effect.gen(function* () {
      const { file, fleet } = yield* fleetOf(["a", "b", "c", "d"])
      yield* independently(file("c"), (connection) => connection.exec("CREATE VIEW gone AS SELECT absent FROM notes"))
      const outcomes = yield* Effect.forEach(["a", "b", "c", "d", "a"], (name) =>
        Effect.either(Effect.scoped(fleet.get(name)))
      )
      assert.deepStrictEqual(outcomes.map(Either.isRight), [true, true, false, true, true])
      const [, , refused] = outcomes
      assert.deepInclude(refused === undefined ? undefined : Either.getOrUndefined(Either.flip(refused)), {
        reason: "SchemaBroken",
        database: file("c")
      })
    })
  )

  it.scoped("looks at the pages of small files as a start without a fleet does: by default each time", () =>
    Effect.gen(function* () {
      const { fleet } = yield* fleetOf(["acme"])
      const { report } = yield* Effect.scoped(fleet.get("acme"))
      assert.strictEqual(report.integrity.checked, "quick")
    })
  )

  it.scoped("goes on with a start when one of those who wait for it is interrupted", () =>
    Effect.gen(function* () {
      const reached = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      let starts = 0
      const { fleet } = yield* fleetOf(["acme"], {
        onProgress: ({ _tag, stage }) =>
          _tag === "StageStarted" && stage === "migrations"
            ? Effect.zipRight(
                Effect.sync(() => {
                  starts += 1
                }),
                Effect.zipRight(Deferred.succeed(reached, undefined), Deferred.await(goOn))
              )
            : Effect.void
      })
      const [first, second] = yield* Effect.all([
        Effect.fork(Effect.scoped(fleet.get("acme"))),
        Effect.fork(Effect.scoped(fleet.get("acme")))
      ])
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(first)
      yield* Deferred.succeed(goOn, undefined)
      yield* Fiber.join(second)
      assert.strictEqual(starts, 1)
    })
  )
})

describe("the program's fleet", () => {
  it.scoped("says of each database whether it is ready, and ends with the code of the first that needs a person", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const migrations = join(folder, "migrations")
      const directory = join(folder, "tenants")
      mkdirSync(migrations)
      for (const [name, text] of Object.entries(notesFiles)) writeFileSync(join(migrations, name), text)
      const file = (name: string) => join(directory, `${name}.db`)
      yield* start(file("a"), { migrations: onlyFirst })
      for (const name of ["b", "c"]) copyFileSync(file("a"), file(name))
      writeFileSync(file("b"), "damaged ".repeat(200))
      const run = (...more: ReadonlyArray<string>) =>
        runProgram(["fleet", directory, "--migrations", migrations, ...more])

      const looked = yield* run("--look", "--json")
      assert.strictEqual(looked.code, 65, "two are pending, which is 75; one is damaged")
      assert.deepStrictEqual(yield* rowsOf(file("a"), "SELECT count(*) AS n FROM schema_migrations"), [{ n: 1 }])
      const upgraded = yield* run()
      assert.strictEqual(upgraded.code, 65)
      assert.match(upgraded.stdout, /ready {2}a {2}schema 002 .* applied 002\n(.*\n)*2 of 3 ready, 1 not ready\n$/)
      assert.match(upgraded.stderr, /not ready {2}b {2}\S+\n(.*\n)*.*ConnectionError\.NotADatabase/)

      copyFileSync(file("a"), file("b"))
      const again = yield* run("--json")
      assert.deepStrictEqual([again.code, again.stderr], [0, ""])
      const lines = again.stdout
        .trimEnd()
        .split("\n")
        .map((line): unknown => JSON.parse(line))
      assert.strictEqual(lines.length, 3)
      assert.deepInclude(lines[0], { status: "ready", total: 3, schemaVersion: "002", applied: [] })
    })
  )
})
