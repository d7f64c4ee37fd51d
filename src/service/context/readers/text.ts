/** Plain text of any kind: Markdown, source code, JSON, CSV. Its passages have the lines of the file. */
import type { Section } from "../passages.ts"
import { UnreadableFile } from "./UnreadableFile.ts"

export const textOf = (bytes: Uint8Array): string => {
  const text = decode(bytes)
  // NUL is a character, but no text has it: this is something else under the name of a text.
  if (text.includes("\0")) throw new UnreadableFile("Malformed")
  return text
}

export const readText = (bytes: Uint8Array): ReadonlyArray<Section> => [{ text: textOf(bytes), page: null }]

/** UTF-8, UTF-16 with its mark, and else what old Windows programs write: every byte is a character there. */
const decode = (bytes: Uint8Array): string => {
  const [first, second] = bytes
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes)
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(bytes)
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    return new TextDecoder("windows-1252").decode(bytes)
  }
}
