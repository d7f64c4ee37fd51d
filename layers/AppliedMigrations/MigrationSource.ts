/** Where migrations come from, and the proof that they are a sequence: well named, each number once. */

import { isUtf8 } from "node:buffer"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Migrator from "@effect/sql/Migrator"
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { mountTable, neverHang } from "../MountTable.ts"
import { ask, files, kindOf, SystemFailure } from "../seams.ts"
import { checksumOf } from "./Checksum.ts"
import { type Declaration, declarationOf, plain } from "./Declaration.ts"

export { checksumOf }

/** The migrations themselves cannot be used; no database was opened. */
export class MigrationSourceError extends Data.TaggedError("MigrationSourceError")<{
  readonly reason: "DirectoryUnreadable" | "BadName" | "NotUtf8" | "BadDeclaration" | "Duplicate" | "NotLoaded"
  /** The directory, or the names of the files at fault. */
  readonly path: string
  readonly detail: string
  readonly code: string
  readonly retryable: boolean
}> {
  override get message(): string {
    return `${sentences[this.reason](this.path)} (${this.detail})`
  }

  get remedy(): string {
    return remedies[this.reason]
  }
}

const sentences = {
  DirectoryUnreadable: (path: string) => `The migrations in ${path} cannot be read`,
  BadName: (path: string) => `${path} is not named like a migration`,
  NotUtf8: (path: string) => `${path} is not UTF-8 text`,
  BadDeclaration: (path: string) => `${path} declares something that cannot be understood`,
  Duplicate: (path: string) => `Two migrations have one number: ${path}`,
  NotLoaded: (path: string) => `The migrations of ${path} cannot be loaded`
}

const remedies = {
  DirectoryUnreadable: "Check the path of the migrations directory and who may read it.",
  BadName: "Name it NNN_name.sql, for example 002_add_owner.sql, or move it out of the directory.",
  NotUtf8: "Save it as UTF-8; it may have been written as UTF-16 or Latin-1.",
  BadDeclaration:
    "Mend what is declared, at the head of the file or to Migrations.fromLoader; the README lists what can be.",
  Duplicate: "Give the one that was not applied anywhere yet the next free number.",
  NotLoaded: "Mend the loader; it is the one that was given to Migrations.fromLoader."
}

/** One step of the schema, as text or as an Effect. */
export interface Migration {
  /** The number, for order. */
  readonly id: number
  /** The number as it is written, e.g. `001`. */
  readonly version: string
  readonly name: string
  /** SHA-256 of the whole normalised text in hexadecimal; `effect` where there is no text. */
  readonly checksum: string
  readonly declared: Declaration
  readonly body: SqlText | EffectBody
}

export interface SqlText {
  readonly _tag: "Sql"
  readonly text: string
}

export interface EffectBody {
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

/** Migrations, not yet known to be a sequence. */
export type Migrations<R = never> = Effect.Effect<ReadonlyArray<Migration>, MigrationSourceError, R>

/** The migrations of a program, in order, each number once. */
export class MigrationSource extends Context.Tag("database-ready/MigrationSource")<
  MigrationSource,
  ReadonlyArray<Migration>
>() {
  /** Loads and orders. Fails with `MigrationSourceError` before anything else is touched. */
  static readonly make = <R>(migrations: Migrations<R>): Migrations<R> => Effect.flatMap(migrations, inSequence)

  static readonly layer = <R>(migrations: Migrations<R>): Layer.Layer<MigrationSource, MigrationSourceError, R> =>
    Layer.effect(MigrationSource, MigrationSource.make(migrations))
}

const inSequence = (migrations: ReadonlyArray<Migration>): Migrations => {
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

/**
 * The `NNN_name.sql` files of a directory. Every other `.sql` file, and every file that begins with a
 * number, is a `BadName`: what looks like a migration and is not run has been forgotten by somebody.
 */
export const fromDirectory = (directory: string): Migrations<FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    // Through the platform a mount that never answers holds nobody else up.
    if (!neverHang(yield* mountTable)) {
      yield* Effect.mapError(fs.readDirectory(directory), SystemFailure.fromPlatform)
    }
    return yield* migrationsOf(yield* ask(() => filesIn(directory)))
  }).pipe(Effect.catchTag("SystemFailure", (failure) => Effect.fail(unreadable(directory, failure))))

/** A file by its name: its text, or what is the matter with it. */
type File = readonly [name: string, content: { readonly text: string } | { readonly error: MigrationSourceError }]

/** What looks like a migration. A fifo is not read, for it would never end. */
const filesIn = (directory: string): ReadonlyArray<File> =>
  files
    .entries(directory)
    .filter(({ name }) => /\.sql$|^\d/i.test(name))
    .map((entry): File => {
      const path = `${directory}/${entry.name}`
      // What is no file by itself may be a link to one.
      const found = entry.isFile() ? entry : files.stat(path)
      if (found?.isFile() === true) return [entry.name, textAt(path, entry.name)]
      const kind = found === undefined ? "a link that leads nowhere" : kindOf(found)
      return [entry.name, { error: badName(entry.name, `it is no file: ${kind}`) }]
    })

/**
 * What is not UTF-8 would be run with U+FFFD for every character that cannot be read, and have one checksum whatever
 * these are. Only a text with that character has its bytes looked at, for it may be one that was written.
 */
const textAt = (path: string, file: string): File[1] => {
  const text = files.text(path)
  // UTF-16 of ASCII characters alone is UTF-8 as well, with a NUL at each.
  if (text.includes("\0")) return { error: notUtf8(file, "it has NUL characters, as UTF-16 has") }
  if (!text.includes("\uFFFD") || isUtf8(files.bytes(path))) return { text }
  return { error: notUtf8(file, "it has bytes that are no character of it") }
}

const unreadable = (directory: string, { code, detail, retryable }: SystemFailure) =>
  new MigrationSourceError({ reason: "DirectoryUnreadable", path: directory, detail, code, retryable })

const badName = (file: string, detail: string) =>
  new MigrationSourceError({ reason: "BadName", path: file, detail, code: "", retryable: false })

const notUtf8 = (file: string, detail: string) =>
  new MigrationSourceError({ reason: "NotUtf8", path: file, detail, code: "", retryable: false })

const badDeclaration = (path: string, detail: string) =>
  new MigrationSourceError({ reason: "BadDeclaration", path, detail, code: "", retryable: false })

/** The same from `{ "NNN_name.sql": text }`, for a program that is bundled into one file. */
export const fromRecord = (record: Readonly<Record<string, string>>): Migrations =>
  Effect.suspend(() => migrationsOf(Object.entries(record).map(inRecord)))

/** A bundler, or a call without types, may give something else: a module with the text as its default export. */
const inRecord = ([name, text]: readonly [string, unknown]): File => [
  name,
  typeof text === "string" ? { text } : { error: badName(name, `it is no text, but of type ${typeof text}`) }
]

const migrationsOf = (found: ReadonlyArray<File>): Either.Either<ReadonlyArray<Migration>, MigrationSourceError> => {
  const migrations: Array<Migration> = []
  for (const [file, content] of found) {
    if ("error" in content) return Either.left(content.error)
    const [, version, name] = /^(\d{1,15})_([^/\\]+)\.sql$/.exec(file) ?? []
    if (version === undefined || name === undefined) return Either.left(badName(file, "expected NNN_name.sql"))
    const { text } = content
    const id = Number(version)
    const declared = declarationOf(text, id)
    if (Either.isLeft(declared)) return Either.left(badDeclaration(file, declared.left))
    const body = { _tag: "Sql", text } as const
    migrations.push({ id, version, name, checksum: checksumOf(text), declared: declared.right, body })
  }
  return Either.right(migrations)
}

/**
 * The Effects of a loader of `@effect/sql`'s `Migrator`. A loader knows its numbers as numbers, so
 * that the version is written with at least three digits. What a file says at its head is given here by
 * title: `{ "003_merge_owners": { deletes: ["owners"], version: "1" } }`. Change the `version` whenever the Effect
 * is edited: it is compared with the one that was applied. Without one an edited Effect is not seen.
 */
export const fromLoader = <R>(
  loader: Migrator.Loader<R>,
  declarations: Readonly<Record<string, Partial<Declaration> & { readonly version?: string | undefined }>> = {}
): Migrations<R> =>
  Effect.gen(function* () {
    const resolved = yield* Effect.mapError(loader, (error) => notLoaded(error.message))
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

/** Several sources as one, e.g. SQL files and the Effects between them. */
export const all = <R>(...sources: ReadonlyArray<Migrations<R>>): Migrations<R> =>
  Effect.map(Effect.all(sources), (migrations) => migrations.flat())

const notLoaded = (detail: string) =>
  new MigrationSourceError({ reason: "NotLoaded", path: "the loader", detail, code: "", retryable: false })

/** A loader gives an Effect, or a module whose default export is one. */
const loaded = (
  load: Effect.Effect<unknown, unknown, SqlClient.SqlClient>
): Effect.Effect<Effect.Effect<unknown, unknown, SqlClient.SqlClient>, unknown, SqlClient.SqlClient> =>
  Effect.catchAllDefect(load, (thrown) => Effect.fail(notLoaded(Cause.pretty(Cause.die(thrown))))).pipe(
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
