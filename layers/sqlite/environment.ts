/** The settings that a program takes from its environment. */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import { permissionChoices } from "../machine/FilePermissions.ts"
import { integrityPolicies } from "./IntegrityPolicy.ts"
import { durationFrom, filesystemTypesFrom } from "./settingText.ts"

/**
 * The options that a program may take from its environment, each as a `Config` to be given a default or a flag.
 *
 * @example
 * ```ts
 * import { DatabaseReady, environment, Migrations } from "database-ready"
 * import { Config, Effect, Layer } from "effect"
 *
 * export const database = Layer.unwrapEffect(
 *   Effect.gen(function* () {
 *     const filename = yield* Config.withDefault(environment.filename, "data/app.db")
 *     const timeout = yield* Config.withDefault(environment.timeout, undefined)
 *     return DatabaseReady.layer({ filename, timeout, migrations: Migrations.fromDirectory("migrations") })
 *   })
 * )
 * ```
 */
export const environment = {
  /** `DATABASE_FILE`: the path of the database. */
  filename: Config.nonEmptyString("DATABASE_FILE"),
  /** `DATABASE_MIGRATIONS`: the directory of the migrations. */
  migrations: Config.nonEmptyString("DATABASE_MIGRATIONS"),
  /** `DATABASE_ON_OPEN`: the path of a module for `onOpen`, which takes its URL (`pathToFileURL`). */
  onOpen: Config.nonEmptyString("DATABASE_ON_OPEN"),
  /** `DATABASE_INTEGRITY`: `schema`, `quick`, `full` or `auto`. */
  integrity: Config.literal(...integrityPolicies)("DATABASE_INTEGRITY"),
  /** `DATABASE_BACKUPS`: how many to keep, 0 for none. */
  backups: Config.integer("DATABASE_BACKUPS").pipe(
    Config.validate({ message: "a number of backups, 0 or more", validation: (count) => count >= 0 })
  ),
  /** `DATABASE_PERMISSIONS`: `owner` or `group`. */
  permissions: Config.literal(...permissionChoices)("DATABASE_PERMISSIONS"),
  /** `DATABASE_TRUST_FILESYSTEM`: types of filesystems, with commas between. */
  trustedFilesystems: Config.map(Config.nonEmptyString("DATABASE_TRUST_FILESYSTEM"), (types) =>
    filesystemTypesFrom(types)
  ),
  /** `DATABASE_TIMEOUT`: a duration such as `30 seconds` or `30s`. */
  timeout: Config.nonEmptyString("DATABASE_TIMEOUT").pipe(
    Config.mapOrFail(
      (input): Either.Either<Duration.Duration, ConfigError.ConfigError> =>
        Either.mapLeft(durationFrom(input), (sentence) => ConfigError.InvalidData([], sentence))
    )
  )
}
