import { once } from "node:events"
import { readFileSync, symlinkSync } from "node:fs"
import { dirname } from "node:path"
import { SystemError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as TestClock from "effect/TestClock"
import {
  AppliedMigrations,
  CheckedIntegrity,
  DatabaseConfig,
  DatabaseDirectory,
  Initialization,
  IntegrityError,
  Migrations,
  restoreBackup,
  SqliteConnection,
  VerifiedPragmas
} from "../layers/index.ts"
import { SqliteFailure } from "../layers/sqlite/Sqlite.ts"
import {
  independently,
  notes,
  onlyFirst,
  openConnection,
  openDescriptors,
  platform,
  refusal,
  rivalProcess,
  rowsOf,
  start,
  type TestOptions,
  temporaryFile
} from "./support/database.ts"
import { attemptTimes, makeWatch } from "./support/progress.ts"

const busy = new SqliteFailure({ code: "SQLITE_BUSY", detail: "database is locked" })

/** Config and start of a room that is tested alone. */
const alone = (options: TestOptions & { readonly filename: string }) =>
  Initialization.layer.pipe(Layer.provideMerge(DatabaseConfig.layer(options)), Layer.provide(platform))

describe("the directory stage", () => {
  const stubborn = (calls: Ref.Ref<number>, answer: Effect.Effect<never, SystemError>) =>
    Layer.merge(
      FileSystem.layerNoop({
        makeDirectory: () =>
          Effect.zipRight(
            Ref.update(calls, (n) => n + 1),
            answer
          )
      }),
      Path.layer
    )
  const systemError = (code: string) =>
    new SystemError({ reason: "Unknown", module: "FileSystem", method: "makeDirectory", cause: { code } })
  const directory = (layer: Layer.Layer<FileSystem.FileSystem | Path.Path>, options: TestOptions = {}) =>
    Effect.scoped(
      Layer.build(
        DatabaseDirectory.layer.pipe(
          Layer.provide(layer),
          // Where nothing can be created at once the platform is asked.
          Layer.provide(alone({ filename: "/proc/far/app.db", ...options }))
        )
      )
    )

  it.effect("asks a mount that wakes up after 50, 100, 200, 400 and 800 ms, then reports its answer", () =>
    Effect.gen(function* () {
      const calls = yield* Ref.make(0)
      const watch = yield* makeWatch
      const room = directory(stubborn(calls, Effect.fail(systemError("EMFILE"))), watch)
      const outcome = yield* Effect.fork(refusal(room))

      assert.deepStrictEqual(yield* attemptTimes(watch, [50, 100, 200, 400, 800]), [0, 50, 150, 350, 750, 1550])
      const refused = yield* Fiber.join(outcome)
      assert.strictEqual(refused._tag, "DirectoryError")
      assert.strictEqual(refused.reason, "Unavailable")
      assert.strictEqual(yield* Ref.get(calls), 6)
    })
  )

  it.effect("does not ask again if waiting cannot help", () =>
    Effect.gen(function* () {
      const calls = yield* Ref.make(0)
      const refused = yield* refusal(directory(stubborn(calls, Effect.fail(systemError("EACCES")))))
      assert.strictEqual(refused.reason, "PermissionDenied")
      assert.strictEqual(yield* Ref.get(calls), 1)
    })
  )

  it.effect("gives up on a call that never answers after its timeout of 5 s, not before", () =>
    Effect.gen(function* () {
      const calls = yield* Ref.make(0)
      const outcome = yield* Effect.fork(refusal(directory(stubborn(calls, Effect.never))))
      yield* TestClock.adjust("4999 millis")
      assert.isNull(yield* Effect.map(Fiber.poll(outcome), (exit) => (exit._tag === "None" ? null : exit)))
      yield* TestClock.adjust("1 millis")
      const late = yield* Fiber.join(outcome)
      assert.strictEqual(late._tag, "StageTimeoutError")
      assert.strictEqual(late.sentence, "The directory stage did not finish within 5s.")
    })
  )
})

describe("the connection stage", () => {
  /** A connection that locks the whole file until it is closed. */
  const keeper = (file: string) =>
    Effect.tap(openConnection(file), (connection) => {
      connection.pragma("locking_mode = EXCLUSIVE")
      connection.exec("INSERT INTO notes (body) VALUES ('mine')")
    })

  it.scoped("waits 5, 10, 20, 40, 80 and then 100 ms for a locked file, and proceeds when it is free", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const watch = yield* makeWatch
      const rival = yield* keeper(file)
      const outcome = yield* Effect.fork(start(file, watch))

      assert.deepStrictEqual(
        yield* attemptTimes(watch, [5, 10, 20, 40, 80, 100, 100]),
        [0, 5, 15, 35, 75, 155, 255, 355]
      )
      rival.close()
      yield* TestClock.adjust("100 millis")
      const report = yield* Fiber.join(outcome)
      assert.deepStrictEqual(
        report.stages.map(({ attempts }) => attempts),
        [1, 9, 1, 1, 1]
      )
    })
  )

  it.scoped("ends at its timeout with what it waited for, and leaves no descriptor open", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const watch = yield* makeWatch
      const rival = yield* keeper(file)
      const outcome = yield* Effect.fork(
        refusal(start(file, { ...watch, policies: { connection: { timeout: "12 millis" } } }))
      )
      assert.deepStrictEqual(yield* attemptTimes(watch, [5]), [0, 5])
      yield* TestClock.adjust("7 millis")
      const late = yield* Fiber.join(outcome)
      rival.close()

      assert.strictEqual(late._tag, "StageTimeoutError")
      assert.propertyVal(late, "stage", "connection")
      assert.isTrue(late.retryable)
      assert.match(
        late.message,
        /^The connection stage did not finish within 12ms\. Waiting .*: Another process has locked /
      )
      assert.deepStrictEqual(openDescriptors(dirname(file)), [])
    })
  )

  it.scoped("leaves nothing behind when it is interrupted while it waits", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const watch = yield* makeWatch
      const rival = yield* keeper(file)
      const outcome = yield* Effect.fork(start(file, watch))
      yield* watch.next
      yield* Fiber.interrupt(outcome)
      rival.close()
      assert.deepStrictEqual(openDescriptors(dirname(file)), [])
      assert.strictEqual((yield* start(file)).status, "ready")
    })
  )
})

describe("the pragmas stage", () => {
  /**
   * The evidence of a connection on which one pragma is refused as often as needed. SQLite never does so on purpose.
   */
  const refusing = (refusals: Ref.Ref<number>) =>
    Layer.effect(
      SqliteConnection,
      Effect.map(SqliteConnection, (real) => ({
        ...real,
        sqlite: {
          ...real.sqlite,
          all: (sql: string, parameters?: ReadonlyArray<unknown>) => {
            if (sql.startsWith("PRAGMA synchronous =")) {
              const left = Effect.runSync(Ref.getAndUpdate(refusals, (n) => n - 1))
              if (left > 0) throw busy
            }
            return real.sqlite.all(sql, parameters)
          }
        }
      }))
    ).pipe(Layer.provide(SqliteConnection.layer))
  const pragmas = (refusals: Ref.Ref<number>, options: TestOptions) =>
    Effect.scoped(
      Effect.map(
        Layer.build(
          VerifiedPragmas.layer.pipe(
            Layer.provide(refusing(refusals)),
            Layer.provide(DatabaseDirectory.layer),
            Layer.provide(alone({ filename: ":memory:", ...options })),
            Layer.provide(platform)
          )
        ),
        () => "verified" as const
      )
    )

  it.effect("tries again after 5, 10 and 20 ms if a pragma is refused for the moment", () =>
    Effect.gen(function* () {
      const watch = yield* makeWatch
      const outcome = yield* Effect.fork(pragmas(yield* Ref.make(3), watch))
      assert.deepStrictEqual(yield* attemptTimes(watch, [5, 10]), [0, 5, 15])
      yield* TestClock.adjust("20 millis")
      assert.strictEqual(yield* Fiber.join(outcome), "verified")
    })
  )

  it.effect("ends at its timeout and names the pragma", () =>
    Effect.gen(function* () {
      const watch = yield* makeWatch
      const outcome = yield* Effect.fork(
        refusal(pragmas(yield* Ref.make(1000), { ...watch, policies: { pragmas: { timeout: "1 seconds" } } }))
      )
      yield* watch.next
      yield* TestClock.adjust("1 seconds")
      const late = yield* Fiber.join(outcome)
      assert.strictEqual(late._tag, "StageTimeoutError")
      assert.include(late.message, "PRAGMA synchronous could not be set to 1 (SQLITE_BUSY: database is locked)")
    })
  )
})

describe("the migrations stage", () => {
  it.scoped("waits for another writer without the lock, and applies when it is gone", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const watch = yield* makeWatch
      const rival = yield* openConnection(file)
      rival.exec("BEGIN IMMEDIATE")
      const outcome = yield* Effect.fork(start(file, watch))
      assert.deepStrictEqual(yield* attemptTimes(watch, [5, 10, 20]), [0, 5, 15, 35])
      rival.exec("COMMIT")
      yield* TestClock.adjust("40 millis")
      const report = yield* Fiber.join(outcome)
      assert.deepStrictEqual(
        report.applied.map(({ version }) => version),
        ["002"]
      )
    })
  )

  it.scoped("begins no migration before it holds the write lock", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const begun = yield* Ref.make(0)
      const counting = Effect.flatMap(SqlClient.SqlClient, (sql) =>
        Effect.zipRight(
          Ref.update(begun, (n) => n + 1),
          Effect.asVoid(sql`UPDATE notes SET body = upper(body)`)
        )
      )
      const migrations = Migrations.all(notes, Migrations.fromLoader(Migrator.fromRecord({ "003_upper": counting })))
      const watch = yield* makeWatch
      const rival = yield* openConnection(file)
      rival.exec("BEGIN IMMEDIATE")
      const outcome = yield* Effect.fork(start(file, { ...watch, migrations }))
      assert.deepStrictEqual(yield* attemptTimes(watch, [5, 10]), [0, 5, 15])
      assert.strictEqual(yield* Ref.get(begun), 0)
      rival.exec("COMMIT")
      yield* TestClock.adjust("20 millis")
      yield* Fiber.join(outcome)
      assert.strictEqual(yield* Ref.get(begun), 1)
    })
  )

  it.scoped("takes no lock if nothing is pending: a start passes next to a writer without an extra attempt", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const rival = yield* openConnection(file)
      rival.exec("BEGIN IMMEDIATE")
      const report = yield* start(file)
      assert.deepStrictEqual(
        report.stages.map(({ attempts }) => attempts),
        [1, 1, 1, 1, 1]
      )
    })
  )

  it.scoped("ends at the deadline of the whole start, 60 s, with nothing changed", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const watch = yield* makeWatch
      const rival = yield* openConnection(file)
      rival.exec("BEGIN IMMEDIATE")
      const outcome = yield* Effect.fork(refusal(start(file, watch)))
      yield* watch.next
      yield* TestClock.adjust("60 seconds")
      const late = yield* Fiber.join(outcome)
      rival.exec("ROLLBACK")

      assert.strictEqual(late._tag, "StageTimeoutError")
      assert.strictEqual(late.reason, "Start")
      assert.match(late.message, /^The start did not finish within 1m\. .*SQLITE_BUSY: database is locked/)
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT version FROM schema_migrations"), [{ version: "001" }])
    })
  )

  it.scoped("rolls back when it is interrupted in the middle of a migration", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const reached = yield* Deferred.make<void>()
      const stuck = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE half (x)`
        yield* Deferred.succeed(reached, undefined)
        yield* Effect.never
      })
      const migrations = Migrations.all(notes, Migrations.fromLoader(Migrator.fromRecord({ "003_stuck": stuck })))
      const outcome = yield* Effect.fork(start(file, { migrations }))
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(outcome)

      assert.deepStrictEqual(yield* rowsOf(file, "SELECT name FROM sqlite_schema WHERE name IN ('half', 'tags')"), [])
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT version FROM schema_migrations"), [{ version: "001" }])
      assert.deepStrictEqual(openDescriptors(dirname(file)), [])
    })
  )

  it.scopedLive("rolls back a statement that ran past the deadline", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const slow = `CREATE TABLE half AS
        WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 3000000) SELECT sum(x) FROM n;`
      const late = yield* refusal(
        start(file, {
          migrations: Migrations.all(notes, Migrations.fromRecord({ "003_slow.sql": slow })),
          policies: { migrations: { timeout: "50 millis" } }
        })
      )
      assert.strictEqual(late._tag, "StageTimeoutError")
      assert.propertyVal(late, "stage", "migrations")
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT name FROM sqlite_schema WHERE name IN ('half', 'tags')"), [])
    })
  )

  it.scoped("waits for the readers of a file that is not in WAL mode yet", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      yield* independently(file, (connection) => connection.pragma("journal_mode = DELETE"))
      const watch = yield* makeWatch
      const reader = yield* openConnection(file)
      reader.exec("BEGIN; SELECT * FROM notes")
      const outcome = yield* Effect.fork(start(file, watch))
      const wait = yield* watch.next
      assert.include(wait.reason, "PRAGMA journal_mode could not be set to wal")
      reader.exec("COMMIT")
      yield* TestClock.adjust("5 millis")
      assert.strictEqual((yield* Fiber.join(outcome)).pragmas["journal_mode"], "wal")
    })
  )
})

const linux = process.platform === "linux"

describe.skipIf(!linux)(`the holder of a lock${linux ? "" : " (skipped: /proc/locks names the processes)"}`, () => {
  const nameOf = (pid: number) => readFileSync(`/proc/${pid}/comm`, "utf8").trim()

  it.scoped("is named while the start waits for it, and at the deadline", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const watch = yield* makeWatch
      const { pid = 0 } = yield* rivalProcess(file, "BEGIN IMMEDIATE")
      const outcome = yield* Effect.fork(refusal(start(file, watch)))
      const wait = yield* watch.next
      const name = nameOf(pid)
      assert.deepStrictEqual(wait.holders, [{ pid, name }])
      assert.match(wait.reason, new RegExp(`database is locked\\); the lock is held by process ${pid} \\(${name}\\)$`))
      yield* TestClock.adjust("60 seconds")
      const late = yield* Fiber.join(outcome)
      if (late._tag !== "StageTimeoutError") assert.fail(late.message)
      assert.deepStrictEqual(late.holders, wait.holders)
      assert.include(late.message, `held by process ${pid} (`)
    })
  )

  it.scoped("is named through a link to the file, and at most a second after it is gone", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      symlinkSync(file, `${file}.link`)
      const watch = yield* makeWatch
      const rival = yield* rivalProcess(file, "BEGIN IMMEDIATE")
      const mine = yield* openConnection(file)
      const outcome = yield* Effect.fork(start(`${file}.link`, watch))
      const { pid = 0 } = rival
      assert.deepStrictEqual((yield* watch.next).holders, [{ pid, name: nameOf(pid) }])
      const gone = once(rival, "exit")
      rival.kill("SIGKILL")
      yield* Effect.promise(() => gone)
      mine.exec("BEGIN IMMEDIATE")
      const holders: Array<ReadonlyArray<number>> = []
      for (const wait of [5, 10, 20, 40, 80, ...Array<number>(9).fill(100)]) {
        yield* TestClock.adjust(wait)
        holders.push((yield* watch.next).holders.map((holder) => holder.pid))
      }
      assert.deepStrictEqual(holders, [...Array<Array<number>>(13).fill([pid]), [process.pid]])
      mine.exec("COMMIT")
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* Fiber.join(outcome)).status, "ready")
    })
  )

  it.scoped("is named if readers block another journal mode, all of them", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const watch = yield* makeWatch
      const one = yield* rivalProcess(file, "SELECT * FROM notes")
      const other = yield* rivalProcess(file, "SELECT * FROM notes")
      const outcome = yield* Effect.fork(start(file, { ...watch, pragmas: { journalMode: "delete" } }))
      const { holders, reason } = yield* watch.next
      assert.sameMembers(
        holders.map(({ pid }) => pid),
        [one.pid, other.pid]
      )
      assert.match(reason, /PRAGMA journal_mode could not be set to delete/)
      yield* Fiber.interrupt(outcome)
    })
  )

  it.scoped("is named by a restore that finds the database in use", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      yield* start(file)
      const { pid } = yield* rivalProcess(file, "BEGIN IMMEDIATE")
      const refused = yield* refusal(Effect.provide(restoreBackup({ filename: file }), platform))
      assert.strictEqual(refused.reason, "InUse")
      assert.include(refused.message, `process ${pid} (`)
    })
  )
})

describe("the integrity stage", () => {
  /** Evidence whose schema cannot be read for a while. */
  const unreadable = (refusals: Ref.Ref<number>) =>
    Layer.succeed(AppliedMigrations, {
      version: "001",
      ahead: [],
      backup: undefined,
      applied: [],
      adopted: [],
      repeated: [],
      redeclared: [],
      events: [],
      warnings: [],
      schemaOn: () => Effect.die("not before the start is over"),
      schema: () =>
        Effect.flatMap(
          Ref.getAndUpdate(refusals, (n) => n - 1),
          (left) =>
            left > 0
              ? Effect.fail(IntegrityError.unreadable(busy))
              : Effect.succeed({ version: "001", fingerprint: "f", extra: [] })
        )
    })
  const integrity = (refusals: Ref.Ref<number>, options: TestOptions) =>
    Effect.scoped(
      Layer.build(
        CheckedIntegrity.layer.pipe(
          Layer.provide(unreadable(refusals)),
          Layer.provide(SqliteConnection.layer),
          Layer.provide(DatabaseDirectory.layer),
          Layer.provide(alone({ filename: ":memory:", ...options })),
          Layer.provide(platform)
        )
      )
    )

  it.effect("looks again after 5 and 10 ms if the schema cannot be read for the moment", () =>
    Effect.gen(function* () {
      const watch = yield* makeWatch
      const outcome = yield* Effect.fork(integrity(yield* Ref.make(2), watch))
      assert.deepStrictEqual(yield* attemptTimes(watch, [5]), [0, 5])
      yield* TestClock.adjust("10 millis")
      yield* Fiber.join(outcome)
      assert.isTrue(yield* watch.isQuiet)
    })
  )

  it.effect("ends at its timeout", () =>
    Effect.gen(function* () {
      const watch = yield* makeWatch
      const outcome = yield* Effect.fork(
        refusal(integrity(yield* Ref.make(1000), { ...watch, policies: { integrity: { timeout: "1 seconds" } } }))
      )
      yield* watch.next
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual((yield* Fiber.join(outcome))._tag, "StageTimeoutError")
    })
  )
})

describe("a start at work", () => {
  /** So many statements that they take far longer than the tests allow. */
  const many = (count: number, statement = "INSERT INTO t VALUES (1)") =>
    Migrations.fromRecord({ "001_many.sql": `CREATE TABLE t (x);\n${`${statement};\n`.repeat(count)}` })

  it.scopedLive("checks its deadline between statements, and rolls back what was done by then", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      // Together they take half a minute. The deadline leaves a busy machine the time to reach them.
      const slow =
        "INSERT INTO t WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 10000) SELECT count(*) FROM n"
      const late = yield* refusal(start(file, { migrations: many(20_000, slow), timeout: "1500 millis" }))
      assert.match(
        late.sentence,
        /^The start did not finish within 1s 500ms\. It was applying 001_many in the migrations stage: statement \d+ of 20001, line \d+, after [\d ms]+ of it\.$/
      )
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT name FROM sqlite_schema"), [])
    })
  )

  it.scopedLive("lets timers of the same process run between statements", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      let ticks = 0
      const timer = setInterval(() => {
        ticks += 1
      }, 1)
      yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(timer)))
      const { stages } = yield* start(file, { migrations: many(30_000) })
      // At least one turn per 16 ms; a start that blocks the loop gives one or two in all.
      assert.isAbove(ticks, 3, JSON.stringify(stages))
    })
  )

  it.scopedLive("says so in the integrity stage if the page check ran past the deadline", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      yield* independently(file, (connection) =>
        connection.exec(
          "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 400000) INSERT INTO notes (body) SELECT x || ' and more' FROM n"
        )
      )
      const late = yield* refusal(start(file, { integrity: "full", policies: { integrity: { timeout: "1 millis" } } }))
      assert.strictEqual(late._tag, "StageTimeoutError")
      assert.propertyVal(late, "stage", "integrity")
    })
  )
})

describe("a start that waits", () => {
  it.scopedLive("leaves the event loop free: a timer of the same process keeps running", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const watch = yield* makeWatch
      const rival = yield* openConnection(file)
      rival.exec("BEGIN IMMEDIATE")
      const outcome = yield* Effect.fork(start(file, watch))
      for (let attempt = 0; attempt < 5; attempt += 1) yield* watch.next
      const ticks = yield* Effect.async<number>((resume) => {
        let count = 0
        const timer = setInterval(() => {
          count += 1
          if (count === 10) {
            clearInterval(timer)
            resume(Effect.succeed(count))
          }
        }, 1)
      })
      assert.strictEqual(ticks, 10)
      assert.isTrue((yield* Fiber.poll(outcome))._tag === "None")
      rival.exec("COMMIT")
      yield* Fiber.join(outcome)
    })
  )
})
