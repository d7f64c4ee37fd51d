/** Migrations that are SQL: files of a directory, or texts of a record. */

import { isUtf8 } from "node:buffer"
import type { Dirent } from "node:fs"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { files, kindOf, trySync } from "../machine/files.ts"
import { noMountCanHang, readMountTable } from "../machine/MountTable.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import { checksumOf } from "../schema/Checksum.ts"
import { declarationOf, isPlain } from "../schema/Declaration.ts"
import { liquibaseLineIn, lowerHalfIn, upperHalfOf } from "../schema/Halves.ts"
import {
  type Entry,
  looksLikeOne,
  type MigrationFile,
  migrationFilesOf,
  repeatableVersion
} from "../schema/MigrationFiles.ts"
import type { Migration, Migrations } from "./MigrationSource.ts"
import { MigrationSourceError } from "./MigrationSourceError.ts"

/** How the files of other tools are to be read. */
export interface ReadOptions {
  /**
   * Of a file in two halves, such as goose's, dbmate's or sql-migrate's, `up` runs the half that does and leaves out
   * the half that undoes. Without it such a file is refused.
   */
  readonly halves?: "up" | undefined
}

/**
 * Migrations from a directory, relative to the working directory: its `NNN_name.sql` files, and the
 * `NNN_name/migration.sql` and `NNN_name/up.sql` of its folders. `R__name.sql` makes views and triggers again whenever
 * its text changes, after all that have a number. Every other `.sql` file, and everything else that begins with a
 * number, is refused: it looks like a migration that somebody forgot. What undoes (`.down.sql`) beside what does
 * (`.up.sql`) is never run. Fails with `MigrationSourceError`.
 */
export const fromDirectory = (directory: string, options: ReadOptions = {}): Migrations<FileSystem.FileSystem> =>
  Effect.flatMap(inDirectory(directory, filesIn), (files) => migrationsOf(files, options))

/** @internal The files of a directory that are migrations, unread. */
export const listDirectory = (directory: string) => inDirectory(directory, namesIn)

/** @internal Asks a directory, and says so where it cannot be read. */
export const inDirectory = <A>(
  directory: string,
  ask: (directory: string) => Either.Either<A, MigrationSourceError>
): Effect.Effect<A, MigrationSourceError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    // A mount that never answers would block the process: ask it through the platform first.
    if (!noMountCanHang(readMountTable())) {
      yield* Effect.mapError(fs.readDirectory(directory), SystemFailure.fromPlatform)
    }
    return yield* yield* trySync(() => ask(directory))
  }).pipe(Effect.catchTag("SystemFailure", (failure) => Effect.fail(unreadable(directory, failure))))

/** A file with its text, or what is wrong with it. */
interface File extends MigrationFile {
  readonly content: { readonly text: string } | { readonly error: MigrationSourceError }
}

const filesIn = (directory: string): Either.Either<ReadonlyArray<File>, MigrationSourceError> =>
  Either.map(namesIn(directory), (found) =>
    found.map((file) => ({ ...file, content: textAt(`${directory}/${file.path}`, file.path) }))
  )

/** @internal For inside `trySync`. */
export const namesIn = (directory: string): Either.Either<ReadonlyArray<MigrationFile>, MigrationSourceError> =>
  chooseFiles(files.entries(directory).map((entry) => entryOf(directory, entry)))

/** Looks only at what looks like a migration. Does not read a fifo: that would never end. */
const entryOf = (directory: string, entry: Dirent): Entry => {
  const { name } = entry
  if (entry.isFile() || !looksLikeOne.test(name)) return { name }
  // It may be a link to a file.
  const found = files.stat(`${directory}/${name}`)
  if (found?.isFile() === true) return { name }
  if (found === undefined) return { name, kind: "a link that leads nowhere" }
  if (!found.isDirectory()) return { name, kind: kindOf(found) }
  return { name, inside: files.entries(`${directory}/${name}`).map((inner) => inner.name) }
}

const chooseFiles = (
  entries: ReadonlyArray<Entry>
): Either.Either<ReadonlyArray<MigrationFile>, MigrationSourceError> => {
  const found = migrationFilesOf(entries)
  if (!("reason" in found)) return Either.right(found)
  const { detail, path, reason, remedy } = found
  return Either.left(new MigrationSourceError({ reason, path, detail, code: "", retryable: false, cure: remedy }))
}

/**
 * @internal Text that is not UTF-8 would run with U+FFFD for each unreadable character, and have the same checksum
 * whatever they were. U+FFFD may be real text, so check the bytes only when it occurs.
 */
export const textAt = (path: string, file: string): File["content"] => {
  const text = files.text(path)
  // ASCII in UTF-16 is valid UTF-8 too, with NUL characters.
  if (text.includes("\0")) return { error: notUtf8(file, "it has NUL characters, as UTF-16 has") }
  if (!text.includes("\uFFFD") || isUtf8(files.bytes(path))) return { text }
  return { error: notUtf8(file, "some of its bytes are not valid UTF-8") }
}

const unreadable = (directory: string, { code, detail, retryable }: SystemFailure) =>
  new MigrationSourceError({ reason: "DirectoryUnreadable", path: directory, detail, code, retryable })

const badName = (file: string, detail: string) =>
  new MigrationSourceError({ reason: "BadName", path: file, detail, code: "", retryable: false })

const notUtf8 = (file: string, detail: string) =>
  new MigrationSourceError({ reason: "NotUtf8", path: file, detail, code: "", retryable: false })

export const badDeclaration = (path: string, detail: string) =>
  new MigrationSourceError({ reason: "BadDeclaration", path, detail, code: "", retryable: false })

/**
 * The same from `{ "NNN_name.sql": text }`, for a program that is bundled into one file. Fails with
 * `MigrationSourceError`.
 *
 * @example
 * ```ts
 * import { Migrations } from "database-ready"
 *
 * export const migrations = Migrations.fromRecord({
 *   "001_create_notes.sql": "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;"
 * })
 * ```
 */
export const fromRecord = (record: Readonly<Record<string, string>>, options: ReadOptions = {}): Migrations =>
  Effect.suspend(() =>
    Either.flatMap(chooseFiles(entriesOf(Object.keys(record))), (found) =>
      migrationsOf(
        found.map((file) => ({ ...file, content: inRecord(file.path, record[file.path]) })),
        options
      )
    )
  )

/** `NNN_name/up.sql` is in a folder, as in a directory. */
const entriesOf = (keys: ReadonlyArray<string>): ReadonlyArray<Entry> => {
  const folders = new Map<string, Array<string>>()
  const entries: Array<Entry> = []
  for (const key of keys) {
    const [, folder = "", file = ""] = /^(\d[^/]*)\/([^/]+)$/.exec(key) ?? []
    if (folder === "") {
      entries.push({ name: key })
      continue
    }
    const inside = folders.get(folder)
    if (inside === undefined) {
      const first = [file]
      folders.set(folder, first)
      entries.push({ name: folder, inside: first })
    } else inside.push(file)
  }
  return entries
}

/** A bundler, or a call without types, may give something else: a module with the text as its default export. */
const inRecord = (path: string, text: unknown): File["content"] =>
  typeof text === "string" ? { text } : { error: badName(path, `it is not text, but of type ${typeof text}`) }

const migrationsOf = (
  found: ReadonlyArray<File>,
  { halves }: ReadOptions
): Either.Either<ReadonlyArray<Migration>, MigrationSourceError> => {
  const migrations: Array<Migration> = []
  for (const { content, name, path, version } of found) {
    if ("error" in content) return Either.left(content.error)
    const text = halves === "up" ? upperHalfOf(content.text) : content.text
    const twofold = halves === "up" ? undefined : twoHalves(path, text)
    if (twofold !== undefined) return Either.left(twofold)
    const id = version === repeatableVersion ? Number.POSITIVE_INFINITY : Number(version)
    const declared = declarationOf(text, id)
    if (typeof declared === "string") return Either.left(badDeclaration(path, declared))
    if (version === repeatableVersion && !isPlain({ ...declared, compatibleFrom: undefined })) {
      return Either.left(badDeclaration(path, "a repeatable migration can only declare compatible_from"))
    }
    const body = { _tag: "Sql", text, path } as const
    migrations.push({ id, version, name, checksum: checksumOf(text), declared, body })
  }
  return Either.right(migrations)
}

/** Refuses a file whose two halves would both run, or whose marks would be ignored. */
const twoHalves = (path: string, text: string): MigrationSourceError | undefined => {
  const badLayout = (detail: string, cure: string) =>
    new MigrationSourceError({ reason: "BadLayout", path, detail, code: "", retryable: false, cure })
  const lower = lowerHalfIn(text)
  if (lower !== undefined) {
    const { lastLine, line, mark, tool } = lower
    return badLayout(
      `line ${line}, \`${mark}\`, is a mark of ${tool}: what follows undoes the migration, and would run too`,
      `Remove lines ${line} to ${lastLine}; or run only the upper half of every file, with ${upOption}. If the line is no such mark, reword it.`
    )
  }
  const liquibase = liquibaseLineIn(text)
  return liquibase === 0
    ? undefined
    : badLayout(
        `line ${liquibase} is a mark of Liquibase, whose changesets, conditions and rollbacks are comments here`,
        `Make each changeset a file of its own, NNN_name.sql, without the marks; or run every statement of the file, with ${upOption}.`
      )
}

const upOption = '`Migrations.fromDirectory(directory, { halves: "up" })`'
