/** What a new migration is called, and what is in it at first. */
import { type MigrationFile, repeatableVersion } from "./MigrationFiles.ts"

/** The name as it is in the file's name; or what is wrong with it, and one that could be. */
export const nameOf = (
  given: string
): { readonly name: string } | { readonly wrong: string; readonly instead: string } => {
  const name = given.trim().replaceAll(/\s+/g, "_")
  const plain = name
    .replace(/\.sql$/i, "")
    .replaceAll(/[^\p{L}\p{M}\p{N}-]+/gu, "_")
    .replaceAll(/^_?(?:\d+(?:_|$))*|_$/g, "")
  const instead = Buffer.byteLength(plain) > longestName || !hasLetter.test(plain) ? "add_owner" : plain
  const wrong = (detail: string) => ({ wrong: detail, instead })
  if (name === "") return wrong("it is empty")
  if (/\.sql$/i.test(name)) return wrong("the ending .sql is added")
  if (/^\d+(_|$)/.test(name)) return wrong("the number is added")
  if (/[^\p{L}\p{M}\p{N}_-]/u.test(name)) return wrong("a name has letters, digits, hyphens and underscores")
  if (!hasLetter.test(name)) return wrong("it has no letter")
  if (Buffer.byteLength(name) > longestName) return wrong(`it is longer than ${longestName} bytes`)
  return { name }
}

const hasLetter = /[\p{L}\p{N}]/u

/** With the number and the ending, most filesystems take no more than 255 bytes. */
const longestName = 200

/**
 * The number of the next migration, as it is written: one above the newest, with its width. Where the newest is a time,
 * the time of `millis`, in UTC and written the same way; or one above the newest if that is not earlier.
 */
export const nextVersion = (files: ReadonlyArray<Pick<MigrationFile, "version">>, millis: number): string => {
  const newest = newestVersion(files)
  if (newest === undefined) return "001"
  const next = Math.max(Number(newest) + 1, Number(timeLike(newest, millis) ?? 0))
  return String(next).padStart(newest.length, "0")
}

/** The highest number, as it is written; undefined if there is none. */
export const newestVersion = (files: ReadonlyArray<Pick<MigrationFile, "version">>): string | undefined =>
  files
    .map(({ version }) => version)
    .filter((version) => version !== repeatableVersion)
    .reduce<string | undefined>(
      (newest, version) => (newest === undefined || Number(version) > Number(newest) ? version : newest),
      undefined
    )

/** The time in the form of the newest number; undefined if that is not a time. Years 2000 to 2199 count as such. */
const timeLike = (newest: string, millis: number): string | undefined => {
  const calendar = new Date(millis).toISOString().replaceAll(/\D/g, "").slice(0, newest.length)
  if (isCalendar.test(newest) && [8, 10, 12, 14].includes(newest.length)) return calendar
  // Seconds or milliseconds since 1970, from 2001 on.
  if (newest.length === 10 && newest.startsWith("1")) return String(Math.floor(millis / 1000))
  return newest.length === 13 && newest.startsWith("1") ? String(millis) : undefined
}

const isCalendar = /^2[01]\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])?(?:[0-5]\d){0,2}$/

/** Comments alone: a start refuses it until a statement is in it. */
export const templateOf = (title: string): string => `-- ${title}
--
-- Write SQL statements here. They run in one transaction: no BEGIN and no COMMIT.
-- Once a database has applied this file, do not edit it. Write a new one.
`

/** What is wrong with a number that somebody chose; undefined if nothing is. */
export const wrongNumber = (
  number: string,
  newest: string | undefined
): { readonly reason: "BadNumber" | "Taken"; readonly detail: string } | undefined => {
  if (!/^\d{1,15}$/.test(number))
    return { reason: "BadNumber", detail: "a number has 1 to 15 digits, and nothing else" }
  if (newest === undefined || Number(number) > Number(newest)) return undefined
  return Number(number) === Number(newest)
    ? { reason: "Taken", detail: "a migration has it" }
    : { reason: "BadNumber", detail: `it is below the newest, ${newest}, and would come too late for what is applied` }
}
