/** The passages that answer the question best, by BM25. */
import { matches } from "../bm25.ts"
import type { Policy } from "../Candidate.ts"

export const relevant: Policy = {
  from: ["matching"],
  rank: function* (candidates, question) {
    yield* yield* matches(candidates, question)
  }
}
