/** The history table: its shape and its rows. */
import { idOf } from "../../start/historyComparison.ts"
import { integer, type Row, type Sqlite, text } from "../Sqlite.ts"
import { HistoryError } from "./HistoryError.ts"
import { historyTable } from "./historyTable.ts"

/** A recorded migration. What an earlier system did not keep is undefined. */
export interface AppliedMigration {
  readonly rowId: number
  readonly version: string
  readonly status: string
  readonly name: string | undefined
  readonly checksum: string | undefined
  readonly fingerprint: string | undefined
  /** The objects in the fingerprint, as `namesOf` writes them; undefined if they were not kept. */
  readonly ours: string | undefined
  /** The oldest version whose programs may still run after this migration; NaN if it did not say. */
  readonly compatibleFrom: number
  /** What ran: the checksum of the statements, or the version of an Effect; undefined if it was not kept. */
  readonly content?: string | undefined
  /** What was declared, as `declarationText`; undefined if it was not kept. */
  readonly declared?: string | undefined
  /** What `writeRecord` wrote, in one row at most. */
  readonly repeatables?: string | undefined
  /** What `withEvents` wrote. */
  readonly events?: string | undefined
}

export interface History {
  readonly exists: boolean
  /** Our columns that the table lacks, because an earlier system made it. */
  readonly lacks: ReadonlyArray<string>
  readonly rows: ReadonlyArray<AppliedMigration>
}

/** The columns of every history table of this shape, and those that this library adds. */
const sharedColumns = ["migration_id", "version", "description", "applied_at", "status", "execution_time_ms"]
const ownColumns = [
  "name",
  "checksum",
  "schema_fingerprint",
  "program",
  "compatible_from",
  "schema_objects",
  "content_version",
  "declared",
  "repeatables",
  "events"
]

/** Reads the history. No table is an empty history; any failure is an error. Run it inside a read transaction. */
export const readHistory = ({ all }: Sqlite): History | HistoryError => {
  const columns = all(`SELECT lower(name) AS name FROM pragma_table_info('${historyTable}')`)
  const present = new Set(columns.map((column) => text(column, "name")))
  if (present.size === 0) return { exists: false, lacks: [], rows: [] }
  if (!sharedColumns.every((column) => present.has(column))) {
    return new HistoryError({
      reason: "ForeignHistory",
      migrations: [],
      detail: `${toolOf(present)}: its columns are ${[...present].join(", ")}`,
      code: "",
      retryable: false
    })
  }
  const own = ownColumns.map((column) => (present.has(column) ? column : `NULL AS ${column}`)).join(", ")
  const rows = all(`SELECT migration_id, version, status, ${own} FROM ${historyTable} ORDER BY migration_id`)
  return {
    exists: true,
    lacks: ownColumns.filter((column) => !present.has(column)),
    rows: rows.map((row) => ({
      rowId: integer(row, "migration_id"),
      version: text(row, "version"),
      status: text(row, "status"),
      name: textOrNull(row, "name"),
      checksum: textOrNull(row, "checksum"),
      fingerprint: textOrNull(row, "schema_fingerprint"),
      ours: textOrNull(row, "schema_objects"),
      compatibleFrom: idOf(text(row, "compatible_from")),
      content: textOrNull(row, "content_version"),
      declared: textOrNull(row, "declared"),
      repeatables: textOrNull(row, "repeatables"),
      events: textOrNull(row, "events")
    }))
  }
}

const textOrNull = (row: Row, column: string): string | undefined =>
  row[column] === null ? undefined : text(row, column)

const toolOf = (columns: ReadonlySet<string>): string => {
  if (columns.size === 1 && columns.has("version")) return "dbmate's or Rails' shape"
  if (columns.has("version") && columns.has("dirty")) return "golang-migrate's shape"
  if (columns.has("version") && columns.has("inserted_at")) return "Ecto's shape"
  return "an unknown shape"
}

/** The row with the highest number. */
export const newestOf = (rows: History["rows"]): AppliedMigration | undefined =>
  rows.reduce<AppliedMigration | undefined>(
    (newest, row) => (newest !== undefined && !(idOf(row.version) > idOf(newest.version)) ? newest : row),
    undefined
  )

/** `user_version` mirrors the newest version if it fits an int32. A timestamp does not fit, so it is mirrored as 0. */
export const userVersionOf = (id: number): number => (id >= 0 && id <= 0x7f_ff_ff_ff ? id : 0)
