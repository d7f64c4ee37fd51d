/**
 * The SQL client that is handed out: the interface of `@effect/sql` and `@effect/sql-sqlite-node` on a connection
 * that is open already. Statement, compiler and reactivity are theirs; what runs a statement and what a transaction
 * is are ours.
 */
import type { Reactivity } from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Statement from "@effect/sql/Statement"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Predicate from "effect/Predicate"
import { sqlError } from "./ClientConnection.ts"
import type { Sqlite } from "./Sqlite.ts"
import type { Transactions } from "./Transactions.ts"

/** A connection, and the transactions on it. */
export type Connected = Sqlite & Transactions

/** The client of a connection. `withTransaction` in the place of the connection's own, where there is more to it. */
export const clientOf = (
  { call, connected, database, forget, options, reserve, spanAttributes, ...own }: Connected,
  reactivity: Reactivity.Service,
  withTransaction: SqlClient.SqlClient["withTransaction"] = own.withTransaction
): SqliteClient.SqliteClient => {
  const methods: Omit<Made, keyof Statement.Constructor> = {
    [SqlClient.TypeId]: SqlClient.TypeId,
    [SqliteClient.TypeId]: SqliteClient.TypeId,
    config: { filename: database.name, ...options },
    withTransaction,
    reserve,
    reactive: reactivity.stream,
    reactiveMailbox: reactivity.query,
    export: call(() => database.serialize()),
    // It goes on beside others' statements; SQLite lets it wait for a transaction (https://sqlite.org/c3ref/backup_finish.html).
    backup: (destination: string) =>
      Effect.tryPromise({
        try: () => database.backup(destination),
        catch: (thrown) => sqlError(database, thrown)
      }),
    loadExtension: (path: string) =>
      call(() => {
        database.loadExtension(path)
        forget()
      })
  }
  const compiler = Statement.makeCompilerSqlite(options.transformQueryNames)
  const attributes = Object.entries(spanAttributes)
  const plain = asClient(
    // An acquirer for each of the two: constructors are kept by it.
    Object.assign(
      Statement.make(Effect.map(connected, identity), compiler.withoutTransform, attributes, undefined),
      methods
    )
  )
  const { transformResultNames: rename } = options
  if (rename === undefined && options.transformQueryNames === undefined) return plain
  const transform = rename && Statement.defaultTransforms(rename).array
  return asClient(Object.assign(Statement.make(connected, compiler, attributes, transform), methods), plain)
}

/** All of the client but its copies, and `updateValues`, which SQLite has not: its type has no value. */
type Made = Omit<SqliteClient.SqliteClient, "safe" | "withoutTransforms" | "updateValues">

/** Adds the copies; `plain` is the one without transformations, itself by default. */
const asClient = (made: Made, plain?: SqliteClient.SqliteClient): SqliteClient.SqliteClient => {
  const copies = { safe: made, withoutTransforms: () => plain ?? made }
  const client = Object.assign(made, copies)
  if (!isClient(client)) throw new TypeError("A client has the type ids of its two packages.")
  return client
}

const isClient = (made: object): made is SqliteClient.SqliteClient =>
  Predicate.hasProperty(made, SqlClient.TypeId) && Predicate.hasProperty(made, SqliteClient.TypeId)
