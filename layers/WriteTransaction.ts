/** A transaction of the service that may write, on the connection that is handed out. */
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { transaction } from "./AppliedMigrations/Transaction.ts"
import { whileAnotherWorks } from "./policy.ts"
import type { Sqlite, SqliteFailure } from "./seams.ts"
import type { VerifiedPragmas } from "./VerifiedPragmas.ts"

/** The lock was not to be had: nothing of the body has run, so that it may be tried again. */
class NotBegun extends Data.TaggedError("NotBegun")<{ readonly failure: SqliteFailure }> {}

/**
 * Runs `body` in one transaction that has the write lock from its first moment. One that reads first and
 * writes later, as `withTransaction` begins it, fails at once when another connection has written in
 * between, whatever the busy timeout (SQLITE_BUSY_SNAPSHOT, https://sqlite.org/rescode.html#busy_snapshot).
 *
 * While another process has the lock it is asked for again, by the schedule that the start waits with, until
 * the patience is over; the connection is free for reading meanwhile, and so is the event loop. Within a
 * transaction it is a savepoint. Fails with `SqlError`, whose cause has SQLite's `code`, and with what `body`
 * fails with.
 */
export const writeThrough =
  (sqlite: Sqlite, { withoutWaiting }: VerifiedPragmas["Type"], patience: Duration.Duration) =>
  <A, E, R>(body: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
    Effect.flatMap(Effect.serviceOption(SqlClient.TransactionConnection), (outer) =>
      Option.isSome(outer)
        ? sqlite.client.withTransaction(body)
        : locked(sqlite, withoutWaiting(sqlite.run("BEGIN IMMEDIATE")), patience, body)
    )

const locked = <A, E, R>(
  sqlite: Sqlite,
  begin: Effect.Effect<unknown, SqliteFailure>,
  patience: Duration.Duration,
  body: Effect.Effect<A, E, R>
) =>
  // A scope for the reservation alone: what the body acquires belongs to its caller's.
  Effect.acquireUseRelease(
    Scope.make(),
    (reservation) =>
      Effect.zipRight(
        Scope.extend(sqlite.client.reserve, reservation),
        transaction(
          sqlite,
          begin,
          (failure, step) => (step === "begin" ? new NotBegun({ failure }) : sqlError(failure)),
          Effect.provideService(body, SqlClient.TransactionConnection, [sqlite.connection, 0])
        )
      ),
    Scope.close
  ).pipe(
    Effect.retry({
      schedule: Schedule.upTo(whileAnotherWorks, patience),
      while: (error) => error instanceof NotBegun && error.failure.retryable
    }),
    Effect.mapError((error) => (error instanceof NotBegun ? sqlError(error.failure) : error)),
    Effect.withSpan("database-ready.write")
  )

const sqlError = (cause: SqliteFailure): SqlError => new SqlError({ cause, message: cause.detail })
