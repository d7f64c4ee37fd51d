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

/** What has at least one of the terms. */
export interface Found {
  /** In ascending order. */
  readonly ids: ReadonlyArray<number>
  /** For each of them its score if it had no length: no score is higher. */
  readonly bounds: ReadonlyArray<number>
  /** For each of them where its terms begin in the next two lists; they end where those of the next one begin. */
  readonly starts: ReadonlyArray<number>
  readonly weights: ReadonlyArray<number>
  /** How often the passage has the term. */
  readonly times: ReadonlyArray<number>
}

/** Steps between two moments in which others may have their turn. */
const steps = 200

/** How many lengths are asked for at once. */
const atOnce = 500

/** Reads all lists side by side. Gives undefined now and then, so that others get their turn. */
export function* gather(terms: ReadonlyArray<Postings>): Generator<undefined, Found> {
  const ids: Array<number> = []
  const bounds: Array<number> = []
  const starts: Array<number> = []
  const weights: Array<number> = []
  const times: Array<number> = []
  /** The next id of each list, and its place. */
  const heads = Float64Array.from(terms, ({ passages }) => passages[0] ?? none)
  const places = new Uint32Array(terms.length)
  for (let id = lowest(heads); id !== none; id = lowest(heads)) {
    let bound = 0
    starts.push(weights.length)
    for (let list = 0; list < heads.length; list += 1) {
      const term = terms[list]
      if (heads[list] !== id || term === undefined) continue
      const from = places[list] ?? 0
      let to = from + 1
      while (term.passages[to] === id) to += 1
      places[list] = to
      heads[list] = term.passages[to] ?? none
      weights.push(term.weight)
      times.push(to - from)
      bound += partOf(term.weight, to - from, 0)
    }
    ids.push(id)
    bounds.push(bound)
    if (ids.length % steps === 0) yield undefined
  }
  return { ids, bounds, starts, weights, times }
}

/** Behind all ids. */
const none = Number.POSITIVE_INFINITY

const lowest = (heads: Float64Array): number => {
  let first = none
  for (const id of heads) if (id < first) first = id
  return first
}

/**
 * The ids of the best, best first; of equal ones the lowest first. It gives the ids whose lengths it needs, and is given
 * these in their order. A passage without one is not there any more.
 */
export function* chooseBest(
  found: Found,
  average: number,
  limit: number
): Generator<ReadonlyArray<number>, ReadonlyArray<number>, ReadonlyArray<number | null>> {
  const { bounds, ids } = found
  const best = highest(limit)
  // Mostly the best have the highest bounds. Only those that may still be better than these are looked at.
  const first = highestOf(bounds, limit)
  const isFirst = new Uint8Array(ids.length)
  for (const at of first) isFirst[at] = 1
  const others = () => {
    const least = best.least()
    const left: Array<number> = []
    for (let at = 0; at < ids.length; at += 1) if ((bounds[at] ?? 0) >= least && isFirst[at] === 0) left.push(at)
    return left.sort((one, other) => (bounds[other] ?? 0) - (bounds[one] ?? 0) || one - other)
  }
  for (const wave of [() => first, others]) {
    let left = wave()
    while (left.length > 0) {
      const next = left.slice(0, atOnce)
      const lengths = yield next.map((at) => ids[at] ?? 0)
      next.forEach((at, place) => {
        const length = lengths[place] ?? undefined
        if (length !== undefined) best.offer(ids[at] ?? 0, scoreOf(found, at, average > 0 ? length / average : 1))
      })
      const least = best.least()
      left = left.slice(atOnce).filter((at) => (bounds[at] ?? 0) >= least)
    }
  }
  return best.all()
}

/** Where the highest of these are, in their order; of equal ones the first. */
const highestOf = (values: ReadonlyArray<number>, limit: number): ReadonlyArray<number> => {
  const sorted = Float64Array.from(values).sort()
  const least = sorted[sorted.length - limit] ?? Number.NEGATIVE_INFINITY
  const higher: Array<number> = []
  const equal: Array<number> = []
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at] ?? 0
    if (value > least) higher.push(at)
    else if (value === least) equal.push(at)
  }
  return [...higher, ...equal.slice(0, limit - higher.length)].sort((one, other) => one - other)
}

const scoreOf = ({ starts, times, weights }: Found, at: number, relativeLength: number): number => {
  const end = starts[at + 1] ?? weights.length
  let score = 0
  for (let term = starts[at] ?? end; term < end; term += 1) {
    score += partOf(weights[term] ?? 0, times[term] ?? 0, relativeLength)
  }
  return score
}

interface Scored {
  readonly id: number
  readonly score: number
}

const worseLast = (one: Scored, other: Scored): number => other.score - one.score || one.id - other.id

/** Keeps the ids with the highest scores. */
const highest = (limit: number) => {
  const kept: Array<Scored> = []
  let least = Number.NEGATIVE_INFINITY
  const cut = () => {
    kept.sort(worseLast).splice(limit)
    if (kept.length === limit) least = kept[limit - 1]?.score ?? least
  }
  return {
    /** Below this score nothing is kept any more. */
    least: () => {
      cut()
      return least
    },
    offer: (id: number, score: number) => {
      if (score < least) return
      kept.push({ id, score })
      // Sorting seldom is faster than keeping everything in order.
      if (kept.length >= 2 * limit) cut()
    },
    all: (): ReadonlyArray<number> => {
      cut()
      return kept.map(({ id }) => id)
    }
  }
}
