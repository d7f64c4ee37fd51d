/**
 * By BM25, newer files a little before older ones, and nothing twice: a passage counts less the more of it is already
 * there. That is the maximal marginal relevance of J. Carbonell and J. Goldstein (1998).
 */
import { type Match, matches } from "../bm25.ts"
import { byPlace, type Policy, type Ranked } from "../Candidate.ts"
import { fill } from "../fill.ts"
import { recencyAmong } from "../recency.ts"

/** How much of the score is relevance; the rest is how much is new in a passage. */
const relevance = 0.7

/** How much of the relevance depends on the time. */
const weightOfTime = 0.2

/** Two passages that have so much in common say the same. */
const same = 0.8

export const diverse: Policy = {
  from: ["matching"],
  choose: (candidates, question) => {
    const found = matches(candidates, question)
    const best = Math.max(0, ...found.map(({ score }) => score))
    const recencyOf = recencyAmong(candidates)
    return fill(
      varied(
        found.map((match) => ({
          ...match,
          score: (match.score / best) * (1 - weightOfTime + weightOfTime * recencyOf(match.candidate))
        }))
      ),
      question
    )
  }
}

interface Waiting {
  readonly match: Match
  /** What it has in common with the most similar passage that was given before. */
  likeness: number
}

/** Each next one is the best of those that are left, until the reader has enough. */
function* varied(found: ReadonlyArray<Match>): Generator<Ranked> {
  let waiting: ReadonlyArray<Waiting> = found.map((match) => ({ match, likeness: 0 }))
  while (true) {
    const next = waiting.reduce<Waiting | undefined>((best, one) => (isBetter(one, best) ? one : best), undefined)
    if (next === undefined) return
    const { candidate, terms, why } = next.match
    yield { candidate, score: valueOf(next), why }
    waiting = waiting.filter((one) => {
      one.likeness = Math.max(one.likeness, likenessOf(one.match.terms, terms))
      return one !== next && one.likeness < same
    })
  }
}

const valueOf = ({ likeness, match }: Waiting): number => relevance * match.score - (1 - relevance) * likeness

const isBetter = (one: Waiting, best: Waiting | undefined): boolean => {
  if (best === undefined) return true
  const more = valueOf(one) - valueOf(best)
  return more > 0 || (more === 0 && byPlace(one.match.candidate, best.match.candidate) < 0)
}

/** Jaccard's index: common words among all words. */
const likenessOf = (one: ReadonlySet<string>, other: ReadonlySet<string>): number => {
  const [small, large] = one.size < other.size ? [one, other] : [other, one]
  let common = 0
  for (const term of small) if (large.has(term)) common += 1
  return small.size === 0 ? 0 : common / (one.size + other.size - common)
}
