/** What is done with a database after its start, each task by a schedule of its own. */
import { readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import {
  DatabaseReady,
  type Health,
  type HealthError,
  type MaintenanceOptions,
  type MaintenanceRun
} from "../layers/index.ts"
import {
  damagePage,
  independently,
  notes,
  platform,
  rivalProcess,
  rowsOf,
  starting,
  type TestOptions,
  temporaryFile
} from "./support/database.ts"

const hourly = Schedule.spaced("1 hour")

/** A ready database with its tasks; the clock begins in 2026. */
const maintained = Effect.fnUntraced(function* (
  tasks: (folder: string) => MaintenanceOptions,
  options: TestOptions = {},
  filename?: string
) {
  yield* TestClock.setTime(Date.UTC(2026, 0, 1))
  const file = filename ?? (yield* temporaryFile)
  const folder = join(dirname(file), "copies")
  const context = yield* Layer.build(
    Layer.provideMerge(DatabaseReady.maintenance(tasks(folder)), starting(file, options)).pipe(Layer.provide(platform))
  )
  const { health, read, write } = Context.get(context, DatabaseReady)
  const sql = Context.get(context, SqlClient.SqlClient)
  return { file, folder, health, read, runOf: runsIn(health), sql, write }
})

/** What a task did last, once it has run: copies and looks wait for the real disk. */
const runsIn =
  (health: Effect.Effect<Health, HealthError>) =>
  (task: keyof MaintenanceOptions, at: string): Effect.Effect<MaintenanceRun | undefined, HealthError> =>
    health.pipe(
      Effect.map(({ maintenance }) => maintenance[task]),
      Effect.tap(() => Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))),
      Effect.repeat({ until: (run) => run?.at.startsWith(at) === true, times: 2000 })
    )

class Orders extends DatabaseReady.Tag("orders")<Orders>() {}
class Archive extends DatabaseReady.Tag("archive")<Archive>() {}

/** So many MiB in the WAL, which nobody writes into the file. */
const grow = (file: string, mebibytes: number) =>
  independently(file, (connection) => {
    connection.pragma("wal_autocheckpoint = 0")
    const insert = connection.prepare("INSERT INTO notes (body) VALUES (hex(zeroblob(524288)))")
    for (let row = 0; row < mebibytes; row += 1) insert.run()
  })

const walOf = (file: string): number => statSync(`${file}-wal`).size

describe("maintenance", () => {
  it.scoped("of a database with a tag of its own is that one's alone, and ends with its layer", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 0, 1))
      const [orders, archive] = [yield* temporaryFile, yield* temporaryFile]
      const databases = Layer.merge(
        DatabaseReady.layerAs(Orders, { filename: orders, migrations: notes }),
        DatabaseReady.layerAs(Archive, { filename: archive, migrations: notes })
      )
      const folder = join(dirname(orders), "copies")
      const upkeep = Layer.merge(
        DatabaseReady.maintenanceOf(Orders, { backup: { schedule: hourly, directory: folder }, checkpoint: hourly }),
        DatabaseReady.maintenanceOf(Archive, { optimize: Schedule.spaced("2 hours") })
      )
      const context = yield* Layer.build(databases.pipe(Layer.provide(platform)))
      const ofOrders = Context.get(context, Orders)
      const ofArchive = Context.get(context, Archive)
      const tasks = yield* Scope.make()
      yield* Scope.extend(
        Layer.build(upkeep.pipe(Layer.provide(Layer.succeedContext(context)), Layer.provide(platform))),
        tasks
      )
      yield* TestClock.adjust("1 hour")
      yield* runsIn(ofOrders.health)("backup", "2026-01-01T01")
      yield* runsIn(ofOrders.health)("checkpoint", "2026-01-01T01")
      assert.deepStrictEqual((yield* ofArchive.health).maintenance, {})
      assert.isUndefined((yield* ofArchive.health).lastBackup)
      assert.deepStrictEqual(readdirSync(folder), ["app.db.20260101T010000000Z.backup"])
      yield* TestClock.adjust("1 hour")
      assert.deepInclude(yield* runsIn(ofArchive.health)("optimize", "2026-01-01T02"), {
        failed: false,
        result: "done"
      })
      yield* runsIn(ofOrders.health)("backup", "2026-01-01T02")
      yield* runsIn(ofOrders.health)("checkpoint", "2026-01-01T02")
      yield* Scope.close(tasks, Exit.void)
      yield* TestClock.adjust("10 hours")
      assert.match((yield* ofArchive.health).maintenance.optimize?.at ?? "", /^2026-01-01T02/)
      assert.strictEqual(readdirSync(folder).length, 2)
    })
  )

  it.scoped("writes a large WAL into the file beside this process, which goes on meanwhile", () =>
    Effect.gen(function* () {
      const { file, health, runOf, sql, write } = yield* maintained(() => ({ checkpoint: hourly }), {
        pragmas: { walAutocheckpoint: 0, journalSizeLimit: 1024 * 1024 }
      })
      yield* grow(file, 17)
      const before = statSync(file).size
      assert.isAbove((yield* health).walBytes, 17 * 1024 * 1024)
      yield* TestClock.adjust("1 hour")
      yield* write(sql`INSERT INTO notes (body) VALUES ('meanwhile')`)
      assert.match((yield* runOf("checkpoint", "2026-01-01T01"))?.result ?? "", /^\d\d MB$/)
      assert.isAbove(statSync(file).size, before + 17 * 1024 * 1024)
      assert.isAtMost(walOf(file), 1024 * 1024, "it is no longer than `journalSizeLimit`")
      const { walBytes, warnings } = yield* health
      assert.deepStrictEqual([walBytes, warnings], [walOf(file), []])
    })
  )

  it.scoped("cannot get past a long read: health says who reads, since when, and that it is over", () =>
    Effect.gen(function* () {
      const { file, health, read, runOf, sql } = yield* maintained(() => ({ checkpoint: hourly }), {
        pragmas: { walAutocheckpoint: 0, journalSizeLimit: 1024 * 1024 }
      })
      const [begun, finish] = yield* Effect.all([Deferred.make<void>(), Deferred.make<void>()])
      const reading = yield* Effect.fork(
        read(
          Effect.all([sql`SELECT count(*) FROM notes`, Deferred.succeed(begun, undefined), Deferred.await(finish)])
        ).pipe(Effect.withSpan("monthly report"))
      )
      yield* Deferred.await(begun)
      yield* grow(file, 17)
      yield* TestClock.adjust("1 hour")
      const run = yield* runOf("checkpoint", "2026-01-01T01")
      assert.isTrue(run?.failed)
      assert.match(run?.result ?? "", /\d\d of the \d\d MB of the WAL could not be written .* because this process/)
      const { warnings } = yield* health
      assert.match(
        warnings.join("\n"),
        /has grown over 16 MiB.* a read in the span monthly report that began at 2026-01-01T00:00/
      )
      assert.match(warnings.join("\n"), /The maintenance task checkpoint failed/)
      yield* Deferred.succeed(finish, undefined)
      yield* Fiber.join(reading)
      yield* TestClock.adjust("1 hour")
      assert.isFalse((yield* runOf("checkpoint", "2026-01-01T02"))?.failed)
      assert.deepStrictEqual((yield* health).warnings, [])
    })
  )

  it.scoped("names another process that keeps the WAL from starting over", () =>
    Effect.gen(function* () {
      const { file, health, runOf } = yield* maintained(() => ({ checkpoint: hourly }), {
        pragmas: { walAutocheckpoint: 0, journalSizeLimit: 1024 * 1024 }
      })
      const { pid } = yield* rivalProcess(file, "BEGIN; SELECT count(*) FROM notes;")
      yield* grow(file, 9)
      yield* TestClock.adjust("1 hour")
      assert.match((yield* runOf("checkpoint", "2026-01-01T01"))?.result ?? "", /^\d+ of \d{4} pages$/)
      assert.match(
        (yield* health).warnings.join("\n"),
        new RegExp(`this reader has finished: process ${pid} \\(node\\)`)
      )
    })
  )

  it.scoped("optimizes, writes the WAL into the file and gives free pages back, each at its time", () =>
    Effect.gen(function* () {
      const { health, runOf, sql, write } = yield* maintained(
        () => ({ optimize: Schedule.spaced("3 hours"), checkpoint: hourly, vacuum: Schedule.spaced("2 hours") }),
        { newFile: { autoVacuum: "incremental" } }
      )
      yield* write(sql`INSERT INTO notes (body) VALUES (hex(zeroblob(100000)))`)
      yield* write(sql`DELETE FROM notes WHERE length(body) > 100000`)
      const before = yield* health
      assert.isAbove(before.freePageBytes, 190_000)
      assert.isAbove(before.freeBytes ?? 0, 0)
      assert.deepStrictEqual(before.maintenance, {})
      yield* TestClock.adjust("1 hour")
      const first = yield* runOf("checkpoint", "2026-01-01T01")
      assert.match(first?.result ?? "", /^(\d+) of \1 pages$/)
      assert.isUndefined((yield* health).maintenance.vacuum)
      yield* TestClock.adjust("2 hours")
      assert.match((yield* runOf("vacuum", "2026-01-01T02"))?.result ?? "", /^(\d+) of \1 pages$/)
      assert.strictEqual((yield* runOf("optimize", "2026-01-01T03"))?.result, "done")
      const after = yield* health
      assert.strictEqual(after.freePageBytes, 0)
      assert.deepStrictEqual(after.warnings, [])
    })
  )

  it.scoped(
    "makes a checked copy at another place, keeps the newest ones, and health says how old the last one is",
    () =>
      Effect.gen(function* () {
        const { file, folder, health, runOf, sql, write } = yield* maintained((directory) => ({
          backup: { schedule: hourly, directory, keep: 2 }
        }))
        assert.isUndefined((yield* health).lastBackup)
        yield* write(sql`INSERT INTO notes (body) VALUES ('second')`)
        yield* TestClock.adjust("1 hour")
        const first = join(folder, "app.db.20260101T010000000Z.backup")
        assert.strictEqual((yield* runOf("backup", "2026-01-01T01"))?.result, first)
        assert.deepStrictEqual(yield* rowsOf(first, "SELECT body FROM notes"), [{ body: "first" }, { body: "second" }])
        // What a process leaves that was killed in the middle, and what is somebody else's.
        for (const name of ["app.db.20260101T003000000Z.backup.partial", "app.db.mine"])
          writeFileSync(join(folder, name), "")
        yield* TestClock.adjust("1 hour")
        yield* runOf("backup", "2026-01-01T02")
        yield* TestClock.adjust("30 minutes")
        assert.deepStrictEqual((yield* health).lastBackup, {
          file: join(folder, "app.db.20260101T020000000Z.backup"),
          at: "2026-01-01T02:00:00.000Z",
          ageMs: 30 * 60_000
        })
        yield* TestClock.adjust("30 minutes")
        yield* runOf("backup", "2026-01-01T03")
        assert.deepStrictEqual(readdirSync(folder).sort(), [
          "app.db.20260101T020000000Z.backup",
          "app.db.20260101T030000000Z.backup",
          "app.db.mine"
        ])
        // The next start of the program finds the copies that are there.
        const again = yield* maintained((directory) => ({ backup: { schedule: hourly, directory } }), {}, file)
        assert.strictEqual((yield* again.health).lastBackup?.at, "2026-01-01T03:00:00.000Z")
      })
  )

  it.scoped("that fails is a warning until it works again, and ends no other task", () =>
    Effect.gen(function* () {
      const { folder, health, runOf } = yield* maintained((directory) => ({
        backup: { schedule: hourly, directory },
        checkpoint: hourly
      }))
      writeFileSync(folder, "a file is in the way")
      yield* TestClock.adjust("1 hour")
      assert.isTrue((yield* runOf("backup", "2026-01-01T01"))?.failed)
      assert.isFalse((yield* runOf("checkpoint", "2026-01-01T01"))?.failed)
      const [warning = "", ...more] = (yield* health).warnings
      assert.match(warning, /^The maintenance task backup failed: .*copies/)
      assert.deepStrictEqual(more, [])
      rmSync(folder)
      yield* TestClock.adjust("1 hour")
      assert.isFalse((yield* runOf("backup", "2026-01-01T02"))?.failed)
      assert.deepStrictEqual((yield* health).warnings, [])
    })
  )

  it.scoped("looks at the pages when nothing was written for a while, and says what is damaged", () =>
    Effect.gen(function* () {
      const { file, health, runOf, sql, write } = yield* maintained(() => ({
        integrity: { schedule: hourly, quiet: "10 seconds" }
      }))
      yield* write(sql`INSERT INTO notes (body) VALUES (hex(zeroblob(20000)))`)
      yield* TestClock.adjust("1 hour")
      yield* write(sql`INSERT INTO notes (body) VALUES ('busy')`)
      yield* TestClock.adjust("10 seconds")
      assert.isUndefined((yield* health).maintenance.integrity)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* runOf("integrity", "2026-01-01T01"))?.result, "pages and foreign keys ok")
      yield* independently(file, (connection) => {
        connection.exec("CREATE TABLE ages (age CHECK (age > 0)); PRAGMA ignore_check_constraints = 1")
        connection.exec("INSERT INTO ages VALUES (-1)")
      })
      yield* TestClock.adjust("1 hour")
      yield* TestClock.adjust("10 seconds")
      assert.match((yield* runOf("integrity", "2026-01-01T02"))?.result ?? "", /CHECK constraint failed in ages/)
      yield* independently(file, (connection) => connection.exec("DROP TABLE ages"))
      yield* sql`PRAGMA wal_checkpoint(TRUNCATE)`
      const [page] = yield* independently(file, (connection) =>
        connection.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'tags'").pluck().all()
      )
      yield* damagePage(file, Number(page))
      yield* TestClock.adjust("2 hours")
      assert.isTrue((yield* runOf("integrity", "2026-01-01T03"))?.failed)
      assert.match((yield* health).warnings.join(), /^The maintenance task integrity failed: .*damaged/)
    })
  )

  it.scoped("ends with its scope; in memory it does nothing", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const scope = yield* Scope.make()
      const { folder } = yield* Scope.extend(
        maintained((directory) => ({ backup: { schedule: hourly, directory } }), {}, file),
        scope
      )
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 hour")
      assert.isFalse(readdirSync(dirname(folder)).includes("copies"))
      const { health } = yield* maintained(() => ({ checkpoint: hourly, vacuum: hourly }), {}, ":memory:")
      assert.isUndefined((yield* health).freeBytes)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual((yield* health).maintenance, {})
    })
  )
})
