/** What the rows of other tools say: the shapes that several tools share, and what is odd about one. */

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
  /** Which of the tool's migrations it is, from 0 on, if nothing else but the hash tells. */
  readonly place?: number | undefined
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

export const text = (value: unknown): string => (value === null || value === undefined ? "" : String(value))

/** Times as the tools write them: milliseconds, microseconds or seconds since 1970, or a text; UTC without an offset. */
export const millisOf = (value: unknown): number | undefined => {
  const millis = typeof value === "number" ? millisOfNumber(value) : millisOfText(text(value))
  // What a date can hold and SQLite can write.
  return millis > 0 && millis < 253_402_300_800_000 ? Math.floor(millis) : undefined
}

const millisOfNumber = (number: number): number => {
  if (number > 1e14) return number / 1000
  if (number > 1e11) return number
  return number > 1e8 ? number * 1000 : Number.NaN
}

/** `Date.parse` takes a bare number for a month, and a time without an offset for a local one. */
const millisOfText = (time: string): number => {
  const [, day = "", clock = "", offset = "Z"] =
    /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d(?:\.\d+)?)?) ?(Z|[+-]\d\d:\d\d)?)?$/.exec(time) ?? []
  return Date.parse(clock === "" ? day : `${day}T${clock}${offset}`)
}

/** `20240101120000_create_users.js` and the like: number and name. */
export const ofFile = (file: string): Pick<LedgerEntry, "label" | "name" | "number"> => {
  const stem = file.replace(/^.*[/\\]/, "").replace(/\.(?:up\.)?(?:sql|[cm]?[jt]s|go|rb|py|php)$/i, "")
  const [, number, name] = /^[vV]?(\d[\d-]*?)[_.-]+(\D.*)$/.exec(stem) ?? []
  return number === undefined ? { label: file, name: stem } : { label: file, number: number.replaceAll("-", ""), name }
}

export const each =
  (
    entryOf: (row: LedgerRow, place: number) => LedgerEntry | undefined,
    isUnfinished: (row: LedgerRow) => boolean = () => false
  ) =>
  (rows: ReadonlyArray<LedgerRow>): LedgerContent => {
    const found = rows.flatMap((row, place) => {
      const entry = entryOf(row, place)
      return entry === undefined ? [] : [{ entry, row }]
    })
    return {
      entries: found.filter(({ row }) => !isUnfinished(row)).map(({ entry }) => entry),
      unfinished: found.filter(({ row }) => isUnfinished(row)).map(({ entry }) => entry.label)
    }
  }

/** Rows in the order of a number. */
export const inOrderOf =
  (column: string, entryOf: (row: LedgerRow, place: number) => LedgerEntry) =>
  (rows: ReadonlyArray<LedgerRow>): LedgerContent =>
    each(entryOf)(rows.toSorted((one, other) => Number(one[column]) - Number(other[column])))

export const byNumber = (column: string, at = "") =>
  each((row) => ({ label: text(row[column]), number: text(row[column]).replaceAll("-", ""), at: millisOf(row[at]) }))

/** golang-migrate has one row: the newest version. Its version -1 is none. */
export const newestOnly = (rows: ReadonlyArray<LedgerRow>): LedgerContent => {
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
export const lastRowOfEach = (rows: ReadonlyArray<LedgerRow>): LedgerContent => {
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
export const ofDjango = (rows: ReadonlyArray<LedgerRow>): LedgerContent => {
  const isOne = new Set(rows.map(({ app }) => app)).size === 1
  return each(({ app, applied, name }) => ({
    ...(isOne ? ofFile(text(name)) : {}),
    label: `${text(app)}.${text(name)}`,
    at: millisOf(applied)
  }))(rows)
}

/** Flyway's rows without a version are repeatable scripts; one of type DELETE takes its version back. */
export const ofFlyway = (rows: ReadonlyArray<LedgerRow>): LedgerContent => {
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

export const ofPrisma = each(
  (row) =>
    row["rolled_back_at"] === null
      ? { ...ofFile(text(row["migration_name"])), at: millisOf(row["finished_at"]) }
      : undefined,
  (row) => row["finished_at"] === null
)

/** TypeORM puts the time at the end of the class's name. */
export const ofTypeOrm = each(({ name, timestamp }) => ({
  label: text(name),
  number: text(timestamp),
  name: text(name).replace(/\d+$/, "")
}))
