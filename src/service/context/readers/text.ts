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

/**
 * UTF-8, UTF-16 with its mark, and else what old programs write: GB 18030 if it looks like that, or the Windows encoding
 * of Western Europe, where every byte is a character.
 */
const decode = (bytes: Uint8Array): string => {
  const [first, second] = bytes
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes)
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(bytes)
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    return new TextDecoder(isChinese(bytes) ? "gb18030" : "windows-1252").decode(bytes)
  }
}

/**
 * Whether bytes beyond ASCII stand in pairs, and nearly all of them for the usual characters and marks of GB 2312. In
 * Western texts they stand alone, between letters of ASCII.
 */
const isChinese = (bytes: Uint8Array): boolean => {
  let usual = 0
  let others = 0
  for (let at = 0; at < bytes.length; at += 1) {
    const [lead = 0, trail = 0] = bytes.subarray(at, at + 2)
    if (lead < 0x80) continue
    if (((lead >= 0xa1 && lead <= 0xa3) || (lead >= 0xb0 && lead <= 0xd7)) && trail >= 0xa1) usual += 1
    else others += 1
    if (trail >= 0x40) at += 1
  }
  return usual > 9 * others
}
