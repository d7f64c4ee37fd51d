/** Transactions on the program's connection, and which statements take part in them. */
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import type * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import type Driver from "better-sqlite3"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { type Around, type Reading, statementsOn } from "./ClientConnection.ts"
import type { OnOpen } from "./OnOpen.ts"
import { ReadError } from "./ReadError.ts"

/** What users of the client can choose, as for the client of `@effect/sql-sqlite-node`. */
export type ClientOptions = Pick<
  SqliteClient.SqliteClientConfig,
  "transformQueryNames" | "transformResultNames" | "spanAttributes" | "prepareCacheSize"
>

/** A connection shared by many fibers; one at a time has a transaction. */
export interface Transactions {
  /** The connection to run a fiber's statement on: in its transaction, or once no other fiber has one. */
  readonly connectionIn: (context: Context.Context<never>) => Connection
  /** Whether a fiber is in an open transaction of this connection, in a `read` of it or of its readers, or in neither. */
  readonly placeIn: (context: Context.Context<never>) => "alone" | "within" | "reading"
  /** Reserves the connection until the scope closes. */
  readonly reserve: Effect.Effect<Connection, SqlError, Scope.Scope>
  /** Runs an effect while no other fiber has the connection. Only for one that is not in a transaction itself. */
  readonly alone: <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly withTransaction: <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
  /**
   * Runs an effect whose statements take part in the transaction that the caller has begun on the reserved connection.
   * A fiber that outlives the effect is outside it again.
   */
  readonly within: <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** The same for a transaction that only reads: on `seat`, by default on this connection. */
  readonly reading: <A, E, R>(body: Effect.Effect<A, E, R>, seat?: Seat) => Effect.Effect<A, E, R>
  /** The streams and reads of this program that run now. */
  readonly readings: Set<Reading>
  /** A call of the driver that is not a statement, once no fiber is in a transaction. */
  readonly call: <A>(question: () => A) => Effect.Effect<A, SqlError>
  /** Forgets the prepared statements. */
  readonly forget: () => void
  readonly options: ClientOptions & Pick<SqliteClient.SqliteClientConfig, "readonly">
  readonly spanAttributes: Readonly<Record<string, unknown>>
}

/** The connection that a transaction is on. */
export interface Seat {
  readonly database: Driver.Database
  /** Runs the statements of the transaction's body. */
  readonly connection: Connection
  /** Runs the statements at its ends. */
  readonly run: (sql: string) => Effect.Effect<unknown, SqlError>
}

/** The transaction of a fiber. A fiber that outlives it still sees this entry, marked closed. */
interface Transaction {
  readonly depth: number
  readonly seat: Seat
  readonly isReading: boolean
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

/**
 * SQLite itself ends a transaction on a full disk, an I/O error and the like. The rest of the body would then be
 * committed statement by statement, so it fails.
 */
const whileOpen = (database: Driver.Database): Around => {
  // Made when it is needed: an error keeps the fiber that made it, and with that the databases of a fleet before it.
  const isOver = () =>
    new SqlError({
      cause: undefined,
      message: `The transaction is over: SQLite rolled it back, or a statement of its own ended it (database ${database.name})`
    })
  return (attempt) =>
    Effect.withFiberRuntime((fiber) => (database.inTransaction ? attempt(fiber) : Exit.fail(isOver())))
}

/** Runs each statement as it is asked for. */
const always: Around = (attempt) => Effect.withFiberRuntime(attempt)

const runOn =
  (statements: ReturnType<typeof statementsOn>): Seat["run"] =>
  (sql) =>
    statements.holding(always).executeUnprepared(sql, [], undefined)

/** A seat whose statements may only read: another is a `ReadError`. */
export const readingSeat = (database: Driver.Database, statements: ReturnType<typeof statementsOn>): Seat => {
  const isOpen = whileOpen(database)
  return {
    database,
    connection: statements.reading((attempt) =>
      Effect.mapError(isOpen(attempt), (error) => ReadError.classify(database.name, error))
    ),
    run: runOn(statements)
  }
}

/** How many statements of a connection stay prepared. */
export const cacheSizeOf = ({ prepareCacheSize = 200 }: ClientOptions): number => prepareCacheSize

let connections = 0

export const transactionsOn = (
  database: Driver.Database,
  options: Transactions["options"],
  /** For the connections beside it that read rows on demand. */
  onOpen?: OnOpen
): Transactions => {
  // Each connection has its own tag, so that a transaction on one database does not capture statements on another.
  connections += 1
  const tag = Context.GenericTag<Transaction>(`database-ready/Transaction/${connections}`)
  const spanAttributes = { ...options.spanAttributes, "db.system.name": "sqlite", "db.namespace": database.name }
  const turns = Effect.unsafeMakeSemaphore(1)
  /** How many fibers have the connection, or have just got it: none or one. */
  let holders = 0
  const take = Effect.map(Effect.interruptible(turns.take(1)), () => {
    holders += 1
  })
  const giveBack = Effect.suspend(() => {
    holders -= 1
    return turns.release(1)
  })
  const readings = new Set<Reading>()
  const statements = statementsOn(database, cacheSizeOf(options), readings, onOpen)

  // While nobody has the connection, a statement needs no turn: it is over before another fiber has a step.
  const free = statements.waiting((attempt) =>
    Effect.withFiberRuntime((fiber) => (holders === 0 ? attempt(fiber) : turns.withPermits(1)(always(attempt))))
  )
  const reserved = statements.holding(always)
  const own: Seat = { database, connection: statements.holding(whileOpen(database)), run: runOn(statements) }
  const ownReading = readingSeat(database, statements)
  const reserveOwn: Effect.Effect<Connection, SqlError, Scope.Scope> = Effect.as(
    Effect.acquireRelease(take, () => giveBack),
    reserved
  )

  // In one step each, because every statement asks.
  const openIn = (context: Context.Context<never>): Option.Option<Transaction> =>
    Option.filter(Context.getOption(context, tag), ({ isOpen }) => isOpen)
  const open = Effect.withFiberRuntime<Option.Option<Transaction>>((fiber) =>
    Exit.succeed(openIn(fiber.currentContext))
  )
  const connectionIn = (context: Context.Context<never>): Connection => {
    const transaction = openIn(context)
    return Option.isSome(transaction) ? transaction.value.seat.connection : free
  }
  // Inside a `read` the program's own connection would be a way to write.
  const reserve = Effect.flatMap(open, (transaction) =>
    Option.isSome(transaction) && transaction.value.isReading
      ? Effect.succeed(transaction.value.seat.connection)
      : reserveOwn
  )
  const enter = <A, E, R>(place: Omit<Transaction, "isOpen">, body: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      const transaction: Transaction = { ...place, isOpen: true }
      const end = Effect.sync(() => {
        transaction.isOpen = false
      })
      return Effect.ensuring(Effect.provideService(body, tag, transaction), end)
    })

  const runWithEnds = <A, E, R>({ begin, commit, undo }: Ends, seat: Seat, body: Effect.Effect<A, E, R>) =>
    Effect.uninterruptibleMask((restore) => {
      // If the transaction has ended already, there is nothing to undo.
      const undoAll = Effect.suspend(() =>
        seat.database.inTransaction ? Effect.forEach(undo, seat.run, { discard: true }) : Effect.void
      )
      const committed = Effect.zipLeft(restore(body), seat.run(commit))
      return Effect.zipRight(
        seat.run(begin),
        Effect.onError(committed, () => Effect.ignoreLogged(undoAll))
      )
    })
  const outermost = { depth: 0, seat: own, isReading: false }
  const withTransaction = <A, E, R>(body: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
    Effect.flatMap(
      open,
      Option.match({
        // Without a scope of its own: resources of the body belong to the caller's scope.
        onNone: () =>
          Effect.acquireUseRelease(
            take,
            () => runWithEnds(whole, own, enter(outermost, body)),
            () => giveBack
          ),
        onSome: (outer) => {
          const depth = outer.depth + 1
          return runWithEnds(part(depth), outer.seat, enter({ ...outer, depth }, body))
        }
      })
    ).pipe(Effect.withSpan("sql.transaction", { kind: "client", attributes: spanAttributes, captureStackTrace: false }))

  return {
    connectionIn,
    placeIn: (context) =>
      Option.match(openIn(context), {
        onNone: () => "alone",
        onSome: ({ isReading }) => (isReading ? "reading" : "within")
      }),
    reserve,
    withTransaction,
    alone: (body) =>
      Effect.acquireUseRelease(
        take,
        () => body,
        () => giveBack
      ),
    within: (body) => enter(outermost, body),
    reading: (body, seat = ownReading) =>
      Effect.flatMap(open, (outer) =>
        enter({ depth: Option.isSome(outer) ? outer.value.depth : 0, seat, isReading: true }, body)
      ),
    readings,
    call: (question) => turns.withPermits(1)(always(statements.attempt(question))),
    forget: statements.forget,
    options,
    spanAttributes
  }
}
