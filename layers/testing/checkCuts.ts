/** What a list of migrations does depends neither on how many are pending at once nor on whether the database is new. */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { Migration } from "../start/MigrationSource.ts"
import { buildFrom, copyFile, expectAt, lookAt, startAt, temporaryFolder } from "./databases.ts"
import { type MigrationTest, type Prepared, prepare } from "./MigrationTest.ts"
import type { MigrationTestError } from "./MigrationTestError.ts"

/**
 * Checks that releases of the program may be skipped: from a new database, and from each version that has rows, the
 * migrations give the same schema and the same rows in whatever starts they are applied. Compared with one start for
 * each migration. Of the ways to cut a long list at most `limit` are tried for each beginning, always the same; default
 * 64. Gives how many were tried. Fails with a `MigrationTestError`, or as the rows do.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { Migrations } from "database-ready"
 * import { checkCuts } from "database-ready/testing"
 * import { Effect } from "effect"
 *
 * export const test = checkCuts({ migrations: Migrations.fromDirectory("migrations") }).pipe(
 *   Effect.provide(NodeContext.layer)
 * )
 * ```
 */
export const checkCuts = <E = never, R = never>(
  test: MigrationTest<E, R>,
  limit = 64
): Effect.Effect<number, MigrationTestError | E, FileSystem.FileSystem | Path.Path | R> =>
  Effect.gen(function* () {
    const prepared = yield* prepare(test)
    const beginnings = [undefined, ...prepared.list.filter(({ id }) => prepared.rows.has(id))]
    const counts = yield* Effect.forEach(beginnings, (begin) => Effect.scoped(cutsFrom(prepared, begin, limit)))
    return counts.reduce((sum, count) => sum + count, 0)
  })

const cutsFrom = <E, R>(prepared: Prepared<E, R>, begin: Migration | undefined, limit: number) =>
  Effect.gen(function* () {
    const pending = prepared.list.filter(({ id }) => begin === undefined || id > begin.id)
    if (pending.length === 0) return 0
    const origin = yield* buildFrom(prepared, begin?.version)
    const path = yield* Path.Path
    const applyIn = (stops: ReadonlyArray<Migration>) =>
      Effect.gen(function* () {
        const file = path.join(yield* temporaryFolder, "app.db")
        if (begin !== undefined) yield* copyFile(origin, file)
        const during = `From ${begin?.version ?? "nothing"} with stops at ${stops.map(({ version }) => version).join(", ")}`
        for (const { id } of stops) yield* Effect.scoped(startAt(prepared, file, during, { upTo: id }))
        return { file, during }
      })
    const reference = yield* applyIn(pending)
    const expected = yield* lookAt(prepared, reference.file, reference.during)
    const cuts = yield* cutsOf(pending, limit)
    yield* Effect.forEach(cuts, (stops) =>
      Effect.scoped(Effect.flatMap(applyIn(stops), ({ during, file }) => expectAt(prepared, file, during, expected)))
    )
    return cuts.length
  })

/** Lists of stops that end with the newest: all of them but one stop for each, or some. */
const cutsOf = (
  pending: ReadonlyArray<Migration>,
  limit: number
): Effect.Effect<ReadonlyArray<ReadonlyArray<Migration>>> => {
  const newest = pending.slice(-1)
  const earlier = pending.slice(0, -1)
  if (2 ** earlier.length <= limit) {
    const all = Array.from({ length: 2 ** earlier.length }, (_, mask) =>
      earlier.filter((_, index) => Math.floor(mask / 2 ** index) % 2 === 1)
    )
    return Effect.succeed((all.length > 1 ? all.slice(0, -1) : all).map((cut) => [...cut, ...newest]))
  }
  // Few stops in a long list leave many migrations to one start: that is where a difference would be.
  const random = Random.make("cuts")
  const stopsAt = Effect.map(
    Effect.all([random.nextIntBetween(0, earlier.length), random.nextIntBetween(0, earlier.length)]),
    (at) => [...earlier.filter((_, index) => at.includes(index)), ...newest]
  )
  return Effect.map(Effect.replicateEffect(stopsAt, Math.max(0, limit - 1)), (cuts) => [newest, ...cuts])
}
