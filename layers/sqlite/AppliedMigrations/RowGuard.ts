/** Checks that a migration deletes no rows except those that it declares. */
import * as Effect from "effect/Effect"
import { foldName, identifier } from "../../schema/SqlScript.ts"
import { integer, type Sqlite, type SqliteFailure, text } from "../Sqlite.ts"
import { historyTable } from "./historyTable.ts"
import type { Script } from "./MigrationRun.ts"
import type { SchemaObject } from "./SchemaFingerprint.ts"
import { columnNow, type Follow, followRenames, tablesDroppedBy } from "./TableRenames.ts"
import type { Loss } from "./UpgradeError.ts"

export const describeLoss = ({ after, before, column, table }: Loss): string =>
  column === undefined
    ? `${table}: ${before} rows before, ${after} after`
    : `${table}.${column}: ${before} references before, ${after} after`

/** The counts at one moment. */
interface Counts {
  /** By the table's name, as `foldName` writes it. */
  readonly tables: ReadonlyMap<string, Rows>
  /** Rows that refer to others by a foreign key that is cleared when those are deleted. */
  readonly references: ReadonlyArray<References>
}

interface Rows {
  /** The table's name. For a shadow table: the name of the virtual table whose rows it keeps. */
  readonly table: string
  /** The rest of a shadow table's own name. */
  readonly suffix: string
  readonly rows: number
  /** The first page and the columns: a renamed table keeps both. */
  readonly root: string
}

interface References {
  /** As `foldName` writes it; `to` too. */
  readonly from: string
  readonly to: string
  readonly table: string
  readonly column: string
  readonly rows: number
}

/** Runs before each table is counted, with the number counted so far and the total. */
type Counting = (done: number, total: number) => Effect.Effect<void>

/** Guards the rows in one transaction of migrations. */
export interface RowGuard {
  /** Whether no table of the database has a row. */
  readonly isEmpty: Effect.Effect<boolean, SqliteFailure>
  /**
   * Run it before a migration, and the effect that it returns after it: that gives the rows deleted without a
   * declaration.
   */
  readonly watch: (
    script: Script,
    counting: (when: "before" | "after") => Counting
  ) => Effect.Effect<Effect.Effect<ReadonlyArray<Loss>, SqliteFailure>, SqliteFailure>
}

/**
 * Counts rows before and after each migration that could delete some. That reads every page of a table, or of its
 * smallest index. Each migration is judged alone: rows that another one inserts do not count. Of virtual tables, the
 * rows that full-text search and R*Tree keep are counted; an index over another table's rows has none. Only counts: one
 * deleted and one inserted row in a migration cancel out and are not detected.
 */
export const guardRows = (
  sqlite: Sqlite,
  objects: ReadonlyArray<SchemaObject>,
  between: Effect.Effect<void>
): RowGuard => {
  /** The current counts; undefined after a migration that needed no counting. */
  let counted: Counts | undefined
  /** Whether an INSERT or UPDATE can delete rows: by a trigger, or by a table's own ON CONFLICT REPLACE. */
  let mayReplace = objects.some(({ sql, type }) =>
    type === "trigger" ? /\b(?:delete|replace)\b/i.test(sql) : /\breplace\b/i.test(sql)
  )
  const mayDelete = ({ migration: { body } }: Script): boolean => {
    if (body._tag === "Effect") {
      mayReplace = true
      return true
    }
    const deletes = /\b(?:delete|drop|pragma|rename|replace)\b/i.test(body.text)
    mayReplace ||= deletes && /\b(?:replace|trigger)\b/i.test(body.text)
    return deletes || mayReplace
  }

  return {
    isEmpty: Effect.gen(function* () {
      for (const row of yield* sqlite.run(countedTables)) {
        const some = yield* sqlite.run(`SELECT 1 FROM main.${identifier(text(row, "name"))} LIMIT 1`)
        if (some.length > 0) return false
      }
      return true
    }),
    watch: Effect.fnUntraced(function* (script, counting) {
      if (!mayDelete(script)) {
        counted = undefined
        return Effect.succeed([])
      }
      const before: Counts = counted ?? (yield* countAll(sqlite, between, counting("before")))
      const earlier = yield* stateOf(sqlite)
      return Effect.gen(function* () {
        const now = yield* stateOf(sqlite)
        if (now.changes === earlier.changes && now.schema === earlier.schema) {
          counted = before
          return []
        }
        const after = yield* countAll(sqlite, between, counting("after"))
        counted = after
        return yield* lossesOf(sqlite, script, before, after)
      })
    })
  }
}

const lossesOf = Effect.fnUntraced(function* (
  sqlite: Sqlite,
  { migration, statements }: Script,
  before: Counts,
  after: Counts
) {
  const declared = new Set(migration.declared.deletes.map(foldName))
  const isEffect = migration.body._tag === "Effect"
  // The statements of an Effect are unknown, so tables are followed by their first page. With auto_vacuum, tables move
  // to other pages.
  const [vacuum] = isEffect ? yield* sqlite.run("PRAGMA auto_vacuum") : []
  const keepsRoots = integer(vacuum, "auto_vacuum") === 0
  const follow = isEffect ? (keepsRoots ? byRoot(before, after) : unfollowed) : followRenames(statements)
  // A declaration may use any name that the table has had in the migration.
  const mayLose = (name: string) => follow(name).some((called) => declared.has(called))
  const losses: Array<Loss> = []
  for (const [name, { rows, suffix, table }] of before.tables) {
    if (rows === 0 || declared.has(name) || mayLose(foldName(table))) continue
    const renamed = nameNow(follow, foldName(table))
    const left = Math.max(after.tables.get(name)?.rows ?? 0, after.tables.get(renamed + suffix)?.rows ?? 0)
    if (left >= rows) continue
    const shown = suffix === "" ? left : Math.max(left, yield* rowsThrough(sqlite, renamed))
    if (shown < rows) losses.push({ table, before: rows, after: shown })
  }
  const dropped = isEffect ? movedOrGone(before, after) : tablesDroppedBy(statements)
  for (const { column, from, rows, table, to } of before.references) {
    if (!follow(to).some((called) => dropped.has(called)) || mayLose(to) || mayLose(from)) continue
    const now = isEffect ? column : columnNow(statements, from, column)
    const left = yield* rowsReferring(sqlite, nameNow(follow, from), now)
    if (left !== undefined && left < rows) losses.push({ table, column, before: rows, after: left })
  }
  return losses
})

const unfollowed: Follow = (name) => [name]
const nameNow = (follow: Follow, name: string): string => follow(name).at(-1) ?? name

/** Rows that refer to others by a column, even if the foreign key is gone; undefined if the column is gone. */
const rowsReferring = Effect.fnUntraced(function* (sqlite: Sqlite, table: string, column: string) {
  const columns = yield* sqlite.run("SELECT name FROM pragma_table_xinfo(?, 'main') WHERE name = ? COLLATE NOCASE", [
    table,
    column
  ])
  if (columns.length === 0) return undefined
  const [found] = yield* sqlite.run(`SELECT count(${identifier(column)}) AS rows FROM main.${identifier(table)}`)
  return integer(found, "rows")
})

/**
 * Rows that a virtual table shows if it keeps none itself any more: full-text search that moved to external content has
 * lost nothing (https://sqlite.org/fts5.html#external_content_tables). 0 if the table is gone.
 */
const rowsThrough = Effect.fnUntraced(function* (sqlite: Sqlite, name: string) {
  const [found] = yield* sqlite.run(
    "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual' AND lower(name) = ?",
    [name]
  )
  if (found === undefined) return 0
  const [shown] = yield* sqlite.run(`SELECT count(*) AS rows FROM main.${identifier(text(found, "name"))}`)
  return integer(shown, "rows")
})

const stateOf = (sqlite: Sqlite) =>
  Effect.map(
    sqlite.run("SELECT total_changes() AS changes, schema_version AS schema FROM pragma_schema_version"),
    ([row]) => ({ changes: integer(row, "changes"), schema: integer(row, "schema") })
  )

/** Full-text search keeps its rows in `_content`, R*Tree in `_rowid`; their other tables are indexes. */
const countedTables = `SELECT name, CASE WHEN type = 'shadow' THEN substr(name, 1, length(name) - length(suffix)) ELSE name END AS owner
FROM pragma_table_list, (SELECT '' AS suffix UNION ALL VALUES ('_content'), ('_rowid'))
WHERE schema = 'main' AND lower(name) <> '${historyTable}' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
AND (type = 'table' AND suffix = '' OR type = 'shadow' AND suffix <> '' AND substr(name, -length(suffix)) = suffix)`

const clearedReferences = `SELECT child.name, "from" AS column, "table" AS parent
FROM pragma_table_list AS child, pragma_foreign_key_list(child.name, child.schema)
WHERE child.schema = 'main' AND child.type = 'table' AND on_delete IN ('SET NULL', 'SET DEFAULT') AND seq = 0`

const countAll = Effect.fnUntraced(function* (sqlite: Sqlite, between: Effect.Effect<void>, counting: Counting) {
  const tables = new Map<string, Rows>()
  const named = yield* sqlite.run(countedTables)
  for (const [index, row] of named.entries()) {
    yield* counting(index, named.length)
    const [name, table] = [text(row, "name"), text(row, "owner")]
    const [found] = yield* sqlite.run(
      `SELECT count(*) AS rows, (SELECT rootpage || substr(sql, instr(sql, '(')) FROM sqlite_schema WHERE type = 'table' AND name = ?) AS root FROM main.${identifier(name)}`,
      [name]
    )
    const suffix = foldName(name.slice(table.length))
    tables.set(foldName(name), { table, suffix, rows: integer(found, "rows"), root: text(found, "root") })
    yield* between
  }
  const references: Array<References> = []
  for (const row of yield* sqlite.run(clearedReferences)) {
    const [table, column] = [text(row, "name"), text(row, "column")]
    const [found] = yield* sqlite.run(`SELECT count(${identifier(column)}) AS rows FROM main.${identifier(table)}`)
    const [from, to] = [foldName(table), foldName(text(row, "parent"))]
    references.push({ from, to, table, column, rows: integer(found, "rows") })
    yield* between
  }
  const counts: Counts = { tables, references }
  return counts
})

/** Finds a renamed table by its first page: a new name on the page of a name that is gone. */
const byRoot = (before: Counts, after: Counts): Follow => {
  const added = [...after.tables].filter(([name]) => !before.tables.has(name))
  const names = new Map(added.map(([name, { root }]) => [root, name]))
  return (name) => {
    const found = after.tables.has(name) ? undefined : names.get(before.tables.get(name)?.root ?? "")
    return found === undefined ? [name] : [name, found]
  }
}

/** Tables that were dropped or rebuilt. Dropping a table first deletes its rows, which clears references to them. */
const movedOrGone = (before: Counts, after: Counts): ReadonlySet<string> =>
  new Set(
    [...before.tables].filter(([name, rows]) => pageOf(after.tables.get(name)) !== pageOf(rows)).map(([name]) => name)
  )

const pageOf = (rows: Rows | undefined): number | undefined =>
  rows === undefined ? undefined : Number.parseInt(rows.root, 10)
