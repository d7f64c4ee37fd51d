/** Whether a message names a file. */
import { termsOf } from "./words.ts"

/** So many words in a row are not there by chance. */
const telling = 2

/**
 * It does if it has all words of the name. The ending may be missing where the rest has several words: without it
 * `report.md` would be named by each message about a report.
 */
export const isNamed = (filename: string, terms: ReadonlySet<string>): boolean => {
  const isThere = (words: ReadonlyArray<string>) => words.every((word) => terms.has(word))
  const words = termsOf(filename)
  if (words.length === 0) return false
  const stem = termsOf(filename.replace(/\.[^.]*$/, ""))
  return isThere(words) || (new Set(stem).size >= telling && isThere(stem))
}
