/**
 * The stages of one start: when it began, by when it must be over, and what each stage did. Every stage runs through
 * `stage`, so that retries, deadlines, spans, metrics, logs and the report cannot differ from room to room.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Metric from "effect/Metric"
import { eventLoopTurn } from "../machine/eventLoopTurn.ts"
import { describeHolders, type Holder } from "../machine/FileLocks.ts"
import type { Attempt, StageError } from "./Attempt.ts"
import { isPassed } from "./atOnce.ts"
import { begin, isFinal, isHeard, logStage, mayPass, retryAfter, within } from "./attempts.ts"
import { databaseAttributes } from "./databaseSpan.ts"
import type { LockError } from "./LockError.ts"
import type { Step } from "./Measure.ts"
import type { ProgressEvent } from "./ProgressEvent.ts"
import { defaultPolicies, type Policies, type StageName } from "./policy.ts"
import { inDatabase, type Refusal } from "./Refusal.ts"
import { StageTimeoutError } from "./StageTimeoutError.ts"
import { measures, stageRefusals } from "./stageMetrics.ts"
import { type Entry, reportOf, type Timeline, timeBetween } from "./Timeline.ts"

/** What a start is allowed, and who is told of it. */
export interface StartOptions {
  /** Deadline of the whole start. */
  readonly timeout: Duration.Duration
  /** The deadline is the default one: progress extends it. */
  readonly isTimeoutDefault: boolean
  readonly policies: Policies
  readonly onProgress: (event: ProgressEvent) => Effect.Effect<unknown>
}

/**
 * What an engine knows of locks. For one stage, with the milliseconds since the start began: who holds what a refusal
 * waits for, as far as it can be seen. Fails when waiting cannot help.
 */
export type WatchLocks = (
  stage: StageName,
  elapsed: () => number
) => (refusal: Refusal) => Effect.Effect<ReadonlyArray<Holder>, LockError>

/** Milliseconds for which a run of many statements may hold the event loop: one frame. */
const longestHold = 16

/** Begins a start on `database`, the absolute path that its refusals name. */
export const makeStages = Effect.fnUntraced(function* (options: StartOptions, database: string, watch: WatchLocks) {
  const clock = yield* Effect.clock
  const begunAt = clock.unsafeCurrentTimeMillis()
  const begunNanos = clock.unsafeCurrentTimeNanos()
  const entries: Array<Entry> = []
  const applied: Array<string> = []
  let backup: string | undefined
  let current: StageName | undefined

  /** Milliseconds of this start, whatever happens to the wall clock. */
  const elapsed = () => timeBetween(begunNanos, clock.unsafeCurrentTimeNanos())
  /** Those in which something that is measured moved on. */
  let moving = 0

  const stepOf = ({ measure, since }: Entry): Step | undefined =>
    measure === undefined ? undefined : { ...measure, forMs: Math.round(elapsed() - since) }

  const stage = <A, E extends Refusal, R>(
    name: StageName,
    attempt: (attempt: Attempt) => Effect.Effect<A, E, R>,
    found: (value: A) => string
  ) =>
    Effect.withFiberRuntime<A, E | StageError, R>((fiber) => {
      const policy = options.policies[name]
      const place = { stage: name, database }
      const startedAt = clock.unsafeCurrentTimeMillis()
      const startedNanos = clock.unsafeCurrentTimeNanos()
      const before = { at: elapsed(), moving }
      /** Of the stage and of the whole start, in milliseconds. */
      const limits = () => {
        const isDefault = policy.timeout === defaultPolicies[name].timeout
        return {
          stage: Duration.toMillis(policy.timeout) + (isDefault ? moving - before.moving : 0),
          start: Duration.toMillis(options.timeout) + (options.isTimeoutDefault ? moving : 0)
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
      const progress: Attempt["progress"] = (
        what,
        done,
        total,
        { detail = "", isTold = true, unit = "bytes" } = {}
      ) => {
        const now = elapsed()
        doing(what)
        if (entry.measure !== undefined && done > entry.measure.done) moving += now - entry.lookedAt
        entry.lookedAt = now
        entry.measure = { done, total, unit, detail }
        if (!isTold) return Effect.void
        return Effect.asVoid(
          options.onProgress({
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

      const committed: Attempt["committed"] = (what) => {
        applied.push(...what.applied)
        backup ??= what.backup
      }

      const holdersBehind = watch(name, elapsed)
      const refused = Effect.fnUntraced(function* (refusal: E) {
        if (!refusal.retryable) return
        doing("")
        const holders = yield* holdersBehind(refusal)
        entry.holders = holders
        const { attempts } = entry
        const reason = `${refusal.sentence}${describeHolders(holders)}`
        entry.found = reason
        const at = clock.unsafeCurrentTimeMillis()
        yield* options.onProgress({ _tag: "StageWaiting", stage: name, at, attempts, reason, holders })
        yield* Effect.logDebug(`Waiting: ${reason}`)
      })

      const tried = () => {
        entry.attempts += 1
        doing("")
        return attempt({ inTime, left: remaining, breathe, doing, progress, committed, clock })
      }
      const judged = (outcome: Effect.Effect<A, E, R>) =>
        outcome.pipe(
          Effect.mapError((refusal) => inDatabase(database, refusal)),
          Effect.tapError((refusal) => (isFinal(refusal) ? Effect.void : refused(refusal)))
        )
      /** The first attempt has begun already: what it gives is tried again as long as that may help. */
      const whole = (first: Effect.Effect<A, E, R>) =>
        Effect.catchAll(judged(first), (refusal) =>
          mayPass(refusal)
            ? retryAfter(
                Effect.suspend(() => judged(tried())),
                refusal,
                { schedule: policy.schedule, while: mayPass }
              )
            : Effect.fail(refusal)
        )

      /** What a stage leaves behind: measures, a line if debug lines are logged, and an event. */
      const leave = (outcome: string, event: (at: number) => ProgressEvent): Effect.Effect<unknown> => {
        entry.durationMs = timeBetween(startedNanos, clock.unsafeCurrentTimeNanos())
        const { attempts, duration } = measures(name)
        const labels = fiber.getFiberRef(FiberRef.currentMetricLabels)
        duration.unsafeUpdate(entry.durationMs, labels)
        attempts.unsafeUpdate(entry.attempts, labels)
        const told = options.onProgress(event(clock.unsafeCurrentTimeMillis()))
        return isHeard(fiber) ? Effect.zipRight(logStage(place, `${outcome}: ${entry.found}`), told) : told
      }
      const passed = (value: A): Effect.Effect<unknown> => {
        entry.found = found(value)
        current = undefined
        return leave("Passed", (at) => ({ _tag: "StagePassed", stage: name, at, found: entry.found }))
      }
      const failed = (refusal: E | StageError): Effect.Effect<unknown> => {
        entry.found = refusal.sentence
        const refusals = Metric.tagged(Metric.tagged(stageRefusals, "stage", name), "reason", refusal.reason)
        return Effect.zipRight(
          Metric.increment(refusals),
          Effect.suspend(() =>
            leave("Refused", (at) => ({ _tag: "StageFailed", stage: name, at, reason: entry.found }))
          )
        )
      }

      const started = options.onProgress({ _tag: "StageStarted", stage: name, at: startedAt })
      const attributes = databaseAttributes(database, name)
      const spanOf = Effect.makeSpan(`database-ready.${name}`, { attributes, captureStackTrace: false })
      const run = Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(spanOf, (span): Effect.Effect<A, E | StageError, R> => {
          const first = begin(tried)
          // Nearly every stage passes at once: then it costs one span and one call.
          if (!isPassed(first)) {
            return within(place, { clock, restore, span }, whole(first), remaining, tooLate).pipe(
              Effect.tapBoth({
                onFailure: (refusal) => restore(failed(refusal)),
                onSuccess: (value) => restore(passed(value))
              })
            )
          }
          span.end(clock.unsafeCurrentTimeNanos(), first)
          const left = passed(first.value)
          return isPassed(left) ? first : Effect.zipRight(restore(left), first)
        })
      )
      return isPassed(started) ? run : Effect.zipRight(started, run)
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

  return { stage, timeline }
})
