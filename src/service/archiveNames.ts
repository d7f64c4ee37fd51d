/** Names of files in an archive: safe to unpack on any system, each name once. */
import * as Either from "effect/Either"
import { fileNameOf } from "./FileName.ts"

/** Bytes in UTF-8. */
const longest = 255

/** Devices, streams and drives on Windows have a colon. Windows forbids the rest (see FileName.ts for the source). */
const forbidden = /[<>:"/\\|?*\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

const shortened = (text: string, most: number): string => {
  let end = Math.min(text.length, most)
  while (Buffer.byteLength(text.slice(0, end)) > most) end -= 1
  // Do not cut a surrogate pair.
  return text.slice(0, end).replace(/[\ud800-\udbff]$/, "")
}

/**
 * One name, not a path. Names that an upload may have stay as they are, except for what Windows forbids. Names of an
 * earlier system can be anything, such as `../x`.
 */
const safe = (given: string): string => {
  const name = Either.getOrElse(fileNameOf(given), () => given.normalize("NFC"))
    .replace(forbidden, "_")
    .replace(/^[\s.]*\.\.[\s.]*$|[\s.]+$|^\s+/gu, "")
  const short = shortened(name, longest)
  if (short === "" || short === ".") return "file"
  // A device, with any extension.
  return Either.isRight(fileNameOf(short)) ? short : shortened(`_${short}`, longest)
}

const numbered = (name: string, n: number): string => {
  const [, stem = name, extension = ""] = /^(.+?)(\.[^.]{1,16})?$/su.exec(name) ?? []
  const end = ` (${n})${extension}`
  return `${shortened(stem, longest - Buffer.byteLength(end))}${end}`
}

/** Gives each file its name. Systems that ignore case would otherwise unpack two files as one. */
export const archiveNames = (reserved: ReadonlyArray<string>): ((given: string) => string) => {
  const keyOf = (name: string) => name.normalize("NFC").toLowerCase()
  const taken = new Set(reserved.map(keyOf))
  const last = new Map<string, number>()
  return (given) => {
    const wanted = safe(given)
    let name = wanted
    let n = last.get(keyOf(wanted)) ?? 1
    while (taken.has(keyOf(name))) {
      n += 1
      name = numbered(wanted, n)
    }
    last.set(keyOf(wanted), n)
    taken.add(keyOf(name))
    return name
  }
}
