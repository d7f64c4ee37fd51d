/** `plan`: what `init` would do. */
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import { exitCodeOf } from "../../../layers/index.ts"
import { planDatabase, planJson, planLines } from "../../../layers/operate.ts"
import { ExitWith, somethingToDo } from "../ExitWith.ts"
import { isUrl, onPostgres, requireFileSettings } from "../engine.ts"
import { forPostgres, options, shared } from "../options.ts"
import { say } from "../say.ts"
import { type Choices, migrationsOf, optionsOf } from "../start.ts"

const run = Effect.fnUntraced(function* (choices: Choices) {
  const plan = isUrl(choices.database)
    ? yield* Effect.flatMap(onPostgres(choices), ({ planOnPostgres }) => planOnPostgres(choices))
    : yield* Effect.zipRight(
        requireFileSettings(choices),
        planDatabase({
          ...optionsOf(choices, "inspect"),
          filename: choices.database,
          migrations: migrationsOf(choices)
        })
      )
  yield* say(choices.json ? planJson(plan) : planLines(plan).join("\n"))
  if (plan.obstacle !== undefined) return yield* new ExitWith({ code: exitCodeOf(plan.obstacle) })
  if (plan.status === "pending") return yield* new ExitWith({ code: somethingToDo })
})

const flags = { ...shared, database: options.databaseOrUrl, backups: options.backups, ...forPostgres }

export const plan = Command.make("plan", flags, run).pipe(
  Command.withDescription(
    "Say what init would do: the pending migrations with their statements. Writes nothing. Exit code 2: there is something to do."
  )
)
