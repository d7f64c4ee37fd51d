/** The text of OpenDocument files: texts, spreadsheets and presentations (OpenDocument 1.3, part 3). */
import { Parser } from "htmlparser2"
import type { Section } from "../passages.ts"
import { localName, readParts, required } from "./packages.ts"
import { lastRow } from "./sheets.ts"
import { UnreadableFile } from "./UnreadableFile.ts"
import { type Names, setOf, textsOfXml } from "./xmlText.ts"

const paragraphs: Names = {
  text: setOf("p h"),
  line: setOf("p h line-break"),
  // What was deleted is kept in front of the text.
  unseen: setOf("tracked-changes"),
  aside: setOf("annotation note"),
  signs: new Map([
    ["tab", "\t"],
    ["s", " "]
  ])
}

const manifest = "META-INF/manifest.xml"

/** Which parts have a password is said in the manifest; the archive itself says nothing (OpenDocument 1.3, part 2, 3). */
const isLocked = /<(?:[\w.-]+:)?encryption-data[\s/>]/

export const readDocument = (bytes: Uint8Array): ReadonlyArray<Section> => {
  const parts = readParts(bytes, ["content.xml", "styles.xml", manifest])
  if (isLocked.test(parts.get(manifest) ?? "")) throw new UnreadableFile("Encrypted")
  const content = required(parts.get("content.xml"))
  if (/<office:spreadsheet[\s>]/.test(content)) return tablesOf(content).map((text, at) => ({ text, page: at + 1 }))
  if (/<office:presentation[\s>]/.test(content)) {
    return textsOfXml(content, { ...paragraphs, page: "page" }).map((text, at) => ({ text, page: at + 1 }))
  }
  // Headers and footers are styles of pages.
  const styles = parts.get("styles.xml") ?? ""
  const masters = styles.indexOf("<office:master-styles")
  const texts = [content, masters < 0 ? "" : styles.slice(masters)].flatMap((xml) => textsOfXml(xml, paragraphs))
  return [{ text: texts.join(""), page: null }]
}

/** Each table is a page, each row a line. */
const tablesOf = (xml: string): ReadonlyArray<string> => {
  const tables: Array<string> = []
  let parts: Array<string> = []
  let row = 0
  let repeated = 1
  let depth = 0
  let depthOfNotes = 0
  const parser = new Parser(
    {
      onopentag: (name, attributes) => {
        const local = localName(name)
        if (local === "table") {
          parts = []
          row = 0
        }
        if (local === "table-row") repeated = Number(attributes["table:number-rows-repeated"] ?? 1) || 1
        if (local === "annotation") depthOfNotes += 1
        if (local === "p") depth += 1
        if (local === "s" || local === "tab" || local === "line-break") parts.push(" ")
      },
      ontext: (text) => {
        if (depth > 0 && depthOfNotes === 0) parts.push(text.replace(/\s+/g, " "))
      },
      onclosetag: (name) => {
        const local = localName(name)
        if (local === "annotation") depthOfNotes -= 1
        if (local === "p") {
          depth -= 1
          parts.push(" ")
        }
        if (local === "table-cell") parts.push("\t")
        if (local === "table-row") {
          const next = Math.min(lastRow, row + Math.max(1, repeated))
          parts.push("\n".repeat(next - row))
          row = next
        }
        if (local === "table") tables.push(parts.join(""))
      }
    },
    { xmlMode: true, decodeEntities: true }
  )
  parser.end(xml)
  return tables
}
