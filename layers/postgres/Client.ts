/**
 * The SQL client for the program: the interface of `@effect/sql` and `@effect/sql-pg` on our own pool. Statements,
 * compiler and reactivity are theirs; connections, running a statement and transactions are ours. The client of
 * `@effect/sql-pg` cancels an interrupted statement through another connection of its pool, which reaches statements of
 * other fibers, and waits for a host that is gone.
 */
import type { Reactivity } from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Statement from "@effect/sql/Statement"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type { Connections } from "./Connections.ts"
import { listenTo } from "./Notifications.ts"
import type { Transactions } from "./Transactions.ts"

/** What users of the client can choose, as for the client of `@effect/sql-pg`. */
export type ClientOptions = Pick<
  PgClient.PgClientConfig,
  "transformQueryNames" | "transformResultNames" | "transformJson" | "spanAttributes" | "types"
>

/** The client of these connections. */
export const clientOf = (
  connections: Connections,
  transactions: Transactions,
  spanAttributes: Readonly<Record<string, unknown>>,
  options: ClientOptions,
  reactivity: Reactivity.Service
): PgClient.PgClient => {
  const { forProgram, transaction } = transactions
  const { connected, reserve } = forProgram
  const { database, host, password, port, user } = connections.address
  const methods: Omit<Made, keyof Statement.Constructor> = {
    [SqlClient.TypeId]: SqlClient.TypeId,
    [PgClient.TypeId]: PgClient.TypeId,
    config: {
      ...options,
      host,
      port,
      database,
      username: user,
      password: password === undefined ? undefined : Redacted.make(password)
    },
    withTransaction: transaction(),
    reserve,
    reactive: reactivity.stream,
    reactiveMailbox: reactivity.query,
    json,
    listen: (channel) => listenTo(connections, channel),
    // By the function: the statement takes no parameters. In a transaction it is sent with the commit.
    notify: (channel, payload) =>
      Effect.asVoid(
        Effect.flatMap(connected, (connection) => connection.executeRaw("SELECT pg_notify($1, $2)", [channel, payload]))
      )
  }
  const { transformJson, transformQueryNames, transformResultNames: rename } = options
  const compiler = PgClient.makeCompiler(transformQueryNames, transformJson)
  const attributes = Object.entries(spanAttributes)
  const plain = asClient(
    // A separate acquirer for each client: `Statement.make` caches constructors by it.
    Object.assign(
      Statement.make(Effect.map(connected, identity), compiler.withoutTransform, attributes, undefined),
      methods
    )
  )
  if (rename === undefined && transformQueryNames === undefined) return plain
  const transform = rename && Statement.defaultTransforms(rename, transformJson).array
  return asClient(Object.assign(Statement.make(connected, compiler, attributes, transform), methods), plain)
}

/** By the name that the compiler of `@effect/sql-pg` knows. */
const json = Statement.custom<Statement.Custom<"PgJson", unknown>>("PgJson")

/** The client without its copies. */
type Made = Omit<PgClient.PgClient, "safe" | "withoutTransforms">

/** Adds the copies. `plain`: the client without transformations, by default itself. */
const asClient = (made: Made, plain?: PgClient.PgClient): PgClient.PgClient => {
  const client = Object.assign(made, { safe: made, withoutTransforms: () => plain ?? made })
  if (!isClient(client)) throw new TypeError("A client has the type ids of its two packages.")
  return client
}

const isClient = (made: object): made is PgClient.PgClient =>
  Predicate.hasProperty(made, SqlClient.TypeId) && Predicate.hasProperty(made, PgClient.TypeId)
