/** How the service writes: several at once in one transaction, and without the checkpoints. */
import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { dirname } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { CurrentUser } from "../../src/service/Api.ts"
import { filesOn } from "../../src/service/Backend.ts"
import { Checkpoints } from "../../src/service/checkpoints/Checkpoints.ts"
import { program, startThread } from "../../src/service/checkpoints/checkpointThread.ts"
import { Database } from "../../src/service/Database.ts"
import { isBusy } from "../../src/service/failures.ts"
import { groupedWrites } from "../../src/service/GroupedWrites.ts"
import { Settings } from "../../src/service/Settings.ts"
import { sqliteEngine } from "../../src/service/SqliteEngine.ts"
import { StartTimeline } from "../../src/service/StartTimeline.ts"
import { platform, temporaryFolder } from "../support/database.ts"
import { onlySqlite, settingsOn } from "../support/service.ts"

const megabyte = 1024 * 1024

/** A clock on which nobody sleeps longer than this: for what is tried again after ten seconds. */
const impatient = (clock: Clock.Clock, longest: () => Duration.DurationInput): Clock.Clock => ({
  ...clock,
  unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis(),
  unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
  sleep: (duration) => clock.sleep(Duration.min(duration, longest()))
})

/** The service without its server. Its threads run this program, and the real one once that is fixed. */
const serving = Effect.fnUntraced(function* (faulty?: string) {
  const folder = yield* temporaryFolder
  const file = settingsOn(folder).databaseFile
  let code = faulty ?? program
  const checkpoints = Checkpoints.by((path) => Effect.suspend(() => startThread(path, code)))
  const scope = yield* Scope.make()
  const clock = yield* Effect.clock
  const context = yield* Layer.build(
    filesOn({ ...sqliteEngine, checkpoints }).pipe(
      Layer.provideMerge(sqliteEngine.database),
      Layer.provide(StartTimeline.layer),
      Layer.provide(Layer.succeed(Settings, settingsOn(folder))),
      Layer.provide(platform)
    )
  ).pipe(
    Scope.extend(scope),
    faulty === undefined
      ? (same) => same
      : Effect.withClock(impatient(clock, () => (code === program ? "3 seconds" : "1 second")))
  )
  const database = Context.get(context, Database)
  const { write } = database
  const sql = Context.get(context, SqlClient.SqlClient)
  yield* sql`CREATE TABLE filling (bytes BLOB)`
  const close = Scope.close(scope, Exit.void)
  yield* Effect.addFinalizer(() => close)
  return {
    file,
    sql,
    database,
    repair: Effect.sync(() => {
      code = program
    }),
    close,
    wal: () => statSync(`${file}-wal`).size,
    fill: write(sql`INSERT INTO filling VALUES (zeroblob(${megabyte / 2}))`),
    fault: Effect.map(Context.get(context, Checkpoints).fault, (found) => found?.reason),
    /** In pages. */
    bound: Effect.map(
      sql<{ readonly wal_autocheckpoint: number }>`PRAGMA wal_autocheckpoint`,
      ([row]) => row?.wal_autocheckpoint
    )
  }
})

const until = <A, E, R>(look: Effect.Effect<A, E, R>, isThere: (found: A) => boolean): Effect.Effect<A, E, R> =>
  Effect.repeat(Effect.zipLeft(look, Effect.sleep("10 millis")), { until: isThere })

/** Pages in the WAL, and those of them that are in the database, seen by another connection. */
const progressOf = (file: string) =>
  Effect.sync(() => {
    const connection = new Sqlite(file, { readonly: true })
    try {
      const [row] = Object(connection.pragma("wal_checkpoint(NOOP)"))
      return { log: Number(row.log), checkpointed: Number(row.checkpointed) }
    } finally {
      connection.close()
    }
  })

const instead = (code: string) => program.replace("try {", `if (mode === "PASSIVE") { ${code} }\n  try {`)

/** Writes that are ready at the same moment, and how many transactions were begun for them. */
const grouped = Effect.gen(function* () {
  const { database, file, sql } = yield* serving()
  let transactions = 0
  const counted: Database["Type"] = {
    ...database,
    write: (body) =>
      Effect.suspend(() => {
        transactions += 1
        return database.write(body)
      })
  }
  const write = yield* Effect.provideService(groupedWrites, Database, counted)
  const insert = (text: string) => write(Effect.as(sql`INSERT INTO filling VALUES (${text})`, text))
  const rows = Effect.map(sql<{ readonly bytes: string }>`SELECT bytes FROM filling`, (all) =>
    all.map(({ bytes }) => bytes).sort()
  )
  return { file, insert, rows, sql, transactions: () => transactions, write }
})

const texts = ["a", "b", "c", "d", "e", "f"]

describe.skipIf(onlySqlite("PostgreSQL writes in its own way"))("writes that are ready at the same moment", () => {
  it.scopedLive("are in one transaction, and each gets its own answer, with its own services", () =>
    Effect.gen(function* () {
      const { insert, rows, transactions, write } = yield* grouped
      const name = Effect.map(CurrentUser, (user) => user.name)
      const as = (user: string) =>
        Effect.provideService(write(name), CurrentUser, { name: user, isAdministrator: false })
      const answers = yield* Effect.all([...texts.map(insert), as("ann"), as("bob")], { concurrency: "unbounded" })
      assert.deepStrictEqual(answers, [...texts, "ann", "bob"])
      assert.deepStrictEqual(yield* rows, texts)
      assert.isBelow(transactions(), answers.length / 2)
    })
  )

  it.scopedLive("do not fail because one of them does, or dies, and what that one wrote is undone", () =>
    Effect.gen(function* () {
      const { insert, rows, sql, write } = yield* grouped
      const never = sql`INSERT INTO filling VALUES ('never')`
      const all: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        ...texts.slice(0, 3).map(insert),
        write(Effect.zipRight(never, Effect.fail("mine"))),
        write(Effect.zipRight(never, Effect.die("defect"))),
        write(sql`INSERT INTO nowhere VALUES (1)`),
        ...texts.slice(3).map(insert)
      ]
      const exits = yield* Effect.forEach(all, Effect.exit, { concurrency: "unbounded" })
      const [, , , mine, defect, refused] = exits
      assert.deepStrictEqual(mine, Exit.fail("mine"))
      assert.deepStrictEqual(defect, Exit.die("defect"))
      assert.include(String(refused), "no such table")
      assert.strictEqual(exits.filter(Exit.isSuccess).length, texts.length)
      assert.deepStrictEqual(yield* rows, texts)
    })
  )

  it.scopedLive("do not fail because one of them is interrupted, which is written or not, but not half", () =>
    Effect.gen(function* () {
      const { insert, rows } = yield* grouped
      const running = yield* Effect.forEach(texts, (text) => Effect.fork(insert(text)))
      yield* Effect.yieldNow()
      const [first, ...others] = running
      if (first !== undefined) yield* Fiber.interrupt(first)
      yield* Fiber.joinAll(others)
      assert.includeMembers([...(yield* rows)], texts.slice(1))
    })
  )

  it.scopedLive("wait for another process no longer than each alone would, and are then refused", () =>
    Effect.gen(function* () {
      const { file, insert, rows, transactions } = yield* grouped
      const other = new Sqlite(file)
      other.exec("BEGIN IMMEDIATE")
      const errors = yield* Effect.all(
        texts.map((text) => Effect.flip(insert(text))),
        { concurrency: "unbounded" }
      )
      assert.isTrue(errors.every((error) => isBusy(error)))
      assert.strictEqual(transactions(), 1)
      other.exec("ROLLBACK")
      other.close()
      yield* insert("a")
      assert.deepStrictEqual(yield* rows, ["a"])
    })
  )
})

describe.skipIf(onlySqlite("PostgreSQL makes its checkpoints by itself"))("checkpoints", () => {
  it.scopedLive("are made by a thread: while writes go on the WAL stays small, and a clean end leaves none", () =>
    Effect.gen(function* () {
      const { bound, close, fault, file, fill, wal } = yield* serving()
      yield* until(bound, (pages) => pages === 12_288)
      let most = 0
      yield* Effect.repeat(
        Effect.tap(Effect.zipLeft(fill, Effect.sleep("1 millis")), () => {
          most = Math.max(most, wal())
        }),
        { times: 139 }
      )
      assert.isBelow(most, 64 * megabyte)
      assert.isUndefined(yield* fault)
      // No commit has made one: it is in the database, and the connection's own bound is far.
      yield* until(progressOf(file), ({ checkpointed, log }) => log - checkpointed < 1000)
      yield* close
      assert.deepStrictEqual(
        readdirSync(dirname(file)).filter((name) => name.startsWith("app.db")),
        ["app.db"]
      )
    })
  )

  it.scopedLive("go as far as a long reader lets them, and the WAL starts over when it is gone", () =>
    Effect.gen(function* () {
      const { fault, file, fill, wal } = yield* serving()
      const reader = new Sqlite(file, { readonly: true })
      reader.exec("BEGIN")
      reader.prepare("SELECT count(*) FROM filling").get()
      yield* Effect.repeat(fill, { times: 39 })
      assert.isAbove(wal(), 20 * megabyte)
      assert.isUndefined(yield* fault)
      reader.close()
      yield* until(Effect.zipRight(fill, progressOf(file)), ({ log }) => log < 1000)
    })
  )

  it.scopedLive("use the one SQLite of the process, so that no lock is dropped when the thread ends", () =>
    Effect.gen(function* () {
      const { file, sql } = yield* serving()
      yield* sql`BEGIN IMMEDIATE`
      yield* Effect.scoped(Effect.flatMap(startThread(file), ({ ask }) => ask("PASSIVE")))
      const attempt = `new (require("better-sqlite3"))(process.argv[1], { timeout: 0 }).exec("BEGIN IMMEDIATE")`
      const other = spawnSync(process.execPath, ["-e", attempt, file], { cwd: import.meta.dirname, encoding: "utf8" })
      assert.match(other.stderr, /database is locked/)
      yield* sql`ROLLBACK`
      const copies = new Set(readFileSync("/proc/self/maps", "utf8").match(/\S*better_sqlite3\S*\.node$/gm))
      assert.strictEqual(copies.size, 1)
    })
  )

  for (const [reason, what, code] of [
    ["Ended", "ends", "process.exit(1)"],
    [
      "Refused",
      "meets a full disk",
      'parentPort.postMessage({ refused: "SQLITE_FULL: database or disk is full" }); return'
    ],
    ["NoAnswer", "hangs", "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)"]
  ] as const) {
    it.scopedLive(`are made by commits while the thread ${what}, which is told, and by a thread afterwards`, () =>
      Effect.gen(function* () {
        const { bound, close, fault, file, fill, repair } = yield* serving(instead(code))
        yield* until(Effect.zipRight(fill, fault), (found) => found === reason)
        yield* until(bound, (pages) => pages === 1000)
        yield* repair
        yield* until(fault, (found) => found === undefined)
        assert.strictEqual(yield* bound, 12_288)
        yield* close
        assert.isFalse(readdirSync(dirname(file)).includes("app.db-wal"))
      })
    )
  }
})
