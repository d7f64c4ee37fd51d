/** The report, for people and for programs. */
import type {
  ConnectionError,
  DirectoryError,
  FailedReport,
  InitializationReport,
  ReadyReport,
  Refusal,
  Restored,
  RestoreError,
  StageReport
} from "../../layers/index.ts"

/** One line of JSON. */
export const asJson = (report: InitializationReport): string =>
  JSON.stringify(
    report.status === "ready"
      ? {
          ...report,
          schemaVersion: report.schemaVersion ?? null,
          backup: report.backup ?? null,
          lastWritten: report.lastWritten ?? null
        }
      : { ...report, backup: report.backup ?? null }
  )

/** One line of JSON for what `restore` did, or why it did nothing. */
export const restoredJson = (restored: Restored): string =>
  JSON.stringify({
    status: "restored",
    ...restored,
    schemaVersion: restored.schemaVersion ?? null,
    replaced: restored.replaced ?? null
  })

export const notRestoredJson = (error: NotRestored): string =>
  JSON.stringify({ status: "failed", database: databaseOf(error), error })

/** Why a restore did nothing. */
type NotRestored = RestoreError | DirectoryError | ConnectionError

const databaseOf = ({ database = "" }: NotRestored): string => database

const width = 12

const stageLine = ({ attempts, durationMs, found, name }: StageReport): string =>
  `  ${name.padEnd(width)}${milliseconds(durationMs).padStart(9)}   ${found}${attempts > 1 ? ` (${attempts} attempts)` : ""}`

/** Stage by stage, what was found and how long it took. */
export const readyLines = (report: ReadyReport): ReadonlyArray<string> => [
  ...report.stages.map(stageLine),
  ...report.warnings.map((warning) => `  ${"warning".padEnd(width)}${" ".repeat(9)}   ${warning}`),
  "",
  `ready  ${report.database}  schema ${report.schemaVersion ?? "none"}  ${milliseconds(report.durationMs)}`
]

/** What is wrong, and what to do now. */
export const failedLines = (report: FailedReport): ReadonlyArray<string> => [
  `not ready  ${report.database}  refused in the ${report.stage} stage after ${milliseconds(report.durationMs)}`,
  ...refusalLines(report.error),
  ...standingLines(report)
]

/** Shown only if the error itself does not say it. */
const standingLines = ({ applied, backup, error }: FailedReport): ReadonlyArray<string> =>
  applied.length === 0 || error._tag === "UpgradeError"
    ? []
    : [`  stands  ${applied.join(", ")}${backup === undefined ? "" : `; what was there before is in ${backup}`}`]

export const restoredLines = ({ backup, database, replaced, schemaVersion }: Restored): ReadonlyArray<string> => [
  `restored  ${database}  schema ${schemaVersion ?? "none"}  from ${backup}`,
  ...(replaced === undefined ? [] : [`kept      ${replaced}, which is what was there`])
]

export const notRestoredLines = (error: NotRestored): ReadonlyArray<string> => [
  `not restored  ${databaseOf(error)}`,
  ...refusalLines(error)
]

const refusalLines = ({ _tag, reason, remedy, sentence }: Refusal): ReadonlyArray<string> => [
  "",
  `  what    ${sentence}`,
  `  remedy  ${remedy}`,
  `  code    ${_tag}.${reason}`
]

const milliseconds = (millis: number): string =>
  millis < 10_000 ? `${millis.toFixed(1)} ms` : `${(millis / 1000).toFixed(1)} s`
