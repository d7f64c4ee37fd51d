/** Removes the passages of a file that is about to be deleted, changed or moved. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { othersTurnIfDue } from "../inTurns.ts"

/** Passages that one statement removes: it takes a millisecond. */
const atOnce = 100

/**
 * Run it in the same transaction, before the change. A trigger removes what is left, but in one statement, which keeps
 * everybody waiting: some 30 ms for 2,000 passages. On PostgreSQL the server does that, and nobody waits here.
 */
export const passageRemoval: Effect.Effect<
  (fileId: string) => Effect.Effect<void, SqlError>,
  never,
  SqlClient.SqlClient
> = Effect.map(SqlClient.SqlClient, (sql) => {
  const removeSome = (fileId: string) =>
    sql`DELETE FROM passages WHERE passage_id IN (
      SELECT passage_id FROM passages WHERE file_id = ${fileId} LIMIT ${atOnce}) RETURNING passage_id`
  const inSteps = (fileId: string) =>
    removeSome(fileId).pipe(
      Effect.tap(othersTurnIfDue),
      Effect.repeat({ until: (removed) => removed.length < atOnce }),
      Effect.asVoid
    )
  return sql.onDialectOrElse({ pg: () => () => Effect.void, orElse: () => inSteps })
})
