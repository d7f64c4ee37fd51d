/** The rows of the history before and after a repair. Plain: it throws `SqliteFailure`. */

import { identifier } from "../schema/SqlScript.ts"
import { historyTable } from "../sqlite/AppliedMigrations/historyTable.ts"
import { type Row, type Sqlite, text } from "../sqlite/Sqlite.ts"

/** A row of the history as far as it changes. Of a row that stays, only the columns that change. */
export interface RowChange {
  /** Its number, as it was written before; of a new row, as it is written then. */
  readonly version: string
  /** Undefined for a new row. */
  readonly before: RowValues | undefined
  /** Undefined for a row that is deleted. Of a new row without `applied_at`, which is the time at which it is written. */
  readonly after: RowValues | undefined
}

/** Values of a row by the names of its columns. */
export type RowValues = Readonly<Record<string, string | number | null>>

type Rows = ReadonlyMap<string, RowValues>

/** By `migration_id`. Without `events`: their times are different at each look. */
export const rowsIn = ({ all }: Sqlite): Rows =>
  new Map(
    all(`SELECT * FROM ${historyTable} ORDER BY migration_id`).map((row) => [text(row, "migration_id"), valuesOf(row)])
  )

const valuesOf = (row: Row): RowValues =>
  Object.fromEntries(
    Object.entries(row).flatMap(([column, value]) =>
      column.toLowerCase() === "events"
        ? []
        : [[column, value === null || typeof value === "number" ? value : String(value)]]
    )
  )

/** Copies the table with its rows into another database. Gives the rows. */
export const copyHistory = (from: Sqlite, to: Sqlite): Rows => {
  to.all("PRAGMA foreign_keys = 0")
  for (const table of from.all("SELECT sql FROM sqlite_schema WHERE type = 'table' AND lower(name) = ?", [
    historyTable
  ])) {
    to.all(text(table, "sql"))
  }
  const columns = from.all("SELECT name FROM pragma_table_info(?)", [historyTable]).map((row) => text(row, "name"))
  const names = columns.map(identifier).join(", ")
  if (columns.length > 0) {
    const insert = `INSERT INTO ${historyTable} (${names}) VALUES (${columns.map(() => "?").join(", ")})`
    for (const row of from.all(`SELECT ${names} FROM ${historyTable}`)) {
      to.all(
        insert,
        columns.map((column) => row[column])
      )
    }
  }
  for (const pragma of ["user_version", "application_id"]) {
    to.all(`PRAGMA ${pragma} = ${text(from.all(`PRAGMA ${pragma}`)[0], pragma)}`)
  }
  return columns.length === 0 ? new Map() : rowsIn(to)
}

export const changesBetween = (before: Rows, after: Rows): ReadonlyArray<RowChange> => {
  const ids = [...new Set([...before.keys(), ...after.keys()])].sort((one, other) => Number(one) - Number(other))
  return ids.flatMap((id): ReadonlyArray<RowChange> => {
    const [was, is] = [before.get(id), after.get(id)]
    const version = String((was ?? is)?.["version"])
    if (was === undefined && is !== undefined) {
      const { applied_at: _, ...written } = is
      return [{ version, before: undefined, after: written }]
    }
    if (is === undefined || was === undefined) return [{ version, before: was, after: undefined }]
    // A column that the table lacked is not there before.
    const changed = Object.keys(is).filter((column) => (was[column] ?? null) !== is[column])
    if (changed.length === 0) return []
    const of = (row: RowValues) => Object.fromEntries(changed.map((column) => [column, row[column] ?? null]))
    return [{ version, before: of(was), after: of(is) }]
  })
}
