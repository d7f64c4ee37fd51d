/** The rules for file names. A name is shown and sent back, but no path is ever made from it. */
import * as Either from "effect/Either"
import { InvalidFileName, type NameProblem } from "./Api.ts"

/** The limit of most filesystems (bytes in UTF-8). */
const longest = 255

type Problem = typeof NameProblem.Type

const sentences: Record<Problem, string> = {
  Empty: "A file needs a name.",
  TooLong: `A name may have ${longest} bytes at most, in UTF-8.`,
  ControlCharacter: "A name may not contain control characters.",
  Separator: "A name may not contain '/' or '\\', or a character that looks like one.",
  Reserved: "This name has a special meaning on some systems.",
  Invisible: "A name may not contain invisible characters, or characters that change the direction of writing.",
  Malformed: "The name is not valid Unicode.",
  BlankOrDotAtItsEnds: "A name may not begin or end with a space, or end with a dot."
}

/** Device names on Windows, with any extension (https://learn.microsoft.com/windows/win32/fileio/naming-a-file). */
const device = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *([.:]|$)/i

/** A joiner between two pictures. The first one may have a colour, or the mark that makes it a picture. */
const emojiJoiner = /(?<=\p{Extended_Pictographic}|\p{Emoji_Modifier}|\ufe0f)\u200d(?=\p{Extended_Pictographic})/gu

/** Checked in this order; the first problem is reported. */
const problems: ReadonlyArray<readonly [Problem, (name: string, compatible: string) => boolean]> = [
  ["Empty", (name) => name === ""],
  ["Malformed", (name) => !isWellFormed(name)],
  // Cc: C0 and C1 controls, with NUL and DEL; Zl, Zp: line and paragraph separators.
  ["ControlCharacter", (name) => /[\p{Cc}\p{Zl}\p{Zp}]/u.test(name)],
  // Cf: direction marks, zero-width characters, tags. Joiners are useful inside emoji; elsewhere they hide something.
  ["Invisible", (name) => /[\p{Cf}\u115f\u1160\u3164\uffa0]/u.test(name.replace(emojiJoiner, ""))],
  // The compatible form (NFKC) turns full-width characters and other look-alikes into what they look like.
  ["Separator", (_, compatible) => /[/\\\u2044\u2215\u2216\u2571\u29f5\u29f8\u29f9]/u.test(compatible)],
  ["Reserved", (_, compatible) => /^\.{1,2}$/.test(compatible) || device.test(compatible)],
  ["BlankOrDotAtItsEnds", (_, compatible) => compatible.trim() !== compatible || compatible.endsWith(".")],
  ["TooLong", (name) => Buffer.byteLength(name) > longest]
]

const isWellFormed = (name: string): boolean => !/\p{Cs}/u.test(name) && !name.includes("\ufffd")

/** The name in normal form (NFC), or what is wrong with it. */
export const fileNameOf = (given: string): Either.Either<string, InvalidFileName> => {
  const name = given.normalize("NFC")
  const compatible = name.normalize("NFKC")
  const [problem] = problems.find(([, applies]) => applies(name, compatible)) ?? []
  return problem === undefined
    ? Either.right(name)
    : Either.left(new InvalidFileName({ problem, message: sentences[problem] }))
}
