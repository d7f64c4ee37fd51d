/** Checks that a migration deletes no rows that it does not declare. PostgreSQL itself counts what a transaction deletes. */
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import pg from "pg"
import { postgresStatements } from "../schema/PostgresScript.ts"
import type { Migration } from "../start/MigrationSource.ts"
import type { Query, Row } from "./History.ts"
import { historyTable } from "./SchemaFingerprint.ts"
import type { Loss } from "./UpgradeError.ts"

/**
 * `n_tup_del` is exact within the transaction, cascades included. A TRUNCATE is not in it, and gives the table a new file
 * node. Tables of other schemas count too.
 */
const tablesStatement = `SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, n.nspname = current_schema() AS own,
  pg_relation_filenode(c.oid)::int8 AS node, coalesce(s.n_tup_ins, 0) - coalesce(s.n_tup_del, 0) AS more
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_xact_user_tables s ON s.relid = c.oid
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%'
  AND c.relname <> '${historyTable}'`

/** For around one migration: gives what to ask after it. */
export const guardRows = Effect.fnUntraced(function* (query: Query, migration: Migration) {
  const { body, declared } = migration
  const words = body._tag === "Effect" ? undefined : postgresStatements(body.text).map(({ words }) => words.join(" "))
  const maySay = (pattern: RegExp) => words === undefined || words.some((text) => pattern.test(text))
  // Within a DO block or a function anything may be.
  const mayEmpty = maySay(/^(DROP|TRUNCATE|DO|SELECT|CALL|ALTER|WITH|EXECUTE)\b/)
  const before = yield* query(tablesStatement)
  const filled = mayEmpty ? yield* filledOf(query, before) : new Set<unknown>()
  const isDeclared = (row: Row) =>
    declared.deletes.some(
      (table) =>
        table === `${row["schema"]}.${row["name"]}` ||
        (row["own"] === true && table.toLowerCase() === `${row["name"]}`.toLowerCase())
    )
  const titleOf = (row: Row) => (row["own"] === true ? `${row["name"]}` : `${row["schema"]}.${row["name"]}`)
  return Effect.gen(function* () {
    const after = new Map((yield* query(tablesStatement)).map((row) => [row["oid"], row]))
    const replaced = before.flatMap((row) => {
      const now = after.get(row["oid"])
      return filled.has(row["oid"]) && now !== undefined && now["node"] !== row["node"] ? [now] : []
    })
    const stillFilled = yield* filledOf(query, replaced)
    return before.flatMap((row): ReadonlyArray<Loss> => {
      const now = after.get(row["oid"])
      if (isDeclared(row)) return []
      if (now === undefined) return filled.has(row["oid"]) ? [{ table: titleOf(row), rows: undefined }] : []
      const isEmptied = replaced.includes(now) && !stillFilled.has(row["oid"])
      if (isEmptied) return [{ table: titleOf(row), rows: undefined }]
      const fewer = Number(row["more"]) - Number(now["more"])
      return fewer > 0 ? [{ table: titleOf(row), rows: fewer }] : []
    })
  })
})

const filledOf = (query: Query, rows: ReadonlyArray<Row>): Effect.Effect<ReadonlySet<unknown>, SqlError> => {
  if (rows.length === 0) return Effect.succeed(new Set())
  const asked = rows.map(
    (row) =>
      `SELECT ${Number(row["oid"])}::int8 AS oid WHERE EXISTS (SELECT FROM ${pg.escapeIdentifier(`${row["schema"]}`)}.${pg.escapeIdentifier(`${row["name"]}`)})`
  )
  return Effect.map(query(asked.join(" UNION ALL ")), (found) => new Set(found.map(({ oid }) => oid)))
}

export const describeLoss = ({ rows, table }: Loss): string =>
  rows === undefined ? `${table}: all rows` : `${table}: ${rows} ${rows === 1 ? "row" : "rows"}`
