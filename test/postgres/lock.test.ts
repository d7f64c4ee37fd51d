/** A lock by name on PostgreSQL. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { exitCodeOf, Migrations } from "../../layers/index.ts"
import { DatabaseReady, type LayerOptions, withAdvisoryLock } from "../../layers/postgres.ts"
import { hasPostgres, socketFolder } from "./cluster.ts"
import { ask, newDatabase, until, urlOf } from "./databases.ts"
import { cuttable } from "./proxy.ts"

/** A program on a database, and how it asks for a lock. */
const ready = (url: string, options: Partial<LayerOptions<never>> = {}) =>
  Effect.map(
    Layer.build(DatabaseReady.layer({ url, ...options, migrations: Migrations.fromRecord({}) })),
    (context) =>
      (...given: Parameters<typeof withAdvisoryLock>) =>
      <A, E>(body: Effect.Effect<A, E>) =>
        Effect.provide(withAdvisoryLock(...given)(body), context)
  )

const locks = (url: string) =>
  ask(
    url,
    "SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE locktype = 'advisory' AND datname = current_database()"
  )

describe.skipIf(!hasPostgres)("a lock by name", () => {
  it.scopedLive("lets one in at a time, of all programs on the database, and each gets its turn", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const programs = yield* Effect.forEach(Array.from({ length: 4 }), () => ready(url))
      let within = 0
      let most = 0
      const turns = yield* Effect.forEach(
        programs,
        (lock, index) =>
          Effect.gen(function* () {
            within += 1
            most = Math.max(most, within)
            yield* Effect.sleep("20 millis")
            within -= 1
            return index
          }).pipe(lock("turn", { patience: "1 minute" })),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual([turns, most], [[0, 1, 2, 3], 1])
      assert.deepStrictEqual(yield* locks(url), [])
    })
  )

  it.scopedLive("says who holds it, and is another one under another name or for the migrations", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const lock = yield* ready(url)
      const other = yield* ready(url)
      yield* lock("nightly")(
        Effect.gen(function* () {
          const [held] = yield* locks(url)
          const seen: Array<number> = []
          const error = yield* other("nightly", {
            patience: 0,
            onWaiting: (holders) => Effect.sync(() => seen.push(...holders.map(({ pid }) => pid)))
          })(Effect.void).pipe(Effect.flip)
          assert.deepStrictEqual([error._tag, error.reason, exitCodeOf(error)], ["AdvisoryLockError", "Held", 75])
          assert.match(error.sentence, new RegExp(`"nightly" is held by process ${held?.pid} \\(database-ready `))
          assert.deepStrictEqual(seen, [held?.pid])
          assert.strictEqual(yield* other("weekly")(Effect.succeed("in")), "in")
          // A start with something to apply.
          yield* Effect.scoped(
            Layer.build(
              DatabaseReady.layer({ url, migrations: Migrations.fromRecord({ "001_a.sql": "CREATE TABLE a ()" }) })
            )
          )
          // The one inside is part of the one outside.
          assert.strictEqual(yield* lock("nightly", { patience: 0 })(Effect.succeed("in")), "in")
        })
      )
    })
  )

  it.scopedLive("is released when its effect fails or is interrupted, and no wait outlives an interruption", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const lock = yield* ready(url)
      const error = yield* Effect.flip(lock("a")(Effect.fail("no luck" as const)))
      assert.strictEqual(error, "no luck")
      assert.deepStrictEqual(yield* locks(url), [])
      const begun = yield* Deferred.make<void>()
      const first = yield* Effect.fork(lock("a")(Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never)))
      yield* Deferred.await(begun)
      const waits = yield* Deferred.make<void>()
      const second = yield* Effect.fork(
        lock("a", { patience: "1 hour", onWaiting: () => Deferred.succeed(waits, undefined) })(Effect.void)
      )
      yield* Deferred.await(waits)
      yield* Fiber.interrupt(second)
      yield* Fiber.interrupt(first)
      yield* until(Effect.map(locks(url), (rows) => rows.length === 0))
    })
  )

  it.scopedLive("interrupts its effect once its connection is gone, and another program has it", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const [, name = ""] = /\/(\w+)\?/.exec(url) ?? []
      const { cut, folder } = yield* cuttable(yield* Effect.promise(socketFolder))
      const lock = yield* ready(urlOf(folder, name))
      const other = yield* ready(url)
      const begun = yield* Deferred.make<void>()
      let wasInterrupted = false
      const first = yield* Effect.fork(
        Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never).pipe(
          Effect.onInterrupt(() =>
            Effect.sync(() => {
              wasInterrupted = true
            })
          ),
          lock("a"),
          Effect.flip
        )
      )
      yield* Deferred.await(begun)
      cut()
      const error = yield* Fiber.join(first)
      assert.deepStrictEqual([error.reason, error.retryable, wasInterrupted], ["Lost", true, true])
      assert.strictEqual(yield* other("a")(Effect.succeed("mine")), "mine")
    })
  )
})
