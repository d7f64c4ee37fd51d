/** The text of `.pptx` files: each slide is a page, with its notes. */
import { Parser } from "htmlparser2"
import type { Section } from "../passages.ts"
import { localName, mainPartOf, readParts, relationsOf, required } from "./packages.ts"
import { paragraphs } from "./word.ts"
import { textsOfXml } from "./xmlText.ts"
import { partsOf } from "./zip.ts"

/** The ids of the relations to the slides, or to the sheets, in their order. */
export const idsIn = (xml: string, element: string): ReadonlyArray<string> => {
  const ids: Array<string> = []
  const parser = new Parser(
    {
      onopentag: (name, attributes) => {
        if (localName(name) !== element) return
        const id = Object.entries(attributes).find(([key]) => key.includes(":") && localName(key) === "id")
        ids.push(id?.[1] ?? "")
      }
    },
    { xmlMode: true, decodeEntities: true }
  )
  parser.end(xml)
  return ids
}

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

/** By the numbers in their names, where nothing says their order: `slide2.xml` comes before `slide10.xml`. */
export const namesByNumber = (bytes: Uint8Array, pattern: RegExp): ReadonlyArray<string> => {
  const found: Array<string> = []
  partsOf(bytes, (name) => {
    if (pattern.test(name)) found.push(name)
    return false
  })
  return [...new Set(found)].sort((one, other) => numberIn(one) - numberIn(other))
}

const numberIn = (name: string): number => Number(/(\d+)\.xml$/.exec(name)?.[1] ?? 0)
