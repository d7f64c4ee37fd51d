/**
 * The tables in which other tools keep what they applied, and which of our migrations their rows mean. Sources: the
 * tables that the tools made, and for those that could not be had here their published definitions.
 */
import {
  byNumber,
  each,
  inOrderOf,
  type LedgerContent,
  type LedgerRow,
  lastRowOfEach,
  millisOf,
  newestOnly,
  ofDjango,
  ofFile,
  ofFlyway,
  ofPrisma,
  ofTypeOrm,
  text
} from "./LedgerRows.ts"

/** A tool's table, by its shape. */
export interface LedgerKind {
  /** The names that `--from` takes; the first is shown. */
  readonly tools: readonly [string, ...ReadonlyArray<string>]
  /** In lower case. */
  readonly table: string
  /** Columns that the table has to have, in lower case. */
  readonly columns: ReadonlyArray<string>
  /** Whether it has no other columns. */
  readonly isWhole?: boolean
  /** Other tables of the tool, in lower case. */
  readonly beside?: ReadonlyArray<string>
  readonly read: (rows: ReadonlyArray<LedgerRow>) => LedgerContent
}

export const ledgerKinds: ReadonlyArray<LedgerKind> = [
  {
    tools: ["drizzle"],
    table: "__drizzle_migrations",
    columns: ["hash", "created_at"],
    read: inOrderOf("created_at", ({ hash, name }, place) => ({
      ...(text(name) === "" ? { place } : ofFile(text(name))),
      label: text(name) || text(hash).slice(0, 12),
      hash: text(hash)
    }))
  },
  {
    tools: ["prisma"],
    table: "_prisma_migrations",
    columns: ["migration_name", "finished_at", "rolled_back_at"],
    read: ofPrisma
  },
  {
    tools: ["knex"],
    table: "knex_migrations",
    columns: ["name", "batch"],
    beside: ["knex_migrations_lock"],
    read: each((row) => ({ ...ofFile(text(row["name"])), at: millisOf(row["migration_time"]) }))
  },
  {
    tools: ["kysely"],
    table: "kysely_migration",
    columns: ["name", "timestamp"],
    beside: ["kysely_migration_lock"],
    read: each(({ name, timestamp }) => ({ ...ofFile(text(name)), at: millisOf(timestamp) }))
  },
  {
    tools: ["effect"],
    table: "effect_sql_migrations",
    columns: ["migration_id", "name"],
    read: each((row) => ({
      label: `${text(row["migration_id"])}_${text(row["name"])}`,
      number: text(row["migration_id"]),
      name: text(row["name"]),
      at: millisOf(row["created_at"])
    }))
  },
  {
    tools: ["typeorm"],
    table: "migrations",
    columns: ["timestamp", "name"],
    beside: ["typeorm_metadata"],
    read: ofTypeOrm
  },
  { tools: ["goose"], table: "goose_db_version", columns: ["version_id", "is_applied"], read: lastRowOfEach },
  {
    tools: ["golang-migrate"],
    table: "schema_migrations",
    columns: ["version", "dirty"],
    isWhole: true,
    read: newestOnly
  },
  {
    tools: ["dbmate", "rails"],
    table: "schema_migrations",
    columns: ["version"],
    isWhole: true,
    beside: ["ar_internal_metadata"],
    read: byNumber("version")
  },
  {
    tools: ["ecto"],
    table: "schema_migrations",
    columns: ["version", "inserted_at"],
    isWhole: true,
    read: byNumber("version", "inserted_at")
  },
  {
    tools: ["sqlx"],
    table: "_sqlx_migrations",
    columns: ["version", "description", "success"],
    read: each(
      (row) => ({
        label: text(row["version"]),
        number: text(row["version"]),
        name: text(row["description"]),
        at: millisOf(row["installed_on"])
      }),
      ({ success }) => Number(success) !== 1
    )
  },
  {
    tools: ["diesel"],
    table: "__diesel_schema_migrations",
    columns: ["version", "run_on"],
    read: byNumber("version", "run_on")
  },
  {
    tools: ["flyway"],
    table: "flyway_schema_history",
    columns: ["version", "description", "type", "success"],
    read: ofFlyway
  },
  { tools: ["django"], table: "django_migrations", columns: ["app", "name"], read: ofDjango },
  {
    tools: ["umzug"],
    table: "sequelizemeta",
    columns: ["name"],
    read: each(({ name }) => ofFile(text(name)))
  },
  {
    tools: ["pocketbase"],
    table: "_migrations",
    columns: ["file", "applied"],
    read: each(({ applied, file }) => ({ ...ofFile(text(file)), at: millisOf(applied) }))
  }
]

/** What `--from` takes. */
export const ledgerTools: ReadonlyArray<string> = [...ledgerKinds.flatMap(({ tools }) => tools), "none"]

/** Those of the tables whose columns fit; with a name only that table, which can be that of several tools. */
export const ledgersAmong = (
  tables: ReadonlyArray<{ readonly name: string; readonly columns: ReadonlyArray<string> }>,
  named?: string
): ReadonlyArray<{ readonly kind: LedgerKind; readonly table: string; readonly isRails: boolean }> => {
  const found = ledgerKinds.flatMap((kind) => {
    const table = tables.find(
      ({ columns, name }) =>
        name.toLowerCase() === (named ?? kind.table) &&
        kind.columns.every((column) => columns.includes(column)) &&
        (kind.isWhole !== true || columns.length === kind.columns.length)
    )
    const isRails = kind.tools.includes("rails") && tables.some(({ name }) => name === "ar_internal_metadata")
    return table === undefined ? [] : [{ kind, table: table.name, isRails }]
  })
  // Without the usual name the tool is the one that has the most columns in common.
  const most = named === undefined ? 0 : Math.max(...found.map(({ kind }) => kind.columns.length))
  return found.filter(({ kind }) => kind.columns.length >= most)
}
