/** What a takeover is asked for, and what it shows. */
import type { DatabaseOptions } from "../sqlite/DatabaseConfig.ts"
import type { Migrations } from "../start/MigrationSource.ts"

/** What to take over, and as what. Other options are those of a start. */
export interface AdoptOptions<R = never> extends Omit<DatabaseOptions, "access"> {
  /** The migrations whose schema the database has, at least the first of them. */
  readonly migrations: Migrations<R>
  /** The tool whose history counts, such as `knex`; `none` for no history. Default: the one that is there. */
  readonly from?: string | undefined
  /** The table of that tool's history, if it has another name than usual. Default: the tool's usual name. */
  readonly table?: string | undefined
  /** The newest migration whose changes are in the database. Default: what the other tool's history says. */
  readonly through?: string | undefined
  /** Accepts objects that no migration makes, as a start does. Default false: a migration may be missing. */
  readonly keepExtra?: boolean | undefined
  /** Only looks, and writes nothing. Default false. */
  readonly dryRun?: boolean | undefined
  /** What an earlier look has shown: nothing is written if that has changed. Default: not compared. */
  readonly expected?: Adoption | undefined
}

/** What was written, or would be. */
export interface Adoption {
  /** Absolute path of the database. */
  readonly database: string
  /** Whether it was written; false for a look. */
  readonly isWritten: boolean
  /** The tool whose history was read; undefined where none was. */
  readonly tool: string | undefined
  /** The table of that history. Its rows stay as they are. */
  readonly table: string | undefined
  /** The name that table has from now on, if this library needs its name; else undefined. */
  readonly renamedTo: string | undefined
  /** The migrations that are recorded as applied, in their order. */
  readonly recorded: ReadonlyArray<{
    /** The number as it is written. */
    readonly version: string
    /** What follows it. */
    readonly name: string
    /** The row of the other tool; undefined if it has none. */
    readonly entry: string | undefined
    /** When it was applied, ISO 8601; undefined if the other tool does not say. */
    readonly appliedAt: string | undefined
  }>
  /** The migrations that the next start applies, as `NNN_name`. */
  readonly pending: ReadonlyArray<string>
  /** Objects that no migration makes, with type and name. */
  readonly extra: ReadonlyArray<string>
  /** What `PRAGMA user_version` is before, and after. */
  readonly userVersion: {
    /** What it is now. */
    readonly before: number
    /** What the history makes of it. */
    readonly after: number
  }
  /** Absolute path of the backup; undefined for a look. */
  readonly backup: string | undefined
}

export type Wanted = Required<Pick<AdoptOptions, "keepExtra">> & Pick<AdoptOptions, "from" | "table" | "through">
