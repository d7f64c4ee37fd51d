/** Connections to one database, from `pg`'s pool. */
import { SqlError } from "@effect/sql/SqlError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import pg from "pg"
import type { Address } from "./DatabaseUrl.ts"
import { codeAndDetail, PostgresFailure } from "./PostgresFailure.ts"
import { types } from "./types.ts"

export interface ConnectionsOptions extends Address {
  /** How many connections at most. */
  readonly maxConnections: number
  /** How long a connection may take: the name, the line, TLS, the password, the settings. */
  readonly connectTimeout: Duration.Duration
  /** How long a connection that nobody uses stays. */
  readonly idleTimeout: Duration.Duration
  /** Sets up a connection before anyone has it. One that fails ends the connection. */
  readonly onConnect: (client: pg.ClientBase) => Promise<void>
}

/** One connection, while a fiber has it. */
export interface Held {
  readonly client: pg.PoolClient
  /** It was ended by an interruption: what runs on it next fails at once. */
  isEnded: boolean
}

export interface Connections {
  /** A connection while an effect uses it. A fiber that is interrupted while it waits for one stops waiting. */
  readonly using: <A, E, R>(use: (held: Held) => Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
  /** A connection until the scope closes. */
  readonly reserve: Effect.Effect<Held, SqlError, Scope.Scope>
  readonly address: Address
  /** What `pg` is given for one more connection, beside the pool. */
  readonly config: pg.ClientConfig
}

export const sqlError = (thrown: unknown): SqlError =>
  new SqlError({ cause: thrown, message: codeAndDetail(PostgresFailure.from(thrown)) })

/**
 * Ends a connection at once, without asking the server: it may be gone. A server that is there ends the statement when
 * it next writes to the line, or looks at it (`client_connection_check_interval`).
 */
export const endNow = (held: Held): void => {
  held.isEnded = true
  held.client.connection.stream.destroy()
}

/** Opens none before the first is wanted. All are closed with the scope. */
export const makeConnections = (options: ConnectionsOptions): Effect.Effect<Connections, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => openPool(options)),
      closePool
    ),
    ({ address, config, pool }) => {
      /** The pool may call back after the fiber was interrupted: the connection then goes back to the pool. */
      const taken = (restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) =>
        Effect.suspend(() => {
          let client: pg.PoolClient | undefined
          let isWanted = true
          const giveBack = Effect.sync(() => {
            isWanted = false
            client?.release()
          })
          return restore(
            Effect.async<Held, SqlError>((resume) => {
              pool.connect((error, got) => {
                if (got === undefined) return resume(Effect.fail(sqlError(error)))
                if (!isWanted) return got.release()
                client = got
                resume(Effect.succeed({ client: got, isEnded: false }))
              })
            })
          ).pipe(Effect.onInterrupt(() => giveBack))
        })
      const release = (held: Held) =>
        Effect.sync(() => {
          // Nobody else gets a connection on which a transaction was left open: ending it rolls it back.
          const isClean = !held.isEnded && held.client.getTransactionStatus() === "I"
          if (!isClean) endNow(held)
          held.client.release(!isClean)
        })
      return {
        using: (use) =>
          Effect.uninterruptibleMask((restore) =>
            Effect.flatMap(taken(restore), (held) => Effect.ensuring(restore(use(held)), release(held)))
          ),
        reserve: Effect.uninterruptibleMask((restore) =>
          Effect.tap(taken(restore), (held) => Effect.addFinalizer(() => release(held)))
        ),
        address,
        config
      }
    }
  )

const openPool = ({ connectTimeout, idleTimeout, maxConnections, onConnect, ...address }: ConnectionsOptions) => {
  const config: pg.ClientConfig = {
    ...address,
    connectionTimeoutMillis: Duration.toMillis(connectTimeout),
    // Without it a client that only waits never notices that its line was cut.
    keepAlive: true,
    keepAliveInitialDelayMillis: 2000,
    types
  }
  const clients = new Set<pg.PoolClient>()
  const pool = new pg.Pool({
    ...config,
    max: maxConnections,
    idleTimeoutMillis: Duration.toMillis(idleTimeout),
    onConnect: (client) => {
      // One that is lost while somebody has it fails its statements. Without a listener it would end the process too.
      client.on("error", () => {})
      return onConnect(client)
    }
  })
  // The same for one that nobody has: the pool drops it.
  pool.on("error", () => {})
  pool.on("connect", (client) => clients.add(client))
  pool.on("remove", (client) => clients.delete(client))
  return { address, clients, config, pool }
}

/** A server that is there says farewell within the second. */
const closePool = ({ clients, pool }: ReturnType<typeof openPool>) =>
  Effect.async<void>((resume) => {
    pool.end(() => resume(Effect.void))
  }).pipe(
    Effect.interruptible,
    Effect.timeoutOption("1 second"),
    Effect.zipRight(
      Effect.sync(() => {
        for (const client of clients) client.connection.stream.destroy()
      })
    )
  )
