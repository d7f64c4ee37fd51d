/**
 * Measures this library against the floor and against common alternatives, on the same work in one run: `npm run bench
 * -- [--rounds N] [--only SCENARIO,...] [--subjects NAME,...] [--files N] [--json FILE]`. Rounds are interleaved, so that
 * other load on the machine affects all of them. Markdown goes to stdout.
 */
import { writeFileSync } from "node:fs"
import { cpus } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { type Sampler, type Scenario, scenariosWith } from "./scenarios.ts"
import { type Row, summaryOf, tableOf } from "./table.ts"

const { values: asked } = parseArgs({
  options: {
    rounds: { type: "string", default: "20" },
    only: { type: "string" },
    subjects: { type: "string" },
    files: { type: "string", default: "10000" },
    json: { type: "string", default: join(import.meta.dirname, "results.json") }
  }
})
const isAsked = (list: string | undefined, name: string) => list === undefined || list.split(",").includes(name)

/** Runs one contestant, round after round. Any failure is a result too, shown below the table. */
const runnerOf = ({ enter, title }: Scenario["contestants"][number]) => {
  const samples: Array<ReadonlyArray<number>> = []
  const failures: Array<string> = []
  let sampler: Sampler | undefined
  const round = async (): Promise<void> => {
    try {
      sampler ??= enter()
      samples.push(await sampler())
    } catch (thrown) {
      failures.push(thrown instanceof Error ? thrown.message : String(thrown))
    }
  }
  return { title, samples, failures, round }
}

const measure = async ({ contestants, share }: Scenario): Promise<ReadonlyArray<Row>> => {
  const runners = contestants.filter(({ name }) => isAsked(asked.subjects, name)).map(runnerOf)
  const rounds = Math.max(1, Math.round(Number(asked.rounds) * share))
  for (let round = 0; round < rounds; round += 1) {
    // In another order each time, so that nobody always follows the same neighbour.
    const from = round % runners.length
    for (const runner of [...runners.slice(from), ...runners.slice(0, from)]) await runner.round()
  }
  return runners
}

const machine = `Node.js ${process.versions.node}, ${cpus().length} x ${cpus()[0]?.model ?? "unknown"}, ${process.platform}`
console.log(`${machine}. Medians, with the middle half of the rounds in brackets.\n`)

const results: Array<unknown> = []
for (const scenario of scenariosWith(Number(asked.files)).filter(({ name }) => isAsked(asked.only, name))) {
  const { metrics, name, title } = scenario
  const rows = await measure(scenario)
  console.log(`### ${title}\n\n${tableOf(metrics, rows)}\n`)
  results.push({
    name,
    title,
    rows: rows.map((row) => ({
      title: row.title,
      metrics: metrics.map((metric, at) => ({
        metric,
        ...summaryOf(row.samples.map((sample) => sample[at] ?? Number.NaN))
      })),
      samples: row.samples,
      failures: row.failures
    }))
  })
}
writeFileSync(asked.json, JSON.stringify({ machine, at: new Date().toISOString(), results }, null, 2))
console.log(`Every sample is in ${asked.json}.`)
