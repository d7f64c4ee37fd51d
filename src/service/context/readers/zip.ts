/** The parts of a document that is a ZIP archive of XML files. */
import { unzipSync } from "fflate"
import { UnreadableFile } from "./UnreadableFile.ts"

/** Bytes of all parts together. A part that grows beyond the size that the archive says is an error of its own. */
const mostOfParts = 32 * 1024 * 1024

/** What Office makes of a document with a password: a compound file around the encrypted one (MS-OFFCRYPTO, 2.3). */
const isEncrypted = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.subarray(0, 4)).toString("hex") === "d0cf11e0" &&
  Buffer.from(bytes).includes(Buffer.from("EncryptedPackage", "utf16le"))

const entryMark = 0x02014b50
const endMark = Buffer.from("504b0506", "hex")

/**
 * Whether a part whose name matches is encrypted, as the directory at the end of the archive says (APPNOTE, 4.3.12 and
 * 4.4.4). The library that unpacks it does not look: it would give the encrypted bytes.
 */
const hasLockedPart = (bytes: Uint8Array, isWanted: (name: string) => boolean): boolean => {
  const archive = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = archive.lastIndexOf(endMark)
  if (end < 0 || end + 22 > archive.length) return false
  let at = archive.readUInt32LE(end + 16)
  while (at + 46 <= end && archive.readUInt32LE(at) === entryMark) {
    const isLocked = (archive.readUInt16LE(at + 8) & 1) === 1
    const [name, extra, comment] = [28, 30, 32].map((field) => archive.readUInt16LE(at + field))
    const next = at + 46 + (name ?? 0)
    if (isLocked && isWanted(archive.toString("utf8", at + 46, next))) return true
    at = next + (extra ?? 0) + (comment ?? 0)
  }
  return false
}

/** The parts whose names are wanted, by their names. */
export const partsOf = (bytes: Uint8Array, isWanted: (name: string) => boolean): ReadonlyMap<string, string> => {
  if (isEncrypted(bytes) || hasLockedPart(bytes, isWanted)) throw new UnreadableFile("Encrypted")
  let size = 0
  const parts = unzipSync(bytes, {
    filter: ({ name, originalSize }) => {
      if (!isWanted(name)) return false
      size += originalSize
      if (size > mostOfParts) throw new UnreadableFile("TooLarge")
      return true
    }
  })
  return new Map(Object.entries(parts).map(([name, part]) => [name, decoded(part)]))
}

/** XML is in UTF-8, or in UTF-16 with its mark (XML 1.0, 4.3.3). */
const decoded = (part: Uint8Array): string => {
  const [first, second] = part
  const encoding =
    first === 0xff && second === 0xfe ? "utf-16le" : first === 0xfe && second === 0xff ? "utf-16be" : "utf-8"
  return new TextDecoder(encoding).decode(part)
}
