/** The contract's questions to a PostgreSQL database. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import pg from "pg"
import { Migrations } from "../../layers/index.ts"
import { addressOf } from "../../layers/postgres/DatabaseUrl.ts"
import { lockKey } from "../../layers/postgres/Session.ts"
import { DatabaseReady } from "../../layers/postgres.ts"
import { hasPostgres } from "../postgres/cluster.ts"
import { ask, contentsOf, copyOf, newDatabase } from "../postgres/databases.ts"
import { type Engine, notes } from "./engines.ts"

const connected = (place: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const address = addressOf(place)
      if (typeof address === "string") throw new Error(address)
      const client = new pg.Client(address)
      await client.connect()
      return client
    }),
    (client) => Effect.promise(() => client.end())
  )

export const onPostgres: Engine = {
  name: "PostgreSQL",
  isHere: hasPostgres,
  make: newDatabase,
  copy: copyOf,
  start: (place, { files = notes, ...options }) =>
    Effect.map(
      Layer.build(DatabaseReady.layer({ url: place, migrations: Migrations.fromRecord(files), ...options })),
      (context) => ({ ...Context.get(context, DatabaseReady), sql: Context.get(context, SqlClient.SqlClient) })
    ),
  ask,
  picture: contentsOf,
  hold: (place) =>
    Effect.flatMap(connected(place), (client) =>
      Effect.promise(async () => {
        await client.query(`BEGIN; SELECT pg_advisory_xact_lock(${lockKey("public")})`)
        const { rows } = await client.query("SELECT pg_backend_pid() AS pid")
        return Number(rows[0]?.pid)
      })
    ),
  isMigrating: (place) =>
    Effect.map(
      ask(
        place,
        "SELECT FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory' AND datname = current_database()"
      ),
      (rows) => rows.length > 0
    ),
  slow: "INSERT INTO half SELECT 1 FROM pg_sleep(60)"
}
