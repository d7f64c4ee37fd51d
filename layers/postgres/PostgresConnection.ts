/** Room 2: from a connection to one on a server that this program can work on. */
import * as Effect from "effect/Effect"
import { ConnectionError, connectionLost, pooledBy } from "./ConnectionError.ts"
import type { Connections, Held } from "./Connections.ts"
import type { RunningStart } from "./Initialization.ts"
import type { PostgresConfig } from "./PostgresConfig.ts"
import { PostgresFailure } from "./PostgresFailure.ts"
import { rowsOf } from "./Statements.ts"

/** What the connection stage found. */
export interface ConnectionEvidence {
  /** As the server calls it, such as `18.4`. */
  readonly version: string
  /** Which cluster and which database in it: the same name may lead to another one later. */
  readonly identity: string
  /** What somebody should know of the server. */
  readonly warnings: ReadonlyArray<string>
}

/** 14 is no longer supported (https://www.postgresql.org/support/versioning/). */
const oldest = 150_000

/** Asked again by the health check. */
export const identityStatement = `SELECT (SELECT system_identifier::text FROM pg_control_system()) || '/' ||
  (SELECT oid::text FROM pg_database WHERE datname = current_database()) AS identity`

export const requireServer = (config: PostgresConfig, { stage }: RunningStart, connections: Connections) =>
  stage(
    "connection",
    () =>
      Effect.mapError(
        connections.using((held) => look(config, held)),
        (error) => (error instanceof ConnectionError ? error : connectionLost(PostgresFailure.from(error)))
      ),
    ({ version }) => `PostgreSQL ${version}`
  )

const look = Effect.fnUntraced(function* (config: PostgresConfig, held: Held) {
  const [row = {}] = yield* rowsOf(
    held,
    `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
  pg_is_in_recovery() AS standby, current_setting('transaction_read_only') AS read_only, pg_backend_pid() AS pid,
  current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
  EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) AS has_schema, identity FROM (${identityStatement}) AS id`,
    [config.schema]
  )
  const version = String(row["version"])
  const refuse = (reason: ConnectionError["reason"], detail: string, retryable = false) =>
    new ConnectionError({ reason, detail, code: "", retryable })
  if (!(Number(row["number"]) >= oldest)) return yield* refuse("TooOld", `it is ${version}`)
  const pooled = pooledBy(held.client, row["pid"])
  if (pooled !== undefined) return yield* pooled
  if (config.access === "initialize" && (row["standby"] === true || row["read_only"] === "on")) {
    const detail = row["standby"] === true ? "it is a standby" : "its transactions are read-only"
    return yield* refuse("ReadOnlyServer", detail, true)
  }
  if (row["has_schema"] !== true) return yield* refuse("NoSchema", config.schema)
  const unsafe = ["fsync", "full_page_writes"].filter((name) => row[name] !== "on")
  const evidence: ConnectionEvidence = {
    version,
    identity: String(row["identity"]),
    warnings: unsafe.map((name) => `The server has ${name} off: a crash of its machine can damage the database.`)
  }
  return evidence
})
