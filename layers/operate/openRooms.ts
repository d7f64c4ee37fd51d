/** The rooms of a start before its migrations, and then something else. */
import * as Effect from "effect/Effect"
import { DatabaseConfig, type DatabaseOptions } from "../sqlite/DatabaseConfig.ts"
import { DatabaseDirectory } from "../sqlite/DatabaseDirectory.ts"
import { Initialization } from "../sqlite/Initialization.ts"
import { SqliteConnection } from "../sqlite/SqliteConnection.ts"
import { inStartSpan, withDatabase } from "../sqlite/startDatabase.ts"
import { VerifiedPragmas } from "../sqlite/VerifiedPragmas.ts"
import type { Attempt } from "../start/Attempt.ts"
import { MigrationSource, type Migrations, type OrderedMigrations } from "../start/MigrationSource.ts"
import type { Refusal } from "../start/Refusal.ts"

/** What these rooms have found. */
export interface OpenedRooms {
  readonly config: DatabaseConfig["Type"]
  readonly source: OrderedMigrations
  readonly database: SqliteConnection["Type"]
}

/** The connection is closed when `use` ends. */
export const openRooms = <A, E extends Refusal, R, R2>(
  options: Omit<DatabaseOptions, "access">,
  migrations: Migrations<R>,
  access: "initialize" | "inspect",
  use: (opened: OpenedRooms, attempt: Attempt) => Effect.Effect<A, E, R2>
) => {
  const config = DatabaseConfig.from({ ...options, access })
  return Effect.gen(function* () {
    const initialization = yield* Initialization.make(config)
    const source = yield* withDatabase(MigrationSource.make(migrations), config, initialization)
    const rooms = Effect.gen(function* () {
      const directory = yield* DatabaseDirectory.make(config, initialization)
      const database = yield* SqliteConnection.make(config, initialization, directory)
      yield* VerifiedPragmas.make(config, initialization, database)
      const opened: OpenedRooms = { config, source, database }
      return yield* initialization.stage(
        "migrations",
        (attempt) => use(opened, attempt),
        () => ""
      )
    })
    return yield* withDatabase(rooms, config, initialization)
  }).pipe(Effect.scoped, (whole) => inStartSpan(whole, config))
}
