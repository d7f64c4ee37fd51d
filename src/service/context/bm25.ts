/**
 * BM25: how well a passage answers a question, by the words that both have. The formula and the constants are those of
 * S. Robertson and H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the inverse
 * frequency as in Lucene, which is never negative.
 */
import { byScore, type Candidate, type Collection, type Question, type Ranked } from "./Candidate.ts"
import { termsOf } from "./words.ts"

const k1 = 1.2
const b = 0.75

/** A candidate with what it has of the question. */
export interface Match extends Ranked {
  readonly terms: ReadonlySet<string>
}

/** Those candidates that have a term of the question, best first. */
export const matches = (candidates: ReadonlyArray<Candidate>, question: Question): ReadonlyArray<Match> => {
  const asked = [...new Set(termsOf(question.message))]
  const weights = new Map(asked.map((term) => [term, weightOf(term, question.collection)]))
  const average = question.collection.terms / Math.max(1, question.collection.passages)
  return candidates
    .map((candidate) => matchOf(candidate, weights, average))
    .filter(({ score }) => score > 0)
    .sort(byScore)
}

const weightOf = (term: string, { passages, passagesWith }: Collection): number => {
  const having = Math.min(passages, passagesWith.get(term) ?? 0)
  return Math.log(1 + (passages - having + 0.5) / (having + 0.5))
}

const matchOf = (candidate: Candidate, weights: ReadonlyMap<string, number>, average: number): Match => {
  const all = termsOf(candidate.text)
  const counts = new Map<string, number>()
  for (const term of all) if (weights.has(term)) counts.set(term, (counts.get(term) ?? 0) + 1)
  const length = average > 0 ? all.length / average : 1
  let score = 0
  // In the order of the question, so that the sum is the same to the last bit.
  const found: Array<readonly [term: string, part: number]> = []
  for (const [term, weight] of weights) {
    const count = counts.get(term)
    if (count === undefined) continue
    const part = (weight * count * (k1 + 1)) / (count + k1 * (1 - b + b * length))
    found.push([term, part])
    score += part
  }
  const best = found.sort(([, one], [, other]) => other - one).map(([term]) => `"${term}"`)
  return { candidate, score, terms: new Set(all), why: `has ${listOf(best)}` }
}

const mostNamed = 4

const listOf = (terms: ReadonlyArray<string>): string =>
  terms.length <= mostNamed
    ? terms.join(", ")
    : `${terms.slice(0, mostNamed).join(", ")} and ${terms.length - mostNamed} more of the question's words`
