/** Rows that were there before an upgrade are there after it, but for those that a migration declares to delete. */
import * as Effect from "effect/Effect"
import { integer, type Sqlite, text } from "../seams.ts"
import { historyTable } from "./MigrationHistory.ts"
import type { Loss, Script } from "./MigrationRun.ts"
import { openingWords } from "./SqlScript.ts"

export const describeLoss = ({ after, before, column, table }: Loss): string =>
  column === undefined
    ? `${table}: ${before} rows before, ${after} after`
    : `${table}.${column}: ${before} references before, ${after} after`

/** What is counted. */
interface Counts {
  /** By the table's name in lower case. */
  readonly tables: ReadonlyMap<string, Rows>
  /** Rows that refer to others by a foreign key that is set to NULL when those go. */
  readonly references: ReadonlyArray<References>
}

interface Rows {
  readonly table: string
  readonly rows: number
  /** The first page, which a table keeps when it is renamed. */
  readonly root: number
}

interface References {
  readonly table: string
  readonly column: string
  /** The table that is referred to, in lower case. */
  readonly to: string
  readonly rows: number
}

/**
 * Counts rows, which reads every page of a table or of its smallest index, once before the upgrade and
 * again after each migration that may have changed some. Of a virtual table those are counted that full-text
 * search and R*Tree keep for it; an index over another table's rows has none of its own. A row that is deleted
 * and another inserted in one migration cancel out.
 */
export const guardRows = Effect.fnUntraced(function* (sqlite: Sqlite, between: Effect.Effect<void>) {
  let held = withRows(yield* countAll(sqlite, between))
  let state = yield* stateOf(sqlite)

  /** To be asked after each migration: tables whose rows it deleted without a word. */
  const lossesOf = Effect.fnUntraced(function* ({ migration, statements }: Script) {
    const now = yield* stateOf(sqlite)
    // What an Effect has said is not known, but a table that is dropped or renamed changes the schema.
    const isEffect = migration.body._tag === "Effect"
    const mayDrop = isEffect ? now.schema !== state.schema : statements.some(isDrop)
    if (now.changes === state.changes && !mayDrop && !statements.some(isRename)) return []
    state = now
    const counts = yield* countAll(sqlite, between)
    const mayLose = new Set(migration.declared.deletes.map((table) => table.toLowerCase()))
    const follow = isEffect ? byRoot(held, counts) : renames(statements)
    const losses: Array<Loss> = []
    const kept = new Map(held.tables)
    for (const [name, { rows, table }] of held.tables) {
      const renamed = follow(name)
      const after = Math.max(counts.tables.get(name)?.rows ?? 0, counts.tables.get(renamed)?.rows ?? 0)
      if (after < rows && !mayLose.has(name)) losses.push({ table, before: rows, after })
      kept.delete(name)
      for (const current of new Set([name, renamed])) {
        const found = counts.tables.get(current)
        if (found !== undefined && found.rows > 0) kept.set(current, found)
      }
    }
    const dropped = isEffect ? movedOrGone(held, counts) : tablesDroppedBy(statements)
    losses.push(...cleared(held, counts, dropped, mayLose))
    held = { tables: kept, references: counts.references }
    return losses
  })
  return { isEmpty: held.tables.size === 0, lossesOf }
})

/** Dropping a table deletes its rows first, and clears what refers to them, also where it is only rebuilt. */
const cleared = (
  before: Counts,
  after: Counts,
  dropped: ReadonlySet<string>,
  mayLose: ReadonlySet<string>
): ReadonlyArray<Loss> =>
  before.references.flatMap(({ column, rows, table, to }) => {
    if (!dropped.has(to) || mayLose.has(to) || mayLose.has(table.toLowerCase())) return []
    const now = after.references.find((other) => other.table === table && other.column === column)
    return now === undefined || now.rows >= rows ? [] : [{ table, column, before: rows, after: now.rows }]
  })

const stateOf = (sqlite: Sqlite) =>
  Effect.map(
    sqlite.run("SELECT total_changes() AS changes, schema_version AS schema FROM pragma_schema_version"),
    ([row]) => ({ changes: integer(row, "changes"), schema: integer(row, "schema") })
  )

const countedTables = `SELECT name, name AS counted FROM pragma_table_list
WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND lower(name) <> '${historyTable}'
UNION ALL SELECT owner.name, shadow.name FROM pragma_table_list AS owner, pragma_table_list AS shadow
WHERE owner.schema = 'main' AND owner.type = 'virtual' AND shadow.schema = 'main' AND shadow.type = 'shadow'
AND shadow.name IN (owner.name || '_content', owner.name || '_rowid')`

const clearedReferences = `SELECT child.name, "from" AS column, lower("table") AS parent
FROM pragma_table_list AS child, pragma_foreign_key_list(child.name)
WHERE child.schema = 'main' AND child.type = 'table' AND on_delete = 'SET NULL' AND seq = 0`

const countAll = Effect.fnUntraced(function* (sqlite: Sqlite, between: Effect.Effect<void>) {
  const tables = new Map<string, Rows>()
  for (const row of yield* sqlite.run(countedTables)) {
    const [table, counted] = [text(row, "name"), text(row, "counted")]
    const [found] = yield* sqlite.run(
      `SELECT count(*) AS rows, (SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = ?) AS root FROM main.${quoted(counted)}`,
      [counted]
    )
    tables.set(table.toLowerCase(), { table, rows: integer(found, "rows"), root: integer(found, "root") })
    yield* between
  }
  const references: Array<References> = []
  for (const row of yield* sqlite.run(clearedReferences)) {
    const [table, column] = [text(row, "name"), text(row, "column")]
    const [found] = yield* sqlite.run(`SELECT count(${quoted(column)}) AS rows FROM main.${quoted(table)}`)
    references.push({ table, column, to: text(row, "parent"), rows: integer(found, "rows") })
    yield* between
  }
  const counts: Counts = { tables, references }
  return counts
})

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

const withRows = ({ references, tables }: Counts): Counts => ({
  tables: new Map([...tables].filter(([, { rows }]) => rows > 0)),
  references
})

/** The name that a table goes by now, found by where it is. */
const byRoot = (before: Counts, after: Counts) => {
  const names = new Map(Array.from(after.tables, ([name, { root }]) => [root, name]))
  return (name: string): string => names.get(before.tables.get(name)?.root ?? 0) ?? name
}

const movedOrGone = (before: Counts, after: Counts): ReadonlySet<string> =>
  new Set([...before.tables.keys()].filter((name) => after.tables.get(name)?.root !== before.tables.get(name)?.root))

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
