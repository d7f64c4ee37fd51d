/**
 * Splits a text into passages: pieces that are short enough to choose between, and long enough to understand. Every
 * character other than blanks is in exactly one passage, in the order of the text.
 */

/** Where a passage stands. Lines count from 1 within the file, or within the page if there are pages. */
export interface Place {
  readonly line: number
  readonly endLine: number
  /** A page, a slide or a sheet, from 1. Null in a text without pages. */
  readonly page: number | null
}

export interface Passage {
  readonly text: string
  readonly place: Place
}

/** A part of a document whose lines are counted by themselves. */
export interface Section {
  readonly text: string
  readonly page: number | null
  /** Whether some of it is damaged, and missing in the text. */
  readonly isDamaged?: boolean
}

/** Characters. A passage ends at the first good place after the half of it. 1,000 are about 250 tokens. */
export const usualLength = 1000

/** No passage is longer. */
export const longestPassage = 1600

export const passagesOf = (sections: Iterable<Section>): ReadonlyArray<Passage> => [...passagesIn(sections)]

/** The same, one by one: a reader can stop at any. */
export function* passagesIn(sections: Iterable<Section>): Generator<Passage> {
  for (const { page, text } of sections) yield* passagesOfSection(text, page)
}

/** A line, or a part of one that is longer than a passage. */
interface Piece {
  readonly text: string
  readonly line: number
}

function* passagesOfSection(text: string, page: number | null): Generator<Passage> {
  let pieces: Array<Piece> = []
  let length = 0
  const passage = (): Passage | undefined => {
    const first = pieces.findIndex((piece) => !isBlank(piece.text))
    const last = pieces.findLastIndex((piece) => !isBlank(piece.text))
    const kept = pieces.slice(first === -1 ? pieces.length : first, last + 1)
    pieces = []
    length = 0
    const [start] = kept
    const end = kept.at(-1)
    if (start === undefined || end === undefined) return undefined
    return {
      text: joined(kept),
      place: { line: start.line, endLine: end.line, page }
    }
  }
  for (const piece of piecesOf(text)) {
    const isBreak = isBlank(piece.text) || isHeading(piece.text)
    const isFull = length + piece.text.length > longestPassage || length >= usualLength
    if (length > 0 && (isFull || (isBreak && length >= usualLength / 2))) {
      const whole = passage()
      if (whole !== undefined) yield whole
    }
    if (length === 0 && isBlank(piece.text)) continue
    pieces.push(piece)
    length += piece.text.length + 1
  }
  const rest = passage()
  if (rest !== undefined) yield rest
}

/** Parts of one line have no line end between them. */
const joined = (pieces: ReadonlyArray<Piece>): string =>
  pieces.map(({ line, text }, at) => (at === 0 || pieces[at - 1]?.line === line ? text : `\n${text}`)).join("")

const isBlank = (text: string): boolean => text.trim() === ""

/** A heading of Markdown belongs to what follows. */
const isHeading = (text: string): boolean => /^#{1,6} /.test(text)

function* piecesOf(text: string): Generator<Piece> {
  let line = 0
  for (const whole of text.split(/\r\n|[\n\r\u2028\u2029]/)) {
    line += 1
    let rest = whole
    while (rest.length > usualLength) {
      const end = cutOf(rest)
      yield { text: rest.slice(0, end), line }
      rest = rest.slice(end)
    }
    yield { text: rest, line }
  }
}

/** Where to cut a long line: behind a sentence, else at a blank, else anywhere but within a character. */
const cutOf = (line: string): number => {
  const head = line.slice(0, usualLength)
  const sentence = Math.max(
    head.lastIndexOf(". "),
    head.lastIndexOf("? "),
    head.lastIndexOf("! "),
    head.lastIndexOf("。")
  )
  if (sentence > usualLength / 2) return sentence + 1
  const blank = head.lastIndexOf(" ")
  if (blank > usualLength / 2) return blank
  const last = head.charCodeAt(usualLength - 1)
  return last >= 0xd800 && last <= 0xdbff ? usualLength - 1 : usualLength
}
