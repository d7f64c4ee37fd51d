/**
 * SQL text, cut into tokens: enough of SQLite's grammar to find where a statement ends
 * (https://sqlite.org/c3ref/complete.html) and to compare two definitions by what they say.
 */

export interface Statement {
  readonly text: string
  /** Line of its first token in the script, counted from 1. */
  readonly line: number
}

type TokenKind = "space" | "comment" | "string" | "quoted" | "word" | "other"

export interface Token {
  readonly kind: TokenKind
  readonly text: string
  readonly start: number
}

/** SQLite's white space. The mark of a file's beginning is white space too where a word does not go on with it. */
const blank = "[ \\t\\n\\f\\r][ \\t\\n\\f\\r\\uFEFF]*"

/** Tokens of one kind. `run` matches one from where it begins; what begins like one and is none is of the kind "other". */
interface Shape {
  readonly kind: TokenKind
  readonly run: RegExp
}

// A quote or comment that is never closed reaches to the end, as in SQLite's tokenizer, which then refuses the
// statement. Each loop takes a run of characters: one character at a time runs out of stack on megabytes.
const space: Shape = { kind: "space", run: /[ \t\n\f\r\uFEFF]+/y }
const comment: Shape = { kind: "comment", run: /--[^\n]*|\/\*[^*]*(?:\*(?!\/)[^*]*)*(?:\*\/)?/y }
const string: Shape = { kind: "string", run: /'[^']*(?:''[^']*)*'?/y }
const quoted: Shape = { kind: "quoted", run: /"[^"]*(?:""[^"]*)*"?|`[^`]*(?:``[^`]*)*`?|\[[^\]]*\]?/y }
const inWord = /[A-Za-z0-9_$\u0080-\uFFFF]/
const word: Shape = { kind: "word", run: new RegExp(`${inWord.source}+`, "y") }
/** Everything between quotes, comments and semicolons; it may end in blanks. */
const phrase: Shape = { kind: "word", run: /[^ \t\n\f\r\uFEFF;'"`[/-][^;'"`[/-]*/y }

/** The first character tells: one pattern with a group for each kind makes eight values of each match. */
const shapes: ReadonlyMap<string, Shape> = new Map([
  ...Array.from(" \t\n\f\r\uFEFF", (blank) => [blank, space] as const),
  ...Array.from("-/", (dash) => [dash, comment] as const),
  ...Array.from('"`[', (quote) => [quote, quoted] as const),
  ["'", string]
])

export function* tokensOf(sql: string, words = word): Generator<Token> {
  let start = 0
  while (start < sql.length) {
    const { kind, run } = shapes.get(sql.charAt(start)) ?? words
    // Set it each time: generators share the pattern, and may stop before their end.
    run.lastIndex = start
    const isOne = run.test(sql)
    const end = isOne ? run.lastIndex : start + 1
    yield { kind: isOne ? kind : "other", text: sql.slice(start, end), start }
    start = end
  }
}

/** The same in fewer and longer tokens, for callers that do not need single words. */
export const phrasesOf = (sql: string): Generator<Token> => tokensOf(sql, phrase)

export const isBlank = ({ kind }: Token): boolean => kind === "space" || kind === "comment"

/**
 * The statements of a script, in order, without their final semicolons. A trigger's body is part of
 * its statement: it ends at the first `END` that follows a semicolon and is followed by one.
 */
export const statementsOf = (script: string): ReadonlyArray<Statement> => {
  const statements: Array<Statement> = []
  let line = 1
  let counted = 0
  let start = -1
  let end = -1
  let trigger = triggerDetector()

  const finish = () => {
    if (start >= 0) {
      line += newlinesIn(script, counted, start)
      counted = start
      statements.push({ text: script.slice(start, end), line })
    }
    start = -1
    trigger = triggerDetector()
  }

  for (const token of phrasesOf(script)) {
    if (isBlank(token)) continue
    const text = withoutBlanksAtEnd(token)
    const inTrigger = trigger.isInsideAfter(text)
    if (text === ";" && !inTrigger) {
      finish()
      continue
    }
    if (start < 0) start = token.start
    end = token.start + text.length
  }
  finish()
  return statements
}

/** The text of a phrase without the blanks at its end. */
export const withoutBlanksAtEnd = ({ kind, text }: Token): string => (kind === "word" ? trimBlanksAtEnd(text) : text)

/** `trimEnd` takes more: JavaScript's white space has characters of SQLite's words, as U+00A0 and U+3000. */
export const trimBlanksAtEnd = (text: string): string => {
  let length = text.length
  while (length > 0 && " \t\n\f\r\uFEFF".includes(text.charAt(length - 1))) length -= 1
  // A word goes on with it, and ends in it.
  if (inWord.test(text.charAt(length - 1))) while (text.charAt(length) === "\uFEFF") length += 1
  return text.slice(0, length)
}

export const firstLine = (text: string): string => {
  const end = text.indexOf("\n")
  return end < 0 ? text : text.slice(0, end)
}

const newlinesIn = (script: string, from: number, to: number): number => {
  let count = 0
  for (let at = script.indexOf("\n", from); at >= 0 && at < to; at = script.indexOf("\n", at + 1)) count += 1
  return count
}

/**
 * Whether a script is inside a trigger's definition. `CREATE [TEMP|TEMPORARY] TRIGGER` opens one, and
 * `; END ;` closes it: a `CASE ... END` has no semicolon before its `END`.
 */
const triggerDetector = () => {
  /** What the statement begins with, as long as it can still become a trigger. */
  let opening: string | undefined = ""
  let inTrigger = false
  let tail: "body" | "semicolon" | "end" = "body"
  return {
    /** `phrase`: without blanks at its end. A comment may stand between the words that open a trigger. */
    isInsideAfter: (phrase: string): boolean => {
      if (opening !== undefined) {
        opening = `${opening} ${phrase}`
        inTrigger = opensTrigger.test(opening)
        if (inTrigger || !mayOpenTrigger.test(opening)) opening = undefined
        return inTrigger
      }
      if (!inTrigger) return false
      if (phrase === ";") {
        const ended = tail === "end"
        tail = "semicolon"
        return !ended
      }
      tail = tail === "semicolon" && /^end$/i.test(phrase) ? "end" : "body"
      return true
    }
  }
}

const opensTrigger = new RegExp(
  `^(${blank}EXPLAIN(${blank}QUERY${blank}PLAN)?)?${blank}CREATE(${blank}TEMP|${blank}TEMPORARY)?${blank}TRIGGER(?!${inWord.source})`,
  "i"
)
const mayOpenTrigger = new RegExp(
  `^(${blank}EXPLAIN(${blank}QUERY(${blank}PLAN)?)?)?(${blank}CREATE(${blank}TEMP|${blank}TEMPORARY)?)?$`,
  "i"
)

/** A word, a name or a dot. Only a word without quotes can be a keyword. `name` has no quotes. */
export interface Part {
  /** In capitals; empty for a name in quotes. */
  readonly keyword: string
  readonly name: string
}

/** The words, names and dots that a statement begins with. SQLite accepts a string where a name is needed. */
export const openingParts = (statement: string, count: number): ReadonlyArray<Part> => {
  const parts: Array<Part> = []
  for (const token of tokensOf(statement)) {
    if (isBlank(token)) continue
    if (token.kind === "quoted" || token.kind === "string") parts.push({ keyword: "", name: unquote(token.text) })
    else if (token.kind === "word" || token.text === ".")
      parts.push({ keyword: token.text.toUpperCase(), name: token.text })
    else break
    if (parts.length === count) break
  }
  return parts
}

/** The same in capitals, to tell the kind of statement. */
export const openingWords = (statement: string, count: number): ReadonlyArray<string> =>
  openingParts(statement, count).map(({ name }) => name.toUpperCase())

/** Whether a word, a name in quotes or a string in it is this name, as `foldName` gives it. */
export const mentions = (sql: string, name: string): boolean => {
  for (const { kind, text } of tokensOf(sql)) {
    if (kind === "word" && foldName(text) === name) return true
    if ((kind === "quoted" || kind === "string") && foldName(unquote(text)) === name) return true
  }
  return false
}

/**
 * What a definition says, without white space, comments, capitals and needless quotes. Two definitions with the same
 * structure make the same object.
 */
export const structureOf = (definition: string): string => {
  const parts: Array<string> = []
  for (const token of tokensOf(definition)) {
    if (isBlank(token)) continue
    // After DEFAULT, older builds of SQLite read double-quoted text as a string.
    const isName = token.kind === "quoted" && parts.at(-1) !== "default"
    const isVerbatim = token.kind === "string" || token.kind === "quoted"
    parts.push(isName ? asName(token.text) : isVerbatim ? token.text : foldName(token.text))
  }
  return parts.join(" ")
}

/** A name as a statement can use it, whatever characters it has. */
export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

/**
 * SQLite treats two names as one if this is equal: it folds only ASCII letters (https://sqlite.org/c3ref/stricmp.html).
 * To JavaScript "Straße" in capitals is "STRASSE", another name.
 */
export const foldName = (name: string): string => name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())

/** The text of a quoted name or a string. Brackets have no way to double a character. */
export const unquote = (text: string): string => {
  const quote = text.charAt(0)
  const inner = text.slice(1, -1)
  return quote === "[" ? inner : inner.replaceAll(quote + quote, quote)
}

/** Needless quotes and the kind of quotes make no difference. */
const asName = (text: string): string => {
  const name = foldName(unquote(text))
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : identifier(name)
}
