/** The conversation-files service: serves until it is told to stop, or says why it cannot. */
import * as OtlpSerialization from "@effect/opentelemetry/OtlpSerialization"
import * as OtlpTracer from "@effect/opentelemetry/OtlpTracer"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpServer from "@effect/platform/HttpServer"
import type * as HttpServerError from "@effect/platform/HttpServerError"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import type { SqlError } from "@effect/sql/SqlError"
import * as Cause from "effect/Cause"
import type * as ConfigError from "effect/ConfigError"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { failedReport, Initialization, type InitializationError } from "../../layers/index.ts"
import packageJson from "../../package.json" with { type: "json" }
import { Ended, type ExitCode, exitCode, exitCodeOf } from "../program/exitCode.ts"
import { interruptedCode, interruptedIn } from "../program/interruption.ts"
import { failedLines } from "../program/report.ts"
import { Backend, databaseConfig } from "./Backend.ts"
import type { ContentError } from "./ContentError.ts"
import type { ContentsError } from "./ContentsError.ts"
import { isBusy } from "./failures.ts"
import { Settings } from "./Settings.ts"

const ended = (code: ExitCode, ...lines: ReadonlyArray<string>) =>
  Effect.zipRight(Console.error(lines.join("\n")), new Ended({ code }))

/** The same words and exit code as those of `database-ready init`. */
const notReady = Effect.fnUntraced(function* (error: InitializationError) {
  const { databaseFile } = yield* Settings
  const { timeline } = yield* Initialization
  return yield* ended(exitCodeOf(error), ...failedLines(failedReport(databaseFile, error, yield* timeline)))
})

const notServed = ({ cause }: HttpServerError.ServeError) => {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : ""
  const why = cause instanceof Error ? cause.message : String(cause)
  return ended(
    code === "EACCES" ? exitCode.permission : code === "EADDRINUSE" ? exitCode.tryAgain : exitCode.usage,
    `not served  ${why}`,
    "",
    `  remedy  ${listening[code] ?? "Set HOST to an address of this machine, and PORT to a free port."}`
  )
}

const listening: Partial<Record<string, string>> = {
  EACCES: "Set PORT to 1024 or above, or let this user listen on that port.",
  EADDRINUSE: "Stop the program that listens there, or set PORT to another port."
}

const notStored = ({ message, reason }: ContentError) =>
  ended(
    reason === "Denied" ? exitCode.permission : exitCode.inputOutput,
    `not served  The directory for contents cannot be used (${message})`,
    "",
    `  remedy  ${storing[reason]}`
  )

const storing: Record<ContentError["reason"], string> = {
  Denied: "Let this user read and write DATA_DIRECTORY, and mount its filesystem for writing.",
  Full: "Free some space on the filesystem of DATA_DIRECTORY.",
  Foreign: "Move away what this program has not made, or set DATA_DIRECTORY to a directory of its own.",
  Missing: "Put the directory back, or set DATA_DIRECTORY to where it is.",
  Failed: "Check the disk and the kernel's log, or set DATA_DIRECTORY to a directory on another disk."
}

const notOurs = ({ message, reason, remedy }: ContentsError) =>
  ended(exitCode.data, `not served  ${message} (ContentsError.${reason})`, "", `  remedy  ${remedy}`)

const notBound = (error: SqlError) =>
  ended(
    isBusy(error) ? exitCode.tryAgain : exitCode.inputOutput,
    `not served  The database could not be written to (${error.message})`,
    "",
    isBusy(error)
      ? "  remedy  Let the other process that writes to the database finish, or stop it. Then start again."
      : "  remedy  Fix what the message names, then start again. Free some space if the disk is full."
  )

const wrongSettings = (error: ConfigError.ConfigError) =>
  ended(
    exitCode.usage,
    `not served  The settings are wrong: ${error}`,
    "",
    "  remedy  Correct the variable that is named here. The README lists all of them."
  )

/** Whether the API was served: before that a signal ends a start, after it a service that has done its work. */
let hasServed = false

const serving = Effect.gen(function* () {
  const { timeline } = yield* Initialization
  yield* Layer.build(Backend.layer).pipe(
    Effect.tap(() => {
      hasServed = true
    }),
    Effect.tap((context) =>
      Effect.provide(
        HttpServer.addressFormattedWith((address) => Console.log(`serving  ${address}`)),
        context
      )
    ),
    Effect.catchTags({ ServeError: notServed, ContentError: notStored, ContentsError: notOurs, SqlError: notBound }),
    Effect.catchAll((error) => (error instanceof Ended ? error : notReady(error))),
    Effect.onInterrupt(() => Effect.flatMap(timeline, (start) => Console.error(`not served  ${interruptedIn(start)}`)))
  )
  return yield* Effect.never
})

/** Spans leave the process where somebody wants them, and are not made where nobody does. */
const traces = Layer.unwrapEffect(
  Effect.map(Settings, ({ otlpEndpoint }) =>
    Option.match(otlpEndpoint, {
      onNone: () => Layer.setTracerEnabled(false),
      onSome: (endpoint) =>
        OtlpTracer.layer({
          url: `${endpoint.replace(/\/$/, "")}/v1/traces`,
          resource: { serviceName: "conversation-files", serviceVersion: packageJson.version }
        }).pipe(Layer.provide(OtlpSerialization.layerJson), Layer.provide(FetchHttpClient.layer))
    })
  )
)

/** How a run ended that somebody was told the reason of. */
const endOf = (exit: Exit.Exit<unknown, unknown>): Ended | undefined => {
  const failure = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
  return failure instanceof Ended ? failure : undefined
}

// A signal is how a service ends well.
const endedWell = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause)

const codeOf = (exit: Exit.Exit<unknown, unknown>): number => {
  if (endedWell(exit)) return hasServed ? exitCode.ready : interruptedCode()
  return endOf(exit)?.code ?? exitCode.defect
}

const sayDefect = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Exit.isFailure(exit) && !endedWell(exit) && endOf(exit) === undefined
    ? Console.error(`A defect in this program: ${Cause.pretty(exit.cause)}`)
    : Effect.void

const program = serving.pipe(
  Effect.scoped,
  Effect.provide(traces),
  Effect.provide(Layer.provideMerge(Initialization.layer, Layer.merge(databaseConfig, NodeFileSystem.layer))),
  Effect.provide(Settings.layer),
  Effect.catchTag("ConfigError", wrongSettings),
  Effect.onExit(sayDefect),
  Effect.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger)))
)

export const main = (): void =>
  NodeRuntime.runMain(program, {
    disableErrorReporting: true,
    disablePrettyLogger: true,
    teardown: (exit, onExit) => onExit(codeOf(exit))
  })
