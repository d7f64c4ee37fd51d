/** `new`: the next migration file. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { exitCodeOf, refusalJson, refusalLines } from "../../../layers/index.ts"
import { newMigration } from "../../../layers/operate.ts"
import { ExitWith } from "../ExitWith.ts"
import { options } from "../options.ts"
import { say, tell } from "../say.ts"
import { defaults, explainMissingDefault } from "../start.ts"

const flags = {
  name: Args.text({ name: "NAME" }).pipe(Args.withDescription("What the migration does, such as add_owner.")),
  migrations: options.migrations,
  number: Options.text("number").pipe(
    Options.withPseudoName("NUMBER"),
    Options.withDescription("The number of the file, above all others; default the next one, or the time."),
    Options.optional
  ),
  json: options.json
}

interface NewChoices {
  readonly name: string
  readonly migrations: Option.Option<string>
  readonly number: Option.Option<string>
  readonly json: boolean
}

const run = ({ json, migrations, name, number }: NewChoices) =>
  newMigration({
    directory: Option.getOrElse(migrations, () => defaults.migrations),
    name,
    number: Option.getOrUndefined(number)
  }).pipe(
    Effect.catchTag("MigrationSourceError", (error) =>
      Effect.fail(Option.isNone(migrations) ? explainMissingDefault(error) : error)
    ),
    Effect.matchEffect({
      onSuccess: (created) => say(json ? JSON.stringify({ status: "created", ...created }) : created.path),
      onFailure: (error) =>
        (json ? say(refusalJson(error)) : tell(refusalLines(error, "not written").join("\n"))).pipe(
          Effect.zipRight(new ExitWith({ code: exitCodeOf(error) }))
        )
    })
  )

export const newCommand = Command.make("new", flags, run).pipe(
  Command.withDescription("Write the next migration file of the directory, and print its path.")
)
