/**
 * The words of a text, for finding it again. Passages and questions go through the same function, so equal words are
 * equal terms. Terms have only letters, digits and marks.
 */
import { countsOf } from "./termCounts.ts"

/** Runs of letters and digits. Marks belong to their letters. */
const runs = /[\p{L}\p{N}][\p{L}\p{N}\p{M}]*/gu

/** Scripts that are written without blanks between words. */
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u

/** `parseHttpRequest` and `HTTPServer2` have parts that people search for. */
const humps = /(?:\p{Lu}\p{M}*)+(?!\p{Ll})|(?:\p{Lu}\p{M}*)?(?:\p{Ll}\p{M}*)+|(?:\p{N}\p{M}*)+|(?:\p{L}\p{M}*)+/gu

/** A longer run is data, such as Base64: no one searches for it, and it would fill the index. */
const longest = 64

/**
 * Plural endings of English, and nothing more: the s-stemmer of D. Harman, "How effective is suffixing?" (1991). It
 * leaves other languages nearly alone.
 */
const singular = (word: string): string => {
  if (word.length < 4 || !word.endsWith("s")) return word
  if (word.endsWith("ies") && !/[ae]ies$/.test(word)) return `${word.slice(0, -3)}y`
  if (word.endsWith("es") && !/[aeo]es$/.test(word)) return word.slice(0, -1)
  return /[us]s$/.test(word) ? word : word.slice(0, -1)
}

const fold = (word: string): string => singular(word.toLowerCase())

/** Characters of an unspaced script, in overlapping pairs: the usual way without a dictionary. */
const pairs = (run: string): ReadonlyArray<string> => {
  const characters = [...run]
  return characters.length === 1 ? characters : characters.slice(1).map((next, at) => `${characters[at] ?? ""}${next}`)
}

/** A run of the text, and the terms it is found by. */
export interface Word {
  readonly start: number
  readonly end: number
  readonly terms: ReadonlyArray<string>
}

/** The words of a text in their order, with their places. */
export const wordsIn = (text: string): ReadonlyArray<Word> => {
  const words: Array<Word> = []
  for (const { 0: run, index } of text.matchAll(runs)) {
    const terms = termsOfRun(run)
    if (terms.length > 0) words.push({ start: index, end: index + run.length, terms })
  }
  return words
}

const isPlain = /^(?:[a-z]+|[0-9]+)$/

/** A text has the same words again and again: to look one up takes a tenth of the time. */
const known = new Map<string, ReadonlyArray<string>>()
const mostKnown = 20_000

const termsOfRun = (run: string): ReadonlyArray<string> => {
  if (run.length > longest) return []
  const before = known.get(run)
  if (before !== undefined) return before
  if (known.size === mostKnown) known.clear()
  const terms = newTermsOfRun(run)
  known.set(run, terms)
  return terms
}

const newTermsOfRun = (run: string): ReadonlyArray<string> => {
  if (isPlain.test(run)) return [singular(run)]
  // A compatibility form of one letter may stand for several characters that are not a word: `½` is 1, a slash and 2, and an
  // Arabic mark of its own is a blank and a mark.
  return (run.normalize("NFKC").match(runs) ?? []).flatMap(termsOfNormal)
}

const termsOfNormal = (run: string): ReadonlyArray<string> => {
  if (unspaced.test(run)) return pairs(run.toLowerCase())
  const whole = fold(run)
  // Endings of Korean are written without a blank.
  if (hangul.test(run)) return [...new Set([whole, ...pairs(whole)])]
  const parts = run.match(humps) ?? []
  const terms = parts.length < 2 ? [whole] : [whole, ...parts.map(fold)]
  return [...new Set(terms.flatMap((term) => [term, withoutAccents(term)]))]
}

const hangul = /\p{Script=Hangul}/u

/** Letters that are no other letter with a mark. */
const alike = new Map(Object.entries({ ß: "ss", æ: "ae", œ: "oe", ø: "o", ł: "l", đ: "d", ı: "i", ς: "σ" }))

/**
 * As somebody types it who leaves out accents. A word is found with and without them; with them it is worth more. In other
 * scripts than Latin and Greek a mark may be a letter.
 */
export const withoutAccents = (term: string): string =>
  term
    .normalize("NFD")
    .replace(/(?<=[\p{Script=Latin}\p{Script=Greek}])[\u0300-\u036f]+/gu, "")
    .normalize("NFC")
    .replace(/[ßæœøłđıς]/g, (letter) => alike.get(letter) ?? letter)

/** All terms of a text in their order, with repetitions. */
export const termsOf = (text: string): ReadonlyArray<string> => {
  const terms: Array<string> = []
  for (const run of text.match(runs) ?? []) {
    for (const term of termsOfRun(run)) terms.push(term)
  }
  return terms
}

/** How often a text has each of its terms, and how many terms it has. */
export const countedTermsOf = (text: string) => {
  const terms = termsOf(text)
  return { terms: countsOf(terms), length: terms.length }
}
