/**
 * The driver, wrapped in one place. Its types hide that it throws. From here on errors are values with SQLite's own
 * code.
 */
import type { Row } from "@effect/sql/SqlConnection"
import Driver from "better-sqlite3"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Scope from "effect/Scope"
import { atEdge } from "./edge.ts"
import { ConnectionSetUp, failureOf, type OpenedConnection, setUp } from "./OnOpen.ts"
import { answerOr, SqliteFailure } from "./SqliteFailure.ts"

export { answerOr, isLock, isLockFailure, SqliteFailure } from "./SqliteFailure.ts"
export type { Row }

/** A connection as the rooms use it. */
export interface Sqlite {
  /** Runs one statement; gives its rows. Throws `SqliteFailure`: the edge of a room catches it. */
  readonly all: (sql: string, parameters?: ReadonlyArray<unknown>) => ReadonlyArray<Row>
  /** `all` for one statement that is run often: it stays compiled from its first run on. */
  readonly kept: (sql: string) => () => ReadonlyArray<Row>
  /** Compiles one statement and runs nothing. Throws `SqliteFailure`. */
  readonly compile: (sql: string) => void
  /** Opens another connection in memory, set up as this one. Throws `SqliteFailure`. The caller closes it. */
  readonly inMemory: () => Sqlite
  /** Whether it has SQLite's own functions, collations and modules, and no other. */
  readonly isPlain: () => boolean
  /** `all` as an Effect. */
  readonly run: (sql: string, parameters?: ReadonlyArray<unknown>) => Effect.Effect<ReadonlyArray<Row>, SqliteFailure>
  /** The driver's connection, for the client built on it. */
  readonly database: Driver.Database
}

/** Opens a connection that does not wait for locks: its busy timeout is 0. */
export const openSqlite = (options: OpenOptions): Effect.Effect<Sqlite, SqliteFailure, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => openSqliteIn(scope, options))

/** Like openSqlite, but takes the Scope as an argument: looking it up costs more than the SQLite call. */
export const openSqliteIn = (scope: Scope.Scope, options: OpenOptions): Effect.Effect<Sqlite, SqliteFailure> =>
  Effect.flatMap(ConnectionSetUp, ({ load }) =>
    Effect.flatMap(load, (onOpen) =>
      Effect.uninterruptible(
        Effect.tap(
          atEdge(() => openNow(options, onOpen), identity),
          ({ database }) =>
            Scope.addFinalizer(
              scope,
              Effect.sync(() => database.close())
            )
        )
      )
    )
  )

/** Opens it at once; the caller closes it. `onOpen` is the function, loaded. Throws `SqliteFailure`. */
export const openNow = (options: OpenOptions, onOpen: SetUp): Sqlite => sqliteOn(opened(options, onOpen), onOpen)

interface OpenOptions {
  readonly filename: string
  readonly readonly?: boolean
  /** Milliseconds for which SQLite itself waits for a lock. Default 0. */
  readonly timeout?: number
}

type SetUp = ((connection: OpenedConnection) => unknown) | undefined

/** The one place that opens the driver: what `onOpen` gives a connection is there before the first question. */
const opened = ({ filename, readonly = false, timeout = 0 }: OpenOptions, onOpen: SetUp): Driver.Database => {
  const database = orFailure(() => new Driver(filename, { readonly, timeout }))
  if (onOpen === undefined) return database
  try {
    setUp(database, onOpen, timeout)
    return database
  } catch (thrown) {
    database.close()
    throw failureOf(thrown)
  }
}

/**
 * Without a statement cache and without a span per statement: the rooms run each statement once, and one span per stage
 * tells more than one per pragma.
 */
const sqliteOn = (database: Driver.Database, onOpen: SetUp): Sqlite => {
  const compiled = (sql: string) => database.prepare<Array<unknown>, Row>(sql)
  const all: Sqlite["all"] = (sql, parameters = []) => orFailure(() => rowsOf(compiled(sql), parameters))
  return {
    all,
    kept: (sql) => {
      let statement: ReturnType<typeof compiled> | undefined
      return () =>
        orFailure(() => {
          statement ??= compiled(sql)
          return rowsOf(statement, [])
        })
    },
    compile: (sql) => {
      orFailure(() => database.prepare(sql))
    },
    inMemory: () => sqliteOn(opened({ filename: ":memory:" }, onOpen), onOpen),
    isPlain: () => onOpen === undefined && !extended.has(database),
    run: (sql, parameters) =>
      Effect.suspend(() =>
        answerOr(
          () => Effect.succeed(all(sql, parameters)),
          (failure) => Effect.fail(failure)
        )
      ),
    database
  }
}

const rowsOf = (
  statement: Driver.Statement<Array<unknown>, Row>,
  parameters: ReadonlyArray<unknown>
): ReadonlyArray<Row> => {
  if (statement.reader) return statement.all(...parameters)
  statement.run(...parameters)
  return []
}

/** Connections for which a program has loaded an extension since they were opened. */
const extended = new WeakSet<Driver.Database>()

/** Loads an extension into an open connection. Throws what the driver throws. */
export const extend = (database: Driver.Database, path: string): void => {
  extended.add(database)
  database.loadExtension(path)
}

/** The driver's own complaints are answers too, such as about a text of two statements. */
const orFailure = <A>(question: () => A): A => {
  try {
    return question()
  } catch (thrown) {
    throw SqliteFailure.from(thrown)
  }
}

/** Changes with every change of the schema (https://sqlite.org/pragma.html#pragma_schema_version). Throws `SqliteFailure`. */
export const schemaVersionOf = ({ all }: Sqlite): number => integer(all("PRAGMA schema_version")[0], "schema_version")

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
