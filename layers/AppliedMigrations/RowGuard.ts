/** Rows that were there before an upgrade are there after it, but for those that a migration declares to delete. */
import * as Effect from "effect/Effect"
import { integer, type Sqlite, type SqliteFailure, text } from "../seams.ts"
import { historyTable } from "./MigrationHistory.ts"
import type { Loss, Script } from "./MigrationRun.ts"
import { openingWords } from "./SqlScript.ts"

export const describeLoss = ({ after, before, table }: Loss): string =>
  `${table}: ${before} rows before, ${after} after`

/** Rows per table, by its name in lower case. */
type Counts = ReadonlyMap<string, { readonly table: string; readonly rows: number }>

/**
 * Counts rows, which reads every page of a table or of its smallest index, once before the upgrade and
 * again after each migration that may have changed some. Tables of virtual tables are not counted: what
 * their modules keep in them is no row of anybody. A row that is deleted and another inserted in one
 * migration cancel out.
 */
export const guardRows = Effect.fnUntraced(function* (sqlite: Sqlite, between: Effect.Effect<void>) {
  let held = withRows(yield* countRows(sqlite, between))
  let changes = yield* totalChanges(sqlite)

  /** To be asked after each migration: tables whose rows it deleted without a word. */
  const lossesOf = Effect.fnUntraced(function* ({ migration, statements }: Script) {
    const now = yield* totalChanges(sqlite)
    const drops = statements.some(({ text }) => openingWords(text, 1)[0] === "DROP")
    if (now === changes && !drops && !statements.some(isRename)) return []
    changes = now
    const counts = yield* countRows(sqlite, between)
    const mayLose = new Set(migration.declared.deletes.map((table) => table.toLowerCase()))
    const follow = renames(statements)
    const losses: Array<Loss> = []
    const kept = new Map(held)
    for (const [name, { rows, table }] of held) {
      const renamed = follow(name)
      const after = Math.max(counts.get(name)?.rows ?? 0, counts.get(renamed)?.rows ?? 0)
      if (after < rows && !mayLose.has(name)) losses.push({ table, before: rows, after })
      kept.delete(name)
      for (const current of new Set([name, renamed])) {
        const found = counts.get(current)
        if (found !== undefined && found.rows > 0) kept.set(current, found)
      }
    }
    held = kept
    return losses
  })
  return { isEmpty: held.size === 0, lossesOf }
})

const totalChanges = (sqlite: Sqlite): Effect.Effect<number, SqliteFailure> =>
  Effect.map(sqlite.run("SELECT total_changes() AS changes"), ([row]) => integer(row, "changes"))

const countRows = Effect.fnUntraced(function* (sqlite: Sqlite, between: Effect.Effect<void>) {
  const tables = yield* sqlite.run(
    `SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'
AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND lower(name) <> '${historyTable}'`
  )
  const counts = new Map<string, { readonly table: string; readonly rows: number }>()
  for (const row of tables) {
    const table = text(row, "name")
    const [counted] = yield* sqlite.run(`SELECT count(*) AS rows FROM main."${table.replaceAll('"', '""')}"`)
    counts.set(table.toLowerCase(), { table, rows: integer(counted, "rows") })
    yield* between
  }
  const all: Counts = counts
  return all
})

const withRows = (counts: Counts): Counts => new Map([...counts].filter(([, { rows }]) => rows > 0))

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
