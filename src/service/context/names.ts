/** Whether a message names a file. */
import { termsOf, withoutAccents } from "./words.ts"

/** So many words in a row are not there by chance. */
const telling = 2

/**
 * It does if it has all words of the name. The ending may be missing where the rest has several words: without it
 * `report.md` would be named by each message about a report.
 */
export const isNamed = (filename: string, terms: ReadonlySet<string>): boolean => {
  const wordsOf = (text: string) => new Set(termsOf(text).map(withoutAccents))
  const isThere = (words: ReadonlySet<string>) => [...words].every((word) => terms.has(word))
  const words = wordsOf(filename)
  if (words.size === 0) return false
  const stem = wordsOf(filename.replace(/\.[^.]*$/, ""))
  return isThere(words) || (stem.size >= telling && isThere(stem))
}
