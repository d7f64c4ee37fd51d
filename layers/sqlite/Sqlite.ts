/**
 * The driver, wrapped in one place. Its types hide that it throws. From here on errors are values with SQLite's own
 * code.
 */
import type { Row } from "@effect/sql/SqlConnection"
import Driver from "better-sqlite3"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { codeOf, sentenceOf } from "../machine/SystemFailure.ts"

export type { Row }

/** SQLite's error. It does not leave the room that asked, which knows what it means there. */
export class SqliteFailure extends Data.TaggedError("SqliteFailure")<{
  /** SQLite's extended result code, e.g. `SQLITE_BUSY_SNAPSHOT` (https://sqlite.org/rescode.html). */
  readonly code: string
  /** SQLite's sentence. */
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }

  /** Whether trying again can help. */
  get retryable(): boolean {
    return isTransient(this.code)
  }

  static from(cause: unknown): SqliteFailure {
    return new SqliteFailure({ code: codeOf(cause) ?? "UNKNOWN", detail: sentenceOf(cause) })
  }
}

/**
 * The one place that decides which SQLite codes are worth another attempt (https://sqlite.org/rescode.html): another
 * holder of a lock; a lock that could not be taken; a file beside the database that could not be opened, because
 * another process may just be closing and deleting the WAL. (Missing permissions are checked elsewhere.) A child
 * process that was killed can be started again.
 */
const isTransient = (code: string): boolean =>
  isLockFailure(code) || /^SQLITE_CANTOPEN$|^SIG(HUP|INT|KILL|TERM)$/.test(code)

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
  Effect.try({ try: () => new Driver(filename, { readonly, timeout: 0 }), catch: SqliteFailure.from }).pipe(
    Effect.tap((database) =>
      Scope.addFinalizer(
        scope,
        Effect.sync(() => database.close())
      )
    ),
    Effect.map((database) => ({ run: runOn(database), database })),
    Effect.uninterruptible
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

/** Whether another connection's lock is in the way. */
export const isLock = (code: string): boolean => /^SQLITE_(BUSY|LOCKED|PROTOCOL)/.test(code)

/**
 * Whether a lock could not be taken, whatever the cause: SQLite uses both kinds of codes if the system refuses a lock.
 */
export const isLockFailure = (code: string): boolean =>
  isLock(code) || /^SQLITE_IOERR_(LOCK|RDLOCK|UNLOCK|BLOCKED|CHECKRESERVEDLOCK|SHMLOCK)$/.test(code)
