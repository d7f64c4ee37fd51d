/** Writes the next migration file of a directory. */
import { constants, copyFileSync, linkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { files } from "../machine/files.ts"
import { upTo } from "../machine/monotonic.ts"
import { codeOf, SystemFailure } from "../machine/SystemFailure.ts"
import { nameOf, newestVersion, nextVersion, templateOf, wrongNumber } from "../schema/NewMigration.ts"
import { lockForPlace } from "../sqlite/LockFile.ts"
import { isLock } from "../sqlite/Sqlite.ts"
import { MigrationFilesError } from "../start/MigrationFilesError.ts"
import type { MigrationSourceError } from "../start/MigrationSourceError.ts"
import { inDirectory, listDirectory, namesIn } from "../start/MigrationTexts.ts"
import { whileAnotherWorks } from "../start/policy.ts"

/** What to call the new migration, and where to put it. */
export interface NewMigrationOptions {
  /** The directory of the migrations, relative to the working directory. It has to be there. */
  readonly directory: string
  /** What follows the number. Blanks become underscores. */
  readonly name: string
  /** The number as it is to be written, above that of every other migration. Default the next one. */
  readonly number?: string | undefined
}

/** The file that was written. */
export interface NewMigration {
  /** The path, beginning with the directory as it was given. */
  readonly path: string
  /** The number as it is written, e.g. `007`. */
  readonly version: string
  /** What follows it. */
  readonly name: string
}

/**
 * Writes `NNN_name.sql` with the next number of the directory: one above the newest, with as many digits. Where the
 * newest number is a time, the new one is the time now, in UTC. Two at once never write the same number, and a file is
 * there whole or not at all. Fails with `MigrationSourceError` where a start could not read the names of the directory
 * either, and with `MigrationFilesError`.
 *
 * @example
 * ```ts
 * import { newMigration } from "database-ready/operate"
 *
 * export const path = newMigration({ directory: "migrations", name: "add owner" })
 * ```
 */
export const newMigration = (
  options: NewMigrationOptions
): Effect.Effect<NewMigration, MigrationFilesError | MigrationSourceError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { directory, number } = options
    const found = nameOf(options.name)
    if ("wrong" in found) {
      return yield* errorOf(directory, "BadName", options.name, { detail: found.wrong, instead: found.instead })
    }
    // Only a directory that can be read gets a lock.
    yield* listDirectory(directory)
    yield* alone(directory)
    const now = yield* Clock.currentTimeMillis
    return yield* yield* inDirectory(directory, () => write(directory, found.name, number, now))
  }).pipe(Effect.scoped)

/** Waits until no other run writes to the directory. The lock ends with its process, however that ends. */
const alone = (directory: string) =>
  lockForPlace(join(directory, ".new"), join(directory, unfinished), "another run is writing one").pipe(
    Effect.retry({ schedule: upTo(whileAnotherWorks, "5 seconds"), while: ({ code }) => isLock(code) }),
    Effect.mapError(({ code, detail, retryable }) =>
      errorOf(directory, "NotWritten", join(directory, "NNN_name.sql"), { code, detail, retryable })
    )
  )

/** Written under this name first, which no start takes for a migration: then the file is there whole or not at all. */
const unfinished = ".new.unfinished"

const write = (
  directory: string,
  name: string,
  wanted: string | undefined,
  now: number
): Either.Either<Either.Either<NewMigration, MigrationFilesError>, MigrationSourceError> =>
  Either.map(namesIn(directory), (listed) => {
    const next = nextVersion(listed, now)
    const version = wanted ?? next
    const refuse = (reason: MigrationFilesError["reason"], facts: Facts) =>
      Either.left(errorOf(directory, reason, version, { instead: next, ...facts }))
    const wrong = wrongNumber(version, newestVersion(listed))
    if (wrong !== undefined) return refuse(wrong.reason, wrong)
    const path = join(directory, `${version}_${name}.sql`)
    const begun = join(directory, unfinished)
    let isNamed = false
    try {
      files.remove(begun)
      writeFileSync(begun, templateOf(`${version}_${name}`), { flag: "wx", flush: true })
      giveName(begun, path)
      isNamed = true
      files.remove(begun)
      return Either.right({ path, version, name })
    } catch (thrown) {
      // Refused means that there is none.
      if (isNamed) files.remove(path)
      files.remove(begun)
      const { code, detail, retryable } = SystemFailure.from(thrown)
      return refuse("NotWritten", { code, detail, retryable, subject: path })
    }
  })

/** Fails if the name is taken. A rename would replace what is there. */
const giveName = (begun: string, path: string): void => {
  try {
    linkSync(begun, path)
  } catch (thrown) {
    // Filesystems without hard links.
    if (!/^(EPERM|ENOTSUP|EOPNOTSUPP|ENOSYS|EINVAL)$/.test(codeOf(thrown) ?? "")) throw thrown
    copyFileSync(begun, path, constants.COPYFILE_EXCL)
  }
}

interface Facts {
  readonly detail: string
  readonly instead?: string
  readonly subject?: string
  readonly code?: string
  readonly retryable?: boolean
}

const errorOf = (directory: string, reason: MigrationFilesError["reason"], subject: string, facts: Facts) =>
  new MigrationFilesError({ reason, directory, subject, instead: "", code: "", retryable: false, ...facts })
