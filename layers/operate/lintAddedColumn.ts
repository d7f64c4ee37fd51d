/** Whether a column can be added where the table has a row. */
import * as Effect from "effect/Effect"
import type { Found } from "../schema/LintCodes.ts"
import { affinityOf, type SchemaFacts, type TableFacts } from "../schema/SchemaFacts.ts"
import { foldName, identifier, mentions, type Statement } from "../schema/SqlScript.ts"
import { openSqlite } from "../sqlite/Sqlite.ts"

/** What SQLite says of a column that is added to a table with one row. */
export const addedColumn = Effect.fnUntraced(function* (
  { column, table }: { readonly table: string; readonly column: string },
  statement: Statement,
  facts: SchemaFacts,
  foreignKeys: "on" | "off"
) {
  const known = facts.tables.get(table)
  if (known === undefined || known.isVirtual) return []
  const detail = yield* complaintWithRow(known, statement.text, foreignKeys)
  if (detail === undefined) return []
  const title = `${known.name}.${column}`
  const add = (code: Found["code"], message: string, remedy: string): ReadonlyArray<Found> => [
    { code, line: statement.line, message, remedy }
  ]
  if (/NOT NULL/i.test(detail)) {
    return add(
      "not-null-without-default",
      `${title} is NOT NULL without a default: SQLite refuses that where ${known.name} has a row`,
      "Give it a DEFAULT that is not NULL; or add it without NOT NULL, fill it, and rebuild the table."
    )
  }
  return add(
    "add-column-refused",
    `SQLite refuses to add ${title} where ${known.name} has a row (${detail})`,
    /REFERENCES/.test(detail)
      ? "Leave out the DEFAULT, and fill the column with an UPDATE."
      : /non-constant/.test(detail)
        ? "Give it a constant DEFAULT, or none, and let the program or an UPDATE fill it. A rebuild of the table can have such a default."
        : "Rebuild the table, or change the column so that rows without it fit."
  )
})

/**
 * In a database with this table alone, with and without a row. Undefined where both work, or neither. A row of ours
 * tells nothing about a constraint that speaks of other columns.
 */
const complaintWithRow = (
  table: TableFacts,
  statement: string,
  foreignKeys: "on" | "off"
): Effect.Effect<string | undefined> => {
  const complaint = (rows: ReadonlyArray<string>, sql = statement) =>
    Effect.gen(function* () {
      const scratch = yield* openSqlite({ filename: ":memory:" })
      yield* scratch.run("PRAGMA foreign_keys = 0")
      yield* scratch.run("PRAGMA ignore_check_constraints = 1")
      yield* scratch.run(table.sql)
      for (const row of rows) yield* scratch.run(row)
      yield* scratch.run("PRAGMA ignore_check_constraints = 0")
      yield* scratch.run(`PRAGMA foreign_keys = ${foreignKeys === "on" ? 1 : 0}`)
      return yield* Effect.match(scratch.run(sql), {
        onSuccess: () => undefined,
        onFailure: ({ detail }) => detail
      })
    }).pipe(
      Effect.scoped,
      Effect.orElseSucceed(() => undefined)
    )
  return Effect.gen(function* () {
    const withRow = yield* complaint([rowFor(table)])
    if (withRow === undefined || (yield* complaint([])) !== undefined) return undefined
    if (!/constraint failed/i.test(withRow)) return withRow
    if (table.columns.some(({ name }) => mentions(statement, foldName(name)))) return undefined
    // SQLite then looks at every CHECK of the table, and the row of ours may break its own.
    const harmless = `ALTER TABLE main.${identifier(table.name)} ADD COLUMN "database-ready" CHECK (1)`
    return (yield* complaint([rowFor(table)], harmless)) === undefined ? withRow : undefined
  })
}

const rowFor = ({ columns, name }: TableFacts): string => {
  const own = columns.filter(({ hidden }) => hidden === 0)
  const values = own.map(({ type }) => {
    const affinity = affinityOf(type)
    return affinity === "TEXT" ? "'1'" : affinity === "BLOB" && type !== "" ? "x'31'" : "1"
  })
  return `INSERT INTO main.${identifier(name)} (${own.map((column) => identifier(column.name)).join(", ")}) VALUES (${values.join(", ")})`
}
