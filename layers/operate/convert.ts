/** Turns another tool's directory of migrations into one of this library's. */
import { chmodSync, closeSync, fsyncSync, openSync, renameSync, writeFileSync } from "node:fs"
import { basename, dirname, join, resolve, sep } from "node:path"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { files, trySync } from "../machine/files.ts"
import type { SystemFailure } from "../machine/SystemFailure.ts"
import { type ForeignFile, type LeftFile, layoutOf, shortened, type TreeEntry } from "../schema/ConvertedLayout.ts"
import { convertText, declaring, joinDeclarations, piecesOf, type TextChange } from "../schema/ConvertedText.ts"
import { liquibaseLineIn } from "../schema/Halves.ts"
import { identifier, openingWords, statementsOf } from "../schema/SqlScript.ts"
import {
  describeDifference,
  differenceOf,
  isAccepted,
  objectsOf,
  type SchemaObject,
  schemaStatement
} from "../sqlite/AppliedMigrations/SchemaFingerprint.ts"
import { AppliedMigrations } from "../sqlite/AppliedMigrations.ts"
import { DatabaseConfig } from "../sqlite/DatabaseConfig.ts"
import { DatabaseDirectory } from "../sqlite/DatabaseDirectory.ts"
import { Initialization } from "../sqlite/Initialization.ts"
import type { InitializationError } from "../sqlite/InitializationReport.ts"
import { type OnOpen, withOnOpen } from "../sqlite/OnOpen.ts"
import { clearFolders, ownFolder } from "../sqlite/OwnFolder.ts"
import { integer, openSqlite, type Sqlite, SqliteFailure } from "../sqlite/Sqlite.ts"
import { SqliteConnection } from "../sqlite/SqliteConnection.ts"
import { VerifiedPragmas } from "../sqlite/VerifiedPragmas.ts"
import { MigrationSource } from "../start/MigrationSource.ts"
import type { MigrationSourceError } from "../start/MigrationSourceError.ts"
import { fromRecord, inDirectory, textAt } from "../start/MigrationTexts.ts"
import { ConvertError } from "./ConvertError.ts"
import { lint } from "./Lint.ts"

/** What to convert, and where to. */
export interface ConvertOptions {
  /** The directory of another tool's migrations. It is only read. */
  readonly source: string
  /** A directory that is not there yet, or is empty; its parent has to be there. */
  readonly destination: string
  /** Only says what would be written. Default false. */
  readonly dryRun?: boolean | undefined
  /** Functions and extensions that the migrations call, as for a start. */
  readonly onOpen?: OnOpen | undefined
}

/** A file that was written. */
export interface ConvertedFile {
  /** The other tool's file, below its directory. */
  readonly from: string
  /** Its name here. */
  readonly to: string
  /** What was changed in its text, in the order of its lines. */
  readonly changes: ReadonlyArray<TextChange>
  /** What it declares now, such as `foreign_keys = off`. Look at each: it allows what the library else refuses. */
  readonly declares: ReadonlyArray<string>
}

/** What was written, or would be. */
export interface Conversion {
  /** Absolute path of what was read. */
  readonly source: string
  /** Absolute path of what was written. */
  readonly destination: string
  /** Whether it was written; false for a look. */
  readonly isWritten: boolean
  /** Whose layout it is, for people, as far as it tells. */
  readonly layout: string
  /** Whether the migrations have other numbers than before. */
  readonly isRenumbered: boolean
  /** The migrations, in their order. */
  readonly files: ReadonlyArray<ConvertedFile>
  /** SQL files that were left out, each with the reason. */
  readonly left: ReadonlyArray<LeftFile>
  /** How many objects the schema has that both make. */
  readonly objects: number
}

/**
 * Converts another tool's directory of SQL migrations: folders, files that do and undo, files in two halves, Flyway's
 * names, Drizzle's journal and breakpoints, transactions and settings in the text. Before anything is written, both are
 * run in memory: the new files by a start of this library, the old ones as they are. They have to make the same schema
 * and as many rows. The source is only read, nothing is overwritten, and the directory appears whole or not at all. Fails
 * with `ConvertError`, and with `MigrationSourceError` where the source cannot be read.
 *
 * @example
 * ```ts
 * import { convertMigrations } from "database-ready/operate"
 *
 * export const look = convertMigrations({ source: "prisma/migrations", destination: "migrations", dryRun: true })
 * ```
 */
export const convertMigrations = ({
  destination,
  dryRun = false,
  onOpen,
  source
}: ConvertOptions): Effect.Effect<Conversion, ConvertError | MigrationSourceError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const read = yield* inDirectory(source, (directory) => readSource(directory, source))
    const { files: found, isRenumbered, layout, left, place } = yield* read
    const target = yield* placeOf(place, destination, dryRun)
    const expected = yield* runAsTheyAre(source, found)
    const { converted, made } = yield* proveFiles(source, found)
    yield* requireSame(source, expected, made)
    if (!dryRun) yield* write(target, converted)
    const tools = [...new Set(converted.flatMap((file) => [...file.tools]))]
    const conversion: Conversion = {
      source: place,
      destination: target,
      isWritten: !dryRun,
      layout: tools.length === 0 ? layout : `${layout}, in halves as of ${tools.join(", ")}`,
      isRenumbered,
      files: converted.map(({ changes, declares, from, to }) => ({ from, to, changes, declares })),
      left,
      objects: made.objects.length
    }
    return conversion
  }).pipe(withOnOpen(onOpen))

const errorOf = (
  reason: ConvertError["reason"],
  directory: string,
  facts: Partial<Pick<ConvertError, "code" | "cure" | "detail" | "file" | "retryable">> = {}
) => new ConvertError({ reason, directory, file: "", detail: "", cure: "", code: "", retryable: false, ...facts })

/** A migration with the text that it has in the source. */
interface Original extends ForeignFile {
  readonly to: string
  readonly text: string
}

interface Source {
  readonly place: string
  readonly layout: string
  readonly isRenumbered: boolean
  readonly files: ReadonlyArray<Original>
  readonly left: ReadonlyArray<LeftFile>
}

/** For inside `inDirectory`. */
const readSource = (
  directory: string,
  shown: string
): Either.Either<Either.Either<Source, ConvertError>, MigrationSourceError> => {
  const unclear = (reason: "NoMigrations" | "Programs" | "Unclear", detail: string) =>
    Either.right(Either.left(errorOf(reason, shown, { detail })))
  const entries = treeOf(directory, "", 0)
  if (entries.length > mostEntries) return unclear("Unclear", `it has more than ${mostEntries} files and folders`)
  const textOf = (path: string) => textAt(join(directory, path), path)
  const texts = new Map<string, string>()
  const isDbmate = entries.some(({ isDirectory, path }) => {
    if (isDirectory || !/^\d[^/]*\.sql$/i.test(path)) return false
    const read = textOf(path)
    return "text" in read && /^--\s*migrate:up\b/m.test(read.text)
  })
  const journal = entries.some(({ path }) => path === drizzleJournal)
    ? files.text(join(directory, drizzleJournal))
    : undefined
  const layout = layoutOf(entries, journal, isDbmate)
  if ("reason" in layout) return unclear(layout.reason, layout.detail)
  for (const { path } of layout.found) {
    const read = textOf(path)
    if ("error" in read) return Either.left(read.error)
    const liquibase = liquibaseLineIn(read.text)
    if (liquibase > 0) {
      return unclear(
        "Unclear",
        `line ${liquibase} of ${path} is a mark of Liquibase, whose changesets have conditions of their own`
      )
    }
    texts.set(path, read.text)
  }
  const taken = new Set<string>()
  const originals = layout.found.map((file) => {
    const to = nameOf(file, taken)
    taken.add(to)
    return { ...file, to, text: texts.get(file.path) ?? "" }
  })
  const { isRenumbered, layout: name, left } = layout
  return Either.right(
    Either.right({ place: files.realPath(directory), layout: name, isRenumbered, files: originals, left })
  )
}

const drizzleJournal = "meta/_journal.json"
/** A directory of migrations is not that large. The path may be one of a disk. */
const mostEntries = 20_000
const deepest = 4

const treeOf = (directory: string, below: string, depth: number): ReadonlyArray<TreeEntry> => {
  const found: Array<TreeEntry> = []
  for (const entry of files.entries(join(directory, below))) {
    if (entry.name.startsWith(".") || entry.name === "node_modules") continue
    const path = below === "" ? entry.name : `${below}/${entry.name}`
    // It may be a link. What is neither a file nor a directory is never read: a fifo would not end.
    const stats = entry.isSymbolicLink() ? files.stat(join(directory, path)) : entry
    const isDirectory = stats?.isDirectory() === true
    if (!isDirectory && stats?.isFile() !== true) continue
    found.push({ path, isDirectory })
    if (isDirectory && depth < deepest) found.push(...treeOf(directory, path, depth + 1))
    if (found.length > mostEntries) break
  }
  return found
}

/** Repeatable ones are known by name, so each needs one of its own. */
const nameOf = ({ name, version }: ForeignFile, taken: ReadonlySet<string>): string => {
  if (version !== undefined) return `${version}_${name}.sql`
  let to = `R__${name}.sql`
  for (let number = 2; taken.has(to); number += 1) to = `R__${name}_${number}.sql`
  return to
}

/** Where it goes, without links. */
const placeOf = (source: string, destination: string, dryRun: boolean): Effect.Effect<string, ConvertError> =>
  Effect.gen(function* () {
    const wanted = resolve(destination)
    const orRefuse = Effect.mapError(({ code, detail, retryable }: SystemFailure) =>
      errorOf("NotWritten", wanted, { code, detail, retryable })
    )
    const there = yield* orRefuse(trySync(() => files.lstat(wanted)))
    const place = yield* orRefuse(
      trySync(() =>
        there === undefined ? join(files.realPath(dirname(wanted)), basename(wanted)) : files.realPath(wanted)
      )
    )
    if (`${place}${sep}`.startsWith(`${source}${sep}`)) return yield* errorOf("Within", wanted)
    if (!dryRun) yield* clearFolders(placeOfFolders(place))
    if (there === undefined) return place
    const isFree = yield* orRefuse(
      trySync(() => files.stat(place)?.isDirectory() === true && files.names(place).length === 0)
    )
    return isFree ? place : yield* errorOf("Occupied", wanted)
  })

/** What migrations make of an empty database. */
interface MadeDatabase {
  readonly objects: ReadonlyArray<SchemaObject>
  /** By table. */
  readonly rows: ReadonlyMap<string, number>
}

const lookAt = ({ all }: Sqlite): MadeDatabase => {
  const objects = objectsOf(all(schemaStatement))
  const tables = objects.filter(({ type }) => type === "table")
  const count = (table: string) => integer(all(`SELECT count(*) AS rows FROM main.${identifier(table)}`)[0], "rows")
  return { objects, rows: new Map(tables.map(({ name }) => [name, count(name)])) }
}

/** Runs the files as another tool does: piece by piece, and with whatever they say of transactions and settings. */
const runAsTheyAre = (source: string, found: ReadonlyArray<Original>): Effect.Effect<MadeDatabase, ConvertError> =>
  Effect.scoped(
    Effect.gen(function* () {
      let current = found[0]
      const sqlite = yield* openSqlite({ filename: ":memory:" })
      return yield* Effect.try({
        try: () => {
          sqlite.database.pragma("foreign_keys = 0")
          for (const file of found) {
            current = file
            for (const piece of piecesOf(file.text)) runPiece(sqlite, piece)
            if (sqlite.database.inTransaction) sqlite.database.exec("COMMIT")
          }
          return lookAt(sqlite)
        },
        catch: SqliteFailure.from
      }).pipe(Effect.mapError(({ detail }) => errorOf("SourceFails", source, { detail, file: current?.path ?? "" })))
    }).pipe(Effect.catchTag("SqliteFailure", ({ detail }) => Effect.fail(errorOf("SourceFails", source, { detail }))))
  )

const transactional = /\b(?:begin|commit|end|vacuum)\b/i

/**
 * Some tools run a file in a transaction and others do not: a BEGIN within one and a COMMIT without one do nothing here.
 * A piece that says nothing of them is given to SQLite as it is.
 */
const runPiece = ({ database }: Sqlite, piece: string): void => {
  if (!transactional.test(piece)) {
    database.exec(piece)
    return
  }
  for (const { text } of statementsOf(piece)) {
    const [verb = ""] = openingWords(text, 1)
    const isMeant =
      verb === "BEGIN" ? !database.inTransaction : /^(?:COMMIT|END)$/.test(verb) ? database.inTransaction : true
    if (isMeant) database.exec(text)
  }
}

/** A file as it is to be written. */
interface Converted extends ConvertedFile {
  readonly text: string
  /** Whose marks were in it. */
  readonly tools: ReadonlySet<string>
}

/** The files with what they have to declare, and what a start makes of them. */
const proveFiles = Effect.fnUntraced(function* (source: string, found: ReadonlyArray<Original>) {
  let converted = found.map(({ path, text, to }): Converted => {
    return { from: path, to, ...convertText(text) }
  })
  const declare = (more: (file: Converted) => ReadonlyArray<string>) => {
    converted = converted.map((file) => ({ ...file, declares: joinDeclarations([...file.declares, ...more(file)]) }))
  }
  const { findings } = yield* Effect.mapError(lint(fromRecord(recordOf(converted))), (error) =>
    notAccepted(source, converted, error)
  )
  declare(({ to }) =>
    findings.flatMap(({ declares, file }) => (file === to && declares !== undefined ? [declares] : []))
  )
  // What only rows show. Whether the other tool leaves as many of them is looked at later.
  for (let round = 0; ; round += 1) {
    const made = yield* Effect.either(Effect.scoped(startInMemory(recordOf(converted))))
    if (Either.isRight(made)) return { converted, made: made.right }
    const error = made.left
    if (error._tag !== "UpgradeError" || error.reason !== "RowsDeleted" || round > found.length) {
      return yield* notAccepted(source, converted, error)
    }
    const { losses, migration } = error
    const before = JSON.stringify(converted)
    declare(({ to }) =>
      to === `${migration}.sql`
        ? losses.map(({ column, table }) =>
            column === undefined ? `deletes = ${declarable(table)}` : "foreign_keys = off"
          )
        : []
    )
    if (JSON.stringify(converted) === before) return yield* notAccepted(source, converted, error)
  }
})

const declarable = (table: string): string => (/^[\w.]+$/.test(table) ? table : identifier(table))

const recordOf = (converted: ReadonlyArray<Converted>): Readonly<Record<string, string>> =>
  Object.fromEntries(converted.map((file) => [file.to, textOf(file)]))

const textOf = ({ declares, text }: Converted): string => declaring(text, declares)

const startInMemory = Effect.fnUntraced(function* (record: Readonly<Record<string, string>>) {
  const config = DatabaseConfig.from({ filename: ":memory:", backups: 0, integrity: "schema" })
  const initialization = yield* Initialization.make(config)
  const source = yield* MigrationSource.make(fromRecord(record))
  const directory = yield* DatabaseDirectory.make(config, initialization)
  const connection = yield* SqliteConnection.make(config, initialization, directory)
  const pragmas = yield* VerifiedPragmas.make(config, initialization, connection)
  yield* AppliedMigrations.make(config, initialization, source, connection, pragmas)
  return lookAt(connection.sqlite)
})

const notAccepted = (source: string, converted: ReadonlyArray<Converted>, error: InitializationError): ConvertError => {
  const title = "migration" in error ? error.migration : "path" in error ? error.path.replace(/\.sql$/, "") : ""
  const from = converted.find(({ to }) => to === `${title}.sql`)?.from ?? ""
  return errorOf("NotAccepted", source, { file: from, detail: error.sentence, cure: `${inCopy} ${error.remedy}` })
}

const inCopy = "Correct it in a copy of the directory, and convert the copy."

const requireSame = (source: string, expected: MadeDatabase, made: MadeDatabase): Effect.Effect<void, ConvertError> => {
  const difference = differenceOf(expected.objects, made.objects)
  const isSame = isAccepted(difference) && difference.extra.length === 0
  const counted = [...expected.rows].filter(([table, rows]) => made.rows.get(table) !== rows)
  if (isSame && counted.length === 0) return Effect.void
  const detail = isSame
    ? `rows of ${shortened(counted.map(([table, rows]) => `${table}: ${rows}, and ${made.rows.get(table)} here`))}`
    : describeDifference(difference)
  return Effect.fail(errorOf("Differs", source, { detail }))
}

/** Into a directory beside it, which then gets its name: `rename` replaces an empty one, and no other. */
const write = (place: string, converted: ReadonlyArray<Converted>): Effect.Effect<void, ConvertError> =>
  Effect.gen(function* () {
    const folder = yield* ownFolder(placeOfFolders(place))
    yield* trySync(() => {
      for (const file of converted) writeFileSync(join(folder, file.to), textOf(file), { flag: "wx", flush: true })
      const before = files.stat(place)
      if (before !== undefined) chmodSync(folder, before.mode & 0o7777)
      flushDirectory(folder)
      renameSync(folder, place)
      flushDirectory(dirname(place))
    })
  }).pipe(
    Effect.scoped,
    Effect.mapError(({ code, detail, retryable }) => {
      const isTaken = /^(?:ENOTEMPTY|EEXIST|ENOTDIR)$/.test(code)
      return errorOf(isTaken ? "Occupied" : "NotWritten", place, { code, detail: isTaken ? "" : detail, retryable })
    })
  )

const placeOfFolders = (place: string) => ({ stem: place, contents: /\.sql$/, isPrivate: false })

const flushDirectory = (directory: string): void => {
  if (process.platform === "win32") return
  const descriptor = openSync(directory, "r")
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
