/** Runs `init` and `status`, however the command line was read. */
import { pathToFileURL } from "node:url"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import {
  DatabaseConfig,
  DatabaseReady,
  describeInterruption,
  exitCode,
  exitCodeOf,
  failedReport,
  Initialization,
  type InitializationError,
  type IntegrityPolicy,
  MigrationSource,
  MigrationSourceError,
  Migrations,
  type Permissions,
  type Refusal,
  reportJson,
  reportLines,
  type Timeline
} from "../../layers/index.ts"
import { name, version } from "../build/identity.ts"
import { ExitWith } from "./ExitWith.ts"
import { isUrl, onPostgres, requireFileSettings } from "./engine.ts"
import { interruptionCode, wasServing } from "./interruption.ts"
import { tellStart } from "./progress.ts"
import { say, tell } from "./say.ts"
import { isJson } from "./stream.ts"

/** The command line is wrong. Its parser has already said why on stderr. */
export class UsageError extends Data.TaggedError("UsageError")<{ readonly parser: string; readonly message: string }> {}

export interface Choices {
  readonly database: string
  readonly migrations: Option.Option<string>
  readonly applicationId?: Option.Option<number>
  readonly onOpen: Option.Option<string>
  readonly integrity: Option.Option<IntegrityPolicy>
  readonly timeout: Option.Option<Duration.Duration>
  readonly json: boolean
  readonly permissions?: Option.Option<Permissions>
  readonly trustedFilesystems: ReadonlyArray<string>
  readonly backups?: Option.Option<number>
  /** For PostgreSQL. */
  readonly create?: boolean
  readonly schema?: Option.Option<string>
  readonly passwordFile?: Option.Option<string>
}

/** What counts if neither flag nor variable says otherwise. */
export const defaults = {
  database: "data/conversation_files.db",
  migrations: "migrations"
} as const

/** The URL of the module that was named by its path. */
export const moduleOf = (path: Option.Option<string>): URL | undefined =>
  Option.getOrUndefined(Option.map(path, (named) => pathToFileURL(named)))

/** What the choices mean for a start. */
export const optionsOf = (choices: Omit<Choices, "database">, access: "initialize" | "inspect") => ({
  access,
  integrity: Option.getOrUndefined(choices.integrity),
  timeout: Option.getOrUndefined(choices.timeout),
  onOpen: moduleOf(choices.onOpen),
  // Functions for the schema are given so that the schema calls them.
  pragmas: { trustedSchema: Option.isSome(choices.onOpen) },
  permissions: Option.getOrUndefined(choices.permissions ?? Option.none()),
  backups: Option.getOrUndefined(choices.backups ?? Option.none()),
  trustedFilesystems: choices.trustedFilesystems,
  program: `${name} ${version}`,
  onProgress: tellStart(choices.json),
  applicationId: Option.getOrUndefined(choices.applicationId ?? Option.none())
})

export const migrationsOf = ({ migrations }: Pick<Choices, "migrations">) =>
  Option.match(migrations, {
    onNone: () => Effect.mapError(Migrations.fromDirectory(defaults.migrations), explainMissingDefault),
    onSome: (directory) => Migrations.fromDirectory(directory)
  })

/** `init` and `status`. */
export const run = (access: "initialize" | "inspect") => (choices: Choices) =>
  isUrl(choices.database)
    ? Effect.flatMap(onPostgres(choices), ({ startOnPostgres }) => startOnPostgres(choices, access))
    : Effect.zipRight(requireFileSettings(choices), startOnFile(choices, access))

const startOnFile = Effect.fnUntraced(function* (choices: Choices, access: "initialize" | "inspect") {
  const config = DatabaseConfig.from({ ...optionsOf(choices, access), filename: choices.database })
  const initialization = yield* Initialization.make(config)
  currentTimeline = initialization.timeline
  const report = yield* MigrationSource.make(migrationsOf(choices)).pipe(
    Effect.flatMap((source) => DatabaseReady.make(config, initialization, source)),
    Effect.map((ready) => Context.get(ready, DatabaseReady).report),
    Effect.scoped,
    Effect.catchAll((error) => refuse(choices, initialization, error))
  )
  yield* choices.json ? say(reportJson(report)) : say(reportLines(report).join("\n"))
})

/** No directory was named, and the default one does not exist. */
export const explainMissingDefault = (error: MigrationSourceError): MigrationSourceError =>
  error.reason === "DirectoryUnreadable" && error.code === "ENOENT"
    ? new MigrationSourceError({
        reason: error.reason,
        path: `./${defaults.migrations}`,
        detail: `${process.cwd()} has no directory of that name`,
        cure: "Name the directory with --migrations DIRECTORY or DATABASE_MIGRATIONS, or start where ./migrations is.",
        code: error.code,
        retryable: false
      })
    : error

const refuse = Effect.fnUntraced(function* (
  choices: Choices,
  { timeline }: Initialization["Type"],
  error: InitializationError
) {
  const report = failedReport(choices.database, error, yield* timeline)
  yield* choices.json ? say(reportJson(report)) : tell(reportLines(report).join("\n"))
  return yield* new ExitWith({ code: exitCodeOf(error) })
})

/** How a run ended without a report: a wrong command line, an interruption, or a defect. */
interface Ending {
  readonly code: number
  /** For stderr; undefined if it has been said. */
  readonly line: string | undefined
  readonly error: Pick<Refusal, "_tag" | "reason" | "message" | "remedy" | "retryable">
}

let currentTimeline: Effect.Effect<Timeline> | undefined

/** What tells how far the start was, should it be interrupted. */
export const showTimeline = (timeline: Effect.Effect<Timeline>): void => {
  currentTimeline = timeline
}

const endingOf = (cause: Cause.Cause<unknown>, timeline?: Timeline): Ending | undefined => {
  const failure = Option.getOrUndefined(Cause.failureOption(cause))
  if (failure instanceof ExitWith) return undefined
  if (failure instanceof UsageError) {
    const { message, parser } = failure
    const error = { _tag: parser, reason: "Usage", message, remedy: "Run `database-ready --help`.", retryable: false }
    return { code: exitCode.usage, line: undefined, error }
  }
  if (Cause.isInterruptedOnly(cause)) {
    if (wasServing()) return undefined
    const message = describeInterruption(timeline)
    const error = { _tag: "Interrupted", reason: "Signal", message, remedy: "Start again.", retryable: true }
    return { code: interruptionCode(), line: message, error }
  }
  const message = `A defect in this program: ${Cause.pretty(cause)}`
  const error = { _tag: "Defect", reason: "Defect", message, remedy: "Please report it.", retryable: false }
  return { code: exitCode.defect, line: message, error }
}

const sayEnding = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Effect.gen(function* () {
    const timeline = currentTimeline === undefined ? undefined : yield* currentTimeline
    const ending = Exit.isFailure(exit) ? endingOf(exit.cause, timeline) : undefined
    if (ending?.line !== undefined) yield* tell(ending.line)
    if (ending !== undefined && isJson) {
      // A failure to write changes nothing: the process fails anyway, and its exit code says how.
      yield* Effect.ignore(say(JSON.stringify({ status: "failed", error: ending.error })))
    }
  })

const codeOf = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return exitCode.ready
  const failure = Option.getOrUndefined(Cause.failureOption(exit.cause))
  if (failure instanceof ExitWith) return failure.code
  return Cause.isInterruptedOnly(exit.cause) ? interruptionCode() : (endingOf(exit.cause)?.code ?? exitCode.defect)
}

/** Runs the program, then ends the process with the exit code of its result. */
export const runMain = <E>(program: Effect.Effect<void, E, FileSystem.FileSystem | Path.Path>): void =>
  program.pipe(
    Effect.onExit(sayEnding),
    Logger.withMinimumLogLevel(LogLevel.Warning),
    Effect.locally(FiberRef.currentLoggers, HashSet.make(Logger.withConsoleError(Logger.logfmtLogger))),
    // One after the other: building two layers at once costs fibers.
    Effect.provide(Layer.provideMerge(NodeFileSystem.layer, NodePath.layer)),
    NodeRuntime.runMain({
      disableErrorReporting: true,
      disablePrettyLogger: true,
      teardown: (exit, onExit) => onExit(codeOf(exit))
    })
  )
