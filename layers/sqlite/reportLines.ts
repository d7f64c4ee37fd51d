/** Reports and refusals, for people and for programs. */
import { describeEvent } from "../start/HistoryEvents.ts"
import type { ReadyStart } from "../start/ReadyStart.ts"
import type { Refusal } from "../start/Refusal.ts"
import { startOf } from "../start/refusedStart.ts"
import type { Catalogued } from "../start/TaggedRefusal.ts"
import type { StageReport } from "../start/Timeline.ts"
import { type FailedReport, failedReport, type InitializationError } from "./InitializationReport.ts"
import { ReadError } from "./ReadError.ts"
import type { Restored } from "./Restore.ts"

/** The report of a start on either engine as one line of JSON, as `database-ready init --json` prints it. */
export const reportJson = (report: ReadyStart | FailedReport): string =>
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

/**
 * The report of a start, line by line, as `database-ready init` prints it. Ready: what each stage found, and how long it
 * took. Refused: what is wrong, what to do now, and what stands. `DatabaseReady.make` has an example of a report.
 */
export const reportLines = (report: ReadyStart | FailedReport): ReadonlyArray<string> =>
  report.status === "ready" ? readyLines(report) : failedLines(report)

/**
 * A refusal as one line of JSON, as `database-ready` prints it with `--json`: `status`, `database` and `error`. That of
 * a start has the rest of its report too.
 */
export const refusalJson = (error: Catalogued): string => {
  const report = reportOf(error)
  return report === undefined
    ? JSON.stringify({ status: "failed", database: error.database ?? "", error })
    : reportJson(report)
}

/**
 * A refusal, line by line, as `database-ready` prints it: the database, what is wrong, and what to do now. That of a
 * start says in which stage. `headline` is what did not happen, by default what the error tells: `not ready`, `not
 * restored`, `not backed up`, `not read` or `not written`.
 *
 * @example
 * ```ts
 * import { type InitializationError, refusalLines } from "database-ready"
 * import { Console } from "effect"
 *
 * export const tell = (error: InitializationError) => Console.error(refusalLines(error).join("\n"))
 * ```
 */
export const refusalLines = (error: Catalogued, headline?: string): ReadonlyArray<string> => {
  const report = headline === undefined ? reportOf(error) : undefined
  return report === undefined
    ? [`${headline ?? headlineOf(error)}  ${error.database ?? ""}`.trimEnd(), ...causeLines(error)]
    : failedLines(report)
}

/** One line of JSON for what `restoreBackup` did, as `database-ready restore --json` prints it. */
export const restoredJson = (restored: Restored): string =>
  JSON.stringify({
    status: "restored",
    ...restored,
    schemaVersion: restored.schemaVersion ?? null,
    replaced: restored.replaced ?? null
  })

/** What `restoreBackup` did, line by line, as `database-ready restore` prints it. */
export const restoredLines = ({ backup, database, replaced, schemaVersion }: Restored): ReadonlyArray<string> => [
  `restored  ${database}  schema ${schemaVersion ?? "none"}  from ${backup}`,
  ...(replaced === undefined ? [] : [`kept      ${replaced}, which is what was there`])
]

/** Undefined for what came from something else than a start. */
const reportOf = (error: Catalogued): FailedReport | undefined => {
  const timeline = startOf(error)
  return timeline === undefined || !isOfStart(error) ? undefined : failedReport(error.database ?? "", error, timeline)
}

/** Only what a start was refused with is kept with how far it was. */
const isOfStart = (error: Catalogued): error is InitializationError => startOf(error) !== undefined

const headlineOf = (error: Catalogued): string => {
  if (error instanceof ReadError) return "not read"
  if (error._tag === "CopyError") return "not backed up"
  return error._tag === "RestoreError" ? "not restored" : error._tag === "SqlError" ? "not written" : "not ready"
}

const width = 12

const stageLine = ({ attempts, durationMs, found, name }: StageReport): string =>
  `  ${name.padEnd(width)}${milliseconds(durationMs).padStart(9)}   ${found}${attempts > 1 ? ` (${attempts} attempts)` : ""}`

/** A line without a time, as wide as one with it. */
const plainLine = (name: string, text: string): string => `  ${name.padEnd(width)}${" ".repeat(9)}   ${text}`

/** Of repairs and restores the last one, and how many there were before it. */
const eventLines = (events: NonNullable<ReadyStart["events"]>): ReadonlyArray<string> => {
  const last = events.at(-1)
  if (last === undefined) return []
  const earlier = events.length === 1 ? "" : `; ${events.length - 1} before it`
  return [plainLine("history", `${describeEvent(last)}${earlier}`)]
}

/** Stage by stage, what was found and how long it took. */
const readyLines = (report: ReadyStart): ReadonlyArray<string> => [
  ...report.stages.map(stageLine),
  ...eventLines(report.events ?? []),
  ...report.warnings.map((warning) => plainLine("warning", warning)),
  "",
  `ready  ${report.database}  schema ${report.schemaVersion ?? "none"}  ${milliseconds(report.durationMs)}`
]

/** What is wrong, and what to do now. */
const failedLines = (report: FailedReport): ReadonlyArray<string> => [
  `not ready  ${report.database}  refused in the ${report.stage} stage after ${milliseconds(report.durationMs)}`,
  ...causeLines(report.error),
  ...standingLines(report)
]

/** Shown only if the error itself does not say it. */
const standingLines = ({ applied, backup, error }: FailedReport): ReadonlyArray<string> =>
  applied.length === 0 || error._tag === "UpgradeError"
    ? []
    : [`  stands  ${applied.join(", ")}${backup === undefined ? "" : `; what was there before is in ${backup}`}`]

const causeLines = ({ _tag, reason, remedy, sentence }: Refusal): ReadonlyArray<string> => [
  "",
  `  what    ${sentence}`,
  `  remedy  ${remedy}`,
  `  code    ${_tag}.${reason}`
]

const milliseconds = (millis: number): string =>
  millis < 10_000 ? `${millis.toFixed(1)} ms` : `${(millis / 1000).toFixed(1)} s`
