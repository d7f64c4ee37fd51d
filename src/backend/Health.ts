/** The live database, looked at again and again: cheaply, never at its pages, and for a moment from memory. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { DatabaseReady, type Refusal } from "../../layers/index.ts"
import type { Belonging } from "./Belonging.ts"
import type { Cleanup } from "./Cleanup.ts"
import type { ContentFaults } from "./ContentFaults.ts"
import { contentsFinding } from "./ContentsHealth.ts"
import { HealthHistory } from "./HealthHistory.ts"
import { Reserve } from "./Reserve.ts"
import { Settings } from "./Settings.ts"

/** One check, in the words of application/health+json (draft-inadarei-api-health-check-06). */
export interface Check {
  readonly status: "pass" | "warn" | "fail"
  /** ISO 8601, UTC. */
  readonly time: string
  readonly observedValue: string | number
  readonly observedUnit: string
  /** What is wrong, as `Tag.Reason`; undefined where nothing is. */
  readonly reason: string | undefined
  /** The same for people; may name paths. */
  readonly message: string | undefined
}

export class Health extends Context.Tag("conversation-files/Health")<
  Health,
  {
    /** Whether the file is still ours, answers, and has the history and schema of our migrations. */
    readonly database: Effect.Effect<Check>
    /** Whether the write lock is to be had within the patience that the settings allow. */
    readonly writeLock: Effect.Effect<Check>
    /** Whether the contents are this database's, and as far as anybody has looked as they were stored. */
    readonly contents: Effect.Effect<Check>
    /** Whether there is space for more than what is kept for reading and deleting. */
    readonly space: Effect.Effect<Check>
  }
>() {
  static readonly layer: Layer.Layer<
    Health,
    never,
    Belonging | Cleanup | ContentFaults | DatabaseReady | HealthHistory | Reserve | Settings
  > = Layer.effect(
    Health,
    Effect.gen(function* () {
      const ready = yield* DatabaseReady
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
      const writeLock = Effect.matchEffect(ready.write(Effect.void), {
        onFailure: ({ message }) => failing("write lock", { _tag: "SqlError", reason: "NotWritable", message }),
        onSuccess: () => passing("free", "write lock")
      })
      const contents = Effect.flatMap(finding, ({ message, missing, reason, status }) =>
        Effect.map(passing(missing, "missing contents"), (check) => ({ ...check, status, reason, message }))
      )

      const { space: seenSpace } = yield* Reserve
      const space = Effect.flatMap(seenSpace, (seen) =>
        Effect.map(
          passing(seen?.free ?? "unknown", "bytes"),
          (check): Check =>
            seen === undefined || seen.free >= seen.low
              ? check
              : {
                  ...check,
                  status: "warn",
                  reason: seen.free < seen.kept ? "ContentStore.Full" : "ContentStore.AlmostFull",
                  message: `${seen.free} bytes are free; below ${seen.kept} uploads are refused`
                }
        )
      )

      /** Looked at once for all who ask at that moment. */
      const remembered = (name: string, check: Effect.Effect<Check>) =>
        Effect.cachedWithTTL(Effect.tap(check, seen(name)), healthCache)

      return {
        database: yield* remembered("database", database),
        writeLock: yield* remembered("writeLock", writeLock),
        contents: yield* remembered("contents", contents),
        space: yield* remembered("space", space)
      }
    })
  )
}

/** Somebody opens or closes the database at this moment: after 50 ms, four times. */
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
