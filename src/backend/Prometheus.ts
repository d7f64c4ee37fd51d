/**
 * Effect's metrics in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/).
 * Written here because the clients for it keep metrics of their own beside Effect's.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as MetricKey from "effect/MetricKey"
import type * as MetricPair from "effect/MetricPair"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"

export const contentType = "text/plain; version=0.0.4; charset=utf-8"

/** All metrics as they are now. A frequency is a counter per word, a summary has its quantiles. */
export const exposition: Effect.Effect<string> = Effect.map(Metric.snapshot, (pairs) => {
  const families = new Map<string, Array<string>>()
  for (const { metricKey, metricState } of pairs) {
    const name = metricKey.name.replace(/[^a-zA-Z0-9_:]/g, "_")
    const known = families.get(name)
    const lines = known ?? heading(name, metricKey, metricState)
    lines.push(...samplesOf(name, labelsOf(metricKey), metricState))
    if (known === undefined) families.set(name, lines)
  }
  return `${[...families.values()].flat().join("\n")}\n`
})

type Labels = ReadonlyArray<readonly [name: string, value: string]>

const heading = (
  name: string,
  key: MetricKey.MetricKey.Untyped,
  state: MetricPair.MetricPair.Untyped["metricState"]
): Array<string> => [
  ...Option.match(key.description, {
    onNone: () => [],
    onSome: (text) => [`# HELP ${name} ${text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")}`]
  }),
  `# TYPE ${name} ${typeOf(state)}`
]

const typeOf = (state: unknown): string => {
  if (MetricState.isCounterState(state) || MetricState.isFrequencyState(state)) return "counter"
  if (MetricState.isHistogramState(state)) return "histogram"
  return MetricState.isSummaryState(state) ? "summary" : "gauge"
}

const samplesOf = (name: string, labels: Labels, state: unknown): ReadonlyArray<string> => {
  if (MetricState.isCounterState(state)) return [sample(name, labels, state.count)]
  if (MetricState.isGaugeState(state)) return [sample(name, labels, state.value)]
  if (MetricState.isFrequencyState(state)) {
    return [...state.occurrences].map(([word, count]) => sample(name, [...labels, ["key", word]], count))
  }
  if (MetricState.isHistogramState(state)) {
    return [
      ...state.buckets.map(([boundary, count]) =>
        sample(`${name}_bucket`, [...labels, ["le", numberOf(boundary)]], count)
      ),
      sample(`${name}_sum`, labels, state.sum),
      sample(`${name}_count`, labels, state.count)
    ]
  }
  if (MetricState.isSummaryState(state)) {
    return [
      ...state.quantiles.map(([quantile, value]) =>
        sample(
          name,
          [...labels, ["quantile", String(quantile)]],
          Option.getOrElse(value, () => Number.NaN)
        )
      ),
      sample(`${name}_sum`, labels, state.sum),
      sample(`${name}_count`, labels, state.count)
    ]
  }
  return []
}

const labelsOf = ({ tags }: MetricKey.MetricKey.Untyped): Labels =>
  tags.map(({ key, value }) => [key.replace(/[^a-zA-Z0-9_]/g, "_"), value] as const)

const sample = (name: string, labels: Labels, value: number | bigint): string => {
  const inside = labels.map(([label, text]) => `${label}="${escaped(text)}"`).join(",")
  return `${name}${inside === "" ? "" : `{${inside}}`} ${numberOf(value)}`
}

const numberOf = (value: number | bigint): string =>
  typeof value === "number" && Math.abs(value) === Number.POSITIVE_INFINITY
    ? value > 0
      ? "+Inf"
      : "-Inf"
    : String(value)

const escaped = (text: string): string => text.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n")
