/**
 * By BM25, newer files a little before older ones, and nothing twice: a passage counts less the more of it is already
 * there. That is the maximal marginal relevance of J. Carbonell and J. Goldstein (1998).
 */
import { matches } from "../bm25.ts"
import { byPlace, type Policy, type Ranked } from "../Candidate.ts"
import { recencyAmong } from "../recency.ts"
import { hashesIn } from "../termCounts.ts"

/** How much of the score is relevance; the rest is how much is new in a passage. */
const weightOfRelevance = 0.7

/** How much of the relevance depends on the time. */
const weightOfTime = 0.2

/** Two passages that have so much in common say the same. */
const same = 0.8

export const diverse: Policy = {
  from: ["matching"],
  rank: function* (candidates, question) {
    const found = yield* matches(candidates, question)
    const best = Math.max(0, ...found.map(({ score }) => score))
    const recencyOf = recencyAmong(candidates)
    yield* varied(
      found.map((match) => ({
        match,
        relevance: (match.score / best) * (1 - weightOfTime + weightOfTime * recencyOf(match.candidate)),
        likeness: 0,
        compared: 0,
        hashes: undefined
      }))
    )
  }
}

interface Waiting {
  readonly match: Ranked
  readonly relevance: number
  /** What it has in common with the most similar one of those that it was compared with. */
  likeness: number
  /** With how many of those that were given before it was compared. */
  compared: number
  hashes: Uint32Array | undefined
}

/**
 * Gives the best passage of those that are left, until none is. A value only falls as others are given. So only a passage
 * that may be the best is compared with those given (M. Minoux, "Accelerated greedy algorithms", 1978).
 */
function* varied(found: ReadonlyArray<Waiting>): Generator<Ranked | undefined> {
  const given = givenSoFar()
  // The best last, by the values that are known.
  const waiting = [...found].sort(worseFirst)
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { match } = next
    if (next.compared === given.count()) {
      yield { candidate: match.candidate, score: valueOf(next), why: match.why }
      given.add(hashesIn(match.candidate.terms))
      continue
    }
    next.hashes ??= hashesIn(match.candidate.terms)
    next.likeness = Math.max(next.likeness, given.likenessTo(next.hashes, next.compared))
    next.compared = given.count()
    if (next.likeness < same) insert(waiting, next)
    yield undefined
  }
}

const valueOf = ({ likeness, relevance }: Waiting): number =>
  weightOfRelevance * relevance - (1 - weightOfRelevance) * likeness

const worseFirst = (one: Waiting, other: Waiting): number =>
  valueOf(one) - valueOf(other) || byPlace(other.match.candidate, one.match.candidate)

/** Puts one where it belongs in what is sorted. */
const insert = (sorted: Array<Waiting>, one: Waiting): void => {
  let [from, to] = [0, sorted.length]
  while (from < to) {
    const middle = (from + to) >> 1
    const other = sorted[middle]
    if (other !== undefined && worseFirst(other, one) < 0) from = middle + 1
    else to = middle
  }
  sorted.splice(from, 0, one)
}

/**
 * The passages that were given, by their terms. What a passage has in common with many others is counted term by term:
 * comparing it with each of them takes ten times as long.
 */
const givenSoFar = () => {
  const sizes: Array<number> = []
  /** For each term the given passages that have it, in ascending order. */
  const having = new Map<number, Array<number>>()
  return {
    count: () => sizes.length,
    add: (hashes: Uint32Array) => {
      for (const hash of hashes) {
        const others = having.get(hash)
        if (others === undefined) having.set(hash, [sizes.length])
        else others.push(sizes.length)
      }
      sizes.push(hashes.length)
    },
    /** The highest Jaccard index (common terms among all terms) with the passages given from number `from` on. */
    likenessTo: (hashes: Uint32Array, from: number): number => {
      const common = new Uint32Array(sizes.length - from)
      for (const hash of hashes) {
        const others = having.get(hash) ?? []
        for (let at = others.length - 1; at >= 0; at -= 1) {
          const other = (others[at] ?? 0) - from
          if (other < 0) break
          common[other] = (common[other] ?? 0) + 1
        }
      }
      let most = 0
      for (let other = 0; other < common.length; other += 1) {
        const both = common[other] ?? 0
        const all = hashes.length + (sizes[from + other] ?? 0) - both
        if (both > 0) most = Math.max(most, both / all)
      }
      return most
    }
  }
}
