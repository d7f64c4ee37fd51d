/** Where migrations come from, and the proof that they are a sequence: well named, each number once. */
import { isUtf8 } from "node:buffer"
import type { Dirent } from "node:fs"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Migrator from "@effect/sql/Migrator"
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { files, kindOf, trySync } from "../machine/files.ts"
import { mountTable, noMountCanHang } from "../machine/MountTable.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import { checksumOf } from "../schema/Checksum.ts"
import { type Declaration, declarationOf, plain } from "../schema/Declaration.ts"
import { liquibaseLineIn, lowerHalfIn, upperHalfOf } from "../schema/Halves.ts"
import { type Entry, looksLikeOne, type MigrationFile, migrationFilesOf } from "../schema/MigrationFiles.ts"
import { describeCause } from "./CauseDetail.ts"
import { MigrationSourceError } from "./MigrationSourceError.ts"

/** One step of the schema, as text or as an Effect. */
export interface Migration {
  /** The number, by which migrations are ordered. */
  readonly id: number
  /** The number as it is written, e.g. `001`. */
  readonly version: string
  /** The rest of the file's name, e.g. `add_owner`. */
  readonly name: string
  /** SHA-256 of the whole normalised text in hexadecimal; `effect` where there is no text. */
  readonly checksum: string
  /** What it says of itself at its head, with the defaults. */
  readonly declared: Declaration
  /** What is run. */
  readonly body: SqlText | EffectBody
}

/** A migration that is SQL. */
export interface SqlText {
  /** Tells it from an Effect. */
  readonly _tag: "Sql"
  /** The statements, as they are in the file. */
  readonly text: string
}

/** A migration that is an Effect. */
export interface EffectBody {
  /** Tells it from SQL. */
  readonly _tag: "Effect"
  /**
   * Runs within the transaction of the start, on its connection. It is run a second time, against an
   * empty database in memory, where the schema has to be compared: it should use nothing but its client.
   */
  readonly run: Effect.Effect<unknown, unknown, SqlClient.SqlClient>
  /**
   * Compared with the version under which it was applied. An Effect has no text to compare: without a version an
   * edit is not seen.
   */
  readonly version?: string | undefined
}

/** Migrations as a source gives them, not yet in order. Fails with `MigrationSourceError` where they cannot be read. */
export type Migrations<R = never> = Effect.Effect<ReadonlyArray<Migration>, MigrationSourceError, R>

/** The migrations of a program, in order, each number once. For `DatabaseReady.pipeline` and the stages. */
export class MigrationSource extends Context.Tag("database-ready/MigrationSource")<
  MigrationSource,
  ReadonlyArray<Migration>
>() {
  /** Loads and orders. Fails with `MigrationSourceError` before anything else is touched. */
  static readonly make = <R>(migrations: Migrations<R>): Migrations<R> => Effect.flatMap(migrations, orderOnce)

  /** The same as a service. Fails with `MigrationSourceError`. */
  static readonly layer = <R>(migrations: Migrations<R>): Layer.Layer<MigrationSource, MigrationSourceError, R> =>
    Layer.effect(MigrationSource, MigrationSource.make(migrations))
}

const orderOnce = (migrations: ReadonlyArray<Migration>): Migrations => {
  const ordered = migrations.toSorted((one, other) => one.id - other.id)
  const twin = ordered.find((migration, index) => migration.id === ordered[index - 1]?.id)
  if (twin === undefined) return Effect.succeed(ordered)
  const titles = ordered.filter(({ id }) => id === twin.id).map(titleOf)
  return Effect.fail(
    new MigrationSourceError({
      reason: "Duplicate",
      path: titles.join(", "),
      detail: `number ${twin.id}`,
      code: "",
      retryable: false
    })
  )
}

/** `NNN_name`, as the file is called. */
export const titleOf = ({ name, version }: Pick<Migration, "name" | "version">): string => `${version}_${name}`

/** How the files of other tools are to be read. */
export interface ReadOptions {
  /**
   * Of a file in two halves, such as goose's, dbmate's or sql-migrate's, `up` runs the half that does and leaves out
   * the half that undoes. Without it such a file is refused.
   */
  readonly halves?: "up" | undefined
}

/**
 * Migrations from a directory, relative to the working directory: the `NNN_name.sql` files of a directory, and the `NNN_name/migration.sql` and `NNN_name/up.sql` of its folders. Every
 * other `.sql` file, and everything that begins with a number, is refused: what looks like a migration and is not run
 * has been forgotten by somebody. What undoes (`.down.sql`) beside what does (`.up.sql`) is never run. Fails with
 * `MigrationSourceError`.
 */
export const fromDirectory = (directory: string, options: ReadOptions = {}): Migrations<FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    // A mount that never answers would block the process: ask it through the platform first.
    if (!noMountCanHang(yield* mountTable)) {
      yield* Effect.mapError(fs.readDirectory(directory), SystemFailure.fromPlatform)
    }
    const found = yield* trySync(() => filesIn(directory))
    return yield* Either.flatMap(found, (files) => migrationsOf(files, options))
  }).pipe(Effect.catchTag("SystemFailure", (failure) => Effect.fail(unreadable(directory, failure))))

/** A file with its text, or what is wrong with it. */
interface File extends MigrationFile {
  readonly content: { readonly text: string } | { readonly error: MigrationSourceError }
}

const filesIn = (directory: string): Either.Either<ReadonlyArray<File>, MigrationSourceError> =>
  Either.map(chooseFiles(files.entries(directory).map((entry) => entryOf(directory, entry))), (found) =>
    found.map((file) => ({ ...file, content: textAt(`${directory}/${file.path}`, file.path) }))
  )

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
 * Text that is not UTF-8 would run with U+FFFD for each unreadable character, and have the same checksum whatever they
 * were. U+FFFD may be real text, so check the bytes only when it occurs.
 */
const textAt = (path: string, file: string): File["content"] => {
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

const badDeclaration = (path: string, detail: string) =>
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
    const id = Number(version)
    const declared = declarationOf(text, id)
    if (typeof declared === "string") return Either.left(badDeclaration(path, declared))
    const body = { _tag: "Sql", text } as const
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

/**
 * The Effects of a loader of `@effect/sql`'s `Migrator`. A loader knows its numbers as numbers, so
 * that the version is written with at least three digits. What a file says at its head is given here by
 * title: `{ "003_merge_owners": { deletes: ["owners"], version: "1" } }`. Change the `version` whenever the Effect
 * is edited: it is compared with the one that was applied. Without one an edited Effect is not seen. Fails with
 * `MigrationSourceError`.
 *
 * @example
 * ```ts
 * import * as Migrator from "@effect/sql/Migrator"
 * import * as SqlClient from "@effect/sql/SqlClient"
 * import { Migrations } from "database-ready"
 * import { Effect } from "effect"
 *
 * const mergeOwners = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`DELETE FROM owners WHERE name = ''`)
 *
 * export const migrations = Migrations.fromLoader(Migrator.fromRecord({ "003_merge_owners": mergeOwners }), {
 *   "003_merge_owners": { deletes: ["owners"], version: "1" }
 * })
 * ```
 */
export const fromLoader = <R>(
  loader: Migrator.Loader<R>,
  declarations: Readonly<
    Record<
      string,
      Partial<Declaration> & {
        /** As in `EffectBody`. */
        readonly version?: string | undefined
      }
    >
  > = {}
): Migrations<R> =>
  Effect.gen(function* () {
    const resolved = yield* Effect.catchAllCause(loader, (cause) =>
      Cause.isInterruptedOnly(cause) ? Effect.interrupt : notLoadedFor(cause)
    )
    const odd = resolved.find(([id]) => !isVersion(id))
    if (odd !== undefined) return yield* notLoaded(`${odd[0]}, the number of ${odd[1]}, cannot be a version`)
    const migrations = resolved.map(([id, name, load]): Migration => {
      const version = String(id).padStart(3, "0")
      const { version: ofBody, ...given } = declarations[titleOf({ version, name })] ?? {}
      const body: EffectBody = { ...effectOf(load), version: ofBody }
      return { id, version, name, checksum: "effect", declared: { ...plain, ...given }, body }
    })
    const titles = new Set(migrations.map(titleOf))
    const stray = Object.keys(declarations).find((title) => !titles.has(title))
    return stray === undefined ? migrations : yield* badDeclaration(stray, "the loader has no migration of that title")
  })

/** As in the name of a file: 15 digits at most, which a number holds exactly. */
const isVersion = (id: number): boolean => Number.isInteger(id) && id >= 0 && id < 1e15

const effectOf = (load: Effect.Effect<unknown, unknown, SqlClient.SqlClient>): EffectBody => ({
  _tag: "Effect",
  run: Effect.flatten(loaded(load))
})

/** Several sources as one, e.g. SQL files and the Effects between them. The numbers decide the order. */
export const all = <R>(...sources: ReadonlyArray<Migrations<R>>): Migrations<R> =>
  Effect.map(Effect.all(sources), (migrations) => migrations.flat())

const notLoaded = (detail: string, facts: { readonly cause?: unknown } = {}) =>
  new MigrationSourceError({ reason: "NotLoaded", path: "the loader", detail, code: "", retryable: false, ...facts })

const notLoadedFor = (failed: Cause.Cause<unknown>) => {
  const { cause, detail } = describeCause(failed)
  return notLoaded(detail, { cause })
}

/** A loader gives an Effect, or a module whose default export is one. */
export const loaded = (
  load: Effect.Effect<unknown, unknown, SqlClient.SqlClient>
): Effect.Effect<Effect.Effect<unknown, unknown, SqlClient.SqlClient>, unknown, SqlClient.SqlClient> =>
  Effect.catchAllDefect(load, (thrown) => Effect.fail(notLoadedFor(Cause.die(thrown)))).pipe(
    Effect.map(defaultExport),
    Effect.flatMap((value) =>
      isMigrationEffect(value) ? Effect.succeed(value) : Effect.fail(notLoaded("its default export is not an Effect"))
    )
  )

const defaultExport = (module: unknown): unknown =>
  typeof module === "object" && module !== null && !Effect.isEffect(module) && "default" in module
    ? defaultExport(module.default)
    : module

const isMigrationEffect = (value: unknown): value is Effect.Effect<unknown, unknown, SqlClient.SqlClient> =>
  Effect.isEffect(value)
