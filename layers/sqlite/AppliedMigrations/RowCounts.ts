/** How many rows each table has. */
import type * as Effect from "effect/Effect"
import { foldName, identifier } from "../../schema/SqlScript.ts"
import type { Steps } from "../edge.ts"
import { integer, type Row, type Sqlite, text } from "../Sqlite.ts"
import { historyTable } from "./historyTable.ts"

/** The counts at one moment. */
export interface Counts {
  /** By the table's name, as `foldName` writes it. */
  readonly tables: ReadonlyMap<string, Rows>
  /** Rows that refer to others by a foreign key that is cleared when those are deleted. */
  readonly references: ReadonlyArray<References>
  /**
   * The first page and the columns of each table, by the same names: a renamed table keeps both. Only for an Effect,
   * whose statements are unknown.
   */
  readonly roots: ReadonlyMap<string, string> | undefined
}

interface Rows {
  /** The table's name. For a shadow table: the name of the virtual table whose rows it keeps. */
  readonly table: string
  /** The rest of a shadow table's own name. */
  readonly suffix: string
  readonly rows: number
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
export type Counting = (done: number, total: number) => Effect.Effect<void>

/** Full-text search keeps its rows in `_content`, R*Tree in `_rowid`; their other tables are indexes. */
const countedTables = `SELECT name, CASE WHEN type = 'shadow' THEN substr(name, 1, length(name) - length(suffix)) ELSE name END AS owner
FROM pragma_table_list, (SELECT '' AS suffix UNION ALL VALUES ('_content'), ('_rowid'))
WHERE schema = 'main' AND lower(name) <> '${historyTable}' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
AND (type = 'table' AND suffix = '' OR type = 'shadow' AND suffix <> '' AND substr(name, -length(suffix)) = suffix)`

const clearedReferences = `SELECT child.name, "from" AS column, "table" AS parent
FROM pragma_table_list AS child, pragma_foreign_key_list(child.name, child.schema)
WHERE child.schema = 'main' AND child.type = 'table' AND on_delete IN ('SET NULL', 'SET DEFAULT') AND seq = 0`

const namesOf = (rows: ReadonlyArray<Row>): ReadonlyArray<string> => rows.map((row) => text(row, "name"))

/** SQLite takes 500 parts in one statement at most (https://sqlite.org/limits.html#max_compound_select). */
const partsAtOnce = 100

/** The tables among these that have a row. One statement for many: to compile one for each takes longer than to run it. */
const filledAmong = ({ all }: Sqlite, names: ReadonlyArray<string>): ReadonlySet<string> => {
  const filled = new Set<string>()
  for (let from = 0; from < names.length; from += partsAtOnce) {
    const some = names.slice(from, from + partsAtOnce)
    const parts = some.map((name, at) => `SELECT ${at} AS at WHERE EXISTS (SELECT 1 FROM main.${identifier(name)})`)
    for (const row of all(parts.join(" UNION ALL "))) filled.add(some[integer(row, "at")] ?? "")
  }
  return filled
}

/** Counts every table. */
export function* countAll(
  sqlite: Sqlite,
  between: () => Effect.Effect<void>,
  counting: Counting,
  hasRoots: boolean
): Steps<Counts> {
  const named = sqlite.all(countedTables)
  const filled = filledAmong(sqlite, namesOf(named))
  const tables = new Map<string, Rows>()
  let done = 0
  for (const row of named) {
    const [name, table] = [text(row, "name"), text(row, "owner")]
    const suffix = foldName(name.slice(table.length))
    let rows = 0
    if (filled.has(name)) {
      yield* counting(done, filled.size)
      done += 1
      const [found] = sqlite.all(`SELECT count(*) AS rows FROM main.${identifier(name)}`)
      rows = integer(found, "rows")
      yield* between()
    }
    tables.set(foldName(name), { table, suffix, rows })
  }
  const references: Array<References> = []
  for (const row of filled.size === 0 ? [] : sqlite.all(clearedReferences)) {
    const [table, column] = [text(row, "name"), text(row, "column")]
    const [found] = sqlite.all(`SELECT count(${identifier(column)}) AS rows FROM main.${identifier(table)}`)
    const [from, to] = [foldName(table), foldName(text(row, "parent"))]
    references.push({ from, to, table, column, rows: integer(found, "rows") })
    yield* between()
  }
  return { tables, references, roots: hasRoots ? rootsOf(sqlite) : undefined }
}

const rootsOf = ({ all }: Sqlite): ReadonlyMap<string, string> =>
  new Map(
    all(
      "SELECT name, rootpage || substr(sql, instr(sql, '(')) AS root FROM main.sqlite_schema WHERE type = 'table'"
    ).map((row) => [foldName(text(row, "name")), text(row, "root")])
  )

/** Whether no table of the database has a row. */
export const isWithoutRows = ({ all }: Sqlite): boolean =>
  namesOf(all(countedTables)).every((name) => all(`SELECT 1 FROM main.${identifier(name)} LIMIT 1`).length === 0)
