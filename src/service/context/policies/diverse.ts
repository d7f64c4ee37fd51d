/**
 * By BM25, newer files a little before older ones, and nothing twice: a passage counts less the more of it is already
 * there. That is the maximal marginal relevance of J. Carbonell and J. Goldstein (1998).
 */
import { matches } from "../bm25.ts"
import { byPlace, type Candidate, type Policy, type Ranked } from "../Candidate.ts"
import { recencyAmong } from "../recency.ts"

/** How much of the score is relevance; the rest is how much is new in a passage. */
const weightOfRelevance = 0.7

/** How much of the relevance depends on the time. */
const weightOfTime = 0.2

/** Two passages that have so much in common say the same. */
const same = 0.8

export const diverse: Policy = {
  from: ["matching"],
  rank: (candidates, question) => {
    const found = matches(candidates, question)
    const best = Math.max(0, ...found.map(({ score }) => score))
    const recencyOf = recencyAmong(candidates)
    return varied(
      found.map((match) => ({
        match,
        relevance: (match.score / best) * (1 - weightOfTime + weightOfTime * recencyOf(match.candidate)),
        likeness: 0,
        compared: 0
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
}

/**
 * Each next one is the best of those that are left. Its value only falls as others are given, so only those are compared
 * with what was given that may be the best (M. Minoux, "Accelerated greedy algorithms", 1978).
 */
function* varied(found: ReadonlyArray<Waiting>): Generator<Ranked | undefined> {
  const numberedTerms = numbering()
  const given: Array<Uint32Array> = []
  // The best last, by the values that are known.
  const waiting = [...found].sort(worseFirst)
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { match } = next
    if (next.compared === given.length) {
      yield { candidate: match.candidate, score: valueOf(next), why: match.why }
      given.push(numberedTerms(match.candidate))
      continue
    }
    const terms = numberedTerms(match.candidate)
    for (const other of given.slice(next.compared)) next.likeness = Math.max(next.likeness, likenessOf(terms, other))
    next.compared = given.length
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

/** The numbers of a candidate's terms, in order: comparing them takes a tenth of the time of comparing texts. */
const numbering = (): ((candidate: Candidate) => Uint32Array) => {
  const numbers = new Map<string, number>()
  const made = new Map<Candidate, Uint32Array>()
  return (candidate) => {
    const before = made.get(candidate)
    if (before !== undefined) return before
    const numbered = Uint32Array.from(candidate.terms.keys(), (term) => {
      const number = numbers.get(term) ?? numbers.size
      numbers.set(term, number)
      return number
    }).sort()
    made.set(candidate, numbered)
    return numbered
  }
}

/** Jaccard's index: common terms among all terms. */
const likenessOf = (one: Uint32Array, other: Uint32Array): number => {
  let common = 0
  for (let at = 0, beside = 0; at < one.length && beside < other.length; ) {
    const more = (one[at] ?? 0) - (other[beside] ?? 0)
    if (more === 0) common += 1
    if (more <= 0) at += 1
    if (more >= 0) beside += 1
  }
  return one.length === 0 ? 0 : common / (one.length + other.length - common)
}
