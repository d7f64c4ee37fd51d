/** `database-ready`: makes a database ready, or looks whether it is, and says so with its exit code. */
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import {
  DatabaseConfig,
  DatabaseReady,
  durationFrom,
  environment,
  failedReport,
  Initialization,
  type InitializationError,
  integrityPolicies,
  MigrationSource,
  Migrations,
  notADuration,
  type ProgressEvent,
  type Refusal,
  restoreBackup
} from "../layers/index.ts"
import packageJson from "../package.json" with { type: "json" }
import * as conversationFiles from "./conversationFiles.ts"
import { type ExitCode, exitCode, exitCodeOf } from "./exitCode.ts"
import {
  asJson,
  failedLines,
  notRestoredJson,
  notRestoredLines,
  readyLines,
  restoredJson,
  restoredLines
} from "./report.ts"

/** The program has said what there is to say; what remains is the exit code. */
class Ended extends Data.TaggedError("Ended")<{ readonly code: ExitCode }> {}

const options = {
  database: Options.text("database").pipe(
    Options.withPseudoName("FILE"),
    Options.withDescription("The database file. Environment: DATABASE_FILE."),
    Options.withFallbackConfig(environment.filename),
    Options.withDefault("data/conversation_files.db")
  ),
  migrations: Options.text("migrations").pipe(
    Options.withPseudoName("DIRECTORY"),
    Options.withDescription(
      "A directory of NNN_name.sql files instead of the conversation-files migrations inside. Environment: DATABASE_MIGRATIONS."
    ),
    Options.withFallbackConfig(environment.migrations),
    Options.optional
  ),
  integrity: Options.choice("integrity", integrityPolicies).pipe(
    Options.withDescription("How far to look for damage. Environment: DATABASE_INTEGRITY; default auto."),
    Options.withFallbackConfig(environment.integrity),
    Options.withDefault("auto" as const)
  ),
  backups: Options.integer("backups").pipe(
    Options.withPseudoName("COUNT"),
    Options.withDescription(
      "Backups to keep of those made before an upgrade, 0 to make none. Environment: DATABASE_BACKUPS; default 2."
    ),
    Options.filterMap(
      Option.liftPredicate((count) => count >= 0),
      "The number of backups is 0 or more."
    ),
    Options.withFallbackConfig(environment.backups),
    Options.withDefault(2)
  ),
  backup: Options.text("backup").pipe(
    Options.withPseudoName("FILE"),
    Options.withDescription("The backup to put back; default the newest one beside the database."),
    Options.optional
  ),
  timeout: Options.text("timeout").pipe(
    Options.withPseudoName("DURATION"),
    Options.withDescription(
      "Deadline of the whole, such as '30 seconds'. Environment: DATABASE_TIMEOUT; default 60 seconds."
    ),
    Options.mapEffect((input) =>
      Option.match(durationFrom(input), {
        onNone: () => Either.left(ValidationError.invalidValue(HelpDoc.p(notADuration(input)))),
        onSome: Either.right
      })
    ),
    Options.withFallbackConfig(environment.timeout),
    Options.withDefault(Duration.seconds(60))
  ),
  json: Options.boolean("json").pipe(Options.withDescription("One line of JSON on stdout, and nothing else there."))
}

const { backup, backups, ...ofBoth } = options
const { database, json, timeout } = options

interface Choices {
  readonly database: string
  readonly migrations: Option.Option<string>
  readonly integrity: (typeof integrityPolicies)[number]
  readonly timeout: Duration.Duration
  readonly json: boolean
  readonly backups?: number
}

const run = (access: "initialize" | "inspect") => (choices: Choices) =>
  Effect.gen(function* () {
    const source = Option.match(choices.migrations, {
      onNone: () => conversationFiles.migrations,
      onSome: Migrations.fromDirectory
    })
    const ready = DatabaseReady.pipe(
      Effect.map(({ report }) => report),
      Effect.provide(DatabaseReady.pipeline.pipe(Layer.provide(MigrationSource.layer(source))))
    )
    const report = yield* ready.pipe(Effect.catchAll((error) => refuse(choices, error)))
    yield* choices.json ? Console.log(asJson(report)) : Console.log(readyLines(report).join("\n"))
  }).pipe(
    Effect.provide(Initialization.layer),
    Effect.provide(
      DatabaseConfig.layer({
        filename: choices.database,
        access,
        integrity: choices.integrity,
        timeout: choices.timeout,
        backups: choices.backups,
        program: `${packageJson.name} ${packageJson.version}`,
        onProgress: choices.json ? () => Effect.void : showProgress,
        ...(Option.isNone(choices.migrations) ? { applicationId: conversationFiles.applicationId } : {})
      })
    )
  )

const refuse = Effect.fnUntraced(function* (choices: Choices, error: InitializationError) {
  const { timeline } = yield* Initialization
  const report = failedReport(choices.database, error, yield* timeline)
  yield* choices.json ? Console.log(asJson(report)) : Console.error(failedLines(report).join("\n"))
  return yield* new Ended({ code: exitCodeOf(error) })
})

const restore = ({
  backup,
  database,
  json,
  timeout
}: Pick<Choices, "database" | "json" | "timeout"> & { readonly backup: Option.Option<string> }) =>
  restoreBackup({ filename: database, backup: Option.getOrUndefined(backup), timeout }).pipe(
    Effect.matchEffect({
      onSuccess: (restored) =>
        json ? Console.log(restoredJson(restored)) : Console.log(restoredLines(restored).join("\n")),
      onFailure: (error) =>
        (json ? Console.log(notRestoredJson(error)) : Console.error(notRestoredLines(error).join("\n"))).pipe(
          Effect.zipRight(new Ended({ code: exitCodeOf(error) }))
        )
    })
  )

/** Somebody who looks at a start that hangs wants to know what it hangs on: once at first, then now and then. */
const showProgress = (event: ProgressEvent): Effect.Effect<void> => {
  if (event._tag === "StageProgress") {
    return Console.error(
      `${event.doing} in the ${event.stage} stage: ${megabytes(event.done)} of ${megabytes(event.total)}`
    )
  }
  return event._tag === "StageWaiting" && (event.attempts === 3 || event.attempts % 100 === 0)
    ? Console.error(`waiting in the ${event.stage} stage: ${event.reason}`)
    : Effect.void
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1_000_000)} MB`

const sayWhat = Console.error("Say what to do: `database-ready init`, `status` or `restore`; --help tells more.").pipe(
  Effect.zipRight(new Ended({ code: exitCode.usage }))
)

const command = Command.make("database-ready", {}, () => sayWhat).pipe(
  Command.withDescription("Makes a SQLite database provably ready, or says why it is not."),
  Command.withSubcommands([
    Command.make("init", { ...ofBoth, backups }, run("initialize")).pipe(
      Command.withDescription("Create, migrate and check the database, then say that it is ready.")
    ),
    Command.make("status", ofBoth, run("inspect")).pipe(
      Command.withDescription("Take the same look without a single write.")
    ),
    Command.make("restore", { backup, database, json, timeout }, restore).pipe(
      Command.withDescription(
        "Put back a backup that was made before an upgrade; what is there is kept as FILE.replaced-TIME."
      )
    )
  ])
)

/** How a run ended that no report was made of: badly called, interrupted, or by a defect. */
interface Ending {
  readonly code: number
  /** For stderr; undefined where it has been said. */
  readonly line: string | undefined
  readonly error: Refusal
}

const endingOf = (cause: Cause.Cause<unknown>): Ending | undefined => {
  const failure = Option.getOrUndefined(Cause.failureOption(cause))
  if (failure instanceof Ended) return undefined
  if (ValidationError.isValidationError(failure)) {
    const message = withoutColours(HelpDoc.toAnsiText(failure.error)).trim()
    const error = { _tag: failure._tag, reason: "Usage", message, remedy: "See --help.", retryable: false }
    return { code: exitCode.usage, line: undefined, error }
  }
  if (Cause.isInterruptedOnly(cause)) {
    const message = "Interrupted; nothing half-done is left behind"
    const error = { _tag: "Interrupted", reason: "Signal", message, remedy: "Start again.", retryable: true }
    return { code: 128 + signal, line: message, error }
  }
  const message = `A defect in this program: ${Cause.pretty(cause)}`
  const error = { _tag: "Defect", reason: "Defect", message, remedy: "Please report it.", retryable: false }
  return { code: exitCode.defect, line: message, error }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what a colour begins with
const withoutColours = (text: string): string => text.replace(/\u001b\[[0-9;]*m/g, "")

const sayEnding = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Effect.gen(function* () {
    const ending = Exit.isFailure(exit) ? endingOf(exit.cause) : undefined
    if (ending?.line !== undefined) yield* Console.error(ending.line)
    if (ending !== undefined && process.argv.includes("--json")) {
      yield* Console.log(JSON.stringify({ status: "failed", error: ending.error }))
    }
  })

/** The number of the signal that ends us. */
let signal = 0
process.once("SIGINT", () => {
  signal = 2
})
process.once("SIGTERM", () => {
  signal = 15
})

const codeOf = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return exitCode.ready
  const failure = Option.getOrUndefined(Cause.failureOption(exit.cause))
  return failure instanceof Ended ? failure.code : (endingOf(exit.cause)?.code ?? exitCode.defect)
}

Command.run(command, { name: packageJson.name, version: packageJson.version })(process.argv).pipe(
  Effect.onExit(sayEnding),
  Logger.withMinimumLogLevel(LogLevel.Warning),
  Effect.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))),
  Effect.provide(Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeTerminal.layer)),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    disablePrettyLogger: true,
    teardown: (exit, onExit) => onExit(codeOf(exit))
  })
)
