/** Removes what ended starts left of their copies. */
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import { removeUnfinished, unfinishedBeside } from "../BackupFiles.ts"
import { look } from "./DatabaseLook.ts"
import { transaction } from "./Transaction.ts"
import type { Room } from "./UpgradeRoom.ts"

/**
 * Removes what ended starts and restores left: partial copies, and backups whose upgrade was never committed (a backup
 * gets its name before the commit). A process that makes a copy holds the write lock, so while we hold it no copy is in
 * use. The next start removes what stays.
 */
export const removeRemains = ({ config, database: { file, sqlite }, source }: Room, level: LogLevel.LogLevel) =>
  Effect.flatMap(unfinishedBeside(file), (remains) =>
    remains.length === 0
      ? Effect.void
      : transaction(
          sqlite,
          { begin: sqlite.run("BEGIN IMMEDIATE") },
          (failure) => failure,
          Effect.flatMap(look(config, source, sqlite), ({ verdict }) => removeUnfinished(file, verdict.version))
        ).pipe(
          Effect.catchAll((failure) =>
            // The process with the write lock may be making one of them, or removing them.
            Effect.logWithLevel(
              failure.retryable && level !== LogLevel.Debug ? LogLevel.Info : level,
              `Unfinished copies stay: ${remains.join(", ")} (${failure.message})`
            )
          )
        )
  ).pipe(Effect.ignoreLogged, Effect.uninterruptible)
