/**
 * BM25: how well a passage answers a question, by the words that both have. The formula and the constants are those of
 * S. Robertson and H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the inverse
 * frequency as in Lucene, which is never negative.
 */
import { byScore, type Candidate, type Collection, type Question, type Ranked } from "./Candidate.ts"
import { hashesIn, hashOf, sizeOf, type TermCounts, timesIn } from "./termCounts.ts"

const k1 = 1.2
const b = 0.75

/** Those candidates that have a term of the question, best first. Gives undefined after each that was looked at. */
export function* matches(
  candidates: ReadonlyArray<Candidate>,
  question: Question
): Generator<undefined, ReadonlyArray<Ranked>> {
  const weights = new Map(
    question.terms.map((term, place) => [hashOf(term), { term, place, weight: weightOf(term, question.collection) }])
  )
  const average = question.collection.terms / Math.max(1, question.collection.passages)
  const found: Array<Ranked> = []
  for (const candidate of candidates) {
    const match = matchOf(candidate, weights, average)
    if (match.score > 0) found.push(match)
    yield undefined
  }
  return found.sort(byScore)
}

interface Weighted {
  readonly term: string
  /** Of the term among those of the question. */
  readonly place: number
  readonly weight: number
}

/** What a term is worth: the fewer passages have it, the more. */
export const weightOf = (term: string, { passages, passagesWith }: Collection): number => {
  const having = Math.min(passages, passagesWith.get(term) ?? 0)
  return Math.log(1 + (passages - having + 0.5) / (having + 0.5))
}

/**
 * What a term adds to the score of a passage that has it so many times. The length of the passage is relative to the
 * average: the longer it is, the less.
 */
export const partOf = (weight: number, times: number, relativeLength: number): number =>
  (weight * times * (k1 + 1)) / (times + k1 * (1 - b + b * relativeLength))

const matchOf = (candidate: Candidate, weights: ReadonlyMap<number, Weighted>, average: number): Ranked => {
  const { length, terms } = candidate
  const relative = average > 0 ? length / average : 1
  // In the order of the question, so that the sum is the same to the last bit.
  const found = termsIn(terms, weights)
    .map(([count, { place, term, weight }]) => ({
      term,
      place,
      part: partOf(weight, count, relative)
    }))
    .sort((one, other) => one.place - other.place)
  const score = found.reduce((sum, { part }) => sum + part, 0)
  const best = found.sort((one, other) => other.part - one.part).map(({ term }) => `"${term}"`)
  return { candidate, score, why: `has ${listOf(best)}` }
}

/** The terms that both have, and how often. A message may have thousands of terms, and a passage hundreds. */
const termsIn = (
  terms: TermCounts,
  weights: ReadonlyMap<number, Weighted>
): Array<readonly [count: number, weighted: Weighted]> => {
  const found: Array<readonly [number, Weighted]> = []
  const take = (hash: number) => {
    const weighted = weights.get(hash)
    const count = weighted === undefined ? 0 : timesIn(terms, hash)
    if (weighted !== undefined && count > 0) found.push([count, weighted])
  }
  for (const hash of weights.size < sizeOf(terms) ? weights.keys() : hashesIn(terms)) take(hash)
  return found
}

const mostNamed = 4

const listOf = (terms: ReadonlyArray<string>): string =>
  terms.length <= mostNamed
    ? terms.join(", ")
    : `${terms.slice(0, mostNamed).join(", ")} and ${terms.length - mostNamed} more of the question's words`
