/** The settings of every session: made, and read back before anyone has the connection. */
import { hostname } from "node:os"
import * as Duration from "effect/Duration"
import pg from "pg"
import { ConnectionError, pooledBy } from "./ConnectionError.ts"
import type { PostgresConfig } from "./PostgresConfig.ts"
import { PostgresFailure } from "./PostgresFailure.ts"
import { PragmaError } from "./PragmaError.ts"

/** The settings of a session, as PostgreSQL prints them. */
export type Settings = Readonly<Record<string, string>>

/** What has to be so. */
const requiredOf = ({ schema, statementTimeout }: Pick<PostgresConfig, "schema" | "statementTimeout">): Settings => ({
  search_path: pg.escapeIdentifier(schema),
  TimeZone: "UTC",
  DateStyle: "ISO, MDY",
  IntervalStyle: "postgres",
  client_encoding: "UTF8",
  standard_conforming_strings: "on",
  default_transaction_isolation: "read committed",
  default_transaction_read_only: "off",
  default_transaction_deferrable: "off",
  synchronous_commit: "on",
  check_function_bodies: "on",
  bytea_output: "hex",
  statement_timeout: printed(Duration.toMillis(statementTimeout)),
  lock_timeout: "0",
  idle_in_transaction_session_timeout: "0",
  // All that an ordinary role sees of who holds a lock, beside the process id.
  application_name: `database-ready ${hostname().replace(/[^ -~]/g, "?")} ${process.pid}`.slice(0, 63)
})

/** What only a superuser may set, and has to be so: `replica` switches foreign keys off. */
const onlyRead: Settings = { session_replication_role: "origin", track_counts: "on" }

/**
 * What ends the session of a client that is gone, and with it the locks it holds. Without them a machine that lost its
 * power holds them for two hours. Not every server lets them be set; a Unix socket needs none of the last four.
 */
const wished: Settings = {
  client_connection_check_interval: "2s",
  tcp_keepalives_idle: "3",
  tcp_keepalives_interval: "1",
  tcp_keepalives_count: "3"
}

/** As PostgreSQL prints a time: in the largest unit that is exact. */
const printed = (millis: number): string => {
  if (millis === 0) return "0"
  const [unit, size] =
    [["d", 86_400_000] as const, ["h", 3_600_000] as const, ["min", 60_000] as const, ["s", 1000] as const].find(
      ([, size]) => millis % size === 0
    ) ?? (["ms", 1] as const)
  return `${millis / size}${unit}`
}

const setting = (settings: Settings): string =>
  `SELECT ${Object.entries(settings)
    .map(([name, value]) => `set_config('${name}', ${pg.escapeLiteral(value)}, false)`)
    .join(", ")}`

/** Makes the required ones once more: for after a migration, which may have changed them. */
export const setAgain = (config: PostgresConfig): string => `RESET ROLE; ${setting(requiredOf(config))}`

/** Which of the wished ones this server did not take. */
const refusedBy = new WeakMap<object, string>()
export const wishRefusedBy = (client: object): string | undefined => refusedBy.get(client)

/** Makes and reads back the settings of one connection. Rejects with a `PragmaError`, or the `ConnectionError` of a pooler. */
export const setUp = async (client: pg.ClientBase, config: PostgresConfig): Promise<Settings> => {
  const required = requiredOf(config)
  const expected: Settings = { ...required, ...onlyRead }
  const names = [...Object.keys(expected), ...Object.keys(wished)]
  const reading = `SELECT ${names.map((name) => `current_setting('${name}') AS "${name}"`).join(", ")}, pg_backend_pid() AS pid`
  try {
    const refused = await client.query(setting(wished)).then(
      () => undefined,
      (error: unknown) => PostgresFailure.from(error)
    )
    if (refused !== undefined) {
      if (refused.retryable) throw refused
      refusedBy.set(client, refused.detail)
    }
    const answers: unknown = await client.query(`${setting(required)}; ${reading}`)
    const { pid, ...found }: Settings & { readonly pid?: unknown } =
      (Array.isArray(answers) ? answers[1]?.rows[0] : undefined) ?? {}
    const pooled = pooledBy(client, pid)
    if (pooled !== undefined) throw pooled
    for (const [pragma, wanted] of Object.entries(expected)) {
      const got = found[pragma] ?? ""
      if (got !== wanted) {
        throw new PragmaError({ reason: "Mismatch", pragma, wanted, got, detail: "", code: "", retryable: false })
      }
    }
    return found
  } catch (thrown) {
    if (thrown instanceof PragmaError || thrown instanceof ConnectionError) throw thrown
    const { code, detail, retryable } = thrown instanceof PostgresFailure ? thrown : PostgresFailure.from(thrown)
    throw new PragmaError({ reason: "Refused", pragma: "", wanted: "", got: "", detail, code, retryable })
  }
}
