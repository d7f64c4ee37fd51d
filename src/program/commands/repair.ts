/** `repair`: the explicit way out of a refusal. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import {
  type Repair,
  type RepairCase,
  RepairError,
  type RowChange,
  repair,
  repairCases
} from "../../../layers/operate.ts"
import { confirm } from "../confirm.ts"
import { ExitWith } from "../ExitWith.ts"
import { shared } from "../options.ts"
import { refuseWith } from "../refusal.ts"
import { say } from "../say.ts"
import { type Choices, migrationsOf, optionsOf } from "../start.ts"

const { integrity: _, ...looked } = shared

const flags = {
  repair: Args.choice(
    repairCases.map((one) => [one, one] as const),
    { name: "CASE" }
  ).pipe(
    Args.withDescription(
      "accept-edited, accept-renamed: a file as it is now was applied. record-applied: somebody applied it by hand. remove-record: its file is gone; remove-repeatable: that of a repeatable one. set-version: user_version is what the history says. set-application-id: the file has another program's mark, and gets --application-id."
    )
  ),
  versions: Args.text({ name: "VERSION" }).pipe(
    Args.withDescription(
      "The number of the file, or of the row for remove-record; the name R__NAME for remove-repeatable. None for the cases that set something."
    ),
    Args.repeated
  ),
  ...looked,
  reason: Options.text("reason").pipe(
    Options.withPseudoName("TEXT"),
    Options.withDescription("Why. The history keeps it, with your name and the time."),
    Options.withDefault("")
  ),
  dryRun: Options.boolean("dry-run").pipe(Options.withDescription("Show what would be written, and write nothing.")),
  yes: Options.boolean("yes").pipe(Options.withDescription("Write it without a question."))
}

interface RepairChoices extends Omit<Choices, "integrity"> {
  readonly repair: RepairCase
  readonly versions: ReadonlyArray<string>
  readonly reason: string
  readonly dryRun: boolean
  readonly yes: boolean
}

const run = Effect.fnUntraced(
  function* (choices: RepairChoices) {
    const { dryRun, json, reason, versions, yes } = choices
    const { access: __, ...given } = optionsOf({ ...choices, integrity: Option.some("auto") }, "inspect")
    const wanted = {
      ...given,
      filename: choices.database,
      migrations: migrationsOf(choices),
      repair: choices.repair,
      versions,
      reason
    }
    const shown = yield* repair({ ...wanted, dryRun: true })
    if (!json) yield* say(repairLines(shown).join("\n"))
    if (dryRun) return yield* json ? say(repairJson(shown)) : Effect.void
    const { database } = shown
    const refusal = (why: "NoReason" | "NotConfirmed") =>
      new RepairError({ reason: why, detail: "", retryable: false, database })
    if (shown.reason === "") return yield* refusal("NoReason")
    if (!yes) yield* confirm("Write this?", refusal("NotConfirmed"), json)
    const repaired = yield* repair({ ...wanted, expected: shown })
    yield* say(json ? repairJson(repaired) : `\nrepaired  ${repaired.database}  backup ${repaired.backup}`)
  },
  (whole, { json }) =>
    Effect.catchAll(whole, (error) =>
      error instanceof ExitWith ? Effect.fail(error) : refuseWith(json, "not repaired")(error)
    )
)

const repairJson = ({ isWritten, ...shown }: Repair): string =>
  JSON.stringify({
    status: isWritten ? "repaired" : "planned",
    ...shown,
    remaining: shown.remaining ?? null,
    backup: shown.backup ?? null,
    changes: shown.changes.map(({ after, before, version }) => ({
      version,
      before: before ?? null,
      after: after ?? null
    }))
  })

const repairLines = ({ applicationId, changes, database, extra, remaining, userVersion, ...shown }: Repair) => [
  `to repair  ${database}  ${[shown.repair, ...shown.versions].join(" ")}`,
  ...changes.flatMap(changeLines),
  ...setLines("user_version", userVersion),
  ...setLines("application_id", applicationId),
  "  proven   the files make the schema that the database has; rows of its tables were not compared",
  ...shown.unproven.map((title) => `  look     ${title} changes no schema: nothing proves that it was applied`),
  ...extra.map((object) => `  extra    ${object}, left as it is`),
  ...(remaining === undefined
    ? []
    : [`  then     a start is still refused: ${remaining.sentence}`, `  remedy   ${remaining.remedy}`])
]

const setLines = (pragma: string, { after, before }: Repair["userVersion"]): ReadonlyArray<string> =>
  before === after ? [] : [`  set      ${pragma} from ${before} to ${after}`]

const changeLines = ({ after, before, version }: RowChange): ReadonlyArray<string> => {
  const what = before === undefined ? "insert" : after === undefined ? "delete" : "update"
  const columns = Object.keys({ ...before, ...after })
  return [
    `  ${what}   row ${version} of schema_migrations`,
    ...columns.map((column) => {
      const [was, is] = [valueIn(before, column), valueIn(after, column)]
      const change = before === undefined ? is : after === undefined ? was : `${was} -> ${is}`
      return `             ${column}: ${change}`
    })
  ]
}

const valueIn = (row: RowChange["before"], column: string): string => {
  const value = row?.[column]
  if (value === null || value === undefined) return "NULL"
  const shown = typeof value === "number" ? String(value) : JSON.stringify(value)
  return shown.length > 80 ? `${shown.slice(0, 64)}... (${shown.length} characters)` : shown
}

export const repairCommand = Command.make("repair", flags, run).pipe(
  Command.withDescription(
    "Repair the history where a start is refused, such as for an edited or renamed migration: show what would be written, ask, and record who and why."
  )
)
