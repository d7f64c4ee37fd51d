/** What the rooms after the connection work with. */
import { hash } from "node:crypto"
import type { SqlError } from "@effect/sql/SqlError"
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Holder } from "../machine/FileLocks.ts"
import type { Query, Row } from "./History.ts"
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
  `SELECT l.pid, coalesce(nullif(a.application_name, ''), a.usename) AS name FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND ((l.classid::int8 << 32) | l.objid::int8) = ${key}`

/**
 * Runs what may wait for a lock, and tells who has it. It is asked on another connection while it waits: once
 * `lock_timeout` has ended the statement nobody knows any more.
 */
export const watchingLocks =
  ({ query, transactions }: Session, lockTimeout: Duration.Duration, see: (holders: ReadonlyArray<Holder>) => void) =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
    Effect.gen(function* () {
      const [own] = yield* query("SELECT pg_backend_pid() AS pid")
      const look = transactions.reserve.pipe(
        Effect.flatMap((connection) => connection.executeUnprepared(blockersStatement, [own?.["pid"]], undefined)),
        Effect.flatMap((rows) => (rows.length > 0 ? Effect.sync(() => see(holdersIn(rows))) : Effect.void)),
        Effect.scoped,
        Effect.ignore
      )
      // A connection is opened only for a statement that takes so long.
      const wait = Duration.max(Duration.times(lockTimeout, 0.25), "5 millis")
      return yield* Effect.acquireUseRelease(
        // What is forked while something is acquired could not be interrupted otherwise.
        Effect.fork(Effect.interruptible(Effect.forever(Effect.delay(look, wait)))),
        () => work,
        Fiber.interrupt
      )
    })

const blockersStatement = `SELECT pid, coalesce(nullif(application_name, ''), usename) AS name
FROM pg_stat_activity WHERE pid = ANY(pg_blocking_pids($1))`

export const holdersIn = (rows: ReadonlyArray<Row>): ReadonlyArray<Holder> =>
  rows.map(({ name, pid }) => ({ pid: Number(pid), name: name === null ? undefined : `${name}`, isOnServer: true }))
