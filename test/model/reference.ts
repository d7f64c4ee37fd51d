/** What a database holds, and what a single migration file does to it, in plain SQLite. */
import Sqlite from "better-sqlite3"
import { statementsOf } from "../support/reference.ts"
import type { MigrationFile } from "./files.ts"

/** A database as bytes, without a history; undefined if it is empty. */
export type Image = Buffer | undefined

/** Runs something in memory on the content of an image. */
export const within = <A>(image: Image, use: (connection: Sqlite.Database) => A): A => {
  const connection = image === undefined ? new Sqlite(":memory:") : new Sqlite(image)
  try {
    return use(connection)
  } finally {
    connection.close()
  }
}

export const executed = (image: Image, sql: string): Image =>
  within(image, (connection) => {
    connection.pragma("foreign_keys = 1")
    connection.exec(sql)
    return connection.serialize()
  })

/** Tables of a database without SQLite's own and without the history. */
const tableNames = `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> 'schema_migrations' ORDER BY name`

const namesIn = (connection: Sqlite.Database): ReadonlyArray<string> =>
  connection.prepare(tableNames).pluck().all().map(String)

export const tablesIn = (image: Image): ReadonlyArray<string> => within(image, namesIn)

/** Everything that is compared: each object as it is written, each row of each table. */
export const contentsOf = (connection: Sqlite.Database): string =>
  JSON.stringify({
    objects: connection
      .prepare(
        `SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND tbl_name <> 'schema_migrations' ORDER BY type, name`
      )
      .raw()
      .all(),
    rows: namesIn(connection).map((name) => [
      name,
      connection.prepare(`SELECT * FROM "${name}" ORDER BY rowid`).raw().all()
    ])
  })

export const hasRows = (image: Image): boolean =>
  within(image, (connection) =>
    namesIn(connection).some((name) => connection.prepare(`SELECT 1 FROM "${name}" LIMIT 1`).get() !== undefined)
  )

export const isBlank = (image: Image): boolean =>
  within(image, (connection) => connection.prepare("SELECT 1 FROM sqlite_schema").get() === undefined)

export const violatesForeignKeys = (image: Image): boolean => within(image, (connection) => foreignKeyCheck(connection))

/** A foreign key to a missing table cannot be checked; it is violated as soon as it is used. */
const foreignKeyCheck = (connection: Sqlite.Database): boolean =>
  connection.prepare("SELECT 1 FROM pragma_foreign_key_check LIMIT 1").get() !== undefined

/** Whether every view and every trigger still compiles. */
export const compiles = (image: Image): boolean =>
  within(image, (connection) => {
    connection.pragma("foreign_keys = 0")
    const objects = connection
      .prepare("SELECT type, name, tbl_name AS target FROM sqlite_schema WHERE type IN ('view', 'trigger')")
      .all() as ReadonlyArray<{ readonly type: string; readonly name: string; readonly target: string }>
    try {
      for (const { name, target, type } of objects) {
        if (type === "view") connection.prepare(`SELECT * FROM "${name}"`)
        else connection.prepare(`INSERT INTO "${target}" DEFAULT VALUES`)
      }
      return true
    } catch {
      return false
    }
  })

/**
 * Why files cannot be applied for any rows: they are tried on the same schema without a row. There objects are really
 * created, and statements that change rows are only compiled. None if all of it works.
 */
export const refusedWithoutRows = (image: Image, files: ReadonlyArray<MigrationFile>): ReadonlyArray<FileRefusal> => {
  const objects = within(image, (connection) =>
    connection
      .prepare(
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid"
      )
      .pluck()
      .all()
      .map(String)
  )
  return within(undefined, (connection) => {
    connection.pragma("foreign_keys = 0")
    for (const sql of objects) connection.exec(sql)
    for (const { foreignKeys, text } of files) {
      connection.pragma(`foreign_keys = ${foreignKeys}`)
      connection.exec("SAVEPOINT file")
      for (const sql of statementsOf(text.replace(/^--.*$/gm, ""))) {
        try {
          const statement = connection.prepare(sql)
          if (/^(?:alter|create|drop|savepoint|rollback)/i.test(sql)) statement.run()
        } catch {
          return ["StatementFailed"]
        }
      }
      connection.exec("RELEASE file")
      asOpened(connection)
    }
    return compiles(connection.serialize()) ? [] : ["SchemaBroken"]
  })
}

/** Removes what a file has left on its connection only. */
const asOpened = (connection: Sqlite.Database): void => {
  connection.pragma("legacy_alter_table = 0")
  connection.pragma("ignore_check_constraints = 0")
  const names = connection.prepare("SELECT name FROM temp.sqlite_schema WHERE type = 'table'").pluck().all()
  for (const name of names) connection.exec(`DROP TABLE temp."${name}"`)
}

/** The rows of each table, and how many of them have a reference that deleting would clear. */
const countsOf = (connection: Sqlite.Database) => {
  const tables = new Map<string, number>()
  const references: Array<{
    readonly child: string
    readonly column: string
    readonly parent: string
    readonly rows: number
  }> = []
  for (const name of namesIn(connection)) {
    tables.set(name, Number(connection.prepare(`SELECT count(*) FROM main."${name}"`).pluck().get()))
    const keys = connection
      .prepare(
        `SELECT "from" AS "column", "table" AS parent FROM pragma_foreign_key_list(?) WHERE on_delete IN ('SET NULL', 'SET DEFAULT')`
      )
      .all(name) as ReadonlyArray<{ readonly column: string; readonly parent: string }>
    for (const { column, parent } of keys) {
      const rows = Number(connection.prepare(`SELECT count("${column}") FROM main."${name}"`).pluck().get())
      references.push({ child: name, column, parent, rows })
    }
  }
  return { tables, references }
}

export type FileRefusal = "SchemaBroken" | "StatementFailed" | "RowsDeleted" | "ForeignKeyViolations"

/** What a file left, or all the reasons to refuse it. */
export type Applied = { readonly image: Image } | { readonly refused: ReadonlyArray<FileRefusal> }

/** One file alone: foreign keys on, and off only if it declares that. */
export const applyAlone = (image: Image, file: MigrationFile): Applied =>
  within(image, (connection) => {
    connection.pragma(`foreign_keys = ${file.foreignKeys}`)
    const before = countsOf(connection)
    connection.exec("BEGIN")
    try {
      connection.exec(file.text)
    } catch {
      return { refused: ["StatementFailed"] }
    }
    const after = countsOf(connection)
    const renamed = new Map(file.renames)
    const now = (name: string): string => renamed.get(name) ?? name
    // A table may lose rows only if that is declared, by its old or its new name.
    const isDeclared = (name: string): boolean => file.deletes.includes(name) || file.deletes.includes(now(name))
    const isLost = [...before.tables].some(
      ([name, rows]) => !isDeclared(name) && (after.tables.get(now(name)) ?? 0) < rows
    )
    // Dropping a table clears references to it, even during a rebuild.
    const isCleared = before.references.some(
      ({ child, column, parent, rows }) =>
        file.drops.includes(parent) &&
        !isDeclared(parent) &&
        !isDeclared(child) &&
        after.references.some((other) => other.child === now(child) && other.column === column && other.rows < rows)
    )
    const refused: Array<FileRefusal> = []
    if (isLost || isCleared) refused.push("RowsDeleted")
    if (foreignKeyCheck(connection)) refused.push("ForeignKeyViolations")
    if (refused.length > 0) return { refused }
    connection.exec("COMMIT")
    return { image: connection.serialize() }
  })
