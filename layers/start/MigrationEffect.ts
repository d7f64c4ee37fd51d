/** A migration that is an Effect, with its requirements and its errors in the types. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { type Declaration, plain } from "../schema/Declaration.ts"
import type { EffectBody, Migration, Migrations } from "./MigrationSource.ts"
import { MigrationSourceError } from "./MigrationSourceError.ts"

/** What a file says at its head, and a version. */
export interface EffectFacts extends Partial<Declaration> {
  /** As in `EffectBody`: change it with every edit. Without one an edit is not seen. */
  readonly version?: string | undefined
}

/** One migration that needs `R` and may fail with `E`. */
export type EffectMigrations<E, R> = Migrations<R> & {
  /**
   * What the Effect failed with, if a start was refused because of it. Takes anything, such as an `InitializationError`.
   * Knows failures that are objects, as tagged errors are; for a failure that is a string, look at the error's `cause`.
   */
  readonly failureIn: (error: unknown) => Option.Option<E>
}

/**
 * A migration that is an Effect. What it needs besides `SqlClient` is required by the layer that starts the database,
 * and is there before the start. It runs within the transaction of the start, on its connection. Read from services,
 * and change nothing through them: a transaction that is rolled back does not undo it, and the Effect runs again in
 * memory where the schema has to be compared. Fails with `MigrationSourceError` where the title is not `NNN_name`.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { SqlClient } from "@effect/sql"
 * import { DatabaseReady, Migrations } from "database-ready"
 * import { Context, Data, Effect, Layer, Option } from "effect"
 *
 * class Regions extends Context.Tag("Regions")<Regions, { readonly byCity: ReadonlyMap<string, string> }>() {}
 * class UnknownCity extends Data.TaggedError("UnknownCity")<{ readonly city: string }> {}
 *
 * const addRegions = Migrations.fromEffect(
 *   "002_add_regions",
 *   Effect.gen(function* () {
 *     const sql = yield* SqlClient.SqlClient
 *     const { byCity } = yield* Regions
 *     for (const { city } of yield* sql<{ city: string }>`SELECT DISTINCT city FROM shops`) {
 *       const region = byCity.get(city)
 *       if (region === undefined) return yield* new UnknownCity({ city })
 *       yield* sql`UPDATE shops SET region = ${region} WHERE city = ${city}`
 *     }
 *   }),
 *   { version: "1" }
 * )
 *
 * // Layer<..., InitializationError, Regions | FileSystem | Path>
 * export const Database = DatabaseReady.layer({
 *   filename: "data/app.db",
 *   migrations: Migrations.all(Migrations.fromDirectory("migrations"), addRegions)
 * })
 *
 * export const program = Layer.launch(Database).pipe(
 *   Effect.tapError((error) =>
 *     Option.match(addRegions.failureIn(error), {
 *       onNone: () => Effect.void,
 *       // SqlError | UnknownCity
 *       onSome: (failure) => (failure._tag === "UnknownCity" ? Effect.logError(`Add the region of ${failure.city}`) : Effect.void)
 *     })
 *   ),
 *   Effect.provideService(Regions, { byCity: new Map([["Basel", "north"]]) }),
 *   Effect.provide(NodeContext.layer)
 * )
 * ```
 */
export const fromEffect = <E, R>(
  title: string,
  run: Effect.Effect<unknown, E, R>,
  { version: ofBody, ...declared }: EffectFacts = {}
): EffectMigrations<E, Exclude<R, SqlClient.SqlClient>> => {
  // Known by identity, so that its type is that of this Effect.
  const failures = new WeakMap<object, E>()
  const remembering = Effect.tapError(run, (failure) =>
    Effect.sync(() => (Predicate.isObject(failure) ? failures.set(failure, failure) : undefined))
  )
  const migrations = Effect.flatMap(Effect.context<Exclude<R, SqlClient.SqlClient>>(), (needs): Migrations => {
    const [, version = "", name = ""] = /^(\d{1,15})_([^/\\]+)$/.exec(title) ?? []
    if (version === "") return Effect.fail(badTitle(title))
    const body: EffectBody = {
      _tag: "Effect",
      // The client of the start, whatever other client the service has.
      run: Effect.flatMap(SqlClient.SqlClient, (client) =>
        Effect.mapInputContext(
          Effect.provideService(remembering, SqlClient.SqlClient, client),
          (context: Context.Context<never>) => Context.merge(needs, context)
        )
      ),
      version: ofBody
    }
    const migration: Migration = {
      id: Number(version),
      version,
      name,
      checksum: "effect",
      declared: { ...plain, ...declared },
      body
    }
    return Effect.succeed([migration])
  })
  return Object.assign(migrations, {
    failureIn: (error: unknown) => {
      const cause = Predicate.hasProperty(error, "cause") ? error.cause : undefined
      return Predicate.isObject(cause) ? Option.fromNullable(failures.get(cause)) : Option.none()
    }
  })
}

const badTitle = (path: string) =>
  new MigrationSourceError({
    reason: "BadName",
    path,
    detail: "the title given to Migrations.fromEffect",
    code: "",
    retryable: false,
    cure: "Write it as NNN_name, for example 003_merge_owners."
  })
