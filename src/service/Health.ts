/** Checks the live database repeatedly: cheaply, never its pages, kept in memory for a moment, and answered in time. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type { Refusal } from "../../layers/index.ts"
import type { Belonging } from "./Belonging.ts"
import type { Cleanup } from "./Cleanup.ts"
import type { ContentFaults } from "./ContentFaults.ts"
import { contentsFinding } from "./ContentsHealth.ts"
import { Checkpoints } from "./checkpoints/Checkpoints.ts"
import { Database } from "./Database.ts"
import type { DueTime } from "./DueTime.ts"
import { HealthHistory } from "./HealthHistory.ts"
import { Reserve } from "./Reserve.ts"
import { Settings } from "./Settings.ts"
import { SharedLimits } from "./SharedLimits.ts"
import { type Check, type Watched, watchCheck } from "./Watch.ts"

export class Health extends Context.Tag("conversation-files/Health")<
  Health,
  {
    /** Whether the file is still ours, answers, and has the history and schema of our migrations. */
    readonly database: Watched
    /** Whether a page can be written, and the write lock is free or held by this process. */
    readonly writeLock: Watched
    /** Whether a thread makes the checkpoints of the WAL; undefined where the engine does that. */
    readonly checkpoints: Watched | undefined
    /** Whether the contents belong to this database and, as far as known, are as they were stored. */
    readonly contents: Watched
    /** Whether there is space beyond the reserve for reading and deleting. */
    readonly space: Watched
    /** Whether several backends count requests together; undefined where they are not to. */
    readonly limits: Watched | undefined
  }
>() {
  static readonly layer: Layer.Layer<
    Health,
    never,
    | Belonging
    | Checkpoints
    | Cleanup
    | ContentFaults
    | Database
    | DueTime
    | HealthHistory
    | Reserve
    | Settings
    | SharedLimits
  > = Layer.scoped(
    Health,
    Effect.gen(function* () {
      const ready = yield* Database
      const finding = yield* contentsFinding
      const { healthCache } = yield* Settings
      const { seen } = yield* HealthHistory

      const database = ready.health.pipe(
        Effect.retry({ schedule: whileANeighbourPasses, while: ({ retryable }) => retryable }),
        Effect.matchEffect({
          onFailure: (refusal) => failing("schema version", refusal),
          onSuccess: ({ schemaVersion, warnings }) =>
            Effect.map(passing(schemaVersion ?? "none", "schema version"), (check) =>
              warnings.length === 0
                ? check
                : { ...check, status: "warn" as const, reason: "DatabaseReady.Warning", message: warnings.join(" ") }
            )
        })
      )
      const { isHeld, space: seenSpace } = yield* Reserve
      const writeLock = Effect.matchEffect(ready.writable, {
        onFailure: ({ isWarning, message, reason }) =>
          Effect.flatMap(isHeld, (held) =>
            failing("write lock", { _tag: "WriteError", reason, message }).pipe(
              // The reserve can be given up for a deletion.
              Effect.map(
                (check): Check => ({
                  ...check,
                  status: isWarning || (reason === "DiskFull" && held) ? "warn" : "fail"
                })
              )
            )
          ),
        onSuccess: () => passing("free", "write lock")
      })
      const { fault } = yield* Checkpoints
      const checkpoints = Effect.flatMap(fault, (found) =>
        Effect.map(passing(found === undefined ? "beside" : "within commits", "checkpoints"), (check): Check => {
          if (found === undefined) return check
          const message = `Commits make the checkpoints, which takes longer: ${found.message}`
          return { ...check, status: "warn", reason: `${found._tag}.${found.reason}`, message }
        })
      )
      const contents = Effect.flatMap(finding, ({ message, missing, reason, status }) =>
        Effect.map(passing(missing, "missing contents"), (check) => ({ ...check, status, reason, message }))
      )

      const space = Effect.flatMap(seenSpace, (seen) =>
        Effect.map(passing(seen?.free ?? "unknown", "bytes"), (check): Check => {
          if (seen === undefined) {
            const message = "How many bytes are free is not known: the disk does not tell"
            return { ...check, status: "warn", reason: "ContentStore.Unknown", message }
          }
          if (seen.free >= seen.low) return check
          return {
            ...check,
            status: "warn",
            reason: seen.free < seen.kept ? "ContentStore.Full" : "ContentStore.AlmostFull",
            message: `${seen.free} bytes are free. Below ${seen.kept} bytes uploads are refused`
          }
        })
      )

      const shared = yield* SharedLimits
      const limits = Effect.flatMap(shared.fault, (fault) =>
        Effect.map(passing(fault === undefined ? "shared" : "own", "request limits"), (check): Check => {
          if (fault === undefined) return check
          const message = `Each process counts requests on its own: Redis does not answer (${fault})`
          return { ...check, status: "warn", reason: "SharedLimits.NoAnswer", message }
        })
      )

      const watch = (name: string, look: Effect.Effect<Check>) => watchCheck(name, look, healthCache, seen(name))
      const checks = {
        database: yield* watch(`${ready.engine}:database`, database),
        writeLock: yield* watch(`${ready.engine}:write-lock`, writeLock),
        checkpoints: ready.engine === "sqlite" ? yield* watch("sqlite:checkpoints", checkpoints) : undefined,
        contents: yield* watch("storage:contents", contents),
        space: yield* watch("storage:space", space),
        limits: shared.isShared ? yield* watch("redis:limits", limits) : undefined
      }
      const lookAtAll = Effect.forEach(Object.values(checks), (watched) => watched?.check ?? Effect.void, {
        concurrency: "unbounded",
        discard: true
      })
      // So that the first request already gets a result.
      yield* lookAtAll
      // Logs changes even if nobody asks. If nothing is cached, only requests look.
      if (Duration.greaterThan(healthCache, Duration.zero)) {
        yield* lookAtAll.pipe(
          Effect.repeat(Schedule.spaced(Duration.max(healthCache, Duration.seconds(1)))),
          Effect.forkScoped
        )
      }
      return checks
    })
  )
}

/** Another process may open or close the database at this moment: tries again after 50 ms, four times. */
const whileANeighbourPasses = Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurs(4))

const now = Effect.map(Clock.currentTimeMillis, (millis) => new Date(millis).toISOString())

const passing = (observedValue: string | number, observedUnit: string): Effect.Effect<Check> =>
  Effect.map(now, (time) => ({
    status: "pass",
    time,
    observedValue,
    observedUnit,
    reason: undefined,
    message: undefined
  }))

const failing = (
  observedUnit: string,
  { _tag, message, reason }: Pick<Refusal, "_tag" | "message" | "reason">
): Effect.Effect<Check> =>
  Effect.map(now, (time) => ({
    status: "fail",
    time,
    observedValue: reason,
    observedUnit,
    reason: `${_tag}.${reason}`,
    message
  }))
