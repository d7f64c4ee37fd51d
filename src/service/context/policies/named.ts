/**
 * The files that the message names: the passages of them that answer it, best first, and then the others, from the
 * beginning. After them what else answers the question.
 */
import { matches } from "../bm25.ts"
import { byPlace, type Candidate, type Policy } from "../Candidate.ts"
import { isNamed } from "../names.ts"

export const named: Policy = {
  from: ["namedFiles", "matching"],
  rank: function* (candidates, question) {
    const terms = new Set(question.terms)
    const files = new Map(candidates.map(({ fileId, filename }) => [fileId, isNamed(filename, terms)]))
    const isWanted = ({ fileId }: Candidate) => files.get(fileId) === true
    const found = yield* matches(candidates, question)
    const first = found.filter(({ candidate }) => isWanted(candidate))
    const answering = new Set(first.map(({ candidate }) => candidate))
    const others = candidates
      .filter((candidate) => isWanted(candidate) && !answering.has(candidate))
      .sort(byPlace)
      .map((candidate) => ({ candidate, score: 0, why: "the message names its file" }))
    yield* first.map((match) => ({ ...match, why: `${match.why}, and the message names its file` }))
    yield* others
    yield* found.filter(({ candidate }) => !isWanted(candidate))
  }
}
