/**
 * A file for each tenant, opened when it is first asked for and closed when nobody has used it for a minute:
 * `node test/examples/tenants.mjs DIRECTORY TENANT...` counts a visit of each.
 */
import { join } from "node:path"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { SqlClient } from "@effect/sql"
import { DatabaseReady, Migrations } from "database-ready"
import { Console, Context, Effect, Layer, Logger, LogLevel, RcMap } from "effect"

const [, , directory = "data/tenants", ...tenants] = process.argv

// Names of tenants become names of files.
const isSafe = (tenant) => /^[a-z0-9-]{1,60}$/.test(tenant)

const migrations = Migrations.fromRecord({
  "001_create_visits.sql": "CREATE TABLE visits (id INTEGER PRIMARY KEY, at TEXT NOT NULL) STRICT;"
})

const databases = RcMap.make({
  lookup: (tenant) =>
    isSafe(tenant)
      ? Layer.build(DatabaseReady.layer({ filename: join(directory, `${tenant}.db`), migrations }))
      : Effect.fail(new Error(`no name of a tenant: ${tenant}`)),
  idleTimeToLive: "1 minute",
  capacity: 100
})

const visit = (map, tenant) =>
  Effect.gen(function* () {
    const ready = yield* RcMap.get(map, tenant)
    const sql = Context.get(ready, SqlClient.SqlClient)
    const { write } = Context.get(ready, DatabaseReady)
    const [row] = yield* write(
      Effect.zipRight(
        sql`INSERT INTO visits (at) VALUES (CURRENT_TIMESTAMP)`,
        sql`SELECT count(*) AS visits FROM visits`
      )
    )
    yield* Console.log(`${tenant} ${row.visits}`)
  }).pipe(
    Effect.scoped,
    // One tenant that is refused does not stop the others.
    Effect.catchAll((error) => Console.log(`${tenant} refused: ${error.message}`))
  )

NodeRuntime.runMain(
  Effect.flatMap(databases, (map) => Effect.forEach(tenants, (tenant) => visit(map, tenant), { concurrency: 4 })).pipe(
    Effect.scoped,
    Effect.provide(NodeContext.layer),
    Logger.withMinimumLogLevel(LogLevel.Warning)
  )
)
