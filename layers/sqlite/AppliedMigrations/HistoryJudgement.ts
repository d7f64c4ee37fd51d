/** Whether the rows of the history are the migrations of the program. */
import * as Effect from "effect/Effect"
import { mayHaveBeen, statementsChecksumOf, statementsIn } from "../../schema/Checksum.ts"
import { declarationText } from "../../schema/Declaration.ts"
import { type Migration, titleOf } from "../../start/MigrationSource.ts"
import { HistoryError, type Reason } from "./HistoryError.ts"
import { type AppliedMigration, type History, idOf, userVersionOf } from "./MigrationHistory.ts"

/** A row that lacks what was run or declared, with the checksum that it has. */
export interface Incomplete {
  readonly rowId: number
  readonly migration: Migration
  readonly checksum: string
}

/** What is to be done about a history that is acceptable. */
export interface Verdict {
  readonly pending: ReadonlyArray<Migration>
  /** The source's migrations that are already applied. */
  readonly applied: ReadonlyArray<Migration>
  /** Titles of what a newer program applied, all of which lets this program run. */
  readonly ahead: ReadonlyArray<string>
  /** The newest version that is recorded, as it is written. */
  readonly version: string | undefined
  /** Rows of the system before us, with the migration that each one is; their schema has to be proven. */
  readonly adopted: ReadonlyArray<{ readonly rowId: number; readonly migration: Migration }>
  /** Titles of applied migrations that declared something else when they were applied, which is no edit. */
  readonly redeclared: ReadonlyArray<string>
  /** Rows that do not say yet what was run or declared, or say it otherwise; the next upgrade completes them. */
  readonly incomplete: ReadonlyArray<Incomplete>
  /** Fingerprint of the schema after the newest applied migration; undefined where none was kept. */
  readonly fingerprint: string | undefined
  /** The objects that it is taken over, as `namesOf` writes them; undefined where they were not kept. */
  readonly ours: string | undefined
}

/**
 * Compares the source with the history, whole: every known migration recorded once and unedited, none
 * unknown, none slipped in before an applied one. Looks at nothing but its arguments.
 */
export const judge = (
  source: ReadonlyArray<Migration>,
  { rows }: History,
  userVersion: number
): Effect.Effect<Verdict, HistoryError> => {
  const { adopted, byId, edited, incomplete, latest, latestRow, missing, newer, newest, ...rest } = compare(
    source,
    rows
  )
  const { matching, redeclared, renamed, seen, twice, unfinished, versions } = rest
  const refuse = (reason: Reason, migrations: ReadonlyArray<string>, detail = "") =>
    Effect.fail(new HistoryError({ reason, migrations, detail, code: "", retryable: false }))
  // First of all: what cures a history of ours would damage that of others.
  if (isOfOthers(source, rows, byId))
    return refuse("OtherApplication", labelsOf(rows), `this program has ${labelsOf(source).join(", ")}`)
  if (unfinished.length > 0) {
    const statuses = unfinished.map(({ status }) => status).join(", ")
    return refuse("NotCompleted", unfinished.map(labelOf), `status ${statuses}`)
  }
  if (twice.length > 0) return refuse("RecordedTwice", twice.map(labelOf))
  // Every newer migration has its say: a later one cannot make up for what one in between broke.
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
    const detail = `user_version is ${userVersion}, ${rows.length === 0 ? "and there is no history" : `the history says ${mirrored}`}`
    // Where the header knows a migration of ours that no row tells of, a row is gone.
    return byId.has(userVersion) && !seen.has(userVersion)
      ? refuse("Unrecorded", pending.filter(({ id }) => id <= userVersion).map(titleOf), detail)
      : refuse("VersionMismatch", [], detail)
  }
  return Effect.succeed({
    pending,
    applied: source.filter(({ id }) => seen.has(id)),
    ahead: newer.map(labelOf),
    version: latestRow?.version,
    adopted,
    redeclared: redeclared.size === 0 ? [] : source.map(titleOf).filter((title) => redeclared.has(title)),
    incomplete: incomplete.toSorted((one, other) => one.migration.id - other.migration.id),
    fingerprint: adopted.length > 0 ? undefined : latestRow?.fingerprint,
    ours: adopted.length > 0 ? undefined : latestRow?.ours
  })
}

/**
 * Whether a history is that of another application, which has its numbers by chance: what both know by number differs
 * in name and in text, or they share no number and a restart of ours would not help. A row of the system before us has
 * neither name nor checksum, and is ours.
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

/** What the history is against the source, in one pass: there may be thousands, and this code is cold. */
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
      // Of an Effect without a version only the name tells whose it is.
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

/** Earlier versions took `001_users.up.sql` for a migration of the name `users.up`. */
const withoutUp = (name: string): string => name.replace(/(?:\.tx)?\.up$/, "")

/**
 * The whole text first: it is quick to compare, and all that earlier versions kept. Declarations and comments between
 * statements are not run, so that a text that differs in them alone is what was applied.
 */
const isWhatWasApplied = ({ body, checksum }: Migration, recorded: string, content: string | undefined): boolean => {
  if (body._tag === "Effect") return recorded === checksum && (content === undefined || content === body.version)
  if (recorded === checksum) return true
  return content === undefined ? mayHaveBeen(recorded, body.text) : content === contentOf(body, recorded)
}

/** Undefined for an Effect without a version, of which nothing can be compared. */
export const contentOf = (body: Migration["body"], applied: string): string | undefined =>
  body._tag === "Effect" ? body.version : statementsChecksumOf(statementsIn(body), applied)

const versionOf = (version: string | undefined): string => (version === undefined ? "without a version" : version)

const labelOf = ({ name, version }: Pick<AppliedMigration, "name" | "version">): string =>
  name === undefined ? version : titleOf({ name, version })
