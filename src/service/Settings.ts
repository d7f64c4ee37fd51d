/** Every setting of the service. The environment is read only here. */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { durationFrom, environment, type IntegrityPolicy, type Permissions } from "../../layers/index.ts"

/** A user and their token. */
export interface Account {
  readonly name: string
  readonly token: Redacted.Redacted
  readonly isAdministrator: boolean
}

/** All settings, with defaults. */
export class Settings extends Context.Tag("conversation-files/Settings")<
  Settings,
  {
    /** `HOST`: the address to listen on. Default 127.0.0.1. Without accounts it must be a loopback address. */
    readonly host: string
    /** `PORT`: default 3000; 0 takes a free one. */
    readonly port: number
    /**
     * `API_TOKENS`: `user:token`, `user:token:administrator`, separated by commas. Default none: anyone who reaches
     * loopback is an administrator.
     */
    readonly accounts: ReadonlyArray<Account>
    /** `DATA_DIRECTORY`: where contents are stored. Default `data`. */
    readonly dataDirectory: string
    /** `DATABASE_FILE`: default `conversation_files.db` in the data directory. */
    readonly databaseFile: string
    /**
     * `DATABASE_URL`: `postgres://USER@HOST:PORT/DATABASE`. Then rows and contents are on that server, and several
     * backends can use it at once. Default none: the database is a file.
     */
    readonly databaseUrl: Option.Option<Redacted.Redacted>
    /** `DATABASE_INTEGRITY`: how thoroughly the start checks for damage. Default `auto`. */
    readonly integrity: IntegrityPolicy
    readonly trustedFilesystems: ReadonlyArray<string>
    /**
     * `DATABASE_PERMISSIONS`: who may use database and contents: their owner (0600, 0700), or their group too (0660,
     * 2770). Default `owner`.
     */
    readonly permissions: Permissions
    /**
     * `DATABASE_TIMEOUT`: deadline of the start. Default 60 seconds, extended while work on a large file makes
     * progress.
     */
    readonly databaseTimeout: Option.Option<Duration.Duration>
    /** `DATABASE_BACKUPS`: how many backups made before upgrades to keep. Default 2. */
    readonly backups: number
    /** `MAX_FILE_SIZE`: bytes of one file. Default 52428800 (50 MiB). */
    readonly maxFileSize: number
    /**
     * `USER_QUOTA_BYTES`: bytes in all sessions of one user, including deleted files that can be restored. Default
     * none.
     */
    readonly userQuotaBytes: Option.Option<number>
    /** `USER_QUOTA_FILES`: files in all sessions of one user, counted the same way. Default none. */
    readonly userQuotaFiles: Option.Option<number>
    /** `TOTAL_QUOTA_BYTES`: bytes of all users together. Default none: only the disk and its reserve limit them. */
    readonly totalQuotaBytes: Option.Option<number>
    /** `TOTAL_QUOTA_FILES`: files of all users together. Default none. */
    readonly totalQuotaFiles: Option.Option<number>
    /** `REQUESTS_PER_SECOND`: of one user, on average; twice as many may come at once. Default 100. */
    readonly requestsPerSecond: number
    /**
     * `MAX_CONNECTIONS`: connections at once, at most a third of the descriptors that the process may open. Default
     * 1000.
     */
    readonly maxConnections: number
    /** `CONCURRENT_REQUESTS`: of one user. Default 32. */
    readonly concurrentRequests: number
    /** `EVENT_STREAMS`: of one user at once. Default 16. */
    readonly eventStreams: number
    /** `RETENTION`: how long a deleted file can be restored. Default 30 days. */
    readonly retention: Duration.Duration
    /**
     * `DISK_RESERVE`: bytes of the disk kept for reading and deleting, at most a twentieth of it. Default 16777216 (16
     * MiB).
     */
    readonly diskReserve: number
    /** `SESSION_RETENTION`: how long after the end of a session its files are deleted. Default 30 days. */
    readonly sessionRetention: Duration.Duration
    /** `TRASH_RETENTION`: how long a content that no row wants stays in the trash. Default 7 days. */
    readonly trashRetention: Duration.Duration
    /** `REFUSAL_RETENTION`: how long counts of refusals are kept. Default 30 days. */
    readonly refusalRetention: Duration.Duration
    /** `ADOPT_CONTENTS`: identity of contents that belong to this database from now on. Default none. */
    readonly adoptContents: Option.Option<string>
    /** `ALLOW_SWEEP`: how many contents may go to the trash at once, whatever share of all they are. Default 0. */
    readonly allowSweep: number
    /**
     * `PROOF_RATE`: bytes per second that are read to prove contents by their SHA-256; 0 proves none. Default 1048576 (1
     * MiB).
     */
    readonly proofRate: number
    /** `CLEANUP_INTERVAL`: how often what is due is deleted. Default 1 minute. */
    readonly cleanupInterval: Duration.Duration
    /** `EXTRACT_TEXTS`: whether this process extracts the texts of files, for search and context. Default true. */
    readonly extractsTexts: boolean
    /** `HEALTH_CACHE`: how long a check of the live database is reused. Default 1 second. */
    readonly healthCache: Duration.Duration
    /**
     * `LOCK_PATIENCE`: how long a write may wait for another process's lock; meanwhile the database counts as healthy.
     * Default 2 seconds.
     */
    readonly lockPatience: Duration.Duration
    /** `SHUTDOWN_DELAY`: time from SIGTERM, when `/readyz` fails, to the first refused request. Default 0. */
    readonly shutdownDelay: Duration.Duration
    /** `SHUTDOWN_TIMEOUT`: how long requests in flight may take after that. Default 25 seconds. */
    readonly shutdownTimeout: Duration.Duration
    /** `REDIS_URL`: where several backends count the requests of a user together. Default none: each counts its own. */
    readonly redisUrl: Option.Option<Redacted.Redacted>
    /** `OTEL_EXPORTER_OTLP_ENDPOINT`: where traces are sent. Default nowhere. */
    readonly otlpEndpoint: Option.Option<string>
  }
>() {
  /** Fails with `ConfigError`, which names the setting and what is wrong with it. */
  static readonly layer: Layer.Layer<Settings, ConfigError.ConfigError> = Layer.effect(
    Settings,
    Effect.gen(function* () {
      const dataDirectory = yield* Config.nonEmptyString("DATA_DIRECTORY").pipe(withDefault("data"))
      return yield* Config.all({
        host: Config.nonEmptyString("HOST").pipe(withDefault("127.0.0.1")),
        port: Config.integer("PORT").pipe(
          Config.validate({ message: "a port, 0 to 65535", validation: (port) => port >= 0 && port <= 65_535 }),
          withDefault(3000)
        ),
        accounts: Config.redacted("API_TOKENS").pipe(Config.mapOrFail(accountsOf), withDefault([])),
        dataDirectory: Config.succeed(dataDirectory),
        databaseFile: environment.filename.pipe(withDefault(`${dataDirectory}/conversation_files.db`)),
        databaseUrl: Config.redacted("DATABASE_URL").pipe(Config.mapOrFail(postgresUrlOf), Config.option),
        integrity: environment.integrity.pipe(withDefault("auto" as const)),
        trustedFilesystems: environment.trustedFilesystems.pipe(withDefault<ReadonlyArray<string>>([])),
        permissions: environment.permissions.pipe(withDefault("owner" as const)),
        databaseTimeout: Config.option(environment.timeout),
        backups: environment.backups.pipe(withDefault(2)),
        maxFileSize: positive("MAX_FILE_SIZE", 50 * 1024 * 1024),
        userQuotaBytes: Config.option(count("USER_QUOTA_BYTES")),
        userQuotaFiles: Config.option(count("USER_QUOTA_FILES")),
        totalQuotaBytes: Config.option(count("TOTAL_QUOTA_BYTES")),
        totalQuotaFiles: Config.option(count("TOTAL_QUOTA_FILES")),
        requestsPerSecond: positive("REQUESTS_PER_SECOND", 100),
        maxConnections: positive("MAX_CONNECTIONS", 1000),
        concurrentRequests: positive("CONCURRENT_REQUESTS", 32),
        eventStreams: positive("EVENT_STREAMS", 16),
        retention: duration("RETENTION", Duration.days(30)),
        sessionRetention: duration("SESSION_RETENTION", Duration.days(30)),
        trashRetention: duration("TRASH_RETENTION", Duration.days(7)),
        refusalRetention: duration("REFUSAL_RETENTION", Duration.days(30)),
        adoptContents: Config.nonEmptyString("ADOPT_CONTENTS").pipe(Config.option),
        allowSweep: fromZero("ALLOW_SWEEP", 0),
        diskReserve: fromZero("DISK_RESERVE", 16 * 1024 * 1024),
        proofRate: fromZero("PROOF_RATE", 1024 * 1024),
        cleanupInterval: duration("CLEANUP_INTERVAL", Duration.minutes(1)).pipe(
          Config.validate({ message: "a duration above 0", validation: (value) => Duration.greaterThan(value, 0) })
        ),
        extractsTexts: Config.boolean("EXTRACT_TEXTS").pipe(withDefault(true)),
        healthCache: duration("HEALTH_CACHE", Duration.seconds(1)),
        lockPatience: duration("LOCK_PATIENCE", Duration.seconds(2)),
        shutdownDelay: duration("SHUTDOWN_DELAY", Duration.zero),
        shutdownTimeout: duration("SHUTDOWN_TIMEOUT", Duration.seconds(25)),
        redisUrl: Config.redacted("REDIS_URL").pipe(Config.mapOrFail(redisUrlOf), Config.option),
        otlpEndpoint: Config.nonEmptyString("OTEL_EXPORTER_OTLP_ENDPOINT").pipe(
          Config.validate({ message: "an http or https URL", validation: isHttpUrl }),
          Config.option
        )
      })
    })
  )
}

/** Its error does not show the URL, which may have a password. */
const redisUrlOf = (url: Redacted.Redacted): Either.Either<Redacted.Redacted, ConfigError.ConfigError> =>
  URL.canParse(Redacted.value(url)) && /^rediss?:/.test(Redacted.value(url))
    ? Either.right(url)
    : Either.left(ConfigError.InvalidData(["REDIS_URL"], "expected a redis or rediss URL"))

/** Its error does not show the URL, which may have a password. Other engines are refused, not ignored. */
const postgresUrlOf = (url: Redacted.Redacted): Either.Either<Redacted.Redacted, ConfigError.ConfigError> =>
  /^postgres(ql)?:\/\//i.test(Redacted.value(url))
    ? Either.right(url)
    : Either.left(ConfigError.InvalidData(["DATABASE_URL"], "expected postgres://USER@HOST:PORT/DATABASE"))

const isHttpUrl = (text: string): boolean => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)

/** Only a missing value gets the default; a wrong one is reported. */
const withDefault =
  <const A>(value: A) =>
  <B>(config: Config.Config<B>): Config.Config<A | B> =>
    Config.withDefault(config, value)

const positive = (name: string, standard: number): Config.Config<number> =>
  Config.integer(name).pipe(
    Config.validate({ message: "a whole number above 0", validation: (value) => value > 0 }),
    withDefault(standard)
  )

const count = (name: string): Config.Config<number> =>
  Config.validate(Config.integer(name), { message: "a whole number from 0", validation: (value) => value >= 0 })

const fromZero = (name: string, standard: number): Config.Config<number> => withDefault(standard)(count(name))

const duration = (name: string, standard: Duration.Duration): Config.Config<Duration.Duration> =>
  Config.nonEmptyString(name).pipe(
    Config.mapOrFail((input) =>
      Either.mapLeft(durationFrom(input), (sentence) => ConfigError.InvalidData([], sentence))
    ),
    withDefault(standard)
  )

/** Long enough that nobody can guess it (characters). */
const shortestToken = 16

const accountsOf = (list: Redacted.Redacted): Either.Either<ReadonlyArray<Account>, ConfigError.ConfigError> => {
  const accounts: Array<Account> = []
  const wrong = (message: string) => Either.left(ConfigError.InvalidData(["API_TOKENS"], message))
  for (const entry of Redacted.value(list).split(",")) {
    const [name = "", token = "", role, ...more] = entry.trim().split(":")
    if (!/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/.test(name) || more.length > 0)
      return wrong("expected user:token or user:token:administrator, separated by commas")
    if (token.length < shortestToken) return wrong(`the token of ${name} is shorter than ${shortestToken} characters`)
    if (role !== undefined && role !== "administrator") return wrong(`the role of ${name} can only be administrator`)
    if (accounts.some((account) => Redacted.value(account.token) === token))
      return wrong(`${name} has the same token as another account`)
    accounts.push({ name, token: Redacted.make(token), isAdministrator: role === "administrator" })
  }
  return Either.right(accounts)
}
