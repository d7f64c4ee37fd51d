/** Many processes that start at one moment. */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { buildFrom, copyFile, expectAt, lookAt, temporaryFolder } from "./databases.ts"
import { prepare } from "./MigrationTest.ts"
import type { MigrationTestError } from "./MigrationTestError.ts"
import { expectReady, initProgram, type ProgramTest, runWithin } from "./programs.ts"

/**
 * Starts the program many times at one moment on one database, `starters` of them, default 8. Each has to end with 0.
 * Whenever one has, the database must be ready, with the schema and the rows that one start alone gives. Fails with a
 * `MigrationTestError`, or as the rows do.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { Migrations } from "database-ready"
 * import { checkRace } from "database-ready/testing"
 * import { Effect } from "effect"
 *
 * // Your own program: it starts, and ends.
 * const command = (file: string) => [process.execPath, "dist/migrate.js", file] as const
 *
 * export const test = checkRace({ migrations: Migrations.fromDirectory("migrations"), command }, 4).pipe(
 *   Effect.provide(NodeContext.layer)
 * )
 * ```
 */
export const checkRace = <E = never, R = never>(
  { command, from, patience, ...test }: ProgramTest<E, R>,
  starters = 8
): Effect.Effect<void, MigrationTestError | E, FileSystem.FileSystem | Path.Path | R> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const prepared = yield* prepare(test)
    const commandFor = command ?? (yield* initProgram(prepared))
    const run = runWithin(patience)
    const file = yield* buildFrom(prepared, from)
    const alone = path.join(yield* temporaryFolder, "app.db")
    if (from !== undefined) yield* copyFile(file, alone)
    const during = `${starters} starts at one moment from ${from ?? "nothing"}`
    yield* Effect.flatMap(run(commandFor(alone), "One start alone"), (ended) => expectReady(ended, "One start alone"))
    const expected = yield* lookAt(prepared, alone, "One start alone")
    const starter = Effect.gen(function* () {
      yield* expectReady(yield* run(commandFor(file), during), during)
      yield* expectAt(prepared, file, during, expected)
    })
    yield* Effect.all(Effect.replicate(starter, starters), { concurrency: "unbounded", discard: true })
  }).pipe(Effect.scoped, Effect.withClock(Clock.make()))
