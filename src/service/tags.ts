/** Entity tags (RFC 9110, 8.8.3), and how requests use them. */
import { createHash } from "node:crypto"

/** The tag of some bytes. */
export const tagOf = (bytes: Uint8Array | string): string =>
  `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 27)}"`

/** Each coding of a representation has its own strong tag (RFC 9110, 8.8.3.3). */
export const codedTag = (tag: string, coding: string): string => tag.replace(/"$/, `--${coding}"`)

/** The tags of a header, or `*` for any. A coding does not make it another representation. */
const tagsIn = (header: string): ReadonlyArray<string> =>
  header.trim() === "*"
    ? ["*"]
    : [...header.matchAll(/(?:W\/)?"[!#-~\x80-\xff]*"/g)].map(([tag]) => tag.replace(/--(br|gzip)"$/, '"'))

/** `If-Match`: a weak tag says nothing about the bytes (RFC 9110, 13.1.1). */
export const isStronglyIn = (header: string, ...tags: ReadonlyArray<string>): boolean =>
  tagsIn(header).some((tag) => tag === "*" || tags.includes(tag))

/** `If-None-Match`: weak and strong tags compare as equal (RFC 9110, 13.1.2). */
export const isWeaklyIn = (header: string, tag: string): boolean =>
  tagsIn(header).some((one) => one === "*" || one.replace(/^W\//, "") === tag.replace(/^W\//, ""))
