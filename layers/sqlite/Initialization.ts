/**
 * One start: when it began, by when it must be over, and what each stage did. Every stage runs
 * through `stage`, so that retries, deadlines, spans, metrics, logs and the report cannot differ
 * from room to room.
 */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricKey from "effect/MetricKey"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type * as Schedule from "effect/Schedule"
import * as Tracer from "effect/Tracer"
import { eventLoopTurn } from "../machine/eventLoopTurn.ts"
import { describeHolders, type Holder, holdersOf, ownDescriptorsOn } from "../machine/FileLocks.ts"
import { millisBetween } from "../machine/monotonic.ts"
import { LockError } from "../start/LockError.ts"
import { defaultPolicies, type StageName } from "../start/policy.ts"
import { inDatabase, jsonOf, messageOf, type Refusal } from "../start/Refusal.ts"
import { DatabaseConfig, type ProgressEvent } from "./DatabaseConfig.ts"
import { absoluteName } from "./DatabasePath.ts"
import { isLockedByNobody, refusesLocks } from "./RefusedLocks.ts"
import { isLockFailure } from "./Sqlite.ts"

/** A stage, or the whole start, was not over by its deadline. */
export class StageTimeoutError extends Data.TaggedError("StageTimeoutError")<{
  /** `Stage`: the stage's own timeout; `Start`: the deadline of the whole start. */
  readonly reason: "Stage" | "Start"
  readonly stage: StageName
  /** Milliseconds that were allowed. */
  readonly timeoutMs: number
  readonly attempts: number
  /** What was going on at that moment, such as "applying 003_add_owner"; "" where it has no name. */
  readonly doing: string
  /** How far that was, where it can be measured. */
  readonly step?: Step | undefined
  /** What the last attempt was refused with, or "" when none was over yet. */
  readonly waitingFor: string
  /** Who held the lock that it waited for, as far as that could be seen. */
  readonly holders: ReadonlyArray<Holder>
  /** Absolute path of the database file, once it has left its stage. */
  readonly database?: string | undefined
}> {
  readonly retryable = true

  override get message(): string {
    return messageOf(this)
  }

  override toJSON(): object {
    return jsonOf(this)
  }

  get sentence(): string {
    const { doing, reason, stage, waitingFor } = this
    const whose = reason === "Start" ? "The start" : `The ${stage} stage`
    const over = `${whose} was not over after ${Duration.format(Duration.millis(this.timeoutMs))}.`
    if (doing !== "") return `${over} It was ${doing} in the ${stage} stage${howFar(this.step)}.`
    if (waitingFor !== "") return `${over} Waiting in the ${stage} stage for this to pass: ${waitingFor}`
    return reason === "Stage" ? over : `${over} It was in the ${stage} stage.`
  }

  /** The option that allows more. */
  get setting(): string {
    return this.reason === "Start" ? "timeout" : `policies.${this.stage}.timeout`
  }

  get remedy(): string {
    const { doing, reason, setting, stage, step, waitingFor } = this
    const isWaiting = waitingFor !== "" && doing === ""
    const option = reason === "Start" ? `\`${setting}\` (\`--timeout\`, DATABASE_TIMEOUT)` : `\`${setting}\``
    const needed = step === undefined ? undefined : neededMillis(step)
    const more =
      needed === undefined
        ? `set ${option} to more than ${shown(this.timeoutMs)}`
        : `set ${option} to ${shown(this.timeoutMs + needed)}, which allows for half more than what is left takes at this rate`
    const less =
      stage === "integrity" && !isWaiting
        ? " Or set `integrity` to `schema`, which looks at no pages, and look at them with `database-ready status --integrity quick`."
        : ""
    const way = isWaiting ? `Let the other process finish, or stop it; or ${more}.` : `${capitalised(more)}.`
    return `${way}${less} Nothing is left half done.`
  }
}

const capitalised = (sentence: string): string => sentence.charAt(0).toUpperCase() + sentence.slice(1)

/** In whole seconds, but for what is shorter. */
export const shown = (millis: number): string =>
  Duration.format(Duration.millis(millis < 1000 ? Math.ceil(millis) : Math.ceil(millis / 1000) * 1000))

/** What is left of it, and half as much again; undefined before anything is done. */
const neededMillis = ({ done, forMs, total }: Step): number | undefined =>
  done > 0 && done < total ? (1.5 * forMs * (total - done)) / done : undefined

/** How far something is that takes long. */
export interface Step extends Measure {
  /** Milliseconds since it began. */
  readonly forMs: number
}

/** What of something that takes long is done, and what of it there is. */
export interface Measure {
  readonly done: number
  readonly total: number
  readonly unit: "bytes" | "statements" | "tables"
  /** What of it is going on: "statement 3 of 7, line 12"; "" where the figures say it all. */
  readonly detail: string
}

/** `300 of 1298 MB`, or `statement 3 of 7, line 12`. */
export const describeMeasure = ({ detail, done, total, unit }: Measure): string =>
  detail !== ""
    ? detail
    : unit === "bytes"
      ? `${megabytes(done)} of ${megabytes(total)} MB`
      : `${done} of ${total} ${unit}`

export const megabytes = (bytes: number): number => Math.round(bytes / 1_000_000)

const howFar = (step: Step | undefined): string =>
  step === undefined ? "" : `: ${describeMeasure(step)}, after ${shown(step.forMs)} of it`

/** What any stage can be refused with. */
export type StageError = StageTimeoutError | LockError

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
  /** Migrations that this start has committed, as `NNN_name`. */
  readonly applied: ReadonlyArray<string>
  /** Absolute path of the copy that it made before. */
  readonly backup: string | undefined
  /** What is going on in the current stage, such as "applying 003_add_owner"; "" where it has no name. */
  readonly doing: string
  /** How far that is, where it can be measured. */
  readonly step: Step | undefined
}

interface Entry {
  readonly name: StageName
  readonly startedAt: number
  readonly startedNanos: bigint
  attempts: number
  durationMs: number | undefined
  /** What the attempt that runs is at, for a timeout to name; "" before it has said anything. */
  doing: string
  /** How far that is. */
  measure: Measure | undefined
  /** Milliseconds of the start at which it began, and at which it was last looked at how far it is. */
  since: number
  lookedAt: number
  found: string
  holders: ReadonlyArray<Holder>
}

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
 * How long and in how many attempts a stage passed or was refused. Tagged once: a metric that is tagged where it
 * is used is looked up at each use, by all its boundaries.
 */
const measuresOf = (stage: StageName) => ({
  duration: Metric.fromMetricKey(
    MetricKey.tagged(
      MetricKey.histogram(
        "database_ready_stage_duration_ms",
        MetricBoundaries.exponential({ start: 0.25, factor: 2, count: 20 }),
        "How long a stage of the start took, its waits included, in milliseconds"
      ),
      "stage",
      stage
    )
  ),
  attempts: Metric.fromMetricKey(
    MetricKey.tagged(
      MetricKey.counter("database_ready_stage_attempts", {
        description: "Attempts of a stage of the start",
        incremental: true
      }),
      "stage",
      stage
    )
  )
})
const measures: Readonly<Record<StageName, ReturnType<typeof measuresOf>>> = {
  directory: measuresOf("directory"),
  connection: measuresOf("connection"),
  pragmas: measuresOf("pragmas"),
  migrations: measuresOf("migrations"),
  integrity: measuresOf("integrity")
}
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
    ) => Effect.Effect<A, E | StageError, R>
    /** What the stages that follow do about a lock that this process alone holds. */
    readonly onOwnLock: (choice: OwnLock) => void
    readonly timeline: Effect.Effect<Timeline>
  }
>() {
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

  static readonly layer = Layer.effect(Initialization, Effect.flatMap(DatabaseConfig, Initialization.make))
}

/** Trying again cannot help against this start's own deadline, or its own lock. */
const isFinal = ({ _tag }: Refusal): boolean => _tag === "StageTimeoutError" || _tag === "LockError"
const mayPass = (refusal: Refusal): boolean => refusal.retryable && !isFinal(refusal)

/** Goes on after a first attempt that was refused. Nearly every first attempt passes, and needs no schedule. */
const again = <A, E, R>(
  once: Effect.Effect<A, E, R>,
  refusal: E,
  policy: { readonly schedule: Schedule.Schedule<unknown>; readonly while: (refusal: E) => boolean }
): Effect.Effect<A, E, R> => {
  let next: Effect.Effect<A, E, R> = Effect.fail(refusal)
  return Effect.retry(
    Effect.suspend(() => {
      const now = next
      next = once
      return now
    }),
    policy
  )
}

/**
 * Ends what is not over in the milliseconds that remain. It is begun at once, in a fiber of its own: nearly every
 * stage is over before that fiber has waited for anything, and needs neither a timer nor a race. The span and the
 * name in the logs come with the fiber; on one that goes on they would have to be set and set back.
 */
const within = <A, E, E2, R>(
  stage: StageName,
  { begun, clock }: { readonly begun: Effect.Effect<Tracer.Span>; readonly clock: Clock.Clock },
  whole: Effect.Effect<A, E, R>,
  remaining: () => number,
  tooLate: () => E2
): Effect.Effect<A, E | E2, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const span = yield* begun
      const runtime = yield* Effect.runtime<R>()
      const ofStage = runtime.pipe(
        Runtime.provideService(Tracer.ParentSpan, span),
        Runtime.setFiberRef(FiberRef.currentLogAnnotations, annotationsOf(runtime, stage))
      )
      const fiber = Runtime.runFork(ofStage, restore(whole))
      // What moves on meanwhile may have put the deadline off.
      const inTime: Effect.Effect<A, E | E2> = Effect.suspend(() =>
        Effect.flatMap(Effect.timeoutOption(Fiber.await(fiber), Math.max(0, remaining())), (exit) =>
          Option.isSome(exit) ? exit.value : remaining() > 0 ? inTime : Effect.fail(tooLate())
        )
      )
      const raced = Effect.exit(Effect.ensuring(restore(inTime), Fiber.interrupt(fiber)))
      // A semaphore that is free makes a fiber wait all the same, for one turn.
      if (fiber.unsafePoll() === null) yield* Effect.yieldNow()
      const exit = fiber.unsafePoll() ?? (yield* raced)
      span.end(clock.unsafeCurrentTimeNanos(), exit)
      return yield* exit
    })
  )

const annotationsOf = ({ fiberRefs }: Runtime.Runtime<never>, stage: StageName) =>
  HashMap.set(FiberRefs.getOrDefault(fiberRefs, FiberRef.currentLogAnnotations), "stage", stage)

/** Whether somebody listens: the annotation of a line costs more than the line. */
const isHeard = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  LogLevel.lessThanEqual(fiber.getFiberRef(FiberRef.currentMinimumLogLevel), LogLevel.Debug)

const noted = (stage: StageName, message: string): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logDebug(message), "stage", stage)

/** A stage that runs twice is one line: pragmas are confirmed once more at the end, which is no second attempt. */
const reportOf = (entries: ReadonlyArray<Entry>, now: bigint): ReadonlyArray<StageReport> => {
  const reports = new Map<StageName, StageReport>()
  for (const entry of entries) {
    const before = reports.get(entry.name)
    const durationMs = entry.durationMs ?? timeBetween(entry.startedNanos, now)
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

const timeBetween = (from: bigint, to: bigint): number => rounded(millisBetween(from, to))

/** Microseconds are what a clock can tell; more digits would be noise. */
const rounded = (millis: number): number => Math.round(millis * 1000) / 1000
