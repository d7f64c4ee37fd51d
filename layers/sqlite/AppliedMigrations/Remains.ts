/** Removes what ended starts left of their copies. */
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import { removeUnfinished, unfinishedBeside } from "../BackupFiles.ts"
import { atEdge } from "../edge.ts"
import type { Looks } from "../SharedLooks.ts"
import { look } from "./DatabaseLook.ts"
import { historyFailure } from "./HistoryError.ts"
import { transaction } from "./Transaction.ts"
import type { Room } from "./UpgradeRoom.ts"

/**
 * Removes what ended starts and restores left: partial copies, and backups whose upgrade was never committed (a backup
 * gets its name before the commit). A process that makes a copy holds the write lock, so while we hold it no copy is in
 * use. The next start removes what stays.
 */
export const removeRemains = (room: Room, level: LogLevel.LogLevel) =>
  Effect.suspend(() => {
    const remains = remainsOf(room)
    return remains.length === 0 ? Effect.void : remove(room, remains, level)
  })

/** What there is to remove, by names alone. If the directory cannot be read, a later start sees it. */
export const remainsOf = ({ database: { file }, looks }: Room): ReadonlyArray<string> =>
  unfinishedBeside(file, besideOf(looks, file))

/** Names beside a database; none where the directory cannot be read. */
export const besideOf = (looks: Looks, file: string): ReadonlyArray<string> => {
  try {
    return looks.beside(file)
  } catch {
    return []
  }
}

const remove = (
  { config, database: { file, sqlite }, source }: Room,
  remains: ReadonlyArray<string>,
  level: LogLevel.LogLevel
) =>
  transaction(
    sqlite,
    { begin: sqlite.run("BEGIN IMMEDIATE") },
    (failure) => failure,
    Effect.flatMap(
      atEdge(() => look(config, source, sqlite), historyFailure),
      ({ verdict }) => removeUnfinished(file, verdict.version)
    )
  ).pipe(
    Effect.catchAll((failure) =>
      // The process with the write lock may be making one of them, or removing them.
      Effect.logWithLevel(
        failure.retryable && level !== LogLevel.Debug ? LogLevel.Info : level,
        `Unfinished copies stay: ${remains.join(", ")} (${failure.message})`
      )
    ),
    Effect.ignoreLogged,
    Effect.uninterruptible
  )
