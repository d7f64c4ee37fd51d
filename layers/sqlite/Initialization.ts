/**
 * One start: when it began, by when it must be over, and what each stage did. Every stage runs
 * through `stage`, so that retries, deadlines, spans, metrics, logs and the report cannot differ
 * from room to room.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { eventLoopTurn } from "../machine/eventLoopTurn.ts"
import { describeHolders, type Holder, holdersOf, ownDescriptorsOn } from "../machine/FileLocks.ts"
import { again, isFinal, isHeard, mayPass, noted, within } from "../start/attempts.ts"
import { LockError } from "../start/LockError.ts"
import type { Measure, Step } from "../start/Measure.ts"
import { defaultPolicies, type StageName } from "../start/policy.ts"
import { inDatabase, type Refusal } from "../start/Refusal.ts"
import { StageTimeoutError } from "../start/StageTimeoutError.ts"
import { measures, stageRefusals } from "../start/stageMetrics.ts"
import { type Entry, reportOf, type Timeline, timeBetween } from "../start/Timeline.ts"
import { DatabaseConfig, type ProgressEvent } from "./DatabaseConfig.ts"
import { absoluteName } from "./DatabasePath.ts"
import { isLockedByNobody, refusesLocks } from "./RefusedLocks.ts"
import { isLockFailure } from "./Sqlite.ts"

/** What any stage can be refused with: its deadline passed, or waiting for a lock cannot help. */
export type StageError = StageTimeoutError | LockError

/** @internal One attempt of a stage, as the stage sees it. */
export interface Attempt {
  /**
   * Fails when the deadline has passed. For the moment before a commit: a statement that runs cannot
   * be cut off, but what it did can still be rolled back.
   */
  readonly inTime: Effect.Effect<void, StageTimeoutError>
  /** Milliseconds until the deadline, which what moves on may put off. */
  readonly left: () => number
  /**
   * For between two statements of many: lets timers, signals and the deadline have their turn when the
   * event loop has been held for 16 ms, and costs a look at the clock otherwise.
   */
  readonly breathe: Effect.Effect<void>
  /** Says what is going on, for a timeout to name: "applying 003_add_owner". */
  readonly doing: (what: string) => void
  /**
   * Tells how far something is that takes long, by bytes unless a unit is given. The time in which it moves on is
   * not counted by a deadline that nobody has set.
   */
  readonly progress: (
    doing: string,
    done: number,
    total: number,
    more?: Partial<Pick<Measure, "unit" | "detail"> & { readonly isTold: boolean }>
  ) => Effect.Effect<void>
  /** Says what is committed: it stands, however the start ends. */
  readonly committed: (what: Committed) => void
}

interface Committed {
  /** Migrations, as `NNN_name`. */
  readonly applied: ReadonlyArray<string>
  /** Absolute path of the copy that was made before; undefined where none was. */
  readonly backup: string | undefined
}

/** Milliseconds for which a run of many statements may hold the event loop: one frame. */
const longestHold = 16

/** Milliseconds before it is looked again who holds a lock: the look costs more than an attempt. */
const holdersHold = 1000

/** The same where nobody was seen to hold it, for the filesystem may refuse locks. */
const nobodyHolds = 500

/** Who meets a lock of this process that is in its own way: `refuse`s, lets the start `reopen` its connection, or `wait`s for it. */
type OwnLock = "refuse" | "reopen" | "wait"

/**
 * The start that is under way, to be looked at from outside: a probe can tell how far it is. Made once per start: a
 * second start needs a second one.
 */
export class Initialization extends Context.Tag("database-ready/Initialization")<
  Initialization,
  {
    /**
     * @internal
     * Runs a stage under its policy: tries again, by the policy's schedule, while the refusal is
     * `retryable`, until the stage's timeout or the deadline of the start.
     */
    readonly stage: <A, E extends Refusal, R>(
      name: StageName,
      attempt: (attempt: Attempt) => Effect.Effect<A, E, R>,
      found: (value: A) => string
    ) => Effect.Effect<A, E | StageError, R>
    /** @internal What the stages that follow do about a lock that this process alone holds. */
    readonly onOwnLock: (choice: OwnLock) => void
    /** How far the start is at this moment, while it runs and when it is over. */
    readonly timeline: Effect.Effect<Timeline>
  }
>() {
  /** Begins a start: its time counts from here. It runs once it is given to `DatabaseReady.make`. */
  static readonly make = Effect.fnUntraced(function* (config: DatabaseConfig["Type"]) {
    const clock = yield* Effect.clock
    const begunAt = clock.unsafeCurrentTimeMillis()
    const begunNanos = clock.unsafeCurrentTimeNanos()
    const entries: Array<Entry> = []
    const applied: Array<string> = []
    let backup: string | undefined
    let current: StageName | undefined
    let ownLock: OwnLock = "refuse"

    const database = absoluteName(config.filename)

    const tell = (event: ProgressEvent) => config.onProgress(event)

    /** Milliseconds of this start, whatever happens to the wall clock. */
    const elapsed = () => timeBetween(begunNanos, clock.unsafeCurrentTimeNanos())
    /** Those in which something that is measured moved on. */
    let moving = 0

    const stepOf = ({ measure, since }: Entry): Step | undefined =>
      measure === undefined ? undefined : { ...measure, forMs: Math.round(elapsed() - since) }

    const stage = Effect.fnUntraced(function* <A, E extends Refusal, R>(
      name: StageName,
      attempt: (attempt: Attempt) => Effect.Effect<A, E, R>,
      found: (value: A) => string
    ) {
      const policy = config.policies[name]
      const startedAt = clock.unsafeCurrentTimeMillis()
      const startedNanos = clock.unsafeCurrentTimeNanos()
      const before = { at: elapsed(), moving }
      /** Of the stage and of the whole start, in milliseconds. */
      const limits = () => {
        const isDefault = policy.timeout === defaultPolicies[name].timeout
        return {
          stage: Duration.toMillis(policy.timeout) + (isDefault ? moving - before.moving : 0),
          start: Duration.toMillis(config.timeout) + (config.isTimeoutDefault ? moving : 0)
        }
      }
      const entry: Entry = {
        name,
        startedAt,
        startedNanos,
        attempts: 0,
        durationMs: undefined,
        doing: "",
        measure: undefined,
        since: 0,
        lookedAt: 0,
        found: "",
        holders: []
      }
      entries.push(entry)
      current = name

      const tooLate = () => {
        const allowed = limits()
        const isOwn = before.at + allowed.stage <= allowed.start
        return new StageTimeoutError({
          reason: isOwn ? "Stage" : "Start",
          stage: name,
          timeoutMs: Math.round(isOwn ? allowed.stage : allowed.start),
          attempts: entry.attempts,
          doing: entry.doing,
          step: stepOf(entry),
          waitingFor: entry.found,
          holders: entry.holders,
          database
        })
      }
      const remaining = () => {
        const allowed = limits()
        return Math.min(before.at + allowed.stage, Math.max(before.at, allowed.start)) - elapsed()
      }
      const inTime = Effect.suspend(() => (remaining() < 0 ? Effect.fail(tooLate()) : Effect.void))

      let heldSince = before.at
      const breathe = Effect.suspend(() => {
        const now = elapsed()
        if (now - heldSince < longestHold) return Effect.void
        heldSince = now
        return eventLoopTurn
      })

      const doing: Attempt["doing"] = (what) => {
        if (what === entry.doing) return
        entry.doing = what
        entry.measure = undefined
        entry.since = elapsed()
      }
      const progress: Attempt["progress"] = (what, done, total, { detail = "", isTold = true, unit = "bytes" } = {}) =>
        Effect.suspend(() => {
          const now = elapsed()
          doing(what)
          if (entry.measure !== undefined && done > entry.measure.done) moving += now - entry.lookedAt
          entry.lookedAt = now
          entry.measure = { done, total, unit, detail }
          if (!isTold) return Effect.void
          return Effect.asVoid(
            tell({
              _tag: "StageProgress",
              stage: name,
              at: clock.unsafeCurrentTimeMillis(),
              doing: what,
              done: Math.min(done, total),
              total,
              unit,
              detail
            })
          )
        })

      const committed: Attempt["committed"] = (what) => {
        applied.push(...what.applied)
        backup ??= what.backup
      }

      let lookAgainAt = elapsed()
      let looks = { ours: 0, nobodys: 0 }
      /** Fails where waiting cannot help. */
      const judge = Effect.fnUntraced(function* ({ code = "" }: E, holders: ReadonlyArray<Holder>) {
        const isOurs = holders.length === 1 && holders[0]?.pid === process.pid
        looks = {
          ours: isOurs ? looks.ours + 1 : 0,
          nobodys: holders.length === 0 ? looks.nobodys + 1 : 0
        }
        // An attempt to connect has closed what it opened: the lock is another connection's.
        if (isOurs && name !== "connection" && ownLock !== "wait") {
          // SQLite keeps descriptors of connections that were closed: several need not be several connections.
          const isAlone = ownDescriptorsOn(config.filename) === 1
          if (isAlone || (ownLock === "reopen" && looks.ours > 1)) {
            return yield* new LockError({ reason: "NotReleased", stage: name, code, retryable: true, database })
          }
        }
        // Those in another namespace are not seen: only a file that is nobody's tells.
        if (config.access !== "initialize") return
        const isRefused =
          (looks.nobodys === 2 && (yield* refusesLocks(config.filename))) ||
          // Of a filesystem that has other users no kernel shows all locks.
          (looks.nobodys === 4 && config.trustedFilesystems.length === 0 && (yield* isLockedByNobody(config.filename)))
        if (isRefused) {
          return yield* new LockError({ reason: "LocksRefused", stage: name, code, retryable: false, database })
        }
      })
      const refused = Effect.fnUntraced(function* (refusal: E) {
        if (!refusal.retryable) return
        doing("")
        if (!isLockFailure(refusal.code ?? "")) entry.holders = []
        else if (elapsed() >= lookAgainAt) {
          entry.holders = yield* holdersOf(config.filename)
          lookAgainAt = elapsed() + (entry.holders.length === 0 ? nobodyHolds : holdersHold)
          if (!config.inMemory) yield* judge(refusal, entry.holders)
        }
        const { attempts, holders } = entry
        const reason = `${refusal.sentence}${describeHolders(holders)}`
        entry.found = reason
        const at = clock.unsafeCurrentTimeMillis()
        yield* tell({ _tag: "StageWaiting", stage: name, at, attempts, reason, holders })
        yield* Effect.logDebug(`Waiting: ${reason}`)
      })

      const once = Effect.suspend(() => {
        entry.attempts += 1
        doing("")
        return attempt({ inTime, left: remaining, breathe, doing, progress, committed })
      }).pipe(
        Effect.mapError((refusal) => inDatabase(database, refusal)),
        Effect.tapError((refusal) => (isFinal(refusal) ? Effect.void : refused(refusal)))
      )

      const whole = Effect.catchAll(once, (refusal) =>
        mayPass(refusal) ? again(once, refusal, { schedule: policy.schedule, while: mayPass }) : Effect.fail(refusal)
      )

      /** What a stage leaves behind: measures, a line for who listens, and an event. */
      const leave = (outcome: string, event: (at: number) => ProgressEvent) =>
        Effect.withFiberRuntime<void>((fiber) => {
          entry.durationMs = timeBetween(startedNanos, clock.unsafeCurrentTimeNanos())
          const { attempts, duration } = measures[name]
          const labels = fiber.getFiberRef(FiberRef.currentMetricLabels)
          duration.unsafeUpdate(entry.durationMs, labels)
          attempts.unsafeUpdate(entry.attempts, labels)
          const told = tell(event(clock.unsafeCurrentTimeMillis()))
          return isHeard(fiber) ? Effect.zipRight(noted(name, `${outcome}: ${entry.found}`), told) : told
        })
      const passed = (value: A) => {
        entry.found = found(value)
        current = undefined
        return leave("Passed", (at) => ({ _tag: "StagePassed", stage: name, at, found: entry.found }))
      }
      const failed = (refusal: E | StageError) => {
        entry.found = refusal.sentence
        const refusals = Metric.tagged(Metric.tagged(stageRefusals, "stage", name), "reason", refusal.reason)
        return Effect.zipRight(
          Metric.increment(refusals),
          leave("Refused", (at) => ({ _tag: "StageFailed", stage: name, at, reason: entry.found }))
        )
      }

      yield* tell({ _tag: "StageStarted", stage: name, at: startedAt })
      const attributes = { "database.file": config.filename }
      const begun = Effect.makeSpan(`database-ready.${name}`, { attributes, captureStackTrace: false })
      return yield* within(name, { begun, clock }, whole, remaining, tooLate).pipe(
        Effect.tapBoth({ onFailure: failed, onSuccess: passed })
      )
    })

    const timeline = Effect.sync((): Timeline => {
      const now = clock.unsafeCurrentTimeNanos()
      const running = current === undefined ? undefined : entries.at(-1)
      return {
        startedAt: new Date(begunAt).toISOString(),
        durationMs: timeBetween(begunNanos, now),
        current,
        stages: reportOf(entries, now),
        applied: [...applied],
        backup,
        doing: running?.doing ?? "",
        step: running === undefined ? undefined : stepOf(running)
      }
    })

    const onOwnLock = (choice: OwnLock) => {
      ownLock = choice
    }

    return { stage, onOwnLock, timeline }
  })

  /** The same as a service, for `DatabaseReady.pipeline` and the stages. The time of the start counts from when it is built. */
  static readonly layer = Layer.effect(Initialization, Effect.flatMap(DatabaseConfig, Initialization.make))
}
