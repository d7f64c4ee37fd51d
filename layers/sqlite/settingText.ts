/** Settings as people write them, on a command line or in the environment. */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"

/** The option `trustedFilesystems` as people write it, with commas between: `9p`, `9p, fuse.bindfs`. For a flag. */
export const filesystemTypesFrom = (input: string): ReadonlyArray<string> =>
  input
    .split(",")
    .map((type) => type.trim())
    .filter((type) => type !== "")

/**
 * A duration as people write it: `500 millis`, `30 seconds`, `30s`, `2m`, in the units `ms`, `s`, `m` and `h` or Effect's
 * words. For a flag, or a setting of the program's own. Left is a sentence that says how to write one.
 *
 * @example
 * ```ts
 * import { durationFrom } from "database-ready"
 * import { Either } from "effect"
 *
 * export const timeout = Either.getOrThrow(durationFrom("30s"))
 * ```
 */
export const durationFrom = (input: string): Either.Either<Duration.Duration, string> => {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(input.trim()) ?? []
  const units: Partial<Record<string, string>> = { ms: "millis", s: "seconds", m: "minutes", h: "hours" }
  const text = amount === undefined || unit === undefined ? input.trim() : `${amount} ${units[unit]}`
  return Either.fromOption(
    Duration.decodeUnknown(text),
    () => `'${input}' is not a duration. Write it like '500 millis', '30 seconds' or '30s'.`
  )
}
