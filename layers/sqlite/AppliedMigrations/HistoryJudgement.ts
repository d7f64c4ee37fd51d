/** Judges whether the rows of the history are the migrations of the program. */
import { mayHaveBeen, statementsChecksumOf, statementsIn } from "../../schema/Checksum.ts"
import { declarationText } from "../../schema/Declaration.ts"
import { eventsIn, type HistoryEvent } from "../../start/HistoryEvents.ts"
import { compareHistory, labelOf } from "../../start/historyComparison.ts"
import { type Migration, type OrderedMigrations, titleOf } from "../../start/MigrationSource.ts"
import { HistoryError, noHistory, type Reason } from "./HistoryError.ts"
import { type AppliedMigration, type History, userVersionOf } from "./MigrationHistory.ts"
import { judgeRepeatables, type RepeatableVerdict } from "./RepeatableJudgement.ts"
import { nothingRecorded, type Recorded, readRecord } from "./RepeatableRecord.ts"

/** A row that lacks what ran or was declared, with its checksum. */
export interface Incomplete {
  readonly rowId: number
  readonly migration: Migration
  readonly checksum: string
}

/** What to do about an acceptable history. */
export interface Verdict {
  readonly pending: ReadonlyArray<Migration>
  /** The source's migrations that are already applied. */
  readonly applied: ReadonlyArray<Migration>
  /** Titles of migrations that a newer program applied. All of them let this program run. */
  readonly ahead: ReadonlyArray<string>
  /** The newest recorded version, as the row writes it. */
  readonly version: string | undefined
  /** Rows of an earlier system, each with its migration. Their schema must be proven. */
  readonly adopted: ReadonlyArray<{ readonly rowId: number; readonly migration: Migration }>
  /** Titles of applied migrations that declared something else when they were applied. That is not an edit. */
  readonly redeclared: ReadonlyArray<string>
  /** Rows without content or declaration, or with an old declaration; the next upgrade completes them. */
  readonly incomplete: ReadonlyArray<Incomplete>
  /** Fingerprint of the schema after the newest applied migration; undefined if none was kept. */
  readonly fingerprint: string | undefined
  /** The objects in it, as `namesOf` writes them; undefined if they were not kept. */
  readonly ours: string | undefined
  /** What people did to the database apart from migrations, in the order of time. */
  readonly events: ReadonlyArray<HistoryEvent>
  /** The views and triggers that are made again whenever their text changes. */
  readonly repeatables: RepeatableVerdict
}

/**
 * Compares the whole source with the whole history, and the history with what else the file keeps of it. Uses only its
 * arguments.
 */
export const judge = (source: OrderedMigrations, { rows }: History, userVersion: number): Verdict | HistoryError => {
  const refuse = (reason: Reason, migrations: ReadonlyArray<string>, detail = "") =>
    new HistoryError({ reason, migrations, detail, code: "", retryable: false })
  const compared = compareHistory(source, rows, {
    isBegun: () => false,
    isWhatWasApplied
  })
  if ("reason" in compared) return refuse(compared.reason, compared.migrations, compared.detail)
  const { applied, known, latest, latestRow, newer, newest, pending, recorded: numbers } = compared
  const { adopted, incomplete, redeclared } = completeness(known)
  const mirrored = userVersionOf(latest)
  if (adopted.length === 0 && userVersion !== mirrored) {
    const detail = `user_version is ${userVersion}, ${rows.length === 0 ? noHistory : `the history says ${mirrored}`}`
    // If the header has the number of one of our migrations without a row, that row was deleted.
    return source.some(({ id }) => id === userVersion) && !numbers.has(userVersion)
      ? refuse("Unrecorded", pending.filter(({ id }) => id <= userVersion).map(titleOf), detail)
      : refuse("VersionMismatch", [], detail)
  }
  const recorded = recordedIn(rows, latestRow)
  if (recorded === undefined) {
    return refuse("Unreadable", [], "the column repeatables has something that this library did not write")
  }
  const repeatables = judgeRepeatables(source.repeatables ?? [], recorded, {
    newest,
    isBehind: newer.length > 0,
    isPending: pending.length > 0
  })
  if ("reason" in repeatables) return new HistoryError({ ...repeatables, code: "", retryable: false })
  return {
    repeatables,
    events: eventsIn(rows.map(({ events }) => events)),
    pending,
    applied,
    ahead: newer.map(labelOf),
    version: latestRow?.version,
    adopted,
    redeclared: redeclared.size === 0 ? [] : source.map(titleOf).filter((title) => redeclared.has(title)),
    incomplete: incomplete.toSorted((one, other) => one.migration.id - other.migration.id),
    fingerprint: adopted.length > 0 ? undefined : latestRow?.fingerprint,
    ours: adopted.length > 0 ? undefined : latestRow?.ours
  }
}

/** A newer row without it was written by a release that knows no repeatable migrations. */
export const recordedIn = (
  rows: ReadonlyArray<AppliedMigration>,
  latest: AppliedMigration | undefined
): Recorded | undefined => {
  const row = rows.findLast(({ repeatables }) => repeatables !== undefined)
  if (row?.repeatables === undefined) return nothingRecorded
  const recorded = readRecord(row.repeatables)
  return recorded === undefined ? undefined : { ...recorded, areMade: recorded.areMade && row === latest }
}

/** What the rows lack: all of it in those of an earlier system, what ran or was declared in those of earlier releases. */
const completeness = (known: ReadonlyArray<{ readonly row: AppliedMigration; readonly migration: Migration }>) => {
  const adopted: Array<Verdict["adopted"][number]> = []
  const incomplete: Array<Incomplete> = []
  const redeclared = new Set<string>()
  for (const { migration, row } of known) {
    const { checksum, content, declared, rowId } = row
    if (checksum === undefined) {
      adopted.push({ rowId, migration })
      continue
    }
    const isRedeclared = declared !== undefined && declared !== declarationText(migration.declared)
    if (isRedeclared) redeclared.add(titleOf(migration))
    if (isRedeclared || declared === undefined || content === undefined) incomplete.push({ rowId, migration, checksum })
  }
  return { adopted, incomplete, redeclared }
}

/**
 * The whole text first: it is quick to compare, and all that earlier versions kept. Declarations and comments between
 * statements do not run, so a text that differs only in them is what was applied.
 */
export const isWhatWasApplied = (
  { body, checksum }: Migration,
  recorded: string,
  content: string | undefined
): boolean => {
  if (body._tag === "Effect") return recorded === checksum && (content === undefined || content === body.version)
  if (recorded === checksum) return true
  return content === undefined ? mayHaveBeen(recorded, body.text) : content === contentOf(body, recorded)
}

/** Undefined for an Effect without a version: there is nothing to compare. */
export const contentOf = (body: Migration["body"], applied: string): string | undefined =>
  body._tag === "Effect" ? body.version : statementsChecksumOf(statementsIn(body), applied)
