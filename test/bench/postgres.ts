/**
 * A warm start on PostgreSQL beside the same by hand with `pg`: connect, make the settings and read them back, read the
 * history, read the catalog and hash it. The two take turns, on the server of the tests with the service's schema.
 */
import { hash } from "node:crypto"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import pg from "pg"
import { Migrations } from "../../layers/index.ts"
import { objectsStatement } from "../../layers/postgres/SchemaFingerprint.ts"
import { DatabaseReady } from "../../layers/postgres.ts"
import { makeServer, stopServer } from "../postgres/cluster.ts"
import { summaryOf } from "./table.ts"

const rounds = Number(process.argv[2] ?? 60)
const directory = "migrations/postgres"
const files = Object.fromEntries(
  readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), "utf8")])
)

const settings = {
  search_path: "public",
  TimeZone: "UTC",
  DateStyle: "ISO, MDY",
  IntervalStyle: "postgres",
  client_encoding: "UTF8",
  standard_conforming_strings: "on",
  default_transaction_isolation: "read committed",
  default_transaction_read_only: "off",
  synchronous_commit: "on",
  client_connection_check_interval: "2s",
  application_name: "by hand"
}

const byHand = async (socket: string) => {
  const client = new pg.Client({ host: socket, user: "owner", database: "postgres" })
  await client.connect()
  const each = Object.entries(settings)
  await client.query(`SELECT ${each.map(([name, value]) => `set_config('${name}', '${value}', false)`).join(", ")}`)
  const read = await client.query(
    `SELECT ${each.map(([name]) => `current_setting('${name}') AS "${name}"`).join(", ")}`
  )
  if (each.some(([name, value]) => read.rows[0]?.[name] !== value)) throw new Error("A setting has another value")
  const history = await client.query("SELECT version, checksum FROM schema_migrations ORDER BY version")
  if (history.rows.length !== Object.keys(files).length) throw new Error("The history has another length")
  const objects = await client.query(objectsStatement)
  hash("sha256", JSON.stringify(objects.rows))
  return () => client.end()
}

const ready = async (socket: string) => {
  const scope = Effect.runSync(Scope.make())
  const url = `postgres://owner@/postgres?host=${encodeURIComponent(socket)}`
  await Effect.runPromise(
    Layer.buildWithScope(DatabaseReady.layer({ url, migrations: Migrations.fromRecord(files) }), scope)
  )
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}

const folder = mkdtempSync(join(tmpdir(), "pg-bench-"))
try {
  makeServer(folder)
  await (await ready(folder))()
  const subjects = { byHand, ready }
  const took: Record<keyof typeof subjects, Array<number>> = { byHand: [], ready: [] }
  for (let round = 0; round < rounds; round += 1) {
    for (const name of ["byHand", "ready"] as const) {
      const began = performance.now()
      const close = await subjects[name](folder)
      took[name].push(performance.now() - began)
      await close()
    }
  }
  const [floor, ours] = [summaryOf(took.byHand.slice(5)), summaryOf(took.ready.slice(5))]
  const shown = ({ high, low, median }: typeof floor) =>
    `${median.toFixed(1)} ms (${low.toFixed(1)} to ${high.toFixed(1)})`
  console.log(`by hand ${shown(floor)}, database-ready ${shown(ours)}: ${(ours.median / floor.median).toFixed(2)}x`)
} finally {
  stopServer(folder)
  rmSync(folder, { recursive: true })
}
