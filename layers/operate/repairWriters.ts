/** What each case of a repair writes into the row of one migration. Plain: it throws `SqliteFailure`. */
import { declarationText } from "../schema/Declaration.ts"
import { contentOf, isWhatWasApplied } from "../sqlite/AppliedMigrations/HistoryJudgement.ts"
import { recordCompleted } from "../sqlite/AppliedMigrations/HistoryRecords.ts"
import { historyTable } from "../sqlite/AppliedMigrations/historyTable.ts"
import type { AppliedMigration } from "../sqlite/AppliedMigrations/MigrationHistory.ts"
import { readRecord, writeRecord } from "../sqlite/AppliedMigrations/RepeatableRecord.ts"
import type { Sqlite } from "../sqlite/Sqlite.ts"
import { idOf, withoutUp } from "../start/historyComparison.ts"
import { type Migration, type OrderedMigrations, titleOf } from "../start/MigrationSource.ts"
import { type RepairError, refuseRepair } from "./RepairError.ts"
import type { RepairCase } from "./repairCases.ts"

interface Rows {
  readonly sqlite: Sqlite
  readonly source: OrderedMigrations
  readonly rows: ReadonlyArray<AppliedMigration>
  readonly at: number
  readonly program: string
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

export const writers: Readonly<Record<RepairCase, Writer>> = {
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
