/** A deadline that was not kept. */
import * as Duration from "effect/Duration"
import type { Holder } from "../machine/FileLocks.ts"
import { describeStep, formatMillis, neededMillis, type Step } from "./Measure.ts"
import type { StageName } from "./policy.ts"
import { type Entry, TaggedRefusal } from "./TaggedRefusal.ts"

/** A stage, or the whole start, was not over by its deadline. */
export class StageTimeoutError extends TaggedRefusal("StageTimeoutError")<{
  /** `Stage`: the stage's own timeout; `Start`: the deadline of the whole start. */
  readonly reason: "Stage" | "Start"
  /** The stage that was not over. */
  readonly stage: StageName
  /** Milliseconds that were allowed. */
  readonly timeoutMs: number
  /** How many attempts of the stage there were. */
  readonly attempts: number
  /** What was going on at that moment, such as "applying 003_add_owner"; "" where it has no name. */
  readonly doing: string
  /** How far that was, where it can be measured. */
  readonly step?: Step | undefined
  /** What the last attempt was refused with, or "" when none was over yet. */
  readonly waitingFor: string
  /** Who held the lock that it waited for, as far as that could be seen. */
  readonly holders: ReadonlyArray<Holder>
  /** Absolute path of the database file, or `:memory:`. Set when the error leaves its stage. */
  readonly database?: string | undefined
}> {
  /** Whether trying again can help by itself: it can. */
  readonly retryable = true

  /** @internal */
  get entry(): Entry {
    return { sentence: this.sentence, remedy: this.remedy, means: "tryAgain" }
  }

  /** @internal The entry's sentence with the facts. */
  override get sentence(): string {
    const { doing, reason, stage, waitingFor } = this
    const whose = reason === "Start" ? "The start" : `The ${stage} stage`
    const over = `${whose} did not finish within ${Duration.format(Duration.millis(this.timeoutMs))}.`
    if (doing !== "") return `${over} It was ${doing} in the ${stage} stage${describeStep(this.step)}.`
    if (waitingFor !== "") return `${over} Waiting in the ${stage} stage for this to pass: ${waitingFor}`
    return reason === "Stage" ? over : `${over} It was in the ${stage} stage.`
  }

  /** The option that allows more: `timeout`, or `policies.STAGE.timeout`. */
  get setting(): string {
    return this.reason === "Start" ? "timeout" : `policies.${this.stage}.timeout`
  }

  /** @internal The entry's remedy with the facts. */
  override get remedy(): string {
    const { doing, reason, setting, stage, step, waitingFor } = this
    const isWaiting = waitingFor !== "" && doing === ""
    const option = reason === "Start" ? `\`${setting}\` (\`--timeout\`, DATABASE_TIMEOUT)` : `\`${setting}\``
    const needed = step === undefined ? undefined : neededMillis(step)
    const more =
      needed === undefined
        ? `set ${option} to more than ${formatMillis(this.timeoutMs)}`
        : `set ${option} to ${formatMillis(this.timeoutMs + needed)}: the rest at this rate, and half as much again`
    const less =
      stage === "integrity" && !isWaiting
        ? " Or set `integrity` to `schema`, which reads no pages, and check them with `database-ready status --integrity quick`."
        : ""
    const way = isWaiting ? `Let the other process finish, or stop it; or ${more}.` : `${capitalise(more)}.`
    return `${way}${less} Nothing is left half done.`
  }
}

const capitalise = (sentence: string): string => sentence.charAt(0).toUpperCase() + sentence.slice(1)
