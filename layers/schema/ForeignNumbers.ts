/** The order of numbers as other tools have it, and which numbers the files get here. */
import type { ForeignLayout, LeftFile } from "./ForeignLayout.ts"
import type { Named } from "./ForeignNames.ts"
import { unclearOrderOf } from "./NumberOrder.ts"

const compare = <A extends string | bigint>(one: A, other: A): number => (one === other ? 0 : one < other ? -1 : 1)

export const byPath = (one: { readonly path: string }, other: { readonly path: string }): number =>
  compare(one.path, other.path)

/** Diesel compares what is before the first underscore, without hyphens, as text. */
export const byDieselVersion = (one: Named, other: Named): number =>
  compare(dieselVersionOf(one), dieselVersionOf(other)) || byPath(one, other)

const dieselVersionOf = ({ path }: Named): string => path.replace(/_.*/s, "").replaceAll("-", "")

/** By number, then by name. */
export const byNumber = (one: Named, other: Named): number => compareNumbers(one, other) || byPath(one, other)

/** Part by part as numbers, then by the letters behind it. */
export const compareNumbers = (one: Named, other: Named): number => {
  const [these, those] = [partsOf(one.number), partsOf(other.number)]
  for (let at = 0; at < Math.max(these.length, those.length); at += 1) {
    const compared = compare(these[at] ?? 0n, those[at] ?? 0n)
    if (compared !== 0) return compared
  }
  return compare(lettersOf(one.number), lettersOf(other.number))
}

/** The parts of `1.2` and `1_2`; the digits of a time are one number. */
const partsOf = (number: string): ReadonlyArray<bigint> =>
  (number.includes("-") ? [number] : number.split(/[._]/)).map((part) => BigInt(part.replaceAll(/\D/g, "")))

const lettersOf = (number: string): string => number.replace(/.*[^a-z]/, "")

type Numbered = Pick<Named, "path" | "number" | "name">

/** Keeps the numbers where this library reads them in the same order, and else counts. */
export const numbered = (
  layout: string,
  inOrder: ReadonlyArray<Numbered>,
  repeatable: ReadonlyArray<Numbered>,
  left: ReadonlyArray<LeftFile>
): ForeignLayout => {
  const files = inOrder.map(({ name, number, path }) => {
    return { path, number, version: wholeNumberOf(number), name: plainName(name) }
  })
  const renumbered = (versionOf: (version: string, index: number) => string) =>
    files.map((file, index) => ({ ...file, version: versionOf(file.version, index) }))
  // Diesel's times have four digits more than are compared exactly.
  const shorter = renumbered((version) => (version.length > 15 ? version.slice(0, 14) : version))
  const width = Math.max(3, String(files.length).length)
  const taken =
    [files, shorter].find((some) => isRising(some) && unclearOrderOf(some) === undefined) ??
    renumbered((_, index) => String(index + 1).padStart(width, "0"))
  return {
    layout,
    found: [
      ...taken,
      ...repeatable.map(({ name, path }) => ({ path, number: "", version: undefined, name: plainName(name) }))
    ],
    left: [...left].sort(byPath),
    isRenumbered: taken !== files
  }
}

const isRising = (files: ReadonlyArray<{ readonly version: string }>): boolean =>
  files.every(
    ({ version }, index) =>
      version !== "" && version.length <= 15 && (index === 0 || Number(version) > Number(files[index - 1]?.version))
  )

/** The two whose order depends on the tool, by their numbers, where those have no parts and no letters. */
export const unclearAmong = (inOrder: ReadonlyArray<Named>) =>
  unclearOrderOf(inOrder.map((one) => ({ ...one, version: wholeNumberOf(one.number) })))

/** The digits of a number without parts and letters; "" of another. */
const wholeNumberOf = (number: string): string => (/^\d+$|-/.test(number) ? number.replaceAll(/\D/g, "") : "")

/** As a file's name can have it. */
const plainName = (name: string): string => {
  const plain = name.replaceAll(/[^\p{L}\p{M}\p{N}-]+/gu, "_").replaceAll(/^_|_$/g, "")
  let short = plain
  while (Buffer.byteLength(short) > 200) short = short.slice(0, -1)
  return short === "" ? "migration" : short
}
