/** The exit codes of a program on a database. They tell a supervisor whether a restart helps. */
import type { Catalogued } from "../start/TaggedRefusal.ts"

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
export const exitCodeOf = (error: Catalogued): ExitCode =>
  // Every timeout is retryable.
  error.retryable ? exitCode.tryAgain : exitCode[error.entry.means]
