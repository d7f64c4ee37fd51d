/** What long work tells somebody who watches: lines on a terminal, and nothing in a log. */
import { isatty } from "node:tty"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { describeMeasure } from "../../layers/index.ts"
import { tell } from "./say.ts"

/** Tells bytes and the time that is left, at the rate so far. */
export const bytesOnTerminal = (): ((doing: string, done: number, total: number) => Effect.Effect<void>) => {
  const begun = new Map<string, number>()
  return (doing, done, total) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (!isatty(2)) return Effect.void
      const since = begun.get(doing) ?? now
      begun.set(doing, since)
      const left = done > 0 ? ((now - since) * (total - done)) / done : 0
      const time = left > 0 ? `, ${Duration.format(Duration.seconds(Math.ceil(left / 1000)))} left` : ""
      return tell(`${doing}: ${describeMeasure({ done, total, unit: "bytes", detail: "" })}${time}`)
    })
}
