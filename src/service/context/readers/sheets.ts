/** The text of `.xlsx` files: each sheet is a page, each row a line. */
import { Parser } from "htmlparser2"
import type { Section } from "../passages.ts"
import { type CellFormats, cellFormatsIn } from "./cellFormats.ts"
import { idsIn, localName, mainPartOf, namesByNumber, readParts, required } from "./packages.ts"

export function* readSheets(bytes: Uint8Array): Generator<Section> {
  const { main, relations } = mainPartOf(bytes, "xl/workbook.xml")
  const partOf = (wanted: string, usual: string) => relations.find(({ type }) => type === wanted)?.target ?? usual
  const shared = partOf("sharedStrings", "xl/sharedStrings.xml")
  const styles = partOf("styles", "xl/styles.xml")
  const workbook = readParts(bytes, [main]).get(main) ?? ""
  const ordered = idsIn(workbook, "sheet").map((id) => relations.find((relation) => relation.id === id)?.target ?? "")
  const names = ordered.some((name) => name !== "") ? ordered : namesByNumber(bytes, /^xl\/worksheets\/sheet\d+\.xml$/)
  const parts = readParts(bytes, [shared, styles, ...names])
  required(names.find((name) => parts.has(name)))
  const formats = cellFormatsIn(parts.get(styles) ?? "", workbook)
  const strings = stringsOf(parts.get(shared) ?? "")
  let page = 0
  for (const name of names) {
    page += 1
    yield { text: rowsOf(parts.get(name) ?? "", strings, formats), page }
  }
}

/** A line of a cell is none of the sheet. Some ends of lines are escaped (ECMA-376, part 1, 22.9.2.19). */
const inOneLine = (text: string): string => text.replace(/(?:_x000[AD]_|[\r\n])+/gi, " ")

/** Texts that several cells may have. How a Japanese word is spoken (`rPh`) is not shown. */
const stringsOf = (xml: string): ReadonlyArray<string> => {
  const strings: Array<string> = []
  let current = ""
  let isText = false
  let isSpoken = false
  const parser = new Parser(
    {
      onopentagname: (name) => {
        const local = localName(name)
        if (local === "si") current = ""
        if (local === "rPh") isSpoken = true
        isText = local === "t" && !isSpoken
      },
      ontext: (text) => {
        if (isText) current += text
      },
      onclosetag: (name) => {
        isText = false
        if (localName(name) === "rPh") isSpoken = false
        if (localName(name) === "si") strings.push(inOneLine(current))
      }
    },
    { xmlMode: true, decodeEntities: true }
  )
  parser.end(xml)
  return strings
}

/** The last row that a sheet may have. */
export const lastRow = 1_048_576

const rowsOf = (xml: string, shared: ReadonlyArray<string>, formats: CellFormats): string => {
  const parts: Array<string> = []
  let row = 1
  let value = ""
  let type: string | undefined
  let style: string | undefined
  let isValue = false
  let isSpoken = false
  const shown = (): string => {
    if (type === "s") return shared[Number(value)] ?? ""
    if (type === "b") return value === "1" ? "TRUE" : "FALSE"
    return type === undefined || type === "n" ? formats.shown(value, style) : inOneLine(value)
  }
  const parser = new Parser(
    {
      onopentag: (name, attributes) => {
        const local = localName(name)
        if (local === "rPh") isSpoken = true
        isValue = (local === "v" || local === "t") && !isSpoken
        if (local === "row") {
          const next = Number(attributes["r"] ?? row)
          if (next > row && next <= lastRow) {
            parts.push("\n".repeat(next - row))
            row = next
          }
        }
        if (local === "c") {
          value = ""
          type = attributes["t"]
          style = attributes["s"]
        }
      },
      ontext: (text) => {
        if (isValue) value += text
      },
      onclosetag: (name) => {
        isValue = false
        const local = localName(name)
        if (local === "rPh") isSpoken = false
        if (local === "c") parts.push(`${value === "" ? "" : shown()}\t`)
        if (local === "row") {
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
