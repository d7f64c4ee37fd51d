/** What long work tells somebody who watches: lines on a terminal, and nothing in a log. */
import { isatty } from "node:tty"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { describeMeasure, type Measure, type ProgressEvent } from "../../layers/index.ts"
import { tell } from "./say.ts"

/** The time that is left of something, at the rate since it was first told of; "" where that is not known. */
const timeLeft = () => {
  const begun = new Map<string, { readonly at: number; readonly done: number }>()
  return (doing: string, { done, total }: Pick<Measure, "done" | "total">, now: number): string => {
    const since = begun.get(doing)
    // It counts from the beginning again where it is done a second time.
    if (since === undefined || done < since.done) {
      begun.set(doing, { at: now, done })
      return ""
    }
    const left = done > since.done ? ((now - since.at) * (total - done)) / (done - since.done) : 0
    return left > 0 ? `, ${Duration.format(Duration.seconds(Math.ceil(left / 1000)))} left` : ""
  }
}

/** Tells bytes and the time that is left. */
export const bytesOnTerminal = (): ((doing: string, done: number, total: number) => Effect.Effect<void>) => {
  const left = timeLeft()
  return (doing, done, total) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (!isatty(2)) return Effect.void
      const measure = { done, total, unit: "bytes", detail: "" } as const
      return tell(`${doing}: ${describeMeasure(measure)}${left(doing, measure, now)}`)
    })
}

/** How far the work of a start is; on a terminal with the time that is left. */
export const describeWork = (): ((event: Extract<ProgressEvent, { _tag: "StageProgress" }>) => string) => {
  const left = timeLeft()
  return (event) => {
    const time = event.unit === "bytes" && isatty(2) ? left(`${event.stage} ${event.doing}`, event, event.at) : ""
    return `${event.doing} in the ${event.stage} stage: ${describeMeasure(event)}${time}`
  }
}
