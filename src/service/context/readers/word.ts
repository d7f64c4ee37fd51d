/** The text of `.docx` files: of the document, and behind it of notes, comments, headers and footers. */
import type { Section } from "../passages.ts"
import { mainPartOf, readParts, required } from "./packages.ts"
import { type Names, setOf, textsOfXml } from "./xmlText.ts"

/** Paragraphs of Word and PowerPoint. */
export const paragraphs: Names = {
  text: setOf("t"),
  line: setOf("p br cr"),
  // Text that was moved is where it came from, too. An old program is shown the same text once more, as `Fallback`.
  unseen: setOf("pPr moveFrom Fallback"),
  aside: new Set(),
  signs: new Map([
    ["tab", "\t"],
    ["noBreakHyphen", "-"]
  ])
}

const others = ["footnotes", "endnotes", "comments", "header", "footer"]

export const readWord = (bytes: Uint8Array): ReadonlyArray<Section> => {
  const { main, relations } = mainPartOf(bytes, "word/document.xml")
  const behind = others.flatMap((wanted) => relations.filter(({ type }) => type === wanted).map(({ target }) => target))
  const parts = readParts(bytes, [main, ...behind])
  const document = required(parts.get(main))
  const texts = [document, ...behind.map((name) => parts.get(name) ?? "")].flatMap((xml) => textsOfXml(xml, paragraphs))
  // Sections often have the same header.
  return [{ text: [...new Set(texts)].join(""), page: null }]
}
