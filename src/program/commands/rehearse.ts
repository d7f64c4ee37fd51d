/** `rehearse`: the upgrade on a copy. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { exitCodeOf, refusalJson, refusalLines } from "../../../layers/index.ts"
import { rehearsalJson, rehearsalLines, rehearseUpgrade } from "../../../layers/operate.ts"
import { ExitWith } from "../ExitWith.ts"
import { shared } from "../options.ts"
import { say, tell } from "../say.ts"
import { type Choices, migrationsOf, optionsOf } from "../start.ts"

const flags = {
  ...shared,
  directory: Options.text("directory").pipe(
    Options.withPseudoName("DIRECTORY"),
    Options.withDescription("Where the copy is made; default beside the database."),
    Options.optional
  )
}

interface RehearseChoices extends Choices {
  readonly directory: Option.Option<string>
}

const run = ({ directory, ...choices }: RehearseChoices) =>
  rehearseUpgrade({
    ...optionsOf(choices, "initialize"),
    filename: choices.database,
    migrations: migrationsOf(choices),
    directory: Option.getOrUndefined(directory)
  }).pipe(
    Effect.matchEffect({
      onSuccess: (rehearsal) => say(choices.json ? rehearsalJson(rehearsal) : rehearsalLines(rehearsal).join("\n")),
      onFailure: (error) =>
        (choices.json
          ? say(refusalJson(error))
          : tell(refusalLines(error, "rehearsal failed, nothing was changed:").join("\n"))
        ).pipe(Effect.zipRight(new ExitWith({ code: exitCodeOf(error) })))
    })
  )

export const rehearse = Command.make("rehearse", flags, run).pipe(
  Command.withDescription(
    "Run the upgrade on a copy, say what it does, how long it takes and how long others cannot write, and delete the copy."
  )
)
