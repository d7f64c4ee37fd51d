/** Transactions on the program's connection, and which statements take part in them. */
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import type * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import type Driver from "better-sqlite3"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { statementsOn } from "./ClientConnection.ts"

/** What users of the client can choose, as for the client of `@effect/sql-sqlite-node`. */
export type ClientOptions = Pick<
  SqliteClient.SqliteClientConfig,
  "transformQueryNames" | "transformResultNames" | "spanAttributes" | "prepareCacheSize"
>

/** A connection shared by many fibers; one at a time has a transaction. */
export interface Transactions {
  /** The connection to run a statement on: in this fiber's transaction, or once no other fiber has one. */
  readonly connected: Effect.Effect<Connection>
  /** Reserves the connection until the scope closes. */
  readonly reserve: Effect.Effect<Connection, SqlError, Scope.Scope>
  readonly withTransaction: <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
  /** Whether this fiber is in an open transaction of this connection. */
  readonly isWithin: Effect.Effect<boolean>
  /**
   * Runs an effect whose statements take part in the transaction that the caller has begun on the reserved connection.
   * A fiber that outlives the effect is outside it again.
   */
  readonly within: <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** A call of the driver that is not a statement, once no fiber is in a transaction. */
  readonly call: <A>(question: () => A) => Effect.Effect<A, SqlError>
  /** Forgets the prepared statements. */
  readonly forget: () => void
  readonly options: ClientOptions & Pick<SqliteClient.SqliteClientConfig, "readonly">
  readonly spanAttributes: Readonly<Record<string, unknown>>
}

/** The transaction of a fiber. A fiber that outlives it still sees this entry, marked closed. */
interface Transaction {
  readonly depth: number
  isOpen: boolean
}

/** The statements at the two ends of a transaction. */
interface Ends {
  readonly begin: string
  readonly commit: string
  readonly undo: ReadonlyArray<string>
}

const whole: Ends = { begin: "BEGIN", commit: "COMMIT", undo: ["ROLLBACK"] }

const part = (depth: number): Ends => {
  const name = `effect_sql_${depth}`
  return { begin: `SAVEPOINT ${name}`, commit: `RELEASE ${name}`, undo: [`ROLLBACK TO ${name}`, `RELEASE ${name}`] }
}

let connections = 0

export const transactionsOn = (database: Driver.Database, options: Transactions["options"]): Transactions => {
  // Each connection has its own tag, so that a transaction on one database does not capture statements on another.
  connections += 1
  const tag = Context.GenericTag<Transaction>(`database-ready/Transaction/${connections}`)
  const spanAttributes = { ...options.spanAttributes, "db.system.name": "sqlite", "db.namespace": database.name }
  const turns = Effect.unsafeMakeSemaphore(1)
  const take = Effect.interruptible(turns.take(1))
  const statements = statementsOn(database, options.prepareCacheSize ?? 200)

  const free = statements.waiting(turns.withPermits(1))
  const reserved = statements.holding((statement) => statement)
  // SQLite itself ends a transaction on a full disk, an I/O error and the like. The rest of the body would then be
  // committed statement by statement, so it fails.
  const isOver = new SqlError({
    cause: undefined,
    message: `The transaction is over: SQLite rolled it back, or a statement of its own ended it (database ${database.name})`
  })
  const inTransaction = statements.holding((statement) =>
    Effect.filterOrElse(
      Effect.sync(() => database.inTransaction),
      (isThere) => isThere,
      () => Effect.fail(isOver)
    ).pipe(Effect.zipRight(statement))
  )
  const reserve: Effect.Effect<Connection, SqlError, Scope.Scope> = Effect.as(
    Effect.acquireRelease(take, () => turns.release(1)),
    reserved
  )

  const open = Effect.map(
    Effect.serviceOption(tag),
    Option.filter(({ isOpen }) => isOpen)
  )
  const connected = Effect.map(open, (transaction) => (Option.isSome(transaction) ? inTransaction : free))
  const enter = <A, E, R>(depth: number, body: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      const transaction: Transaction = { depth, isOpen: true }
      const end = Effect.sync(() => {
        transaction.isOpen = false
      })
      return Effect.ensuring(Effect.provideService(body, tag, transaction), end)
    })

  const run = (sql: string) => reserved.executeUnprepared(sql, [], undefined)
  const runWithEnds = <A, E, R>({ begin, commit, undo }: Ends, body: Effect.Effect<A, E, R>) =>
    Effect.uninterruptibleMask((restore) => {
      // If the transaction has ended already, there is nothing to undo.
      const undoAll = Effect.suspend(() =>
        database.inTransaction ? Effect.forEach(undo, run, { discard: true }) : Effect.void
      )
      const committed = Effect.zipLeft(restore(body), run(commit))
      return Effect.zipRight(
        run(begin),
        Effect.onError(committed, () => Effect.ignoreLogged(undoAll))
      )
    })
  const withTransaction = <A, E, R>(body: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
    Effect.flatMap(
      open,
      Option.match({
        // Without a scope of its own: resources of the body belong to the caller's scope.
        onNone: () =>
          Effect.acquireUseRelease(
            take,
            () => runWithEnds(whole, enter(0, body)),
            () => turns.release(1)
          ),
        onSome: ({ depth }) => runWithEnds(part(depth + 1), enter(depth + 1, body))
      })
    ).pipe(Effect.withSpan("sql.transaction", { kind: "client", attributes: spanAttributes, captureStackTrace: false }))

  return {
    connected,
    reserve,
    withTransaction,
    isWithin: Effect.map(open, Option.isSome),
    within: (body) => enter(0, body),
    call: (question) => turns.withPermits(1)(statements.attempt(question)),
    forget: statements.forget,
    options,
    spanAttributes
  }
}
