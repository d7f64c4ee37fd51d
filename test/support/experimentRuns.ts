/** Experiments that are only calculated: sessions come, and somebody looks at the end of each day. */
import { comparing, type Verdict } from "../../src/service/experiments/judgement.ts"
import { randomFrom } from "./random.ts"

export interface Experiment {
  readonly shares: ReadonlyArray<number>
  /** How often a session of each policy is helped. It may depend on the day. */
  readonly rates: (day: number) => ReadonlyArray<number>
  readonly sessionsADay: number
  readonly days: number
}

export interface Found {
  /** The day of the first verdict, from 1; undefined if there was none. */
  readonly day: number | undefined
  readonly verdict: Verdict
}

const precision = 2 ** 30

/** One experiment. It is stopped at the first verdict. */
const run = ({ days, rates, sessionsADay, shares }: Experiment, random: (below: number) => number): Found => {
  const compare = comparing(shares)
  const total = shares.reduce((sum, share) => sum + share, 0)
  const counts = shares.map(() => ({ counted: 0, helpful: 0 }))
  for (let day = 1; day <= days; day += 1) {
    const today = rates(day)
    for (let session = 0; session < sessionsADay; session += 1) {
      let rest = random(total)
      const position = shares.findIndex((share) => {
        rest -= share
        return rest < 0
      })
      const policy = counts[position]
      if (policy === undefined) continue
      policy.counted += 1
      if (random(precision) < (today[position] ?? 0) * precision) policy.helpful += 1
    }
    const seen = compare(counts).find((compared) => compared !== undefined && compared.verdict !== "notEnough")
    if (seen !== undefined) return { day, verdict: seen.verdict }
  }
  return { day: undefined, verdict: "notEnough" }
}

/** Vitest gives up on a worker that does not answer for a minute. */
const betweenTurns = 100

/** The same numbers for the same seed. */
export const runs = async (experiment: Experiment, count: number, seed: number): Promise<ReadonlyArray<Found>> => {
  const random = randomFrom(seed)
  const found: Array<Found> = []
  while (found.length < count) {
    found.push(run(experiment, random))
    if (found.length % betweenTurns === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  return found
}
