/**
 * The driver, wrapped in one place. Its types hide that it throws. From here on errors are values with SQLite's own
 * code.
 */
import type { Row } from "@effect/sql/SqlConnection"
import Driver from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { ConnectionSetUp, failureOf, setUp } from "./OnOpen.ts"
import { SqliteFailure } from "./SqliteFailure.ts"

export { isLock, isLockFailure, SqliteFailure } from "./SqliteFailure.ts"
export type { Row }

/** A connection as the rooms use it. */
export interface Sqlite {
  /** Runs one statement; returns its rows. */
  readonly run: (sql: string, parameters?: ReadonlyArray<unknown>) => Effect.Effect<ReadonlyArray<Row>, SqliteFailure>
  /** The driver's connection, for the client built on it. */
  readonly database: Driver.Database
}

/** Opens a connection that does not wait for locks: its busy timeout is 0. */
export const openSqlite = (options: OpenOptions): Effect.Effect<Sqlite, SqliteFailure, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => openSqliteIn(scope, options))

/** Like openSqlite, but takes the Scope as an argument: looking it up costs more than the SQLite call. */
export const openSqliteIn = (
  scope: Scope.Scope,
  { filename, readonly = false }: OpenOptions
): Effect.Effect<Sqlite, SqliteFailure> =>
  Effect.flatMap(openDriver(scope, filename, { readonly, timeout: 0 }), (database) =>
    Effect.succeed({ run: runOn(database), database })
  )

/** The one place that opens the driver: what `onOpen` gives a connection is there before the first question. */
export const openDriver = (
  scope: Scope.Scope,
  filename: string,
  { readonly, timeout }: { readonly readonly: boolean; readonly timeout: number }
): Effect.Effect<Driver.Database, SqliteFailure> =>
  Effect.flatMap(ConnectionSetUp, ({ load }) =>
    Effect.flatMap(load, (onOpen) =>
      Effect.try({ try: () => new Driver(filename, { readonly, timeout }), catch: SqliteFailure.from }).pipe(
        Effect.tap((database) =>
          Scope.addFinalizer(
            scope,
            Effect.sync(() => database.close())
          )
        ),
        Effect.tap((database) =>
          onOpen === undefined
            ? Effect.void
            : Effect.try({ try: () => setUp(database, onOpen, timeout), catch: failureOf })
        ),
        Effect.uninterruptible
      )
    )
  )

interface OpenOptions {
  readonly filename: string
  readonly readonly?: boolean
}

/**
 * Without a statement cache and without a span per statement: the rooms run each statement once, and one span per stage
 * tells more than one per pragma.
 */
const runOn =
  (database: Driver.Database): Sqlite["run"] =>
  (sql, parameters = []) =>
    Effect.try({
      try: () => {
        const statement = database.prepare<Array<unknown>, Row>(sql)
        if (statement.reader) return statement.all(...parameters)
        statement.run(...parameters)
        return []
      },
      catch: SqliteFailure.from
    })

/** A text column. Numbers become text; NULL becomes "". */
export const text = (row: Row | undefined, column: string): string => {
  const value = row?.[column]
  return value === null || value === undefined ? "" : String(value)
}

/** A number column; NaN if it is not a number. */
export const integer = (row: Row | undefined, column: string): number => {
  const value = row?.[column]
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : Number.NaN
}
