/** The text of an HTML page without its tags. Every line stays where it is, so that places are those of the file. */
import { Parser } from "htmlparser2"
import type { Section } from "../passages.ts"
import { textOf } from "./text.ts"

/** What they contain is not shown. */
const unseen = new Set(["script", "style", "template", "noscript", "svg"])

/** They do not separate words. */
const inline = new Set(
  "a abbr b bdi bdo cite code data dfn em font i ins kbd mark q s samp small span strong sub sup time u var wbr".split(
    " "
  )
)

export const readHtml = (bytes: Uint8Array): ReadonlyArray<Section> => {
  const source = textOf(bytes)
  const parts: Array<string> = []
  /** Up to where the lines of the source are counted. */
  let counted = 0
  let depthUnseen = 0
  const countLines = (end: number) => {
    const lines = source.slice(counted, end).split("\n").length - 1
    if (lines > 0) parts.push("\n".repeat(lines))
    counted = end
  }
  const separate = (name: string) => {
    if (!inline.has(name)) parts.push(" ")
  }
  const parser = new Parser(
    {
      onopentag: (name) => {
        if (unseen.has(name)) depthUnseen += 1
        separate(name)
      },
      onclosetag: (name) => {
        if (unseen.has(name)) depthUnseen -= 1
        separate(name)
      },
      ontext: (text) => {
        if (depthUnseen > 0) return
        countLines(parser.startIndex)
        parts.push(text)
        counted = parser.endIndex + 1
      }
    },
    { decodeEntities: true, lowerCaseTags: true }
  )
  parser.end(source)
  return [{ text: parts.join("").replace(/[^\S\n]+/g, " "), page: null }]
}
