/** Rows that were there before an upgrade are there after it, but for those that a migration declares to delete. */
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import { integer, type Sqlite, text } from "../seams.ts"
import { historyTable } from "./MigrationHistory.ts"
import type { Loss, Script } from "./MigrationRun.ts"
import { identifier, openingWords } from "./SqlScript.ts"

export const describeLoss = ({ after, before, column, table }: Loss): string =>
  column === undefined
    ? `${table}: ${before} rows before, ${after} after`
    : `${table}.${column}: ${before} references before, ${after} after`

/** What is counted. */
interface Counts {
  /** By the table's name in lower case. */
  readonly tables: ReadonlyMap<string, Rows>
  /** Rows that refer to others by a foreign key that is cleared when those go. */
  readonly references: ReadonlyArray<References>
}

interface Rows {
  /** The table's name, that of the virtual table whose rows it keeps where it is one of those. */
  readonly table: string
  /** What its own name has behind that. */
  readonly suffix: string
  readonly rows: number
  /** The first page and the columns, which a table keeps when it is renamed. */
  readonly root: string
}

interface References {
  /** In lower case, as the table that is referred to. */
  readonly from: string
  readonly to: string
  readonly table: string
  readonly column: string
  readonly rows: number
}

/**
 * Counts rows, which reads every page of a table or of its smallest index, once before the upgrade and
 * again after each migration that may have changed some. Of a virtual table those are counted that full-text
 * search and R*Tree keep for it; an index over another table's rows has none of its own. A row that is deleted
 * and another inserted in one migration cancel out.
 */
export const guardRows = Effect.fnUntraced(function* (sqlite: Sqlite, between: Effect.Effect<void>) {
  let before = yield* countAll(sqlite, between)
  let held = withRows(before.tables)
  let state = yield* stateOf(sqlite)
  const [vacuum] = yield* sqlite.run("PRAGMA auto_vacuum")
  // It moves tables to other pages.
  const keepsRoots = integer(vacuum, "auto_vacuum") === 0

  /** To be asked after each migration: tables whose rows it deleted without a word. */
  const lossesOf = Effect.fnUntraced(function* ({ migration, statements }: Script) {
    const now = yield* stateOf(sqlite)
    // What an Effect has said is not known, but a table that is dropped or renamed changes the schema.
    const isEffect = migration.body._tag === "Effect"
    const mayDrop = isEffect ? now.schema !== state.schema : statements.some(isDrop)
    if (now.changes === state.changes && !mayDrop && !statements.some(isRename)) return []
    state = now
    const after = yield* countAll(sqlite, between)
    const mayLose = new Set(migration.declared.deletes.map((table) => table.toLowerCase()))
    const follow = isEffect ? (keepsRoots ? byRoot(before, after) : identity) : renames(statements)
    const losses: Array<Loss> = []
    const kept = new Map(held)
    for (const [name, { rows, suffix, table }] of held) {
      const renamed = follow(table.toLowerCase()) + suffix
      const left = Math.max(after.tables.get(name)?.rows ?? 0, after.tables.get(renamed)?.rows ?? 0)
      const isMeant = mayLose.has(name) || mayLose.has(table.toLowerCase())
      if (left < rows && !isMeant) losses.push({ table, before: rows, after: left })
      kept.delete(name)
      for (const current of new Set([name, renamed])) {
        const found = after.tables.get(current)
        if (found !== undefined && found.rows > 0) kept.set(current, found)
      }
    }
    const dropped = isEffect ? movedOrGone(before, after) : tablesDroppedBy(statements)
    for (const { column, from, rows, table, to } of before.references) {
      if (!(dropped.has(to) || dropped.has(follow(to))) || mayLose.has(to) || mayLose.has(from)) continue
      const found = after.references.find((other) => other.from === follow(from) && other.column === column)
      if (found !== undefined && found.rows < rows) losses.push({ table, column, before: rows, after: found.rows })
    }
    held = kept
    before = after
    return losses
  })
  return { isEmpty: held.size === 0, lossesOf }
})

const stateOf = (sqlite: Sqlite) =>
  Effect.map(
    sqlite.run("SELECT total_changes() AS changes, schema_version AS schema FROM pragma_schema_version"),
    ([row]) => ({ changes: integer(row, "changes"), schema: integer(row, "schema") })
  )

/** `_content` is what full-text search keeps, `_rowid` what R*Tree does; what else they have are indexes. */
const countedTables = `SELECT name, CASE WHEN type = 'shadow' THEN substr(name, 1, length(name) - length(suffix)) ELSE name END AS owner
FROM pragma_table_list, (SELECT '' AS suffix UNION ALL VALUES ('_content'), ('_rowid'))
WHERE schema = 'main' AND lower(name) <> '${historyTable}' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
AND (type = 'table' AND suffix = '' OR type = 'shadow' AND suffix <> '' AND substr(name, -length(suffix)) = suffix)`

const clearedReferences = `SELECT child.name, "from" AS column, "table" AS parent
FROM pragma_table_list AS child, pragma_foreign_key_list(child.name, child.schema)
WHERE child.schema = 'main' AND child.type = 'table' AND on_delete IN ('SET NULL', 'SET DEFAULT') AND seq = 0`

const countAll = Effect.fnUntraced(function* (sqlite: Sqlite, between: Effect.Effect<void>) {
  const tables = new Map<string, Rows>()
  for (const row of yield* sqlite.run(countedTables)) {
    const [name, table] = [text(row, "name"), text(row, "owner")]
    const [found] = yield* sqlite.run(
      `SELECT count(*) AS rows, (SELECT rootpage || substr(sql, instr(sql, '(')) FROM sqlite_schema WHERE type = 'table' AND name = ?) AS root FROM main.${identifier(name)}`,
      [name]
    )
    const suffix = name.slice(table.length).toLowerCase()
    tables.set(name.toLowerCase(), { table, suffix, rows: integer(found, "rows"), root: text(found, "root") })
    yield* between
  }
  const references: Array<References> = []
  for (const row of yield* sqlite.run(clearedReferences)) {
    const [table, column] = [text(row, "name"), text(row, "column")]
    const [found] = yield* sqlite.run(`SELECT count(${identifier(column)}) AS rows FROM main.${identifier(table)}`)
    const [from, to] = [table.toLowerCase(), text(row, "parent").toLowerCase()]
    references.push({ from, to, table, column, rows: integer(found, "rows") })
    yield* between
  }
  const counts: Counts = { tables, references }
  return counts
})

const withRows = (tables: Counts["tables"]): Counts["tables"] => new Map([...tables].filter(([, { rows }]) => rows > 0))

/** The name that a table goes by now, found by where it is: one that was not there before, in the place of one that is gone. */
const byRoot = (before: Counts, after: Counts) => {
  const added = [...after.tables].filter(([name]) => !before.tables.has(name))
  const names = new Map(added.map(([name, { root }]) => [root, name]))
  return (name: string): string =>
    after.tables.has(name) ? name : (names.get(before.tables.get(name)?.root ?? "") ?? name)
}

/** Dropping a table deletes its rows first, and clears what refers to them, also where it is only rebuilt. */
const movedOrGone = (before: Counts, after: Counts): ReadonlySet<string> =>
  new Set(
    [...before.tables].filter(([name, rows]) => pageOf(after.tables.get(name)) !== pageOf(rows)).map(([name]) => name)
  )

const pageOf = (rows: Rows | undefined): number | undefined =>
  rows === undefined ? undefined : Number.parseInt(rows.root, 10)

const isDrop = ({ text }: Script["statements"][number]): boolean => openingWords(text, 1)[0] === "DROP"

/** `DROP TABLE [IF EXISTS] [schema .] name` */
const tablesDroppedBy = (statements: Script["statements"]): ReadonlySet<string> =>
  new Set(
    statements.filter(isDrop).flatMap(({ text }) => {
      const words = openingWords(text, 7)
      return words[1] === "TABLE" ? [words.at(-1)?.toLowerCase() ?? ""] : []
    })
  )

/** `ALTER TABLE [schema .] a RENAME TO b`, as the words it begins with. */
const renameIn = (statement: string): readonly [string, string] | undefined => {
  const words = openingWords(statement, 8)
  const at = words[3] === "." ? 4 : 2
  const [from, rename, to, name] = words.slice(at, at + 4)
  return words[0] === "ALTER" && rename === "RENAME" && to === "TO" && from !== undefined && name !== undefined
    ? [from.toLowerCase(), name.toLowerCase()]
    : undefined
}

const isRename = ({ text }: Script["statements"][number]): boolean => renameIn(text) !== undefined

/** The name that a table goes by after all renames of a script. */
const renames = (statements: Script["statements"]) => (name: string) =>
  statements.reduce((current, { text }) => {
    const [from, to] = renameIn(text) ?? []
    return from === current && to !== undefined ? to : current
  }, name)
