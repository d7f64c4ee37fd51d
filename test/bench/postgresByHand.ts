/** The start on PostgreSQL by hand, with `pg` alone: the same work, and no reasons where something is wrong. */
import { hash } from "node:crypto"
import { readdirSync } from "node:fs"
import pg from "pg"
import { objectsStatement } from "../../layers/postgres/SchemaFingerprint.ts"

export const directory = "migrations/postgres"

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

/** Connects to the server on this socket. Gives what closes the connection. */
export const byHand = async (socket: string) => {
  const client = new pg.Client({ host: socket, user: "owner", database: "postgres" })
  await client.connect()
  const each = Object.entries(settings)
  await client.query(`SELECT ${each.map(([name, value]) => `set_config('${name}', '${value}', false)`).join(", ")}`)
  const read = await client.query(
    `SELECT ${each.map(([name]) => `current_setting('${name}') AS "${name}"`).join(", ")}`
  )
  if (each.some(([name, value]) => read.rows[0]?.[name] !== value)) throw new Error("A setting has another value")
  const history = await client.query("SELECT version, checksum FROM schema_migrations ORDER BY version")
  if (history.rows.length !== readdirSync(directory).length) throw new Error("The history has another length")
  const objects = await client.query(objectsStatement)
  hash("sha256", JSON.stringify(objects.rows))
  return () => client.end()
}
