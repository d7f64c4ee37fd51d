/**
 * The words of a text, for finding it again. Passages and questions go through the same function, so equal words are
 * equal terms. Terms have only letters, digits and marks.
 */
import { countsOf } from "./termCounts.ts"

/**
 * Runs of letters and digits. Marks belong to their letters, and so does U+00AD, which only says where a line may end. A
 * word may go on in the next line.
 */
const runs =
  /[\p{L}\p{N}][\p{L}\p{N}\p{M}\u00ad]*(?:[-\u2010](?<=\p{L}\p{M}*.)\r?\n[ \t]*\p{Ll}[\p{L}\p{N}\p{M}\u00ad]*)?/gu

/** Where a word goes on in the next line. */
const lineEnd = /[-\u2010]\r?\n[ \t]*/

/** Scripts that are written without blanks between words, and letters that several of them share. */
const unspacedScripts =
  "\\p{sc=Han}\\p{sc=Hira}\\p{sc=Kana}\\p{sc=Thai}\\p{sc=Lao}\\p{sc=Khmr}\\p{sc=Mymr}\\u3006\\u303c\\u30fc\\uff70"

/** U+FF9E and U+FF9F are marks that take the room of a letter. */
const marks = "\\p{M}\\uff9e\\uff9f"

const unspacedLetter = `(?!\\p{M})[${unspacedScripts}]`
const unspaced = new RegExp(unspacedLetter, "u")

/** What is written in these scripts, and what stands between. */
const segments = new RegExp(`${unspacedLetter}[${unspacedScripts}${marks}]*|(?:(?!${unspacedLetter}).)+`, "gsu")

const characterWithMarks = new RegExp(`.[${marks}]*`, "gsu")

/** A compatibility form may stand for more than a word: `㈠` is a character in parentheses. */
const notWritten = /[^\p{L}\p{N}\p{M}]/gu

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

/** A run of the text, and the terms it is found by. */
export interface Word {
  readonly start: number
  readonly end: number
  readonly terms: ReadonlyArray<string>
}

/**
 * The words of a text in their order, with their places. Of a script without blanks these are pairs of characters, which
 * overlap.
 */
export const wordsIn = (text: string): ReadonlyArray<Word> => {
  const words: Array<Word> = []
  for (const { 0: run, index } of text.matchAll(runs)) {
    for (const { end, start, terms } of unspaced.test(run) ? wordsOfUnspaced(run) : [wholeOf(run)]) {
      if (terms.length > 0) words.push({ start: index + start, end: index + end, terms })
    }
  }
  return words
}

const wholeOf = (run: string): Word => ({ start: 0, end: run.length, terms: termsOfRun(run) })

/** The words of a run in which some characters are of an unspaced script: it may be a whole sentence. */
const wordsOfUnspaced = (run: string): ReadonlyArray<Word> =>
  [...run.matchAll(segments)].flatMap(({ 0: segment, index }) => {
    const words = unspaced.test(segment) ? pairsIn(segment) : [wholeOf(segment)]
    return words.map(({ end, start, terms }) => ({ start: index + start, end: index + end, terms }))
  })

/** Overlapping pairs of characters: the usual way without a dictionary. */
const pairsIn = (segment: string): ReadonlyArray<Word> => {
  const characters = [...segment.matchAll(characterWithMarks)].flatMap(({ 0: written, index }) =>
    [...written.normalize("NFKC").replace(notWritten, "")].map((character) => ({
      character,
      start: index,
      end: index + written.length
    }))
  )
  const [first] = characters
  if (first !== undefined && characters.length === 1) return [{ ...first, terms: [first.character] }]
  return characters.slice(1).map(({ character, end }, at) => ({
    start: characters[at]?.start ?? 0,
    end,
    terms: [`${characters[at]?.character ?? ""}${character}`]
  }))
}

const isPlain = /^(?:[a-z]+|[0-9]+)$/

/** A text has the same words again and again: to look one up takes a tenth of the time. */
const known = new Map<string, ReadonlyArray<string>>()
const mostKnown = 20_000

const termsOfRun = (run: string): ReadonlyArray<string> => {
  const before = known.get(run)
  if (before !== undefined) return before
  const terms = newTermsOfRun(run)
  if (run.length > longest) return terms
  if (known.size === mostKnown) known.clear()
  known.set(run, terms)
  return terms
}

const newTermsOfRun = (run: string): ReadonlyArray<string> => {
  if (unspaced.test(run)) return wordsOfUnspaced(run).flatMap(({ terms }) => terms)
  if (run.length > longest) return []
  if (isPlain.test(run)) return [singular(run)]
  const parts = run.replaceAll("\u00ad", "").split(lineEnd)
  // Nobody knows whether the hyphen is only there because the line ends.
  if (parts.length > 1) return [parts.join(""), ...parts].flatMap(termsOfRun)
  // A compatibility form of one letter may stand for several characters that are not a word: `½` is 1, a slash and 2, and an
  // Arabic mark of its own is a blank and a mark.
  return (parts.join("").normalize("NFKC").match(runs) ?? []).flatMap(termsOfNormal)
}

const termsOfNormal = (run: string): ReadonlyArray<string> => {
  const whole = fold(run)
  // Endings of Korean are written without a blank.
  if (hangul.test(run)) return [...new Set([whole, ...pairsIn(whole).flatMap(({ terms }) => terms)])]
  const parts = run.match(humps) ?? []
  const terms = parts.length < 2 ? [whole] : [whole, ...parts.map(fold)]
  return [...new Set(terms.flatMap((term) => [term, withoutAccents(term)]))]
}

const hangul = /\p{Script=Hangul}/u

/** Letters that are no other letter with a mark, or are often written without it. */
const alike = new Map(Object.entries({ ß: "ss", æ: "ae", œ: "oe", ø: "o", ł: "l", đ: "d", ı: "i", ς: "σ", ё: "е" }))

/**
 * As somebody types it who leaves out accents. A word is found with and without them; with them it is worth more. In other
 * scripts than Latin and Greek a mark may be a letter. Vowels of Arabic and Hebrew are marks that are mostly not written.
 */
export const withoutAccents = (term: string): string =>
  term
    .normalize("NFD")
    .replace(/(?<=[\p{Script=Latin}\p{Script=Greek}])[\u0300-\u036f]+/gu, "")
    .replace(vowels, "")
    .normalize("NFC")
    .replace(/[ßæœøłđıςё]/g, (letter) => alike.get(letter) ?? letter)

/** Also U+0640, which only makes a word longer. */
const vowels = /[\u064b-\u0652\u0670\u0640\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]+/g

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
