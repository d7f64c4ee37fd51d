/**
 * The text of a part of an Office document (ECMA-376) or of an OpenDocument. The parser knows no entities but XML's own,
 * so a document type cannot make a text grow.
 */
import { Parser } from "htmlparser2"
import { localName } from "./packages.ts"

/** What elements mean, by their names without a prefix. */
export interface Names {
  /** Their text counts. */
  readonly text: ReadonlySet<string>
  /** They end a line. */
  readonly line: ReadonlySet<string>
  /** What is in them is not shown, or shown elsewhere once more. */
  readonly unseen: ReadonlySet<string>
  /** They stand in the middle of another text, such as notes. Their text is put behind it. */
  readonly aside: ReadonlySet<string>
  /** Elements that stand for characters. */
  readonly signs: ReadonlyMap<string, string>
  /** They are pages. Undefined if there are none. */
  readonly page?: string
}

export const setOf = (names: string): ReadonlySet<string> => new Set(names.split(" "))

const isOff = (value: string | undefined): boolean => value === "0" || value === "false" || value === "off"

/** The text of each page, or one text. */
export const textsOfXml = (xml: string, names: Names): ReadonlyArray<string> => {
  const pages: Array<string> = []
  let parts: Array<string> = []
  let aside: Array<string> = []
  let depth = 0
  /** The depth outside of what stands aside. */
  let outside = 0
  let depthAside = 0
  let depthUnseen = 0
  /** Whether the run of characters is hidden (ECMA-376, part 1, 17.3.2.41). */
  let isHidden = false
  const add = (text: string) => (depthAside > 0 ? aside : parts).push(text)
  const endPage = () => {
    pages.push([...parts, ...aside].join(""))
    parts = []
    aside = []
  }
  const parser = new Parser(
    {
      onopentag: (name, attributes) => {
        const local = localName(name)
        if (names.unseen.has(local)) depthUnseen += 1
        if (depthUnseen > 0) return
        if (names.aside.has(local)) {
          if (depthAside === 0) {
            outside = depth
            depth = 0
          }
          depthAside += 1
        }
        if (names.text.has(local)) depth += 1
        if (local === "r") isHidden = false
        if (local === "vanish") isHidden = !isOff(attributes["w:val"])
        const sign = names.signs.get(local)
        if (sign !== undefined) add(sign)
      },
      onclosetag: (name) => {
        const local = localName(name)
        if (names.unseen.has(local)) {
          depthUnseen -= 1
          return
        }
        if (depthUnseen > 0) return
        if (names.text.has(local)) depth -= 1
        if (names.line.has(local)) add("\n")
        if (local === "r") isHidden = false
        if (names.aside.has(local)) {
          depthAside -= 1
          if (depthAside === 0) depth = outside
        }
        if (local === names.page) endPage()
      },
      ontext: (text) => {
        // The ends of lines in the XML are none of the document.
        if (depth > 0 && depthUnseen === 0 && !isHidden) add(text.replace(/[\r\n]\s*/g, " "))
      }
    },
    { xmlMode: true, decodeEntities: true }
  )
  parser.end(xml)
  if (names.page === undefined) endPage()
  return pages
}
