/**
 * The passages of a session that answer a question best, by BM25, from lists of the passages that have each term. How
 * long a passage is decides how much its terms count. That is looked up only for those that could be among the best if
 * they were as short as can be ("max score": H. Turtle and J. Flood, "Query evaluation: strategies and optimizations",
 * 1995).
 */
import { partOf } from "./bm25.ts"

/** A term of the question, and where it is. */
export interface Postings {
  readonly weight: number
  /** The ids of the passages that have it, in ascending order, each as often as it has it. */
  readonly passages: ReadonlyArray<number>
}

interface Found {
  readonly id: number
  /** The score of a passage without length: more than its score can be. */
  bound: number
  /** For each term that it has, the weight and how often it is there. */
  readonly terms: Array<number>
}

/** Steps between two moments in which others may have their turn. */
const steps = 200

/** How many lengths are asked for at once. */
const atOnce = 200

/** What has the terms. Gives undefined now and then, so that others get their turn. */
export function* gather(terms: Iterable<Postings>): Generator<undefined, ReadonlyArray<Found>> {
  const found = new Map<number, Found>()
  let done = 0
  for (const { passages, weight } of terms) {
    for (let from = 0, to = 1; from < passages.length; from = to, to += 1) {
      const id = passages[from] ?? 0
      while (passages[to] === id) to += 1
      const times = to - from
      const bound = partOf(weight, times, 0)
      const before = found.get(id)
      if (before === undefined) found.set(id, { id, bound, terms: [weight, times] })
      else {
        before.bound += bound
        before.terms.push(weight, times)
      }
      done += 1
      if (done % steps === 0) yield undefined
    }
  }
  return [...found.values()]
}

/**
 * The ids of the best, best first; of equal ones the lowest first. It gives the ids whose lengths it needs, and
 * is given these. A passage without one is not there any more.
 */
export function* chooseBest(
  found: ReadonlyArray<Found>,
  average: number,
  limit: number
): Generator<ReadonlyArray<number>, ReadonlyArray<number>, ReadonlyMap<number, number>> {
  const best = highest(limit)
  const score = (passages: ReadonlyArray<Found>, lengths: ReadonlyMap<number, number>) => {
    for (const { id, terms } of passages) {
      const length = lengths.get(id)
      if (length !== undefined) best.offer({ id, score: scoreOf(terms, average > 0 ? length / average : 1) })
    }
  }
  // Mostly the best have the highest bounds. Only those that may still be better than these are looked at.
  const first = highest(limit)
  for (const { bound, id } of found) first.offer({ id, score: bound })
  const isFirst = new Set(first.all().map(({ id }) => id))
  for (const wave of [true, false]) {
    const isHopeful = atLeast(best.least())
    let left = found
      .filter((one) => isFirst.has(one.id) === wave && isHopeful(one))
      .sort((one, other) => other.bound - one.bound)
    while (left.length > 0) {
      const next = left.slice(0, atOnce)
      score(next, yield next.map(({ id }) => id))
      left = left.slice(atOnce).filter(atLeast(best.least()))
    }
  }
  return best.all().map(({ id }) => id)
}

const atLeast =
  (least: number) =>
  ({ bound }: Found): boolean =>
    bound >= least

const scoreOf = (terms: ReadonlyArray<number>, relativeLength: number): number => {
  let score = 0
  for (let at = 0; at < terms.length; at += 2) score += partOf(terms[at] ?? 0, terms[at + 1] ?? 0, relativeLength)
  return score
}

interface Scored {
  readonly id: number
  readonly score: number
}

/** Keeps those with the highest scores. */
const highest = (limit: number) => {
  const kept: Array<Scored> = []
  let least = Number.NEGATIVE_INFINITY
  const cut = () => {
    kept.sort((one, other) => other.score - one.score || one.id - other.id).splice(limit)
    if (kept.length === limit) least = kept[limit - 1]?.score ?? least
  }
  return {
    /** Below this score nothing is kept any more. */
    least: () => {
      cut()
      return least
    },
    offer: (one: Scored) => {
      if (one.score < least) return
      kept.push(one)
      // Sorting seldom is faster than keeping everything in order.
      if (kept.length >= 2 * limit) cut()
    },
    all: (): ReadonlyArray<Scored> => {
      cut()
      return kept
    }
  }
}
