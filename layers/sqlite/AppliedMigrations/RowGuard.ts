/** Checks that a migration deletes no rows except those that it declares. */
import type * as Effect from "effect/Effect"
import { foldName, identifier } from "../../schema/SqlScript.ts"
import type { Steps } from "../edge.ts"
import { integer, type Sqlite, schemaVersionOf, text } from "../Sqlite.ts"
import type { Script } from "./MigrationRun.ts"
import { type Counting, type Counts, countAll, isWithoutRows } from "./RowCounts.ts"
import type { SchemaObject } from "./SchemaFingerprint.ts"
import { columnNow, type Follow, followRenames, tablesDroppedBy } from "./TableRenames.ts"
import type { Loss } from "./UpgradeError.ts"

export const describeLoss = ({ after, before, column, table }: Loss): string =>
  column === undefined
    ? `${table}: ${before} rows before, ${after} after`
    : `${table}.${column}: ${before} references before, ${after} after`

/** Guards the rows in one transaction of migrations. All of it throws `SqliteFailure`. */
export interface RowGuard {
  /** Whether no table of the database has a row. */
  readonly isEmpty: () => boolean
  /**
   * Run it before a migration, and what it gives after it, with the number of rows that changed: that gives the rows
   * deleted without a declaration.
   */
  readonly watch: (script: Script, counting: (when: "before" | "after") => Counting) => Steps<Watched>
}

/** Undefined where the migration deletes nothing. */
type Watched = ((changedRows: number) => Steps<ReadonlyArray<Loss>>) | undefined

/**
 * Counts rows before and after each migration that could delete some. That reads every page of a table, or of its
 * smallest index. Each migration is judged alone: rows that another one inserts do not count. Of virtual tables, the
 * rows that full-text search and R*Tree keep are counted; an index over another table's rows has none. Only counts: one
 * deleted and one inserted row in a migration cancel out and are not detected.
 */
export const guardRows = (
  sqlite: Sqlite,
  objects: ReadonlyArray<SchemaObject>,
  between: () => Effect.Effect<void>
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
    isEmpty: () => isWithoutRows(sqlite),
    *watch(script, counting) {
      if (!mayDelete(script)) {
        counted = undefined
        return undefined
      }
      const hasRoots = script.migration.body._tag === "Effect"
      const known = hasRoots && counted?.roots === undefined ? undefined : counted
      const before = known ?? (yield* countAll(sqlite, between, counting("before"), hasRoots))
      const schema = schemaVersionOf(sqlite)
      return function* (changedRows) {
        if (changedRows === 0 && schemaVersionOf(sqlite) === schema) {
          counted = before
          return []
        }
        counted = undefined
        if (hasNoRow(before)) return []
        counted = yield* countAll(sqlite, between, counting("after"), hasRoots)
        return lossesOf(sqlite, script, before, counted)
      }
    }
  }
}

const hasNoRow = ({ tables }: Counts): boolean => [...tables.values()].every(({ rows }) => rows === 0)

const lossesOf = (
  sqlite: Sqlite,
  { migration, statements }: Script,
  before: Counts,
  after: Counts
): ReadonlyArray<Loss> => {
  const declared = new Set(migration.declared.deletes.map(foldName))
  const isEffect = migration.body._tag === "Effect"
  // The statements of an Effect are unknown, so tables are followed by their first page. With auto_vacuum, tables move
  // to other pages.
  const [vacuum] = isEffect ? sqlite.all("PRAGMA auto_vacuum") : []
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
    const shown = suffix === "" ? left : Math.max(left, rowsThrough(sqlite, renamed))
    if (shown < rows) losses.push({ table, before: rows, after: shown })
  }
  const dropped = isEffect ? movedOrGone(before, after) : tablesDroppedBy(statements)
  for (const { column, from, rows, table, to } of before.references) {
    if (!follow(to).some((called) => dropped.has(called)) || mayLose(to) || mayLose(from)) continue
    const now = isEffect ? column : columnNow(statements, from, column)
    const left = rowsReferring(sqlite, nameNow(follow, from), now)
    if (left !== undefined && left < rows) losses.push({ table, column, before: rows, after: left })
  }
  return losses
}

const unfollowed: Follow = (name) => [name]
const nameNow = (follow: Follow, name: string): string => follow(name).at(-1) ?? name

/** Rows that refer to others by a column, even if the foreign key is gone; undefined if the column is gone. */
const rowsReferring = ({ all }: Sqlite, table: string, column: string): number | undefined => {
  const columns = all("SELECT name FROM pragma_table_xinfo(?, 'main') WHERE name = ? COLLATE NOCASE", [table, column])
  if (columns.length === 0) return undefined
  const [found] = all(`SELECT count(${identifier(column)}) AS rows FROM main.${identifier(table)}`)
  return integer(found, "rows")
}

/**
 * Rows that a virtual table shows if it keeps none itself any more: full-text search that moved to external content has
 * lost nothing (https://sqlite.org/fts5.html#external_content_tables). 0 if the table is gone.
 */
const rowsThrough = ({ all }: Sqlite, name: string): number => {
  const [found] = all(
    "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual' AND lower(name) = ?",
    [name]
  )
  if (found === undefined) return 0
  const [shown] = all(`SELECT count(*) AS rows FROM main.${identifier(text(found, "name"))}`)
  return integer(shown, "rows")
}

/** Finds a renamed table by its first page: a new name on the page of a name that is gone. */
const byRoot = (before: Counts, after: Counts): Follow => {
  const added = [...after.tables].filter(([name]) => !before.tables.has(name))
  const names = new Map(added.map(([name]) => [after.roots?.get(name), name]))
  return (name) => {
    const found = after.tables.has(name) ? undefined : names.get(before.roots?.get(name) ?? "")
    return found === undefined ? [name] : [name, found]
  }
}

/** Tables that were dropped or rebuilt. Dropping a table first deletes its rows, which clears references to them. */
const movedOrGone = (before: Counts, after: Counts): ReadonlySet<string> =>
  new Set(
    [...before.tables.keys()].filter((name) => !after.tables.has(name) || pageOf(after, name) !== pageOf(before, name))
  )

const pageOf = ({ roots }: Counts, name: string): number => Number.parseInt(roots?.get(name) ?? "", 10)
