/** How large tables are. */
import * as Effect from "effect/Effect"
import { identifier } from "../schema/SqlScript.ts"
import { notCounted } from "../sqlite/AppliedMigrations/UpgradeRoom.ts"
import { bytesOf } from "../sqlite/PageCheck.ts"
import { integer, type Sqlite, text } from "../sqlite/Sqlite.ts"
import type { TableSize } from "../start/Plan.ts"

/** Reads every page of these tables. The event loop has its turn between two of them. */
export const sizesOf = Effect.fnUntraced(function* (sqlite: Sqlite, tables: ReadonlyArray<string>) {
  const sizes: Array<TableSize> = []
  for (const table of tables) {
    const [counted] = yield* Effect.mapError(
      sqlite.run(`SELECT count(*) AS rows FROM main.${identifier(table)}`),
      notCounted
    )
    const measured = yield* Effect.orElseSucceed(pagesOf(sqlite, table), () => undefined)
    sizes.push({
      table,
      rows: integer(counted, "rows"),
      bytes: measured ?? (yield* bytesOf(sqlite)),
      isEstimate: measured === undefined
    })
    yield* Effect.yieldNow()
  }
  return sizes
})

/** Of a virtual table: the tables in which it keeps its rows. */
const pagesOf = Effect.fnUntraced(function* (sqlite: Sqlite, table: string) {
  const parts = yield* sqlite.run(
    `SELECT s.name FROM (SELECT ? AS wanted) AS w JOIN sqlite_schema AS s ON s.rootpage > 0 AND (s.tbl_name = wanted
  OR s.tbl_name IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow'
    AND substr(name, 1, length(wanted) + 1) = wanted || '_'))`,
    [table]
  )
  let bytes = 0
  for (const part of parts) {
    const [row] = yield* sqlite.run("SELECT sum(pgsize) AS bytes FROM dbstat WHERE name = ? AND aggregate = TRUE", [
      text(part, "name")
    ])
    bytes += integer(row, "bytes")
  }
  return bytes
})
