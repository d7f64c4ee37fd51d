/** Judges whether the rows of the history are the migrations of the program. */
import { mayHaveBeen, statementsChecksumOf, statementsIn } from "../../schema/Checksum.ts"
import { declarationText } from "../../schema/Declaration.ts"
import { type Migration, type OrderedMigrations, titleOf } from "../../start/MigrationSource.ts"
import { HistoryError, noHistory, type Reason } from "./HistoryError.ts"
import { eventsIn, type HistoryEvent } from "./HistoryEvents.ts"
import { type AppliedMigration, type History, idOf, userVersionOf } from "./MigrationHistory.ts"
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
  /** Titles of applied migrations that declared something else when they were applied. That is no edit. */
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
 * Compares the whole source with the whole history: every known migration recorded once and unedited, none unknown,
 * none added before an applied one. Uses only its arguments.
 */
export const judge = (source: OrderedMigrations, { rows }: History, userVersion: number): Verdict | HistoryError => {
  const { adopted, byId, edited, incomplete, latest, latestRow, missing, newer, newest, ...rest } = compare(
    source,
    rows
  )
  const { matching, redeclared, renamed, seen, twice, unfinished, versions } = rest
  const refuse = (reason: Reason, migrations: ReadonlyArray<string>, detail = "") =>
    new HistoryError({ reason, migrations, detail, code: "", retryable: false })
  // Check this first: the remedies for our history would damage that of others.
  if (isOfOthers(source, rows, byId))
    return refuse("OtherApplication", labelsOf(rows), `this program has ${labelsOf(source).join(", ")}`)
  if (unfinished.length > 0) {
    const statuses = unfinished.map(({ status }) => status).join(", ")
    return refuse("NotCompleted", unfinished.map(labelOf), `status ${statuses}`)
  }
  if (twice.length > 0) return refuse("RecordedTwice", twice.map(labelOf))
  // Every newer migration must allow it: a later one cannot undo what an earlier one broke.
  const isOurs = source.length === 0 || adopted.length > 0 || matching > 0
  if (isOurs && newer.some(({ compatibleFrom }) => !(compatibleFrom <= newest))) {
    const known = byId.get(newest)
    return refuse(
      "NewerDatabase",
      newer.map(labelOf),
      known === undefined ? "this program has no migrations" : `this program knows ${titleOf(known)} at most`
    )
  }
  if (missing.length > 0) return refuse("Missing", missing.map(labelOf))
  if (edited.length > 0) return refuse("Edited", edited.map(titleOf), versions.join("; "))
  if (renamed.length > 0) return refuse("Renamed", renamed)

  const pending = source.filter(({ id }) => !seen.has(id))
  const late = pending.filter(({ id }) => id < latest)
  if (late.length > 0) {
    return refuse("Late", late.map(titleOf), `${byId.get(latest)?.version} is applied`)
  }
  const mirrored = userVersionOf(latest)
  if (adopted.length === 0 && userVersion !== mirrored) {
    const detail = `user_version is ${userVersion}, ${rows.length === 0 ? noHistory : `the history says ${mirrored}`}`
    // If the header has the number of one of our migrations without a row, that row was deleted.
    return byId.has(userVersion) && !seen.has(userVersion)
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
    applied: source.filter(({ id }) => seen.has(id)),
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

/**
 * Whether a history belongs to another application that uses the same numbers by chance. Either every shared number
 * differs in name and in text; or no number is shared, and the history has one above all of ours. A row of an earlier
 * system has neither name nor checksum, and counts as ours.
 */
const isOfOthers = (
  source: ReadonlyArray<Migration>,
  rows: ReadonlyArray<AppliedMigration>,
  byId: ReadonlyMap<number, Migration>
): boolean => {
  const newest = source.at(-1)?.id
  if (newest === undefined || rows.length === 0) return false
  const shared = rows.flatMap((row) => {
    const migration = byId.get(idOf(row.version))
    return migration === undefined ? [] : [{ row, migration }]
  })
  return shared.length === 0
    ? rows.some(({ version }) => idOf(version) > newest)
    : shared.every(
        ({ migration, row }) =>
          row.checksum !== undefined &&
          row.name !== undefined &&
          withoutUp(row.name) !== withoutUp(migration.name) &&
          (migration.body._tag === "Effect" || !isWhatWasApplied(migration, row.checksum, row.content))
      )
}

const labelsOf = (known: ReadonlyArray<Pick<AppliedMigration, "name" | "version">>): ReadonlyArray<string> =>
  known.length > 5 ? [...known.slice(0, 5).map(labelOf), `${known.length - 5} more`] : known.map(labelOf)

/** Compares history and source in one pass: there may be thousands of rows, and this code runs cold. */
const compare = (source: ReadonlyArray<Migration>, rows: ReadonlyArray<AppliedMigration>) => {
  const byId = new Map(source.map((migration) => [migration.id, migration]))
  const newest = source.at(-1)?.id ?? -1
  const seen = new Set<number>()
  const unfinished: Array<AppliedMigration> = []
  const twice: Array<AppliedMigration> = []
  const newer: Array<AppliedMigration> = []
  const missing: Array<AppliedMigration> = []
  const edited: Array<Migration> = []
  const renamed: Array<string> = []
  const adopted: Array<Verdict["adopted"][number]> = []
  const incomplete: Array<Verdict["incomplete"][number]> = []
  const redeclared = new Set<string>()
  const versions: Array<string> = []
  let matching = 0
  let latest = -1
  let latestRow: AppliedMigration | undefined
  for (const row of rows) {
    const id = idOf(row.version)
    if (row.status !== "completed") unfinished.push(row)
    if (seen.has(id)) twice.push(row)
    seen.add(id)
    if (id > latest) {
      latest = id
      latestRow = row
    }
    const migration = byId.get(id)
    if (migration === undefined) {
      const list = id > newest ? newer : missing
      list.push(row)
      continue
    }
    if (row.checksum === undefined) adopted.push({ rowId: row.rowId, migration })
    else if (isWhatWasApplied(migration, row.checksum, row.content)) {
      // An Effect without a version can only be recognised by its name.
      if (migration.body._tag === "Sql" || row.name === migration.name) matching += 1
      const isRedeclared = row.declared !== undefined && row.declared !== declarationText(migration.declared)
      if (isRedeclared) redeclared.add(titleOf(migration))
      if (isRedeclared || row.declared === undefined || row.content === undefined) {
        incomplete.push({ rowId: row.rowId, migration, checksum: row.checksum })
      }
    } else {
      edited.push(migration)
      const { body } = migration
      if (body._tag === "Effect" && row.content !== undefined) {
        versions.push(
          `${titleOf(migration)} was applied as version ${row.content}, and is ${versionOf(body.version)} now`
        )
      }
    }
    if (row.name !== undefined && withoutUp(row.name) !== withoutUp(migration.name)) {
      renamed.push(`${labelOf(row)} is now ${titleOf(migration)}`)
    }
  }
  const changed = { edited, redeclared, renamed, versions }
  return {
    adopted,
    byId,
    incomplete,
    matching,
    latest,
    latestRow,
    missing,
    newer,
    newest,
    seen,
    twice,
    unfinished,
    ...changed
  }
}

/** Earlier versions recorded `001_users.up.sql` under the name `users.up`. */
export const withoutUp = (name: string): string => name.replace(/(?:\.tx)?\.up$/, "")

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

const versionOf = (version: string | undefined): string => (version === undefined ? "without a version" : version)

const labelOf = ({ name, version }: Pick<AppliedMigration, "name" | "version">): string =>
  name === undefined ? version : titleOf({ name, version })
