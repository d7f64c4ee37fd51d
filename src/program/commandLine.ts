/** The command line of `database-ready`, with all that explains it: help, completions, what is wrong with an argument. */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import {
  durationFrom,
  environment,
  integrityPolicies,
  notADuration,
  permissionChoices,
  restoreBackup,
  typesIn
} from "../../layers/index.ts"
import packageJson from "../../package.json" with { type: "json" }
import { Ended, exitCode, exitCodeOf } from "./exitCode.ts"
import { notRestoredJson, notRestoredLines, restoredJson, restoredLines } from "./report.ts"
import { say, tell } from "./say.ts"
import { type Choices, defaults, Misused, run } from "./start.ts"

const options = {
  database: Options.text("database").pipe(
    Options.withPseudoName("FILE"),
    Options.withDescription("The database file. Environment: DATABASE_FILE."),
    Options.withFallbackConfig(environment.filename),
    Options.withDefault(defaults.database)
  ),
  migrations: Options.text("migrations").pipe(
    Options.withPseudoName("DIRECTORY"),
    Options.withDescription(
      "The directory of NNN_name.sql files. Environment: DATABASE_MIGRATIONS; default ./migrations."
    ),
    Options.withFallbackConfig(environment.migrations),
    Options.optional
  ),
  applicationId: Options.integer("application-id").pipe(
    Options.withPseudoName("NUMBER"),
    Options.withDescription("Marks the file as this application's, and refuses one with another mark."),
    Options.optional
  ),
  integrity: Options.choice("integrity", integrityPolicies).pipe(
    Options.withDescription("How far to look for damage. Environment: DATABASE_INTEGRITY; default auto."),
    Options.withFallbackConfig(environment.integrity),
    Options.withDefault(defaults.integrity)
  ),
  permissions: Options.choice("permissions", permissionChoices).pipe(
    Options.withDescription(
      "Who may use the database: its owner (mode 0600), or its group as well (0660). Environment: DATABASE_PERMISSIONS; default owner."
    ),
    Options.withFallbackConfig(environment.permissions),
    Options.withDefault(defaults.permissions)
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
    Options.withDefault(defaults.backups)
  ),
  backup: Options.text("backup").pipe(
    Options.withPseudoName("FILE"),
    Options.withDescription("The backup to put back; default the newest one beside the database."),
    Options.optional
  ),
  timeout: Options.text("timeout").pipe(
    Options.withPseudoName("DURATION"),
    Options.withDescription(
      "Deadline of the whole, such as '30 seconds'. Environment: DATABASE_TIMEOUT; default 60 seconds, put off while work on a large file moves on."
    ),
    Options.mapEffect((input) =>
      Option.match(durationFrom(input), {
        onNone: () => Either.left(ValidationError.invalidValue(HelpDoc.p(notADuration(input)))),
        onSome: Either.right
      })
    ),
    Options.withFallbackConfig(environment.timeout),
    Options.optional
  ),
  trustedFilesystems: Options.text("trust-filesystem").pipe(
    Options.withPseudoName("TYPE"),
    Options.withDescription(
      "Types of filesystems to trust although they are not known to be local, with commas between. Environment: DATABASE_TRUST_FILESYSTEM."
    ),
    Options.map(typesIn),
    Options.withFallbackConfig(environment.trustedFilesystems),
    Options.withDefault<ReadonlyArray<string>>([])
  ),
  json: Options.boolean("json").pipe(Options.withDescription("One line of JSON on stdout, and nothing else there."))
}

const { backup, backups, ...ofBoth } = options
const { database, json, timeout, trustedFilesystems } = options

const restore = ({
  backup,
  database,
  json,
  timeout,
  trustedFilesystems
}: Pick<Choices, "database" | "json" | "timeout" | "trustedFilesystems"> & {
  readonly backup: Option.Option<string>
}) =>
  restoreBackup({
    filename: database,
    backup: Option.getOrUndefined(backup),
    timeout: Option.getOrUndefined(timeout),
    trustedFilesystems
  }).pipe(
    Effect.matchEffect({
      onSuccess: (restored) => (json ? say(restoredJson(restored)) : say(restoredLines(restored).join("\n"))),
      onFailure: (error) =>
        (json ? say(notRestoredJson(error)) : tell(notRestoredLines(error).join("\n"))).pipe(
          Effect.zipRight(new Ended({ code: exitCodeOf(error) }))
        )
    })
  )

const sayWhat = tell("Say what to do: `database-ready init`, `status` or `restore`; --help tells more.").pipe(
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
    Command.make("restore", { backup, database, json, timeout, trustedFilesystems }, restore).pipe(
      Command.withDescription(
        "Put back a backup that was made before an upgrade; what is there is kept as FILE.replaced-TIME."
      )
    )
  ])
)

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what a colour begins with
const withoutColours = (text: string): string => text.replace(/\u001b\[[0-9;]*m/g, "")

/** Without the empty variables, which is how a supervisor's template writes what is not set. */
const surroundings = ConfigProvider.fromMap(
  new Map(Object.entries(process.env).flatMap(([name, value]) => (value ? [[name, value] as const] : [])))
)

/** Reads any command line, and does what it says. */
export const commandLine = Effect.suspend(() =>
  Command.run(command, { name: packageJson.name, version: packageJson.version })(process.argv)
).pipe(
  Effect.mapError((failure) =>
    ValidationError.isValidationError(failure)
      ? new Misused({ parser: failure._tag, message: withoutColours(HelpDoc.toAnsiText(failure.error)).trim() })
      : failure
  ),
  // Without regard to case the parser takes `--Database` for a flag, and then drops its value.
  Effect.provide(Layer.merge(CliConfig.layer({ isCaseSensitive: true }), NodeTerminal.layer)),
  Effect.withConfigProvider(surroundings)
)
