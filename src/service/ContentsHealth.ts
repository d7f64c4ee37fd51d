/** What is known of the contents on the disk, as one check. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Iterable from "effect/Iterable"
import { Belonging } from "./Belonging.ts"
import { Cleanup } from "./Cleanup.ts"
import { ContentFaults } from "./ContentFaults.ts"
import { DueTime } from "./DueTime.ts"
import type { Sweep } from "./Sweeper.ts"

export interface Finding {
  readonly status: "pass" | "warn" | "fail"
  readonly missing: number
  readonly reason: string | undefined
  readonly message: string | undefined
}

/** Fails if the contents belong to another database. Warns of anything that the last sweep could not settle. */
export const contentsFinding = Effect.gen(function* () {
  const { lastSweep, sweepError } = yield* Cleanup
  const { verify } = yield* Belonging
  const { all } = yield* ContentFaults
  const { jump } = yield* DueTime

  return Effect.gen(function* () {
    const faults = yield* all
    const missing = faults.size
    const warn = (reason: string, message: string): Finding => ({ status: "warn", missing, reason, message })
    const broken = yield* Effect.flip(verify).pipe(Effect.option)
    if (broken._tag === "Some") {
      const error = broken.value
      return {
        status: error._tag === "ContentsError" ? "fail" : "warn",
        missing,
        reason: `${error._tag}.${error.reason}`,
        message: error.message
      } satisfies Finding
    }
    if (missing > 0) {
      const some = [...Iterable.take(faults, 3)].map(([hash, fault]) => `${hash} is ${fault}`)
      const isDamage = !Iterable.contains(faults.values(), "missing")
      return warn(
        isDamage ? "ContentStore.Damaged" : "ContentStore.Missing",
        `Contents are not on the disk as they were stored: ${some.join(", ")}`
      )
    }
    const failure = yield* sweepError
    if (failure !== undefined) return warn("ContentStore.NotSwept", `The last sweep failed: ${failure}`)
    const jumped = yield* jump
    if (jumped !== undefined) {
      return warn(
        "DueTime.ClockJumped",
        `The clock was set ahead by ${inWords(jumped.ahead)}. If that is wrong, set it back. If it is right, wait: what is due is deleted once the clock has run evenly for ${inWords(jumped.left)}.`
      )
    }
    return unsettled(yield* lastSweep, warn) ?? passed
  })
})

const inWords = (millis: number): string => Duration.format(Duration.minutes(Math.round(millis / 60_000)))

const passed: Finding = { status: "pass", missing: 0, reason: undefined, message: undefined }

const unsettled = (
  { contents, left, strays, unreadable, why }: Sweep,
  warn: (reason: string, message: string) => Finding
): Finding | undefined => {
  if (why === "TooMany") {
    return warn(
      "ContentStore.TooManyUnwanted",
      `${left} of ${contents} contents have no file in this database, so none went to the trash. Make sure that the database is not an older copy, then set ALLOW_SWEEP=${left} for one start.`
    )
  }
  if (unreadable.length > 0) {
    return warn("ContentStore.Unreadable", `Could not look at: ${unreadable.slice(0, 3).join(", ")}`)
  }
  return strays.length > 0
    ? warn("ContentStore.Stray", `Left alone, not made by the service: ${strays.slice(0, 3).join(", ")}`)
    : undefined
}
