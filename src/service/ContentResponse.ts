/**
 * A content as an answer: all of it, the requested part, or that it has not changed (RFC 9110, 13 and 14).
 * A short content is proven before it is sent, a longer one while it is sent whole.
 */
import { createHash } from "node:crypto"
import type * as Headers from "@effect/platform/Headers"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import contentDisposition from "content-disposition"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import parseRange from "range-parser"
import { type ConversationFile, RangeNotSatisfiable } from "./Api.ts"
import type { ReadableFile } from "./ConversationFiles.ts"
import { atOnce, exactly } from "./exactly.ts"
import { httpDate } from "./httpDate.ts"
import type { KeptAnswers } from "./KeptAnswers.ts"
import { checkConditions, isUnmodified, unchangedSince } from "./Preconditions.ts"
import { isWeaklyIn } from "./tags.ts"

export const contentResponse = Effect.fnUntraced(function* (
  readable: ReadableFile,
  access: "view" | "download",
  { headers: asked, method }: Pick<HttpServerRequest.HttpServerRequest, "headers" | "method">,
  { keepWhile, repeatAfter }: KeptAnswers["Type"]
) {
  const { file, record, unsafeIsCurrent, unsafeRecord } = readable
  const headers = yield* headersOf(file, access)
  yield* checkConditions(
    { file_id: file.fileId, file_hash: file.sha256, uploaded_at: file.uploadedAt },
    { ifMatch: asked["if-match"], ifUnmodifiedSince: asked["if-unmodified-since"] }
  )
  if (isKnown(file, headers.etag, asked)) {
    yield* keepWhile(unsafeIsCurrent)
    const { "content-disposition": _, "content-type": __, ...validators } = headers
    return HttpServerResponse.empty({ status: 304, headers: validators })
  }
  const isStrong = isStrongDate(file, yield* Clock.currentTimeMillis)
  const range = isPartial(headers, isStrong, asked, method) ? rangeOf(file.size, asked["range"]) : undefined
  if (range === "unsatisfiable") {
    return yield* new RangeNotSatisfiable({ size: file.size, message: `The file has ${file.size} bytes.` })
  }
  // Read from the open file: it can be read to its end even if it is deleted meanwhile.
  const body = method === "HEAD" ? undefined : yield* bodyOf(readable, range)
  // Not for a refusal: each one is counted.
  yield* keepWhile(unsafeIsCurrent)
  if (method !== "HEAD") {
    const part = range === undefined ? undefined : asked["range"]
    yield* repeatAfter((next) => unsafeRecord(part, next))
    yield* record(part)
  }
  const { end, start } = range ?? { start: 0, end: file.size - 1 }
  const contentLength = end - start + 1
  return HttpServerResponse.raw(body, {
    status: range === undefined ? 200 : 206,
    headers: {
      ...headers,
      "content-length": String(contentLength),
      ...(range === undefined ? {} : { "content-range": `bytes ${start}-${end}/${file.size}` })
    }
  })
})

/**
 * A short content is read with one call, and proven before anything is sent. If that call fails, it is streamed, and a
 * failure of the stream ends the connection. A longer content is proven while it is streamed. If it is damaged, the
 * connection ends before its last bytes. A part of a longer one cannot be proven.
 */
const bodyOf = Effect.fnUntraced(function* (
  { content, file, unsafeDisproven }: ReadableFile,
  range: parseRange.Range | undefined
) {
  const fd = Number(content.fd)
  if (file.size <= short) {
    const bytes = yield* atOnce(fd, 0, file.size)
    if (bytes !== undefined) {
      if (createHash("sha256").update(bytes).digest("hex") !== file.sha256) return yield* unsafeDisproven()
      return range === undefined ? bytes : bytes.subarray(range.start, range.end + 1)
    }
  }
  const isPart = range !== undefined && range.end - range.start + 1 < file.size
  if (isPart) return exactly(fd, range.start, range.end - range.start + 1)
  const hash = createHash("sha256")
  return exactly(
    fd,
    0,
    file.size,
    (bytes) => void hash.update(bytes),
    () => {
      if (hash.digest("hex") === file.sha256) return true
      unsafeDisproven()
      return false
    }
  )
})

/** Bytes. */
const short = 128 * 1024

/** Whether the client has it already. The date counts only without a tag (RFC 9110, 13.1.3). */
const isKnown = ({ uploadedAt }: ConversationFile, etag: string, asked: Headers.Headers): boolean => {
  const { "if-modified-since": since, "if-none-match": known } = asked
  if (known !== undefined) return isWeaklyIn(known, etag)
  return (
    since !== undefined &&
    isTime(httpDate(since)) &&
    isTime(unchangedSince(uploadedAt)) &&
    isUnmodified(since, uploadedAt)
  )
}

/** Only GET can ask for a part (RFC 9110, 14.2), and only of the content that the client already has in part. */
const isPartial = (
  { etag, "last-modified": changed }: { readonly etag: string; readonly "last-modified"?: string },
  isStrong: boolean,
  { "if-range": same }: Headers.Headers,
  method: string
): boolean => method === "GET" && (same === undefined || same === etag || (isStrong && same === changed))

/**
 * Whether the time of the last change tells two contents apart: otherwise a client would join parts of both (RFC 9110,
 * 8.8.2.2). Apache waits a minute, too.
 */
const isStrongDate = ({ uploadedAt }: ConversationFile, now: number): boolean =>
  now - Date.parse(uploadedAt ?? "") >= 60_000

const isTime = (millis: number): boolean => !Number.isNaN(millis)

/** What a browser may show without running anything. Other text is shown as plain text; the rest is saved. */
const isShown = (mimeType: string): boolean =>
  /^(image\/(png|jpeg|gif|webp|avif)|audio\/.+|video\/.+|application\/(json|pdf))$/.test(mimeType)

/** A media type that is valid in a header (RFC 9110, 8.3.1); an earlier system may have stored anything. */
const mediaTypeOf = (written: string): string => {
  const [, type, parameters = ""] = /^\s*([\w!#$&^.+-]+\/[\w!#$&^.+-]+)\s*(;[ -~]*)?$/.exec(written) ?? []
  return type === undefined ? "application/octet-stream" : `${type.toLowerCase()}${parameters}`
}

/** A name that is valid in a header: without control characters, unpaired surrogates and path separators. */
const headerName = (name: string): string => name.replace(/[\p{Cc}\p{Cs}/\\]/gu, "_")

const headersOf = ({ mimeType, name, sha256, uploadedAt }: ConversationFile, access: "view" | "download") =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const mediaType = mediaTypeOf(mimeType)
    const isText = mediaType.startsWith("text/")
    const since = unchangedSince(uploadedAt)
    const type = access === "view" && (isShown(mediaType) || isText) ? "inline" : "attachment"
    return {
      "accept-ranges": "bytes",
      "cache-control": "private, no-cache",
      "content-disposition": contentDisposition(headerName(name), { type }),
      // What is shown runs nothing and loads nothing.
      "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
      "content-type": isText && type === "inline" ? "text/plain; charset=utf-8" : mediaType,
      "cross-origin-resource-policy": "same-origin",
      etag: `"${sha256}"`,
      // Never later than the answer (RFC 9110, 8.8.2.1).
      ...(since <= now ? { "last-modified": new Date(since).toUTCString() } : {})
    }
  })

/** One range. For several ranges or an invalid one, all is sent, which is allowed (RFC 9110, 14.2). */
const rangeOf = (size: number, header: string | undefined): parseRange.Range | "unsatisfiable" | undefined => {
  // A request for more last bytes than there are means all of them (RFC 9110, 14.1.2). The parser does not know that.
  const known = header?.replace(/(?<=[=,\s]-)\d+/g, (count) => String(Math.min(Number(count), size)))
  const ranges = known === undefined ? undefined : parseRange(size, known, { combine: true })
  if (ranges === -1) return "unsatisfiable"
  if (ranges === undefined || ranges === -2 || ranges.type !== "bytes" || ranges.length !== 1) return undefined
  return ranges[0]
}
