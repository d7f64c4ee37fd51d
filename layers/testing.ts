/**
 * For the tests of programs that embed the library.
 *
 * @packageDocumentation
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import { DatabaseReady } from "./sqlite/DatabaseReady.ts"
import type { InitializationError } from "./sqlite/InitializationReport.ts"
import type { Migrations } from "./start/MigrationSource.ts"

export { type LintOptions, type LintReport, lint } from "./operate/Lint.ts"
export type { LintCode, LintFinding, LintLevel } from "./schema/LintCodes.ts"
export { checkCuts } from "./testing/checkCuts.ts"
export { checkFailures, checkKills, type FaultTest, faultyCalls, whyNoFaults } from "./testing/checkFaults.ts"
export { checkRace } from "./testing/checkRace.ts"
export { checkUpgrades, databaseAt, type Upgraded, upgradedFrom } from "./testing/databases.ts"
export type { Fixture, MigrationTest, Ready } from "./testing/MigrationTest.ts"
export { MigrationTestError, type RowDifference } from "./testing/MigrationTestError.ts"
export type { Command, ProgramTest } from "./testing/programs.ts"

/**
 * A ready database in memory, made by the program's own migrations: a new one for every layer, and for every time it is
 * provided. Fails with an `InitializationError`.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import * as SqlClient from "@effect/sql/SqlClient"
 * import { Migrations } from "database-ready"
 * import { inMemory } from "database-ready/testing"
 * import { Effect, Layer } from "effect"
 *
 * const Database = inMemory(Migrations.fromDirectory("migrations")).pipe(Layer.provide(NodeContext.layer))
 *
 * export const test = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT count(*) FROM notes`).pipe(
 *   Effect.provide(Database)
 * )
 * ```
 */
export const inMemory = <R = never>(
  migrations: Migrations<R>
): Layer.Layer<
  DatabaseReady | SqlClient.SqlClient | SqliteClient.SqliteClient,
  InitializationError,
  FileSystem.FileSystem | Path.Path | R
> => DatabaseReady.layer({ filename: ":memory:", migrations })

/**
 * Another connection to `file` that holds its write lock until the scope closes: a real rival, for tests
 * of waiting. SQLite answers at once while it is there, so that `TestClock` alone decides when the start
 * tries again and when it gives up. Dies where the file cannot be opened or is locked already.
 *
 * @example
 * ```ts
 * import { DatabaseReady } from "database-ready"
 * import { rivalWriter } from "database-ready/testing"
 * import { Effect } from "effect"
 *
 * // With `lockPatience` at 1 s and `TestClock`: fails with `WriteError`, reason `Busy`.
 * export const refused = Effect.scoped(
 *   Effect.gen(function* () {
 *     const { report, write } = yield* DatabaseReady
 *     yield* rivalWriter(report.database)
 *     return yield* Effect.flip(write(Effect.void))
 *   })
 * )
 * ```
 */
export const rivalWriter = (file: string): Effect.Effect<void, never, Scope> =>
  Layer.build(SqliteClient.layer({ filename: file, disableWAL: true })).pipe(
    Effect.map(Context.get(SqliteClient.SqliteClient)),
    Effect.flatMap((rival) => Effect.acquireRelease(rival`BEGIN IMMEDIATE`, () => Effect.ignore(rival`ROLLBACK`))),
    Effect.orDie,
    Effect.asVoid
  )
