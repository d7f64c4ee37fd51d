/** What starts that are gone left of their copies. */
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import { removeUnfinished, unfinishedBeside } from "../BackupFiles.ts"
import { look } from "./DatabaseLook.ts"
import { transaction } from "./Transaction.ts"
import type { Room } from "./UpgradeRoom.ts"

/**
 * Removes what starts and restores that are gone left of their copies: a partial copy, and a backup whose upgrade was
 * never committed, for it has its name before the commit. Who makes a copy holds the write lock, so that nobody is at
 * work on one while it is ours. What stays is removed by the next start.
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
            // Who holds the write lock may be making one of them, or removing them as this start would.
            Effect.logWithLevel(
              failure.retryable && level !== LogLevel.Debug ? LogLevel.Info : level,
              `Unfinished copies stay: ${remains.join(", ")} (${failure.message})`
            )
          )
        )
  ).pipe(Effect.ignoreLogged, Effect.uninterruptible)
