/** Who holds the lock that a stage waits for, and whether waiting can help. */
import * as Effect from "effect/Effect"
import { type Holder, holdersOf, ownDescriptorsOn } from "../machine/FileLocks.ts"
import { LockError } from "../start/LockError.ts"
import type { WatchLocks } from "../start/stages.ts"
import type { DatabaseConfig } from "./DatabaseConfig.ts"
import { absoluteName } from "./DatabasePath.ts"
import { isLockedByNobody, refusesLocks } from "./RefusedLocks.ts"
import { isLockFailure } from "./Sqlite.ts"

/** What to do about a lock of this process that is in its own way: refuse, let the start open the database again, or wait. */
export type OwnLock = "refuse" | "reopen" | "wait"

/** Milliseconds until the next look at who holds a lock: the look costs more than an attempt. */
const holdersHold = 1000

/** The same when nobody was seen to hold it: the filesystem may refuse locks. */
const nobodyHolds = 500

export const watchLocks =
  (config: DatabaseConfig["Type"], ownLock: () => OwnLock): WatchLocks =>
  (stage, elapsed) => {
    const database = absoluteName(config.filename)
    let holders: ReadonlyArray<Holder> = []
    let lookAgainAt = elapsed()
    let looks = { ours: 0, nobodys: 0 }

    /** Fails when waiting cannot help. */
    const judge = Effect.fnUntraced(function* (code: string) {
      const isOurs = holders.length === 1 && holders[0]?.pid === process.pid
      looks = {
        ours: isOurs ? looks.ours + 1 : 0,
        nobodys: holders.length === 0 ? looks.nobodys + 1 : 0
      }
      // An attempt to connect has closed what it opened: the lock is another connection's.
      if (isOurs && stage !== "connection" && ownLock() !== "wait") {
        // SQLite keeps descriptors of connections that were closed: several need not be several connections.
        const isAlone = ownDescriptorsOn(config.filename) === 1
        if (isAlone || (ownLock() === "reopen" && looks.ours > 1)) {
          return yield* new LockError({ reason: "NotReleased", stage, code, retryable: true, database })
        }
      }
      // Holders in another namespace are not seen: only a file that nobody else can use proves anything.
      if (config.access !== "initialize") return
      const isRefused =
        (looks.nobodys === 2 && (yield* refusesLocks(config.filename))) ||
        // When a filesystem has other users, no kernel shows all locks.
        (looks.nobodys === 4 && config.trustedFilesystems.length === 0 && (yield* isLockedByNobody(config.filename)))
      if (isRefused) {
        return yield* new LockError({ reason: "LocksRefused", stage, code, retryable: false, database })
      }
    })

    return Effect.fnUntraced(function* ({ code = "" }) {
      if (!isLockFailure(code)) holders = []
      else if (elapsed() >= lookAgainAt) {
        holders = yield* holdersOf(config.filename)
        lookAgainAt = elapsed() + (holders.length === 0 ? nobodyHolds : holdersHold)
        if (!config.inMemory) yield* judge(code)
      }
      return holders
    })
  }
