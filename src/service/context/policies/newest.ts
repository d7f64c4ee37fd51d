/** The newest files first, whatever the question is; each from its beginning. */
import { byPlace, type Candidate, type Policy } from "../Candidate.ts"
import { recencyAmong } from "../recency.ts"

export const newest: Policy = {
  from: ["newestFiles"],
  rank: (candidates) => {
    const recencyOf = recencyAmong(candidates)
    const ranked = candidates.map((candidate) => ({
      candidate,
      score: recencyOf(candidate),
      why: "is of one of the newest files"
    }))
    return ranked.sort((one, other) => byTime(one.candidate, other.candidate))
  }
}

const byTime = (one: Candidate, other: Candidate): number => other.uploadedAt - one.uploadedAt || byPlace(one, other)
