/** `check`: everything that can be looked at, as one list, once or again and again. */
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { durationFrom, exitCode, exitCodeOf } from "../../../layers/index.ts"
import { checkDatabase, checkJson, checkLine, checkLines, watchDatabase } from "../../../layers/operate.ts"
import { ExitWith } from "../ExitWith.ts"
import { serveUntilStopped } from "../interruption.ts"
import { shared } from "../options.ts"
import { say, sayWhileRead } from "../say.ts"
import { type Choices, migrationsOf, optionsOf } from "../start.ts"

const flags = {
  ...shared,
  watch: Options.boolean("watch").pipe(
    Options.withDescription(
      "Look again and again, with one line for each look, until a signal ends it or nobody reads the lines."
    )
  ),
  every: Options.text("every").pipe(
    Options.withPseudoName("DURATION"),
    Options.withDescription("With --watch: the time between two looks; default 60s."),
    Options.mapEffect((input) =>
      durationFrom(input).pipe(
        Either.filterOrLeft(
          (every) => Duration.isFinite(every) && Duration.toMillis(every) > 0,
          () => `'${input}' is not a time to wait. Write it like '60s'.`
        ),
        Either.mapLeft((sentence) => ValidationError.invalidValue(HelpDoc.p(sentence)))
      )
    ),
    Options.optional
  )
}

interface CheckChoices extends Choices {
  readonly watch: boolean
  readonly every: Option.Option<Duration.Duration>
}

const run = Effect.fnUntraced(function* (choices: CheckChoices) {
  const { database, every, json, watch } = choices
  const options = {
    ...optionsOf(choices, "inspect"),
    filename: database,
    migrations: migrationsOf(choices)
  }
  if (watch) {
    serveUntilStopped()
    const wait = Option.getOrElse(every, () => Duration.seconds(60))
    return yield* watchDatabase(options, wait, (checked) =>
      sayWhileRead(json ? checkJson(checked) : checkLine(checked))
    )
  }
  const checked = yield* checkDatabase(options)
  yield* say(json ? checkJson(checked) : checkLines(checked).join("\n"))
  if (checked.refusal !== undefined) return yield* new ExitWith({ code: exitCodeOf(checked.refusal) })
  if (checked.status === "fail") return yield* new ExitWith({ code: exitCode.data })
})

export const check = Command.make("check", flags, run).pipe(
  Command.withDescription("Look at everything in a database, and say what is wrong and what to do. Writes nothing.")
)
