import { spawnSync } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { inspect } from "node:util"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { buildSync } from "esbuild"
import { DatabaseReady, Migrations, type Refusal } from "../layers/index.ts"
import {
  independently,
  notes,
  onlyFirst,
  openConnection,
  refusal,
  start,
  starting,
  type TestOptions,
  temporaryFile,
  temporaryFolder
} from "./support/database.ts"

/** The ways in which a program that embeds the library prints the failure of its layer. */
const printed: Readonly<Record<string, (error: Refusal) => Effect.Effect<string>>> = {
  "error.message": (error) => Effect.succeed(error.message),
  "String(error)": (error) => Effect.succeed(String(error)),
  "console.error(error)": (error) => Effect.succeed(inspect(error)),
  "Cause.pretty": (error) => Effect.succeed(Cause.pretty(Cause.fail(error))),
  "Cause.pretty of a defect": (error) => Effect.succeed(Cause.pretty(Cause.die(error), { renderErrorCause: true })),
  "JSON.stringify": (error) => Effect.succeed(JSON.stringify(error)),
  "a JSON logger, as the message": (error) => logged(Logger.jsonLogger, error),
  "a JSON logger, as the cause": (error) => logged(Logger.jsonLogger, Cause.fail(error)),
  "a logfmt logger, as the message": (error) => logged(Logger.logfmtLogger, error),
  "a logfmt logger, as the cause": (error) => logged(Logger.logfmtLogger, Cause.fail(error)),
  "the text logger": (error) => logged(Logger.stringLogger, Cause.fail(error))
}

const logged = (logger: Logger.Logger<unknown, string>, what: unknown): Effect.Effect<string> =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const kept = Logger.map(logger, (line) => lines.push(line))
    return Effect.logError("not ready", what).pipe(
      Effect.provide(Logger.replace(Logger.defaultLogger, kept)),
      Effect.map(() => lines.join("\n"))
    )
  })

/** JSON and logfmt put a backslash before quotes and backslashes. */
const plain = (text: string) => text.replaceAll("\\", "")

const sql = (text: string): TestOptions => ({ migrations: Migrations.fromRecord({ "001_one.sql": text }) })

/** A refusal of each room, and what causes it. */
const refusals: Readonly<
  Record<string, (file: string) => Effect.Effect<Refusal, unknown, import("effect/Scope").Scope>>
> = {
  MigrationSourceError: (file) => refusal(start(file, { migrations: Migrations.fromRecord({ "one.sql": "" }) })),
  DirectoryError: (file) =>
    Effect.zipRight(
      Effect.sync(() => {
        mkdirSync(dirname(dirname(file)), { recursive: true })
        writeFileSync(dirname(file), "")
      }),
      refusal(start(file))
    ),
  ConnectionError: (file) =>
    Effect.zipRight(
      Effect.sync(() => {
        mkdirSync(dirname(file), { recursive: true })
        writeFileSync(file, "no database".repeat(500))
      }),
      refusal(start(file))
    ),
  PragmaError: (file) => refusal(start(file, { pragmas: { cacheSize: 2 ** 40 } })),
  HistoryError: (file) => Effect.zipRight(start(file), refusal(start(file, { migrations: onlyFirst }))),
  UpgradeError: (file) => refusal(start(file, sql("CREATE TABLE t (a);\nINSERT INTO u VALUES (1);"))),
  IntegrityError: (file) =>
    start(file).pipe(
      Effect.zipRight(independently(file, (connection) => connection.exec("DROP TABLE tags"))),
      Effect.zipRight(refusal(start(file)))
    ),
  BackupError: (file) =>
    start(file, { migrations: onlyFirst }).pipe(
      Effect.zipRight(Effect.sync(() => mkdirSync(`${file}.001-to-002.backup`))),
      Effect.zipRight(refusal(start(file)))
    ),
  StageTimeoutError: (file) =>
    Effect.gen(function* () {
      yield* start(file, { migrations: onlyFirst })
      const rival = yield* openConnection(file)
      rival.exec("BEGIN IMMEDIATE")
      return yield* refusal(start(file, { timeout: "50 millis" }))
    })
}

describe("anyone who prints a refusal", () => {
  for (const [tag, refuse] of Object.entries(refusals)) {
    it.scopedLive(`sees the sentence, the database and the remedy of a ${tag}, in every usual way`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        const error = yield* refuse(file)
        assert.strictEqual(error._tag, tag)
        assert.strictEqual(error.database, file)
        for (const [way, print] of Object.entries(printed)) {
          const text = plain(yield* print(error))
          assert.include(text, plain(error.sentence), way)
          assert.include(text, file, way)
          assert.include(text, plain(error.remedy), way)
        }
        assert.notInclude(error.sentence, error.remedy)
        const { database, message, remedy } = JSON.parse(JSON.stringify(error))
        assert.deepStrictEqual(
          { database, message, remedy },
          { database: file, message: error.sentence, remedy: error.remedy }
        )
      })
    )
  }

  it.scopedLive("sees the absolute path, whatever the settings say", () =>
    Effect.gen(function* () {
      const error = yield* refusal(start("package.json", { access: "inspect" }))
      assert.strictEqual(error.database, join(process.cwd(), "package.json"))
      const inMemory = yield* refusal(start(":memory:", sql("nonsense;")))
      assert.strictEqual(inMemory.database, ":memory:")
      const noName = yield* refusal(start("file:x.db"))
      assert.strictEqual(noName.database, "file:x.db")
    })
  )

  it.scopedLive("sees the database in what the live health check finds", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const found = yield* Effect.gen(function* () {
        const { health } = yield* DatabaseReady
        yield* independently(file, (connection) => connection.exec("DROP TABLE tags"))
        return yield* refusal(health)
      }).pipe(Effect.provide(starting(file)))
      assert.strictEqual(found.database, file)
      assert.include(found.message, file)
    })
  )

  it.scopedLive("sees the database and the remedy of a write that never got the lock", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const failed = yield* Effect.gen(function* () {
        const { write } = yield* DatabaseReady
        const rival = yield* openConnection(file)
        rival.exec("BEGIN IMMEDIATE")
        return yield* refusal(write(Effect.flatMap(SqlClient.SqlClient, (client) => client`DELETE FROM tags`)))
      }).pipe(Effect.provide(starting(file, { lockPatience: "10 millis" })))
      const text = Cause.pretty(Cause.fail(failed))
      assert.include(text, `Database: ${file}.`)
      assert.include(text, "SQLITE_BUSY")
      assert.include(text, "lockPatience")
      // The rival is of this process: the sentence may not say that another one has the lock.
      assert.include(text, "Another connection has the write lock")
      assert.include(text, "two databases at once")
    })
  )

  it.scopedLive("sees them when NodeRuntime.runMain reports a program whose layer needs the database", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = join(folder, "app.db")
      yield* start(file, { migrations: notes })
      const program = join(folder, "program.cjs")
      buildSync({
        stdin: {
          contents: `
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer, Logger } from "effect"
import { DatabaseReady, Migrations } from ${JSON.stringify(join(import.meta.dirname, "../layers/index.ts"))}
const database = DatabaseReady.layer({ filename: process.argv[2], migrations: Migrations.fromRecord({}) })
const service = Layer.effectDiscard(Effect.flatMap(DatabaseReady, () => Effect.void)).pipe(Layer.provide(database))
const logger = process.argv[3] === "json" ? Logger.json : Layer.empty
Layer.launch(service).pipe(Effect.provide(NodeContext.layer), Effect.provide(logger), NodeRuntime.runMain)`,
          resolveDir: import.meta.dirname
        },
        bundle: true,
        platform: "node",
        format: "cjs",
        define: { "import.meta.url": "__filename" },
        external: ["better-sqlite3"],
        logLevel: "error",
        outfile: program
      })
      const modules = join(import.meta.dirname, "../node_modules")
      const run = (how: string) =>
        spawnSync(process.execPath, [program, file, how], { encoding: "utf8", env: { NODE_PATH: modules } })
      for (const how of ["pretty", "json"]) {
        const { status, stderr, stdout } = run(how)
        const said = stdout + stderr
        assert.strictEqual(status, 1, said)
        assert.include(said, "The database is newer than this program", how)
        assert.include(said, file, how)
        assert.include(said, "Start the newer program. Or go back to a backup from before its upgrade", how)
        assert.include(said, "`database-ready restore --schema-version NUMBER`", how)
      }
    })
  )
})

describe("a timeout", () => {
  it.scopedLive("names the stage and the migration that was running", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      // A loader gives the Effect that loads a migration, and that gives the migration.
      const migrations = Migrations.fromLoader(Effect.succeed([[1, "wait", Effect.succeed(Effect.never)]]))
      const late = yield* refusal(start(file, { migrations, timeout: "200 millis" }))
      assert.strictEqual(late._tag, "StageTimeoutError")
      assert.include(
        late.sentence,
        "The start did not finish within 200ms. It was applying 001_wait in the migrations stage"
      )
      assert.strictEqual(late.database, file)
    })
  )
})
