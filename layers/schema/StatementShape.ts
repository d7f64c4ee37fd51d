/** What one statement does to which object, as far as its text says so. */
import { foldName, isBlank, type Token, tokensOf, unquote } from "./SqlScript.ts"

/** A statement by what it does. Names are as `foldName` gives them. */
export type Shape =
  | {
      readonly kind: "create"
      readonly type: "table" | "index" | "view" | "trigger"
      readonly name: string
      /** Of an index: its table. */
      readonly table: string
      readonly isUnique: boolean
      readonly isTemporary: boolean
      readonly isVirtual: boolean
      readonly ifNotExists: boolean
      /** Of a table: made of the rows of a SELECT. */
      readonly isSelect: boolean
    }
  | { readonly kind: "drop"; readonly type: string; readonly name: string; readonly ifExists: boolean }
  | { readonly kind: "renameTable"; readonly table: string; readonly to: string }
  | { readonly kind: "addColumn"; readonly table: string; readonly column: string }
  | { readonly kind: "alter"; readonly table: string }
  | {
      readonly kind: "insert"
      readonly table: string
      /** The columns that it names, or undefined. */
      readonly columns: ReadonlyArray<string> | undefined
      readonly isSelect: boolean
      /** The items of its SELECT, each as its tokens; undefined for VALUES, or for a compound SELECT. */
      readonly selected: ReadonlyArray<ReadonlyArray<Token>> | undefined
      /** The one table that it selects from, else "". */
      readonly from: string
    }
  | {
      readonly kind: "update"
      readonly table: string
      readonly isWhole: boolean
      /** The columns that it sets. */
      readonly sets: ReadonlyArray<{ readonly column: string; readonly isConstant: boolean }>
    }
  | { readonly kind: "delete"; readonly table: string; readonly isWhole: boolean }
  | { readonly kind: "other" }

const other: Shape = { kind: "other" }

/** Reads the tokens of a statement that are neither blanks nor comments. */
const reader = (tokens: ReadonlyArray<Token>) => {
  let at = 0
  const keywordAt = (index: number): string => {
    const token = tokens[index]
    return token?.kind === "word" ? token.text.toUpperCase() : (token?.text ?? "")
  }
  const take = (...words: ReadonlyArray<string>): boolean => {
    const isThere = words.every((word, index) => keywordAt(at + index) === word)
    if (isThere) at += words.length
    return isThere
  }
  const nameHere = (): string => {
    const token = tokens[at]
    at += 1
    return token === undefined ? "" : nameOf(token)
  }
  return {
    take,
    /** The next word is consumed whatever it is. */
    skip: () => {
      at += 1
    },
    keyword: () => keywordAt(at),
    name: nameHere,
    /** `[schema .] name` */
    qualified: () => {
      const first = nameHere()
      if (!take(".")) return { schema: "", name: first }
      return { schema: first, name: nameHere() }
    },
    rest: () => tokens.slice(at)
  }
}

type Reader = ReturnType<typeof reader>

const nameOf = (token: Token): string =>
  foldName(token.kind === "quoted" || token.kind === "string" ? unquote(token.text) : token.text)

/** The tokens of a statement without blanks and comments. */
export const spokenTokens = (sql: string): ReadonlyArray<Token> => [...tokensOf(sql)].filter((token) => !isBlank(token))

export const shapeOf = (sql: string): Shape => {
  const tokens = spokenTokens(sql)
  const read = reader(tokens[0]?.text.toUpperCase() === "WITH" ? afterWith(tokens) : tokens)
  if (read.take("CREATE")) return createIn(read)
  if (read.take("DROP")) {
    const type = read.keyword().toLowerCase()
    read.skip()
    const ifExists = read.take("IF", "EXISTS")
    return { kind: "drop", type, ifExists, name: read.qualified().name }
  }
  if (read.take("ALTER", "TABLE")) return alterIn(read)
  if (read.take("INSERT") || read.take("REPLACE")) return insertIn(read)
  if (read.take("UPDATE")) {
    if (read.take("OR")) read.skip()
    const { name: table } = read.qualified()
    return { kind: "update", table, isWhole: isWhole(read.rest()), sets: setsIn(read.rest()) }
  }
  if (read.take("DELETE", "FROM")) {
    return { kind: "delete", table: read.qualified().name, isWhole: isWhole(read.rest()) }
  }
  return other
}

const createIn = (read: Reader): Shape => {
  const isUnique = read.take("UNIQUE")
  const isTemporary = read.take("TEMP") || read.take("TEMPORARY")
  const isVirtual = read.take("VIRTUAL")
  const type = (["table", "index", "view", "trigger"] as const).find((one) => read.take(one.toUpperCase()))
  if (type === undefined) return other
  const ifNotExists = read.take("IF", "NOT", "EXISTS")
  const { name, schema } = read.qualified()
  const table = type === "index" && read.take("ON") ? read.name() : name
  const isSelect = type === "table" && read.keyword() === "AS"
  return {
    kind: "create",
    type,
    name,
    table,
    isUnique,
    isTemporary: isTemporary || schema === "temp",
    isVirtual,
    ifNotExists,
    isSelect
  }
}

const alterIn = (read: Reader): Shape => {
  const { name: table } = read.qualified()
  if (read.take("RENAME", "TO")) return { kind: "renameTable", table, to: read.name() }
  if (read.take("ADD")) {
    read.take("COLUMN")
    return { kind: "addColumn", table, column: read.name() }
  }
  return { kind: "alter", table }
}

const insertIn = (read: Reader): Shape => {
  if (read.take("OR")) read.skip()
  read.take("INTO")
  const { name: table } = read.qualified()
  if (read.take("AS")) read.skip()
  const rest = read.rest()
  const end = rest[0]?.text === "(" ? closing(rest, 0) : -1
  const columns = end < 0 ? undefined : splitAt(rest.slice(1, end)).map(([token]) => (token ? nameOf(token) : ""))
  const body = rest.slice(end + 1)
  const select = reader(body[0]?.text.toUpperCase() === "WITH" ? afterWith(body) : body)
  if (!select.take("SELECT")) {
    return { kind: "insert", table, columns, isSelect: false, selected: undefined, from: "" }
  }
  if (!select.take("DISTINCT")) select.take("ALL")
  const query = select.rest()
  const from = topLevel(query, (word) => word === "FROM")
  const isCompound = topLevel(query, (word) => /^(?:UNION|EXCEPT|INTERSECT)$/.test(word)) >= 0
  const source = reader(query.slice(from + 1))
  return {
    kind: "insert",
    table,
    columns,
    isSelect: true,
    selected: isCompound ? undefined : splitAt(from < 0 ? query : query.slice(0, from)),
    from: from < 0 || isCompound || source.keyword() === "(" ? "" : source.qualified().name
  }
}

/** Behind the common table expressions: from the verb on. */
const afterWith = (tokens: ReadonlyArray<Token>): ReadonlyArray<Token> => {
  const at = topLevel(tokens, (word) => /^(?:INSERT|REPLACE|UPDATE|DELETE|SELECT|VALUES)$/.test(word))
  return at < 0 ? [] : tokens.slice(at)
}

const setsIn = (
  tokens: ReadonlyArray<Token>
): ReadonlyArray<{ readonly column: string; readonly isConstant: boolean }> => {
  const set = topLevel(tokens, (word) => word === "SET")
  const after = tokens.slice(set + 1)
  const end = topLevel(after, (word) => word === "WHERE" || word === "FROM" || word === "RETURNING")
  return splitAt(end < 0 ? after : after.slice(0, end)).map(([column, , ...value]) => ({
    column: column === undefined ? "" : nameOf(column),
    isConstant: isConstant(value)
  }))
}

/** `1.5` is three tokens, and `-1` two. */
const isConstant = (value: ReadonlyArray<Token>): boolean =>
  (value.length === 1 && value[0]?.kind === "string") ||
  /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|null|true|false)$/i.test(value.map(({ text }) => text).join(""))

const isWhole = (tokens: ReadonlyArray<Token>): boolean =>
  topLevel(tokens, (word) => word === "WHERE" || word === "LIMIT" || word === "FROM") < 0

/** The first word outside parentheses that passes; -1 if there is none. */
const topLevel = (tokens: ReadonlyArray<Token>, isWanted: (word: string) => boolean): number => {
  let depth = 0
  for (const [index, { kind, text }] of tokens.entries()) {
    if (text === "(") depth += 1
    else if (text === ")") depth -= 1
    else if (depth === 0 && kind === "word" && isWanted(text.toUpperCase())) return index
  }
  return -1
}

/** Where the parenthesis that opens at `start` closes. */
const closing = (tokens: ReadonlyArray<Token>, start: number): number => {
  let depth = 0
  for (let at = start; at < tokens.length; at += 1) {
    if (tokens[at]?.text === "(") depth += 1
    else if (tokens[at]?.text === ")") depth -= 1
    if (depth === 0) return at
  }
  return tokens.length
}

/** Splits at the commas outside parentheses. */
const splitAt = (tokens: ReadonlyArray<Token>): ReadonlyArray<ReadonlyArray<Token>> => {
  const parts: Array<Array<Token>> = [[]]
  let depth = 0
  for (const token of tokens) {
    if (token.text === "(") depth += 1
    else if (token.text === ")") depth -= 1
    if (depth === 0 && token.text === ",") parts.push([])
    else parts.at(-1)?.push(token)
  }
  return parts
}

/** The column that an item of a SELECT is, with nothing done to it; "*" for all; undefined for an expression. */
export const plainColumn = (item: ReadonlyArray<Token>): string | undefined => {
  const [first, second, third] = item
  if (first?.text === "*" || (second?.text === "." && third?.text === "*")) return "*"
  const at = second?.text === "." ? 2 : 0
  const token = item[at]
  if (token === undefined || (token.kind !== "word" && token.kind !== "quoted") || /^[\d]/.test(token.text))
    return undefined
  const next = item[at + 1]
  const isAlone =
    next === undefined || next.text.toUpperCase() === "AS" || (item.length === at + 2 && next.kind !== "other")
  return isAlone && !/^(?:null|current_(?:date|time|timestamp)|true|false)$/i.test(token.text)
    ? nameOf(token)
    : undefined
}
