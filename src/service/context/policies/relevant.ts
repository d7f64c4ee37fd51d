/** The passages that answer the question best, by BM25. */
import { matches } from "../bm25.ts"
import type { Policy } from "../Candidate.ts"
import { fill } from "../fill.ts"

export const relevant: Policy = {
  from: ["matching"],
  choose: (candidates, question) => fill(matches(candidates, question), question)
}
