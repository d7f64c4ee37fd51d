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

/** Where words with some of these terms are. */
export const highlightsIn = (text: string, wanted: ReadonlySet<string>) =>
  wordsIn(text)
    .filter(({ terms }) => terms.some((term) => wanted.has(term)))
    .map(({ end, start }) => ({ start, end }))
