/** A plan, for people and for programs. */
import { type Holder, nameHolders } from "../machine/FileLocks.ts"
import { formatMillis } from "../start/Measure.ts"
import { titleOf } from "../start/MigrationSource.ts"
import type { PlannedMigration, StartPlan } from "../start/Plan.ts"
import { bytesText, printable } from "./text.ts"

/**
 * A plan as one line of JSON, as `database-ready plan --json` prints it. What is undefined is null, and `error` is the
 * obstacle.
 */
export const planJson = ({ obstacle, ...plan }: StartPlan): string =>
  JSON.stringify({
    ...plan,
    schemaVersion: plan.schemaVersion ?? null,
    targetVersion: plan.targetVersion ?? null,
    pending: plan.pending ?? null,
    backup: plan.backup ?? null,
    error: obstacle ?? null
  })

/** A plan, line by line, as `database-ready plan` prints it. */
export const planLines = (plan: StartPlan): ReadonlyArray<string> => [
  `${headlines[plan.status]}  ${plan.database}${versions(plan)}`,
  ...(plan.obstacle === undefined
    ? []
    : [
        "",
        `  what    ${plan.obstacle.sentence}`,
        `  remedy  ${plan.obstacle.remedy}`,
        `  code    ${plan.obstacle._tag}.${plan.obstacle.reason}`
      ]),
  ...section("in the way now", plan.lockedBy.length === 0 ? [] : [lockLine(plan.lockedBy)]),
  ...section("would create", plan.creates),
  ...(plan.adopted.length === 0 ? [] : section("would take over", plan.adopted)),
  ...(plan.pending ?? []).flatMap((one) => migrationLines("would apply", one)),
  ...plan.repeatables.flatMap((one) => migrationLines("would make", one)),
  ...section(
    "tables that they touch",
    plan.tables.map(
      ({ bytes, isEstimate, rows, table }) =>
        `${printable(table)}: ${rows} ${rows === 1 ? "row" : "rows"}, ${isEstimate ? "at most " : ""}${bytesText(bytes)}`
    )
  ),
  ...backupLines(plan),
  ...section(
    "earlier migrations",
    plan.earlier.map(
      ({ appliedAt, description, executionTimeMs, version }) =>
        `${version} ${printable(description)}, ${appliedAt}: ${executionTimeMs === undefined ? "time not recorded" : `${executionTimeMs} ms`}`
    )
  )
]

const headlines: Record<StartPlan["status"], string> = {
  upToDate: "nothing to do",
  pending: "something to do",
  refused: "would be refused"
}

const lockLine = (holders: ReadonlyArray<Holder>): string =>
  `${nameHolders(holders)} ${holders.length === 1 ? "holds" : "hold"} the write lock: a start waits for it, until its deadline`

const versions = ({ schemaVersion, targetVersion }: StartPlan): string =>
  schemaVersion === targetVersion
    ? `  schema ${schemaVersion ?? "none"}`
    : `  schema ${schemaVersion ?? "none"} to ${targetVersion ?? "none"}`

const section = (title: string, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.length === 0 ? [] : ["", title, ...lines.map((line) => `  ${line}`)]

const migrationLines = (verb: string, migration: PlannedMigration): ReadonlyArray<string> => [
  "",
  `${verb} ${printable(titleOf(migration))}${migration.isEffect ? ", an Effect: it has no statements to show" : ""}`,
  ...(migration.declared === "" ? [] : [`  declares ${printable(migration.declared)}`]),
  ...migration.statements.flatMap(({ line, text }) =>
    printable(text)
      .split("\n")
      .map((part, index) => `  ${index === 0 ? String(line).padStart(4) : "    "}  ${part}`)
  )
]

const backupLines = ({ backup, database, pending, status }: StartPlan): ReadonlyArray<string> => {
  if (backup === undefined) {
    if (database.startsWith("postgres:")) return []
    return status === "pending" && pending !== undefined && pending.length > 0
      ? section("backup", ["none: there are no rows to lose, or no backups are wanted"])
      : []
  }
  const { bytes, expectedMs, file, freeBytes } = backup
  const space =
    freeBytes === undefined
      ? "free space unknown"
      : `${bytesText(freeBytes)} free, ${freeBytes < bytes ? "which is too little" : "which is enough"}`
  const time = expectedMs === undefined ? "" : `, about ${formatMillis(expectedMs)}`
  return section("backup", [file, `${bytesText(bytes)}${time}; ${space}`])
}
