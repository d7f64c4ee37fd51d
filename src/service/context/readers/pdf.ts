/** The text of a PDF, page by page, as Mozilla's pdf.js reads it. It runs no scripts and draws nothing. */
import { getDocumentProxy } from "unpdf"
import type { Section } from "../passages.ts"
import { UnreadableFile } from "./UnreadableFile.ts"

type Document = Awaited<ReturnType<typeof getDocumentProxy>>
type Page = Awaited<ReturnType<Document["getPage"]>>

/**
 * So many pages in a row may be damaged before the rest is given up: each takes a while, and a file can say that it has
 * millions.
 */
const mostDamaged = 100

export async function* readPdf(bytes: Uint8Array): AsyncGenerator<Section> {
  const document = await getDocumentProxy(bytes, { verbosity: 0 }).catch((cause: unknown) => {
    throw new UnreadableFile(cause instanceof Error && isEncrypted(cause) ? "Encrypted" : "Malformed")
  })
  let damaged = 0
  let isRead = document.numPages === 0
  for (let page = 1; page <= document.numPages && damaged < mostDamaged; page += 1) {
    const section = await document.getPage(page).then(sectionOf, () => undefined)
    isRead ||= section !== undefined
    damaged = section === undefined ? damaged + 1 : 0
    yield section ?? { text: "", page, isDamaged: true }
  }
  if (!isRead) throw new UnreadableFile("Malformed")
}

/** What is on the page, and below it what was written into its forms and beside them. Undefined if it cannot be read. */
const sectionOf = async (page: Page): Promise<Section | undefined> => {
  const content = await page.getTextContent().catch(() => undefined)
  const annotations: ReadonlyArray<unknown> | undefined = await page.getAnnotations().catch(() => undefined)
  page.cleanup()
  if (content === undefined) return undefined
  const text = content.items.map((item) => ("str" in item ? item.str + (item.hasEOL ? "\n" : "") : "")).join("")
  const fromTop = (annotations ?? []).toSorted((one, other) => topOf(other) - topOf(one))
  return {
    text: [text, ...fromTop.flatMap(writtenIn)].join("\n"),
    page: page.pageNumber,
    isDamaged: annotations === undefined
  }
}

const topOf = (annotation: unknown): number => Number(Object(annotation).rect?.[3]) || 0

/** The value of a text or a choice, or a text on the page. Notes and links have to be opened first. */
const writtenIn = (annotation: unknown): ReadonlyArray<string> => {
  const { contentsObj, fieldType, fieldValue, hidden, subtype } = Object(annotation)
  if (hidden === true) return []
  if (subtype === "FreeText") return textsIn(Object(contentsObj).str)
  return fieldType === "Tx" || fieldType === "Ch" ? [fieldValue].flat().flatMap(textsIn) : []
}

const textsIn = (value: unknown): ReadonlyArray<string> => (typeof value === "string" && value !== "" ? [value] : [])

/** By a password, or in a way that pdf.js does not know, such as for the holders of certificates. */
const isEncrypted = ({ message, name }: Error): boolean =>
  name === "PasswordException" || message === "unknown encryption method"
