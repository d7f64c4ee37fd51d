/** What each case of a repair writes into the rows of the history. Plain: it throws `SqliteFailure`. */
import { declarationText } from "../schema/Declaration.ts"
import { HistoryError } from "../sqlite/AppliedMigrations/HistoryError.ts"
import { contentOf, isWhatWasApplied } from "../sqlite/AppliedMigrations/HistoryJudgement.ts"
import { prepareHistory, recordCompleted } from "../sqlite/AppliedMigrations/HistoryRecords.ts"
import { historyTable } from "../sqlite/AppliedMigrations/historyTable.ts"
import {
  type AppliedMigration,
  newestOf,
  readHistory,
  userVersionOf
} from "../sqlite/AppliedMigrations/MigrationHistory.ts"
import { readRecord, writeRecord } from "../sqlite/AppliedMigrations/RepeatableRecord.ts"
import { integer, type Sqlite } from "../sqlite/Sqlite.ts"
import { joinEvents } from "../start/HistoryEvents.ts"
import { idOf, withoutUp } from "../start/historyComparison.ts"
import { type Migration, type OrderedMigrations, titleOf } from "../start/MigrationSource.ts"
import { type RepairError, refuseRepair } from "./RepairError.ts"

/**
 * What can be repaired, one at a time:
 *
 * - `accept-edited`: the text of an edited file is what was applied.
 * - `accept-renamed`: a file with another name, or another number, is the one that was applied.
 * - `record-applied`: a migration was applied by hand, or its row is gone.
 * - `remove-record`: the row of a migration whose file is gone, that is recorded twice, or that left nothing.
 * - `remove-repeatable`: the record of a repeatable migration whose file is gone; what it made stays.
 * - `set-version`: `PRAGMA user_version` is what the history says.
 * - `set-application-id`: `PRAGMA application_id` is that of this program.
 */
export const repairCases = [
  "accept-edited",
  "accept-renamed",
  "record-applied",
  "remove-record",
  "remove-repeatable",
  "set-version",
  "set-application-id"
] as const
/** One of them. */
export type RepairCase = (typeof repairCases)[number]

export interface WantedRepair {
  readonly repair: RepairCase
  readonly versions: ReadonlyArray<string>
  /** What the program marks its files with, for `set-application-id`. */
  readonly applicationId: number | undefined
}

/** These are about the header of the file, and name no migration. */
const ofHeader: ReadonlyArray<RepairCase> = ["set-version", "set-application-id"]

interface Rows {
  readonly sqlite: Sqlite
  readonly source: OrderedMigrations
  readonly rows: ReadonlyArray<AppliedMigration>
  readonly at: number
  readonly program: string
}

/** Writes the rows of one case. What the newest row keeps of the schema is written afterwards, when it is proven. */
export const writeCase = (
  sqlite: Sqlite,
  source: OrderedMigrations,
  { applicationId, repair, versions }: WantedRepair,
  { at, program }: { readonly at: number; readonly program: string }
): RepairError | HistoryError | undefined => {
  const history = readHistory(sqlite)
  if (history instanceof HistoryError) return history
  const newest = newestOf(history.rows)
  if (newest === undefined) return refuseRepair("NoHistory")
  if (ofHeader.includes(repair) !== (versions.length === 0)) {
    return refuseRepair("NoVersion", versions.length === 0 ? `${repair} needs one` : versions.join(", "))
  }
  prepareHistory(sqlite, history)
  const before = userVersionIn(sqlite)
  const wasMirrored = before === userVersionOf(idOf(newest.version))
  if (repair === "set-version" && wasMirrored) return refuseRepair("NothingToRepair", `user_version is ${before}`)
  if (repair === "set-application-id") {
    const refused = markFile(sqlite, applicationId)
    if (refused !== undefined) return refused
  }
  for (const version of versions) {
    const refused = writers[repair]({ sqlite, source, rows: historyOf(sqlite), at, program }, version)
    if (refused !== undefined) return refused
  }
  const after = historyOf(sqlite)
  const last = newestOf(after)
  if (last === undefined) return refuseRepair("OnlyRow", versions.join(", "))
  if (wasMirrored || repair === "set-version") {
    sqlite.all(`PRAGMA user_version = ${userVersionOf(idOf(last.version))}`)
  }
  keepWithNewest(sqlite, history.rows, after, last)
  return undefined
}

/** Moves what only the newest row keeps to the row that is the newest now. */
const keepWithNewest = (
  sqlite: Sqlite,
  before: ReadonlyArray<AppliedMigration>,
  after: ReadonlyArray<AppliedMigration>,
  last: AppliedMigration
): void => {
  const repeatables = [...before, ...after].findLast((row) => row.repeatables !== undefined)?.repeatables
  if (repeatables !== undefined) {
    sqlite.all(`UPDATE ${historyTable} SET repeatables = CASE migration_id WHEN ? THEN ? END`, [
      last.rowId,
      repeatables
    ])
  }
  const stays = new Set(after.map(({ rowId }) => rowId))
  const lost = before.flatMap(({ events, rowId }) => (events === undefined || stays.has(rowId) ? [] : [events]))
  if (lost.length > 0) {
    const kept = last.events === undefined ? [] : [last.events]
    sqlite.all(`UPDATE ${historyTable} SET events = ? WHERE migration_id = ?`, [
      joinEvents([...kept, ...lost]),
      last.rowId
    ])
  }
}

type Writer = (rows: Rows, version: string) => RepairError | undefined

const acceptEdited: Writer = (rows, version) => {
  const { sqlite } = rows
  const migration = fileOf(rows, version)
  if (migration === undefined) return refuseRepair("NoSuchVersion", `no file has ${version}`)
  const [row, other] = rowsOf(rows, migration.id)
  const title = titleOf(migration)
  if (row === undefined) return refuseRepair("NothingToRepair", `${title} is not recorded`)
  if (other !== undefined) return refuseRepair("SeveralRows", labelsOf([row, other]))
  if (row.checksum === undefined || isWhatWasApplied(migration, row.checksum, row.content)) {
    return refuseRepair("NothingToRepair", `${title} is what was applied`)
  }
  sqlite.all(
    `UPDATE ${historyTable} SET checksum = ?, content_version = ?, declared = ?, compatible_from = ? WHERE migration_id = ?`,
    [
      migration.checksum,
      contentOf(migration.body, migration.checksum) ?? null,
      declarationText(migration.declared),
      migration.declared.compatibleFrom?.toString() ?? null,
      row.rowId
    ]
  )
  return undefined
}

const acceptRenamed: Writer = (rows, version) => {
  const { source, sqlite } = rows
  const migration = fileOf(rows, version)
  if (migration === undefined) return refuseRepair("NoSuchVersion", `no file has ${version}`)
  const title = titleOf(migration)
  const [row, other] = rowsOf(rows, migration.id)
  if (other !== undefined && row !== undefined) return refuseRepair("SeveralRows", labelsOf([row, other]))
  if (row !== undefined) {
    if (row.name === undefined || withoutUp(row.name) === withoutUp(migration.name)) {
      return refuseRepair("NothingToRepair", `${title} has the name under which it was applied`)
    }
    sqlite.all(`UPDATE ${historyTable} SET name = ?, description = ? WHERE migration_id = ?`, [
      migration.name,
      descriptionOf(migration),
      row.rowId
    ])
    return undefined
  }
  // With another number: the row that has the same text, and no file.
  const numbers = new Set(source.map(({ id }) => id))
  const same = rows.rows.filter(
    ({ checksum, content, version }) =>
      checksum !== undefined &&
      migration.body._tag === "Sql" &&
      !numbers.has(idOf(version)) &&
      isWhatWasApplied(migration, checksum, content)
  )
  const [former, second] = same
  if (former === undefined) return refuseRepair("NothingToRepair", `no row without a file has the text of ${title}`)
  if (second !== undefined) return refuseRepair("SeveralRows", labelsOf(same))
  sqlite.all(`UPDATE ${historyTable} SET version = ?, name = ?, description = ? WHERE migration_id = ?`, [
    migration.version,
    migration.name,
    descriptionOf(migration),
    former.rowId
  ])
  return undefined
}

const recordApplied: Writer = (rows, version) => {
  const { at, program, sqlite } = rows
  const migration = fileOf(rows, version)
  if (migration === undefined) return refuseRepair("NoSuchVersion", `no file has ${version}`)
  const [row, other] = rowsOf(rows, migration.id)
  if (other !== undefined && row !== undefined) return refuseRepair("SeveralRows", labelsOf([row, other]))
  if (row === undefined) {
    // Nobody knows how long it took: NaN is written as NULL.
    const completed = { migration, appliedAt: at, executionTimeMs: Number.NaN, changedRows: 0 }
    recordCompleted(sqlite, [completed], program)
    return undefined
  }
  if (row.status === "completed") return refuseRepair("NothingToRepair", `${titleOf(migration)} is recorded as applied`)
  sqlite.all(`UPDATE ${historyTable} SET status = 'completed' WHERE migration_id = ?`, [row.rowId])
  return undefined
}

const removeRecord: Writer = (rows, version) => {
  const written = rows.rows.filter((row) => row.version === version)
  const found = written.length > 0 ? written : rowsOf(rows, idOf(version))
  const [row, other] = found
  if (row === undefined) return refuseRepair("NoSuchVersion", `no row has ${version}`)
  if (other !== undefined) return refuseRepair("SeveralRows", labelsOf(found))
  rows.sqlite.all(`DELETE FROM ${historyTable} WHERE migration_id = ?`, [row.rowId])
  return undefined
}

/** What it made stays, as what no migration makes. */
const removeRepeatable: Writer = ({ rows, source, sqlite }, version) => {
  const name = version.replace(/^R__/, "")
  const row = rows.findLast(({ repeatables }) => repeatables !== undefined)
  const recorded = row?.repeatables === undefined ? undefined : readRecord(row.repeatables)
  if (row === undefined || recorded?.files.some((file) => file.name === name) !== true) {
    return refuseRepair("NoSuchVersion", `no record has R__${name}`)
  }
  if (source.repeatables?.some((migration) => migration.name === name) === true) {
    return refuseRepair("NothingToRepair", `R__${name} is among the files`)
  }
  const files = recorded.files.filter((file) => file.name !== name)
  sqlite.all(`UPDATE ${historyTable} SET repeatables = ? WHERE migration_id = ?`, [
    writeRecord({ ...recorded, files }),
    row.rowId
  ])
  return undefined
}

/** SQLite writes the header with the transaction. */
const markFile = (sqlite: Sqlite, wanted: number | undefined): RepairError | undefined => {
  if (wanted === undefined) return refuseRepair("NoApplicationId")
  const found = applicationIdIn(sqlite)
  if (found === wanted) return refuseRepair("NothingToRepair", `application_id is ${found}`)
  if (found === 0) return refuseRepair("NothingToRepair", "application_id is 0: the next start marks the file")
  sqlite.all(`PRAGMA application_id = ${wanted}`)
  return undefined
}

const writers: Readonly<Record<RepairCase, Writer>> = {
  "accept-edited": acceptEdited,
  "accept-renamed": acceptRenamed,
  "record-applied": recordApplied,
  "remove-record": removeRecord,
  "remove-repeatable": removeRepeatable,
  "set-version": () => undefined,
  "set-application-id": () => undefined
}

const fileOf = ({ source }: Rows, version: string): Migration | undefined =>
  source.find(({ id }) => id === idOf(version))

const rowsOf = ({ rows }: Rows, id: number): ReadonlyArray<AppliedMigration> =>
  rows.filter(({ version }) => idOf(version) === id)

const labelsOf = (rows: ReadonlyArray<AppliedMigration>): string => rows.map(({ version }) => version).join(", ")

const descriptionOf = ({ name }: Migration): string => name.replaceAll("_", " ")

const historyOf = (sqlite: Sqlite): ReadonlyArray<AppliedMigration> => {
  const history = readHistory(sqlite)
  // Only the shape of the table can be refused, and a repair does not change it.
  return history instanceof HistoryError ? [] : history.rows
}

export const userVersionIn = (sqlite: Sqlite): number => integer(sqlite.all("PRAGMA user_version")[0], "user_version")

export const applicationIdIn = (sqlite: Sqlite): number =>
  integer(sqlite.all("PRAGMA application_id")[0], "application_id")
