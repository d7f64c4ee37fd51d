/**
 * One process of a small service, in the release that its arguments name. It starts, then writes, reads back and
 * reports on stdout, a line each, until SIGTERM. stderr has what an operator would see. Bundled and spawned by
 * `fleet.ts`.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import { DatabaseReady, describeMeasure, Migrations, type ProgressEvent, WriteError } from "../../layers/index.ts"

const [, , file = "", release = "", writer = "", backups = ""] = process.argv

const say = (...words: ReadonlyArray<string | number>) => Effect.sync(() => console.log(words.join(" ")))

class NotRead extends Data.TaggedError("NotRead")<{ readonly id: string }> {
  override readonly message = `${this.id} was written and is not there`
}

const first = { "001_messages.sql": "CREATE TABLE messages (id TEXT PRIMARY KEY, body TEXT NOT NULL);" }
const second = {
  ...first,
  "002_notes.sql": "-- database-ready: compatible_from = 1\nALTER TABLE messages ADD COLUMN note TEXT;"
}

const migrations: Readonly<Record<string, Migrations.Migrations>> = {
  "1": Migrations.fromRecord(first),
  "2": Migrations.fromRecord(second),
  "3": Migrations.fromRecord({ ...second, "003_text.sql": "ALTER TABLE messages RENAME COLUMN body TO text;" }),
  // Fails only because of the rows: no check of the schema finds that.
  failing: Migrations.fromRecord({
    ...second,
    "003_again.sql": "CREATE TABLE more (x);\nINSERT INTO messages (id, body) SELECT id, body FROM messages LIMIT 1;"
  }),
  broken: Migrations.fromRecord({ ...second, "003_broken.sql": "CREATE TABLE more (x);\nCREATE TABEL again (x);" }),
  // Stops in the middle of its upgrade, holding the write lock.
  endless: Migrations.all(
    Migrations.fromRecord(second),
    Migrations.fromLoader(
      Effect.succeed([
        [
          3,
          "endless",
          Effect.succeed(
            Effect.gen(function* () {
              const sql = yield* SqlClient.SqlClient
              yield* sql`UPDATE messages SET body = 'half'`
              yield* say("within", "its upgrade")
              return yield* Effect.never
            })
          )
        ]
      ])
    )
  )
}

const column = release === "3" ? "text" : "body"

let isServing = false

const write = Effect.gen(function* () {
  const { write } = yield* DatabaseReady
  const sql = yield* SqlClient.SqlClient
  const clock = yield* Effect.clock
  for (let count = 0; ; count += 1) {
    const id = `${writer}-${count}`
    const begun = clock.unsafeCurrentTimeNanos()
    yield* write(sql`INSERT INTO messages (id, ${sql(column)}) VALUES (${id}, 'mine')`).pipe(
      Effect.flatMap(() => say("wrote", id, Number(clock.unsafeCurrentTimeNanos() - begun) / 1e6)),
      Effect.zipRight(sql`SELECT id FROM messages WHERE id = ${id}`),
      Effect.flatMap((rows) => (rows.length === 1 ? Effect.void : new NotRead({ id }))),
      Effect.catchAll((error) =>
        error instanceof WriteError ? say("refused", error.reason) : say("failed", error.message.replace(/\s+/g, " "))
      ),
      // Every write is reported, whenever the end comes.
      Effect.uninterruptible
    )
    yield* Effect.sleep("40 millis")
  }
})

const serve = Effect.gen(function* () {
  const { healthChanges, report } = yield* DatabaseReady
  yield* say("ready", report.schemaVersion ?? "none", ...(report.backup === undefined ? [] : ["copied"]))
  if (writer === "") return
  isServing = true
  const health = Stream.runForEach(
    healthChanges,
    Either.match({
      onLeft: ({ message, reason }) => Effect.zipRight(say("unhealthy", reason), Effect.logError(message)),
      onRight: ({ schemaVersion, warnings }) => say("healthy", schemaVersion ?? "none", ...warnings)
    })
  )
  yield* Effect.all([write, health], { concurrency: "unbounded" })
})

const tell = (event: ProgressEvent) =>
  event._tag === "StageProgress"
    ? Effect.logInfo(`${event.stage}: ${event.doing}, ${describeMeasure(event)}`)
    : event._tag === "StageWaiting"
      ? Effect.logInfo(`${event.stage}: waiting, ${event.reason}`)
      : Effect.void

const database = DatabaseReady.layer({
  filename: file,
  migrations: migrations[release] ?? Migrations.fromRecord({}),
  // This limit measures nothing: the machine may be slow.
  lockPatience: "60 seconds",
  backups: backups === "" ? undefined : Number(backups),
  onProgress: tell
}).pipe(Layer.provide(NodeContext.layer))

const logger = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))

const told = Effect.tapErrorCause(Effect.provide(serve, database), (cause) =>
  Cause.isInterruptedOnly(cause) ? Effect.void : Effect.logError(cause)
)

NodeRuntime.runMain(Effect.provide(told, logger), {
  disableErrorReporting: true,
  disablePrettyLogger: true,
  teardown: (exit, onExit) => {
    const isStopped = Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)
    onExit(Exit.isSuccess(exit) || (isStopped && isServing) ? 0 : isStopped ? 143 : 1)
  }
})
