/** What a start was doing when it was interrupted. */
import { describeMeasure } from "./Measure.ts"
import type { Timeline } from "./Timeline.ts"

/**
 * What an interrupted start was doing, and which changes remain, in one line: `Interrupted in the migrations stage;
 * nothing half-done is left behind`. Without a `timeline` nothing had begun.
 */
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
