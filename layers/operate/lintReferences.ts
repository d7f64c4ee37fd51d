/** What is wrong with references once every migration has run. */
import type Driver from "better-sqlite3"
import type { Found } from "../schema/LintCodes.ts"
import type { SchemaFacts } from "../schema/SchemaFacts.ts"
import { foldName, identifier } from "../schema/SqlScript.ts"
import type { Shape } from "../schema/StatementShape.ts"
import { type Row, SqliteFailure, text } from "../sqlite/Sqlite.ts"

/** Where a table or column of the schema was made. */
export interface Place {
  readonly file: number
  readonly line: number
}

/** Where the tables and columns that are there were made, and where tables were dropped that are gone. */
export interface Places {
  readonly made: Map<string, Place>
  readonly dropped: Map<string, Place>
}

/**
 * What is wrong with a table's references once every migration has run, at the statement that made them, or that dropped
 * what they refer to.
 */
export const referencesIn = (
  database: Driver.Database,
  { tables }: SchemaFacts,
  { dropped, made }: Places
): ReadonlyArray<Found & { readonly place: Place }> => {
  const found: Array<Found & { readonly place: Place }> = []
  for (const [key, { foreignKeys, name }] of tables) {
    const complaint = foreignKeys.length === 0 ? undefined : complaintOfWrite(database, name)
    for (const { columns, parent, parentColumns } of foreignKeys) {
      const gone = tables.has(foldName(parent)) ? undefined : dropped.get(foldName(parent))
      const place = gone ?? made.get(`${key}\0${foldName(columns[0] ?? "")}`) ?? made.get(key)
      if (place === undefined) continue
      const add = (code: Found["code"], message: string, remedy: string) =>
        found.push({ code, line: place.line, message, remedy, place })
      const child = `${name} (${columns.join(", ")})`
      if (gone !== undefined) {
        add(
          "reference-to-missing",
          `${child} refers to ${parent}, which is dropped here: every write to ${name} fails`,
          `Rebuild ${name} without the reference first. If the table was renamed away for a rebuild, ${name} follows it: make the new table under another name, drop the old one, and rename the new one.`
        )
      } else if (!tables.has(foldName(parent))) {
        add(
          "reference-to-missing",
          `${child} refers to ${parent}, which no migration makes: every write to ${name} fails`,
          `Correct the name, or make ${parent}.`
        )
      } else if (complaint?.includes(`"${name}" referencing "${parent}"`) === true) {
        add(
          "foreign-key-mismatch",
          `${child} refers to ${parent}${parentColumns.length === 0 ? "" : ` (${parentColumns.join(", ")})`}, which is not unique there or has another number of columns: every write to ${name} fails`,
          `Refer to the primary key of ${parent}, or give the columns a UNIQUE index.`
        )
      } else if (isScanned(database, name, columns)) {
        add(
          "foreign-key-without-index",
          `${child} refers to ${parent}, and no index begins with ${columns.length === 1 ? "that column" : "those columns"}: every DELETE in ${parent} reads all of ${name}`,
          `Add a migration: CREATE INDEX ${indexName(name, columns)} ON ${nameIn(name)} (${columns.map(nameIn).join(", ")});`
        )
      }
    }
  }
  return found
}

const nameIn = (name: string): string => (/^[a-z_][a-z0-9_]*$/i.test(name) ? name : identifier(name))

const indexName = (table: string, columns: ReadonlyArray<string>): string => nameIn(`${table}_by_${columns.join("_")}`)

/** Compiles what looks for the rows that refer to one: `SCAN` where SQLite reads all of them. */
const isScanned = (database: Driver.Database, table: string, columns: ReadonlyArray<string>): boolean => {
  const where = columns.map((column) => `${identifier(column)} = ?`).join(" AND ")
  const plan = database
    .prepare<Array<unknown>, Row>(`EXPLAIN QUERY PLAN SELECT 1 FROM main.${identifier(table)} WHERE ${where}`)
    .all(...columns.map(() => null))
  return plan.some((row) => /^SCAN\b/.test(text(row, "detail")))
}

const complaintOfWrite = (database: Driver.Database, table: string): string | undefined => {
  database.pragma("foreign_keys = 1")
  try {
    database.prepare(`EXPLAIN INSERT INTO main.${identifier(table)} DEFAULT VALUES`)
    return undefined
  } catch (cause) {
    return SqliteFailure.from(cause).detail
  } finally {
    database.pragma("foreign_keys = 0")
  }
}

/** Follows where tables and their columns were made, and where they were dropped. */
export const place = ({ dropped, made }: Places, shape: Shape, at: Place): void => {
  if (shape.kind === "create" && shape.type === "table" && !shape.isTemporary) {
    dropped.delete(shape.name)
    if (!shape.ifNotExists || !made.has(shape.name)) made.set(shape.name, at)
  } else if (shape.kind === "addColumn") made.set(`${shape.table}\0${shape.column}`, at)
  else if (shape.kind === "drop" && shape.type === "table") {
    dropped.set(shape.name, at)
    for (const key of [...made.keys()]) if (isOf(key, shape.name)) made.delete(key)
  } else if (shape.kind === "renameTable") {
    dropped.delete(shape.to)
    for (const [key, known] of [...made]) {
      if (!isOf(key, shape.table)) continue
      made.delete(key)
      made.set(`${shape.to}${key.slice(shape.table.length)}`, known)
    }
  }
}

const isOf = (key: string, table: string): boolean => key === table || key.startsWith(`${table}\0`)
