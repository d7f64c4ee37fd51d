/** Every knob: its name, unit, default and cost. No other file reads the environment. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Holder } from "../machine/FileLocks.ts"
import type { Permissions } from "../machine/FilePermissions.ts"
import { defaultPolicies, type Policies, type Policy, type StageName } from "../start/policy.ts"
import { isInMemory } from "./DatabasePath.ts"
import type { ClientOptions } from "./Transactions.ts"

/**
 * How far the integrity stage looks.
 *
 * - `schema`: the schema fingerprint; costs the same for every size.
 * - `quick`: also `quick_check` and `foreign_key_check`, which read the whole file (about 3 s per GB).
 * - `full`: also `integrity_check`, which compares indexes with tables (about 30 s per GB).
 * - `auto`: `quick` after a migration, after an unclean shutdown and for small files, else `schema`.
 */
export const integrityPolicies = ["schema", "quick", "full", "auto"] as const
export type IntegrityPolicy = (typeof integrityPolicies)[number]

/** The pragmas of the connection that is handed out. `foreign_keys` is not among them: it is always on. */
export interface Pragmas {
  /** How long a statement of the service waits for a lock, inside SQLite, with the event loop standing still. Default 5 s. During the start, and while `DatabaseReady.write` asks for the lock, it is 0. */
  readonly busyTimeout: Duration.DurationInput
  /** Default `wal`: readers do not block the writer. An in-memory database has `memory` whatever is asked for. */
  readonly journalMode: "wal" | "delete" | "truncate" | "persist"
  /** Default `normal`: with WAL a power loss may cost the last commits, never integrity. `full` keeps every commit. */
  readonly synchronous: "normal" | "full" | "extra"
  /** Whether SQL in the schema may call functions with side effects. Default false (https://sqlite.org/pragma.html#pragma_trusted_schema). */
  readonly trustedSchema: boolean
  /** Finds damaged pages when they are read, at a small cost. Default true. */
  readonly cellSizeCheck: boolean
  /** Bytes of a journal that are kept after a checkpoint. Default 64 MiB. */
  readonly journalSizeLimit: number
  /** Default `memory`. */
  readonly tempStore: "default" | "file" | "memory"
  /** Page cache: pages when positive, KiB when negative. Default -64000 (64 MB). */
  readonly cacheSize: number
  /** Bytes of the file that are mapped into memory. Default 0: with several processes an I/O error in a mapping is a signal, not an error. */
  readonly mmapSize: number
}

const defaultPragmas: Pragmas = {
  busyTimeout: "5 seconds",
  journalMode: "wal",
  synchronous: "normal",
  trustedSchema: false,
  cellSizeCheck: true,
  journalSizeLimit: 64 * 1024 * 1024,
  tempStore: "memory",
  cacheSize: -64_000,
  mmapSize: 0
}

/**
 * What a file gets before its first page and keeps. It is set and read back where this start makes the file or finds
 * it empty; a database that is there keeps what it has.
 */
export interface NewFile {
  /** Bytes of a page, a power of two from 512 to 65536. Default SQLite's, 4096. */
  readonly pageSize?: number | undefined
  /** Default `none`: pages that are freed stay in the file. */
  readonly autoVacuum?: "none" | "full" | "incremental" | undefined
  /** How text is kept. Default `UTF-8`. */
  readonly encoding?: "UTF-8" | "UTF-16le" | "UTF-16be" | undefined
}

/** A step of the start, for programs that show progress. Times are milliseconds since the epoch, by Effect's `Clock`. */
export type ProgressEvent =
  | { readonly _tag: "StageStarted"; readonly stage: StageName; readonly at: number }
  | {
      readonly _tag: "StageWaiting"
      readonly stage: StageName
      readonly at: number
      readonly attempts: number
      readonly reason: string
      /** Who holds the lock that is waited for, as far as it can be seen. */
      readonly holders: ReadonlyArray<Holder>
    }
  | {
      readonly _tag: "StageProgress"
      readonly stage: StageName
      readonly at: number
      /** What is going on, such as "running quick_check". */
      readonly doing: string
      /** What of it is done, and what there is. */
      readonly done: number
      readonly total: number
      readonly unit: "bytes" | "statements" | "tables"
      /** What of it is going on, such as "statement 3 of 7, line 12"; "" where the figures say it all. */
      readonly detail: string
    }
  | { readonly _tag: "StagePassed"; readonly stage: StageName; readonly at: number; readonly found: string }
  | { readonly _tag: "StageFailed"; readonly stage: StageName; readonly at: number; readonly reason: string }

export interface DatabaseOptions {
  /** The database file, relative to the working directory, or `:memory:`. */
  readonly filename: string
  /** `initialize` (default) makes the database ready; `inspect` takes the same look and writes nothing. */
  readonly access?: "initialize" | "inspect" | undefined
  /** Default `auto`. */
  readonly integrity?: IntegrityPolicy | undefined
  /**
   * Deadline of the whole start. Default 60 s, without the time in which something that is measured moves on: the look
   * at the pages of a large file, a copy, a checkpoint, statement after statement of a migration. One that is given
   * is counted whole.
   */
  readonly timeout?: Duration.DurationInput | undefined
  /** Timeout and retry schedule per stage; what is not given is `defaultPolicies`. */
  readonly policies?: { readonly [Stage in StageName]?: Partial<Policy> } | undefined
  readonly pragmas?: Partial<Pragmas> | undefined
  /** Settings that only a new file takes. Default SQLite's own. */
  readonly newFile?: NewFile | undefined
  /** Marks the file as this program's, an int32 other than 0; a file of another program is refused. Default: neither marked nor looked at. */
  readonly applicationId?: number | undefined
  /** Name and version of the program, kept with each migration that it applies. */
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
   * Types of filesystems, as the mount table names them (`9p`), on which a database is let be although they are not
   * known to be local. Where their locks do not work between all who use the file, commits are lost. Default none.
   */
  readonly trustedFilesystems?: ReadonlyArray<string> | undefined
  /** How the client names columns and tables, and what its spans carry. */
  readonly client?: ClientOptions | undefined
  /** How long `DatabaseReady.write` waits for another process's write lock. Default 5 s. */
  readonly lockPatience?: Duration.DurationInput | undefined
  /** How often `DatabaseReady.healthChanges` looks. A look takes well under a millisecond. Default 1 s. */
  readonly healthInterval?: Duration.DurationInput | undefined
  /** Called at every step, within the start: what it takes, the start takes longer. */
  readonly onProgress?: ((event: ProgressEvent) => Effect.Effect<unknown>) | undefined
}

/** The options, complete. */
export class DatabaseConfig extends Context.Tag("database-ready/DatabaseConfig")<
  DatabaseConfig,
  {
    readonly filename: string
    readonly inMemory: boolean
    readonly access: "initialize" | "inspect"
    readonly integrity: IntegrityPolicy
    readonly timeout: Duration.Duration
    /** Nobody has set the deadline: it is put off while something moves on. */
    readonly isTimeoutDefault: boolean
    readonly policies: Policies
    readonly pragmas: Pragmas
    readonly newFile: NewFile
    readonly applicationId: number | undefined
    readonly program: string
    readonly backups: number
    readonly permissions: Permissions
    readonly trustedFilesystems: ReadonlyArray<string>
    readonly client: ClientOptions
    readonly lockPatience: Duration.Duration
    readonly healthInterval: Duration.Duration
    readonly onProgress: (event: ProgressEvent) => Effect.Effect<unknown>
  }
>() {
  static readonly from = (options: DatabaseOptions): DatabaseConfig["Type"] => ({
    filename: options.filename,
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
    newFile: options.newFile ?? {},
    applicationId: options.applicationId,
    program: options.program ?? "",
    backups: options.backups ?? 2,
    permissions: options.permissions ?? "owner",
    trustedFilesystems: options.trustedFilesystems ?? [],
    client: options.client ?? {},
    lockPatience: Duration.decode(options.lockPatience ?? "5 seconds"),
    healthInterval: Duration.decode(options.healthInterval ?? "1 second"),
    onProgress: options.onProgress ?? (() => Effect.void)
  })

  static readonly layer = (options: DatabaseOptions): Layer.Layer<DatabaseConfig> =>
    Layer.succeed(DatabaseConfig, DatabaseConfig.from(options))
}

/** What was really given: a key that is there with no value is not. */
const given = <A extends object>(partial: A | undefined): Partial<A> => {
  const entries: Partial<A> = { ...partial }
  for (const key in entries) if (entries[key] === undefined) delete entries[key]
  return entries
}
