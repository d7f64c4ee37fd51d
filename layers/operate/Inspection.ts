/** The rooms of a start that only looks, one after the other, with what each has found. */
import * as Effect from "effect/Effect"
import { AppliedMigrations } from "../sqlite/AppliedMigrations.ts"
import { CheckedIntegrity } from "../sqlite/CheckedIntegrity.ts"
import type { DatabaseConfig } from "../sqlite/DatabaseConfig.ts"
import { DatabaseDirectory } from "../sqlite/DatabaseDirectory.ts"
import { absoluteName } from "../sqlite/DatabasePath.ts"
import type { Initialization } from "../sqlite/Initialization.ts"
import type { InitializationError } from "../sqlite/InitializationReport.ts"
import { type Evidence, settle } from "../sqlite/SettledDatabase.ts"
import { soundDriver } from "../sqlite/SoundDriver.ts"
import { SqliteConnection } from "../sqlite/SqliteConnection.ts"
import { VerifiedPragmas } from "../sqlite/VerifiedPragmas.ts"
import type { OrderedMigrations } from "../start/MigrationSource.ts"
import { inDatabase } from "../start/Refusal.ts"

/** What the rooms have found, as far as they came, and why no further. */
export interface Inspection extends Partial<Evidence> {
  readonly refusal: InitializationError | undefined
}

/** What `status` does. The connection stays open until the scope closes. */
export const inspect = Effect.fnUntraced(function* (
  config: DatabaseConfig["Type"],
  initialization: Initialization["Type"],
  source: OrderedMigrations
) {
  const found: { -readonly [Room in keyof Evidence]?: Evidence[Room] } = {}
  const refusal = yield* Effect.gen(function* () {
    yield* soundDriver(config.filename)
    const directory = yield* DatabaseDirectory.make(config, initialization)
    found.directory = directory
    const connection = yield* SqliteConnection.make(config, initialization, directory)
    found.connection = connection
    const pragmas = yield* VerifiedPragmas.make(config, initialization, connection)
    found.pragmas = pragmas
    const migrations = yield* AppliedMigrations.make(config, initialization, source, connection, pragmas)
    found.migrations = migrations
    const integrity = yield* CheckedIntegrity.make(config, initialization, connection, migrations)
    found.integrity = integrity
    yield* settle(config, initialization, { directory, connection, pragmas, migrations, integrity })
  }).pipe(
    Effect.match({
      onFailure: (error) => inDatabase<InitializationError>(absoluteName(config.filename), error),
      onSuccess: () => undefined
    })
  )
  const inspection: Inspection = { ...found, refusal }
  return inspection
})
