/** How schemas differ, for people, for programs, and as the text of a migration. */
import type { ObjectDifference, PartDifference } from "../schema/SchemaDifference.ts"
import { titleOf } from "../schema/SchemaSteps.ts"
import type { SchemaDiff } from "./diff.ts"
import { printable } from "./text.ts"

/** A difference as one line of JSON, as `database-ready diff --json` prints it. */
export const diffJson = (diff: SchemaDiff): string => JSON.stringify(diff)

/** A difference, line by line, as `database-ready diff` prints it. */
export const diffLines = ({ differences, from, to }: SchemaDiff): ReadonlyArray<string> => [
  `${printable(from)} -> ${printable(to)}: ${countOf(differences.length)}`,
  ...differences.flatMap(linesOf)
]

/**
 * The text of a migration, as `database-ready diff --sql` prints it: the statements, and as comments what they leave to a
 * person.
 */
export const diffSql = ({ differences, from, notGenerated, statements, to }: SchemaDiff): string =>
  [
    `-- ${inOneLine(`From ${from} to ${to}: ${countOf(differences.length)}.`)}`,
    ...statements.map((sql) => `${sql};`),
    ...notGenerated.map(({ object, reason }) => `-- ${inOneLine(`Not generated: ${object} (${reason})`)}`)
  ].join("\n")

const countOf = (count: number): string =>
  count === 0 ? "no difference" : `${count} ${count === 1 ? "difference" : "differences"}`

const inOneLine = (text: string): string => printable(text).replace(/\s+/g, " ")

const marks = { added: "+", removed: "-", changed: "~" }

const linesOf = ({ after, before, change, name, parts, table, type }: ObjectDifference): ReadonlyArray<string> => {
  const of = type === "index" || type === "trigger" ? ` on ${table}` : ""
  const title = `${marks[change]} ${inOneLine(`${type} ${name}${of}`)}`
  if (change === "changed") {
    const isWhole = parts.length === 0 || parts.some(({ part }) => part === "definition")
    return [title, ...(isWhole ? [...sqlLines("- ", before), ...sqlLines("+ ", after)] : parts.map(partLine))]
  }
  return [title, ...sqlLines("", after)]
}

const sqlLines = (mark: string, sql: string | null): ReadonlyArray<string> =>
  (sql === null || sql === "" ? [] : printable(sql).split("\n")).map((line) => `    ${mark}${line}`)

const partLine = (part: PartDifference): string => {
  const { after, before, name } = part
  if (part.part === "options" || part.part === "column order" || (before !== null && after !== null)) {
    return `    ~ ${inOneLine(`${titleOf(part)}: ${before || "none"} -> ${after || "none"}`)}`
  }
  const what = part.part === "column" ? "column " : ""
  const text = before ?? after ?? name
  return `    ${before === null ? "+" : "-"} ${inOneLine(`${what}${text}`)}`
}
