/** Writes the next migration file of a directory. */
import { constants, copyFileSync, linkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { files } from "../machine/files.ts"
import { codeOf, SystemFailure } from "../machine/SystemFailure.ts"
import { nameOf, newestVersion, nextVersion, templateOf, wrongNumber } from "../schema/NewMigration.ts"
import { MigrationFilesError } from "../start/MigrationFilesError.ts"
import type { MigrationSourceError } from "../start/MigrationSourceError.ts"
import { inDirectory, namesIn } from "../start/MigrationTexts.ts"

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
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const found = nameOf(options.name)
    if ("wrong" in found) {
      return errorOf(options.directory, "BadName", options.name, { detail: found.wrong, instead: found.instead })
    }
    return Effect.flatMap(
      inDirectory(options.directory, (directory) => write(directory, found.name, options.number, now)),
      (written) => written
    )
  })

type Written = Either.Either<NewMigration, MigrationFilesError>

/**
 * No call creates a file only if its number is free, whatever its name. So each run first creates `.N.new`, which only
 * one can do, and then looks a second time: another run may have finished since the first look. A run that is killed in
 * between leaves that file behind, and its number is left out.
 */
const write = (
  directory: string,
  name: string,
  wanted: string | undefined,
  now: number
): Either.Either<Written, MigrationSourceError> => {
  const claimed: Array<{ readonly version: string }> = []
  for (;;) {
    const listed = namesIn(directory)
    if (Either.isLeft(listed)) return Either.left(listed.left)
    const newest = newestVersion(listed.right)
    const next = nextVersion([...listed.right, ...claimed], now)
    const version = wanted ?? next
    const refuse = (reason: MigrationFilesError["reason"], facts: Facts) =>
      Either.right(Either.left(errorOf(directory, reason, version, { instead: next, ...facts })))
    const wrong = wrongNumber(version, newest)
    if (wrong !== undefined) return refuse(wrong.reason, wrong)
    const claim = join(directory, `.${Number(version)}.new`)
    const path = join(directory, `${version}_${name}.sql`)
    let isOurs = false
    try {
      writeFileSync(claim, templateOf(`${version}_${name}`), { flag: "wx" })
      isOurs = true
      if (newestVersion(Either.getOrElse(namesIn(directory), () => listed.right)) !== newest) continue
      giveName(claim, path)
      removeLeftClaims(directory, version)
      return Either.right(Either.right({ path, version, name }))
    } catch (thrown) {
      const { code, detail, retryable } = SystemFailure.from(thrown)
      if (code !== "EEXIST") return refuse("NotWritten", { code, detail, retryable, subject: path })
      claimed.push({ version })
      if (wanted === undefined) continue
      return refuse("Taken", { detail: `another run is writing it; if none is, delete ${claim}` })
    } finally {
      if (isOurs) files.remove(claim)
    }
  }
}

/** Fails if the name is taken. A rename would replace what is there. */
const giveName = (claim: string, path: string): void => {
  try {
    linkSync(claim, path)
  } catch (thrown) {
    // Filesystems without hard links.
    if (!/^(EPERM|ENOTSUP|EOPNOTSUPP|ENOSYS|EINVAL)$/.test(codeOf(thrown) ?? "")) throw thrown
    copyFileSync(claim, path, constants.COPYFILE_EXCL)
  }
}

/** No run takes a number below an existing one: the run that left these has ended, or will begin again after its second look. */
const removeLeftClaims = (directory: string, version: string): void => {
  for (const name of files.names(directory)) {
    const [, left = ""] = /^\.(\d{1,15})\.new$/.exec(name) ?? []
    if (left !== "" && Number(left) < Number(version)) files.remove(join(directory, name))
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
