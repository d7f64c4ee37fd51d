/** `fleet`: every database of a directory, one line each. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import {
  DatabaseFleet,
  type ExitCode,
  exitCode,
  exitCodeOf,
  type FleetError,
  type FleetFile,
  type InitializationError,
  refusalLines
} from "../../../layers/index.ts"
import { ExitWith } from "../ExitWith.ts"
import { emptyFleetLine, fleetFileFacts, fleetFileLines, fleetJson, fleetLines, noFleetJson } from "../fleetReport.ts"
import { options, shared } from "../options.ts"
import { tellFleet } from "../progress.ts"
import { say, tell } from "../say.ts"
import { type Choices, migrationsOf, optionsOf } from "../start.ts"
import { emit, isStream } from "../stream.ts"

const { database: _, ...ofEach } = shared

const flags = {
  ...ofEach,
  backups: options.backups,
  directory: Args.text({ name: "DIRECTORY" }).pipe(Args.withDescription("The directory of the databases.")),
  extension: Options.text("extension").pipe(
    Options.withPseudoName("TEXT"),
    Options.withDescription("What the names of the databases end with; default .db."),
    Options.withDefault(".db")
  ),
  concurrency: Options.integer("concurrency").pipe(
    Options.withPseudoName("COUNT"),
    Options.withDescription("How many databases to work on at the same time; default 4."),
    Options.filterMap(
      Option.liftPredicate((count) => count >= 1),
      "Give 1 or more databases."
    ),
    Options.withDefault(4)
  ),
  look: Options.boolean("look").pipe(Options.withDescription("Look only, as status does, and write nothing."))
}

interface FleetChoices extends Omit<Choices, "database"> {
  readonly directory: string
  readonly extension: string
  readonly concurrency: number
  readonly look: boolean
}

const run = Effect.fnUntraced(function* (choices: FleetChoices) {
  const { concurrency, directory, extension, json, look } = choices
  const codes = new Map<string, ExitCode>()
  const tellOf = ({ name, result }: FleetFile) => {
    if (Either.isLeft(result)) codes.set(name, exitCodeOf(result.left))
  }
  let total = 0
  yield* DatabaseFleet.make({
    ...optionsOf(choices, look ? "inspect" : "initialize"),
    onProgress: tellFleet(json),
    directory,
    extension,
    migrations: migrationsOf(choices),
    maxOpen: concurrency
  }).pipe(
    Effect.flatMap((fleet) =>
      Stream.runForEach(fleet.upgradeAll({ concurrency }), (file) => {
        total = file.total
        tellOf(file)
        if (isStream) return Effect.flatMap(Clock.currentTimeMillis, (at) => emit("database", at, fleetFileFacts(file)))
        if (json) return say(JSON.stringify(fleetFileFacts(file)))
        const lines = fleetFileLines(file).join("\n")
        return Either.isRight(file.result) ? say(lines) : tell(lines)
      })
    ),
    Effect.scoped,
    Effect.catchAll((error) => (error instanceof ExitWith ? Effect.fail(error) : refuse(json, error)))
  )
  if (total === 0) yield* tell(emptyFleetLine(directory, extension))
  const counts = { total, refused: codes.size }
  if (isStream) yield* say(fleetJson(counts))
  else if (!json) yield* say(fleetLines(counts).join("\n"))
  if (codes.size > 0) return yield* new ExitWith({ code: worstOf(codes) })
})

const refuse = (json: boolean, error: FleetError | InitializationError) =>
  Effect.zipRight(
    json ? say(noFleetJson(error)) : tell(refusalLines(error, "not ready").join("\n")),
    new ExitWith({ code: exitCodeOf(error) })
  )

/** The code of the first database, by name, that another run does not cure. If another run may cure all of them: 75. */
const worstOf = (codes: ReadonlyMap<string, ExitCode>): ExitCode =>
  Option.getOrElse(
    Option.fromNullable(
      [...codes]
        .sort(([one], [other]) => (one < other ? -1 : 1))
        .map(([, code]) => code)
        .find((code) => code !== exitCode.tryAgain)
    ),
    () => exitCode.tryAgain
  )

export const fleet = Command.make("fleet", flags, run).pipe(
  Command.withDescription(
    "Do what init does with every database of a directory, such as one for each tenant. One that is refused does not stop the others."
  )
)
