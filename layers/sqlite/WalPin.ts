/** A WAL that stays as it is until a database is accepted. */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { openSqlite, openSqliteIn, type Sqlite, type SqliteFailure } from "./Sqlite.ts"

/**
 * A second, read-only connection keeps the last one that can write from checkpointing when it closes, until it is let go.
 * `isMixed`: the WAL was beside a rollback journal.
 */
export const pinned = Effect.fnUntraced(function* (file: string, scope: Scope.Scope) {
  const pin = yield* Scope.fork(scope, ExecutionStrategy.sequential)
  const reader = yield* openSqliteIn(pin, { filename: file, readonly: true })
  // Beside a rollback journal that a crash left, only a connection that can write reads: it rolls back first. It is
  // open until the other one has read, and so does not checkpoint.
  const isMixed = yield* Effect.as(readSchema(reader), false).pipe(
    Effect.catchIf(isNotRolledBack, () =>
      Effect.scoped(
        Effect.flatMap(openSqlite({ filename: file }), (writer) =>
          Effect.as(Effect.zipRight(readSchema(writer), readSchema(reader)), true)
        )
      )
    )
  )
  return { letGo: Scope.close(pin, Exit.void), isMixed }
})

const readSchema = (sqlite: Sqlite) => sqlite.run("SELECT count(*) FROM sqlite_schema")

const isNotRolledBack = ({ code }: SqliteFailure): boolean => code === "SQLITE_READONLY_ROLLBACK"
