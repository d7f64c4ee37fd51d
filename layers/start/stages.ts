/**
 * The stages of one start: when it began, by when it must be over, and what each stage did. Every stage runs through
 * `stage`, so that retries, deadlines, spans, metrics, logs and the report cannot differ from room to room.
 */
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Metric from "effect/Metric"
import { describeHolders, type Holder } from "../machine/FileLocks.ts"
import type { Attempt, StageError } from "./Attempt.ts"
import { isPassed } from "./atOnce.ts"
import { begin, isFinal, isHeard, logStage, mayPass, retryAfter, within } from "./attempts.ts"
import { databaseAttributes } from "./databaseSpan.ts"
import type { LockError } from "./LockError.ts"
import type { ProgressEvent } from "./ProgressEvent.ts"
import type { StageName } from "./policy.ts"
import { inDatabase, type Refusal } from "./Refusal.ts"
import { type StartOptions, stageTime, startClock, stepOf } from "./StageTime.ts"
import { measures, stageRefusals } from "./stageMetrics.ts"
import { type Entry, reportOf, type Timeline, timeBetween } from "./Timeline.ts"

/**
 * What an engine knows of locks. For one stage, with the milliseconds since the start began: who holds what a refusal
 * waits for, as far as it can be seen. Fails when waiting cannot help.
 */
export type WatchLocks = (
  stage: StageName,
  elapsed: () => number
) => (refusal: Refusal) => Effect.Effect<ReadonlyArray<Holder>, LockError>

/** Begins a start on `database`, the absolute path that its refusals name. */
export const makeStages = Effect.fnUntraced(function* (options: StartOptions, database: string, watch: WatchLocks) {
  const clock = yield* Effect.clock
  const begunAt = clock.unsafeCurrentTimeMillis()
  const start = startClock(clock)
  const entries: Array<Entry> = []
  const applied: Array<string> = []
  let backup: string | undefined
  let current: StageName | undefined

  const stage = <A, E extends Refusal, R>(
    name: StageName,
    attempt: (attempt: Attempt) => Effect.Effect<A, E, R>,
    found: (value: A) => string
  ) =>
    Effect.withFiberRuntime<A, E | StageError, R>((fiber) => {
      const policy = options.policies[name]
      const place = { stage: name, database }
      const { attempt: given, entry, remaining, tooLate } = stageTime(start, options, name, database)
      entries.push(entry)
      current = name

      const committed: Attempt["committed"] = (what) => {
        applied.push(...what.applied)
        backup ??= what.backup
      }

      const holdersBehind = watch(name, start.elapsed)
      const refused = Effect.fnUntraced(function* (refusal: E) {
        if (!refusal.retryable) return
        given.doing("")
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
        given.doing("")
        return attempt({ ...given, committed })
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
        entry.durationMs = timeBetween(entry.startedNanos, clock.unsafeCurrentTimeNanos())
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

      const started = options.onProgress({ _tag: "StageStarted", stage: name, at: entry.startedAt })
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
      durationMs: start.elapsed(),
      current,
      stages: reportOf(entries, now),
      applied: [...applied],
      backup,
      doing: running?.doing ?? "",
      step: running === undefined ? undefined : stepOf(start, running)
    }
  })

  return { stage, timeline }
})
