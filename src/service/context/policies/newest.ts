/** The newest files first, whatever the question is; each from its beginning. */
import { byPlace, type Candidate, type Policy } from "../Candidate.ts"
import { fill } from "../fill.ts"
import { recencyAmong } from "../recency.ts"

export const newest: Policy = (candidates, question) => {
  const recencyOf = recencyAmong(candidates)
  const ranked = candidates.map((candidate) => ({
    candidate,
    score: recencyOf(candidate),
    why: "is of one of the newest files"
  }))
  const byTime = (one: Candidate, other: Candidate) => other.uploadedAt - one.uploadedAt || byPlace(one, other)
  return fill(
    ranked.sort((one, other) => byTime(one.candidate, other.candidate)),
    question
  )
}
