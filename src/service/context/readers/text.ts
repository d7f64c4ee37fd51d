/** Plain text of any kind: Markdown, source code, JSON, CSV. Its passages have the lines of the file. */
import type { Section } from "../passages.ts"
import { encodingOf } from "./encodings.ts"
import { UnreadableFile } from "./UnreadableFile.ts"

/** In files of a kind that says so itself, such as HTML, the encoding is `declared`. */
export const textOf = (bytes: Uint8Array, declared?: string): string => {
  const text = new TextDecoder(encodingOf(bytes, declared)).decode(bytes)
  if (isBinary(text)) throw new UnreadableFile("Malformed")
  return text
}

export const readText = (bytes: Uint8Array): ReadonlyArray<Section> => [
  { text: textOf(bytes, declaredIn(bytes)), page: null }
]

/** What XML says of itself (XML 1.0, 4.3.3). Without that it is UTF-8. */
const declaredIn = (bytes: Uint8Array): string | undefined =>
  /^<\?xml[^>]*\sencoding\s*=\s*["']([\w.:-]+)["']/.exec(Buffer.from(bytes.subarray(0, 200)).toString("latin1"))?.[1]

/** Characters that are looked at: something else shows soon. */
const looked = 65_536

/** One character in so many may be a control character: logs have some, such as colours. */
const mostControls = 20

/**
 * Whether this is something else under the name of a text. NUL is a character, but no text has it. Of other control
 * characters a text has few; tabs, ends of lines and pages, and U+001B, with which colours begin, are usual.
 */
const isBinary = (text: string): boolean => {
  if (text.includes("\0")) return true
  const some = text.slice(0, looked)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
  const controls = some.match(/[\u0001-\u0008\u000e-\u001a\u001c-\u001f\u007f]/g)?.length ?? 0
  return controls * mostControls > some.length
}
