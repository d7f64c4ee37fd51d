/** Which tables the statements of a migration read or change, by the places in which SQL names a table. */
import { foldName, openingWords, type Statement, tokensOf, unquote } from "./SqlScript.ts"

/** Behind one of these comes a table. */
const before = new Set(["FROM", "INTO", "JOIN", "ON", "TABLE", "UPDATE"])
/** These may stand between: `IF NOT EXISTS`, `OR IGNORE`. */
const between = new Set(["IF", "NOT", "EXISTS", "OR", "ABORT", "FAIL", "IGNORE", "REPLACE", "ROLLBACK"])
/** One of these ends the list of tables behind FROM. */
const ends = new Set(["SELECT", "SET", "VALUES", "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "RETURNING", "(", ")"])

/**
 * The names, as `foldName` gives them, each once. Making a view or a trigger touches no table, and a foreign key does not
 * touch the table that it refers to. What triggers and cascades touch besides is not here.
 */
export const touchedTables = (statements: ReadonlyArray<Statement>): ReadonlyArray<string> => [
  ...new Set(statements.flatMap(({ text }) => (isDefinition(text) ? [] : namedIn(text))))
]

const isDefinition = (text: string): boolean =>
  /^CREATE (?:TEMP |TEMPORARY )?(?:VIEW|TRIGGER)\b/.test(openingWords(text, 3).join(" "))

const namedIn = (text: string): ReadonlyArray<string> => {
  const names: Array<string> = []
  const tokens = [...tokensOf(text)].filter(({ kind }) => kind !== "space" && kind !== "comment")
  // What a parenthesis interrupts goes on behind it: `FROM (SELECT a FROM b), c`.
  const around: Array<boolean> = []
  let isList = false
  let isNext = false
  for (const [index, { kind, text: token }] of tokens.entries()) {
    const keyword = kind === "word" ? token.toUpperCase() : token
    if (before.has(keyword)) {
      isNext = true
      isList = keyword === "FROM"
    } else if (keyword === "," && isList) isNext = true
    else if (isNext && (between.has(keyword) || keyword === "." || tokens[index + 1]?.text === ".")) continue
    else {
      // A string stands for a name where SQLite needs one.
      if (isNext && kind === "word" && !ends.has(keyword)) names.push(foldName(token))
      else if (isNext && (kind === "quoted" || kind === "string")) names.push(foldName(unquote(token)))
      if (keyword === "(") around.push(isList)
      if (ends.has(keyword)) isList = false
      // Behind FROM a parenthesis can hold a list of tables by itself.
      isNext = keyword === "(" && isNext
      isList = keyword === ")" ? around.pop() === true : isList || isNext
    }
  }
  return names
}
