/** What a file that is not a SQLite database looks like by its first bytes, and what to do. */
import { closeSync, openSync, readSync } from "node:fs"
import { ConnectionError } from "./ConnectionError.ts"

export interface Likeness {
  readonly looks: string
  readonly cure: string
}

const compressed = (format: string, command: string): Likeness => ({
  looks: `${format} data`,
  cure: `Unpack it first, for example with \`${command}\`.`
})

const signatures: ReadonlyArray<readonly [bytes: string, likeness: Likeness]> = [
  ["1f8b", compressed("gzip", "gunzip")],
  ["28b52ffd", compressed("zstd", "unzstd")],
  ["504b0304", compressed("zip", "unzip")],
  ["fd377a585a00", compressed("xz", "unxz")],
  ["425a68", compressed("bzip2", "bunzip2")],
  ["04224d18", compressed("lz4", "unlz4")],
  ["377abcaf271c", compressed("7z", "7z x")]
]

const texts: ReadonlyArray<readonly [beginning: RegExp, likeness: Likeness]> = [
  [
    /^version https:\/\/git-lfs\.github\.com/,
    { looks: "a Git LFS pointer", cure: "Fetch the file itself with `git lfs pull`." }
  ],
  [
    /^\s*<(!doctype|html|\?xml)/i,
    { looks: "an HTML or XML page", cure: "Download the file again: a server answered with a page instead." }
  ],
  [
    /^(\s|--[^\n]*\n)*(PRAGMA|BEGIN|CREATE|INSERT)\b/i,
    { looks: "a dump in SQL", cure: "Make a database of it: `sqlite3 NEW.db < FILE`." }
  ],
  [/^\s*[[{]\s*(["{[]|$)/, { looks: "JSON", cure: "Check the path: this is a text file." }]
]

/** Undefined if it looks like nothing known, or cannot be read. */
export const likenessOf = (head: Buffer): Likeness | undefined => {
  const hex = head.toString("hex")
  const packed = signatures.find(([bytes]) => hex.startsWith(bytes))
  if (packed !== undefined) return packed[1]
  const text = head.toString("latin1").replace(/^\u00ef\u00bb\u00bf/, "")
  const written = texts.find(([beginning]) => beginning.test(text))
  if (written !== undefined) return written[1]
  return isRandom(head)
    ? {
        looks: "an encrypted database, as SQLCipher makes it, or random data",
        cure: "SQLite without encryption cannot open it: decrypt it first, or choose another file."
      }
    : undefined
}

/** 512 random bytes have about 221 of the 256 values; text and tables have far fewer. */
const isRandom = (head: Buffer): boolean => head.length >= 512 && new Set(head).size > 180

/**
 * The first bytes of a file. SQLite must not have it open: closing the descriptor drops this process's locks on the
 * file (https://sqlite.org/howtocorrupt.html, 2.2).
 */
export const headOf = (path: string): Buffer => {
  const head = Buffer.alloc(512)
  try {
    const descriptor = openSync(path, "r")
    try {
      return head.subarray(0, readSync(descriptor, head, 0, head.length, 0))
    } finally {
      closeSync(descriptor)
    }
  } catch {
    return head.subarray(0, 0)
  }
}

/** Says what a file looks like that is no database. */
export const addLikeness = (error: ConnectionError): ConnectionError => {
  const likeness = error.reason === "NotADatabase" ? likenessOf(headOf(error.file)) : undefined
  if (likeness === undefined) return error
  const { cure, looks } = likeness
  return new ConnectionError({ ...error, detail: `${error.detail}; it looks like ${looks}`, cure })
}
