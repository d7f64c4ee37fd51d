/** Judges whether the rows of the history are the migrations of the program, and whether one is gone. */
import { compareHistory, labelOf } from "../start/historyComparison.ts"
import { type Migration, type OrderedMigrations, titleOf } from "../start/MigrationSource.ts"
import { contentOf, type History, isStarted } from "./History.ts"
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

/** Compares the whole source with the whole history. `HistoryError` is a verdict too. Uses only its arguments. */
export const judge = (source: OrderedMigrations, { newest, rows }: History): Verdict | HistoryError => {
  const refuse = (reason: Reason, migrations: ReadonlyArray<string>, detail: string) =>
    new HistoryError({ reason, migrations, detail, code: "", retryable: false })
  const compared = compareHistory(source, rows, { isBegun: isStarted, isWhatWasApplied })
  if ("reason" in compared) return refuse(compared.reason, compared.migrations, compared.detail)
  const { applied, begun, latest, latestRow, newer, pending } = compared
  // Nothing else tells that the newest row was deleted, and its migration would be applied once more.
  const last = Math.max(latest, ...begun)
  if (newest !== undefined && newest > last) {
    const gone = pending.filter(({ id }) => id <= newest && !begun.has(id)).map(titleOf)
    const detail = `the comment on the table says ${newest}, its rows ${last < 0 ? "nothing" : `say ${last}`}`
    return refuse("Unrecorded", gone.length > 0 ? gone : [String(newest)], detail)
  }
  return {
    pending,
    applied,
    ahead: newer.map(labelOf),
    version: latestRow?.version,
    fingerprint: latestRow?.fingerprint,
    ours: latestRow?.ours,
    begun
  }
}

/**
 * Declarations and comments between statements do not run: a text that differs only in them is what was applied. Each
 * row has what ran, except for an Effect without a version.
 */
const isWhatWasApplied = (migration: Migration, recorded: string, content: string | undefined): boolean =>
  migration.body._tag === "Effect"
    ? recorded === migration.checksum && (content === undefined || content === migration.body.version)
    : recorded === migration.checksum || content === contentOf(migration, recorded)
