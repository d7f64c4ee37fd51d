/**
 * The tables in which other tools keep what they applied, and which of our migrations their rows mean. Sources: the
 * tables that the tools made, and for those that could not be had here their published definitions.
 */

/** A row of a table, with the names of its columns in lower case. */
export type LedgerRow = Readonly<Record<string, unknown>>

/** One migration that another tool applied. */
export interface LedgerEntry {
  /** As the tool's table has it. */
  readonly label: string
  /** The number alone, in digits. */
  readonly number?: string | undefined
  readonly name?: string | undefined
  /** SHA-256 of the file, in hexadecimal. */
  readonly hash?: string | undefined
  /** Milliseconds since 1970. */
  readonly at?: number | undefined
  /** Whether everything up to this number is meant, not this one alone. */
  readonly isAllBefore?: boolean
}

/** What a tool's table says. */
export interface LedgerContent {
  readonly entries: ReadonlyArray<LedgerEntry>
  /** What was begun and did not end, as the tool's table has it. */
  readonly unfinished: ReadonlyArray<string>
}

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

const text = (value: unknown): string => (value === null || value === undefined ? "" : String(value))

/** Times as the tools write them: milliseconds, microseconds or seconds since 1970, or UTC as SQLite writes it. */
const millisOf = (value: unknown): number | undefined => {
  const number = typeof value === "number" ? value : Number.NaN
  const millis =
    number > 1e14
      ? number / 1000
      : number > 1e11
        ? number
        : number > 1e8
          ? number * 1000
          : Date.parse(
              text(value)
                .replace(" ", "T")
                .replace(/(:\d\d(?:\.\d+)?)$/, "$1Z")
            )
  // What a date can hold and SQLite can write.
  return millis > 0 && millis < 253_402_300_800_000 ? Math.floor(millis) : undefined
}

/** `20240101120000_create_users.js` and the like: number and name. */
const ofFile = (file: string): Pick<LedgerEntry, "label" | "name" | "number"> => {
  const stem = file.replace(/^.*[/\\]/, "").replace(/\.(?:up\.)?(?:sql|[cm]?[jt]s|go|rb|py|php)$/i, "")
  const [, number, name] = /^[vV]?(\d[\d-]*?)[_.-]+(\D.*)$/.exec(stem) ?? []
  return number === undefined ? { label: file, name: stem } : { label: file, number: number.replaceAll("-", ""), name }
}

const each =
  (entryOf: (row: LedgerRow) => LedgerEntry | undefined, isUnfinished: (row: LedgerRow) => boolean = () => false) =>
  (rows: ReadonlyArray<LedgerRow>): LedgerContent => {
    const found = rows.flatMap((row) => {
      const entry = entryOf(row)
      return entry === undefined ? [] : [{ entry, row }]
    })
    return {
      entries: found.filter(({ row }) => !isUnfinished(row)).map(({ entry }) => entry),
      unfinished: found.filter(({ row }) => isUnfinished(row)).map(({ entry }) => entry.label)
    }
  }

const byNumber = (column: string, at = "") =>
  each((row) => ({ label: text(row[column]), number: text(row[column]).replaceAll("-", ""), at: millisOf(row[at]) }))

/** golang-migrate has one row: the newest version. Its version -1 is none. */
const newestOnly = (rows: ReadonlyArray<LedgerRow>): LedgerContent => {
  const found = rows.filter(({ version }) => Number(version) >= 0)
  const isDirty = ({ dirty }: LedgerRow) => !(dirty === 0 || text(dirty) === "false")
  return {
    entries: found
      .filter((row) => !isDirty(row))
      .map(({ version }) => ({ label: text(version), number: text(version), isAllBefore: true })),
    unfinished: found.filter(isDirty).map(({ version }) => text(version))
  }
}

/** goose adds a row for each step up or down; the last row of a version counts. Version 0 is the table itself. */
const lastRowOfEach = (rows: ReadonlyArray<LedgerRow>): LedgerContent => {
  const last = new Map<string, LedgerRow>()
  for (const row of rows.toSorted((one, other) => Number(one["id"]) - Number(other["id"]))) {
    if (Number(row["version_id"]) > 0) last.set(text(row["version_id"]), row)
  }
  const applied = [...last].filter(([, { is_applied: applied }]) => Number(applied) === 1)
  return {
    entries: applied.map(([number, { tstamp }]) => ({ label: number, number, at: millisOf(tstamp) })),
    unfinished: []
  }
}

/** Each application of Django has numbers of its own: of several, none says where it belongs. */
const ofDjango = (rows: ReadonlyArray<LedgerRow>): LedgerContent => {
  const isOne = new Set(rows.map(({ app }) => app)).size === 1
  return each(({ app, applied, name }) => ({
    ...(isOne ? ofFile(text(name)) : {}),
    label: `${text(app)}.${text(name)}`,
    at: millisOf(applied)
  }))(rows)
}

/** Flyway's rows without a version are repeatable scripts; one of type DELETE takes its version back. */
const ofFlyway = (rows: ReadonlyArray<LedgerRow>): LedgerContent => {
  const deleted = new Set(rows.filter(({ type }) => type === "DELETE").map(({ version }) => version))
  const counted = rows.filter(({ type, version }) => version !== null && type !== "DELETE" && !deleted.has(version))
  return each(
    ({ description, installed_on: at, type, version }) => ({
      label: `V${text(version)}`,
      number: /^\d+$/.test(text(version)) ? text(version) : undefined,
      name: /BASELINE/.test(text(type)) ? undefined : text(description),
      at: millisOf(at),
      isAllBefore: /BASELINE/.test(text(type))
    }),
    ({ success }) => Number(success) !== 1
  )(counted)
}

const ofPrisma = each(
  (row) =>
    row["rolled_back_at"] === null
      ? { ...ofFile(text(row["migration_name"])), at: millisOf(row["finished_at"]) }
      : undefined,
  (row) => row["finished_at"] === null
)

/** TypeORM puts the time at the end of the class's name. */
const ofTypeOrm = each(({ name, timestamp }) => ({
  label: text(name),
  number: text(timestamp),
  name: text(name).replace(/\d+$/, "")
}))

export const ledgerKinds: ReadonlyArray<LedgerKind> = [
  {
    tools: ["drizzle"],
    table: "__drizzle_migrations",
    columns: ["hash", "created_at"],
    read: each(({ hash, name }) => ({
      ...(text(name) === "" ? {} : ofFile(text(name))),
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

/** Those of the tables whose columns fit. */
export const ledgersAmong = (
  tables: ReadonlyArray<{ readonly name: string; readonly columns: ReadonlyArray<string> }>
): ReadonlyArray<{ readonly kind: LedgerKind; readonly table: string; readonly isRails: boolean }> =>
  ledgerKinds.flatMap((kind) => {
    const table = tables.find(
      ({ columns, name }) =>
        name.toLowerCase() === kind.table &&
        kind.columns.every((column) => columns.includes(column)) &&
        (kind.isWhole !== true || columns.length === kind.columns.length)
    )
    const isRails = kind.tools.includes("rails") && tables.some(({ name }) => name === "ar_internal_metadata")
    return table === undefined ? [] : [{ kind, table: table.name, isRails }]
  })

/** What names are compared as: `CreateUsers`, `create-users` and `create users` are one. */
const plain = (name: string): string =>
  name
    .replaceAll(/(\p{Ll}|\p{N})(\p{Lu})/gu, "$1_$2")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, "_")
    .replaceAll(/^_|_$/g, "")

interface Known {
  readonly id: number
  readonly name: string
  /** SHA-256 of the file; undefined if it has no text. */
  readonly hash: string | undefined
}

/** One of our migrations that the tool's table says was applied. */
export interface Matched<A> {
  readonly migration: A
  readonly entry: LedgerEntry | undefined
}

/**
 * Our migrations that the entries mean: from the first one on, without a gap. By the text of the file, by number where
 * the names do not contradict, or by name. Else what does not fit.
 */
export const matchEntries = <A extends Known>(
  entries: ReadonlyArray<LedgerEntry>,
  migrations: ReadonlyArray<A>,
  titleOf: (migration: A) => string
): ReadonlyArray<Matched<A>> | { readonly differs: string } => {
  const found = new Map<A, LedgerEntry | undefined>()
  const unknown: Array<string> = []
  for (const entry of entries) {
    const migration = migrationOf(entry, migrations)
    if (migration === undefined || found.has(migration)) unknown.push(entry.label)
    else found.set(migration, entry)
    if (migration === undefined || entry.isAllBefore !== true) continue
    for (const earlier of migrations) {
      if (earlier.id < migration.id && !found.has(earlier)) found.set(earlier, undefined)
    }
  }
  if (unknown.length > 0) return { differs: `no file is ${shortened(unknown)}` }
  const newest = Math.max(-1, ...[...found.keys()].map(({ id }) => id))
  const before = migrations.filter(({ id }) => id <= newest)
  const left = before.filter((migration) => !found.has(migration))
  if (left.length > 0) return { differs: `it does not have ${shortened(left.map(titleOf))}, which comes before others` }
  return before.map((migration) => ({ migration, entry: found.get(migration) }))
}

/** The migration that an entry means; undefined for none, or for no certain one. */
export const migrationOf = <A extends Known>(entry: LedgerEntry, migrations: ReadonlyArray<A>): A | undefined => {
  const { hash, name, number } = entry
  const known = name === undefined ? undefined : plain(name)
  const byHash = hash === undefined ? undefined : migrations.find((migration) => migration.hash === hash)
  if (byHash !== undefined) return byHash
  const ofNumber = number === undefined ? undefined : migrations.find(({ id }) => id === Number(number))
  if (ofNumber !== undefined && (known === undefined || plain(ofNumber.name) === known)) return ofNumber
  const ofName = known === undefined ? [] : migrations.filter((migration) => plain(migration.name) === known)
  return ofName.length === 1 ? ofName[0] : undefined
}

const shortened = (labels: ReadonlyArray<string>): string =>
  labels.length > 5 ? `${labels.slice(0, 5).join(", ")} and ${labels.length - 5} more` : labels.join(", ")
