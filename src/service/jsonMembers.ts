/**
 * Bounds of a JSON body, besides its length: a megabyte can be 100,000 keys. To check those against a schema takes a
 * quarter of a second, in which nothing else is answered.
 */

/** How many members an object or a list of a body may have. No schema allows more. */
const mostMembers = 2000

/**
 * How deep a body may be. A schema says of a value in the wrong place what it is, and looks into all of it: thousands of
 * levels would be more than the stack holds.
 */
const mostLevels = 32

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

/** Why a parsed body may not be checked against a schema; undefined if it may. */
export const faultIn = (value: unknown, level = 1): string | undefined => {
  if (typeof value !== "object" || value === null) return undefined
  if (level > mostLevels) return `The body may be ${mostLevels} levels deep at most.`
  const members = Object.entries(value)
  if (members.length > mostMembers) return tooManyMembers
  for (const [name, member] of members) {
    const fault = name === lostName ? noSuchName : faultIn(member, level + 1)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** What a schema copies under this name becomes the prototype of the copy, and is lost. */
export const lostName = "__proto__"
const noSuchName = `No member of the body can have the name \`${lostName}\`.`
