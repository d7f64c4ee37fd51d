/** Databases for tests, each of its own and gone afterwards. */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import pg from "pg"
import { type ClientOptions, clientOf } from "../../layers/postgres/Client.ts"
import { type ConnectionsOptions, makeConnections } from "../../layers/postgres/Connections.ts"
import { addressOf } from "../../layers/postgres/DatabaseUrl.ts"
import { transactionsOn } from "../../layers/postgres/Transactions.ts"
import { socketFolder } from "./cluster.ts"

let databases = 0

/** The URL of a database on the server of the tests. */
export const urlOf = (folder: string, database: string, user = "owner"): string =>
  `postgres://${user}@/${database}?host=${encodeURIComponent(folder)}`

const connected = (url: string) =>
  Effect.promise(async () => {
    const address = addressOf(url)
    if (typeof address === "string") throw new Error(address)
    const client = new pg.Client(address)
    client.on("error", () => {})
    await client.connect()
    return client
  })

const rowsOn = (
  client: pg.Client,
  text: string,
  values: ReadonlyArray<unknown> = [],
  types: pg.CustomTypesConfig = pg.types
) =>
  Effect.map(
    Effect.promise(() => client.query({ text, values: [...values], types })),
    ({ rows }) => rows
  )

const close = (client: pg.Client) => Effect.promise(() => client.end())

/** Asks the server beside the library. `types` say how values are read, by default as `pg` does. */
export const ask = (url: string, text: string, values?: ReadonlyArray<unknown>, types?: pg.CustomTypesConfig) =>
  Effect.acquireUseRelease(connected(url), (client) => rowsOn(client, text, values, types), close)

/** The same on a connection that stays open until the scope closes, with what it locks. */
export const askAndStay = (url: string, text: string) =>
  Effect.flatMap(Effect.acquireRelease(connected(url), close), (client) => rowsOn(client, text))

const made = (from: string, collation = "") =>
  Effect.gen(function* () {
    const folder = yield* Effect.promise(socketFolder)
    databases += 1
    const name = `test_${process.pid}_${databases}`
    yield* ask(urlOf(folder, "postgres"), `CREATE DATABASE ${name} TEMPLATE ${from} STRATEGY file_copy ${collation}`)
    return urlOf(folder, name)
  })

/** The URL of a new and empty database. It goes with the server: dropping it takes longer than most tests. */
export const newDatabase = made("template0")

/** The same with a collation of people: `a` before `B`, and upper case after lower. */
export const collatedDatabase = made("template0", "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")

/** The URL of a copy of a database that nobody uses. */
export const copyOf = (url: string) => made(/\/(\w+)\?/.exec(url)?.[1] ?? "")

/** Everything that a refused start could have changed. */
export const contentsOf = (url: string) =>
  Effect.gen(function* () {
    const relations = yield* ask(
      url,
      `SELECT n.nspname, c.relname, c.relfilenode::int8, c.xmin::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 1, 2`
    )
    const schemas = yield* ask(url, "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_toast%' ORDER BY 1")
    const hasHistory = relations.some(({ relname }) => relname === "schema_migrations")
    return {
      relations,
      schemas,
      history: hasHistory ? yield* ask(url, "SELECT *, xmin::text FROM schema_migrations") : []
    }
  })

/** A client of the library on a URL, with nothing of a start. */
export const clientOn = (
  url: string,
  options: Partial<ConnectionsOptions> = {},
  { types }: Pick<ClientOptions, "types"> = {}
) =>
  Effect.gen(function* () {
    const address = addressOf(url)
    if (typeof address === "string") return yield* Effect.dieMessage(address)
    const connections = yield* makeConnections({
      ...address,
      maxConnections: 4,
      connectTimeout: Duration.seconds(2),
      idleTimeout: Duration.seconds(10),
      onConnect: () => Promise.resolve(),
      ...options
    })
    const transactions = transactionsOn(connections, {}, types)
    const sql = clientOf(connections, transactions, {}, {}, yield* Reactivity.make)
    return { sql, transaction: transactions.transaction }
  })

/** Waits until something is so, as the server tells. */
export const until = (question: Effect.Effect<boolean>) =>
  Effect.repeat(question, { until: (isSo) => isSo, schedule: Schedule.spaced("10 millis") })
