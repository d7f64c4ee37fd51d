/**
 * A command line with a database: `node test/examples/cli.mjs [FILE] [add TEXT]`, or `list`. A refused start says why on
 * stderr and ends it with the exit code of the refusal.
 */
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { SqlClient } from "@effect/sql"
import { DatabaseReady, isRefusal, Migrations, refusalLines, teardown } from "database-ready"
import { Console, Effect, Layer, Logger, LogLevel } from "effect"

const [, , filename = "data/notes.db", command, text = ""] = process.argv

const migrations = Migrations.fromRecord({
  "001_create_notes.sql": "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;",
  "002_add_times.sql": "ALTER TABLE notes ADD COLUMN at TEXT;"
})

const add = Effect.gen(function* () {
  const { write } = yield* DatabaseReady
  const sql = yield* SqlClient.SqlClient
  yield* write(sql`INSERT INTO notes (text, at) VALUES (${text}, CURRENT_TIMESTAMP)`)
})

const list = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  for (const note of yield* sql`SELECT id, text FROM notes ORDER BY id`) yield* Console.log(`${note.id} ${note.text}`)
})

const database = DatabaseReady.layer({ filename, migrations, program: "notes 1.0.0" }).pipe(
  Layer.provide(NodeContext.layer)
)

const program = (command === "add" ? add : list).pipe(
  Effect.provide(database),
  Effect.tapError((error) => Console.error(isRefusal(error) ? refusalLines(error).join("\n") : error.message)),
  Logger.withMinimumLogLevel(LogLevel.Warning)
)

NodeRuntime.runMain(program, { disableErrorReporting: true, teardown })
