/** Everything that a database holds, and how two of them differ. */
import type { SqlError } from "@effect/sql/SqlError"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Effect from "effect/Effect"
import {
  differenceOf,
  objectsOf,
  type SchemaObject,
  schemaStatement
} from "../sqlite/AppliedMigrations/SchemaFingerprint.ts"
import type { Row } from "../sqlite/Sqlite.ts"
import { MigrationTestError, type RowDifference } from "./MigrationTestError.ts"

export interface Contents {
  readonly objects: ReadonlyArray<SchemaObject>
  /** The rows of each table. */
  readonly rows: ReadonlyMap<string, ReadonlyArray<string>>
}

/**
 * All objects and all rows, without the columns (`table.column`) that are ignored. The tables behind a virtual one are
 * left out: how its rows are spread over them depends on the order of writing.
 */
export const readContents = (
  ignored: ReadonlyArray<string>
): Effect.Effect<Contents, SqlError, SqliteClient.SqliteClient> =>
  Effect.gen(function* () {
    const sql = yield* SqliteClient.SqliteClient
    const objects = objectsOf(yield* sql.unsafe<Row>(schemaStatement).withoutTransform)
    const tables = yield* sql.unsafe(
      "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual')"
    ).values
    const own = new Set(objects.map(({ name }) => name))
    const without = new Set(ignored.map((column) => column.toLowerCase()))
    const rows = new Map<string, ReadonlyArray<string>>()
    for (const [name] of tables) {
      const table = String(name)
      if (!own.has(table)) continue
      const all = yield* sql.unsafe("SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1", [table]).values
      const columns = all
        .map(([column]) => String(column))
        .filter((column) => !without.has(`${table}.${column}`.toLowerCase()))
      if (columns.length === 0) continue
      const quoted = columns.map((column) => `quote(${inQuotes(column)})`).join(", ")
      const found = yield* sql.unsafe(`SELECT ${quoted} FROM ${inQuotes(table)}`).values
      rows.set(
        table,
        found.map((values) => columns.map((column, index) => `${column}=${values[index]}`).join(", "))
      )
    }
    return { objects, rows }
  })

const inQuotes = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** Fails with what differs. */
export const compareContents = (
  during: string,
  expected: Contents,
  found: Contents
): Effect.Effect<void, MigrationTestError> => {
  const schema = differenceOf(expected.objects, found.objects)
  const rows = [...new Set([...expected.rows.keys(), ...found.rows.keys()])].flatMap(
    (table): ReadonlyArray<RowDifference> => {
      const one = expected.rows.get(table) ?? []
      const other = found.rows.get(table) ?? []
      const [missing, extra] = [beyond(one, other), beyond(other, one)]
      return missing.length + extra.length === 0 ? [] : [{ table, missing, extra }]
    }
  )
  return schema.missing.length + schema.changed.length + schema.extra.length + rows.length === 0
    ? Effect.void
    : Effect.fail(MigrationTestError.differs(during, schema, rows))
}

/** Rows that one has and the other has not, or has fewer times. */
const beyond = (one: ReadonlyArray<string>, other: ReadonlyArray<string>): ReadonlyArray<string> => {
  const counts = new Map<string, number>()
  for (const row of other) counts.set(row, (counts.get(row) ?? 0) + 1)
  return one.filter((row) => {
    const count = counts.get(row) ?? 0
    counts.set(row, count - 1)
    return count <= 0
  })
}
