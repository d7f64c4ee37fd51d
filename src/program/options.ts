/** The flags of the commands, each with its environment variable. */
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import {
  durationFrom,
  environment,
  filesystemTypesFrom,
  integrityPolicies,
  permissionChoices
} from "../../layers/index.ts"
import { isPostgres } from "./engine.ts"
import { defaults } from "./start.ts"

/** Many platforms set it, for whatever database there is. */
const urlOfPostgres = Config.nonEmptyString("DATABASE_URL").pipe(
  Config.mapOrFail((url) =>
    isPostgres(url) ? Either.right(url) : Either.left(ConfigError.MissingData(["DATABASE_URL"], "no URL of PostgreSQL"))
  )
)

/** A URL is read whatever the command: those that are for files say what PostgreSQL has instead. */
const databaseOption = (takes: string, description: string) =>
  Options.text("database").pipe(
    Options.withPseudoName(takes),
    Options.withDescription(description),
    Options.withFallbackConfig(Config.orElse(environment.filename, () => urlOfPostgres)),
    Options.withDefault(defaults.database)
  )

const timeoutOption = (description: string) =>
  Options.text("timeout").pipe(
    Options.withPseudoName("DURATION"),
    Options.withDescription(description),
    Options.mapEffect((input) =>
      Either.mapLeft(durationFrom(input), (sentence) => ValidationError.invalidValue(HelpDoc.p(sentence)))
    ),
    Options.withFallbackConfig(environment.timeout),
    Options.optional
  )

export const options = {
  database: databaseOption("FILE", `The database file. Environment: DATABASE_FILE; default ${defaults.database}.`),
  databaseOrUrl: databaseOption(
    "FILE-or-URL",
    `The database: a file, or postgres://USER@HOST:PORT/DATABASE. Environment: DATABASE_FILE, or a DATABASE_URL of PostgreSQL; default ${defaults.database}.`
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
    Options.optional
  ),
  permissions: Options.choice("permissions", permissionChoices).pipe(
    Options.withDescription(
      "Who may use the database: its owner (mode 0600), or its group too (0660). Environment: DATABASE_PERMISSIONS; default owner."
    ),
    Options.withFallbackConfig(environment.permissions),
    Options.optional
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
    Options.optional
  ),
  timeout: timeoutOption(
    "Deadline of the whole run, such as 30s. Environment: DATABASE_TIMEOUT; default 60s, extended while work on a large file makes progress."
  ),
  timeoutOfBackup: timeoutOption(
    "Deadline of the whole backup, such as 10m. Environment: DATABASE_TIMEOUT; default none."
  ),
  timeoutOfRestore: timeoutOption(
    "Deadline of the whole restore, such as 10m. Environment: DATABASE_TIMEOUT; default 60s, whatever the size."
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
  json: Options.boolean("json").pipe(
    Options.withDescription(
      "Write one line of JSON to stdout, and nothing else. With --json=stream also one line for each event, and the result last."
    )
  )
}

/** Only for PostgreSQL. */
export const forPostgres = {
  schema: Options.text("schema").pipe(
    Options.withPseudoName("NAME"),
    Options.withDescription("On PostgreSQL: the schema of the tables; default public."),
    Options.optional
  ),
  passwordFile: Options.text("password-file").pipe(
    Options.withPseudoName("FILE"),
    Options.withDescription(
      "On PostgreSQL: a file with the password. Environment: DATABASE_PASSWORD_FILE; default PGPASSWORD, else ~/.pgpass."
    ),
    Options.withFallbackConfig(Config.nonEmptyString("DATABASE_PASSWORD_FILE")),
    Options.optional
  ),
  create: Options.boolean("create").pipe(
    Options.withDescription("On PostgreSQL: create the database if the server has none of that name.")
  )
}

/** What the commands share that look at a database with its migrations. */
export const shared = {
  database: options.database,
  migrations: options.migrations,
  applicationId: options.applicationId,
  onOpen: options.onOpen,
  integrity: options.integrity,
  permissions: options.permissions,
  timeout: options.timeout,
  trustedFilesystems: options.trustedFilesystems,
  json: options.json
}
