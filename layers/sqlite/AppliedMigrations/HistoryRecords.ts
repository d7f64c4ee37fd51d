/** Writes to the history table. */
import { declarationText } from "../../schema/Declaration.ts"
import { type HistoryEvent, withEvents } from "../../start/HistoryEvents.ts"
import type { Migration } from "../../start/MigrationSource.ts"
import type { Sqlite } from "../Sqlite.ts"
import { contentOf, type Incomplete, type Verdict } from "./HistoryJudgement.ts"
import { historyTable } from "./historyTable.ts"
import { type History, newestOf, userVersionOf } from "./MigrationHistory.ts"

const createHistory = `CREATE TABLE ${historyTable} (
  migration_id INTEGER PRIMARY KEY,
  version TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  status TEXT NOT NULL DEFAULT 'completed',
  execution_time_ms INTEGER,
  name TEXT,
  checksum TEXT,
  schema_fingerprint TEXT,
  program TEXT,
  compatible_from TEXT,
  schema_objects TEXT,
  content_version TEXT,
  declared TEXT,
  repeatables TEXT,
  events TEXT
)`

export interface Completed {
  readonly migration: Migration
  readonly appliedAt: number
  readonly executionTimeMs: number
  /** Rows that it inserted, changed or deleted, as SQLite counts them (https://sqlite.org/c3ref/total_changes.html). */
  readonly changedRows: number
}

/** Creates the table, or adds the columns that an earlier system's table lacks; no row is lost. */
export const prepareHistory = ({ all }: Sqlite, { exists, lacks }: History): void => {
  if (!exists) all(createHistory)
  for (const column of lacks) all(`ALTER TABLE ${historyTable} ADD COLUMN ${column} TEXT`)
}

/** Records in one statement what this transaction completed. */
export const recordCompleted = ({ all }: Sqlite, completed: ReadonlyArray<Completed>, program: string): void => {
  all(
    `INSERT INTO ${historyTable} (version, description, applied_at, status, execution_time_ms, name, checksum, program, compatible_from, content_version, declared)
SELECT value->>'version', value->>'description', value->>'appliedAt', 'completed', value->>'executionTimeMs',
  value->>'name', value->>'checksum', value->>'program', value->>'compatibleFrom', value->>'content', value->>'declared'
FROM json_each(?) ORDER BY key`,
    [
      JSON.stringify(
        completed.map(({ appliedAt, executionTimeMs, migration }) => ({
          version: migration.version,
          description: migration.name.replaceAll("_", " "),
          appliedAt: sqliteTimestamp(appliedAt),
          executionTimeMs,
          name: migration.name,
          checksum: migration.checksum,
          program,
          compatibleFrom: migration.declared.compatibleFrom?.toString() ?? null,
          content: contentOf(migration.body, migration.checksum) ?? null,
          declared: declarationText(migration.declared)
        }))
      )
    ]
  )
}

/** Completes rows with what runs and is declared now. The caller has checked that neither is an edit. */
export const recordContents = ({ all }: Sqlite, rows: ReadonlyArray<Incomplete>): void => {
  if (rows.length === 0) return
  all(
    `UPDATE ${historyTable} SET content_version = value->>'content', declared = value->>'declared',
  compatible_from = value->>'compatibleFrom'
FROM json_each(?) WHERE migration_id = value->>'rowId'`,
    [
      JSON.stringify(
        rows.map(({ checksum, migration, rowId }) => ({
          rowId,
          content: contentOf(migration.body, checksum) ?? null,
          declared: declarationText(migration.declared),
          compatibleFrom: migration.declared.compatibleFrom?.toString() ?? null
        }))
      )
    ]
  )
}

/** Completes the rows of an earlier system with name, checksum and content of our migrations. */
export const recordAdopted = (sqlite: Sqlite, adopted: Verdict["adopted"]): void => {
  for (const { migration, rowId } of adopted) {
    sqlite.all(`UPDATE ${historyTable} SET name = ?, checksum = ? WHERE migration_id = ?`, [
      migration.name,
      migration.checksum,
      rowId
    ])
  }
  recordContents(
    sqlite,
    adopted.map((row) => ({ ...row, checksum: row.migration.checksum }))
  )
}

/** Records the current schema with the newest migration, and mirrors its version in the file's header. */
export const recordSchema = (sqlite: Sqlite, newest: Migration, schema: RecordedSchema): void => {
  recordFingerprint(sqlite, newest, schema)
  mirrorVersion(sqlite, newest)
}

export interface RecordedSchema {
  readonly fingerprint: string
  readonly ours: string
}

export const recordFingerprint = (sqlite: Sqlite, newest: Pick<Migration, "id">, schema: RecordedSchema): void => {
  // Only the objects of the newest one are ever read.
  sqlite.all(`UPDATE ${historyTable} SET schema_objects = NULL WHERE schema_objects IS NOT NULL`)
  sqlite.all(
    `UPDATE ${historyTable} SET schema_fingerprint = ?, schema_objects = ? WHERE CAST(version AS INTEGER) = ?`,
    [schema.fingerprint, schema.ours, newest.id]
  )
}

/** A history of an earlier release of this library may lack the column that `recordEvents` writes. */
export const addEventsColumn = ({ all }: Sqlite, { lacks }: History): void => {
  if (lacks.includes("events")) all(`ALTER TABLE ${historyTable} ADD COLUMN events TEXT`)
}

/** Adds to what the row of the newest migration says of repairs and restores. */
export const recordEvents = (sqlite: Sqlite, rows: History["rows"], events: ReadonlyArray<HistoryEvent>): void => {
  const newest = newestOf(rows)
  if (newest === undefined) return
  sqlite.all(`UPDATE ${historyTable} SET events = ? WHERE migration_id = ?`, [
    withEvents(newest.events, events),
    newest.rowId
  ])
}

export const mirrorVersion = ({ all }: Sqlite, newest: Pick<Migration, "id">): void => {
  all(`PRAGMA user_version = ${userVersionOf(newest.id)}`)
}

/** As CURRENT_TIMESTAMP writes it: UTC, to the second. */
const sqliteTimestamp = (millis: number): string => new Date(millis).toISOString().slice(0, 19).replace("T", " ")
