/** The text of a PDF, page by page, as Mozilla's pdf.js reads it. It runs no scripts and draws nothing. */
import { getDocumentProxy } from "unpdf"
import type { Section } from "../passages.ts"
import { UnreadableFile } from "./UnreadableFile.ts"

export async function* readPdf(bytes: Uint8Array): AsyncGenerator<Section> {
  const document = await getDocumentProxy(bytes, { verbosity: 0 }).catch((cause: unknown) => {
    throw new UnreadableFile(cause instanceof Error && isEncrypted(cause) ? "Encrypted" : "Malformed")
  })
  for (let page = 1; page <= document.numPages; page += 1) {
    const one = await document.getPage(page)
    const { items } = await one.getTextContent()
    const text = items.map((item) => ("str" in item ? item.str + (item.hasEOL ? "\n" : "") : "")).join("")
    one.cleanup()
    yield { text, page }
  }
}

/** By a password, or in a way that pdf.js does not know, such as for the holders of certificates. */
const isEncrypted = ({ message, name }: Error): boolean =>
  name === "PasswordException" || message === "unknown encryption method"
