/** What a repair is asked for, and what it shows. */
import type { HistoryError } from "../sqlite/AppliedMigrations/HistoryError.ts"
import type { DatabaseOptions } from "../sqlite/DatabaseConfig.ts"
import type { Migrations } from "../start/MigrationSource.ts"
import type { RepairCase, WantedRepair } from "./repairCases.ts"
import type { RowChange } from "./repairChanges.ts"

/** What to repair, and why. Other options are those of a start. */
export interface RepairOptions<R = never> extends Omit<DatabaseOptions, "access"> {
  /** The migrations as they are now. */
  readonly migrations: Migrations<R>
  /**
   * - `accept-edited`: the text of an edited file counts as what was applied.
   * - `accept-renamed`: a file with another name or number counts as the one that was applied.
   * - `record-applied`: a migration counts as applied: somebody did it by hand, or its row is gone or not completed.
   * - `remove-record`: deletes the row of a migration whose file is gone, that is recorded twice, or that left nothing.
   * - `remove-repeatable`: deletes the record of a repeatable migration whose file is gone. What it made stays.
   * - `set-version`: `PRAGMA user_version` becomes what the history says.
   * - `set-application-id`: `PRAGMA application_id` becomes `applicationId`, where the file has another program's mark.
   */
  readonly repair: RepairCase
  /**
   * The numbers of the files, or of the rows for `remove-record`; names as `R__name` for `remove-repeatable`. None for
   * `set-version` and `set-application-id`.
   */
  readonly versions?: ReadonlyArray<string> | undefined
  /** Why, for those who read the history later. Required unless `dryRun` is set. Default "". */
  readonly reason?: string | undefined
  /** Only looks, and writes nothing. Default false. */
  readonly dryRun?: boolean | undefined
  /** What an earlier look has shown: nothing is written if that has changed. Default: not compared. */
  readonly expected?: Repair | undefined
}

/** What was written, or would be. */
export interface Repair {
  /** Absolute path of the database. */
  readonly database: string
  /** Whether it was written; false for a look. */
  readonly isWritten: boolean
  /** The case. */
  readonly repair: RepairCase
  /** The versions that it was asked for. */
  readonly versions: ReadonlyArray<string>
  /** The rows of the history that change, in their order. */
  readonly changes: ReadonlyArray<RowChange>
  /** What `PRAGMA user_version` is before, and after. */
  readonly userVersion: {
    /** What it is now. */
    readonly before: number
    /** What it is then. */
    readonly after: number
  }
  /** What `PRAGMA application_id` is before, and after. */
  readonly applicationId: {
    /** What it is now. */
    readonly before: number
    /** What it is then. */
    readonly after: number
  }
  /** Objects that no migration makes, with type and name. They stay. */
  readonly extra: ReadonlyArray<string>
  /** Migrations that change no schema, so that nothing proves that they were applied, as `NNN_name`. */
  readonly unproven: ReadonlyArray<string>
  /** What still refuses the next start; undefined where nothing does. */
  readonly remaining: HistoryError | undefined
  /** Why; "" for a look without a reason. */
  readonly reason: string
  /** Absolute path of the backup; undefined for a look. */
  readonly backup: string | undefined
}

export interface Wanted extends WantedRepair {
  readonly reason: string
}
