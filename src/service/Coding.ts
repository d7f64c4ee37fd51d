/**
 * Compresses texts for clients that accept it (RFC 9110, 12.5.3). BREACH is no danger here. It needs a secret in the
 * answer, and no answer has one. The token is in a header that no other site can send.
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

/** Shorter texts fit into one packet anyway. */
const shortest = 1024

const textual = /^(text\/|application\/([a-z0-9.-]+\+)?json\b)/

/** Whether answers of this type can be compressed. */
export const isCoded = (contentType: string): boolean =>
  textual.test(contentType) && !contentType.startsWith("text/event-stream")

/** The coding to send bytes in. If the client does not mind, the one that compresses better. */
export const codingFor = (bytes: Uint8Array, acceptEncoding: string | undefined): Coding | undefined => {
  if (acceptEncoding === undefined || bytes.length < shortest) return undefined
  const offered = acceptEncoding.split(",").map((part) => part.trim())
  const isBrotli = (part: string) => /^br\b/i.test(part)
  const brotliFirst = [...offered.filter(isBrotli), ...offered.filter((part) => !isBrotli(part))].join(",")
  const found = new Negotiator({ headers: { "accept-encoding": brotliFirst } }).encoding(["br", "gzip", "identity"])
  return found === "br" || found === "gzip" ? found : undefined
}

/** Keeps what was compressed as long as somebody holds the bytes: the page and the description never change. */
const known = new WeakMap<Uint8Array, Map<Coding, Promise<Uint8Array>>>()

export const compress = (bytes: Uint8Array, coding: Coding): Promise<Uint8Array> => {
  const ofBytes = known.get(bytes) ?? new Map<Coding, Promise<Uint8Array>>()
  known.set(bytes, ofBytes)
  const found = ofBytes.get(coding) ?? codings[coding](bytes)
  ofBytes.set(coding, found)
  return found
}
