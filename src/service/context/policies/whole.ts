/** Whole files, best first, as long as they fit; of a file that does not fit, the passages that answer the question. */
import { matches } from "../bm25.ts"
import { byPlace, type Candidate, type Policy, type Ranked } from "../Candidate.ts"

export const whole: Policy = {
  from: ["matching", "matchingFiles"],
  rank: function* (candidates, question) {
    const found = yield* matches(candidates, question)
    const passagesOf = byFile([...candidates].sort(byPlace), (candidate) => candidate)
    let left = question.budget
    const ranked: Array<Ranked> = []
    for (const [fileId, [best]] of byFile(found, ({ candidate }) => candidate)) {
      const passages = passagesOf.get(fileId) ?? []
      const tokens = isWhole(passages) ? tokensUpTo(left, passages, question.countTokens) : undefined
      if (best === undefined || tokens === undefined) continue
      left -= tokens
      for (const candidate of passages) ranked.push({ candidate, score: best.score, why: "its whole file fits" })
    }
    const taken = new Set(ranked.map(({ candidate }) => candidate.fileId))
    yield* ranked
    yield* found.filter(({ candidate }) => !taken.has(candidate.fileId))
  }
}

/** The same in their order, by their files. */
const byFile = <A>(
  all: ReadonlyArray<A>,
  candidateOf: (one: A) => Candidate
): ReadonlyMap<string, ReadonlyArray<A>> => {
  const files = new Map<string, Array<A>>()
  for (const one of all) {
    const { fileId } = candidateOf(one)
    const others = files.get(fileId)
    if (others === undefined) files.set(fileId, [one])
    else others.push(one)
  }
  return files
}

/** Whether these are all passages of their file. */
const isWhole = (passages: ReadonlyArray<Candidate>): boolean => passages[0]?.passagesOfFile === passages.length

/** The tokens of all passages; undefined if they are more than so many. */
const tokensUpTo = (
  most: number,
  passages: ReadonlyArray<Candidate>,
  countTokens: (passage: Candidate) => number
): number | undefined => {
  let tokens = 0
  for (const passage of passages) {
    tokens += countTokens(passage)
    if (tokens > most) return undefined
  }
  return tokens
}
