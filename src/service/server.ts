/** The conversation-files service: serves until a signal stops it, or says why it cannot serve. */
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
import {
  describeInterruption,
  type ExitCode,
  exitCode,
  exitCodeOf,
  failedReport,
  type InitializationError,
  notifySystemd,
  refusalLines,
  reportLines,
  type Timeline
} from "../../layers/index.ts"
import packageJson from "../../package.json" with { type: "json" }
import { ExitWith } from "../program/ExitWith.ts"
import { interruptionCode } from "../program/interruption.ts"
import { Backend } from "./Backend.ts"
import type { ContentError } from "./ContentError.ts"
import type { ContentsError } from "./ContentsError.ts"
import { isBusy } from "./failures.ts"
import type { PostgresRefused } from "./PostgresRefused.ts"
import { Settings } from "./Settings.ts"
import { SlicedScheduler } from "./SlicedScheduler.ts"
import { StartTimeline } from "./StartTimeline.ts"

const exitWith = (code: ExitCode, ...lines: ReadonlyArray<string>) =>
  Effect.zipRight(Console.error(lines.join("\n")), new ExitWith({ code }))

/** Refuses with the same words and exit code as `database-ready init`. */
const refuseStart = Effect.fnUntraced(function* (error: InitializationError, start: Timeline) {
  const { databaseFile } = yield* Settings
  return yield* exitWith(exitCodeOf(error), ...reportLines(failedReport(databaseFile, error, start)))
})

const refusePostgres = ({ refusal }: PostgresRefused) => exitWith(exitCodeOf(refusal), ...refusalLines(refusal))

const refuseAddress = ({ cause }: HttpServerError.ServeError) => {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : ""
  const why = cause instanceof Error ? cause.message : String(cause)
  return exitWith(
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

const refuseDirectory = ({ message, reason }: ContentError) =>
  exitWith(
    reason === "Denied" ? exitCode.permission : exitCode.inputOutput,
    `not served  Cannot use the directory for contents (${message})`,
    "",
    `  remedy  ${storing[reason]}`
  )

const storing: Record<ContentError["reason"], string> = {
  Denied: "Let this user read and write DATA_DIRECTORY, and mount its filesystem for writing.",
  Full: "Free space on the filesystem of DATA_DIRECTORY.",
  Foreign: "Move away the files that this program did not make, or set DATA_DIRECTORY to a directory of its own.",
  Missing: "Put the directory back, or set DATA_DIRECTORY to where it is.",
  Damaged: "Restore the contents from a backup.",
  Failed: "Check the disk and the kernel's log, or set DATA_DIRECTORY to a directory on another disk."
}

const refuseContents = ({ message, reason, remedy }: ContentsError) =>
  exitWith(exitCode.data, `not served  ${message} (ContentsError.${reason})`, "", `  remedy  ${remedy}`)

const refuseWrite = (error: SqlError) =>
  exitWith(
    isBusy(error) ? exitCode.tryAgain : exitCode.inputOutput,
    `not served  Cannot write to the database (${error.message})`,
    "",
    isBusy(error)
      ? "  remedy  Wait until the other process has written to the database, or stop it. Then start again."
      : "  remedy  Fix what the message names, then start again. Free some space if the disk is full."
  )

const refuseSettings = (error: ConfigError.ConfigError) =>
  exitWith(
    exitCode.usage,
    `not served  The settings are wrong: ${error}`,
    "",
    "  remedy  Correct the variable named above. src/service/README.md lists all of them."
  )

/** Whether the API was served. Before that a signal interrupts a start; afterwards it ends a service normally. */
let hasServed = false

const serving = Effect.gen(function* () {
  const { timeline } = yield* StartTimeline
  // systemd hears of the start that begins within, and that the API is served, not only that the database is ready.
  yield* Layer.build(notifySystemd(Backend.layer)).pipe(
    Effect.tap(() => {
      hasServed = true
    }),
    Effect.tap((context) =>
      Effect.provide(
        HttpServer.addressFormattedWith((address) => Console.log(`serving  ${address}`)),
        context
      )
    ),
    Effect.catchTags({
      ServeError: refuseAddress,
      ContentError: refuseDirectory,
      ContentsError: refuseContents,
      PostgresRefused: refusePostgres,
      SqlError: refuseWrite
    }),
    Effect.catchAll((error) =>
      error instanceof ExitWith ? error : Effect.flatMap(timeline, (start) => refuseStart(error, start))
    ),
    Effect.onInterrupt(() =>
      Effect.flatMap(timeline, (start) => Console.error(`not served  ${describeInterruption(start)}`))
    )
  )
  return yield* Effect.never
})

/** Makes spans only if there is an endpoint to send them to. */
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

/** The end of a run whose reason has been told. */
const endOf = (exit: Exit.Exit<unknown, unknown>): ExitWith | undefined => {
  const failure = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
  return failure instanceof ExitWith ? failure : undefined
}

// A service ends normally by a signal.
const isGoodEnd = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause)

const codeOf = (exit: Exit.Exit<unknown, unknown>): number => {
  if (isGoodEnd(exit)) return hasServed ? exitCode.ready : interruptionCode()
  return endOf(exit)?.code ?? exitCode.defect
}

const sayDefect = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Exit.isFailure(exit) && !isGoodEnd(exit) && endOf(exit) === undefined
    ? Console.error(`A defect in this program: ${Cause.pretty(exit.cause)}`)
    : Effect.void

const program = serving.pipe(
  Effect.scoped,
  Effect.provide(traces),
  Effect.provide(Layer.merge(StartTimeline.layer, NodeFileSystem.layer)),
  Effect.provide(Settings.layer),
  Effect.catchTag("ConfigError", refuseSettings),
  Effect.onExit(sayDefect),
  Effect.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger))),
  Effect.withScheduler(new SlicedScheduler())
)

export const main = (): void =>
  NodeRuntime.runMain(program, {
    disableErrorReporting: true,
    disablePrettyLogger: true,
    teardown: (exit, onExit) => onExit(codeOf(exit))
  })
