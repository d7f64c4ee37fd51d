/** Transactions of the service that may write, on the connection that is handed out. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { holdersOf } from "../machine/FileLocks.ts"
import { upTo } from "../machine/monotonic.ts"
import { whileAnotherWorks } from "../start/policy.ts"
import type { HistoryError } from "./AppliedMigrations/HistoryError.ts"
import { transaction } from "./AppliedMigrations/Transaction.ts"
import type { ConnectionError } from "./ConnectionError.ts"
import type { DatabaseConfig } from "./DatabaseConfig.ts"
import { writeNewPage } from "./NewPage.ts"
import { integer, isLock, SqliteFailure } from "./Sqlite.ts"
import type { SqliteConnection } from "./SqliteConnection.ts"
import type { VerifiedPragmas } from "./VerifiedPragmas.ts"
import { WriteError } from "./WriteError.ts"
import type { WriteGate } from "./WriteGate.ts"

/** The lock was not to be had: nothing of the body has run, so that it may be tried again. */
class NotBegun extends Data.TaggedError("NotBegun")<{ readonly failure: SqliteFailure }> {}

/** Others in this process are in a transaction. */
class Taken extends Data.TaggedError("Taken") {}

/**
 * Runs `body` in one transaction that has the write lock from its first moment. One that reads first and
 * writes later, as `withTransaction` begins it, fails at once when another connection has written in
 * between, whatever the busy timeout (SQLITE_BUSY_SNAPSHOT, https://sqlite.org/rescode.html#busy_snapshot).
 *
 * While another process has the lock it is asked for again, by the schedule that the start waits with, until
 * the patience is over; the connection is free for reading meanwhile, and so is the event loop. Within a
 * transaction of this database it is a savepoint. With the lock held it is asked whether this program may still
 * write (`gate`). Fails with `WriteError`, and with what `body` fails with: of the errors of its statements those
 * become `WriteError`s that say something of the database.
 */
export const writeThrough = (
  { file, sqlite }: SqliteConnection["Type"],
  { withoutWaiting }: VerifiedPragmas["Type"],
  { inMemory, lockPatience, pragmas }: DatabaseConfig["Type"],
  gate: WriteGate,
  inPlace: Effect.Effect<void, ConnectionError>,
  withTransaction: ReturnType<typeof guardTransactions>
) => {
  const writeError = (cause: SqliteFailure) => WriteError.fromSqlite(file, cause)
  const mayWrite = Effect.mapError(gate.check, asWriteError(file))
  const refusal = (failure: SqliteFailure, step: "begin" | "commit") =>
    step === "begin" ? new NotBegun({ failure }) : writeError(failure)
  const patiently = upTo(whileAnotherWorks, lockPatience)
  const begin = gate.beginThrough(withoutWaiting(sqlite.run("BEGIN IMMEDIATE")))
  // With a rollback journal it is the commit that waits for those who read, and it may be asked for again
  // (https://sqlite.org/lang_transaction.html). Whoever is interrupted while he waits has not committed.
  const isPatient = pragmas.journalMode !== "wal"
  const patientCommit = Effect.retry(withoutWaiting(sqlite.run("COMMIT")), {
    schedule: patiently,
    while: ({ retryable }) => retryable
  })
  const commitPatiently = <A, E, R>(body: Effect.Effect<A, E, R>) =>
    isPatient ? Effect.zipLeft(body, Effect.mapError(patientCommit, writeError)) : body
  const commit = isPatient ? Effect.void : sqlite.run("COMMIT")

  const reserved = Effect.mapError(sqlite.reserve, ({ cause }) => writeError(SqliteFailure.from(cause)))
  /** One attempt, once nobody else in this process has the connection. */
  const attempt = <A, E, R, E2>(body: Effect.Effect<A, E, R>, reserve: Effect.Effect<unknown, E2, Scope.Scope>) =>
    // A scope for the reservation alone: what the body acquires belongs to its caller's.
    Effect.acquireUseRelease(
      Scope.make(),
      (reservation) =>
        Effect.zipRight(
          Scope.extend(reserve, reservation),
          transaction(
            sqlite,
            { begin, commit },
            refusal,
            Effect.zipRight(mayWrite, commitPatiently(sqlite.within(classifyErrors(file, body))))
          )
        ),
      Scope.close
    )
  const retryPatiently =
    (schedule: Schedule.Schedule<unknown>) =>
    <A, E, R>(attempts: Effect.Effect<A, E | NotBegun, R>): Effect.Effect<A, Exclude<E, NotBegun> | WriteError, R> =>
      Effect.retry(attempts, {
        schedule,
        while: (error) => error instanceof NotBegun && error.failure.retryable
      }).pipe(
        Effect.catchIf(
          (error): error is NotBegun => error instanceof NotBegun,
          ({ failure }) =>
            Effect.flatMap(isLock(failure.code) ? holdersOf(file) : Effect.succeed([]), (holders) =>
              Effect.fail(WriteError.fromSqlite(file, failure, holders))
            )
        )
      )
  const writeLocked = <A, E, R>(body: Effect.Effect<A, E, R>) =>
    retryPatiently(patiently)(attempt(body, reserved)).pipe(Effect.withSpan("database-ready.write"))

  const there = Effect.mapError(inPlace, (refusal) => WriteError.fromRefusal(file, refusal))
  const write = <A, E, R>(body: Effect.Effect<A, E, R>): Effect.Effect<A, E | WriteError, R> =>
    Effect.flatMap(sqlite.isWithin, (isWithin) =>
      isWithin ? withTransaction(body) : Effect.zipRight(there, writeLocked(body))
    )

  // Where others of this process have the connection for longer, it is they who have the lock.
  const atOnce = Effect.timeoutFail(reserved, { duration: aMoment, onTimeout: () => new Taken() })
  const free = Effect.catchTag(retryPatiently(shortly)(attempt(Effect.void, atOnce)), "Taken", () => Effect.void)
  const writable = inMemory
    ? Effect.void
    : there.pipe(
        Effect.zipRight(Effect.mapError(writeNewPage(file), (failure) => WriteError.fromSystem(file, failure))),
        Effect.zipRight(free),
        Effect.asVoid
      )
  return { write, writable }
}

/** A neighbour who writes is through in a moment; whoever is not has the lock for longer. */
const aMoment = "30 millis"
const shortly = upTo(whileAnotherWorks, aMoment)

const asWriteError =
  (file: string) =>
  (cause: HistoryError | SqliteFailure): WriteError =>
    cause instanceof SqliteFailure ? WriteError.fromSqlite(file, cause) : WriteError.fromRefusal(file, cause)

const classifyErrors = <A, E, R>(file: string, body: Effect.Effect<A, E, R>) =>
  Effect.mapError(body, (error) => WriteError.classify(file, error))

/** What a body failed with, told apart from what its transaction failed with. */
class OfBody<E> {
  readonly error: E
  constructor(error: E) {
    this.error = error
  }
}

/**
 * `withTransaction` of the client that is handed out, whose errors tell what is wrong with the database. One that
 * has changed rows is not committed where the gate forbids it: at its end, for what asks at its beginning has a snapshot,
 * and would be refused its first write once a neighbour has written.
 */
export const guardTransactions = ({ file, sqlite }: SqliteConnection["Type"], gate: WriteGate) => {
  const changes = Effect.map(sqlite.run("SELECT total_changes() AS changes"), ([row]) => integer(row, "changes"))
  const changed = Effect.mapError(changes, (failure) => WriteError.fromSqlite(file, failure))
  const mayWrite = Effect.mapError(gate.check, asWriteError(file))
  const checkGate = <A, E, R>(body: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const before = yield* changed
      const result = yield* body
      if ((yield* changed) !== before) yield* mayWrite
      return result
    })
  return <A, E, R>(body: Effect.Effect<A, E, R>): Effect.Effect<A, E | WriteError, R> =>
    Effect.flatMap(sqlite.isWithin, (isWithin) => {
      const boxed = Effect.mapError(classifyErrors(file, body), (error) => new OfBody(error))
      return Effect.mapError(sqlite.withTransaction(isWithin ? boxed : checkGate(boxed)), (error) => {
        if (error instanceof OfBody) return error.error
        return error instanceof WriteError ? error : WriteError.fromSqlite(file, SqliteFailure.from(error.cause))
      })
    })
}
