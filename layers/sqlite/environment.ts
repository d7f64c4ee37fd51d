/** The settings that a program takes from its environment. */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { permissionChoices } from "../machine/FilePermissions.ts"
import { integrityPolicies } from "./DatabaseConfig.ts"

/** The same knobs from the environment, for programs: each as its own `Config`, to be given a default or a flag. */
export const environment = {
  /** `DATABASE_FILE` */
  filename: Config.nonEmptyString("DATABASE_FILE"),
  /** `DATABASE_MIGRATIONS`: a directory. */
  migrations: Config.nonEmptyString("DATABASE_MIGRATIONS"),
  /** `DATABASE_INTEGRITY`: `schema`, `quick`, `full` or `auto`. */
  integrity: Config.literal(...integrityPolicies)("DATABASE_INTEGRITY"),
  /** `DATABASE_BACKUPS`: how many to keep, 0 for none. */
  backups: Config.integer("DATABASE_BACKUPS").pipe(
    Config.validate({ message: "a number of backups, 0 or more", validation: (count) => count >= 0 })
  ),
  /** `DATABASE_PERMISSIONS`: `owner` or `group`. */
  permissions: Config.literal(...permissionChoices)("DATABASE_PERMISSIONS"),
  /** `DATABASE_TRUST_FILESYSTEM`: types of filesystems, with commas between. */
  trustedFilesystems: Config.map(Config.nonEmptyString("DATABASE_TRUST_FILESYSTEM"), (types) => typesIn(types)),
  /** `DATABASE_TIMEOUT`: a duration such as `30 seconds` or `30s`. */
  timeout: Config.nonEmptyString("DATABASE_TIMEOUT").pipe(
    Config.mapOrFail((input) =>
      Option.match(durationFrom(input), {
        onNone: () => Either.left(ConfigError.InvalidData([], notADuration(input))),
        onSome: Either.right
      })
    )
  )
}

/** Types of filesystems as people write them: `9p`, `9p, fuse.bindfs`. */
export const typesIn = (input: string): ReadonlyArray<string> =>
  input
    .split(",")
    .map((type) => type.trim())
    .filter((type) => type !== "")

/** A duration as people write it: `500 millis`, `30 seconds`, `30s`, `2m`. */
export const durationFrom = (input: string): Option.Option<Duration.Duration> => {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(input.trim()) ?? []
  const units: Partial<Record<string, string>> = { ms: "millis", s: "seconds", m: "minutes", h: "hours" }
  return Duration.decodeUnknown(amount === undefined || unit === undefined ? input.trim() : `${amount} ${units[unit]}`)
}

export const notADuration = (input: string): string =>
  `'${input}' is not a duration. Write it like '500 millis', '30 seconds' or '30s'.`
