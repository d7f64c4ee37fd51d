/** What `lint` says of one statement by itself. */
import type { Found } from "./LintCodes.ts"
import { type FileRun, found, type Ran } from "./LintRun.ts"
import type { SchemaFacts } from "./SchemaFacts.ts"
import { foldName, structureOf, type Token } from "./SqlScript.ts"
import { spokenTokens } from "./StatementShape.ts"

/** `IF NOT EXISTS` and `IF EXISTS` that make a statement do nothing. */
export const hiddenIn = ({ before, shape, statement }: Ran, { ran }: FileRun): ReadonlyArray<Found> => {
  if (before === undefined) return []
  if (shape.kind === "create" && shape.ifNotExists && !shape.isTemporary) {
    const known = objectNamed(shape.type, shape.name, before)
    if (known === undefined) return []
    return [
      saysTheSame(statement.text, known.sql)
        ? found(
            "hidden-drift",
            statement,
            `There is ${one(shape.type)} ${known.name} already, so this does nothing`,
            "Remove the statement."
          )
        : found(
            "hidden-drift",
            statement,
            `There is ${one(shape.type)} ${known.name} already, with another definition, and IF NOT EXISTS hides that this one is not made`,
            "Change what is there with ALTER TABLE or a rebuild, or remove the statement."
          )
    ]
  }
  if (shape.kind !== "drop" || !shape.ifExists || objectNamed(shape.type, shape.name, before) !== undefined) return []
  // The usual head of a file that makes it next; and a temporary one is not looked for above.
  return ran.some(({ shape: other }) => other.kind === "create" && other.name === shape.name)
    ? []
    : [
        found(
          "hidden-drift",
          statement,
          `There is no ${shape.type} ${shape.name} at this point, so in a database of these migrations this does nothing`,
          "Correct the name, or remove the statement."
        )
      ]
}

const one = (type: string): string => (type === "index" ? "an index" : `a ${type}`)

const objectNamed = (type: string, name: string, { objects, tables }: SchemaFacts) =>
  type === "table" ? tables.get(name) : objects.find((object) => object.type === type && foldName(object.name) === name)

const saysTheSame = (statement: string, sql: string): boolean =>
  structureOf(statement)
    .replace(/ if not exists /, " ")
    .replace(/(^create [a-z ]+?)main \. /, "$1") === structureOf(sql)

/** Rows whose values depend on when, or on which machine, the migration runs. */
export const timeIn = ({ shape, statement }: Ran): ReadonlyArray<Found> => {
  if (shape.kind === "create" ? !shape.isSelect : shape.kind !== "insert" && shape.kind !== "update") return []
  // Seeds are long: skip cutting them into tokens.
  if (!/current_|random|julianday|unixepoch|date|time/i.test(statement.text)) return []
  const tokens = spokenTokens(statement.text)
  for (const [at, token] of tokens.entries()) {
    if (!isUncertain(token.text.toLowerCase(), tokens, at)) continue
    const line = statement.line + statement.text.slice(0, token.start).split("\n").length - 1
    return [
      {
        code: "depends-on-time",
        line,
        message: `${token.text} gives ${/random/i.test(token.text) ? "another value in every database" : "the time at which each database is upgraded"}, and the row keeps it`,
        remedy: "Write the value itself, or let the program write such rows once the database is ready."
      }
    ]
  }
  return []
}

const constants = ["current_date", "current_time", "current_timestamp"]
const functions = ["date", "time", "datetime", "julianday", "unixepoch", "strftime", "timediff"]

const isUncertain = (word: string, tokens: ReadonlyArray<Token>, at: number): boolean => {
  if (constants.includes(word)) return true
  // The name of a table stands before a list of columns too.
  if (tokens[at + 1]?.text !== "(" || /into|\./i.test(tokens[at - 1]?.text ?? "")) return false
  if (word === "random" || word === "randomblob") return true
  if (!functions.includes(word)) return false
  let depth = 0
  const inside: Array<Token> = []
  for (const token of tokens.slice(at + 1)) {
    if (token.text === "(") depth += 1
    else if (token.text === ")") depth -= 1
    if (depth === 0) break
    inside.push(token)
  }
  const isNow = inside.some(({ kind, text }) => kind === "string" && text.slice(1, -1).trim().toLowerCase() === "now")
  return isNow || inside.length === 1 || (word === "strftime" && inside.length === 2)
}
