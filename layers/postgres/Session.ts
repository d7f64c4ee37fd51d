/** What the rooms after the connection work with. */
import { hash } from "node:crypto"
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import type { Query } from "./History.ts"
import type { Transactions } from "./Transactions.ts"

export interface Session {
  readonly transactions: Transactions
  /** On the transaction of the fiber if there is one. */
  readonly query: Query
  /** For migrations that are Effects. */
  readonly client: PgClient.PgClient
}

export const queryOn =
  ({ connected }: Transactions): Query =>
  (text, values = []) =>
    Effect.flatMap(connected, (connection) => connection.executeUnprepared(text, values, undefined))

/**
 * The advisory lock of the migrations in one schema. Advisory locks are per database, and their keys 64 bits: another
 * program has another one (https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS).
 */
export const lockKey = (schema: string): string =>
  BigInt.asIntN(64, BigInt(`0x${hash("sha256", `database-ready ${schema}`, "hex").slice(0, 16)}`)).toString()

/** Who has it, as far as an ordinary role may see. */
export const holdersStatement = (key: string): string =>
  `SELECT l.pid, nullif(a.application_name, '') AS name FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND ((l.classid::int8 << 32) | l.objid::int8) = ${key}`
