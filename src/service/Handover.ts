/** Planned deletions get the owner of their session, in steps. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { othersTurn } from "./inTurns.ts"

/** How many rows one statement changes, so that probes get their turn in between. */
const atOnce = 500

/**
 * Makes a function that gives the planned deletions of a session to its next owner. Run it before the owner is changed,
 * in the same transaction: the trigger on that change gives all that are left in one statement. On PostgreSQL that is
 * all of them, because a statement there keeps no request of others waiting.
 */
export const handOver = Effect.map(SqlClient.SqlClient, (sql) => {
  const queued = (sessionId: string, from: string | null, to: string) =>
    sql`UPDATE file_cleanup_queue SET owner = ${to} WHERE cleanup_id IN (
        SELECT cleanup_id FROM file_cleanup_queue
        WHERE session_id = ${sessionId} AND is_processed = 0 AND owner IS ${from} LIMIT ${atOnce}
      ) RETURNING 1`

  const expiring = (sessionId: string, from: string | null, to: string) =>
    sql`UPDATE file_expiries SET owner = ${to} WHERE rowid IN (
        SELECT rowid FROM file_expiries WHERE session_id = ${sessionId} AND owner IS ${from} LIMIT ${atOnce}
      ) RETURNING 1`

  const toTheEnd = (step: Effect.Effect<ReadonlyArray<unknown>, SqlError>) =>
    Effect.repeat(
      Effect.tap(step, ({ length }) => (length === atOnce ? othersTurn : Effect.void)),
      { while: ({ length }) => length === atOnce }
    )

  /** `from` is null if the session has no owner. */
  const inSteps = (sessionId: string, from: string | null, to: string): Effect.Effect<void, SqlError> =>
    from === to
      ? Effect.void
      : Effect.asVoid(Effect.zipRight(toTheEnd(queued(sessionId, from, to)), toTheEnd(expiring(sessionId, from, to))))

  return sql.onDialectOrElse({ pg: () => (): Effect.Effect<void, SqlError> => Effect.void, orElse: () => inSteps })
})
