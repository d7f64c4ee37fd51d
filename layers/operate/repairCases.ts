/** The cases of a repair. */

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
export const ofHeader: ReadonlyArray<RepairCase> = ["set-version", "set-application-id"]
