/** Reads an archive by its central directory, without the library that made it (APPNOTE.TXT 6.3). */
import { crc32, inflateRawSync } from "node:zlib"

export interface ZipEntry {
  readonly name: string
  readonly text: string
  readonly size: number
  readonly isUtf8: boolean
  /** Seconds since 1970; undefined if there is only the old form, which has no zone. */
  readonly modified: number | undefined
}

export const entriesOfZip = (given: Uint8Array): ReadonlyArray<ZipEntry> => {
  const zip = Buffer.from(given)
  const end = zip.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]))
  if (end < 0) throw new Error("No end of the central directory")
  const entries: Array<ZipEntry> = []
  let at = zip.readUInt32LE(end + 16)
  for (let n = 0; n < zip.readUInt16LE(end + 10); n += 1) {
    const flags = zip.readUInt16LE(at + 8)
    const method = zip.readUInt16LE(at + 10)
    const sum = zip.readUInt32LE(at + 16)
    const packed = zip.readUInt32LE(at + 20)
    const size = zip.readUInt32LE(at + 24)
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => zip.readUInt16LE(at + offset))
    const header = zip.readUInt32LE(at + 42)
    const nameEnd = at + 46 + (nameLength ?? 0)
    const extra = zip.subarray(nameEnd, nameEnd + (extraLength ?? 0))
    const time = extra.indexOf(Buffer.from("UT"))
    const begin = header + 30 + zip.readUInt16LE(header + 26) + zip.readUInt16LE(header + 28)
    const data = zip.subarray(begin, begin + packed)
    const content = method === 0 ? data : inflateRawSync(data)
    if (content.length !== size || crc32(content) !== sum) throw new Error("An entry is not what it says")
    entries.push({
      name: zip.toString("utf8", at + 46, nameEnd),
      text: content.toString("utf8"),
      size,
      isUtf8: (flags & (1 << 11)) !== 0,
      modified: time < 0 ? undefined : extra.readInt32LE(time + 5)
    })
    at = nameEnd + (extraLength ?? 0) + (commentLength ?? 0)
  }
  return entries
}
