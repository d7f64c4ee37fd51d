/** A content as an answer: the whole, the part that is asked for, or that it is still the same (RFC 9110, 13 and 14). */
import type * as Headers from "@effect/platform/Headers"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import contentDisposition from "content-disposition"
import * as Effect from "effect/Effect"
import parseRange from "range-parser"
import { type ConversationFile, RangeNotSatisfiable } from "./Api.ts"
import type { ReadableFile } from "./ConversationFiles.ts"
import { exactly } from "./exactly.ts"

export const contentResponse = Effect.fnUntraced(function* (
  { content, file }: ReadableFile,
  access: "view" | "download",
  request: Headers.Headers
) {
  const headers = headersOf(file, access)
  const sameAs = request["if-none-match"]?.split(",").map((tag) => tag.trim().replace(/^W\//, ""))
  if (sameAs?.some((tag) => tag === headers.etag || tag === "*")) {
    return HttpServerResponse.empty({ status: 304, headers })
  }
  const isRangeOfThis = request["if-range"] === undefined || request["if-range"] === headers.etag
  const range = isRangeOfThis ? rangeOf(file.size, request["range"]) : undefined
  if (range === "unsatisfiable") {
    return yield* new RangeNotSatisfiable({ size: file.size, message: `The file has ${file.size} bytes.` })
  }
  const { end, start } = range ?? { start: 0, end: file.size - 1 }
  const contentLength = end - start + 1
  // From the file that is open already: it can be read to its end even when it is deleted meanwhile.
  const body = contentLength === 0 ? undefined : exactly(Number(content.fd), start, contentLength)
  return HttpServerResponse.raw(body, {
    status: range === undefined ? 200 : 206,
    headers: {
      ...headers,
      "content-length": String(contentLength),
      ...(range === undefined ? {} : { "content-range": `bytes ${start}-${end}/${file.size}` })
    }
  })
})

/** What a browser may show without running anything; other text is shown as plain text, the rest is saved. */
const isShown = (mimeType: string): boolean =>
  /^(image\/(png|jpeg|gif|webp|avif)|audio\/.+|video\/.+|application\/(json|pdf))$/.test(mimeType)

const headersOf = ({ mimeType, name, sha256 }: ConversationFile, access: "view" | "download") => {
  const isText = mimeType.startsWith("text/")
  const type = access === "view" && (isShown(mimeType) || isText) ? "inline" : "attachment"
  return {
    "accept-ranges": "bytes",
    "cache-control": "private, no-cache",
    "content-disposition": contentDisposition(name, { type }),
    // Even what is shown runs nothing and loads nothing.
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "content-type": isText && type === "inline" ? "text/plain; charset=utf-8" : mimeType,
    "cross-origin-resource-policy": "same-origin",
    etag: `"${sha256}"`
  }
}

/** One range; for several at once, as for what is none, the whole is sent, which is allowed (RFC 9110, 14.2). */
const rangeOf = (size: number, header: string | undefined): parseRange.Range | "unsatisfiable" | undefined => {
  // The last bytes are all of them where there are fewer (RFC 9110, 14.1.2), which the parser does not know.
  const known = header?.replace(/(?<=[=,\s]-)\d+/g, (count) => String(Math.min(Number(count), size)))
  const ranges = known === undefined ? undefined : parseRange(size, known, { combine: true })
  if (ranges === -1) return "unsatisfiable"
  if (ranges === undefined || ranges === -2 || ranges.type !== "bytes" || ranges.length !== 1) return undefined
  return ranges[0]
}
