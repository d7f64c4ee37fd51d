/** What a start promises, on every engine: cold, warm, beside others, waiting, killed, and what it hands out. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { exitCodeOf, reportJson } from "../../layers/index.ts"
import { until } from "../postgres/databases.ts"
import { temporaryFolder } from "../support/database.ts"
import { spawnProgram } from "../support/program.ts"
import { makeWatch } from "../support/progress.ts"
import { notes, onlyNotes, type StartOptions } from "./engines.ts"
import { onPostgres } from "./onPostgres.ts"
import { onSqlite } from "./onSqlite.ts"

const both = [onSqlite, onPostgres]

for (const engine of both) {
  const start = (place: string, options: StartOptions = {}) => Effect.scoped(engine.start(place, options))
  const history = (place: string) =>
    engine.ask(place, "SELECT version, description, status, name, program FROM schema_migrations ORDER BY migration_id")
  const notesIn = (place: string) => engine.ask(place, "SELECT note FROM notes ORDER BY id")

  describe.skipIf(!engine.isHere)(`a start on ${engine.name}`, () => {
    it.scopedLive("applies what is pending in order, and finds nothing to do the next time", () =>
      Effect.gen(function* () {
        const place = yield* engine.make
        const { report } = yield* start(place, { files: onlyNotes, program: "notes 1" })
        assert.deepStrictEqual([report.schemaVersion, report.applied.map(({ version }) => version)], ["010", ["010"]])
        const next = yield* start(place, { program: "notes 2" })
        assert.deepStrictEqual(
          [next.report.schemaVersion, next.report.applied.map(({ name }) => name)],
          ["020", ["add_owners"]]
        )
        const done = { status: "completed" }
        assert.deepStrictEqual(yield* history(place), [
          { version: "010", description: "create notes", ...done, name: "create_notes", program: "notes 1" },
          { version: "020", description: "add owners", ...done, name: "add_owners", program: "notes 2" }
        ])
        const before = yield* engine.picture(place)
        const warm = yield* start(place)
        assert.deepStrictEqual([warm.report.schemaVersion, warm.report.applied], ["020", []])
        const looked = yield* start(place, { access: "inspect" })
        assert.strictEqual(looked.report.schemaVersion, "020")
        assert.deepStrictEqual(yield* engine.picture(place), before)
      })
    )

    it.scopedLive("leaves nothing in a new database where a migration fails, and needs no help afterwards", () =>
      Effect.gen(function* () {
        const place = yield* engine.make
        yield* start(place, { files: {} })
        const before = yield* engine.picture(place)
        const files = { ...notes, "030_fails.sql": "INSERT INTO nowhere (id) VALUES (1)" }
        const error = yield* Effect.flip(start(place, { files }))
        assert.strictEqual(error.reason, "StatementFailed")
        assert.deepStrictEqual(yield* engine.picture(place), before)
        assert.strictEqual((yield* start(place)).report.schemaVersion, "020")
      })
    )

    it.scopedLive(
      "does not mind comments, declarations that came later, objects of others, and a newer program that allows it",
      () =>
        Effect.gen(function* () {
          const place = yield* engine.make
          yield* start(place)
          yield* engine.ask(place, "INSERT INTO notes (id, note) VALUES (1, 'a'); CREATE TABLE of_others (id integer)")
          const commented = {
            ...notes,
            "010_create_notes.sql": `-- database-ready: deletes = notes\n-- said later\n${notes["010_create_notes.sql"]}\n`
          }
          yield* start(place, { files: commented })
          const files = {
            ...commented,
            "030_clean.sql":
              "-- database-ready: deletes = notes\n-- database-ready: compatible_from = 20\nDELETE FROM notes"
          }
          const { report } = yield* start(place, { files })
          assert.match(JSON.stringify(report), /of_others/)
          assert.deepStrictEqual(yield* notesIn(place), [])
          assert.strictEqual((yield* start(place)).report.schemaVersion, "030")
        })
    )

    it.scopedLive("is ready eight times at once, and applies each migration once", () =>
      Effect.gen(function* () {
        const place = yield* engine.make
        const ready = yield* Effect.all(
          Array.from({ length: 8 }, () => start(place)),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(
          ready.map(({ report }) => report.schemaVersion),
          Array.from({ length: 8 }, () => "020")
        )
        assert.strictEqual(ready.flatMap(({ report }) => report.applied).length, 2)
        assert.strictEqual((yield* history(place)).length, 2)
      })
    )

    it.scoped("waits while another program has the lock, names it, and gives up at its deadline, not before", () =>
      Effect.gen(function* () {
        const place = yield* engine.make
        yield* start(place, { files: onlyNotes })
        const before = yield* history(place)
        const pid = yield* engine.hold(place)
        const watch = yield* makeWatch
        const waiting = yield* Effect.fork(
          Effect.flip(start(place, { timeout: "5 seconds", onProgress: watch.onProgress }))
        )
        assert.include((yield* watch.next).reason, `held by process ${pid} (`)
        let ended = yield* Fiber.poll(waiting)
        while (Option.isNone(ended)) {
          yield* TestClock.adjust("100 millis")
          yield* Effect.raceFirst(watch.next, Fiber.await(waiting))
          ended = yield* Fiber.poll(waiting)
        }
        const error = yield* Fiber.join(waiting)
        assert.deepStrictEqual(
          [error._tag, error.reason, exitCodeOf(error), yield* Clock.currentTimeMillis],
          ["StageTimeoutError", "Start", 75, 5000]
        )
        assert.include(error.sentence, `process ${pid} (`)
        assert.deepStrictEqual(yield* history(place), before)
      })
    )

    it.scopedLive("takes no lock where there is nothing to apply, and goes on once another program releases it", () =>
      Effect.gen(function* () {
        const place = yield* engine.make
        yield* start(place, { files: onlyNotes })
        const watch = yield* makeWatch
        const behind = yield* Effect.scoped(
          Effect.gen(function* () {
            yield* engine.hold(place)
            const { report } = yield* start(place, { files: onlyNotes })
            assert.strictEqual(report.stages.find(({ name }) => name === "migrations")?.attempts, 1)
            const fiber = yield* Effect.forkDaemon(start(place, { onProgress: watch.onProgress }))
            yield* watch.next
            return fiber
          })
        )
        assert.strictEqual((yield* Fiber.join(behind)).report.schemaVersion, "020")
      })
    )

    it.scopedLive("leaves nothing, and holds nothing up, where it is interrupted while it waits", () =>
      Effect.gen(function* () {
        const place = yield* engine.make
        yield* start(place, { files: onlyNotes })
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* engine.hold(place)
            const watch = yield* makeWatch
            const fiber = yield* Effect.fork(start(place, { onProgress: watch.onProgress }))
            yield* watch.next
            yield* Fiber.interrupt(fiber)
          })
        )
        assert.strictEqual((yield* history(place)).length, 1)
        assert.strictEqual((yield* start(place)).report.schemaVersion, "020")
      })
    )

    it.scopedLive("is ready after one was killed in the middle of a migration, of which nothing is left", () =>
      Effect.gen(function* () {
        const place = yield* engine.make
        yield* start(place, { files: onlyNotes })
        const folder = yield* temporaryFolder
        mkdirSync(join(folder, "migrations"))
        const files = { ...onlyNotes, "020_half.sql": `CREATE TABLE half (n integer);\n${engine.slow};` }
        for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, "migrations", name), text)
        const { ended, process } = yield* Effect.acquireRelease(
          Effect.sync(() => spawnProgram(["init", "--json", "--backups", "0", "--database", place], { cwd: folder })),
          ({ ended, process }) =>
            Effect.promise(() => {
              process.kill("SIGKILL")
              return ended
            })
        )
        yield* until(engine.isMigrating(place))
        process.kill("SIGKILL")
        assert.strictEqual((yield* Effect.promise(() => ended)).code, "SIGKILL")
        const { report } = yield* start(place)
        assert.deepStrictEqual(
          report.applied.map(({ version }) => version),
          ["020"]
        )
        assert.deepStrictEqual(
          (yield* history(place)).map(({ name }) => name),
          ["create_notes", "add_owners"]
        )
        assert.isTrue(Option.isNone(yield* Effect.option(Effect.sandbox(engine.ask(place, "SELECT n FROM half")))))
      })
    )
  })

  describe.skipIf(!engine.isHere)(`a database that is ready on ${engine.name}`, () => {
    it.scopedLive("writes whole or not at all, and one after the other where two decide by what they read", () =>
      Effect.gen(function* () {
        const place = yield* engine.make
        const { sql, write } = yield* engine.start(place, {})
        const failing = write(
          Effect.zipRight(sql`INSERT INTO notes (id, note) VALUES (1, 'half')`, Effect.fail("no luck" as const))
        )
        assert.strictEqual(yield* Effect.flip(failing), "no luck")
        assert.deepStrictEqual(yield* sql`SELECT note FROM notes`, [])
        const addUnlessThere = (id: number) =>
          write(
            Effect.gen(function* () {
              const [row] = yield* sql<{ readonly rows: number }>`SELECT count(*) AS rows FROM notes`
              yield* Effect.yieldNow()
              if (row?.rows === 0) yield* sql`INSERT INTO notes (id, note) VALUES (${id}, 'only')`
            })
          )
        yield* Effect.forEach([2, 3, 4], addUnlessThere, { concurrency: "unbounded" })
        assert.deepStrictEqual(yield* sql`SELECT note FROM notes`, [{ note: "only" }])
      })
    )

    it.scopedLive("says when it is not ready any more, and why", () =>
      Effect.gen(function* () {
        const place = yield* engine.make
        const { health } = yield* engine.start(place, {})
        assert.strictEqual((yield* health).schemaVersion, "020")
        yield* engine.ask(place, "DROP INDEX notes_note")
        const differs = yield* Effect.flip(health)
        assert.deepStrictEqual([differs._tag, differs.reason], ["IntegrityError", "SchemaDiffers"])
        yield* engine.ask(place, "CREATE INDEX notes_note ON notes (note)")
        assert.strictEqual((yield* health).schemaVersion, "020")
        yield* engine.ask(place, "DELETE FROM schema_migrations WHERE version = '020'")
        const gone = yield* Effect.flip(health)
        assert.deepStrictEqual([gone._tag, gone.reason], ["HistoryError", "Unrecorded"])
      })
    )
  })
}

describe.skipIf(!both.every(({ isHere }) => isHere))("what a program reads", () => {
  it.scopedLive("has one shape: the report of a start, its stages, and the rows of the history", () =>
    Effect.gen(function* () {
      const told = yield* Effect.forEach(both, ({ ask, make, start }) =>
        Effect.gen(function* () {
          const place = yield* make
          const { report } = yield* start(place, {})
          const json: Record<string, unknown> = JSON.parse(reportJson(report))
          const rows = yield* ask(
            place,
            "SELECT version, name, checksum, content_version, declared, compatible_from FROM schema_migrations ORDER BY version"
          )
          const [columns = {}] = yield* ask(place, "SELECT * FROM schema_migrations LIMIT 1")
          const stages = report.stages.map(({ name }) => name)
          return { keys: Object.keys(json), rows, columns: Object.keys(columns), stages: [...new Set(stages)] }
        })
      )
      const [one, other] = told
      const shared = ["status", "database", "schemaVersion", "applied", "backup", "stages", "pragmas", "integrity"]
      const times = ["warnings", "lastWritten", "startedAt", "durationMs"]
      for (const { keys } of told) assert.includeMembers([...keys], [...shared, ...times])
      assert.deepStrictEqual(one?.rows, other?.rows)
      assert.deepStrictEqual(one?.columns, other?.columns)
      assert.deepStrictEqual(one?.stages, other?.stages)
    })
  )
})
