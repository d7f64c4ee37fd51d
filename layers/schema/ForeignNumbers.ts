/** The order of numbers as other tools have it, and which numbers the files get here. */
import type { ForeignLayout, LeftFile } from "./ForeignLayout.ts"
import type { Named } from "./ForeignNames.ts"
import { unclearOrderOf } from "./NumberOrder.ts"

export const byPath = (one: Named, other: Named): number => (one.path < other.path ? -1 : 1)

/** Diesel compares what is before the first underscore, without hyphens, as text. */
export const byDieselVersion = (one: Named, other: Named): number => {
  const [version, otherVersion] = [dieselVersionOf(one), dieselVersionOf(other)]
  return version === otherVersion ? byPath(one, other) : version < otherVersion ? -1 : 1
}

const dieselVersionOf = ({ path }: Named): string => path.replace(/_.*/s, "").replaceAll("-", "")

/** By number, then by name. */
export const byNumber = (one: Named, other: Named): number => {
  const compared = compareNumbers(one, other)
  return compared === 0 ? byPath(one, other) : compared
}

/** Part by part as numbers, then by the letters behind it. */
export const compareNumbers = (one: Named, other: Named): number => {
  const [these, those] = [partsOf(one.number), partsOf(other.number)]
  for (let at = 0; at < Math.max(these.length, those.length); at += 1) {
    const [here, there] = [these[at] ?? 0n, those[at] ?? 0n]
    if (here !== there) return here < there ? -1 : 1
  }
  const [letter, otherLetter] = [lettersOf(one.number), lettersOf(other.number)]
  return letter === otherLetter ? 0 : letter < otherLetter ? -1 : 1
}

/** The parts of `1.2` and `1_2`; the digits of a time are one number. */
const partsOf = (number: string): ReadonlyArray<bigint> =>
  (number.includes("-") ? [number.replaceAll(/\D/g, "")] : number.split(/[._]/))
    .map((part) => part.replaceAll(/\D/g, ""))
    .map((part) => BigInt(part === "" ? 0 : part))

const lettersOf = (number: string): string => /[a-z]*$/.exec(number)?.[0] ?? ""

type Numbered = Pick<Named, "path" | "number" | "name">

/** Keeps the numbers where this library reads them in the same order, and else counts. */
export const numbered = (
  layout: string,
  inOrder: ReadonlyArray<Numbered>,
  repeatable: ReadonlyArray<Numbered>,
  left: ReadonlyArray<LeftFile>
): ForeignLayout => {
  const digits = inOrder.map(({ number }) => wholeNumberOf(number))
  // Diesel's times have four digits more than are compared exactly.
  const shorter = digits.map((number) => (number.length > 15 ? number.slice(0, 14) : number))
  const names = inOrder.map(({ name }) => plainName(name))
  const kept = [digits, shorter].find((numbers) => isRising(numbers) && isClear(numbers, names))
  const width = Math.max(3, String(inOrder.length).length)
  return {
    layout,
    found: [
      ...inOrder.map(({ number, path }, index) => ({
        path,
        number,
        version: kept?.[index] ?? String(index + 1).padStart(width, "0"),
        name: names[index] ?? ""
      })),
      ...repeatable.map(({ name, path }) => ({ path, number: "", version: undefined, name: plainName(name) }))
    ],
    left: [...left].sort((one, other) => (one.path < other.path ? -1 : 1)),
    isRenumbered: kept !== digits
  }
}

const isRising = (numbers: ReadonlyArray<string>): boolean =>
  numbers.every(
    (number, index) =>
      number !== "" && number.length <= 15 && (index === 0 || Number(number) > Number(numbers[index - 1]))
  )

/** Whether a start takes the order of such numbers for clear. */
const isClear = (numbers: ReadonlyArray<string>, names: ReadonlyArray<string>): boolean =>
  unclearOrderOf(numbers.map((version, index) => ({ version, name: names[index] ?? "" }))) === undefined

/** The two whose order depends on the tool, by their numbers, where those have no parts and no letters. */
export const unclearAmong = (inOrder: ReadonlyArray<Named>) =>
  unclearOrderOf(
    inOrder.flatMap((one) => {
      const version = wholeNumberOf(one.number)
      return version === "" ? [] : [{ ...one, version }]
    })
  )

/** The digits of a number without parts and letters; "" of another. */
const wholeNumberOf = (number: string): string => (/^\d+$|-/.test(number) ? number.replaceAll(/\D/g, "") : "")

/** As a file's name can have it. */
const plainName = (name: string): string => {
  const plain = name.replaceAll(/[^\p{L}\p{M}\p{N}-]+/gu, "_").replaceAll(/^_+|_+$/g, "")
  let short = plain
  while (Buffer.byteLength(short) > 200) short = short.slice(0, -1)
  return short === "" ? "migration" : short
}
