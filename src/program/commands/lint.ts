/** `lint`: what is dangerous in migrations. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { exitCode, exitCodeOf, Migrations, refusalJson, refusalLines } from "../../../layers/index.ts"
import { type LintFinding, type LintReport, lint as lintMigrations } from "../../../layers/operate.ts"
import { ExitWith } from "../ExitWith.ts"
import { options } from "../options.ts"
import { say, tell } from "../say.ts"
import { defaults, explainMissingDefault, moduleOf } from "../start.ts"

const flags = {
  directory: Args.text({ name: "DIRECTORY" }).pipe(
    Args.withDescription("The directory of migrations; default ./migrations."),
    Args.optional
  ),
  halves: Options.choice("halves", ["up"]).pipe(
    Options.withDescription("Of files in two halves, such as goose's and dbmate's, look at the upper one."),
    Options.optional
  ),
  strict: Options.boolean("strict").pipe(Options.withDescription("End with 65 where there are only warnings too.")),
  onOpen: options.onOpen,
  json: options.json
}

interface LintChoices {
  readonly directory: Option.Option<string>
  readonly halves: Option.Option<"up">
  readonly strict: boolean
  readonly onOpen: Option.Option<string>
  readonly json: boolean
}

const run = Effect.fnUntraced(function* ({ directory, halves, json, onOpen, strict }: LintChoices) {
  const named = Option.getOrElse(directory, () => defaults.migrations)
  const migrations = Migrations.fromDirectory(named, { halves: Option.getOrUndefined(halves) })
  const report = yield* lintMigrations(migrations, { onOpen: moduleOf(onOpen) }).pipe(
    Effect.mapError((error) => (Option.isNone(directory) ? explainMissingDefault(error) : error)),
    Effect.catchAll((error) =>
      (json ? say(refusalJson(error)) : tell(refusalLines(error, "not looked at").join("\n"))).pipe(
        Effect.zipRight(new ExitWith({ code: exitCodeOf(error) }))
      )
    )
  )
  const isBad = report.errors > 0 || (strict && report.warnings > 0)
  const status = report.findings.length === 0 ? "clean" : "found"
  yield* say(json ? JSON.stringify({ status, ...report }) : linesOf(named, report).join("\n"))
  if (isBad) return yield* new ExitWith({ code: exitCode.data })
})

const linesOf = (directory: string, { errors, findings, migrations, warnings }: LintReport): ReadonlyArray<string> => [
  ...findings.flatMap((finding) => findingLines(directory, finding)),
  `${count(migrations, "migration")}: ${findings.length === 0 ? "nothing found" : `${count(errors, "error")}, ${count(warnings, "warning")}`}`
]

/** In the form that editors and CI jump to. */
const findingLines = (
  directory: string,
  { code, file, level, line, message, remedy }: LintFinding
): ReadonlyArray<string> => [
  `${directory.replace(/\/+$/, "")}/${file}:${line}: ${level} ${code}: ${message}.`,
  `  Remedy: ${remedy}`
]

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`

export const lint = Command.make("lint", flags, run).pipe(
  Command.withDescription("Say what is dangerous in migrations on SQLite. No database is needed.")
)
