/** How the client runs a statement on a connection. */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import pg from "pg"
import { endNow, type Held, sqlError } from "./Connections.ts"
import { isCut } from "./PostgresFailure.ts"

type Rows = ReadonlyArray<Record<string, unknown>>

/** Gives a connection to an effect: that of the transaction, or one of its own. */
export type Using = <A, E, R>(use: (held: Held) => Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>

/**
 * One question, or one text of many statements. An interruption ends the connection and waits for nobody. It does not
 * cancel through another connection: `pg_cancel_backend` reaches whatever runs at that pid by then, which may be another
 * fiber's statement.
 */
const ask = <A>(
  held: Held,
  question: (client: pg.PoolClient, answer: (error: Error | null, value: A) => void) => void
): Effect.Effect<A, SqlError> =>
  Effect.async((resume) => {
    if (held.isEnded) return resume(Effect.fail(sqlError(new Error("the connection was ended"))))
    let isOver = false
    const { connection } = held.client
    const answered = (answer: Effect.Effect<A, SqlError>) => {
      isOver = true
      resume(answer)
    }
    question(held.client, (error, value) => {
      if (!error) return answered(Effect.succeed(value))
      const failed = () => {
        connection.off("readyForQuery", failed)
        connection.off("end", failed)
        answered(Effect.fail(sqlError(error)))
      }
      if (isLost(error)) {
        // The server closes the line after such an answer: nobody else may be given this connection meanwhile.
        endNow(held)
        return failed()
      }
      // `pg` tells the error before the server has said in which state the transaction is now.
      connection.on("readyForQuery", failed)
      connection.on("end", failed)
    })
    return Effect.sync(() => {
      if (!isOver) endNow(held)
    })
  })

const isLost = (error: Error): boolean =>
  error instanceof pg.DatabaseError ? error.severity !== "ERROR" : "code" in error || isCut(error.message)

/** `pg` gives an array where the text has several statements. */
type Answer = pg.QueryResult | ReadonlyArray<pg.QueryResult>
const isMany = (answer: Answer): answer is ReadonlyArray<pg.QueryResult> => Array.isArray(answer)

/** The whole answer of `pg`; without values as a simple query, which may be many statements. */
export const answerOf = (
  held: Held,
  text: string,
  values: ReadonlyArray<unknown> = [],
  types?: pg.CustomTypesConfig
): Effect.Effect<Answer, SqlError> =>
  ask<Answer>(held, (client, answer) => client.query({ text, values: [...values], ...read(types) }, answer))

/** How the values of one answer are read; else as those of the connection are. */
const read = (types: pg.CustomTypesConfig | undefined) => (types === undefined ? {} : { types })

/** The rows; of several statements those of the last one. */
export const rowsOf = (
  held: Held,
  text: string,
  values?: ReadonlyArray<unknown>,
  types?: pg.CustomTypesConfig
): Effect.Effect<Rows, SqlError> =>
  Effect.map(answerOf(held, text, values, types), (answer) =>
    isMany(answer) ? (answer.at(-1)?.rows ?? []) : answer.rows
  )

const arraysOf = (held: Held, text: string, values: ReadonlyArray<unknown>, types: pg.CustomTypesConfig | undefined) =>
  Effect.map(
    ask<pg.QueryArrayResult>(held, (client, answer) =>
      client.query({ text, values: [...values], rowMode: "array", ...read(types) }, answer)
    ),
    ({ rows }) => rows
  )

/** Statements as `@effect/sql` wants to have them run. */
export const connectionOn = (
  using: Using,
  streaming: Effect.Effect<Held, SqlError, Scope.Scope>,
  types?: pg.CustomTypesConfig
): Connection => {
  const execute: Connection["execute"] = (sql, parameters, transform) =>
    Effect.map(
      using((held) => rowsOf(held, sql, parameters, types)),
      (rows) => transform?.(rows) ?? rows
    )
  return {
    execute,
    executeUnprepared: execute,
    executeRaw: (sql, parameters) => using((held) => answerOf(held, sql, parameters, types)),
    executeValues: (sql, parameters) => using((held) => arraysOf(held, sql, parameters, types)),
    executeStream: (sql, parameters, transform) =>
      mayHaveCursor.test(sql)
        ? Stream.mapChunks(streamOf(streaming, sql, parameters, types), (rows) =>
            transform === undefined ? rows : Chunk.unsafeFromArray(transform(Chunk.toReadonlyArray(rows)))
          )
        : Stream.fromIterableEffect(execute(sql, parameters, transform))
  }
}

/**
 * What a cursor can be declared for (https://www.postgresql.org/docs/current/sql-declare.html): no statement that
 * writes, not even in its WITH. Such a statement answers at once.
 */
const mayHaveCursor = /^\s*(?:\(|select\b|values\b|table\b|with\b(?!.*\b(?:insert|update|delete|merge)\b))/is

/** How many rows come at a time. */
const rowsAtATime = 128

let cursors = 0

/**
 * Rows on demand, by a cursor of SQL. Between two of its fetches the connection is free: other statements of the same
 * transaction can run while its rows are read.
 */
const streamOf = (
  streaming: Effect.Effect<Held, SqlError, Scope.Scope>,
  sql: string,
  parameters: ReadonlyArray<unknown>,
  types: pg.CustomTypesConfig | undefined
): Stream.Stream<Record<string, unknown>, SqlError> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const held = yield* streaming
      cursors += 1
      const cursor = `database_ready_${cursors}`
      const isOwn = held.client.getTransactionStatus() === "I"
      if (isOwn) yield* answerOf(held, "BEGIN")
      yield* Effect.addFinalizer((exit) => {
        if (isOwn && Exit.isFailure(exit)) return Effect.sync(() => endNow(held))
        return Effect.ignore(answerOf(held, isOwn ? "COMMIT" : `CLOSE ${cursor}`))
      })
      yield* answerOf(held, `DECLARE ${cursor} NO SCROLL CURSOR FOR ${sql}`, parameters)
      const next = Effect.map(rowsOf(held, `FETCH ${rowsAtATime} FROM ${cursor}`, [], types), Chunk.unsafeFromArray)
      return Stream.paginateChunkEffect(undefined, () =>
        Effect.map(next, (rows) => [rows, rows.length < rowsAtATime ? Option.none() : Option.some(undefined)] as const)
      )
    })
  )
