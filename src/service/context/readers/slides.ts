/** The text of `.pptx` files: each slide is a page, with its notes. */
import type { Section } from "../passages.ts"
import { idsIn, mainPartOf, namesByNumber, readParts, relationsOf, required } from "./packages.ts"
import { paragraphs } from "./word.ts"
import { textsOfXml } from "./xmlText.ts"

export function* readSlides(bytes: Uint8Array): Generator<Section> {
  const { main, relations } = mainPartOf(bytes, "ppt/presentation.xml")
  const presentation = readParts(bytes, [main]).get(main)
  const ordered = idsIn(presentation ?? "", "sldId").flatMap(
    (id) => relations.find((relation) => relation.id === id)?.target ?? []
  )
  const names = ordered.length > 0 ? ordered : namesByNumber(bytes, /^ppt\/slides\/slide\d+\.xml$/)
  const notes = relationsOf(bytes, names)
  const notesOf = (name: string) =>
    (notes.get(name) ?? []).flatMap(({ target, type }) => (type === "notesSlide" ? [target] : []))
  const parts = readParts(bytes, [...names, ...names.flatMap(notesOf)])
  required([...parts.values()][0])
  let page = 0
  for (const name of names) {
    page += 1
    const texts = [name, ...notesOf(name)].map((part) => textsOfXml(parts.get(part) ?? "", paragraphs).join(""))
    yield { text: texts.join(""), page }
  }
}
