/** The text of a CREATE TABLE, cut into its columns, its constraints and what follows them. */
import { foldName, isBlank, tokensOf, unquote } from "./SqlScript.ts"

/** A column as it is written, in one line without comments. */
export interface ColumnDefinition {
  readonly name: string
  readonly text: string
}

export interface TableDefinition {
  /** In their order. Keys are names as `foldName` gives them. */
  readonly columns: ReadonlyMap<string, ColumnDefinition>
  readonly constraints: ReadonlyArray<string>
  /** What follows the last parenthesis, such as `STRICT`. */
  readonly options: string
}

/** Expects what SQLite keeps of an ordinary table; undefined if it is anything else. */
export const tableDefinition = (sql: string): TableDefinition | undefined => {
  const columns = new Map<string, ColumnDefinition>()
  const constraints: Array<string> = []
  let depth = 0
  let part = ""
  let first: { readonly isWord: boolean; readonly text: string } | undefined
  let isOver = false
  const end = () => {
    if (first === undefined) return
    const text = trimmed(part)
    // These words cannot be the name of a column without quotes (https://sqlite.org/lang_keywords.html).
    if (first.isWord && /^(constraint|primary|unique|check|foreign)$/i.test(first.text)) constraints.push(text)
    else {
      const name = first.isWord ? first.text : unquote(first.text)
      columns.set(foldName(name), { name, text })
    }
    first = undefined
    part = ""
  }
  for (const token of tokensOf(sql)) {
    const text = isBlank(token) ? " " : token.text
    if (text === "(") depth += 1
    if (text === ")") depth -= 1
    const isEdge = (text === "(" && depth === 1) || (text === ")" && depth === 0)
    if (isEdge && !isOver) {
      if (text === ")") {
        end()
        isOver = true
      }
      part = ""
    } else if (text === "," && depth === 1) end()
    else {
      if (text !== " " && depth > 0) first ??= { isWord: token.kind === "word", text }
      if (text !== " " || !part.endsWith(" ")) part += text
    }
  }
  return isOver && columns.size > 0 ? { columns, constraints, options: trimmed(part) } : undefined
}

/** Other blanks have become this one. */
const trimmed = (part: string): string => part.replace(/^ | $/g, "")
