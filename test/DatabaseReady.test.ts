import { copyFileSync, renameSync, rmSync } from "node:fs"
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Tracer from "effect/Tracer"
import {
  AppliedMigrations,
  DatabaseConfig,
  DatabaseDirectory,
  DatabaseReady,
  failedReport,
  Initialization,
  Migrations,
  type ProgressEvent,
  SqliteConnection,
  type Timeline,
  VerifiedPragmas
} from "../layers/index.ts"
import { inMemory, rivalWriter } from "../layers/testing.ts"
import {
  independently,
  notes,
  notesFiles,
  onlyFirst,
  openConnection,
  platform,
  refusal,
  start,
  starting,
  temporaryFile
} from "./support/database.ts"

class First extends Context.Tag("test/First")<First, string>() {}
class Second extends Context.Tag("test/Second")<Second, string>() {}

describe("DatabaseReady", () => {
  it.scoped("gives the client whose connection was checked, as SqlClient and as SqliteClient", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const sqlite = yield* SqliteClient.SqliteClient
        assert.strictEqual<unknown>(sqlite, sql)
        assert.deepStrictEqual(yield* sql`SELECT body FROM notes`, [{ body: "first" }])
      }).pipe(Effect.provide(starting(file)))
    })
  )

  it.scoped("works for two databases in one program, each with its own file and migrations", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* temporaryFile, yield* temporaryFile]
      const bodyless = Migrations.fromRecord({ "001_other.sql": "CREATE TABLE other (x);" })
      const seenBy = (database: ReturnType<typeof starting>) =>
        Effect.map(Layer.build(database), (context) => Context.get(context, DatabaseReady).report.database)
      const both = Layer.merge(
        Layer.effect(
          First,
          Effect.map(DatabaseReady, ({ report }) => report.database)
        ).pipe(Layer.provide(DatabaseReady.layer({ filename: one, migrations: notes }))),
        Layer.effect(
          Second,
          Effect.map(DatabaseReady, ({ report }) => report.database)
        ).pipe(Layer.provide(DatabaseReady.layer({ filename: two, migrations: bodyless })))
      )
      const context = yield* Layer.build(Layer.provide(both, platform))
      assert.deepStrictEqual([Context.get(context, First), Context.get(context, Second)], [one, two])
      assert.strictEqual(yield* seenBy(starting(one)), one)
    })
  )

  it.scoped("tells a program every step of the start, in order", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const events = yield* Ref.make<ReadonlyArray<ProgressEvent>>([])
      yield* start(file, { onProgress: (event) => Ref.update(events, (before) => [...before, event]) })
      assert.deepStrictEqual(
        (yield* Ref.get(events)).map(({ _tag, stage }) => `${_tag} ${stage}`),
        ["directory", "connection", "pragmas", "migrations", "integrity", "pragmas"].flatMap((stage) => [
          `StageStarted ${stage}`,
          `StagePassed ${stage}`
        ])
      )
    })
  )

  it.scoped("names the stage in log lines from within a stage, and in no others", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const lines: Array<readonly [line: string, stage: unknown]> = []
      const logger = Logger.make(({ annotations, message }) => {
        const stage = Option.getOrUndefined(HashMap.get(annotations, "stage"))
        lines.push([String(message).replace(/:.*/s, ""), stage])
      })
      const migrations = Migrations.fromLoader(Migrator.fromRecord({ "001_talks": Effect.logInfo("Talking") }))
      yield* start(file, { migrations }).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
        Logger.withMinimumLogLevel(LogLevel.Debug)
      )
      assert.deepStrictEqual(lines, [
        ["Passed", "directory"],
        ["Passed", "connection"],
        ["Passed", "pragmas"],
        ["Talking", "migrations"],
        ["Passed", "migrations"],
        ["Passed", "integrity"],
        ["Passed", "pragmas"],
        ["Database ready", undefined]
      ])
    })
  )

  it.scoped("leaves a span and a measurement for every stage", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const spans: Array<string> = []
      const made = new Map<
        string,
        { readonly attributes: Map<string, unknown>; readonly within: Tracer.AnySpan | undefined }
      >()
      const tracer = Tracer.make({
        context: (run) => run(),
        span: (name, parent, context, links, startTime, kind) => {
          const attributes = new Map<string, unknown>()
          spans.push(name)
          made.set(name, {
            attributes,
            within: Option.getOrUndefined(Option.filter(parent, (one) => one._tag === "Span"))
          })
          return {
            _tag: "Span",
            name,
            spanId: name,
            traceId: "start",
            parent,
            context,
            links,
            kind,
            sampled: true,
            status: { _tag: "Started", startTime },
            attributes,
            end: () => {},
            attribute: (key, value) => {
              attributes.set(key, value)
            },
            event: () => {},
            addLinks: () => {}
          }
        }
      })
      yield* start(file).pipe(Effect.withTracer(tracer))
      assert.deepStrictEqual(
        spans.filter((name) => name.startsWith("database-ready.")),
        ["start", "directory", "connection", "pragmas", "migrations", "integrity", "pragmas"].map(
          (stage) => `database-ready.${stage}`
        )
      )
      for (const operation of ["start", "directory", "migrations"]) {
        const { attributes, within } = made.get(`database-ready.${operation}`) ?? {}
        assert.containSubset(Object.fromEntries(attributes ?? []), {
          "db.system.name": "sqlite",
          "db.namespace": file,
          "db.operation.name": operation
        })
        assert.strictEqual(within?.spanId, operation === "start" ? undefined : "database-ready.start")
      }
      yield* refusal(start(file, { migrations: onlyFirst }).pipe(Effect.withTracer(tracer)))
      for (const operation of ["start", "migrations"]) {
        const { attributes } = made.get(`database-ready.${operation}`) ?? {}
        assert.strictEqual(attributes?.get("error.type"), "HistoryError.NewerDatabase")
      }
      const measured = (yield* Metric.snapshot).flatMap(({ metricKey }) =>
        metricKey.name === "database_ready_stage_duration_ms" ? metricKey.tags.map(({ value }) => value) : []
      )
      assert.includeMembers(measured, ["directory", "connection", "pragmas", "migrations", "integrity"])
    })
  )

  it.scoped("takes one line in memory, from the same migrations; every build is a new database", () =>
    Effect.gen(function* () {
      const notesInMemory = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`INSERT INTO notes (body) VALUES ('second')`
        return (yield* sql`SELECT * FROM notes`).length
      }).pipe(Effect.provide(inMemory(notes)), Effect.provide(platform))
      assert.deepStrictEqual([yield* notesInMemory, yield* notesInMemory], [2, 2])
    })
  )

  it.scoped("is refused if another file replaced the one that the start checked", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      copyFileSync(file, `${file}.copy`)
      const exchange = Effect.sync(() => {
        renameSync(`${file}.copy`, file)
        for (const beside of ["-wal", "-shm"]) rmSync(`${file}${beside}`)
      })
      const onProgress = (event: ProgressEvent) =>
        event._tag === "StagePassed" && event.stage === "integrity" ? exchange : Effect.void
      const refused = yield* refusal(start(file, { onProgress }))
      assert.deepStrictEqual([refused._tag, refused.reason], ["ConnectionError", "Replaced"])
      // All stages had passed, so the stage named here is the refusal's own.
      const over: Timeline = {
        startedAt: "",
        durationMs: 0,
        current: undefined,
        stages: [],
        applied: [],
        backup: undefined,
        doing: "",
        step: undefined
      }
      assert.strictEqual(failedReport(file, refused, over).stage, "connection")
    })
  )

  it.scoped("can be made to wait in a test by a rival writer", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const late = yield* Effect.scoped(
        Effect.zipRight(rivalWriter(file), refusal(start(file, { policies: { migrations: { timeout: 0 } } })))
      )
      assert.strictEqual(late._tag, "StageTimeoutError")
      assert.strictEqual((yield* start(file)).schemaVersion, "002")
    })
  )
})

describe("the live health check", () => {
  /** Starts, changes the database, and returns the result of the health check. */
  const healthAfter = (harm: (file: string) => Effect.Effect<unknown>) =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      return yield* Effect.gen(function* () {
        const { health } = yield* DatabaseReady
        assert.strictEqual((yield* health).schemaVersion, "002")
        yield* harm(file)
        return yield* Effect.match(health, {
          onFailure: (refused) => [refused._tag, refused.reason],
          onSuccess: () => "healthy"
        })
      }).pipe(Effect.provide(starting(file)))
    })
  const sql = (text: string) => (file: string) => independently(file, (connection) => connection.exec(text))

  it.scoped("passes during writes of others, and inside a transaction of the service", () =>
    Effect.gen(function* () {
      const beside = (file: string) =>
        Effect.map(openConnection(file), (rival) =>
          rival.exec("BEGIN IMMEDIATE; INSERT INTO notes (body) VALUES ('x')")
        )
      assert.strictEqual(yield* healthAfter((file) => Effect.scoped(beside(file))), "healthy")
      const file = yield* temporaryFile
      yield* Effect.gen(function* () {
        const { health } = yield* DatabaseReady
        const client = yield* SqlClient.SqlClient
        assert.strictEqual((yield* client.withTransaction(health)).schemaVersion, "002")
      }).pipe(Effect.provide(starting(file)))
    })
  )

  it.scoped("does not take another fiber's uncommitted changes for the state of the database", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* Effect.gen(function* () {
        const { health } = yield* DatabaseReady
        const client = yield* SqlClient.SqlClient
        const undecided = client`DROP TABLE tags`.pipe(
          Effect.zipRight(health),
          Effect.tap(({ schemaVersion }) => assert.strictEqual(schemaVersion, "002")),
          Effect.zipRight(Effect.fail("changed my mind")),
          client.withTransaction,
          Effect.flip
        )
        assert.strictEqual(yield* undecided, "changed my mind")
      }).pipe(Effect.provide(starting(file)))
    })
  )

  it.scoped("fails when the file is gone or replaced", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* healthAfter((file) => Effect.sync(() => rmSync(file))), [
        "ConnectionError",
        "Replaced"
      ])
      const replaced = (file: string) =>
        Effect.sync(() => {
          copyFileSync(file, `${file}.copy`)
          renameSync(`${file}.copy`, file)
        })
      assert.deepStrictEqual(yield* healthAfter(replaced), ["ConnectionError", "Replaced"])
    })
  )

  it.scoped("fails when the shared memory is gone: then others no longer see its locks", () =>
    Effect.gen(function* () {
      const gone = (file: string) => Effect.sync(() => rmSync(`${file}-shm`))
      assert.deepStrictEqual(yield* healthAfter(gone), ["ConnectionError", "Replaced"])
    })
  )

  it.scoped("fails when the schema changed, the history was rewritten, or a newer program is at work", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* healthAfter(sql("DROP TABLE tags")), ["IntegrityError", "SchemaDiffers"])
      assert.deepStrictEqual(yield* healthAfter(sql("DELETE FROM schema_migrations WHERE version = '001'")), [
        "HistoryError",
        "Late"
      ])
      assert.deepStrictEqual(
        yield* healthAfter(sql("INSERT INTO schema_migrations (version, description) VALUES ('003', 'newer')")),
        ["HistoryError", "NewerDatabase"]
      )
    })
  )

  /** Commits at once, between two statements of a look, what the newer program's start committed elsewhere. */
  const commitOf = (upgraded: string, file: string) =>
    independently(file, (connection) =>
      connection.exec(
        `ATTACH '${upgraded}' AS upgraded;
        BEGIN IMMEDIATE;
        CREATE TABLE more (id INTEGER PRIMARY KEY);
        DELETE FROM main.schema_migrations;
        INSERT INTO main.schema_migrations SELECT * FROM upgraded.schema_migrations;
        PRAGMA main.user_version = 3;
        COMMIT;`
      )
    )

  it.scoped("passes at every moment of a newer program's compatible commit", () =>
    Effect.gen(function* () {
      const newer = Migrations.fromRecord({
        ...notesFiles,
        "003_add.sql": "-- database-ready: compatible_from = 2\nCREATE TABLE more (id INTEGER PRIMARY KEY);"
      })
      for (const statement of [2, 3, 4, 5]) {
        const [file, upgraded] = [yield* temporaryFile, yield* temporaryFile]
        yield* start(file)
        yield* start(upgraded, { migrations: newer })
        const config = DatabaseConfig.from({ filename: file })
        const initialization = yield* Initialization.make(config)
        const directory = yield* DatabaseDirectory.make(config, initialization)
        const connection = yield* SqliteConnection.make(config, initialization, directory)
        const pragmas = yield* VerifiedPragmas.make(config, initialization, connection)
        const source = yield* notes
        const migrations = yield* AppliedMigrations.make(config, initialization, source, connection, pragmas)
        let asked = 0
        const { sqlite } = connection
        const beside: typeof sqlite = {
          ...sqlite,
          all: (sql, parameters) => {
            asked += 1
            if (asked === statement) Effect.runSync(commitOf(upgraded, file))
            return sqlite.all(sql, parameters)
          }
        }
        const { version } = yield* migrations.schemaOn(beside)
        assert.strictEqual(version, statement === 2 ? "003" : "002", `before statement ${statement}`)
        assert.isAbove(asked, statement)
      }
    }).pipe(Effect.provide(platform))
  )

  for (const [what, forgetting, replays] of [
    ["replays no migration for an object that none of them made", "", 0],
    [
      "replays migrations once where it was not kept which objects are theirs",
      "UPDATE schema_migrations SET schema_objects = NULL",
      1
    ]
  ] as const) {
    it.scoped(what, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        let runs = 0
        const counted = Effect.zipRight(
          Effect.sync(() => {
            runs += 1
          }),
          Effect.flatMap(SqlClient.SqlClient, (client) => client`CREATE TABLE counted (id INTEGER PRIMARY KEY)`)
        )
        const migrations = Migrations.all(
          notes,
          Migrations.fromLoader(Effect.succeed([[3, "counted", Effect.succeed(counted)]]))
        )
        yield* start(file, { migrations })
        yield* sql(`CREATE TABLE extra (id INTEGER PRIMARY KEY); ${forgetting}`)(file)
        runs = 0
        yield* Effect.gen(function* () {
          const { health, report } = yield* DatabaseReady
          assert.deepStrictEqual(report.integrity.extra, ["table extra"])
          yield* health
          yield* health
        }).pipe(Effect.provide(starting(file, { migrations })))
        assert.strictEqual(runs, replays)
      })
    )
  }

  it.scoped("fails when the whole history is gone", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* healthAfter(sql("DROP TABLE schema_migrations")), ["HistoryError", "Unrecorded"])
    })
  )

  it.scoped("writes nothing", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* Effect.gen(function* () {
        const { health } = yield* DatabaseReady
        const watcher = yield* openConnection(file)
        const before = watcher.pragma("data_version")
        yield* health
        assert.deepStrictEqual(watcher.pragma("data_version"), before)
      }).pipe(Effect.provide(starting(file)))
    })
  )
})
