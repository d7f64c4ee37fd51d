/** The service's database on a PostgreSQL server, which several backends can use at once. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { Timeline } from "../../../layers/index.ts"
import { DatabaseReady, type ReadyDatabase } from "../../../layers/postgres.ts"
import { Database, type Unwritable } from "../Database.ts"
import { monotonicMillis } from "../monotonic.ts"
import { PostgresRefused } from "../PostgresRefused.ts"
import { Settings } from "../Settings.ts"
import { onProgress, program } from "../startOptions.ts"
import { migrations } from "./migrations.ts"
import { types } from "./values.ts"

/**
 * `onTimeline` gets what tells how far the start is. Fails with `PostgresRefused` if the database is not ready.
 */
export const postgresDatabase = (
  url: Redacted.Redacted,
  onTimeline: (timeline: Effect.Effect<Timeline>) => void
): Layer.Layer<Database | SqlClient.SqlClient, PostgresRefused, Settings> =>
  Layer.unwrapEffect(
    Effect.map(Settings, ({ databaseTimeout, lockPatience }) => {
      const ready = DatabaseReady.layer({
        url,
        migrations,
        timeout: Option.getOrUndefined(databaseTimeout),
        program,
        client: { types },
        onTimeline,
        onProgress
      }).pipe(Layer.mapError((refusal) => new PostgresRefused({ refusal })))
      return Layer.provideMerge(named(lockPatience), ready)
    })
  ).pipe(
    // Only what the service asks for: the client of PostgreSQL would tempt somebody to write for one engine.
    Layer.map((context) =>
      Context.make(Database, Context.get(context, Database)).pipe(
        Context.add(SqlClient.SqlClient, Context.get(context, SqlClient.SqlClient))
      )
    )
  )

const named = (patience: Duration.Duration) =>
  Layer.effect(
    Database,
    Effect.gen(function* () {
      const { health, report, transaction } = yield* DatabaseReady
      const sql = yield* SqlClient.SqlClient
      return {
        engine: "postgres" as const,
        report,
        health,
        writable: writableOn(sql),
        write: yield* writing(sql, transaction, patience),
        // Nothing tells it without asking the server.
        unsafeVersion: () => undefined
      }
    })
  )

/** The lock of all backends on this database: `AbCF`, 1. That of the migrations has a number of 64 bits. */
const lock = { classId: 0x41_62_43_46, objectId: 1 }

/** A write that is under way. A fiber that outlives it still sees it, and is outside it. */
interface Writing {
  isOpen: boolean
}

const CurrentWrite = Context.GenericTag<Writing>("conversation-files/postgres/CurrentWrite")

/**
 * One write at a time, of all backends: under a lock of its own, in READ COMMITTED, where each statement sees everything
 * that was committed before. Serializable transactions would all repeat each other, because each changes the one row of
 * totals. So a process has one connection that waits for the lock, and all others for reading.
 */
const writing = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  transaction: ReadyDatabase["transaction"],
  patience: Duration.Duration
) {
  const turn = yield* Effect.makeSemaphore(1)
  /** Waits for the lock as long as is left of the patience: waiting for a turn in this process counts too. */
  const begin = (waited: number) => {
    const left = Math.max(1, Math.round(Duration.toMillis(patience) - waited))
    return Effect.zipRight(
      // For all of the transaction: what is waited for in it is no lock of a table, because nobody else writes.
      sql`SELECT set_config('lock_timeout', ${String(left)}, true)`,
      sql`SELECT pg_advisory_xact_lock(${lock.classId}::int4, ${lock.objectId}::int4)`
    )
  }
  const write: Context.Tag.Service<Database>["write"] = (body) =>
    Effect.flatMap(Effect.serviceOption(CurrentWrite), (outer) => {
      // Part of the other one, as a savepoint.
      if (Option.exists(outer, ({ isOpen }) => isOpen)) return transaction()(body)
      const current: Writing = { isOpen: true }
      const alone = Effect.ensuring(
        Effect.provideService(body, CurrentWrite, current),
        Effect.sync(() => {
          current.isOpen = false
        })
      )
      return Effect.flatMap(monotonicMillis, (asked) =>
        turn.withPermits(1)(
          Effect.flatMap(monotonicMillis, (now) =>
            transaction({ isolation: "read committed" })(Effect.zipRight(begin(now - asked), alone))
          )
        )
      )
    })
  return write
})

/** A server that follows another one, or was told to take no writes. */
const writableOn = (sql: SqlClient.SqlClient): Effect.Effect<void, Unwritable> =>
  sql<{ readonly is_read_only: number }>`
    SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool AS is_read_only`.pipe(
    Effect.mapError(({ message }): Unwritable => ({ reason: "NoAnswer", message, isWarning: true })),
    Effect.flatMap(([row]) =>
      row?.is_read_only === 1
        ? Effect.fail({ reason: "ReadOnly", message: "The server takes no writes at this moment.", isWarning: false })
        : Effect.void
    )
  )
