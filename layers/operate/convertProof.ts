/** Proves that the converted files make what the originals make. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { convertText, joinDeclarations, piecesOf, type TextChange } from "../schema/ConvertedText.ts"
import { shortened } from "../schema/ForeignLayout.ts"
import { identifier, openingWords, statementsOf } from "../schema/SqlScript.ts"
import { brokenObjects } from "../sqlite/AppliedMigrations/CompiledSchema.ts"
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
import type { OnOpen } from "../sqlite/OnOpen.ts"
import { integer, openSqlite, type Sqlite, SqliteFailure } from "../sqlite/Sqlite.ts"
import { SqliteConnection } from "../sqlite/SqliteConnection.ts"
import { VerifiedPragmas } from "../sqlite/VerifiedPragmas.ts"
import { MigrationSource } from "../start/MigrationSource.ts"
import { fromRecord } from "../start/MigrationTexts.ts"
import { type Converted, errorOf, textOf } from "./Conversion.ts"
import type { ConvertError } from "./ConvertError.ts"
import type { Original } from "./convertSource.ts"
import { stringIn, withStrings } from "./doubleQuoted.ts"
import { lint } from "./Lint.ts"

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

/**
 * Runs the files as another tool does: piece by piece, and with whatever they say of transactions and settings. Where
 * SQLite misses a column in double quotes, they are read again, statement by statement, with such strings in single ones.
 */
export const runAsTheyAre = (
  source: string,
  found: ReadonlyArray<Original>
): Effect.Effect<{ readonly made: MadeDatabase; readonly found: ReadonlyArray<Original> }, ConvertError> => {
  const fails = (detail: string, file = "") =>
    errorOf("SourceFails", source, {
      detail,
      file,
      cure: /^unrecognized token: "[${]/.test(detail) ? ofPlaceholder : ""
    })
  const run = (corrects: boolean) =>
    Effect.scoped(
      Effect.gen(function* () {
        let current = found[0]
        const sqlite = yield* openSqlite({ filename: ":memory:" })
        return yield* Effect.try({
          try: () => {
            sqlite.database.pragma("foreign_keys = 0")
            const ran = found.map((file) => {
              current = file
              const read = corrects ? runCorrected(sqlite, file) : file
              if (!corrects) for (const piece of piecesOf(file.text)) runPiece(sqlite, piece)
              if (sqlite.database.inTransaction) sqlite.database.exec("COMMIT")
              return read
            })
            // A view or a trigger is read only when it is used.
            const quoted = corrects
              ? undefined
              : brokenObjects(sqlite).find(({ detail }) => stringIn(detail) !== undefined)
            return { made: lookAt(sqlite), found: ran, detail: quoted?.detail }
          },
          catch: SqliteFailure.from
        }).pipe(Effect.mapError(({ detail }) => fails(detail, current?.path)))
      })
    ).pipe(Effect.catchTag("SqliteFailure", ({ detail }) => Effect.fail(fails(detail))))
  return run(false).pipe(
    Effect.filterOrFail(
      ({ detail }) => detail === undefined,
      ({ detail = "" }) => fails(detail)
    ),
    Effect.catchIf(
      ({ detail }) => stringIn(detail) !== undefined,
      () => run(true)
    )
  )
}

const ofPlaceholder =
  "The other tool puts something in the place of what begins there: write what it puts, in a copy of the directory, and convert the copy."

const runCorrected = (sqlite: Sqlite, file: Original): Original => {
  const read: Array<TextChange> = []
  let { text } = file
  let at = 0
  for (const statement of piecesOf(text).flatMap(statementsOf)) {
    const { sql, strings } = statement.text.includes('"')
      ? withStrings(sqlite, statement.text)
      : { sql: statement.text, strings: [] }
    runPiece(sqlite, sql)
    const start = text.indexOf(statement.text, at)
    if (start === -1) continue
    for (const name of strings) {
      const line = text.slice(0, start + statement.text.indexOf(identifier(name))).split("\n").length
      read.push({
        line,
        what: `wrote '${name.replaceAll("'", "''")}' for "${name}": no column there has that name`
      })
    }
    text = text.slice(0, start) + sql + text.slice(start + statement.text.length)
    at = start + sql.length
  }
  return { ...file, text, read }
}

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

/** The files with what they have to declare, and what a start makes of them. */
export const proveFiles = Effect.fnUntraced(function* (
  source: string,
  found: ReadonlyArray<Original>,
  onOpen: OnOpen | undefined
) {
  let converted = found.map(({ path, read, text, to }): Converted => {
    const { changes, ...made } = convertText(text)
    return { from: path, to, ...made, changes: [...read, ...changes].toSorted((one, other) => one.line - other.line) }
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
    const made = yield* Effect.either(Effect.scoped(startInMemory(recordOf(converted), onOpen)))
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

const startInMemory = Effect.fnUntraced(function* (
  record: Readonly<Record<string, string>>,
  onOpen: OnOpen | undefined
) {
  const config = DatabaseConfig.from({ filename: ":memory:", backups: 0, integrity: "schema", onOpen })
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

export const requireSame = (
  source: string,
  expected: MadeDatabase,
  made: MadeDatabase
): Effect.Effect<void, ConvertError> => {
  const difference = differenceOf(expected.objects, made.objects)
  const isSame = isAccepted(difference) && difference.extra.length === 0
  const counted = [...expected.rows].filter(([table, rows]) => made.rows.get(table) !== rows)
  if (isSame && counted.length === 0) return Effect.void
  const detail = isSame
    ? `rows of ${shortened(counted.map(([table, rows]) => `${table}: ${rows}, and ${made.rows.get(table)} here`))}`
    : describeDifference(difference)
  return Effect.fail(errorOf("Differs", source, { detail }))
}
