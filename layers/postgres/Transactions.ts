/** Transactions on the connections of a pool, and which statements take part in them. */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type pg from "pg"
import { type Connections, endNow, type Held, sqlError } from "./Connections.ts"
import { answerOf, connectionOn, type Using } from "./Statements.ts"

/** How much a transaction sees of others (https://www.postgresql.org/docs/current/transaction-iso.html). */
export type Isolation = "read committed" | "repeatable read" | "serializable"

/** What a transaction is begun with. */
export interface TransactionOptions {
  /** How much it sees of others. Default `read committed`. */
  readonly isolation?: Isolation | undefined
  /** Whether PostgreSQL refuses every write in it. Default false. */
  readonly readOnly?: boolean | undefined
}

export interface Transactions {
  /** The connection to run a statement on: that of this fiber's transaction, or any. */
  readonly connected: Effect.Effect<Connection>
  readonly reserve: Effect.Effect<Connection, SqlError, Scope.Scope>
  /** The same connections for statements of the program, whose values are read as it has chosen. */
  readonly forProgram: {
    readonly connected: Effect.Effect<Connection>
    readonly reserve: Effect.Effect<Connection, SqlError, Scope.Scope>
  }
  /** Within another transaction it is a savepoint of that one, and the options are the other's. */
  readonly transaction: (
    options?: TransactionOptions
  ) => <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
  /** Whether this fiber is in a transaction of these connections. */
  readonly isWithin: Effect.Effect<boolean>
}

interface Transaction {
  readonly held: Held
  readonly depth: number
  readonly pair: Pair
  /** A fiber that outlives the transaction still sees it, and is outside it. */
  isOpen: boolean
}

/** One connection, as the library and as the program read its values. */
interface Pair {
  readonly own: Connection
  readonly forProgram: Connection
}

let pools = 0

export const transactionsOn = (
  connections: Connections,
  spanAttributes: Readonly<Record<string, unknown>>,
  types?: pg.CustomTypesConfig
): Transactions => {
  // A tag for each pool: a transaction on one database does not capture the statements on another.
  pools += 1
  const tag = Context.GenericTag<Transaction>(`database-ready/postgres/Transaction/${pools}`)
  const pairOn = (...how: readonly [Using, Effect.Effect<Held, SqlError, Scope.Scope>]): Pair => {
    const own = connectionOn(...how)
    return { own, forProgram: types === undefined ? own : connectionOn(...how, types) }
  }
  const free = pairOn(connections.using, connections.reserve)
  const on = (held: Held): Pair => pairOn((use) => use(held), Effect.succeed(held))

  const open = Effect.map(
    Effect.serviceOption(tag),
    Option.filter(({ isOpen }) => isOpen)
  )

  const pair = Effect.map(open, (transaction) => (Option.isSome(transaction) ? transaction.value.pair : free))

  const enter = <A, E, R>(held: Held, depth: number, pair: Pair, body: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      const transaction: Transaction = { held, depth, pair, isOpen: true }
      const end = Effect.sync(() => {
        transaction.isOpen = false
      })
      return Effect.ensuring(Effect.provideService(body, tag, transaction), end)
    })

  const outermost = <A, E, R>(options: TransactionOptions, body: Effect.Effect<A, E, R>) =>
    connections.using((held) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          yield* restore(answerOf(held, beginOf(options)))
          const exit = yield* Effect.exit(restore(enter(held, 0, on(held), body)))
          // What is interrupted does not wait for the server. Ending the connection rolls back.
          if (Exit.isInterrupted(exit)) endNow(held)
          else if (Exit.isFailure(exit)) {
            yield* Effect.orElse(restore(answerOf(held, "ROLLBACK")), () => Effect.sync(() => endNow(held)))
          }
          // A commit that fails, such as for a deferred constraint, is a failure of the transaction and no defect.
          else yield* restore(commit(held))
          return yield* exit
        })
      )
    )

  const savepoint = <A, E, R>({ depth, held, pair }: Transaction, body: Effect.Effect<A, E, R>) => {
    const name = `effect_sql_${depth + 1}`
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        yield* restore(answerOf(held, `SAVEPOINT ${name}`))
        const exit = yield* Effect.exit(restore(enter(held, depth + 1, pair, body)))
        // If this fails, so does the next statement of the outer transaction.
        if (Exit.isFailure(exit)) yield* Effect.ignore(answerOf(held, `ROLLBACK TO ${name}; RELEASE ${name}`))
        else yield* restore(answerOf(held, `RELEASE ${name}`))
        return yield* exit
      })
    )
  }

  return {
    connected: Effect.map(pair, ({ own }) => own),
    reserve: Effect.map(connections.reserve, (held) => on(held).own),
    forProgram: {
      connected: Effect.map(pair, ({ forProgram }) => forProgram),
      reserve: Effect.map(connections.reserve, (held) => on(held).forProgram)
    },
    isWithin: Effect.map(open, Option.isSome),
    transaction:
      (options = {}) =>
      (body) =>
        Effect.flatMap(
          open,
          Option.match({ onNone: () => outermost(options, body), onSome: (outer) => savepoint(outer, body) })
        ).pipe(
          Effect.withSpan("sql.transaction", { kind: "client", attributes: spanAttributes, captureStackTrace: false })
        )
  }
}

/** All of it is said: the defaults of a session can be another's choice. */
const beginOf = ({ isolation = "read committed", readOnly = false }: TransactionOptions): string =>
  `BEGIN ISOLATION LEVEL ${isolation.toUpperCase()} ${readOnly ? "READ ONLY" : "READ WRITE"}`

/** PostgreSQL answers ROLLBACK, and no error, where a statement had failed and the body went on. */
const commit = (held: Held): Effect.Effect<void, SqlError> =>
  Effect.flatMap(answerOf(held, "COMMIT"), (answer) =>
    "command" in answer && answer.command === "COMMIT"
      ? Effect.void
      : Effect.fail(sqlError(new Error("The transaction was rolled back: a statement in it had failed")))
  )
