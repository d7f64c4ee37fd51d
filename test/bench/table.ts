/** Samples as a Markdown table: medians, their spread, and how they compare with the first row. */

/** One number per metric and round; NaN if a subject has no such number. */
export interface Row {
  readonly title: string
  readonly samples: ReadonlyArray<ReadonlyArray<number>>
  /** What went wrong, once per failed round. */
  readonly failures: ReadonlyArray<string>
}

export interface Summary {
  readonly median: number
  /** The middle half of the samples lies between these. */
  readonly low: number
  readonly high: number
}

export const summaryOf = (samples: ReadonlyArray<number>): Summary => ({
  median: quantile(samples, 0.5),
  low: quantile(samples, 0.25),
  high: quantile(samples, 0.75)
})

/** Linear between the two nearest samples; NaN without samples. */
const quantile = (samples: ReadonlyArray<number>, part: number): number => {
  const sorted = samples.filter((sample) => !Number.isNaN(sample)).toSorted((one, other) => one - other)
  const at = (sorted.length - 1) * part
  const below = sorted[Math.floor(at)] ?? Number.NaN
  const above = sorted[Math.ceil(at)] ?? Number.NaN
  return below + (above - below) * (at - Math.floor(at))
}

export const tableOf = (metrics: ReadonlyArray<string>, rows: ReadonlyArray<Row>): string => {
  const floor = metrics.map((_, metric) => summaryOf(column(rows[0], metric)).median)
  return [
    `| | ${metrics.map((metric) => `${metric} | x floor`).join(" | ")} |`,
    `|---|${metrics.map(() => "---:|---:").join("|")}|`,
    ...rows.map((row) => {
      const cells = metrics.map((_, metric) => {
        const { high, low, median } = summaryOf(column(row, metric))
        if (Number.isNaN(median)) return "– | –"
        const base = floor[metric] ?? Number.NaN
        return `${short(median)} (${short(low)} to ${short(high)}) | ${base > 0 ? (median / base).toFixed(2) : "–"}`
      })
      return `| ${row.title} | ${cells.join(" | ")} |`
    }),
    ...rows.flatMap(failuresOf)
  ].join("\n")
}

const failuresOf = ({ failures, samples, title }: Row): ReadonlyArray<string> => {
  const rounds = samples.length + failures.length
  return [...new Set(failures)].map((failure) => {
    const times = failures.filter((other) => other === failure).length
    return `\n${title}: failed in ${times} of ${rounds} rounds: ${failure}`
  })
}

const column = (row: Row | undefined, metric: number): ReadonlyArray<number> =>
  row?.samples.map((sample) => sample[metric] ?? Number.NaN) ?? []

const short = (value: number): string => (value < 100 ? value.toFixed(1) : value.toFixed(0))
