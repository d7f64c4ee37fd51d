/** How health changed since the start of the process: kept in memory, for the people who run the service. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { HealthTurn } from "./Api.ts"
import type { Check } from "./Watch.ts"

/** How many changes are kept, the latest ones. */
const mostTurns = 200

/**
 * The checks of one look end one after the other (milliseconds). A change within this time belongs to the same entry.
 */
const oneLook = 1000

export class HealthHistory extends Context.Tag("conversation-files/HealthHistory")<
  HealthHistory,
  {
    /** Records the result of a check, each time somebody looks. */
    readonly seen: (name: string) => (check: Check) => Effect.Effect<void>
    /** Latest first. */
    readonly turns: Effect.Effect<ReadonlyArray<HealthTurn>>
  }
>() {
  static readonly layer: Layer.Layer<HealthHistory> = Layer.sync(HealthHistory, () => {
    const latest = new Map<string, Check>()
    const turns: Array<HealthTurn> = []
    let standing = ""

    return {
      seen: (name) => (check) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          latest.set(name, check)
          const checks = [...latest.values()].filter(({ status }) => status !== "pass")
          // Compared by reason: the messages may contain numbers that differ each time.
          const status = worstOf(checks)
          const found = JSON.stringify([status, checks.map(({ reason }) => reason).sort()])
          if (found === standing) return
          standing = found
          const reasons = checks.flatMap(({ message, reason }) => message ?? reason ?? [])
          const [newest, before] = turns
          const isStep =
            newest !== undefined &&
            before !== undefined &&
            now - Date.parse(newest.at) < oneLook &&
            isBetween(newest.status, before.status, status)
          if (isStep) turns.shift()
          turns.unshift(new HealthTurn({ at: isStep ? newest.at : new Date(now).toISOString(), status, reasons }))
          turns.length = Math.min(turns.length, mostTurns)
        }),
      turns: Effect.sync(() => [...turns])
    }
  })
}

const statuses: ReadonlyArray<Check["status"]> = ["pass", "warn", "fail"]

/** Whether it is neither better nor worse than both others. */
const isBetween = (status: Check["status"], one: Check["status"], other: Check["status"]): boolean => {
  const at = statuses.indexOf(status)
  const ends = [statuses.indexOf(one), statuses.indexOf(other)]
  return Math.min(...ends) <= at && at <= Math.max(...ends)
}

const worstOf = (checks: ReadonlyArray<Check>): Check["status"] => {
  if (checks.some(({ status }) => status === "fail")) return "fail"
  return checks.length > 0 ? "warn" : "pass"
}
