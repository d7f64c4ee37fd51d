/**
 * Texts compressed, for those who take them so (RFC 9110, 12.5.3). Who can make somebody's browser ask, and sees how
 * long the answers are, learns nothing of a secret from it (BREACH): no answer has one in it, and the token that they
 * depend on is in a header that no other site can have sent.
 */
import { promisify } from "node:util"
import { brotliCompress, constants, gzip } from "node:zlib"
import Negotiator from "negotiator"

export type Coding = keyof typeof codings

const codings = {
  br: (bytes: Uint8Array) =>
    promisify(brotliCompress)(bytes, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length }
    }),
  gzip: (bytes: Uint8Array) => promisify(gzip)(bytes)
}

/** What is shorter fits into one packet anyway. */
const shortest = 1024

const textual = /^(text\/|application\/([a-z0-9.-]+\+)?json\b)/

/** Whether an answer of this type comes compressed to one or the other. */
export const isCoded = (contentType: string): boolean =>
  textual.test(contentType) && !contentType.startsWith("text/event-stream")

/** The coding in which bytes are sent; where the caller does not mind, the one that is shorter. */
export const codingFor = (bytes: Uint8Array, acceptEncoding: string | undefined): Coding | undefined => {
  if (acceptEncoding === undefined || bytes.length < shortest) return undefined
  const offered = acceptEncoding.split(",").map((part) => part.trim())
  const isBrotli = (part: string) => /^br\b/i.test(part)
  const brotliFirst = [...offered.filter(isBrotli), ...offered.filter((part) => !isBrotli(part))].join(",")
  const found = new Negotiator({ headers: { "accept-encoding": brotliFirst } }).encoding(["br", "gzip", "identity"])
  return found === "br" || found === "gzip" ? found : undefined
}

/** What was compressed once, for as long as somebody has the bytes: the page and the description are always the same. */
const known = new WeakMap<Uint8Array, Map<Coding, Promise<Uint8Array>>>()

export const coded = (bytes: Uint8Array, coding: Coding): Promise<Uint8Array> => {
  const ofBytes = known.get(bytes) ?? new Map<Coding, Promise<Uint8Array>>()
  known.set(bytes, ofBytes)
  const found = ofBytes.get(coding) ?? codings[coding](bytes)
  ofBytes.set(coding, found)
  return found
}
