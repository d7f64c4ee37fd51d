/** What a plan tells, whatever the engine. */
import type { Holder } from "../machine/FileLocks.ts"
import type { Refusal } from "./Refusal.ts"

/** What a start would do, and what is in its way. */
export interface StartPlan {
  /** Absolute path of the database file, or `:memory:`; on PostgreSQL the URL, without user and password. */
  readonly database: string
  /** `upToDate`: nothing to do. `pending`: something to do. `refused`: `obstacle` is in the way. */
  readonly status: "upToDate" | "pending" | "refused"
  /** What a start would create: missing directories and the file, or a database. Empty where it is there. */
  readonly creates: ReadonlyArray<string>
  /** The newest version that the database has; undefined without a history, or where it could not be read. */
  readonly schemaVersion: string | undefined
  /** The version after the start; undefined without migrations. */
  readonly targetVersion: string | undefined
  /** What would be applied, in this order; undefined where the history could not be judged: `obstacle` says why. */
  readonly pending: ReadonlyArray<PlannedMigration> | undefined
  /** The repeatable migrations that would run, in this order. */
  readonly repeatables: ReadonlyArray<PlannedMigration>
  /** Rows of the system before this library that would be taken over, as `NNN_name`. */
  readonly adopted: ReadonlyArray<string>
  /** How large the tables are that the pending migrations touch. */
  readonly tables: ReadonlyArray<TableSize>
  /** The backup that would be made first; undefined where none is called for, as on PostgreSQL. */
  readonly backup: PlannedBackup | undefined
  /** The migrations that were applied last, newest first, five at most, with the time that they took. */
  readonly earlier: ReadonlyArray<EarlierMigration>
  /**
   * Who was seen to hold the lock that a start needs to apply something. It waits for them, until its deadline. Empty
   * where nobody holds it, and on SQLite where the system does not tell: only Linux does, and not of other containers.
   */
  readonly lockedBy: ReadonlyArray<Holder>
  /** Why a start would be refused; undefined where nothing is seen that would refuse it. */
  readonly obstacle: Refusal | undefined
}

/** @internal Where nothing could be told. The caller says what is in the way. */
export const unknownPlan = (database: string) => ({
  database,
  status: "refused" as const,
  creates: [],
  schemaVersion: undefined,
  targetVersion: undefined,
  pending: undefined,
  repeatables: [],
  adopted: [],
  tables: [],
  backup: undefined,
  earlier: [],
  lockedBy: [],
  obstacle: undefined
})

/** A migration that a start would apply. */
export interface PlannedMigration {
  /** The number as it is written, e.g. `001`; `R_` for a repeatable one. */
  readonly version: string
  /** The rest of the file's name, e.g. `add_owner`. */
  readonly name: string
  /** What it declares, as in its file: `foreign_keys = off; deletes = owners`, or "". */
  readonly declared: string
  /** The statements that would run, each with its line in the file. Empty for an Effect, which has no text. */
  readonly statements: ReadonlyArray<PlannedStatement>
  /** Whether it is an Effect. */
  readonly isEffect: boolean
  /** The tables that are there now and that its statements name to read, change or index; all of them for an Effect. */
  readonly tables: ReadonlyArray<string>
}

/** A statement of a migration. */
export interface PlannedStatement {
  /** The line in its file at which it begins, counted from 1. */
  readonly line: number
  /** Its text, without the semicolon at its end. */
  readonly text: string
}

/** A migration that an earlier start applied. */
export interface EarlierMigration {
  /** The number as the history writes it. */
  readonly version: string
  /** What the history says of it, the name with blanks. */
  readonly description: string
  /** When, as the history writes it: UTC, to the second. */
  readonly appliedAt: string
  /** Milliseconds that it took; undefined where nobody wrote it down. */
  readonly executionTimeMs: number | undefined
}

/** How large a table is. */
export interface TableSize {
  /** Its name. */
  readonly table: string
  /** How many rows it has; on PostgreSQL as many as it counted last. */
  readonly rows: number
  /** Bytes of its pages, with its indexes. */
  readonly bytes: number
  /**
   * Whether this SQLite cannot count the pages of a table (https://sqlite.org/dbstat.html): then `bytes` are those of the
   * whole database, which is the most that it can be.
   */
  readonly isEstimate: boolean
}

/** The copy that a start would make before it applies anything. */
export interface PlannedBackup {
  /** Its absolute path. */
  readonly file: string
  /** Its size. */
  readonly bytes: number
  /** What is free there; undefined where nobody knows. */
  readonly freeBytes: number | undefined
  /** Milliseconds that it would take at the rate of the copies beside it; undefined where there are none. */
  readonly expectedMs: number | undefined
}
