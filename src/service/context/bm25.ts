/**
 * BM25: how well a passage answers a question, by the words that both have. The formula and the constants are those of
 * S. Robertson and H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the inverse
 * frequency as in Lucene, which is never negative.
 */
import { byScore, type Candidate, type Collection, type Question, type Ranked } from "./Candidate.ts"

const k1 = 1.2
const b = 0.75

/** Those candidates that have a term of the question, best first. */
export const matches = (candidates: ReadonlyArray<Candidate>, question: Question): ReadonlyArray<Ranked> => {
  const weights = new Map(
    question.terms.map((term, place) => [term, { place, weight: weightOf(term, question.collection) }])
  )
  const average = question.collection.terms / Math.max(1, question.collection.passages)
  return candidates
    .map((candidate) => matchOf(candidate, weights, average))
    .filter(({ score }) => score > 0)
    .sort(byScore)
}

interface Weighted {
  /** Of the term among those of the question. */
  readonly place: number
  readonly weight: number
}

const weightOf = (term: string, { passages, passagesWith }: Collection): number => {
  const having = Math.min(passages, passagesWith.get(term) ?? 0)
  return Math.log(1 + (passages - having + 0.5) / (having + 0.5))
}

const matchOf = (candidate: Candidate, weights: ReadonlyMap<string, Weighted>, average: number): Ranked => {
  const { length, terms } = candidate
  const relative = average > 0 ? length / average : 1
  // In the order of the question, so that the sum is the same to the last bit.
  const found = termsIn(terms, weights)
    .map(([term, count, { place, weight }]) => ({
      term,
      place,
      part: (weight * count * (k1 + 1)) / (count + k1 * (1 - b + b * relative))
    }))
    .sort((one, other) => one.place - other.place)
  const score = found.reduce((sum, { part }) => sum + part, 0)
  const best = found.sort((one, other) => other.part - one.part).map(({ term }) => `"${term}"`)
  return { candidate, score, why: `has ${listOf(best)}` }
}

/** The terms that both have. A message may have thousands of terms, and a passage hundreds. */
const termsIn = (
  terms: ReadonlyMap<string, number>,
  weights: ReadonlyMap<string, Weighted>
): Array<readonly [term: string, count: number, weighted: Weighted]> => {
  const found: Array<readonly [string, number, Weighted]> = []
  const take = (term: string) => {
    const count = terms.get(term)
    const weighted = weights.get(term)
    if (count !== undefined && weighted !== undefined) found.push([term, count, weighted])
  }
  for (const term of (weights.size < terms.size ? weights : terms).keys()) take(term)
  return found
}

const mostNamed = 4

const listOf = (terms: ReadonlyArray<string>): string =>
  terms.length <= mostNamed
    ? terms.join(", ")
    : `${terms.slice(0, mostNamed).join(", ")} and ${terms.length - mostNamed} more of the question's words`
