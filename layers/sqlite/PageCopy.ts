/** Overwrites one database with another, in one SQLite transaction. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { integer, openSqlite, openSqliteIn, type Sqlite, SqliteFailure } from "./Sqlite.ts"

/**
 * Copies a whole database over another file, in one transaction of that file. After an interruption it goes on until
 * the source connection is closed. The driver reports success even if the first or last step was "busy", so only the
 * file itself can tell whether the copy was committed.
 */
export const backupInto = ({ database }: Sqlite, destination: string): Effect.Effect<void, SqliteFailure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const witness = yield* openSqlite({ filename: destination })
      // It changes with every commit of another connection (https://sqlite.org/pragma.html#pragma_data_version).
      const commits = Effect.map(witness.run("PRAGMA data_version"), ([row]) => integer(row, "data_version"))
      const before = yield* commits
      yield* Effect.tryPromise({ try: () => database.backup(destination), catch: SqliteFailure.from })
      if ((yield* commits) === before) {
        return yield* new SqliteFailure({ code: "SQLITE_BUSY", detail: "a lock kept the copy from being committed" })
      }
    })
  )

/** What to do before a database is overwritten, and how to undo that if it was not. */
interface Keeping<E, R, R2> {
  readonly keep: Effect.Effect<void, E, R>
  readonly undo: Effect.Effect<void, never, R2>
}

/**
 * Overwrites a database with another, in one transaction whose lock is held from before `keep` until the commit, so
 * nobody commits in between. Uses the driver's `progress` (the client does not pass it on): it is called only once
 * SQLite has the lock (https://sqlite.org/backup.html), and returns how many pages the next step copies. If this ends
 * before the commit, the database is unchanged.
 */
export const overwriteKeeping = <E, R, R2>(
  source: string,
  destination: string,
  { keep, undo }: Keeping<E, R, R2>
): Effect.Effect<void, E | SqliteFailure, R | R2> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      // Copying goes on until this close. Closing twice is harmless.
      const close = Scope.close(scope, Exit.void)
      const { database: driver } = yield* Effect.onError(
        openSqliteIn(scope, { filename: source, readonly: true }),
        () => close
      )
      const locked = yield* Deferred.make<void, SqliteFailure>()
      let pages = 0
      const progress = () => {
        Deferred.unsafeDone(locked, Exit.void)
        return pages
      }
      const copying = yield* Effect.fork(
        Effect.tryPromise({ try: () => driver.backup(destination, { progress }), catch: SqliteFailure.from }).pipe(
          Effect.onExit((exit) => Deferred.done(locked, Exit.zipRight(exit, notLocked)))
        )
      )
      const overwritten = keep.pipe(
        Effect.zipRight(Effect.sync(() => (pages = pagesAtOnce))),
        Effect.zipRight(Fiber.join(copying))
      )
      const undoUnlessCommitted = Effect.flatMap(Fiber.await(copying), (exit) =>
        Exit.isSuccess(exit) ? Effect.void : undo
      )
      yield* restore(Deferred.await(locked)).pipe(
        Effect.zipRight(Effect.onError(restore(overwritten), () => Effect.zipRight(close, undoUnlessCommitted))),
        Effect.ensuring(close)
      )
    })
  )

const notLocked = Exit.fail(
  new SqliteFailure({ code: "SQLITE_BUSY", detail: "a lock keeps it from being overwritten" })
)

/** The event loop gets its turn between two steps. */
const pagesAtOnce = 100
