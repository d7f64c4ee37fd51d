/**
 * One start: when it began, by when it must be over, and what each stage did. Every stage runs
 * through `stage`, so that retries, deadlines, spans, metrics, logs and the report cannot differ
 * from room to room.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as Option from "effect/Option"
import { DatabaseConfig, type ProgressEvent } from "./DatabaseConfig.ts"
import { describeHolders, type Holder, holdersOf } from "./FileLocks.ts"
import type { StageName } from "./policy.ts"
import { isLock } from "./seams.ts"

/** What every refusal of every room tells. */
export interface Refusal {
  readonly _tag: string
  /** For programs: can be matched on. */
  readonly reason: string
  /** For people: what is wrong. */
  readonly message: string
  /** For people: what to do now. */
  readonly remedy: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** SQLite's or the system's code, "" or none where neither had a say. */
  readonly code?: string
}

/** A stage, or the whole start, was not over by its deadline. */
export class StageTimeoutError extends Data.TaggedError("StageTimeoutError")<{
  /** `Stage`: the stage's own timeout; `Start`: the deadline of the whole start. */
  readonly reason: "Stage" | "Start"
  readonly stage: StageName
  /** Milliseconds that were allowed. */
  readonly timeoutMs: number
  readonly attempts: number
  /** What the last attempt was refused with, or "" when none was over yet. */
  readonly waitingFor: string
  /** Who held the lock that it waited for, as far as that could be seen. */
  readonly holders: ReadonlyArray<Holder>
}> {
  readonly retryable = true

  override get message(): string {
    const whose = this.reason === "Start" ? "The start" : `The ${this.stage} stage`
    const why = this.waitingFor === "" ? "" : ` Waiting in the ${this.stage} stage for this to pass: ${this.waitingFor}`
    return `${whose} was not over after ${Duration.format(Duration.millis(this.timeoutMs))}.${why}`
  }

  get remedy(): string {
    return this.waitingFor === ""
      ? "Start again with a longer timeout; nothing half-done is left behind."
      : "Let the other process finish or stop it, or start again with a longer timeout; nothing half-done is left behind."
  }
}

/** What one stage did. */
export interface StageReport {
  readonly name: StageName
  readonly attempts: number
  /** ISO 8601, UTC. */
  readonly startedAt: string
  readonly durationMs: number
  /** What the stage saw, in a few words; why it refused or what it waits for, while it has not passed. */
  readonly found: string
}

/** How far the start is, as a value: for probes while it runs, and for the report when it is over. */
export interface Timeline {
  /** ISO 8601, UTC. */
  readonly startedAt: string
  readonly durationMs: number
  /** The stage that runs or has refused. */
  readonly current: StageName | undefined
  readonly stages: ReadonlyArray<StageReport>
}

interface Entry {
  readonly name: StageName
  readonly startedAt: number
  readonly startedNanos: bigint
  attempts: number
  durationMs: number | undefined
  found: string
  holders: ReadonlyArray<Holder>
}

export interface Attempt {
  /**
   * Fails when the deadline has passed. For the moment before a commit: a statement that runs cannot
   * be cut off, but what it did can still be rolled back.
   */
  readonly inTime: Effect.Effect<void, StageTimeoutError>
  /**
   * For between two statements of many: lets timers, signals and the deadline have their turn when the
   * event loop has been held for 16 ms, and costs a look at the clock otherwise.
   */
  readonly breathe: Effect.Effect<void>
  /** Tells how far something is that takes long, in bytes. */
  readonly progress: (doing: string, done: number, total: number) => Effect.Effect<void>
}

/** Milliseconds for which a run of many statements may hold the event loop: one frame. */
const longestHold = 16

/** Milliseconds before it is looked again who holds a lock: the look costs more than an attempt. */
const holdersHold = 1000

const stageDuration = Metric.histogram(
  "database_ready_stage_duration_ms",
  MetricBoundaries.exponential({ start: 0.25, factor: 2, count: 20 }),
  "How long a stage of the start took, its waits included, in milliseconds"
)
const stageAttempts = Metric.counter("database_ready_stage_attempts", {
  description: "Attempts of a stage of the start",
  incremental: true
})
const stageRefusals = Metric.counter("database_ready_stage_refusals", {
  description: "Starts that ended in this stage",
  incremental: true
})

/** The start that is under way. Made once per start: a second start needs a second one. */
export class Initialization extends Context.Tag("database-ready/Initialization")<
  Initialization,
  {
    /**
     * Runs a stage under its policy: tries again, by the policy's schedule, while the refusal is
     * `retryable`, until the stage's timeout or the deadline of the start.
     */
    readonly stage: <A, E extends Refusal, R>(
      name: StageName,
      attempt: (attempt: Attempt) => Effect.Effect<A, E, R>,
      found: (value: A) => string
    ) => Effect.Effect<A, E | StageTimeoutError, R>
    readonly timeline: Effect.Effect<Timeline>
  }
>() {
  static readonly make: Effect.Effect<Initialization["Type"], never, DatabaseConfig | FileSystem.FileSystem> =
    Effect.gen(function* () {
      const config = yield* DatabaseConfig
      const fs = yield* FileSystem.FileSystem
      const begunAt = yield* Clock.currentTimeMillis
      const begunNanos = yield* Clock.currentTimeNanos
      const entries: Array<Entry> = []
      let current: StageName | undefined

      const tell = (event: ProgressEvent) => config.onProgress(event)

      const stage = Effect.fnUntraced(function* <A, E extends Refusal, R>(
        name: StageName,
        attempt: (attempt: Attempt) => Effect.Effect<A, E, R>,
        found: (value: A) => string
      ) {
        const policy = config.policies[name]
        const startedAt = yield* Clock.currentTimeMillis
        const startedNanos = yield* Clock.currentTimeNanos
        const allowed = Duration.toMillis(policy.timeout)
        const left = begunAt + Duration.toMillis(config.timeout) - startedAt
        const limit = Math.max(0, Math.min(allowed, left))
        const entry: Entry = {
          name,
          startedAt,
          startedNanos,
          attempts: 0,
          durationMs: undefined,
          found: "",
          holders: []
        }
        entries.push(entry)
        current = name

        const tooLate = () =>
          new StageTimeoutError({
            reason: allowed <= left ? "Stage" : "Start",
            stage: name,
            timeoutMs: allowed <= left ? allowed : Duration.toMillis(config.timeout),
            attempts: entry.attempts,
            waitingFor: entry.found,
            holders: entry.holders
          })
        const inTime = Effect.flatMap(Clock.currentTimeMillis, (now) =>
          now - startedAt > limit ? Effect.fail(tooLate()) : Effect.void
        )

        let heldSince = startedAt
        const breathe = Effect.flatMap(Clock.currentTimeMillis, (now) => {
          if (now - heldSince < longestHold) return Effect.void
          heldSince = now
          return Effect.sleep(Duration.zero)
        })

        const progress: Attempt["progress"] = (doing, done, total) =>
          Effect.flatMap(Clock.currentTimeMillis, (at) =>
            Effect.asVoid(tell({ _tag: "StageProgress", stage: name, at, doing, done, total }))
          )

        let lookAgainAt = startedAt
        const refused = Effect.fnUntraced(function* (refusal: E) {
          // Until it is known who holds the lock, what was known before is the better answer to a deadline.
          entry.found ||= refusal.message
          if (!refusal.retryable) return
          if (!isLock(refusal.code ?? "")) entry.holders = []
          else if ((yield* Clock.currentTimeMillis) >= lookAgainAt) {
            entry.holders = yield* Effect.provideService(holdersOf(config.filename), FileSystem.FileSystem, fs)
            lookAgainAt = (yield* Clock.currentTimeMillis) + holdersHold
          }
          const { attempts, holders } = entry
          const reason = `${refusal.message}${describeHolders(holders)}`
          entry.found = reason
          const at = yield* Clock.currentTimeMillis
          yield* tell({ _tag: "StageWaiting", stage: name, at, attempts, reason, holders })
          yield* Effect.logDebug(`Waiting: ${reason}`)
        })

        const once = Effect.suspend(() => {
          entry.attempts += 1
          return attempt({ inTime, breathe, progress })
        }).pipe(Effect.tapError((refusal) => (isTimeout(refusal) ? Effect.void : refused(refusal))))

        const measured = Effect.gen(function* () {
          const nanos = yield* Clock.currentTimeNanos
          entry.durationMs = millisBetween(startedNanos, nanos)
          yield* Metric.update(Metric.tagged(stageDuration, "stage", name), entry.durationMs)
          yield* Metric.incrementBy(Metric.tagged(stageAttempts, "stage", name), entry.attempts)
          return yield* Clock.currentTimeMillis
        })

        yield* tell({ _tag: "StageStarted", stage: name, at: startedAt })
        return yield* inTime.pipe(
          Effect.zipRight(
            Effect.retry(once, {
              schedule: policy.schedule,
              while: (refusal) => refusal.retryable && !isTimeout(refusal)
            })
          ),
          Effect.timeoutOption(Duration.millis(limit)),
          Effect.flatMap(Option.match({ onNone: () => Effect.fail(tooLate()), onSome: Effect.succeed })),
          Effect.tap((value) =>
            Effect.gen(function* () {
              entry.found = found(value)
              const at = yield* measured
              current = undefined
              yield* Effect.logDebug(`Passed: ${entry.found}`)
              yield* tell({ _tag: "StagePassed", stage: name, at, found: entry.found })
            })
          ),
          Effect.tapError((refusal) =>
            Effect.gen(function* () {
              entry.found = refusal.message
              const at = yield* measured
              yield* Metric.increment(
                Metric.tagged(Metric.tagged(stageRefusals, "stage", name), "reason", refusal.reason)
              )
              yield* Effect.logDebug(`Refused: ${refusal.message}`)
              yield* tell({ _tag: "StageFailed", stage: name, at, reason: refusal.message })
            })
          ),
          Effect.annotateLogs("stage", name),
          Effect.withSpan(`database-ready.${name}`, { attributes: { "database.file": config.filename } })
        )
      })

      const timeline = Effect.map(
        Clock.currentTimeNanos,
        (now): Timeline => ({
          startedAt: new Date(begunAt).toISOString(),
          durationMs: millisBetween(begunNanos, now),
          current,
          stages: reportOf(entries, now)
        })
      )

      return { stage, timeline }
    })

  static readonly layer = Layer.effect(Initialization, Initialization.make)
}

/** Trying again cannot help against this start's own deadline. */
const isTimeout = ({ _tag }: Refusal): boolean => _tag === "StageTimeoutError"

/** A stage that runs twice is one line: pragmas are confirmed once more at the end, which is no second attempt. */
const reportOf = (entries: ReadonlyArray<Entry>, now: bigint): ReadonlyArray<StageReport> => {
  const reports = new Map<StageName, StageReport>()
  for (const entry of entries) {
    const before = reports.get(entry.name)
    const durationMs = entry.durationMs ?? millisBetween(entry.startedNanos, now)
    reports.set(entry.name, {
      name: entry.name,
      attempts: (before?.attempts ?? 1) + entry.attempts - 1,
      startedAt: before?.startedAt ?? new Date(entry.startedAt).toISOString(),
      durationMs: rounded((before?.durationMs ?? 0) + durationMs),
      found: entry.found
    })
  }
  return [...reports.values()]
}

const millisBetween = (from: bigint, to: bigint): number => rounded(Number(to - from) / 1_000_000)

/** Microseconds are what a clock can tell; more digits would be noise. */
const rounded = (millis: number): number => Math.round(millis * 1000) / 1000
