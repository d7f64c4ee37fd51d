/** Compares the rows of a history with the migrations of a program, the same on every engine. Uses only its arguments. */
import { type Migration, type OrderedMigrations, titleOf } from "./MigrationSource.ts"

/** A row of the history. What an earlier system did not keep is undefined. */
export interface RecordedMigration {
  readonly version: string
  readonly status: string
  readonly name: string | undefined
  readonly checksum: string | undefined
  /** The oldest version whose programs may still run after this migration; NaN if it did not say. */
  readonly compatibleFrom: number
  /** What ran: the checksum of the statements, or the version of an Effect; undefined if it was not kept. */
  readonly content?: string | undefined
}

/** What only the engine knows of a row. */
export interface RowRules<Row> {
  /** Whether the migration is what the row says was applied: its whole text, or what ran of it. */
  readonly isWhatWasApplied: (migration: Migration, checksum: string, content: string | undefined) => boolean
  /** Whether a statement that runs in no transaction has begun and not ended. It is pending, and no fault. */
  readonly isBegun: (row: Row) => boolean
}

/** A history that is not what the program would have made. */
export interface HistoryFault {
  readonly reason:
    | "OtherApplication"
    | "NotCompleted"
    | "RecordedTwice"
    | "NewerDatabase"
    | "Missing"
    | "Edited"
    | "Renamed"
    | "Late"
  readonly migrations: ReadonlyArray<string>
  readonly detail: string
}

/** A history that the program can go on from. */
export interface ComparedHistory<Row> {
  readonly pending: ReadonlyArray<Migration>
  /** The source's migrations that are already applied. */
  readonly applied: ReadonlyArray<Migration>
  /** Rows that a newer program made. All of them let this program run. */
  readonly newer: ReadonlyArray<Row>
  /** Rows with the migration that each is of. */
  readonly known: ReadonlyArray<{ readonly row: Row; readonly migration: Migration }>
  /** The row of the newest migration that is applied, and its number; -1 if there is none. */
  readonly latestRow: Row | undefined
  readonly latest: number
  /** The number of the program's newest migration; -1 if it has none. */
  readonly newest: number
  /** Numbers of migrations that are recorded. */
  readonly recorded: ReadonlySet<number>
  /** Numbers of pending ones whose statement has begun before. */
  readonly begun: ReadonlySet<number>
}

/**
 * Compares the whole source with the whole history: every known migration recorded once and unedited, none unknown,
 * none added before an applied one. In one pass: there may be thousands of rows, and this code runs cold.
 */
export const compareHistory = <Row extends RecordedMigration>(
  source: OrderedMigrations,
  rows: ReadonlyArray<Row>,
  { isBegun, isWhatWasApplied }: RowRules<Row>
): ComparedHistory<Row> | HistoryFault => {
  const byId = new Map(source.map((migration) => [migration.id, migration]))
  const newest = source.at(-1)?.id ?? -1
  const recorded = new Set<number>()
  const begun = new Set<number>()
  const unfinished: Array<Row> = []
  const twice: Array<Row> = []
  const newer: Array<Row> = []
  const missing: Array<Row> = []
  const known: Array<{ readonly row: Row; readonly migration: Migration }> = []
  const edited: Array<Migration> = []
  const versions: Array<string> = []
  const renamed: Array<string> = []
  /** Whether a row is surely one of this program's. */
  let isOurs = source.length === 0
  /** Whether a row has the name or the text of ours, or lacks one of them: an earlier system kept neither. */
  let mayBeOurs = false
  let highest = -1
  let latest = -1
  let latestRow: Row | undefined
  for (const row of rows) {
    const id = idOf(row.version)
    if (isBegun(row)) begun.add(id)
    else if (row.status !== "completed") unfinished.push(row)
    if (recorded.has(id)) twice.push(row)
    recorded.add(id)
    if (id > highest) highest = id
    if (id > latest && !isBegun(row)) {
      latest = id
      latestRow = row
    }
    const migration = byId.get(id)
    if (migration === undefined) {
      const list = id > newest ? newer : missing
      list.push(row)
      continue
    }
    known.push({ row, migration })
    const { body } = migration
    const isNamed = row.name === undefined || withoutUp(row.name) === withoutUp(migration.name)
    if (!isNamed) renamed.push(`${labelOf(row)} is now ${titleOf(migration)}`)
    const isSame = row.checksum === undefined || isWhatWasApplied(migration, row.checksum, row.content)
    if (!isSame) {
      edited.push(migration)
      if (body._tag === "Effect" && row.content !== undefined) {
        versions.push(
          `${titleOf(migration)} was applied as version ${row.content}, and is ${body.version ?? "without a version"} now`
        )
      }
    }
    // An Effect without a version can only be recognised by its name.
    if (isSame && (row.checksum === undefined || body._tag === "Sql" || row.name === migration.name)) isOurs = true
    if (isNamed || row.checksum === undefined || (isSame && body._tag === "Sql")) mayBeOurs = true
  }
  const refuse = (reason: HistoryFault["reason"], migrations: ReadonlyArray<string>, detail = ""): HistoryFault => ({
    reason,
    migrations,
    detail
  })
  // Check this first: the remedies for our history would damage that of others. They may use the same numbers by chance:
  // then every shared number differs in name and in text, or none is shared and one is above all of ours.
  const isOfOthers = source.length > 0 && rows.length > 0 && (known.length === 0 ? newer.length > 0 : !mayBeOurs)
  if (isOfOthers) {
    return refuse("OtherApplication", labelsOf(rows), `this program has ${labelsOf(source).join(", ")}`)
  }
  if (unfinished.length > 0) {
    const statuses = unfinished.map(({ status }) => status).join(", ")
    return refuse("NotCompleted", unfinished.map(labelOf), `status ${statuses}`)
  }
  if (twice.length > 0) return refuse("RecordedTwice", twice.map(labelOf))
  // Every newer migration must allow it: a later one cannot undo what an earlier one broke.
  if (isOurs && newer.some(({ compatibleFrom }) => !(compatibleFrom <= newest))) {
    const own = byId.get(newest)
    return refuse(
      "NewerDatabase",
      newer.map(labelOf),
      own === undefined ? "this program has no migrations" : `this program knows ${titleOf(own)} at most`
    )
  }
  if (missing.length > 0) return refuse("Missing", missing.map(labelOf))
  if (edited.length > 0) return refuse("Edited", edited.map(titleOf), versions.join("; "))
  if (renamed.length > 0) return refuse("Renamed", renamed)
  const pending = source.filter(({ id }) => !recorded.has(id) || begun.has(id))
  const late = pending.filter(({ id }) => id < highest)
  if (late.length > 0) {
    const above = rows.find(({ version }) => idOf(version) === highest)
    return refuse("Late", late.map(titleOf), `${above?.version} is applied`)
  }
  return {
    pending,
    applied: source.filter(({ id }) => recorded.has(id) && !begun.has(id)),
    newer,
    known,
    latestRow,
    latest,
    newest,
    recorded,
    begun
  }
}

/** The number of a version; NaN for a text that is not a number. */
export const idOf = (version: string): number => (/^\d+$/.test(version) ? Number(version) : Number.NaN)

/** Earlier versions recorded `001_users.up.sql` under the name `users.up`. */
export const withoutUp = (name: string): string => name.replace(/(?:\.tx)?\.up$/, "")

export const labelOf = ({ name, version }: Pick<RecordedMigration, "name" | "version">): string =>
  name === undefined ? version : titleOf({ name, version })

const labelsOf = (known: ReadonlyArray<Pick<RecordedMigration, "name" | "version">>): ReadonlyArray<string> =>
  known.length > 5 ? [...known.slice(0, 5).map(labelOf), `${known.length - 5} more`] : known.map(labelOf)
