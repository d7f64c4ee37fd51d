/** A transaction of the service that may write, on the connection that is handed out. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { transaction } from "./AppliedMigrations/Transaction.ts"
import type { DatabaseConfig } from "./DatabaseConfig.ts"
import { whileAnotherWorks } from "./policy.ts"
import { messageOf } from "./Refusal.ts"
import type { SqliteConnection } from "./SqliteConnection.ts"
import type { Sqlite, SqliteFailure } from "./seams.ts"
import type { VerifiedPragmas } from "./VerifiedPragmas.ts"

/** The lock was not to be had: nothing of the body has run, so that it may be tried again. */
class NotBegun extends Data.TaggedError("NotBegun")<{ readonly failure: SqliteFailure }> {}

/** The writes that a fiber is in, by connection. One that outlives a write still has it, over as it is. */
class Writes extends Context.Reference<Writes>()("database-ready/Writes", {
  defaultValue: (): ReadonlyMap<Connection, { isOpen: boolean }> => new Map()
}) {}

/**
 * Runs `body` in one transaction that has the write lock from its first moment. One that reads first and
 * writes later, as `withTransaction` begins it, fails at once when another connection has written in
 * between, whatever the busy timeout (SQLITE_BUSY_SNAPSHOT, https://sqlite.org/rescode.html#busy_snapshot).
 *
 * While another process has the lock it is asked for again, by the schedule that the start waits with, until
 * the patience is over; the connection is free for reading meanwhile, and so is the event loop. Within a
 * transaction of this database it is a savepoint; one that `withTransaction` began is to be awaited, for nothing
 * tells that it is over. Fails with `SqlError`, whose cause has SQLite's `code`, and with
 * what `body` fails with.
 */
export const writeThrough = (
  { file, sqlite }: SqliteConnection["Type"],
  { withoutWaiting }: VerifiedPragmas["Type"],
  { lockPatience, pragmas }: DatabaseConfig["Type"]
) => {
  const sqlError = (cause: SqliteFailure): SqlError => {
    const { code, detail, retryable } = cause
    const remedy = retryable
      ? "Let the process that holds the lock finish, or wait longer with `lockPatience`."
      : "Look at SQLite's message; nothing was committed."
    return new SqlError({ cause, message: messageOf({ sentence: `${code}: ${detail}`, database: file, remedy }) })
  }
  const refusal = (failure: SqliteFailure, step: "begin" | "commit") =>
    step === "begin" ? new NotBegun({ failure }) : sqlError(failure)
  const patiently = Schedule.upTo(whileAnotherWorks, lockPatience)
  const begin = withoutWaiting(sqlite.run("BEGIN IMMEDIATE"))
  // With a rollback journal it is the commit that waits for those who read, and it may be asked for again
  // (https://sqlite.org/lang_transaction.html). Whoever is interrupted while he waits has not committed.
  const isPatient = pragmas.journalMode !== "wal"
  const patientCommit = Effect.retry(withoutWaiting(sqlite.run("COMMIT")), {
    schedule: patiently,
    while: ({ retryable }) => retryable
  })
  const committed = <A, E, R>(body: Effect.Effect<A, E, R>) =>
    isPatient ? Effect.zipLeft(body, Effect.mapError(patientCommit, sqlError)) : body
  const commit = isPatient ? Effect.void : sqlite.run("COMMIT")

  const locked = <A, E, R>(body: Effect.Effect<A, E, R>) =>
    // A scope for the reservation alone: what the body acquires belongs to its caller's.
    Effect.acquireUseRelease(
      Scope.make(),
      (reservation) =>
        Effect.zipRight(
          Scope.extend(sqlite.client.reserve, reservation),
          transaction(sqlite, { begin, commit }, refusal, committed(within(sqlite, body)))
        ),
      Scope.close
    ).pipe(
      Effect.retry({
        schedule: patiently,
        while: (error) => error instanceof NotBegun && error.failure.retryable
      }),
      Effect.mapError((error) => (error instanceof NotBegun ? sqlError(error.failure) : error)),
      Effect.withSpan("database-ready.write")
    )

  return <A, E, R>(body: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
    Effect.flatMap(Effect.all([Effect.serviceOption(SqlClient.TransactionConnection), Writes]), ([outer, writes]) => {
      const write = writes.get(sqlite.connection)
      const isOurs = Option.exists(outer, ([connection]) => connection === sqlite.connection)
      if (!(write?.isOpen ?? isOurs)) return locked(body)
      const savepoint = sqlite.client.withTransaction(body)
      return isOurs ? savepoint : asTransaction(sqlite, savepoint)
    })
}

/** The body as that of a write that is open until it ends. */
const within = <A, E, R>(sqlite: Sqlite, body: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Writes, (writes) => {
    const write = { isOpen: true }
    return asTransaction(sqlite, body).pipe(
      Effect.provideService(Writes, new Map(writes).set(sqlite.connection, write)),
      Effect.ensuring(
        Effect.sync(() => {
          write.isOpen = false
        })
      )
    )
  })

const asTransaction = <A, E, R>(sqlite: Sqlite, body: Effect.Effect<A, E, R>) =>
  Effect.provideService(body, SqlClient.TransactionConnection, [sqlite.connection, 0])
