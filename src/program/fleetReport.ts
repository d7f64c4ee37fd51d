/** What `fleet` prints, for people and for programs. */
import * as Either from "effect/Either"
import { type FleetFile, type Refusal, refusalLines } from "../../layers/index.ts"
import { shownName } from "./progress.ts"

/** What one line of JSON has for each database of a fleet, with the report of a start that is ready. */
export const fleetFileFacts = ({ done, name, result, total }: FleetFile): object =>
  Either.match(result, {
    onLeft: (error) => ({ status: "failed", name, done, total, database: error.database ?? null, error }),
    onRight: (report) => ({
      ...report,
      schemaVersion: report.schemaVersion ?? null,
      backup: report.backup ?? null,
      lastWritten: report.lastWritten ?? null,
      name,
      done,
      total
    })
  })

/** The last line of a stream. */
export const fleetJson = ({ refused, total }: { readonly refused: number; readonly total: number }): string =>
  JSON.stringify({ status: refused === 0 ? "ready" : "failed", total, refused })

export const fleetFileLines = ({ done, name, result, total }: FleetFile): ReadonlyArray<string> => {
  const shown = shownName(name)
  const place = `${String(done).padStart(String(total).length)}/${total}`
  if (Either.isLeft(result)) return [...refusalLines(result.left, `${place}  not ready  ${shown}`), ""]
  const { applied, durationMs, schemaVersion, warnings } = result.right
  const what = applied.length === 0 ? "" : `  applied ${applied.map(({ version }) => version).join(", ")}`
  return [
    `${place}  ready  ${shown}  schema ${schemaVersion ?? "none"}  ${durationMs.toFixed(1)} ms${what}`,
    ...warnings.map((warning) => `  warning  ${warning}`)
  ]
}

export const fleetLines = ({ refused, total }: { readonly refused: number; readonly total: number }) => [
  "",
  `${total - refused} of ${total} ready${refused === 0 ? "" : `, ${refused} not ready`}`
]

/** A directory without databases is ready, and may be the wrong one. */
export const emptyFleetLine = (directory: string, extension: string): string =>
  `No file in ${directory} ends with ${extension}.`

/** Why nothing was started: one line without a name. */
export const noFleetJson = (error: Refusal): string => JSON.stringify({ status: "failed", error })
