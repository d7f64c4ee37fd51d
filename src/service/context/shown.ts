/** Passages as they are shown. */
import type { Candidate, Ranked } from "./Candidate.ts"
import { wordsIn } from "./words.ts"

/** A passage that was chosen, with its text. */
export type Shown<A extends { readonly candidate: Candidate }> = A & { readonly text: string }

/** The fields of a passage in an answer. */
export const fieldsOf = ({ candidate: { fileId, filename, ordinal, place }, score, text }: Shown<Ranked>) => ({
  fileId,
  name: filename,
  ordinal,
  text,
  line: place.line,
  endLine: place.endLine,
  page: place.page,
  score
})

/** Where words with some of these terms are. Those that overlap are one. */
export const highlightsIn = (text: string, wanted: ReadonlySet<string>) => {
  const found: Array<{ readonly start: number; readonly end: number }> = []
  for (const { end, start, terms } of wordsIn(text)) {
    if (!terms.some((term) => wanted.has(term))) continue
    const last = found.at(-1)
    const isPart = last !== undefined && start < last.end
    if (isPart) found.pop()
    found.push({ start: isPart ? last.start : start, end })
  }
  return found
}
