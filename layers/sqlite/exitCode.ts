/** The exit codes of a program on a database. They tell a supervisor whether a restart helps. */
import type { MigrationFilesError } from "../start/MigrationFilesError.ts"
import type { CopyError } from "./CopyError.ts"
import type { FleetError } from "./FleetError.ts"
import type { InitializationError } from "./InitializationReport.ts"
import type { ReadError } from "./ReadError.ts"
import type { RestoreError } from "./RestoreError.ts"
import type { WriteError } from "./WriteError.ts"

/** The exit codes of `database-ready`, after sysexits(3). */
export const exitCode = {
  /** The database is ready. */
  ready: 0,
  /** The settings are wrong. */
  usage: 64,
  /** The database or a migration is at fault. */
  data: 65,
  /** The program cannot be run here: its driver, or a defect. */
  defect: 70,
  /** The directory or the file cannot be created or opened. */
  cannotCreate: 73,
  /** The disk failed, or is full. */
  inputOutput: 74,
  /** Another start can help by itself. */
  tryAgain: 75,
  /** The database is newer than the program. */
  newerDatabase: 76,
  /** This user may not use the file or its directory. */
  permission: 77
} as const

/** One of them. */
export type ExitCode = (typeof exitCode)[keyof typeof exitCode]

/** What a program on a database may end with: a start, a backup, a restore, a read, a write, or the health check was refused. */
export type RefusedError =
  | InitializationError
  | RestoreError
  | CopyError
  | ReadError
  | WriteError
  | FleetError
  | MigrationFilesError

/**
 * The exit code of a refusal, as `database-ready` ends with it. `teardown` ends a program with it.
 *
 * @example
 * ```ts
 * import { type InitializationError, exitCode, exitCodeOf } from "database-ready"
 *
 * export const isWorthARestart = (error: InitializationError) => exitCodeOf(error) === exitCode.tryAgain
 * ```
 */
export const exitCodeOf = (error: RefusedError): ExitCode => {
  // A new reason anywhere in the library does not compile until it has an exit code here.
  // Every timeout is retryable.
  if (error.retryable) return exitCode.tryAgain
  switch (error._tag) {
    case "MigrationSourceError":
      return error.reason === "DirectoryUnreadable" ? ofSystem(error.code) : exitCode.data
    case "DirectoryError":
      return ofDirectory[error.reason]
    case "FleetError":
      return error.reason === "Unreadable" ? ofSystem(error.code) : ofFleet[error.reason]
    case "MigrationFilesError":
      return error.reason === "NotWritten" ? ofWriting(error.code) : exitCode.usage
    case "LockError":
      return exitCode.cannotCreate
    case "ConnectionError":
      return ofConnection[error.reason]
    case "PragmaError":
      if (error.reason === "OutOfRange") return exitCode.usage
      return error.reason === "Mismatch" ? exitCode.data : ofSqlite(error.got)
    case "HistoryError":
      return error.reason === "NewerDatabase" ? exitCode.newerDatabase : ofSqlite(error.code)
    // `ReadError` and `WriteError` have the tag of `SqlError`.
    case "SqlError":
      if (isOfConnection(error.reason)) return ofConnection[error.reason]
      if (error.reason === "WouldWrite" || error.reason === "WithinRead") return exitCode.defect
      return error.reason === "NewerDatabase" ? exitCode.newerDatabase : ofSqlite(error.code)
    case "BackupError":
      return ofWriting(error.code)
    case "CopyError":
      if (error.reason === "NotSound") return exitCode.data
      if (error.reason === "NoPlace") return ofSystem(error.code)
      return /^(InvalidName|Exists|NoCompression)$/.test(error.reason) ? exitCode.usage : ofWriting(error.code)
    case "RestoreError":
      return /^(NoBackup|Ambiguous|SameFile)$/.test(error.reason)
        ? exitCode.usage
        : error.reason === "NotABackup"
          ? exitCode.data
          : ofWriting(error.code)
    case "UpgradeError":
      if (error.reason === "DeadlineTooShort") return exitCode.usage
      return error.reason === "Pending" ? exitCode.tryAgain : ofSqlite(error.code)
    case "IntegrityError":
      return ofSqlite(error.code)
  }
}

type ReasonOf<Tag> = Extract<InitializationError, { readonly _tag: Tag }>["reason"]

const ofDirectory: Record<ReasonOf<"DirectoryError">, ExitCode> = {
  InvalidFilename: exitCode.usage,
  NotADirectory: exitCode.cannotCreate,
  // Only `status` can find no directory: nothing was initialized yet.
  NotFound: exitCode.tryAgain,
  PermissionDenied: exitCode.permission,
  BrokenLink: exitCode.cannotCreate,
  ReadOnlyFilesystem: exitCode.cannotCreate,
  DiskFull: exitCode.inputOutput,
  NetworkFilesystem: exitCode.cannotCreate,
  UnknownFilesystem: exitCode.cannotCreate,
  Unavailable: exitCode.inputOutput
}

const ofFleet: Record<Exclude<FleetError["reason"], "Unreadable">, ExitCode> = {
  InvalidName: exitCode.usage,
  InvalidExtension: exitCode.usage,
  NotFound: exitCode.tryAgain,
  Linked: exitCode.cannotCreate
}

const ofConnection: Record<ReasonOf<"ConnectionError">, ExitCode> = {
  Absent: exitCode.tryAgain,
  NotRecovered: exitCode.tryAgain,
  Orphaned: exitCode.data,
  Moved: exitCode.tryAgain,
  NotAFile: exitCode.cannotCreate,
  NotADatabase: exitCode.data,
  Damaged: exitCode.data,
  CannotCreate: exitCode.cannotCreate,
  CannotOpen: exitCode.cannotCreate,
  PermissionDenied: exitCode.permission,
  ReadOnly: exitCode.permission,
  NotReadable: exitCode.permission,
  NotShared: exitCode.permission,
  DiskFull: exitCode.inputOutput,
  IoError: exitCode.inputOutput,
  Busy: exitCode.tryAgain,
  Replaced: exitCode.tryAgain,
  DriverNotLoaded: exitCode.defect,
  OnOpenFailed: exitCode.defect,
  MissingExtension: exitCode.defect,
  UnsafeDriver: exitCode.defect,
  UnsafeSqlite: exitCode.defect,
  ForeignApplication: exitCode.data
}

const isOfConnection = (reason: string): reason is ReasonOf<"ConnectionError"> => Object.hasOwn(ofConnection, reason)

/** Another file is at the path, or a crash left work to complete first. The next start may succeed. */
const mayPassNextTime = (code: string): boolean => /^SQLITE_READONLY_(DBMOVED|ROLLBACK|RECOVERY)$/.test(code)

const ofSqlite = (code: string): ExitCode => {
  if (mayPassNextTime(code)) return exitCode.tryAgain
  if (/^SQLITE_(FULL|IOERR)/.test(code)) return exitCode.inputOutput
  if (/^SQLITE_(READONLY|PERM|AUTH)/.test(code)) return exitCode.permission
  if (code.startsWith("SQLITE_CANTOPEN")) return exitCode.cannotCreate
  return exitCode.data
}

/** The code of a copy that could not be made. */
const ofWriting = (code: string): ExitCode =>
  mayPassNextTime(code)
    ? exitCode.tryAgain
    : /^(EACCES|EPERM|EROFS|SQLITE_READONLY)/.test(code)
      ? exitCode.permission
      : exitCode.inputOutput

const ofSystem = (code: string): ExitCode => {
  if (code === "EACCES" || code === "EPERM") return exitCode.permission
  return code === "ENOENT" || code === "ENOTDIR" ? exitCode.usage : exitCode.inputOutput
}
