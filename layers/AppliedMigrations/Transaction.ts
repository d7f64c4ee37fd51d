/** A transaction on the rooms' connection. */
import * as Effect from "effect/Effect"
import type { Sqlite, SqliteFailure } from "../seams.ts"

/** Commits what succeeds, rolls back what fails, is interrupted or dies. `begin` is the statement that begins it. */
export const transaction = <A, E, E2, R>(
  sqlite: Sqlite,
  begin: Effect.Effect<unknown, SqliteFailure>,
  refused: (failure: SqliteFailure, step: "begin" | "commit") => E2,
  body: Effect.Effect<A, E, R>
): Effect.Effect<A, E | E2, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.mapError(begin, (failure) => refused(failure, "begin")).pipe(
      Effect.zipRight(
        restore(body).pipe(
          Effect.zipLeft(Effect.mapError(sqlite.run("COMMIT"), (failure) => refused(failure, "commit"))),
          Effect.onError(() => rollback(sqlite))
        )
      )
    )
  )

/**
 * SQLite ends the transaction by itself on a full disk, an I/O error and the like, and then refuses
 * ROLLBACK with SQLITE_ERROR because there is none. Any other refusal leaves one open, and the next
 * BEGIN on this connection says so; without one, closing the connection rolls back.
 */
const rollback = (sqlite: Sqlite): Effect.Effect<void> =>
  sqlite.run("ROLLBACK").pipe(
    Effect.catchAll((failure) =>
      failure.code === "SQLITE_ERROR" ? Effect.void : Effect.logWarning(`ROLLBACK: ${failure.code}: ${failure.detail}`)
    ),
    Effect.asVoid
  )
