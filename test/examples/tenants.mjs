/**
 * A file for each tenant, opened when it is first asked for and closed when nobody has used it for a minute:
 * `node test/examples/tenants.mjs [DIRECTORY] [TENANT...]` counts a visit of each.
 */
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { DatabaseFleet, Migrations } from "database-ready"
import { Console, Effect, Layer, Logger, LogLevel } from "effect"

const [, , directory = "data/tenants", ...tenants] = process.argv

const Tenants = DatabaseFleet.layer({
  directory,
  migrations: Migrations.fromRecord({
    "001_create_visits.sql": "CREATE TABLE visits (id INTEGER PRIMARY KEY, at TEXT NOT NULL) STRICT;"
  }),
  idleTimeToLive: "1 minute",
  maxOpen: 100
}).pipe(Layer.provide(NodeContext.layer))

/** The name may come from a request: the fleet refuses what is not a name of a file in its directory. */
const visit = (tenant) =>
  Effect.gen(function* () {
    const fleet = yield* DatabaseFleet
    const { sql, write } = yield* fleet.getOrCreate(tenant)
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
    Effect.catchAll(({ message }) => Console.log(`${tenant} refused: ${message}`))
  )

const program = Effect.forEach(tenants.length === 0 ? ["acme"] : tenants, visit, { concurrency: 4 })

NodeRuntime.runMain(Effect.provide(program, Tenants).pipe(Logger.withMinimumLogLevel(LogLevel.Warning)))
