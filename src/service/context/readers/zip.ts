/** The parts of a document that is a ZIP archive of XML files. */
import { strFromU8, unzipSync } from "fflate"
import { UnreadableFile } from "./UnreadableFile.ts"

/** Bytes of all parts together. A part that grows beyond the size that the archive says is an error of its own. */
const mostOfParts = 32 * 1024 * 1024

/** What Office makes of a document with a password: a compound file around the encrypted one (MS-OFFCRYPTO, 2.3). */
const isEncrypted = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.subarray(0, 4)).toString("hex") === "d0cf11e0" &&
  Buffer.from(bytes).includes(Buffer.from("EncryptedPackage", "utf16le"))

/** The parts whose names match, by their names. */
export const partsOf = (bytes: Uint8Array, wanted: RegExp): ReadonlyMap<string, string> => {
  if (isEncrypted(bytes)) throw new UnreadableFile("Encrypted")
  let size = 0
  const parts = unzipSync(bytes, {
    filter: ({ name, originalSize }) => {
      if (!wanted.test(name)) return false
      size += originalSize
      if (size > mostOfParts) throw new UnreadableFile("TooLarge")
      return true
    }
  })
  const found = new Map(Object.entries(parts).map(([name, part]) => [name, strFromU8(part)]))
  if (found.size === 0) throw new UnreadableFile("Malformed")
  return found
}

/** By the numbers in their names: `slide2.xml` comes before `slide10.xml`. */
export const inOrder = (parts: ReadonlyMap<string, string>): ReadonlyArray<string> =>
  [...parts].sort(([one], [other]) => numberIn(one) - numberIn(other)).map(([, part]) => part)

const numberIn = (name: string): number => Number(/(\d+)\.xml$/.exec(name)?.[1] ?? 0)
