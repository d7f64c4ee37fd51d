/** The checks of a database, for people and for programs. */
import type { CheckedDatabase } from "./check.ts"
import { printable } from "./text.ts"

/** As one line of JSON, as `database-ready check --json` prints it. `error` is the first refusal, or null. */
export const checkJson = ({ refusal, ...checked }: CheckedDatabase): string =>
  JSON.stringify({ ...checked, error: refusal ?? null })

/** Line by line, as `database-ready check` prints it: a line for each check, and its remedy below it. */
export const checkLines = ({ at, checks, database, status }: CheckedDatabase): ReadonlyArray<string> => [
  `${status}  ${printable(database)}  ${at}`,
  ...checks.flatMap(({ found, name, remedy, status }) => [
    `  ${status.padEnd(7)}  ${name.padEnd(18)}  ${oneLine(found)}`,
    ...(remedy === "" ? [] : [`${" ".repeat(31)}remedy: ${oneLine(remedy)}`])
  ])
]

/** In one line, for a log: the time, the worst status, and the checks that did not pass. */
export const checkLine = ({ at, checks, database, status }: CheckedDatabase): string => {
  const others = checks.filter((check) => check.status !== "pass")
  const told = others.map(({ found, name, status }) => `${name} ${status}: ${oneLine(found)}`)
  return [`${at}  ${status}  ${printable(database)}`, ...told].join("  |  ")
}

const oneLine = (text: string): string => printable(text).replaceAll(/\s*\n\s*/g, " ")
