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
  readonly terms: ReadonlyArray<Postings>
  /** In ascending order. */
  readonly ids: ReadonlyArray<number>
  /** For each of them its score if it had no length: no score is higher. */
  readonly bounds: ReadonlyArray<number>
}

/** Steps between two moments in which others may have their turn. */
const steps = 200

/** How many lengths are asked for at once. */
const atOnce = 200

/** Reads all lists side by side. Gives undefined now and then, so that others get their turn. */
export function* gather(terms: ReadonlyArray<Postings>): Generator<undefined, Found> {
  const ids: Array<number> = []
  const bounds: Array<number> = []
  const lists = terms.map(({ passages, weight }) => ({ passages, weight, at: 0, id: passages[0] ?? none }))
  let id = firstOf(lists)
  while (id !== none) {
    let bound = 0
    for (const list of lists) {
      if (list.id !== id) continue
      const from = list.at
      while (list.passages[list.at] === id) list.at += 1
      list.id = list.passages[list.at] ?? none
      bound += partOf(list.weight, list.at - from, 0)
    }
    ids.push(id)
    bounds.push(bound)
    if (ids.length % steps === 0) yield undefined
    id = firstOf(lists)
  }
  return { terms, ids, bounds }
}

/** Behind all ids. */
const none = Number.POSITIVE_INFINITY

const firstOf = (lists: ReadonlyArray<{ readonly id: number }>): number => {
  let first = none
  for (const { id } of lists) if (id < first) first = id
  return first
}

/**
 * The ids of the best, best first; of equal ones the lowest first. It gives the ids whose lengths it needs, and is given
 * these. A passage without one is not there any more.
 */
export function* chooseBest(
  { bounds, ids, terms }: Found,
  average: number,
  limit: number
): Generator<ReadonlyArray<number>, ReadonlyArray<number>, ReadonlyMap<number, number>> {
  const best = highest(limit)
  const score = (passages: ReadonlyArray<Scored>, lengths: ReadonlyMap<number, number>) => {
    for (const { id } of passages) {
      const length = lengths.get(id)
      if (length !== undefined) best.offer(id, scoreOf(terms, id, average > 0 ? length / average : 1))
    }
  }
  // Mostly the best have the highest bounds. Only those that may still be better than these are looked at.
  const hopeful = highest(limit)
  for (let at = 0; at < ids.length; at += 1) hopeful.offer(ids[at] ?? 0, bounds[at] ?? 0)
  const first = hopeful.all()
  const isFirst = new Set(first.map(({ id }) => id))
  const others = () => {
    const least = best.least()
    const left: Array<Scored> = []
    for (let at = 0; at < ids.length; at += 1) {
      const [id, bound] = [ids[at] ?? 0, bounds[at] ?? 0]
      if (bound >= least && !isFirst.has(id)) left.push({ id, score: bound })
    }
    return left.sort(worseLast)
  }
  for (const wave of [() => first, others]) {
    let left = wave()
    while (left.length > 0) {
      const next = left.slice(0, atOnce)
      score(next, yield next.map(({ id }) => id))
      const least = best.least()
      left = left.slice(atOnce).filter((one) => one.score >= least)
    }
  }
  return best.all().map(({ id }) => id)
}

const scoreOf = (terms: ReadonlyArray<Postings>, id: number, relativeLength: number): number => {
  let score = 0
  for (const { passages, weight } of terms) {
    const from = placeOf(passages, id)
    let to = from
    while (passages[to] === id) to += 1
    if (to > from) score += partOf(weight, to - from, relativeLength)
  }
  return score
}

/** Where an id is in a list, or would be. */
const placeOf = (passages: ReadonlyArray<number>, id: number): number => {
  let [from, to] = [0, passages.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if ((passages[middle] ?? none) < id) from = middle + 1
    else to = middle
  }
  return from
}

interface Scored {
  readonly id: number
  readonly score: number
}

const worseLast = (one: Scored, other: Scored): number => other.score - one.score || one.id - other.id

/** Keeps those with the highest scores. */
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
    all: (): ReadonlyArray<Scored> => {
      cut()
      return [...kept]
    }
  }
}
