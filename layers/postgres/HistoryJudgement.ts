/** Judges whether the rows of the history are the migrations of the program. Uses only its arguments. */
import { type Migration, type OrderedMigrations, titleOf } from "../start/MigrationSource.ts"
import { contentOf, type History, idOf, isStarted, type Recorded } from "./History.ts"
import { HistoryError, type Reason } from "./HistoryError.ts"

/** What to do about an acceptable history. */
export interface Verdict {
  readonly pending: ReadonlyArray<Migration>
  /** The source's migrations that are already applied. */
  readonly applied: ReadonlyArray<Migration>
  /** Titles of migrations that a newer program applied. All of them let this program run. */
  readonly ahead: ReadonlyArray<string>
  /** The newest recorded version, as the row writes it. */
  readonly version: string | undefined
  /** Fingerprint of the schema after the newest applied migration, and the objects in it. */
  readonly fingerprint: string | undefined
  readonly ours: string | undefined
  /** Numbers of pending ones whose statement has begun before, without a transaction. */
  readonly begun: ReadonlySet<number>
}

/**
 * Compares the whole source with the whole history: every known migration recorded once and unedited, none unknown,
 * none added before an applied one. `HistoryError` is a verdict too.
 */
export const judge = (source: OrderedMigrations, { rows }: History): Verdict | HistoryError => {
  const byId = new Map(source.map((migration) => [migration.id, migration]))
  const newest = source.at(-1)?.id ?? -1
  const known = rows.flatMap((row) => {
    const migration = byId.get(idOf(row.version))
    return migration === undefined ? [] : [{ row, migration }]
  })
  const unknown = rows.filter(({ version }) => !byId.has(idOf(version)))
  const newer = unknown.filter(({ version }) => idOf(version) > newest)
  const seen = new Set(rows.map(({ version }) => idOf(version)))
  const latest = Math.max(-1, ...seen)
  const begun = new Set(rows.filter(isStarted).map(({ version }) => idOf(version)))
  // A statement without a transaction that did not end: what it makes is not ours yet.
  const latestRow = rows
    .filter((row) => !isStarted(row))
    .reduce<Recorded | undefined>(
      (newest, row) => (newest === undefined || idOf(row.version) > idOf(newest.version) ? row : newest),
      undefined
    )
  const pending = source.filter(({ id }) => !seen.has(id) || begun.has(id))
  const refuse = (reason: Reason, migrations: ReadonlyArray<string>, detail = "") =>
    new HistoryError({ reason, migrations, detail, code: "", retryable: false })

  // Check this first: the remedies for our history would damage that of others.
  const isOthers =
    source.length > 0 &&
    rows.length > 0 &&
    (known.length === 0
      ? newer.length > 0
      : known.every(({ migration, row }) => row.name !== migration.name && !isWhatWasApplied(migration, row)))
  if (isOthers) return refuse("OtherApplication", labelsOf(rows), `this program has ${labelsOf(source).join(", ")}`)
  const unfinished = rows.filter((row) => row.status !== "completed" && !isStarted(row))
  if (unfinished.length > 0) {
    return refuse(
      "NotCompleted",
      unfinished.map(titleOf),
      `status ${unfinished.map(({ status }) => status).join(", ")}`
    )
  }
  const twice = rows.filter(
    (row, index) => rows.findIndex(({ version }) => idOf(version) === idOf(row.version)) < index
  )
  if (twice.length > 0) return refuse("RecordedTwice", twice.map(titleOf))
  // Every newer migration must allow it: a later one cannot undo what an earlier one broke.
  if (newer.some(({ compatibleFrom }) => !(compatibleFrom <= newest))) {
    const own = byId.get(newest)
    const detail = own === undefined ? "this program has no migrations" : `this program knows ${titleOf(own)} at most`
    return refuse("NewerDatabase", newer.map(titleOf), detail)
  }
  const missing = unknown.filter(({ version }) => !(idOf(version) > newest))
  if (missing.length > 0) return refuse("Missing", missing.map(titleOf))
  const edited = known.filter(({ migration, row }) => !isWhatWasApplied(migration, row))
  if (edited.length > 0)
    return refuse(
      "Edited",
      edited.map(({ migration }) => titleOf(migration))
    )
  const renamed = known.filter(({ migration, row }) => row.name !== migration.name)
  if (renamed.length > 0) {
    return refuse(
      "Renamed",
      renamed.map(({ migration, row }) => `${titleOf(row)} is now ${titleOf(migration)}`)
    )
  }
  const late = pending.filter(({ id }) => id < latest)
  if (late.length > 0) return refuse("Late", late.map(titleOf), `${latestRow?.version} is applied`)
  return {
    pending,
    applied: source.filter(({ id }) => seen.has(id) && !begun.has(id)),
    ahead: newer.map(titleOf),
    version: latestRow?.version,
    fingerprint: latestRow?.fingerprint,
    ours: latestRow?.ours,
    begun
  }
}

/** Declarations and comments between statements do not run: a text that differs only in them is what was applied. */
const isWhatWasApplied = (migration: Migration, { checksum, content }: Recorded): boolean =>
  migration.body._tag === "Effect"
    ? checksum === migration.checksum && (content === undefined || content === migration.body.version)
    : checksum === migration.checksum || content === contentOf(migration, checksum)

const labelsOf = (known: ReadonlyArray<Pick<Recorded, "name" | "version">>): ReadonlyArray<string> =>
  known.length > 5 ? [...known.slice(0, 5).map(titleOf), `${known.length - 5} more`] : known.map(titleOf)
