/** The cases of a repair. */

/** What can be repaired, one at a time. `repair` of `RepairOptions` says what each case does. */
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
