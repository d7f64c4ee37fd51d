/**
 * Effect's metrics in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/). Written
 * here because the client libraries keep metrics of their own, separate from Effect's.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as MetricKey from "effect/MetricKey"
import * as MetricKeyType from "effect/MetricKeyType"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"

export const contentType = "text/plain; version=0.0.4; charset=utf-8"

/** A value that is computed only when somebody asks. */
export interface Gauge {
  readonly name: string
  readonly help: string
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

/**
 * All metrics as they are now, following the naming conventions: base units, and `_total` at the end of counters
 * (https://prometheus.io/docs/practices/naming/). A frequency becomes a counter per word; a summary has its quantiles.
 */
export const exposition = (gauges: ReadonlyArray<Gauge>): Effect.Effect<string> =>
  Effect.map(Metric.snapshot, (pairs) => {
    const families = new Map<string, Array<string>>()
    for (const { metricKey, metricState } of pairs) {
      const type = typeOf(metricKey, metricState)
      const { name, scale } = namedAs(metricKey.name, type)
      const lines = families.get(name) ?? heading(name, Option.getOrUndefined(metricKey.description), type)
      lines.push(...samplesOf(name, labelsOf(metricKey), metricState, scale))
      families.set(name, lines)
    }
    for (const { help, labels = {}, name, value } of gauges) {
      const lines = families.get(name) ?? heading(name, help, "gauge")
      lines.push(sample(name, Object.entries(labels), value))
      families.set(name, lines)
    }
    return `${[...families.values()].flat().join("\n")}\n`
  })

type Labels = ReadonlyArray<readonly [name: string, value: string]>

/** Effect's own metrics, whose names have no unit. */
const withUnit: Readonly<Record<string, string>> = { effect_fiber_lifetimes: "effect_fiber_lifetime_ms" }

/** Effect measures in milliseconds; Prometheus expects seconds. */
const namedAs = (key: string, type: string): { readonly name: string; readonly scale: number } => {
  const clean = (withUnit[key] ?? key).replace(/[^a-zA-Z0-9_:]/g, "_").replace(/^(?=\d)/, "_")
  const name = clean.replace(/_(ms|millis|milliseconds)$/, "_seconds")
  return {
    name: type === "counter" && !name.endsWith("_total") ? `${name}_total` : name,
    scale: name === clean ? 1 : 1000
  }
}

const heading = (name: string, description: string | undefined, type: string): Array<string> => {
  const help = description ?? `${name.replace(/_(total|seconds)$/, "").replaceAll("_", " ")}, as Effect counts it`
  return [`# HELP ${name} ${help.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")}`, `# TYPE ${name} ${type}`]
}

/** To Prometheus, anything that can go down is a gauge, even if Effect calls it a counter. */
const typeOf = ({ keyType }: MetricKey.MetricKey.Untyped, state: unknown): string => {
  if (MetricKeyType.isCounterKey(keyType)) return keyType.incremental ? "counter" : "gauge"
  if (MetricState.isFrequencyState(state)) return "counter"
  if (MetricState.isHistogramState(state)) return "histogram"
  return MetricState.isSummaryState(state) ? "summary" : "gauge"
}

const samplesOf = (name: string, labels: Labels, state: unknown, scale: number): ReadonlyArray<string> => {
  if (MetricState.isCounterState(state)) return [sample(name, labels, Number(state.count) / scale)]
  if (MetricState.isGaugeState(state)) return [sample(name, labels, Number(state.value) / scale)]
  if (MetricState.isFrequencyState(state)) {
    return [...state.occurrences].map(([word, count]) => sample(name, [...labels, ["key", word]], count))
  }
  if (MetricState.isHistogramState(state)) {
    return [
      ...state.buckets.map(([boundary, count]) =>
        sample(`${name}_bucket`, [...labels, ["le", numberOf(boundary / scale)]], count)
      ),
      sample(`${name}_sum`, labels, state.sum / scale),
      sample(`${name}_count`, labels, state.count)
    ]
  }
  if (MetricState.isSummaryState(state)) {
    return [
      ...state.quantiles.map(([quantile, value]) =>
        sample(name, [...labels, ["quantile", String(quantile)]], Option.getOrElse(value, () => Number.NaN) / scale)
      ),
      sample(`${name}_sum`, labels, state.sum / scale),
      sample(`${name}_count`, labels, state.count)
    ]
  }
  return []
}

const labelsOf = ({ tags }: MetricKey.MetricKey.Untyped): Labels =>
  tags
    // The unit of Effect's own timers, which are in seconds here like the others.
    .filter(({ key }) => key !== "time_unit")
    .map(({ key, value }) => [key.replace(/[^a-zA-Z0-9_]/g, "_"), value] as const)

const sample = (name: string, labels: Labels, value: number | bigint): string => {
  const inside = labels.map(([label, text]) => `${label}="${escape(text)}"`).join(",")
  return `${name}${inside === "" ? "" : `{${inside}}`} ${numberOf(value)}`
}

const numberOf = (value: number | bigint): string =>
  typeof value === "number" && Math.abs(value) === Number.POSITIVE_INFINITY
    ? value > 0
      ? "+Inf"
      : "-Inf"
    : String(value)

const escape = (text: string): string => text.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n")
