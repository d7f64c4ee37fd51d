/**
 * The SQL client for the program: the interface of `@effect/sql` and `@effect/sql-sqlite-node` on our open connection.
 * Statements, compiler and reactivity are theirs; running a statement and transactions are ours.
 */
import type { Reactivity } from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import * as Statement from "@effect/sql/Statement"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { sqlError, type TransformRows } from "./ClientConnection.ts"
import { plainStatements } from "./PlainStatements.ts"
import { extend, type Sqlite } from "./Sqlite.ts"
import type { Transactions } from "./Transactions.ts"

/** A connection, and the transactions on it. */
export type Connected = Sqlite & Transactions

/** The client of a connection. `reactivity` is asked for when it is first used. `withTransaction` replaces the connection's own. */
export const clientOf = (
  { call, connectionIn, database, forget, options, reserve, spanAttributes, ...own }: Connected,
  reactivity: Effect.Effect<Reactivity.Service>,
  withTransaction: SqlClient.SqlClient["withTransaction"] = own.withTransaction
): SqliteClient.SqliteClient => {
  const methods: Omit<Made, keyof Statement.Constructor> = {
    [SqlClient.TypeId]: SqlClient.TypeId,
    [SqliteClient.TypeId]: SqliteClient.TypeId,
    config: { filename: database.name, ...options },
    withTransaction,
    reserve,
    reactive: (keys, effect) => Stream.unwrap(Effect.map(reactivity, ({ stream }) => stream(keys, effect))),
    reactiveMailbox: (keys, effect) => Effect.flatMap(reactivity, ({ query }) => query(keys, effect)),
    export: call(() => database.serialize()),
    // Other statements run meanwhile; SQLite makes it wait for a transaction
    // (https://sqlite.org/c3ref/backup_finish.html).
    backup: (destination: string) =>
      Effect.tryPromise({
        try: () => database.backup(destination),
        catch: (thrown) => sqlError(database, thrown)
      }),
    loadExtension: (path: string) =>
      call(() => {
        extend(database, path)
        forget()
      })
  }
  const compiler = Statement.makeCompilerSqlite(options.transformQueryNames)
  const attributes = Object.entries(spanAttributes)
  const statements = (compiler: Statement.Compiler, transformRows: TransformRows) => {
    // A separate acquirer for each client: `Statement.make` caches constructors by it.
    const connected = Effect.withFiberRuntime<Connection>((fiber) => Exit.succeed(connectionIn(fiber.currentContext)))
    const made = Statement.make(connected, compiler, attributes, transformRows)
    return plainStatements(made, { connectionIn, transformRows })
  }
  const plain = asClient(Object.assign(statements(compiler.withoutTransform, undefined), methods))
  const { transformResultNames: rename } = options
  if (rename === undefined && options.transformQueryNames === undefined) return plain
  const transform = rename && Statement.defaultTransforms(rename).array
  return asClient(Object.assign(statements(compiler, transform), methods), plain)
}

/** The client without its copies and without `updateValues`, which SQLite does not have. */
type Made = Omit<SqliteClient.SqliteClient, "safe" | "withoutTransforms" | "updateValues">

/** Adds the copies. `plain`: the client without transformations, by default itself. */
const asClient = (made: Made, plain?: SqliteClient.SqliteClient): SqliteClient.SqliteClient => {
  const copies = { safe: made, withoutTransforms: () => plain ?? made }
  const client = Object.assign(made, copies)
  if (!isClient(client)) throw new TypeError("A client has the type ids of its two packages.")
  return client
}

const isClient = (made: object): made is SqliteClient.SqliteClient =>
  Predicate.hasProperty(made, SqlClient.TypeId) && Predicate.hasProperty(made, SqliteClient.TypeId)
