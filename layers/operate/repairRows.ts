/** What each case of a repair writes into the rows of the history. Plain: it throws `SqliteFailure`. */
import { HistoryError } from "../sqlite/AppliedMigrations/HistoryError.ts"
import { prepareHistory } from "../sqlite/AppliedMigrations/HistoryRecords.ts"
import { historyTable } from "../sqlite/AppliedMigrations/historyTable.ts"
import {
  type AppliedMigration,
  newestOf,
  readHistory,
  userVersionOf
} from "../sqlite/AppliedMigrations/MigrationHistory.ts"
import { integer, type Sqlite } from "../sqlite/Sqlite.ts"
import { joinEvents } from "../start/HistoryEvents.ts"
import { idOf } from "../start/historyComparison.ts"
import type { OrderedMigrations } from "../start/MigrationSource.ts"
import { type RepairError, refuseRepair } from "./RepairError.ts"
import { ofHeader, type WantedRepair } from "./repairCases.ts"
import { writers } from "./repairWriters.ts"

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

/** SQLite writes the header with the transaction. */
const markFile = (sqlite: Sqlite, wanted: number | undefined): RepairError | undefined => {
  if (wanted === undefined) return refuseRepair("NoApplicationId")
  const found = applicationIdIn(sqlite)
  if (found === wanted) return refuseRepair("NothingToRepair", `application_id is ${found}`)
  if (found === 0) return refuseRepair("NothingToRepair", "application_id is 0: the next start marks the file")
  sqlite.all(`PRAGMA application_id = ${wanted}`)
  return undefined
}

const historyOf = (sqlite: Sqlite): ReadonlyArray<AppliedMigration> => {
  const history = readHistory(sqlite)
  // Only the shape of the table can be refused, and a repair does not change it.
  return history instanceof HistoryError ? [] : history.rows
}

export const userVersionIn = (sqlite: Sqlite): number => integer(sqlite.all("PRAGMA user_version")[0], "user_version")

export const applicationIdIn = (sqlite: Sqlite): number =>
  integer(sqlite.all("PRAGMA application_id")[0], "application_id")
