/** How a program ends when a signal stops it early: the exit code of the shell, and what it was doing. */
import { describeMeasure, type Timeline } from "../../layers/index.ts"

/** The number of the signal that stops us. */
let signal = 0
process.once("SIGINT", () => {
  signal = 2
})
process.once("SIGTERM", () => {
  signal = 15
})

export const interruptionCode = (): number => 128 + signal

/** What was going on when the signal came, and which changes remain. */
export const describeInterruption = (timeline?: Timeline): string => {
  const { applied = [], backup, stages = [] } = timeline ?? {}
  const copy = backup === undefined ? "" : ` What was there before is in ${backup}.`
  const stands =
    applied.length === 0
      ? "nothing half-done is left behind"
      : `applied and kept: ${applied.join(", ")}; the rest was rolled back.${copy}`
  return `${whereIn(timeline, stages.length)}; ${stands}`
}

const whereIn = (timeline: Timeline | undefined, stages: number): string => {
  if (timeline?.current === undefined) return stages === 0 ? "Interrupted" : "Interrupted once the database was ready"
  const { current, doing, step } = timeline
  const what = doing === "" ? "" : ` while it was ${doing}`
  const howFar = step === undefined ? "" : `: ${describeMeasure(step)}, after ${Math.round(step.forMs / 1000)} s of it`
  return `Interrupted in the ${current} stage${what}${howFar}`
}
