/** The metrics of every stage. */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricKey from "effect/MetricKey"
import type { StageName } from "./policy.ts"

/**
 * How long a stage took, and in how many attempts. Tagged once, here: tagging at each use looks the metric up by all
 * its boundaries each time.
 */
const measuresOf = (stage: StageName) => ({
  duration: Metric.fromMetricKey(
    MetricKey.tagged(
      MetricKey.histogram(
        "database_ready_stage_duration_ms",
        boundaries(),
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

/** Made once, for all stages: to make them takes longer than a stage. */
let shared: MetricBoundaries.MetricBoundaries | undefined
const boundaries = () => {
  shared ??= MetricBoundaries.exponential({ start: 0.25, factor: 2, count: 20 })
  return shared
}

const made: Partial<Record<StageName, ReturnType<typeof measuresOf>>> = {}

/** Those of a stage, made when it first ends: a program that only imports this pays nothing. */
export const measures = (stage: StageName): ReturnType<typeof measuresOf> => {
  made[stage] ??= measuresOf(stage)
  return made[stage]
}

export const stageRefusals = Metric.counter("database_ready_stage_refusals", {
  description: "Starts that ended in this stage",
  incremental: true
})
