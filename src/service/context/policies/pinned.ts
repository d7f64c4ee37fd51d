/** The files that the caller pinned, in that order and each from its beginning; then what answers the question. */
import { matches } from "../bm25.ts"
import { byPlace, type Policy } from "../Candidate.ts"

export const pinned: Policy = {
  from: ["pinnedFiles", "matching"],
  rank: function* (candidates, question) {
    const wanted = new Map(question.pinned.map((fileId, at) => [fileId, at]))
    const rankOf = (fileId: string) => wanted.get(fileId) ?? wanted.size
    const first = candidates
      .filter(({ fileId }) => wanted.has(fileId))
      .sort((one, other) => rankOf(one.fileId) - rankOf(other.fileId) || byPlace(one, other))
      .map((candidate) => ({ candidate, score: wanted.size - rankOf(candidate.fileId), why: "its file is pinned" }))
    yield* first
    yield* yield* matches(
      candidates.filter(({ fileId }) => !wanted.has(fileId)),
      question
    )
  }
}
