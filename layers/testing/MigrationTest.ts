/** What a test of migrations is given, and the same with its migrations read. */
import type * as SqlClient from "@effect/sql/SqlClient"
import type * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Effect from "effect/Effect"
import type { DatabaseOptions } from "../sqlite/DatabaseConfig.ts"
import type { DatabaseReady } from "../sqlite/DatabaseReady.ts"
import { type Migration, MigrationSource, type Migrations, type OrderedMigrations } from "../start/MigrationSource.ts"
import { MigrationTestError } from "./MigrationTestError.ts"

/** What a ready database gives to a test. */
export type Ready = DatabaseReady | SqlClient.SqlClient | SqliteClient.SqliteClient

/** The migrations of a program, and what was written while each of them was the newest. */
export interface MigrationTest<E = never, R = never> extends Omit<DatabaseOptions, "filename" | "access"> {
  /** All migrations, as the program has them. */
  readonly migrations: Migrations<R>
  /**
   * By version, such as `001`: an Effect that writes rows as the program of that time did, or a database file of that
   * time. Rows of earlier versions go through the migrations in between. Default none.
   */
  readonly rows?: Readonly<Record<string, Effect.Effect<unknown, E, Ready | R> | Fixture>> | undefined
  /**
   * Columns as `table.column` whose values are not compared, because a migration fills them from the clock or at random.
   * Default none.
   */
  readonly ignored?: ReadonlyArray<string> | undefined
}

/** A database file of an earlier release, kept with the tests. It is copied and stays as it is. */
export interface Fixture {
  /** Its path, relative to the working directory. */
  readonly fixture: string
}

/** A test with its migrations read, once for all databases. */
export interface Prepared<E, R> {
  readonly list: OrderedMigrations
  readonly options: Omit<DatabaseOptions, "filename" | "access">
  readonly rows: ReadonlyMap<number, Effect.Effect<unknown, E, Ready | R> | Fixture>
  readonly ignored: ReadonlyArray<string>
}

export const prepare = <E, R>({
  ignored = [],
  migrations,
  rows = {},
  ...options
}: MigrationTest<E, R>): Effect.Effect<Prepared<E, R>, MigrationTestError, R> =>
  Effect.gen(function* () {
    const list = yield* Effect.mapError(MigrationSource.make(migrations), (error) =>
      MigrationTestError.refused("The migrations", error)
    )
    const found = new Map<number, Effect.Effect<unknown, E, Ready | R> | Fixture>()
    for (const [version, given] of Object.entries(rows)) found.set((yield* findVersion(list, version)).id, given)
    return { list, options, rows: found, ignored }
  })

export const findVersion = (list: ReadonlyArray<Migration>, version: string) => {
  const found = list.find(({ id }) => id === Number(version))
  const known = list.map((migration) => migration.version).join(", ")
  return found === undefined
    ? Effect.fail(
        new MigrationTestError({
          reason: "UnknownVersion",
          during: `Version ${version}`,
          detail: `the migrations have ${known === "" ? "none" : known}`
        })
      )
    : Effect.succeed(found)
}
