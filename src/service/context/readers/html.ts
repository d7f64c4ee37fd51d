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

/** What a page says of its encoding is in the beginning (HTML Standard, 4.2.5.4). */
const declaredIn = (bytes: Uint8Array): string | undefined =>
  /<meta\s[^>]*charset\s*=\s*["']?\s*([\w.:-]+)/i.exec(Buffer.from(bytes.subarray(0, 1024)).toString("latin1"))?.[1]

/** A page can hide an element in other ways too: those that its styles decide are not known here. */
const isHidden = ({ hidden, style }: Readonly<Record<string, string>>): boolean =>
  hidden !== undefined || /display\s*:\s*none/i.test(style ?? "")

export const readHtml = (bytes: Uint8Array): ReadonlyArray<Section> => {
  const source = textOf(bytes, declaredIn(bytes)).replace(/\r\n?/g, "\n")
  const parts: Array<string> = []
  /** Up to where the lines of the source are counted. */
  let counted = 0
  /** Of each open element, whether it hides what is in it. */
  const open: Array<boolean> = []
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
      onopentag: (name, attributes) => {
        const hides = unseen.has(name) || isHidden(attributes)
        open.push(hides)
        if (hides) depthUnseen += 1
        separate(name)
      },
      onclosetag: (name) => {
        if (open.pop() === true) depthUnseen -= 1
        separate(name)
      },
      ontext: (text) => {
        if (depthUnseen > 0) return
        countLines(parser.startIndex)
        // An end of a line that is written as an entity is none in the file.
        const isEntity = source.charCodeAt(parser.startIndex) === ampersand
        parts.push(isEntity ? text.replaceAll("\n", " ") : text)
        counted = parser.endIndex + 1
      }
    },
    { decodeEntities: true, lowerCaseTags: true }
  )
  parser.end(source)
  return [{ text: parts.join("").replace(/[^\S\n]+/g, " "), page: null }]
}

const ampersand = 0x26
