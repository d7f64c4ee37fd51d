/** Whether a deadline leaves time for the backup. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Attempt } from "../../start/Attempt.ts"
import { formatMillis, megabytes } from "../../start/Measure.ts"
import { titleOf } from "../../start/MigrationSource.ts"
import { backupsOf } from "../BackupFiles.ts"
import type { DatabaseConfig } from "../DatabaseConfig.ts"
import { atEdge } from "../edge.ts"
import { bytesOf } from "../PageCheck.ts"
import { copyTime, enoughFor } from "./CopyTime.ts"
import type { Seen } from "./DatabaseLook.ts"
import { guardRows } from "./RowGuard.ts"
import { upgradeError } from "./UpgradeError.ts"
import { notCounted, type Room } from "./UpgradeRoom.ts"

/**
 * Refuses a deadline that was set and is certainly too short for the backup, before the write lock is taken. Otherwise
 * each restart by a supervisor would block all writers until it fails. If the deadline is too short by the rate of the
 * last backup, it only warns. The default deadline is extended by progress, so it needs no check.
 */
export const requireTime = Effect.fnUntraced(function* (
  room: Pick<Room, "config" | "database">,
  { objects, verdict }: Seen,
  { breathe }: Attempt
) {
  const { config, database } = room
  const deadline = deadlineOf(config)
  const newest = verdict.pending.at(-1)
  if (deadline === undefined || newest === undefined || config.backups === 0) return
  const { sqlite } = database
  if (yield* atEdge(guardRows(sqlite, objects, breathe).isEmpty, notCounted)) return
  const bytes = yield* bytesOf(sqlite)
  const time = copyTime(bytes, yield* Effect.orElseSucceed(backupsOf(database.file), () => []))
  if (time.likely <= deadline.millis) return
  const cure = `Set ${deadline.setting} to ${formatMillis(enoughFor(bytes, time))}, or leave it unset: the default deadline is extended while the work makes progress. If you make backups yourself, set \`backups\` to 0.`
  if (time.least <= deadline.millis) {
    const took = `The backup of ${megabytes(bytes)} MB before ${titleOf(newest)} would take ${formatMillis(time.likely)} at the rate of the last one`
    return yield* Effect.logWarning(`${took}, and the deadline is ${formatMillis(deadline.millis)}. ${cure}`)
  }
  const detail = `copying ${megabytes(bytes)} MB takes ${formatMillis(time.least)} at least, and the deadline is ${formatMillis(deadline.millis)}`
  return yield* upgradeError("DeadlineTooShort", { migration: titleOf(newest), detail, cure })
})

/** The shorter deadline of those that were set. */
const deadlineOf = ({ isTimeoutDefault, policies, timeout }: DatabaseConfig["Type"]) => {
  const whole = isTimeoutDefault ? Number.POSITIVE_INFINITY : Duration.toMillis(timeout)
  const stage = Duration.toMillis(policies.migrations.timeout)
  const millis = Math.min(whole, stage)
  if (millis === Number.POSITIVE_INFINITY) return undefined
  const setting = stage < whole ? "`policies.migrations.timeout`" : "`timeout` (`--timeout`, DATABASE_TIMEOUT)"
  return { millis, setting }
}
