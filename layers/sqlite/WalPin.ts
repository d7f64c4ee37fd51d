/** A WAL that stays as it is until the database is judged sound. */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { openSqlite, openSqliteIn, type Sqlite, type SqliteFailure } from "./Sqlite.ts"

/**
 * A second, read-only connection. While it is open, closing ours does not checkpoint the WAL: a database that is
 * refused keeps its bytes.
 */
export interface WalPin {
  readonly scope: Scope.CloseableScope
  /** The WAL was beside a rollback journal. */
  readonly isMixed: boolean
}

export const pinWal = Effect.fnUntraced(function* (file: string, scope: Scope.Scope) {
  const pin = yield* Scope.fork(scope, ExecutionStrategy.sequential)
  const reader = yield* openSqliteIn(pin, { filename: file, readonly: true })
  // Beside a rollback journal of a crash only a writing connection can read: it rolls back first. Keep it open until
  // the pin has read, so that closing it does not checkpoint.
  const isMixed = yield* Effect.as(readSchema(reader), false).pipe(
    Effect.catchIf(isNotRolledBack, () =>
      Effect.scoped(
        Effect.flatMap(openSqlite({ filename: file }), (writer) =>
          Effect.as(Effect.zipRight(readSchema(writer), readSchema(reader)), true)
        )
      )
    )
  )
  return { scope: pin, isMixed } satisfies WalPin
})

/** For a database that was judged sound: from now on closing its connection checkpoints the WAL. */
export const releaseWalPin = (pin: WalPin | undefined, sqlite: Sqlite): Effect.Effect<void> =>
  pin === undefined
    ? Effect.void
    : Effect.zipRight(Scope.close(pin.scope, Exit.void), pin.isMixed ? writeModeToHeader(sqlite) : Effect.void)

/**
 * With a WAL beside a file whose header says "no WAL", SQLite reads the WAL and answers that the mode is WAL. Once the
 * WAL is gone the header counts again, so the mode is written there too. If another process is in the way, it stays.
 */
const writeModeToHeader = ({ run }: Sqlite) =>
  Effect.ignore(Effect.zipRight(run("PRAGMA journal_mode = delete"), run("PRAGMA journal_mode = wal")))

const readSchema = (sqlite: Sqlite) => sqlite.run("SELECT count(*) FROM sqlite_schema")

const isNotRolledBack = ({ code }: SqliteFailure): boolean => code === "SQLITE_READONLY_ROLLBACK"
