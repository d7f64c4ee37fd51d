/** What a schema has, said in one way for SQLite and PostgreSQL, and what its tables hold. */
import type Sqlite from "better-sqlite3"
import type pg from "pg"

export interface Table {
  /** In their order: the name, and whether it holds texts, numbers, times or bytes. */
  readonly columns: ReadonlyArray<string>
  readonly required: ReadonlyArray<string>
  readonly key: ReadonlyArray<string>
  readonly unique: ReadonlyArray<string>
  readonly references: ReadonlyArray<string>
  /** How many conditions rows have to meet. */
  readonly checks: number
}

export interface Shape {
  readonly tables: Readonly<Record<string, Table>>
  /** The columns of each, with `-` where the largest comes first, and `?` where it has only some rows. */
  readonly indexes: Readonly<Record<string, string>>
  readonly triggers: ReadonlyArray<string>
  readonly views: Readonly<Record<string, string>>
}

/** Every value that can be in both: times only as being there, JSON as what it says. */
export type Contents = Readonly<Record<string, ReadonlyArray<string>>>

type Rows = ReadonlyArray<Readonly<Record<string, unknown>>>

const kinds: Readonly<Record<string, string>> = {
  TEXT: "text",
  INTEGER: "number",
  TIMESTAMP: "time",
  BLOB: "bytes",
  "": "text",
  text: "text",
  jsonb: "text",
  bytea: "bytes",
  "text[]": "text",
  bigint: "number",
  smallint: "number",
  "timestamp(3) with time zone": "time"
}
const column = (name: unknown, type: unknown) => `${name} ${kinds[`${type}`] ?? `of an unknown type ${type}`}`

const recordOf = <A>(entries: ReadonlyArray<readonly [string, A]>): Readonly<Record<string, A>> =>
  Object.fromEntries(entries)

export const shapeOfSqlite = (connection: Sqlite.Database): Shape => {
  const all = (text: string, ...values: Array<unknown>) =>
    connection.prepare<Array<unknown>, Record<string, unknown>>(text).all(...values)
  const listed = all(
    `SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND type <> 'shadow' AND name NOT LIKE 'sqlite%'
      AND name <> 'schema_migrations' ORDER BY name`
  )
  const tables = listed.flatMap(({ name, type }) => {
    if (type === "view") return []
    const columns = all("SELECT * FROM pragma_table_info(?) ORDER BY cid", name)
    const key = columns.filter(({ pk }) => Number(pk) > 0).sort((one, other) => Number(one["pk"]) - Number(other["pk"]))
    const unique = all("SELECT name FROM pragma_index_list(?) WHERE origin = 'u'", name).map(({ name }) =>
      all("SELECT name FROM pragma_index_info(?) ORDER BY seqno", name)
        .map(({ name }) => name)
        .join(", ")
    )
    const references = all("SELECT * FROM pragma_foreign_key_list(?) ORDER BY id, seq", name)
    const [made] = all("SELECT sql FROM sqlite_schema WHERE name = ?", name)
    const table: Table = {
      columns: columns.map(({ name, type }) => column(name, type)),
      required: columns.filter(({ notnull, pk }) => notnull === 1 || Number(pk) > 0).map(({ name }) => `${name}`),
      key: key.map(({ name }) => `${name}`),
      unique: unique.toSorted(),
      references: references
        .filter(({ seq }) => seq === 0)
        .map((first) => {
          const parts = references.filter(({ id }) => id === first["id"]).map(({ from }) => from)
          return `${parts.join(", ")} in ${first["table"]} ${first["on_delete"]}`
        })
        .toSorted(),
      checks: `${made?.["sql"]}`.split("CHECK").length - 1
    }
    return [[`${name}`, table] as const]
  })
  const indexes = all("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name")
  return {
    tables: recordOf(tables),
    indexes: recordOf(
      indexes.map(({ name, sql }) => {
        const columns = all('SELECT name, "desc" FROM pragma_index_xinfo(?) WHERE key = 1 ORDER BY seqno', name)
        const named = columns.map(({ desc, name }) => `${name}${desc === 1 ? "-" : ""}`).join(", ")
        return [`${name}`, `${named}${/\bWHERE\b/.test(`${sql}`) ? "?" : ""}`]
      })
    ),
    triggers: all("SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY name").map(({ name }) => `${name}`),
    views: recordOf(
      listed
        .filter(({ type }) => type === "view")
        .map(({ name }) => [
          `${name}`,
          all("SELECT name FROM pragma_table_info(?) ORDER BY cid", name)
            .map(({ name }) => name)
            .join(", ")
        ])
    )
  }
}

export const shapeOfPostgres = async (client: pg.Client): Promise<Shape> => {
  const all = async (text: string): Promise<Rows> => (await client.query(text)).rows
  const relations = await all(
    `SELECT c.oid::int, relname AS name, relkind AS kind FROM pg_class c WHERE relnamespace = 'public'::regnamespace
      AND relkind IN ('r', 'v') AND relname <> 'schema_migrations' ORDER BY relname COLLATE "C"`
  )
  const columns = await all(
    `SELECT attrelid::int AS of, attnum AS number, attname AS name, format_type(atttypid, atttypmod) AS type, attnotnull
      FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped ORDER BY attnum`
  )
  const constraints = await all(
    `SELECT conrelid::int AS of, contype AS kind, conkey AS key, confrelid::regclass::text AS table, confdeltype AS deletes
      FROM pg_constraint WHERE contype IN ('p', 'u', 'f', 'c')`
  )
  const indexes = await all(
    `SELECT i.relname AS name, indrelid::int AS of, indkey::int2[] AS key, indoption::int2[] AS options, indpred IS NOT NULL AS some
      FROM pg_index x JOIN pg_class i ON i.oid = indexrelid WHERE i.relnamespace = 'public'::regnamespace
      AND indrelid <> 'schema_migrations'::regclass
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))
      ORDER BY i.relname COLLATE "C"`
  )
  const triggers = await all(`SELECT tgname AS name FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname COLLATE "C"`)
  const columnsOf = (oid: unknown) => columns.filter(({ of }) => of === oid)
  const names = (oid: unknown, numbers: unknown): ReadonlyArray<string> =>
    Array.isArray(numbers) ? numbers.map((at) => `${columnsOf(oid).find(({ number }) => number === at)?.["name"]}`) : []
  const tables = relations.flatMap(({ kind, name, oid }) => {
    if (kind === "v") return []
    const of = (wanted: string) => constraints.filter((one) => one["of"] === oid && one["kind"] === wanted)
    const key = names(oid, of("p")[0]?.["key"])
    const table: Table = {
      columns: columnsOf(oid).map(({ name, type }) => column(name, type)),
      required: columnsOf(oid)
        .filter(({ attnotnull }) => attnotnull === true)
        .map(({ name }) => `${name}`),
      key,
      unique: of("u")
        .map((one) => names(oid, one["key"]).join(", "))
        .toSorted(),
      references: of("f")
        .map(
          (one) =>
            `${names(oid, one["key"]).join(", ")} in ${one["table"]} ${one["deletes"] === "c" ? "CASCADE" : one["deletes"]}`
        )
        .toSorted(),
      checks: of("c").length
    }
    return [[`${name}`, table] as const]
  })
  return {
    tables: recordOf(tables),
    indexes: recordOf(
      indexes.map(({ key, name, of, options, some }) => {
        const isLast = (at: number) => Array.isArray(options) && (Number(options[at]) & 1) === 1
        const named = names(of, key).map((column, at) => `${column}${isLast(at) ? "-" : ""}`)
        return [`${name}`, `${named.join(", ")}${some === true ? "?" : ""}`]
      })
    ),
    triggers: triggers.map(({ name }) => `${name}`),
    views: recordOf(
      relations
        .filter(({ kind }) => kind === "v")
        .map(({ name, oid }) => [
          `${name}`,
          columnsOf(oid)
            .map(({ name }) => name)
            .join(", ")
        ])
    )
  }
}

/** What tables hold, whatever the engine calls it. Numbers that a row got by itself are left out. */
export const contentsOf = (
  shape: Shape,
  rowsOf: Readonly<Record<string, Rows>>,
  ignored: ReadonlySet<string>
): Contents =>
  recordOf(
    Object.entries(rowsOf).map(([table, rows]) => {
      const columns = (shape.tables[table]?.columns ?? []).map((column) => column.split(" "))
      const shown = rows.map((row) =>
        columns.flatMap(([name = "", kind]) => {
          if (ignored.has(`${table}.${name}`)) return []
          const value = row[name]
          return [`${name}: ${value === null ? "none" : kind === "time" ? "a time" : said(value)}`]
        })
      )
      return [table, shown.map((row) => row.join("  ")).toSorted()]
    })
  )

/** JSON is text in SQLite and an object in PostgreSQL, which sorts its keys. */
const said = (value: unknown): string => {
  const read = typeof value === "string" && value.startsWith("{") ? JSON.parse(value) : value
  return typeof read === "object" ? JSON.stringify(Object.entries(read ?? {}).toSorted()) : `${read}`
}
