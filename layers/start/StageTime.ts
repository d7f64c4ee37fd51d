/** The time of a start and of each stage in it: what is left, what a stage is doing, and how far that is. */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { eventLoopTurn } from "../machine/eventLoopTurn.ts"
import type { Attempt } from "./Attempt.ts"
import type { Step } from "./Measure.ts"
import type { ProgressEvent } from "./ProgressEvent.ts"
import { defaultPolicies, type Policies, type StageName } from "./policy.ts"
import { StageTimeoutError } from "./StageTimeoutError.ts"
import { type Entry, timeBetween } from "./Timeline.ts"

/** What a start is allowed, and who is told of it. */
export interface StartOptions {
  /** Deadline of the whole start. */
  readonly timeout: Duration.Duration
  /** The deadline is the default one: progress extends it. */
  readonly isTimeoutDefault: boolean
  readonly policies: Policies
  readonly onProgress: (event: ProgressEvent) => Effect.Effect<unknown>
}

/** Milliseconds for which a run of many statements may hold the event loop: one frame. */
const longestHold = 16

/** The clock of one start. */
export interface StartClock {
  readonly clock: Clock.Clock
  /** Milliseconds since the start began, whatever happens to the wall clock. */
  readonly elapsed: () => number
  /** Those in which something that is measured moved on. */
  moving: number
}

export const startClock = (clock: Clock.Clock): StartClock => {
  const begun = clock.unsafeCurrentTimeNanos()
  return { clock, elapsed: () => timeBetween(begun, clock.unsafeCurrentTimeNanos()), moving: 0 }
}

/** How far it is, and for how long it has been at it. */
export const stepOf = ({ elapsed }: StartClock, { measure, since }: Entry): Step | undefined =>
  measure === undefined ? undefined : { ...measure, forMs: Math.round(elapsed() - since) }

/** What one stage may ask and tell of its time. */
export interface StageTime {
  /** What it does, as the timeline has it. */
  readonly entry: Entry
  /** Milliseconds until its deadline or that of the whole start. */
  readonly remaining: () => number
  readonly tooLate: () => StageTimeoutError
  readonly attempt: Omit<Attempt, "committed">
}

/** Begins a stage. */
export const stageTime = (
  start: StartClock,
  { isTimeoutDefault, onProgress, policies, timeout }: StartOptions,
  name: StageName,
  database: string
): StageTime => {
  const { clock, elapsed } = start
  const policy = policies[name]
  const before = { at: elapsed(), moving: start.moving }
  /** Of the stage and of the whole start, in milliseconds. */
  const limits = () => {
    const isDefault = policy.timeout === defaultPolicies[name].timeout
    return {
      stage: Duration.toMillis(policy.timeout) + (isDefault ? start.moving - before.moving : 0),
      start: Duration.toMillis(timeout) + (isTimeoutDefault ? start.moving : 0)
    }
  }
  const entry: Entry = {
    name,
    startedAt: clock.unsafeCurrentTimeMillis(),
    startedNanos: clock.unsafeCurrentTimeNanos(),
    attempts: 0,
    durationMs: undefined,
    doing: "",
    measure: undefined,
    since: 0,
    lookedAt: 0,
    found: "",
    holders: []
  }

  const tooLate = () => {
    const allowed = limits()
    const isOwn = before.at + allowed.stage <= allowed.start
    return new StageTimeoutError({
      reason: isOwn ? "Stage" : "Start",
      stage: name,
      timeoutMs: Math.round(isOwn ? allowed.stage : allowed.start),
      attempts: entry.attempts,
      doing: entry.doing,
      step: stepOf(start, entry),
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
  const breathe = () => {
    const now = elapsed()
    if (now - heldSince < longestHold) return Effect.void
    heldSince = now
    return eventLoopTurn
  }

  const doing: Attempt["doing"] = (what) => {
    if (what === entry.doing) return
    entry.doing = what
    entry.measure = undefined
    entry.since = elapsed()
  }
  const progress: Attempt["progress"] = (what, done, total, { detail = "", isTold = true, unit = "bytes" } = {}) => {
    const now = elapsed()
    doing(what)
    if (entry.measure !== undefined && done > entry.measure.done) start.moving += now - entry.lookedAt
    entry.lookedAt = now
    entry.measure = { done, total, unit, detail }
    if (!isTold) return Effect.void
    return Effect.asVoid(
      onProgress({
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
  }
  return { entry, remaining, tooLate, attempt: { inTime, left: remaining, breathe, doing, progress, clock } }
}
