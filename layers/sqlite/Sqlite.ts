/**
 * The driver, corrected in one place. Its types promise more than they do: what went wrong is thrown. From here on it
 * is a value with SQLite's own code.
 */
import type { Row } from "@effect/sql/SqlConnection"
import Driver from "better-sqlite3"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { codeOf, sentenceOf } from "../machine/SystemFailure.ts"

export type { Row }

/** What SQLite answered. It stops at the room that asked, which knows what it means there. */
export class SqliteFailure extends Data.TaggedError("SqliteFailure")<{
  /** SQLite's extended result code, e.g. `SQLITE_BUSY_SNAPSHOT` (https://sqlite.org/rescode.html). */
  readonly code: string
  /** SQLite's sentence. */
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }

  /** Whether another moment can bring another answer. */
  get retryable(): boolean {
    return isTransient(this.code)
  }

  static from(cause: unknown): SqliteFailure {
    return new SqliteFailure({ code: codeOf(cause) ?? "UNKNOWN", detail: sentenceOf(cause) })
  }
}

/**
 * The one place that decides which SQLite codes are worth another attempt: somebody else holds a lock,
 * the lock itself could not be taken, or a file beside the database could not be opened, which is what a
 * neighbour who closes at this moment and takes the WAL away looks like (https://sqlite.org/rescode.html).
 * A file that may not be opened is told apart by looking at its permissions. A process that asked in our
 * place and was ended by somebody can be started again.
 */
const isTransient = (code: string): boolean =>
  isLockFailure(code) || /^SQLITE_CANTOPEN$|^SIG(HUP|INT|KILL|TERM)$/.test(code)

/** A connection as the rooms use it. */
export interface Sqlite {
  /** One statement, its rows, SQLite's answer. */
  readonly run: (sql: string, parameters?: ReadonlyArray<unknown>) => Effect.Effect<ReadonlyArray<Row>, SqliteFailure>
  /** The driver's own, for the client that is made on it. */
  readonly database: Driver.Database
}

/** Opens a connection that waits for nobody: its busy timeout is 0. */
export const openSqlite = (options: OpenOptions): Effect.Effect<Sqlite, SqliteFailure, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => openSqliteIn(scope, options))

/** The same, closed with a scope that is at hand: to look one up, or to provide one, takes longer than SQLite does. */
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
 * Without the statement cache and without a span per statement: the rooms ask each question once, and a
 * span per stage tells more than one per pragma.
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

/** A column that SQLite promises to be text; numbers as SQLite would print them, NULL as "". */
export const text = (row: Row | undefined, column: string): string => {
  const value = row?.[column]
  return value === null || value === undefined ? "" : String(value)
}

/** A column that SQLite promises to be a number; NaN when it is none. */
export const integer = (row: Row | undefined, column: string): number => {
  const value = row?.[column]
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : Number.NaN
}

/** Whether somebody else's lock is in the way. */
export const isLock = (code: string): boolean => /^SQLITE_(BUSY|LOCKED|PROTOCOL)/.test(code)

/** Whether a lock could not be had, whoever has it: SQLite says so in both ways where the system refuses a lock. */
export const isLockFailure = (code: string): boolean =>
  isLock(code) || /^SQLITE_IOERR_(LOCK|RDLOCK|UNLOCK|BLOCKED|CHECKRESERVEDLOCK|SHMLOCK)$/.test(code)
