/** `convert`: another tool's directory of migrations as one of ours. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import { type Conversion, convertMigrations } from "../../../layers/operate.ts"
import { options } from "../options.ts"
import { refuseWith } from "../refusal.ts"
import { say } from "../say.ts"
import { moduleOf } from "../start.ts"

const flags = {
  source: Args.text({ name: "SOURCE" }).pipe(
    Args.withDescription("The directory of the other tool's migrations, which is only read.")
  ),
  destination: Args.text({ name: "DESTINATION" }).pipe(
    Args.withDescription("The directory to write, which is not there yet or is empty.")
  ),
  dryRun: Options.boolean("dry-run").pipe(Options.withDescription("Show what would be written, and write nothing.")),
  onOpen: options.onOpen,
  json: options.json
}

interface ConvertChoices {
  readonly source: string
  readonly destination: string
  readonly dryRun: boolean
  readonly onOpen: Option.Option<string>
  readonly json: boolean
}

const run = ({ destination, dryRun, json, onOpen, source }: ConvertChoices) =>
  convertMigrations({ source, destination, dryRun, onOpen: moduleOf(onOpen) }).pipe(
    Effect.matchEffect({
      onSuccess: (conversion) => say(json ? conversionJson(conversion) : conversionLines(conversion).join("\n")),
      onFailure: refuseWith(json, "not converted")
    })
  )

const conversionJson = ({ isWritten, ...conversion }: Conversion): string =>
  JSON.stringify({ status: isWritten ? "converted" : "would convert", ...conversion })

const conversionLines = (conversion: Conversion): ReadonlyArray<string> => {
  const { destination, files, isRenumbered, isWritten, layout, objects, source } = conversion
  return [
    `${isWritten ? "converted" : "would convert"}  ${source}  to  ${destination}`,
    `  read as   ${layout}`,
    `  proven    both make the same ${objects} objects and as many rows, in memory`,
    ...(isRenumbered
      ? ["  numbers   new ones. A database of the other tool: `database-ready adopt --through VERSION`"]
      : []),
    ...files.flatMap(({ changes, declares, from, to }) => [
      from === to ? `  ${to}` : `  ${to}  from ${from}`,
      ...changes.map(({ line, what }) => `      ${line === 0 ? "" : `line ${line}: `}${what}`),
      ...declares.map((one) => `      declares ${one}`)
    ]),
    ...leftLines(conversion),
    ...(files.some(({ declares }) => declares.length > 0)
      ? ["Look at each declaration: it allows what a start would refuse on a database with rows."]
      : [])
  ]
}

const leftLines = ({ left }: Conversion): ReadonlyArray<string> => {
  const reasons = new Map<string, Array<string>>()
  for (const { path, reason } of left) {
    const paths = reasons.get(reason)
    if (paths === undefined) reasons.set(reason, [path])
    else paths.push(path)
  }
  return [...reasons].map(([reason, paths]) => {
    const shown = paths.length > 3 ? `${paths.slice(0, 3).join(", ")} and ${paths.length - 3} more` : paths.join(", ")
    return `  left out  ${shown}: ${reason}`
  })
}

export const convert = Command.make("convert", flags, run).pipe(
  Command.withDescription(
    "Turn another tool's directory of SQL migrations into one that init can run, proven to make the same schema."
  )
)
