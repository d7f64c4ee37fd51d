/** Write transactions of the program, on its connection. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type * as Schedule from "effect/Schedule"
import { holdersOf } from "../machine/FileLocks.ts"
import { upTo } from "../machine/monotonic.ts"
import { withDatabaseSpan } from "../start/databaseSpan.ts"
import { whileAnotherWorks } from "../start/policy.ts"
import type { HistoryError } from "./AppliedMigrations/HistoryError.ts"
import { transaction } from "./AppliedMigrations/Transaction.ts"
import type { ConnectionError } from "./ConnectionError.ts"
import type { DatabaseConfig } from "./DatabaseConfig.ts"
import { atEdge } from "./edge.ts"
import { writeNewPage } from "./NewPage.ts"
import { integer, isLock, SqliteFailure } from "./Sqlite.ts"
import type { SqliteConnection } from "./SqliteConnection.ts"
import type { VerifiedPragmas } from "./VerifiedPragmas.ts"
import { WriteError } from "./WriteError.ts"
import type { WriteGate } from "./WriteGate.ts"

/** The lock could not be taken. Nothing of the body has run, so trying again is safe. */
class NotBegun extends Data.TaggedError("NotBegun")<{ readonly failure: SqliteFailure }> {}

/** Another fiber of this process is in a transaction. */
class Taken extends Data.TaggedError("Taken") {}

/**
 * Runs `body` in one transaction that has the write lock from the start. One that reads first and writes later, like
 * `withTransaction`, fails at once if another connection has written in between, whatever the busy timeout
 * (SQLITE_BUSY_SNAPSHOT, https://sqlite.org/rescode.html#busy_snapshot).
 *
 * While another process has the lock, it tries again by the schedule of the start, until `lockPatience` is over;
 * meanwhile the connection is free for reading, and so is the event loop. Within a transaction of this database it is a
 * savepoint. Under the lock it checks whether this program may still write (`gate`). Fails with `WriteError`, or with
 * the error of `body`; statement errors that say something about the database become `WriteError`s.
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
  const begin = gate.beginThrough(withoutWaiting(sqlite.kept("BEGIN IMMEDIATE")))
  // With a rollback journal the commit waits for readers, and may be tried again
  // (https://sqlite.org/lang_transaction.html). If interrupted while waiting, nothing was committed.
  const isPatient = pragmas.journalMode !== "wal"
  const commitNow = sqlite.kept("COMMIT")
  const patientCommit = Effect.retry(withoutWaiting(commitNow), {
    schedule: patiently,
    while: ({ retryable }) => retryable
  })
  const commitPatiently = <A, E, R>(body: Effect.Effect<A, E, R>) =>
    isPatient ? Effect.zipLeft(body, Effect.mapError(patientCommit, writeError)) : body
  const commit = isPatient ? Effect.void : atEdge(commitNow, identity)

  const reserve = Effect.mapError(sqlite.reserve, ({ cause }) => writeError(SqliteFailure.from(cause)))
  /** One attempt, with the connection reserved. */
  const attempt = <A, E, R>(body: Effect.Effect<A, E, R>) =>
    transaction(
      sqlite,
      { begin, commit },
      refusal,
      Effect.zipRight(mayWrite, commitPatiently(sqlite.within(classifyErrors(file, body))))
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
  const writeLocked = <A, E, R>(body: Effect.Effect<A, E, R>) => {
    const alone = sqlite.alone(attempt(body))
    // Mostly the lock is free. A schedule that is not needed would be a quarter of the steps.
    const untilFree = Effect.catchAll(alone, (error) =>
      error instanceof NotBegun ? retryPatiently(patiently)(alone) : Effect.fail(error)
    )
    return withDatabaseSpan(untilFree, file, "write")
  }

  const there = Effect.mapError(inPlace, (refusal) => WriteError.fromRefusal(file, refusal))
  const write = <A, E, R>(body: Effect.Effect<A, E, R>): Effect.Effect<A, E | WriteError, R> =>
    Effect.withFiberRuntime((fiber): Effect.Effect<A, E | WriteError, R> => {
      switch (sqlite.placeIn(fiber.currentContext)) {
        case "reading":
          return Effect.fail(WriteError.withinRead(file))
        case "within":
          return withTransaction(body)
        case "alone":
          return Effect.zipRight(there, writeLocked(body))
      }
    })

  // If another fiber of this process has the connection for longer, this process can write: it has the lock.
  const atOnce = Effect.timeoutFail(reserve, { duration: aMoment, onTimeout: () => new Taken() })
  const once = Effect.scoped(Effect.zipRight(atOnce, attempt(Effect.void)))
  const free = Effect.catchTag(retryPatiently(shortly)(once), "Taken", () => Effect.void)
  const writable = inMemory
    ? Effect.void
    : there.pipe(
        Effect.zipRight(Effect.mapError(writeNewPage(file), (failure) => WriteError.fromSystem(file, failure))),
        Effect.zipRight(free),
        Effect.asVoid
      )
  return { write, writable }
}

/** Most writers finish in this time; one that does not may hold the lock for long. */
const aMoment = "30 millis"
const shortly = upTo(whileAnotherWorks, aMoment)

const asWriteError =
  (file: string) =>
  (cause: HistoryError | SqliteFailure): WriteError =>
    cause instanceof SqliteFailure ? WriteError.fromSqlite(file, cause) : WriteError.fromRefusal(file, cause)

const classifyErrors = <A, E, R>(file: string, body: Effect.Effect<A, E, R>) =>
  Effect.mapError(body, (error) => WriteError.classify(file, error))

/** Marks the body's own error, to tell it from an error of its transaction. */
class OfBody<E> {
  readonly error: E
  constructor(error: E) {
    this.error = error
  }
}

/**
 * `withTransaction` of the program's client, whose errors tell what is wrong with the database. If it has changed rows,
 * the gate is checked before the commit. Not at the beginning: that read would take a snapshot, and the first write
 * would fail if another process has written since.
 */
export const guardTransactions = ({ file, sqlite }: SqliteConnection["Type"], gate: WriteGate) => {
  const changes = Effect.map(sqlite.run("SELECT total_changes() AS changes"), ([row]) => integer(row, "changes"))
  const countChanges = Effect.mapError(changes, (failure) => WriteError.fromSqlite(file, failure))
  const mayWrite = Effect.mapError(gate.check, asWriteError(file))
  const checkGate = <A, E, R>(body: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const before = yield* countChanges
      const result = yield* body
      if ((yield* countChanges) !== before) yield* mayWrite
      return result
    })
  return <A, E, R>(body: Effect.Effect<A, E, R>): Effect.Effect<A, E | WriteError, R> =>
    Effect.withFiberRuntime((fiber) => {
      const isWithin = sqlite.placeIn(fiber.currentContext) !== "alone"
      const boxed = Effect.mapError(classifyErrors(file, body), (error) => new OfBody(error))
      return Effect.mapError(sqlite.withTransaction(isWithin ? boxed : checkGate(boxed)), (error) => {
        if (error instanceof OfBody) return error.error
        return error instanceof WriteError ? error : WriteError.fromSqlite(file, SqliteFailure.from(error.cause))
      })
    })
}
