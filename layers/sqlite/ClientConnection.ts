/** How the client runs a statement on the connection: synchronously, with every error of the driver as a value. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import Driver from "better-sqlite3"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import { type OnOpen, withOnOpen } from "./OnOpen.ts"
import { openSqlite, SqliteFailure } from "./Sqlite.ts"

/** What turns the names of a result's columns. */
export type TransformRows = Parameters<Connection["execute"]>[2]
/** Values bound to the parameters of a statement. */
type Values = ReadonlyArray<unknown>

/** One run of a statement, in the context of the fiber that asks. */
export type Attempt<A> = (fiber: Fiber.RuntimeFiber<unknown, unknown>) => Exit.Exit<A, SqlError>

/**
 * Runs each statement: when it is its turn, or if it may run at all. What it looks at must still hold when the statement
 * runs, so it runs it in the same step: between two steps other fibers may have theirs.
 */
export type Around = <A>(attempt: Attempt<A>) => Effect.Effect<A, SqlError>

/** A failed statement, with SQLite's code in its cause and the database in its message. */
export const sqlError = (database: Driver.Database, thrown: unknown): SqlError => {
  const { code, detail } = SqliteFailure.from(thrown)
  return new SqlError({ cause: thrown, message: `${code}: ${detail} (database ${database.name})` })
}

/** A stream, a `read` or a backup of this program that may keep the WAL from starting over. */
export interface Reading {
  readonly what: "read" | "stream" | "backup"
  /** Milliseconds since the epoch. */
  readonly since: number
  /** The span around it; undefined where there is none. */
  readonly span: string | undefined
}

/** Is seen in `readings` until the scope closes. */
export const whileReading = (readings: Set<Reading>, what: Reading["what"]) =>
  Effect.acquireRelease(
    Effect.map(Effect.all([Clock.currentTimeMillis, Effect.option(Effect.currentParentSpan)]), ([since, span]) => {
      const reading: Reading = { what, since, span: nameOf(Option.getOrUndefined(span)) }
      readings.add(reading)
      return reading
    }),
    (reading) => Effect.sync(() => readings.delete(reading))
  )

/** The span of the program, not that of a statement or of the `read` itself. */
const nameOf = (span: Tracer.AnySpan | undefined): string | undefined => {
  if (span?._tag !== "Span") return undefined
  const isOurs = span.name.startsWith("sql.") || span.name === "database-ready.read"
  return isOurs ? nameOf(Option.getOrUndefined(span.parent)) : span.name
}

/** Statements on one connection. The last `cacheSize` used stay prepared. Its streams are seen in `readings`. */
export const statementsOn = (database: Driver.Database, cacheSize: number, readings: Set<Reading>, onOpen?: OnOpen) => {
  const objects = cacheOf(cacheSize, (sql) => database.prepare<Array<unknown>, object>(sql))
  const values = cacheOf(cacheSize, (sql) => {
    const statement = database.prepare<Array<unknown>, ReadonlyArray<unknown>>(sql)
    return statement.reader ? statement.raw(true) : statement
  })

  const attempt =
    <A>(run: (safeIntegers: boolean) => A): Attempt<A> =>
    (fiber) => {
      try {
        return Exit.succeed(run(Context.get(fiber.currentContext, SqlClient.SafeIntegers)))
      } catch (thrown) {
        return Exit.fail(sqlError(database, thrown))
      }
    }

  /** SQLite knows before a statement runs whether it may write (https://sqlite.org/c3ref/stmt_readonly.html). */
  const allow = <A extends { readonly readonly: boolean }>(statement: A, isReading: boolean): A => {
    if (isReading && !statement.readonly) {
      throw new Driver.SqliteError("the statement would write, and runs inside `read`", "SQLITE_READONLY")
    }
    return statement
  }

  const rowsOf = <Row>(statement: Driver.Statement<Array<unknown>, Row>, parameters: Values, safe: boolean) => {
    if (statement.reader) return statement.safeIntegers(safe).all(...parameters)
    statement.run(...parameters)
    return []
  }
  const transformRows = (rows: ReadonlyArray<object>, transform: TransformRows) => transform?.(rows) ?? rows

  const all = (sql: string, parameters: Values, transform: TransformRows, isReading: boolean) =>
    attempt((safe) => transformRows(rowsOf(allow(objects.get(sql), isReading), parameters, safe), transform))

  const connection = (around: Around, executeStream: Connection["executeStream"], isReading = false): Connection => ({
    execute: (sql, parameters, transform) => around(all(sql, parameters, transform, isReading)),
    executeRaw: (sql, parameters) =>
      around(
        attempt((safe) => {
          const statement = allow(objects.get(sql), isReading).safeIntegers(safe)
          return statement.reader ? statement.all(...parameters) : statement.run(...parameters)
        })
      ),
    executeValues: (sql, parameters) =>
      around(attempt((safe) => rowsOf(allow(values.get(sql), isReading), parameters, safe))),
    executeUnprepared: (sql, parameters, transform) =>
      around(
        attempt((safe) =>
          transformRows(
            rowsOf(allow(database.prepare<Array<unknown>, object>(sql), isReading), parameters ?? [], safe),
            transform
          )
        )
      ),
    executeStream
  })

  /** All rows at once: the connection can do nothing else while rows are read one by one. */
  const streamAtOnce =
    (around: Around, isReading = false): Connection["executeStream"] =>
    (sql, parameters, transform) =>
      Stream.fromIterableEffect(around(all(sql, parameters, transform, isReading)))

  /**
   * Rows on demand, from a snapshot on a second connection: this one stays free, for writing too. Temporary tables and
   * attached databases of this connection are not visible there.
   */
  const streamBeside =
    (around: Around): Connection["executeStream"] =>
    (sql, parameters, transform) =>
      Stream.unwrap(
        Effect.map(around(attempt(() => objects.get(sql))), ({ reader, readonly }) =>
          reader && readonly && !database.memory
            ? snapshotOf(database, readings, onOpen, sql, parameters, transform)
            : streamAtOnce(around)(sql, parameters, transform)
        )
      )

  return {
    waiting: (around: Around) => connection(around, streamBeside(around)),
    holding: (around: Around) => connection(around, streamAtOnce(around)),
    /** Refuses what would write, before it runs. */
    reading: (around: Around) => connection(around, streamAtOnce(around, true), true),
    attempt,
    forget: () => {
      objects.clear()
      values.clear()
    }
  }
}

const snapshotOf = (
  database: Driver.Database,
  readings: Set<Reading>,
  onOpen: OnOpen | undefined,
  sql: string,
  parameters: Values,
  transform: TransformRows
) =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      yield* whileReading(readings, "stream")
      const safe = yield* SqlClient.SafeIntegers
      const toSqlError = (thrown: unknown) => sqlError(database, thrown)
      const timeout = yield* Effect.try({
        try: () => Number(database.pragma("busy_timeout", { simple: true })),
        catch: toSqlError
      })
      const { database: beside } = yield* Effect.mapError(
        withOnOpen(onOpen)(openSqlite({ filename: database.name, readonly: true, timeout })),
        toSqlError
      )
      const rows = yield* Effect.acquireRelease(
        Effect.try({
          try: () =>
            beside
              .prepare<Array<unknown>, object>(sql)
              .safeIntegers(safe)
              .iterate(...parameters),
          catch: toSqlError
        }),
        (iterator) => Effect.sync(() => iterator.return?.())
      )
      const next = Effect.flatMap(
        Effect.mapError(Effect.try({ try: () => some(rows), catch: toSqlError }), Option.some),
        (found) =>
          found.length === 0
            ? Effect.fail(Option.none())
            : Effect.succeed(Chunk.unsafeFromArray(transform?.(found) ?? found))
      )
      return Stream.repeatEffectChunkOption(next)
    })
  )

const rowsAtOnce = 100

const some = (rows: IterableIterator<object>): Array<object> => {
  const found: Array<object> = []
  while (found.length < rowsAtOnce) {
    const next = rows.next()
    if (next.done === true) break
    found.push(next.value)
  }
  return found
}

/** A cache of the values used last; makes missing ones. */
const cacheOf = <A>(size: number, make: (key: string) => A) => {
  const entries = new Map<string, A>()
  return {
    get: (key: string): A => {
      const found = entries.get(key)
      const value = found ?? make(key)
      // A `Map` keeps insertion order: move what was used to its end.
      if (found !== undefined) entries.delete(key)
      entries.set(key, value)
      if (entries.size > size) {
        const oldest = entries.keys().next()
        if (oldest.done !== true) entries.delete(oldest.value)
      }
      return value
    },
    clear: () => entries.clear()
  }
}
