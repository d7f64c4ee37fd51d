/**
 * What a list of migrations means, in plain code over the driver: each file alone, in order, foreign keys on, and off
 * only around a file that declares that. Nothing of the library is used here.
 */
import Sqlite from "better-sqlite3"

export interface ReferenceFile {
  readonly sql: string
  readonly isOff: boolean
  /** Tables that may have fewer rows afterwards. */
  readonly deletes: ReadonlyArray<string>
}

/** `REASON at N` for the refused file, counted from 1. */
export type Verdict = "ready" | `${string} at ${number}`

/** All objects with their text, and all rows, as one text. */
export const contentOf = (database: Sqlite.Database): string => {
  const objects = database
    .prepare<[], { type: string; name: string; sql: string }>(
      `SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite%' AND tbl_name <> 'schema_migrations' ORDER BY type, name`
    )
    .all()
  const rows = objects
    .filter(({ type }) => type === "table")
    .map(({ name }) => [name, database.prepare(`SELECT * FROM "${name}" ORDER BY 1, 2`).raw().all()])
  return JSON.stringify({ objects, rows }, null, 1)
}

const tablesOf = (database: Sqlite.Database) =>
  database
    .prepare<[], string>("SELECT lower(name) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    .pluck()
    .all()

const countsOf = (database: Sqlite.Database) =>
  new Map(
    tablesOf(database).map((table) => [
      table,
      database.prepare<[], number>(`SELECT count(*) FROM "${table}"`).pluck().get() ?? 0
    ])
  )

/** Columns whose foreign key is cleared when the referenced row is deleted, with the rows that refer to one. */
const clearedOf = (database: Sqlite.Database) =>
  new Map(
    tablesOf(database).flatMap((table) =>
      database
        .prepare<[], { from: string; table: string; on_delete: string }>(`PRAGMA foreign_key_list("${table}")`)
        .all()
        .filter(({ on_delete }) => on_delete === "SET NULL" || on_delete === "SET DEFAULT")
        .map(({ from, table: parent }) => [
          `${table}.${from}`,
          {
            table,
            from,
            parent: parent.toLowerCase(),
            rows: database.prepare<[], number>(`SELECT count("${from}") FROM "${table}"`).pluck().get() ?? 0
          }
        ])
    )
  )

const violationOf = (database: Sqlite.Database): string | undefined => {
  try {
    return database.prepare("PRAGMA foreign_key_check").all().length > 0 ? "ForeignKeyViolations" : undefined
  } catch {
    return "ForeignKeyMismatch"
  }
}

/** `ALTER TABLE a RENAME TO b`, as the generator writes it: every name of a table, the last one at the end. */
const namesIn = (sql: string, table: string): ReadonlyArray<string> => {
  const names = [table]
  for (const [, from, to = ""] of sql.matchAll(/ALTER TABLE (\w+) RENAME TO (\w+)/g)) {
    if (from === names.at(-1)) names.push(to)
  }
  return names
}

const renamedIn = (sql: string, table: string): string => namesIn(sql, table).at(-1) ?? table

/** Rows that have a value in a column; undefined if there is no such column. */
const filledIn = (database: Sqlite.Database, table: string, column: string): number | undefined =>
  database.prepare("SELECT 1 FROM pragma_table_xinfo(?) WHERE lower(name) = lower(?)").get(table, column) === undefined
    ? undefined
    : database.prepare<[], number>(`SELECT count("${column}") FROM "${table}"`).pluck().get()

const applyOne = (database: Sqlite.Database, { deletes, isOff, sql }: ReferenceFile): string | undefined => {
  database.pragma(`foreign_keys = ${isOff ? 0 : 1}`)
  const before = countsOf(database)
  const cleared = clearedOf(database)
  database.exec("BEGIN")
  try {
    database.exec(sql)
  } catch {
    if (database.inTransaction) database.exec("ROLLBACK")
    return "StatementFailed"
  }
  const after = countsOf(database)
  // A declaration may use any name of the table.
  const isDeclared = (table: string) => namesIn(sql, table).some((name) => deletes.includes(name))
  const lost = [...before].some(
    ([table, rows]) =>
      !isDeclared(table) && Math.max(after.get(table) ?? 0, after.get(renamedIn(sql, table)) ?? 0) < rows
  )
  const dropped = new Set([...sql.matchAll(/DROP TABLE (\w+)/g)].map(([, table]) => table ?? ""))
  const unbound = [...cleared.values()].some(({ from, parent, rows, table }) => {
    if (!namesIn(sql, parent).some((name) => dropped.has(name)) || isDeclared(parent) || isDeclared(table)) return false
    const now = filledIn(database, renamedIn(sql, table), from)
    return now !== undefined && now < rows
  })
  const reason = lost || unbound ? "RowsDeleted" : violationOf(database)
  if (reason !== undefined) {
    database.exec("ROLLBACK")
    return reason
  }
  try {
    database.exec("COMMIT")
    return undefined
  } catch {
    // SQLite's own count of deferred references knows a parent that was dropped and one that took its name.
    database.exec("ROLLBACK")
    return "ForeignKeyViolations"
  }
}

/** The content after 0, 1, 2 ... files, as far as they go, and the verdict over all. */
export const fileByFile = (
  files: ReadonlyArray<ReferenceFile>
): { readonly verdict: Verdict; readonly contents: ReadonlyArray<string> } => {
  const database = new Sqlite(":memory:")
  try {
    const contents = [contentOf(database)]
    for (const [index, file] of files.entries()) {
      const reason = applyOne(database, file)
      if (reason !== undefined) return { verdict: `${reason} at ${index + 1}`, contents }
      contents.push(contentOf(database))
    }
    return { verdict: "ready", contents }
  } finally {
    database.close()
  }
}

/** As the generators write them: only a trigger has a semicolon inside, before its END. */
export const statementsOf = (sql: string): ReadonlyArray<string> =>
  sql
    .split(/;(?!\s*END\b)/)
    .map((text) => text.trim())
    .filter((text) => text !== "")

/**
 * The refusal before anything is written, after so many files: the first later file with a statement that SQLite does
 * not compile in a database with the same schema and no rows. Undefined if it compiles all of them.
 */
export const refusedBefore = (files: ReadonlyArray<ReferenceFile>, applied: number): Verdict | undefined => {
  const database = new Sqlite(":memory:")
  try {
    for (const file of files.slice(0, applied)) applyOne(database, file)
    database.pragma("foreign_keys = 0")
    for (const table of tablesOf(database)) database.exec(`DELETE FROM "${table}"`)
    for (const [index, { isOff, sql }] of files.entries()) {
      if (index < applied) continue
      database.pragma(`foreign_keys = ${isOff ? 0 : 1}`)
      for (const text of statementsOf(sql)) {
        try {
          const statement = database.prepare(text)
          if (/^(?:alter|create|drop)/i.test(text)) statement.run()
        } catch {
          return `StatementFailed at ${index + 1}`
        }
      }
      if (violationOf(database) === "ForeignKeyMismatch") return `ForeignKeyMismatch at ${index + 1}`
    }
    return undefined
  } finally {
    database.close()
  }
}
