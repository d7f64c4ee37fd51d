/** What a program chooses about its database: each option with its unit, default and cost. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Permissions } from "../machine/FilePermissions.ts"
import type { ProgressEvent } from "../start/ProgressEvent.ts"
import { defaultPolicies, type Policies, type Policy, type StageName } from "../start/policy.ts"
import { isInMemory, withoutSecrets } from "./DatabasePath.ts"
import type { IntegrityPolicy } from "./IntegrityPolicy.ts"
import type { OnOpen } from "./OnOpen.ts"
import { defaultPragmas, type NewFile, type Pragmas } from "./PragmaOptions.ts"
import type { ClientOptions } from "./Transactions.ts"

/**
 * What a program chooses about its database. Only `filename` has no default. Durations are Effect's: `"5 seconds"`, or
 * milliseconds as a number.
 */
export interface DatabaseOptions {
  /** The database file, relative to the working directory, or `:memory:`. */
  readonly filename: string
  /**
   * `initialize` (default) makes the database ready. `inspect` takes the same look and writes nothing: it fails with
   * `UpgradeError`, reason `Pending`, where a start would apply something.
   */
  readonly access?: "initialize" | "inspect" | undefined
  /** How far the integrity stage looks. Default `auto`. `integrityPolicies` says what each policy costs. */
  readonly integrity?: IntegrityPolicy | undefined
  /**
   * Deadline of the whole start. Default 60 s, without the time in which something that is measured moves on: the look
   * at the pages of a large file, a copy, a checkpoint, statement after statement of a migration. One that is given
   * is counted whole.
   */
  readonly timeout?: Duration.DurationInput | undefined
  /** Timeout and retry schedule per stage; what is not given is `defaultPolicies`. */
  readonly policies?: { readonly [Stage in StageName]?: Partial<Policy> } | undefined
  /** The pragmas of the connection. What is not given has the default that `Pragmas` says. */
  readonly pragmas?: Partial<Pragmas> | undefined
  /**
   * Run on every connection that the library opens, before the first question: SQL functions, extensions with
   * collations, modules and tokenizers. With the URL of a module the pages of a large file can be checked in a child
   * process; with a function this process checks them, its event loop stands still, and a warning says so. What the
   * schema itself calls needs `pragmas.trustedSchema`. One that throws is refused with `ConnectionError`, reason
   * `OnOpenFailed`. Default nothing.
   */
  readonly onOpen?: OnOpen | undefined
  /** Settings that only a new file takes. Default SQLite's own. */
  readonly newFile?: NewFile | undefined
  /**
   * Marks the file as this program's, an int32 other than 0; a file of another program is refused. Default: neither
   * marked nor looked at (https://sqlite.org/pragma.html#pragma_application_id).
   */
  readonly applicationId?: number | undefined
  /** Name and version of the program, kept with each migration that it applies. Default "". */
  readonly program?: string | undefined
  /**
   * How many backups to keep: before an upgrade of a database with rows a checked copy is made beside it,
   * which takes its size in disk space and reads and writes it once. 0 makes none. Default 2.
   */
  readonly backups?: number | undefined
  /**
   * Who may use the database. `owner` (default): a new file gets mode 0600, missing directories 0700. `group`: 0660 and
   * 2770, whatever the umask, and a start is refused when the database or its directory does not let the group in.
   * Copies and backups always take owner, group and mode of the database. Files that root creates belong to the owner
   * of the directory.
   */
  readonly permissions?: Permissions | undefined
  /**
   * Types of filesystems, as the mount table names them (`9p`), that are trusted although they are not known to be
   * local. Where their locks do not work between all programs that use the file, commits are lost. Default none.
   */
  readonly trustedFilesystems?: ReadonlyArray<string> | undefined
  /** How the client names columns and tables, and what its spans carry. Default: as they are, and nothing more. */
  readonly client?: ClientOptions | undefined
  /** How long `DatabaseReady.write` waits for another process's write lock. Default 5 s. */
  readonly lockPatience?: Duration.DurationInput | undefined
  /**
   * How many connections `DatabaseReady.read` opens at most, each when it is first wanted and with a page cache of its
   * own. 0: `read` has the one connection. Default 4.
   */
  readonly readers?: number | undefined
  /** How often `DatabaseReady.healthChanges` looks. A look takes well under a millisecond. Default 1 s. */
  readonly healthInterval?: Duration.DurationInput | undefined
  /** Called at every step, within the start: what it takes, the start takes longer. Default none. */
  readonly onProgress?: ((event: ProgressEvent) => Effect.Effect<unknown>) | undefined
}

/** The options, complete: what is not given has its default. `DatabaseOptions` says what each means. */
export class DatabaseConfig extends Context.Tag("database-ready/DatabaseConfig")<
  DatabaseConfig,
  {
    /** The database file, relative to the working directory, or `:memory:`. */
    readonly filename: string
    /** Whether `filename` names a database in memory, which has no file. */
    readonly inMemory: boolean
    /** Whether the start makes the database ready, or only looks. */
    readonly access: "initialize" | "inspect"
    /** How far the integrity stage looks. */
    readonly integrity: IntegrityPolicy
    /** Deadline of the whole start. */
    readonly timeout: Duration.Duration
    /** The deadline is the default one: progress extends it. */
    readonly isTimeoutDefault: boolean
    /** Timeout and retry schedule of each stage. */
    readonly policies: Policies
    /** The pragmas of the connection. */
    readonly pragmas: Pragmas
    /** Run on every connection before the first question; undefined where there is nothing to do. */
    readonly onOpen: OnOpen | undefined
    /** Settings that only a new file takes. */
    readonly newFile: NewFile
    /** The mark of this program's files; undefined where they are neither marked nor looked at. */
    readonly applicationId: number | undefined
    /** Name and version of the program, or "". */
    readonly program: string
    /** How many backups to keep. */
    readonly backups: number
    /** Who may use the database. */
    readonly permissions: Permissions
    /** Types of filesystems that are trusted although they are not known to be local. */
    readonly trustedFilesystems: ReadonlyArray<string>
    /** How the client names columns and tables, and what its spans carry. */
    readonly client: ClientOptions
    /** How long `DatabaseReady.write` waits for another process's write lock. */
    readonly lockPatience: Duration.Duration
    /** How many connections `DatabaseReady.read` opens at most. */
    readonly readers: number
    /** How often `DatabaseReady.healthChanges` looks. */
    readonly healthInterval: Duration.Duration
    /** Called at every step, within the start. */
    readonly onProgress: (event: ProgressEvent) => Effect.Effect<unknown>
  }
>() {
  /** Puts the defaults in. Proves nothing: a value that SQLite does not take is refused by the start, with `PragmaError`. */
  static readonly from = (options: DatabaseOptions): DatabaseConfig["Type"] => ({
    filename: withoutSecrets(options.filename),
    inMemory: isInMemory(options.filename),
    access: options.access ?? "initialize",
    integrity: options.integrity ?? "auto",
    timeout: Duration.decode(options.timeout ?? "60 seconds"),
    isTimeoutDefault: options.timeout === undefined,
    policies: {
      directory: { ...defaultPolicies.directory, ...given(options.policies?.directory) },
      connection: { ...defaultPolicies.connection, ...given(options.policies?.connection) },
      pragmas: { ...defaultPolicies.pragmas, ...given(options.policies?.pragmas) },
      migrations: { ...defaultPolicies.migrations, ...given(options.policies?.migrations) },
      integrity: { ...defaultPolicies.integrity, ...given(options.policies?.integrity) }
    },
    pragmas: { ...defaultPragmas, ...given(options.pragmas) },
    onOpen: options.onOpen,
    newFile: options.newFile ?? {},
    applicationId: options.applicationId,
    program: options.program ?? "",
    backups: options.backups ?? 2,
    permissions: options.permissions ?? "owner",
    trustedFilesystems: options.trustedFilesystems ?? [],
    client: options.client ?? {},
    lockPatience: Duration.decode(options.lockPatience ?? "5 seconds"),
    readers: options.readers ?? 4,
    healthInterval: Duration.decode(options.healthInterval ?? "1 second"),
    onProgress: options.onProgress ?? (() => Effect.void)
  })

  /** The complete options as a service, for `DatabaseReady.pipeline` and the stages. */
  static readonly layer = (options: DatabaseOptions): Layer.Layer<DatabaseConfig> =>
    Layer.succeed(DatabaseConfig, DatabaseConfig.from(options))
}

/** What was really given: a key that is there with no value is not. */
const given = <A extends object>(partial: A | undefined): Partial<A> => {
  const entries: Partial<A> = { ...partial }
  for (const key in entries) if (entries[key] === undefined) delete entries[key]
  return entries
}
