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
        MetricBoundaries.exponential({ start: 0.25, factor: 2, count: 20 }),
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
export const measures: Readonly<Record<StageName, ReturnType<typeof measuresOf>>> = {
  directory: measuresOf("directory"),
  connection: measuresOf("connection"),
  pragmas: measuresOf("pragmas"),
  migrations: measuresOf("migrations"),
  integrity: measuresOf("integrity")
}
export const stageRefusals = Metric.counter("database_ready_stage_refusals", {
  description: "Starts that ended in this stage",
  incremental: true
})
