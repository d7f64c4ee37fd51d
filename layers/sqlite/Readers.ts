/**
 * Connections that only read, so that a write that waits for something does not stop every reader. In WAL mode a reader
 * has a snapshot and neither waits for the writer nor blocks it (https://sqlite.org/wal.html#concurrency).
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { upTo } from "../machine/monotonic.ts"
import { whileAnotherWorks } from "../start/policy.ts"
import { transaction } from "./AppliedMigrations/Transaction.ts"
import { statementsOn, whileReading } from "./ClientConnection.ts"
import type { ConnectionError } from "./ConnectionError.ts"
import type { DatabaseConfig } from "./DatabaseConfig.ts"
import { atEdge } from "./edge.ts"
import { withOnOpen } from "./OnOpen.ts"
import { unreadable } from "./PragmaError.ts"
import { isOfConnection, readAll, requiredOf, requireEqual, setAndVerify } from "./pragmas.ts"
import { ReadError } from "./ReadError.ts"
import { openSqliteIn, type Sqlite, SqliteFailure } from "./Sqlite.ts"
import type { SqliteConnection } from "./SqliteConnection.ts"
import { cacheSizeOf, readingSeat, type Seat } from "./Transactions.ts"

/** A connection that only reads. */
interface Reader extends Sqlite {
  /** Undefined for the program's own connection. */
  readonly seat?: Seat
  readonly close: Effect.Effect<void>
}

/**
 * `read`, and the proof that its connections still have their pragmas. A connection is opened when it is first wanted,
 * and stays open until the program's own is closed. With a rollback journal a reader would block every commit of its own
 * process, and a database in memory has one connection: there `read` waits for that one.
 */
export const makeReaders = (
  config: DatabaseConfig["Type"],
  { file, scope, sqlite }: SqliteConnection["Type"],
  inPlace: Effect.Effect<void, ConnectionError>
) => {
  const isBeside = !config.inMemory && config.pragmas.journalMode === "wal" && config.readers >= 1
  const required = [
    ...requiredOf(config, Duration.toMillis(config.pragmas.busyTimeout)),
    { pragma: "query_only", wanted: "1" }
  ]
  const opened = new Set<Reader>()
  const idle: Array<Reader> = []
  const turns = Effect.unsafeMakeSemaphore(Math.max(config.readers, 1))

  const openReader = Effect.gen(function* () {
    // Before and after: SQLite opens by path, and another file may be put there in between.
    yield* inPlace
    const own = yield* Scope.fork(scope, ExecutionStrategy.sequential)
    return yield* Effect.gen(function* () {
      const reader = yield* withOnOpen(config.onOpen)(openSqliteIn(own, { filename: file, readonly: true }))
      yield* atEdge(() => setAndVerify(reader, required.filter(isOfConnection), required, {}), unreadable)
      yield* inPlace
      const statements = statementsOn(reader.database, cacheSizeOf(config.client), sqlite.readings, config.onOpen)
      const made: Reader = {
        ...reader,
        seat: readingSeat(reader.database, statements),
        close: Effect.suspend(() => {
          opened.delete(made)
          return Scope.close(own, Exit.void)
        })
      }
      opened.add(made)
      return made
    }).pipe(Effect.onError((cause) => Scope.close(own, Exit.failCause(cause))))
  }).pipe(
    Effect.mapError((error) =>
      error instanceof SqliteFailure ? ReadError.fromSqlite(file, error) : ReadError.fromRefusal(file, error)
    ),
    Effect.retry({ schedule: upTo(whileAnotherWorks, config.lockPatience), while: ({ retryable }) => retryable })
  )

  const lend = Effect.suspend(() => {
    const reader = idle.pop()
    return reader === undefined ? Effect.interruptible(openReader) : Effect.succeed(reader)
  })
  const giveBack = (reader: Reader) =>
    Effect.suspend(() => {
      if (!reader.database.open || reader.database.inTransaction) return reader.close
      idle.push(reader)
      return Effect.void
    })
  const readBeside = <A, E, R>(body: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Effect.interruptible(turns.take(1)),
      () => Effect.acquireUseRelease(lend, (reader) => readOn(reader, body), giveBack),
      () => turns.release(1)
    )

  const here: Reader = { ...sqlite, close: Effect.void }
  const reserved = Effect.mapError(sqlite.reserve, ({ cause }) => ReadError.fromSqlite(file, SqliteFailure.from(cause)))
  const readHere = <A, E, R>(body: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Scope.make(),
      (reservation) => Effect.zipRight(Scope.extend(reserved, reservation), readOn(here, body)),
      Scope.close
    )

  const readOn = <A, E, R>(reader: Reader, body: Effect.Effect<A, E, R>) => {
    const { run, seat } = reader
    return transaction(
      reader,
      {
        // The snapshot is taken by the first read.
        begin: Effect.zipRight(
          run("BEGIN"),
          Effect.onError(run("SELECT 1 FROM sqlite_schema LIMIT 1"), () => Effect.ignore(run("ROLLBACK")))
        )
      },
      (failure) => ReadError.fromSqlite(file, failure),
      sqlite.reading(body, seat)
    )
  }
  // A scope only for the note: resources of the body belong to the caller's scope.
  const noted = <A, E, R>(body: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Scope.make(),
      (note) => Effect.zipRight(Scope.extend(whileReading(sqlite.readings, "read"), note), body),
      Scope.close
    )

  const read = <A, E, R>(body: Effect.Effect<A, E, R>): Effect.Effect<A, E | ReadError, R> =>
    Effect.withFiberRuntime((fiber): Effect.Effect<A, E | ReadError, R> => {
      switch (sqlite.placeIn(fiber.currentContext)) {
        case "reading":
          return body
        case "within":
          return sqlite.reading(body)
        case "alone":
          return Effect.withSpan(isBeside ? readBeside(noted(body)) : readHere(body), "database-ready.read")
      }
    })

  const stillHold = Effect.suspend(() =>
    Effect.forEach(
      [...opened],
      (reader) => atEdge(() => requireEqual(readAll(reader, required), required), unreadable),
      { discard: true }
    )
  )
  return { read, stillHold }
}
