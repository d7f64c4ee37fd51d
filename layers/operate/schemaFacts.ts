/** Reads the facts of a schema. */
import type Driver from "better-sqlite3"
import type { ColumnFacts, ForeignKeyFacts, IndexFacts, SchemaFacts, TableFacts } from "../schema/SchemaFacts.ts"
import { foldName } from "../schema/SqlScript.ts"
import { objectsOf, schemaStatement } from "../sqlite/AppliedMigrations/SchemaFingerprint.ts"
import { integer, type Row, text } from "../sqlite/Sqlite.ts"
import { groupBy } from "./groupBy.ts"

/** Asks nothing about a virtual table: its module may be missing here. Throws what SQLite throws. */
export const schemaFacts = (database: Driver.Database): SchemaFacts => {
  const rows = (sql: string) => database.prepare<Array<unknown>, Row>(sql).all()
  const objects = objectsOf(rows(schemaStatement))
  const kinds = new Map(rows("PRAGMA main.table_list").map((row) => [text(row, "name"), row]))
  const columns = groupBy(rows(of("pragma_table_xinfo(t.name)")), ownerOf)
  const references = groupBy(rows(of("pragma_foreign_key_list(t.name)")), ownerOf)
  const indexes = groupBy(rows(of("pragma_index_list(t.name)")), ownerOf)
  const inIndexes = groupBy(rows(ofIndexes), (row) => text(row, "index_name"))
  const tables = new Map<string, TableFacts>()
  for (const { name, sql, type } of objects) {
    const kind = kinds.get(name)
    if (type !== "table" || text(kind, "type") === "shadow") continue
    const isVirtual = /^CREATE\s+VIRTUAL\b/i.test(sql)
    tables.set(foldName(name), {
      name,
      sql,
      isVirtual,
      // As a start counts them: full-text search keeps its rows in `_content`, R*Tree in `_rowid`.
      keepsRows: !isVirtual || kinds.has(`${name}_content`) || kinds.has(`${name}_rowid`),
      isStrict: integer(kind, "strict") === 1,
      isWithoutRowid: integer(kind, "wr") === 1,
      columns: (columns.get(name) ?? []).map(columnOf),
      foreignKeys: foreignKeysOf(references.get(name) ?? []),
      indexes: (indexes.get(name) ?? []).map((row) => indexOf(row, inIndexes.get(text(row, "name")) ?? []))
    })
  }
  const isShadow = (table: string) => text(kinds.get(table), "type") === "shadow"
  return {
    tables,
    objects: objects.filter(({ name, table, type }) => type !== "table" && !isShadow(table) && name !== "")
  }
}

const ownerOf = (row: Row): string => text(row, "owner")

const of = (question: string, asked = "t.name AS owner, p.*"): string =>
  `SELECT ${asked} FROM main.sqlite_schema AS t, ${question} AS p
WHERE t.type = 'table' AND t.sql NOT LIKE 'CREATE VIRTUAL %'`

// By table: the primary key of one WITHOUT ROWID is an index, and not in sqlite_schema.
const ofIndexes = `${of("pragma_index_list(t.name) AS i, pragma_index_info(i.name)", "i.name AS index_name, p.name")}
ORDER BY i.name, p.seqno`

const columnOf = (row: Row): ColumnFacts => ({
  name: text(row, "name"),
  type: text(row, "type"),
  notNull: integer(row, "notnull") === 1,
  default: typeof row["dflt_value"] === "string" ? row["dflt_value"] : null,
  key: integer(row, "pk"),
  hidden: integer(row, "hidden")
})

const foreignKeysOf = (rows: ReadonlyArray<Row>): ReadonlyArray<ForeignKeyFacts> =>
  [...groupBy(rows, (row) => integer(row, "id"))].reverse().map(([, parts]) => ({
    columns: parts.map((row) => text(row, "from")),
    parent: text(parts[0], "table"),
    parentColumns: parts.flatMap((row) => (row["to"] === null ? [] : [text(row, "to")])),
    onDelete: text(parts[0], "on_delete"),
    onUpdate: text(parts[0], "on_update")
  }))

const indexOf = (row: Row, columns: ReadonlyArray<Row>): IndexFacts => ({
  name: text(row, "name"),
  isUnique: integer(row, "unique") === 1,
  isPartial: integer(row, "partial") === 1,
  origin: text(row, "origin"),
  columns: columns.map((column) => (typeof column["name"] === "string" ? column["name"] : null))
})
