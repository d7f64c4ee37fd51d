/** Migrations that are Effects. */

import type * as Migrator from "@effect/sql/Migrator"
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { type Declaration, plain } from "../schema/Declaration.ts"
import { describeCause } from "./CauseDetail.ts"
import { type EffectBody, type Migration, type Migrations, titleOf } from "./MigrationSource.ts"
import { MigrationSourceError } from "./MigrationSourceError.ts"
import { badDeclaration } from "./MigrationTexts.ts"

/**
 * The Effects of a loader of `@effect/sql`'s `Migrator`. A loader knows its numbers as numbers, so
 * that the version is written with at least three digits. What a file says at its head is given here by
 * title: `{ "003_merge_owners": { deletes: ["owners"], version: "1" } }`. Change the `version` whenever the Effect
 * is edited: it is compared with the one that was applied. Without one an edited Effect is not seen. Fails with
 * `MigrationSourceError`.
 *
 * @example
 * ```ts
 * import * as Migrator from "@effect/sql/Migrator"
 * import * as SqlClient from "@effect/sql/SqlClient"
 * import { Migrations } from "database-ready"
 * import { Effect } from "effect"
 *
 * const mergeOwners = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`DELETE FROM owners WHERE name = ''`)
 *
 * export const migrations = Migrations.fromLoader(Migrator.fromRecord({ "003_merge_owners": mergeOwners }), {
 *   "003_merge_owners": { deletes: ["owners"], version: "1" }
 * })
 * ```
 */
export const fromLoader = <R>(
  loader: Migrator.Loader<R>,
  declarations: Readonly<
    Record<
      string,
      Partial<Declaration> & {
        /** As in `EffectBody`. */
        readonly version?: string | undefined
      }
    >
  > = {}
): Migrations<R> =>
  Effect.gen(function* () {
    const resolved = yield* Effect.catchAllCause(loader, (cause) =>
      Cause.isInterruptedOnly(cause) ? Effect.interrupt : notLoadedFor(cause)
    )
    const odd = resolved.find(([id]) => !isVersion(id))
    if (odd !== undefined) return yield* notLoaded(`${odd[0]}, the number of ${odd[1]}, cannot be a version`)
    const migrations = resolved.map(([id, name, load]): Migration => {
      const version = String(id).padStart(3, "0")
      const { version: ofBody, ...given } = declarations[titleOf({ version, name })] ?? {}
      const body: EffectBody = { ...effectOf(load), version: ofBody }
      return { id, version, name, checksum: "effect", declared: { ...plain, ...given }, body }
    })
    const titles = new Set(migrations.map(titleOf))
    const stray = Object.keys(declarations).find((title) => !titles.has(title))
    return stray === undefined ? migrations : yield* badDeclaration(stray, "the loader has no migration of that title")
  })

/** As in the name of a file: 15 digits at most, which a number holds exactly. */
const isVersion = (id: number): boolean => Number.isInteger(id) && id >= 0 && id < 1e15

const effectOf = (load: Effect.Effect<unknown, unknown, SqlClient.SqlClient>): EffectBody => ({
  _tag: "Effect",
  run: Effect.flatten(loaded(load))
})

const notLoaded = (detail: string, facts: { readonly cause?: unknown } = {}) =>
  new MigrationSourceError({ reason: "NotLoaded", path: "the loader", detail, code: "", retryable: false, ...facts })

const notLoadedFor = (failed: Cause.Cause<unknown>) => {
  const { cause, detail } = describeCause(failed)
  return notLoaded(detail, { cause })
}

/** A loader gives an Effect, or a module whose default export is one. */
export const loaded = (
  load: Effect.Effect<unknown, unknown, SqlClient.SqlClient>
): Effect.Effect<Effect.Effect<unknown, unknown, SqlClient.SqlClient>, unknown, SqlClient.SqlClient> =>
  Effect.catchAllDefect(load, (thrown) => Effect.fail(notLoadedFor(Cause.die(thrown)))).pipe(
    Effect.map(defaultExport),
    Effect.flatMap((value) =>
      isMigrationEffect(value) ? Effect.succeed(value) : Effect.fail(notLoaded("its default export is not an Effect"))
    )
  )

const defaultExport = (module: unknown): unknown =>
  typeof module === "object" && module !== null && !Effect.isEffect(module) && "default" in module
    ? defaultExport(module.default)
    : module

const isMigrationEffect = (value: unknown): value is Effect.Effect<unknown, unknown, SqlClient.SqlClient> =>
  Effect.isEffect(value)
