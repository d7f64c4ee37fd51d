/**
 * A lock by name, for all programs on one database: PostgreSQL's advisory lock of a session. The server releases it
 * with the connection that has it, whatever ends that connection
 * (https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS).
 */
import { hash } from "node:crypto"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import pg from "pg"
import type { Holder } from "../machine/FileLocks.ts"
import { whileAnotherWorks } from "../start/policy.ts"
import { AdvisoryLockError } from "./AdvisoryLockError.ts"
import type { Connections } from "./Connections.ts"
import { DatabaseReady } from "./DatabaseReady.ts"
import type { Row } from "./History.ts"
import type { PostgresConfig } from "./PostgresConfig.ts"
import { PostgresFailure } from "./PostgresFailure.ts"
import { holdersIn, holdersStatement } from "./Session.ts"
import { setUp } from "./Settings.ts"
import { type Innards, innards } from "./startDatabase.ts"

/** How a lock by name is asked for. */
export interface AdvisoryLockOptions {
  /** How long to go on asking while another program has it; 0 asks once. Default `lockPatience`, which is 5 s. */
  readonly patience?: Duration.DurationInput | undefined
  /** Called each time that another program is seen to have it. Default none. */
  readonly onWaiting?: ((holders: ReadonlyArray<Holder>) => Effect.Effect<unknown>) | undefined
}

/** Another key than that of the migrations in the same schema. */
const keyOf = (schema: string, name: string): string =>
  BigInt.asIntN(
    64,
    BigInt(`0x${hash("sha256", `database-ready lock\0${schema}\0${name}`, "hex").slice(0, 16)}`)
  ).toString()

/** A connection that nothing else uses, and what tells that it is gone. */
interface Line {
  readonly ask: (text: string) => Effect.Effect<ReadonlyArray<Row>, PostgresFailure>
  readonly gone: Effect.Effect<PostgresFailure>
}

/** A fiber that outlives the effect still sees it, and is outside it. */
interface Own {
  isHeld: boolean
}

/**
 * Runs an effect while this program alone has a lock of that name, among all programs on the schema of `DatabaseReady`.
 * The lock is released when the effect ends, and by the server when the program or its machine does. It has a connection
 * of its own beside the pool; when that is lost, the effect is interrupted. Within the same lock the effect is part of
 * the outer one. Fails with `AdvisoryLockError`, which says who has the lock.
 *
 * @example
 * ```ts
 * import { withAdvisoryLock } from "database-ready/postgres"
 * import { Effect } from "effect"
 *
 * export const nightly = (job: Effect.Effect<void>) => job.pipe(withAdvisoryLock("nightly", { patience: "1 minute" }))
 * ```
 */
export const withAdvisoryLock =
  (name: string, options: AdvisoryLockOptions = {}) =>
  <A, E, R>(body: Effect.Effect<A, E, R>): Effect.Effect<A, E | AdvisoryLockError, R | DatabaseReady> =>
    Effect.flatMap(DatabaseReady, (ready) => {
      const known = innards.get(ready)
      if (known === undefined) {
        return new AdvisoryLockError({
          ...facts,
          reason: "Unreachable",
          lock: name,
          detail: "no start made this DatabaseReady"
        })
      }
      const tag = tagOf(ready, keyOf(known.config.schema, name))
      return Effect.flatMap(Effect.serviceOption(tag), (own) =>
        Option.isSome(own) && own.value.isHeld ? body : locked(known, name, options, tag, body)
      )
    })

const facts = { holders: [], detail: "", code: "", retryable: true }

/** One map for each ready database: another one, even at the same URL, has locks of its own. */
const tags = new WeakMap<object, Map<string, Context.Tag<Own, Own>>>()
const tagOf = (ready: object, key: string): Context.Tag<Own, Own> => {
  const known = tags.get(ready) ?? new Map<string, Context.Tag<Own, Own>>()
  tags.set(ready, known)
  made += known.has(key) ? 0 : 1
  const tag = known.get(key) ?? Context.GenericTag<Own>(`database-ready/postgres/AdvisoryLock/${made}`)
  known.set(key, tag)
  return tag
}
let made = 0

const locked = <A, E, R>(
  { config, connections }: Innards,
  name: string,
  { onWaiting = () => Effect.void, patience = config.lockPatience }: AdvisoryLockOptions,
  tag: Context.Tag<Own, Own>,
  body: Effect.Effect<A, E, R>
): Effect.Effect<A, E | AdvisoryLockError, R> => {
  const key = keyOf(config.schema, name)
  const refuse = (reason: AdvisoryLockError["reason"], more: Partial<AdvisoryLockError>) =>
    new AdvisoryLockError({ ...facts, reason, lock: name, database: config.database, ...more })
  const unreachable = ({ code, detail, retryable }: PostgresFailure) =>
    refuse("Unreachable", { code, detail, retryable })
  return Effect.gen(function* () {
    const line = yield* Effect.mapError(lineTo(connections, config), unreachable)
    yield* Effect.gen(function* () {
      const [row] = yield* line.ask(`SELECT pg_try_advisory_lock(${key}) AS locked`)
      if (row?.["locked"] === true) return
      const holders = holdersIn(yield* line.ask(holdersStatement(key)))
      yield* onWaiting(holders)
      return yield* refuse("Held", { holders })
    }).pipe(
      Effect.retry({
        schedule: Schedule.intersect(whileAnotherWorks, Schedule.upTo(Schedule.forever, patience)),
        while: ({ _tag }) => _tag === "AdvisoryLockError"
      }),
      Effect.catchTag("PostgresFailure", unreachable)
    )
    // Unlock now: otherwise others wait until the server has noticed that the connection is gone.
    yield* Effect.addFinalizer(() =>
      line.ask(`SELECT pg_advisory_unlock(${key})`).pipe(Effect.timeout("1 second"), Effect.ignore)
    )
    const own: Own = { isHeld: true }
    const lost = Effect.flatMap(line.gone, ({ code, detail }) => refuse("Lost", { code, detail }))
    return yield* Effect.raceFirst(Effect.provideService(body, tag, own), lost).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          own.isHeld = false
        })
      )
    )
  }).pipe(Effect.scoped)
}

/**
 * How often a connection that has a lock is asked whether it is still there, and how long it may take to answer: less
 * than the server takes to release the lock of a client that is gone (`tcp_keepalives_*`), so that two never have it.
 */
const beat = { interval: "1 second", patience: "2 seconds" } as const

/** Closed with the scope. Its settings are those of every session: with them the server notices that we are gone. */
const lineTo = ({ config }: Connections, settings: PostgresConfig): Effect.Effect<Line, PostgresFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const ended = yield* Deferred.make<PostgresFailure>()
    const end = (error: Error) => Deferred.unsafeDone(ended, Effect.succeed(PostgresFailure.from(error)))
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const client = new pg.Client(config)
        client.on("error", end)
        client.on("end", () => end(new Error("Connection terminated unexpectedly")))
        return client
      }),
      (client) => Effect.sync(() => client.connection.stream.destroy())
    )
    const gone = Deferred.await(ended)
    yield* Effect.raceFirst(
      Effect.tryPromise({
        try: () => client.connect().then(() => setUp(client, settings)),
        catch: PostgresFailure.from
      }),
      Effect.flip(gone)
    )
    const ask: Line["ask"] = (text) =>
      Effect.async<ReadonlyArray<Row>, PostgresFailure>((resume) => {
        client.query(text, (error: Error | null, answer: pg.QueryResult<Row>) =>
          resume(error ? Effect.fail(PostgresFailure.from(error)) : Effect.succeed(answer.rows))
        )
      })
    yield* ask("SELECT 1").pipe(
      Effect.timeoutFail({
        duration: beat.patience,
        onTimeout: () => PostgresFailure.from(new Error("timeout expired"))
      }),
      Effect.repeat(Schedule.spaced(beat.interval)),
      Effect.catchAll((failure) => Deferred.succeed(ended, failure)),
      Effect.forkScoped
    )
    return { ask, gone }
  })
