/**
 * Bounds of a JSON body, besides its length: a megabyte can be 100,000 keys. To check those against a schema takes a
 * quarter of a second, in which nothing else is answered.
 */

/** How many members an object or a list of a body may have. No schema allows more. */
const mostMembers = 2000

/** Nothing that a schema describes is deeper. */
const levels = 5

export const tooManyMembers = `An object or a list in the body may have ${mostMembers} members at most.`

/** Whether a text may be parsed, with so many strings at most: parsing thousands of keys takes long, too. */
export const hasFewStrings = (json: string, most = 3 * mostMembers): boolean => {
  let count = 0
  for (let at = json.indexOf('"'); at !== -1; at = json.indexOf('"', at + 1)) {
    // A long text may have many quotes, which are escaped.
    if (json[at - 1] !== "\\") count += 1
    if (count > 2 * most) return false
  }
  return true
}

/** Whether a parsed body may be checked against a schema. */
export const hasFewMembers = (value: unknown, left = levels): boolean => {
  if (typeof value !== "object" || value === null || left === 0) return true
  const members: ReadonlyArray<unknown> = Object.values(value)
  return members.length <= mostMembers && members.every((member) => hasFewMembers(member, left - 1))
}
