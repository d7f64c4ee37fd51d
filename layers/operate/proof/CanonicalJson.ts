/** JSON in the one form that a signature can be of (RFC 8785): the same value is always the same text. */

/**
 * Names in the order of their UTF-16 units, no white space, numbers and strings as ECMAScript writes them. For values of
 * JSON: what is undefined is left out. The RFC has no form for half of a surrogate pair: here it is its escape.
 */
export const canonicalJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null"
  return `{${membersOf(value)
    .filter(([, member]) => member !== undefined)
    .toSorted(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`)
    .join(",")}}`
}

const membersOf = (value: object): ReadonlyArray<readonly [name: string, member: unknown]> => Object.entries(value)
