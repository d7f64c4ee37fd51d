/** The full command line of `database-ready`: help, completions, and what is wrong with an argument. */
import * as Args from "@effect/cli/Args"
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
  exitCode,
  exitCodeOf,
  filesystemTypesFrom,
  integrityPolicies,
  permissionChoices,
  refusalJson,
  refusalLines,
  restoreBackup,
  restoredJson,
  restoredLines
} from "../../layers/index.ts"
import packageJson from "../../package.json" with { type: "json" }
import { ExitWith } from "./ExitWith.ts"
import { runFleet } from "./fleet.ts"
import { say, tell } from "./say.ts"
import { type Choices, defaults, moduleOf, run, UsageError } from "./start.ts"

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
    Options.withDescription("Mark the file as this application's, and refuse a file with another mark."),
    Options.optional
  ),
  onOpen: Options.text("on-open").pipe(
    Options.withPseudoName("MODULE"),
    Options.withDescription(
      "A module whose default export gives each connection its functions and extensions. Environment: DATABASE_ON_OPEN."
    ),
    Options.withFallbackConfig(environment.onOpen),
    Options.optional
  ),
  integrity: Options.choice("integrity", integrityPolicies).pipe(
    Options.withDescription("How thoroughly to check for damage. Environment: DATABASE_INTEGRITY; default auto."),
    Options.withFallbackConfig(environment.integrity),
    Options.withDefault(defaults.integrity)
  ),
  permissions: Options.choice("permissions", permissionChoices).pipe(
    Options.withDescription(
      "Who may use the database: its owner (mode 0600), or its group too (0660). Environment: DATABASE_PERMISSIONS; default owner."
    ),
    Options.withFallbackConfig(environment.permissions),
    Options.withDefault(defaults.permissions)
  ),
  backups: Options.integer("backups").pipe(
    Options.withPseudoName("COUNT"),
    Options.withDescription(
      "How many backups made before upgrades to keep; 0 makes none. Environment: DATABASE_BACKUPS; default 2."
    ),
    Options.filterMap(
      Option.liftPredicate((count) => count >= 0),
      "Give 0 or more backups."
    ),
    Options.withFallbackConfig(environment.backups),
    Options.withDefault(defaults.backups)
  ),
  backup: Options.text("backup").pipe(
    Options.withPseudoName("FILE"),
    Options.withDescription("The backup to restore; default the newest one next to the database."),
    Options.optional
  ),
  timeout: Options.text("timeout").pipe(
    Options.withPseudoName("DURATION"),
    Options.withDescription(
      "Deadline of the whole run, such as '30 seconds'. Environment: DATABASE_TIMEOUT; default 60 seconds, extended while work on a large file makes progress."
    ),
    Options.mapEffect((input) =>
      Either.mapLeft(durationFrom(input), (sentence) => ValidationError.invalidValue(HelpDoc.p(sentence)))
    ),
    Options.withFallbackConfig(environment.timeout),
    Options.optional
  ),
  trustedFilesystems: Options.text("trust-filesystem").pipe(
    Options.withPseudoName("TYPE"),
    Options.withDescription(
      "Filesystem types to trust although they are not known to be local, separated by commas. Environment: DATABASE_TRUST_FILESYSTEM."
    ),
    Options.map(filesystemTypesFrom),
    Options.withFallbackConfig(environment.trustedFilesystems),
    Options.withDefault<ReadonlyArray<string>>([])
  ),
  json: Options.boolean("json").pipe(Options.withDescription("Write one line of JSON to stdout, and nothing else."))
}

const { backup, backups, ...shared } = options
const { database, json, onOpen, timeout, trustedFilesystems } = options
const { database: _, ...ofFleet } = shared

const fleet = {
  ...ofFleet,
  backups,
  directory: Args.text({ name: "DIRECTORY" }).pipe(Args.withDescription("The directory of the databases.")),
  extension: Options.text("extension").pipe(
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

const restore = ({
  backup,
  database,
  json,
  onOpen,
  timeout,
  trustedFilesystems
}: Pick<Choices, "database" | "json" | "onOpen" | "timeout" | "trustedFilesystems"> & {
  readonly backup: Option.Option<string>
}) =>
  restoreBackup({
    filename: database,
    backup: Option.getOrUndefined(backup),
    timeout: Option.getOrUndefined(timeout),
    onOpen: moduleOf(onOpen),
    onProgress: ({ bytes, doing }) => tell(`${doing}: ${Math.round(bytes / 1_000_000)} MB`),
    trustedFilesystems
  }).pipe(
    Effect.matchEffect({
      onSuccess: (restored) => (json ? say(restoredJson(restored)) : say(restoredLines(restored).join("\n"))),
      onFailure: (error) =>
        (json ? say(refusalJson(error)) : tell(refusalLines(error, "not restored").join("\n"))).pipe(
          Effect.zipRight(new ExitWith({ code: exitCodeOf(error) }))
        )
    })
  )

const usage = tell(
  "Name a command: `database-ready init`, `status`, `restore` or `fleet`. Run `database-ready --help` for more."
).pipe(Effect.zipRight(new ExitWith({ code: exitCode.usage })))

const command = Command.make("database-ready", {}, () => usage).pipe(
  Command.withDescription("Make a SQLite database provably ready, or say why it is not."),
  Command.withSubcommands([
    Command.make("init", { ...shared, backups }, run("initialize")).pipe(
      Command.withDescription("Create, migrate and check the database, then say that it is ready.")
    ),
    Command.make("status", shared, run("inspect")).pipe(
      Command.withDescription("Check the same things without writing anything.")
    ),
    Command.make("restore", { backup, database, json, onOpen, timeout, trustedFilesystems }, restore).pipe(
      Command.withDescription(
        "Restore a backup that was made before an upgrade. The current file is kept as FILE.replaced-TIME."
      )
    ),
    Command.make("fleet", fleet, runFleet).pipe(
      Command.withDescription(
        "Do what init does with every database of a directory. One that is refused does not stop the others."
      )
    )
  ])
)

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what a colour begins with
const withoutColours = (text: string): string => text.replace(/\u001b\[[0-9;]*m/g, "")

/** Leaves empty variables out: the template of a supervisor writes a setting that is not set like that. */
const environmentProvider = ConfigProvider.fromMap(
  new Map(Object.entries(process.env).flatMap(([name, value]) => (value ? [[name, value] as const] : [])))
)

/** Reads any command line and runs it. */
export const commandLine = Effect.suspend(() =>
  Command.run(command, { name: packageJson.name, version: packageJson.version })(process.argv)
).pipe(
  Effect.mapError((failure) =>
    ValidationError.isValidationError(failure)
      ? new UsageError({ parser: failure._tag, message: withoutColours(HelpDoc.toAnsiText(failure.error)).trim() })
      : failure
  ),
  // If case did not count, the parser would take `--Database` for a flag and then drop its value.
  Effect.provide(Layer.merge(CliConfig.layer({ isCaseSensitive: true }), NodeTerminal.layer)),
  Effect.withConfigProvider(environmentProvider)
)
