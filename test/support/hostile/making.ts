/** What hostile files are made of. */
import { deflateSync } from "node:zlib"
import { strToU8, zipSync } from "fflate"
import type { Kind } from "../../../src/service/context/kinds.ts"

export interface HostileFile {
  readonly name: string
  readonly kind: Kind
  /** How reading it may end: `done`, or the reasons. */
  readonly ends: RegExp
  /** Made when it is needed: some are large. */
  readonly bytes: () => Uint8Array
}

export const mega = 1024 * 1024

export const isRead = /^done$/
/** On a machine that is busy it may not be read in time. */
export const takesLong = /^(done|TimedOut)$/
export const isRefused = /^(Malformed|TooLarge|Encrypted|OutOfMemory|TimedOut)$/
/** What is left of a damaged file may make sense. */
export const eitherWay = /^(done|Malformed|TooLarge|Encrypted|OutOfMemory|TimedOut)$/

export const one = (name: string, kind: Kind, ends: RegExp, bytes: () => Uint8Array): HostileFile => ({
  name,
  kind,
  ends,
  bytes
})

export const utf8 = (text: string): Uint8Array => Buffer.from(text)

export const zip = (parts: Readonly<Record<string, string | Uint8Array>>, level: 0 | 6 = 6): Uint8Array =>
  zipSync(
    Object.fromEntries(
      Object.entries(parts).map(([name, part]) => [name, typeof part === "string" ? strToU8(part) : part])
    ),
    { level }
  )

export const word = (document: string | Uint8Array) => zip({ "word/document.xml": document })
export const paragraph = (text: string) => `<w:document><w:p><w:r><w:t>${text}</w:t></w:r></w:p></w:document>`
export const sheet = (rows: string, shared = "") =>
  zip({ "xl/sharedStrings.xml": `<sst>${shared}</sst>`, "xl/worksheets/sheet1.xml": `<worksheet>${rows}</worksheet>` })
export const slide = (xml: string | Uint8Array) => zip({ "ppt/slides/slide1.xml": xml })
export const open = (xml: string | Uint8Array) => zip({ "content.xml": xml })

/** A PDF of these objects, from 1 on. The first is the catalog. */
export const pdfOf = (objects: ReadonlyArray<string | Uint8Array>, trailer = ""): Uint8Array => {
  const parts: Array<Uint8Array> = [utf8("%PDF-1.7\n")]
  const offsets: Array<number> = []
  let length = parts[0]?.length ?? 0
  const add = (part: Uint8Array) => {
    parts.push(part)
    length += part.length
  }
  for (const [at, object] of objects.entries()) {
    offsets.push(length)
    add(utf8(`${at + 1} 0 obj\n`))
    add(typeof object === "string" ? utf8(object) : object)
    add(utf8("\nendobj\n"))
  }
  const begin = length
  add(utf8(`xref\n0 ${objects.length + 1}\n0000000000 65535 f \n`))
  add(utf8(offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("")))
  add(utf8(`trailer\n<< /Size ${objects.length + 1} /Root 1 0 R ${trailer} >>\nstartxref\n${begin}\n%%EOF`))
  return Buffer.concat(parts)
}

export const streamOf = (content: Uint8Array, entries = ""): Uint8Array =>
  Buffer.concat([utf8(`<< /Length ${content.length} ${entries} >>\nstream\n`), content, utf8("\nendstream")])

export const catalog = "<< /Type /Catalog /Pages 2 0 R >>"
export const font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
export const shown = (text: string) => `BT /F1 12 Tf 72 720 Td (${text}) Tj ET`

/** One page with this content. */
export const pageWith = (
  content: Uint8Array,
  entries = "",
  others: ReadonlyArray<string | Uint8Array> = [],
  resources = ""
) =>
  pdfOf([
    catalog,
    "<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
    font,
    `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> ${resources} >> /Contents 5 0 R >>`,
    streamOf(content, entries),
    ...others
  ])

export const manyPages = (count: number): Uint8Array =>
  pdfOf([
    catalog,
    `<< /Type /Pages /Kids [${Array.from({ length: count }, (_, at) => `${at + 5} 0 R`).join(" ")}] /Count ${count} >>`,
    font,
    streamOf(utf8(shown("a page"))),
    ...Array.from(
      { length: count },
      () => "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Resources << /Font << /F1 3 0 R >> >> /Contents 4 0 R >>"
    )
  ])

/** Deflated again and again: each time a thousand times smaller. */
export const deflated = (bytes: Uint8Array, times: number): Uint8Array => {
  let result = bytes
  for (let time = 0; time < times; time += 1) result = deflateSync(result, { level: 9 })
  return result
}

export const filters = (count: number) => `/Filter [${"/FlateDecode ".repeat(count)}]`
