/** `serve-probes`: the start, with probes over HTTP that tell how far it is. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import {
  DatabaseReady,
  exitCodeOf,
  notifySystemd,
  refusalJson,
  refusalLines,
  reportJson,
  reportLines
} from "../../../layers/index.ts"
import { serveProbes as probing } from "../../../layers/operate.ts"
import { ExitWith } from "../ExitWith.ts"
import { serveUntilStopped } from "../interruption.ts"
import { options, shared } from "../options.ts"
import { say, tell } from "../say.ts"
import { type Choices, migrationsOf, optionsOf } from "../start.ts"

const flags = {
  ...shared,
  backups: options.backups,
  host: Options.text("host").pipe(
    Options.withPseudoName("ADDRESS"),
    Options.withDescription("The address to listen on; default 127.0.0.1. The kubelet needs 0.0.0.0."),
    Options.withDefault("127.0.0.1")
  ),
  port: Options.integer("port").pipe(
    Options.withPseudoName("NUMBER"),
    Options.withDescription("The port to listen on; default 8080. With 0 the system chooses one."),
    Options.filterMap(
      Option.liftPredicate((port) => port >= 0 && port <= 65_535),
      "Give a port from 0 to 65535."
    ),
    Options.withDefault(8080)
  ),
  details: Options.boolean("details").pipe(
    Options.withDescription("Answer with the sentences of what is wrong too. They may name paths.")
  ),
  untilReady: Options.boolean("until-ready").pipe(
    Options.withDescription("End once the database is ready, as an init container does.")
  )
}

interface ProbeChoices extends Choices {
  readonly host: string
  readonly port: number
  readonly details: boolean
  readonly untilReady: boolean
}

const run = Effect.fnUntraced(function* (choices: ProbeChoices) {
  const { database, details, host, json, port, untilReady } = choices
  const layer = notifySystemd(
    DatabaseReady.layer({
      ...optionsOf(choices, "initialize"),
      filename: database,
      migrations: migrationsOf(choices)
    })
  )
  const onListening = (address: string) => tell(`Probes are answered on http://${address}`)
  yield* Effect.matchEffect(probing(layer, { host, port, details, onListening }), {
    onFailure: (error) =>
      Effect.zipRight(
        json ? say(refusalJson(error)) : tell(refusalLines(error).join("\n")),
        new ExitWith({ code: exitCodeOf(error) })
      ),
    onSuccess: (given) => {
      const { report } = Context.get(given, DatabaseReady)
      const said = say(json ? reportJson(report) : reportLines(report).join("\n"))
      return untilReady ? said : Effect.zipRight(said, Effect.zipRight(Effect.sync(serveUntilStopped), Effect.never))
    }
  })
}, Effect.scoped)

export const serveProbes = Command.make("serve-probes", flags, run).pipe(
  Command.withDescription(
    "Do what init does, and answer /livez, /readyz, /startupz and /health meanwhile and afterwards. Tells systemd too."
  )
)
