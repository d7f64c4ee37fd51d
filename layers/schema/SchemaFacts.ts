/** What a schema has, as values: for what compares two states of it. */
import { foldName } from "./SqlScript.ts"

/** A column as SQLite reads it. */
export interface ColumnFacts {
  readonly name: string
  /** The declared type, "" for none. */
  readonly type: string
  readonly notNull: boolean
  /** The text of its default, or null. */
  readonly default: string | null
  /** Its place in the primary key, counted from 1; 0 if it is not in it. */
  readonly key: number
  /** 0 for an ordinary one, 2 for a virtual and 3 for a stored generated one. */
  readonly hidden: number
}

export interface ForeignKeyFacts {
  readonly columns: ReadonlyArray<string>
  /** As it is written. */
  readonly parent: string
  /** Empty where it means the primary key of the parent. */
  readonly parentColumns: ReadonlyArray<string>
  readonly onDelete: string
  readonly onUpdate: string
}

export interface IndexFacts {
  readonly name: string
  readonly isUnique: boolean
  readonly isPartial: boolean
  /** `c` for one that CREATE INDEX made, `u` and `pk` for those of constraints. */
  readonly origin: string
  /** null where an expression is in the place of a column. */
  readonly columns: ReadonlyArray<string | null>
}

export interface TableFacts {
  readonly name: string
  readonly sql: string
  readonly isVirtual: boolean
  /** False for a virtual one whose rows are elsewhere, such as a search in another table's text. */
  readonly keepsRows: boolean
  readonly isStrict: boolean
  readonly isWithoutRowid: boolean
  readonly columns: ReadonlyArray<ColumnFacts>
  readonly foreignKeys: ReadonlyArray<ForeignKeyFacts>
  readonly indexes: ReadonlyArray<IndexFacts>
}

/** A trigger, view or index as `sqlite_schema` has it. */
export interface ObjectFacts {
  readonly type: string
  readonly name: string
  readonly table: string
  readonly sql: string
}

/** Keys are names as `foldName` gives them. */
export interface SchemaFacts {
  readonly tables: ReadonlyMap<string, TableFacts>
  readonly objects: ReadonlyArray<ObjectFacts>
}

/** The columns of an index, to compare. */
export const foldAll = (columns: IndexFacts["columns"]): string =>
  JSON.stringify(columns.map((column) => (column === null ? null : foldName(column))))

/** The affinity of a declared type (https://sqlite.org/datatype3.html, 3.1). */
export const affinityOf = (type: string): "INTEGER" | "TEXT" | "BLOB" | "REAL" | "NUMERIC" => {
  if (/int/i.test(type)) return "INTEGER"
  if (/char|clob|text/i.test(type)) return "TEXT"
  if (type === "" || /blob/i.test(type)) return "BLOB"
  return /real|floa|doub/i.test(type) ? "REAL" : "NUMERIC"
}

/** The column that is the rowid: a single `INTEGER PRIMARY KEY` (https://sqlite.org/lang_createtable.html#rowid). */
export const rowidOf = ({ columns, isWithoutRowid }: TableFacts): ColumnFacts | undefined => {
  const keys = columns.filter(({ key }) => key > 0)
  const [only] = keys
  return !isWithoutRowid && keys.length === 1 && only?.type.toUpperCase() === "INTEGER" ? only : undefined
}

/** Whether numbers of deleted rows are never used again. */
export const isAutoincrement = ({ sql }: TableFacts): boolean => /\bautoincrement\b/i.test(sql)
