/**
 * A content and the rows that want it, in one transaction. The content comes first, before the lock of all writes is
 * asked for, because storing it takes as long as it is large.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ContentFaults } from "../ContentFaults.ts"
import { Database } from "../Database.ts"
import { Keeping } from "../Keeping.ts"
import { Settings } from "../Settings.ts"
import { contentParts, inDatabase } from "./parts.ts"

/** How many do so at once: each holds a connection, and reading needs some of the pool. */
const atOnce = 4

export const postgresKeeping: Layer.Layer<Keeping, never, ContentFaults | Database | Settings | SqlClient.SqlClient> =
  Layer.effect(
    Keeping,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { write } = yield* Database
      const { lockPatience } = yield* Settings
      const { store } = yield* contentParts
      const faults = yield* ContentFaults
      const turns = yield* Effect.makeSemaphore(atOnce)
      // Somebody else who stores the same bytes may wait for the lock of all writes.
      const limit = sql`SELECT set_config('lock_timeout', ${String(Duration.toMillis(lockPatience))}, true)`
      return {
        writeKeeping: (received, rows) =>
          Effect.zipRight(limit, inDatabase(received.sha256, store(received))).pipe(
            Effect.zipRight(write(rows)),
            sql.withTransaction,
            turns.withPermits(1),
            Effect.tap(() => faults.over(received.sha256))
          )
      }
    })
  )
