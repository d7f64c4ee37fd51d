/**
 * The text of Office documents (ECMA-376) and of OpenDocument texts. The parser knows no entities but XML's own, so a
 * document type cannot make a text grow.
 */
import { Parser } from "htmlparser2"
import type { Section } from "../passages.ts"
import { UnreadableFile } from "./UnreadableFile.ts"
import { inOrder, partsOf } from "./zip.ts"

/** Names without their prefix, which each document may choose. */
interface Names {
  /** Elements whose text counts. */
  readonly text: ReadonlySet<string>
  /** Elements that end a line. */
  readonly line: ReadonlySet<string>
}

const named = (text: string, line: string): Names => ({
  text: new Set(text.split(" ")),
  line: new Set(line.split(" "))
})

const localName = (name: string): string => name.slice(name.indexOf(":") + 1)

const textOfXml = (xml: string, { line, text }: Names): string => {
  const parts: Array<string> = []
  let depth = 0
  const parser = new Parser(
    {
      onopentagname: (name) => {
        const local = localName(name)
        if (text.has(local)) depth += 1
        if (local === "tab") parts.push("\t")
        if (local === "s") parts.push(" ")
      },
      onclosetag: (name) => {
        const local = localName(name)
        if (text.has(local)) depth -= 1
        if (line.has(local)) parts.push("\n")
      },
      ontext: (some) => {
        if (depth > 0) parts.push(some)
      }
    },
    { xmlMode: true, decodeEntities: true }
  )
  parser.end(xml)
  return parts.join("")
}

const paragraphs = named("t", "p br cr")
const openParagraphs = named("p h", "p h line-break")

export const readWord = (bytes: Uint8Array): ReadonlyArray<Section> =>
  [...partsOf(bytes, /^word\/document\.xml$/).values()].map((xml) => ({ text: textOfXml(xml, paragraphs), page: null }))

const manifest = "META-INF/manifest.xml"

/** Which parts have a password is said in the manifest; the archive itself says nothing (OpenDocument 1.3, part 2, 3). */
const isLocked = /<(?:[\w.-]+:)?encryption-data[\s/>]/

export const readDocument = (bytes: Uint8Array): ReadonlyArray<Section> => {
  const parts = partsOf(bytes, /^(content\.xml|META-INF\/manifest\.xml)$/)
  if (isLocked.test(parts.get(manifest) ?? "")) throw new UnreadableFile("Encrypted")
  const content = parts.get("content.xml")
  if (content === undefined) throw new UnreadableFile("Malformed")
  return [{ text: textOfXml(content, openParagraphs), page: null }]
}

export function* readSlides(bytes: Uint8Array): Generator<Section> {
  let page = 0
  for (const xml of inOrder(partsOf(bytes, /^ppt\/slides\/slide\d+\.xml$/))) {
    page += 1
    yield { text: textOfXml(xml, paragraphs), page }
  }
}

const sharedName = "xl/sharedStrings.xml"

/** Each sheet is a page, each row a line. */
export function* readSheets(bytes: Uint8Array): Generator<Section> {
  const parts = new Map(partsOf(bytes, /^xl\/(sharedStrings|worksheets\/sheet\d+)\.xml$/))
  const shared = stringsOf(parts.get(sharedName) ?? "")
  parts.delete(sharedName)
  let page = 0
  for (const xml of inOrder(parts)) {
    page += 1
    yield { text: rowsOf(xml, shared), page }
  }
}

/** Texts that several cells may have. */
const stringsOf = (xml: string): ReadonlyArray<string> => {
  const strings: Array<string> = []
  let current = ""
  let isText = false
  const parser = new Parser(
    {
      onopentagname: (name) => {
        if (localName(name) === "si") current = ""
        isText = localName(name) === "t"
      },
      ontext: (text) => {
        if (isText) current += text
      },
      onclosetag: (name) => {
        isText = false
        if (localName(name) === "si") strings.push(current)
      }
    },
    { xmlMode: true, decodeEntities: true }
  )
  parser.end(xml)
  return strings
}

/** The last row that a sheet may have. */
const lastRow = 1_048_576

const rowsOf = (xml: string, shared: ReadonlyArray<string>): string => {
  const parts: Array<string> = []
  let row = 1
  let value = ""
  let isShared = false
  let isValue = false
  const parser = new Parser(
    {
      onopentag: (name, attributes) => {
        const local = localName(name)
        isValue = local === "v" || local === "t"
        if (local === "row") {
          const next = Number(attributes["r"] ?? row)
          if (next > row && next <= lastRow) {
            parts.push("\n".repeat(next - row))
            row = next
          }
        }
        if (local === "c") {
          value = ""
          isShared = attributes["t"] === "s"
        }
      },
      ontext: (text) => {
        if (isValue) value += text
      },
      onclosetag: (name) => {
        isValue = false
        if (localName(name) === "c") parts.push(`${isShared ? (shared[Number(value)] ?? "") : value}\t`)
        if (localName(name) === "row") {
          parts.push("\n")
          row += 1
        }
      }
    },
    { xmlMode: true, decodeEntities: true }
  )
  parser.end(xml)
  return parts.join("")
}
