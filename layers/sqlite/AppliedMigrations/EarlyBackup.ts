/** A backup of a large database, made while others write. */

import type * as FileSystem from "@effect/platform/FileSystem"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Attempt } from "../../start/Attempt.ts"
import { titleOf } from "../../start/MigrationSource.ts"
import { earlyCopyOf, removeOrWarn } from "../BackupFiles.ts"
import type { Upgrade as Versions } from "../BackupNames.ts"
import { largeCopy } from "../DatabaseCopy.ts"
import { type EarlyCopy, makeEarlyCopy, type Pinned } from "../EarlyCopy.ts"
import { lockForCopying } from "../LockFile.ts"
import { bytesOf, checkCopy } from "../PageCheck.ts"
import { isLock } from "../Sqlite.ts"
import type { Seen } from "./DatabaseLook.ts"
import { upgradeError } from "./UpgradeError.ts"
import type { Room } from "./UpgradeRoom.ts"

/** Whether the copy is made while others write: allowed, made, or `undefined` if it is made with the lock held. */
export type Early =
  | { readonly _tag: "Allowed"; readonly scope: Scope.Scope }
  | { readonly _tag: "Made"; readonly copy: EarlyCopy; readonly versions: Versions }
  | undefined

/**
 * All statements worked. They are rolled back to let others write while the copy is made, and then run again. So a
 * release that fails copies nothing, and one that works holds the write lock only while its statements run, twice.
 */
export class CopyFirst extends Data.TaggedError("CopyFirst")<{
  readonly from: string | undefined
  readonly to: string
  readonly moment: Pinned
  readonly scope: Scope.Scope
}> {}

/**
 * One start at a time: the others wait here, before they take the write lock. Not with Effects: they must run only
 * once, because they may do something elsewhere. Not for small databases: copying them is fast.
 */
export const decideEarlyCopy = Effect.fnUntraced(function* ({ config, database }: Room, { isBlank, verdict }: Seen) {
  const { file, sqlite } = database
  const [newest] = verdict.pending.slice(-1)
  if (isBlank || config.inMemory || config.backups === 0 || newest === undefined) return undefined
  if (verdict.pending.some(({ body }) => body._tag === "Effect") || (yield* bytesOf(sqlite)) <= largeCopy)
    return undefined
  // Keeps the copy and its lock until the upgrade ends.
  const allowed: Early = { _tag: "Allowed", scope: yield* Effect.scope }
  return yield* lockForCopying(file).pipe(
    Effect.as<Early>(allowed),
    Effect.catchAll(({ code, detail }) =>
      isLock(code)
        ? // EBUSY: this lock is not one of the database's.
          upgradeError("Busy", { migration: titleOf(newest), failure: { code: "EBUSY", detail, retryable: true } })
        : Effect.succeed<Early>(undefined)
    )
  )
})

/**
 * If the early copy fails for any reason, the copy is made later, with the lock held. Damage found by the check is
 * still reported.
 */
export const copyEarly = ({ database: { file, sqlite } }: Room, versions: Versions, moment: Pinned, attempt: Attempt) =>
  makeEarlyCopy(file, versions, moment, sqlite, (copy) => checkCopy(copy, attempt.progress), attempt).pipe(
    Effect.map((copy): Early => ({ _tag: "Made", copy, versions })),
    Effect.catchTags({
      SqliteFailure: copyWithLockHeld,
      SystemFailure: copyWithLockHeld
    }),
    Effect.tap((made) =>
      made === undefined ? Effect.zipRight(moment.release, removeOrWarn(earlyCopyOf(file, versions))) : Effect.void
    ),
    Effect.tap(() => attempt.inTime)
  )

const copyWithLockHeld = ({ code, detail }: { readonly code: string; readonly detail: string }) =>
  Effect.as(Effect.logDebug(`The backup is made with the write lock held (${code}: ${detail})`), undefined)

/** The early copy with all later commits, if it is of this upgrade. */
export const catchUp = (
  early: Early,
  { from, to }: Versions
): Effect.Effect<EarlyCopy | undefined, never, FileSystem.FileSystem> =>
  early?._tag === "Made" && early.versions.from === from && early.versions.to === to
    ? Effect.map(early.copy.catchUp, (isCaughtUp) => (isCaughtUp ? early.copy : undefined))
    : Effect.succeed(undefined)

/** To copy, flush and check takes about ten seconds per GB. */
export const millisToCopy = (bytes: number): number => bytes / 100_000
