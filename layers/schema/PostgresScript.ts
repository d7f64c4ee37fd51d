/**
 * SQL as PostgreSQL writes it, cut into statements: dollar quotes, strings with escapes, comments within comments, and
 * bodies of functions in standard SQL. A file is sent whole and cut by PostgreSQL; this is for what has to be known
 * before it runs, and for what is compared.
 * https://www.postgresql.org/docs/current/sql-syntax-lexical.html
 */
import { foldName } from "./SqlScript.ts"

export interface PostgresStatement {
  /** Without the semicolon, and without what stands before its first word. */
  readonly text: string
  /** Where it begins in the file, counted from 0. */
  readonly offset: number
  /** The same as a line, counted from 1. */
  readonly line: number
  /** Its first words in capitals, without comments. */
  readonly words: ReadonlyArray<string>
}

const token =
  /\s+|--[^\n]*|\/\*|[eE]'(?:[^'\\]|''|\\[\s\S])*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|\d[\w.]*|[\s\S]/y

/** How many words of a statement are kept. */
const enough = 12

export const postgresStatements = (script: string): ReadonlyArray<PostgresStatement> => {
  const statements: Array<PostgresStatement> = []
  let begun: number | undefined
  let words: Array<string> = []
  let [at, end, depth] = [0, 0, 0]
  let isAtomic = false
  let before = ""
  const finish = () => {
    if (begun !== undefined) {
      const line = script.slice(0, begun).split("\n").length
      statements.push({ text: script.slice(begun, end), offset: begun, line, words })
    }
    begun = undefined
    words = []
    depth = 0
    isAtomic = false
  }
  while (at < script.length) {
    token.lastIndex = at
    const text = token.exec(script)?.[0] ?? script.slice(at)
    const next =
      text === "/*" ? afterComment(script, at) : isDollar(text) ? afterQuote(script, at, text) : at + text.length
    const isBlank = /^(\s|--|\/\*)/.test(text)
    if (text === ";" && depth === 0) finish()
    else if (!isBlank) {
      begun ??= at
      end = next
      if (text === "(") depth += 1
      else if (text === ")") depth = Math.max(0, depth - 1)
      else if (/^[A-Za-z_]/.test(text)) {
        const word = text.toUpperCase()
        if (words.length < enough) words.push(word)
        // BEGIN ATOMIC ... END holds statements; so does nothing else that is not quoted.
        if (word === "ATOMIC" && before === "BEGIN") {
          isAtomic = true
          depth += 1
        } else if (isAtomic && word === "CASE") depth += 1
        else if (isAtomic && word === "END") depth -= 1
        before = word
      }
    }
    at = next
  }
  finish()
  return statements
}

const isDollar = (text: string): boolean => text.length > 1 && text.startsWith("$")

const afterQuote = (script: string, at: number, quote: string): number => {
  const close = script.indexOf(quote, at + quote.length)
  return close < 0 ? script.length : close + quote.length
}

const afterComment = (script: string, at: number): number => {
  let depth = 0
  const mark = /\/\*|\*\//g
  mark.lastIndex = at
  for (let found = mark.exec(script); found !== null; found = mark.exec(script)) {
    depth += found[0] === "/*" ? 1 : -1
    if (depth === 0) return mark.lastIndex
  }
  return script.length
}

/** Why a migration cannot run this statement; undefined if it can. */
export const hindranceOf = ({ text, words }: PostgresStatement): string | undefined => {
  if (text.startsWith("\\")) return "it is for psql"
  const opening = words.join(" ")
  if (/^(BEGIN|START TRANSACTION|COMMIT|END|ROLLBACK|ABORT|PREPARE TRANSACTION|SAVEPOINT|RELEASE)\b/.test(opening)) {
    return "it begins or ends a transaction"
  }
  if (/^COPY\b.*\bFROM STDIN\b/.test(opening)) return "its rows would have to come from psql"
  return /^(CREATE (UNIQUE )?INDEX CONCURRENTLY|DROP INDEX CONCURRENTLY|REINDEX .*\bCONCURRENTLY|VACUUM|(CREATE|DROP) (DATABASE|TABLESPACE)|ALTER SYSTEM|(CREATE|DROP) SUBSCRIPTION|CLUSTER$)\b/.test(
    opening
  )
    ? "PostgreSQL does not run it in a transaction; an index is made so in a file of its own, with `-- database-ready: transaction = none`"
    : undefined
}

/** A statement that a migration may run outside of a transaction. */
export interface LoneStatement {
  readonly kind: "createIndex" | "dropIndex" | "addValue" | "vacuum"
  /** The index, as the catalog has its name; "" where it is about none. */
  readonly index: string
  /** What makes the same schema within a transaction, for a comparison. */
  readonly within: string
}

/** Undefined for what has to run in a transaction, or cannot be found out to be done after it was interrupted. */
export const loneStatementOf = ({ text }: PostgresStatement): LoneStatement | undefined => {
  const [create, , quoted, plain] =
    /^CREATE\s+(UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?(?:"((?:[^"]|"")+)"|([A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*))\s+ON\b/i.exec(
      text
    ) ?? []
  const within = text.replace(/\bCONCURRENTLY\b/i, "")
  const nameOf = (inQuotes: string | undefined, word = "") => inQuotes?.replaceAll('""', '"') ?? foldName(word)
  if (create !== undefined) return { kind: "createIndex", index: nameOf(quoted, plain), within }
  const [drop, old, oldPlain] =
    /^DROP\s+INDEX\s+CONCURRENTLY\s+(?:IF\s+EXISTS\s+)?(?:"((?:[^"]|"")+)"|([A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*))\s*(?:RESTRICT\s*)?$/i.exec(
      text
    ) ?? []
  if (drop !== undefined) return { kind: "dropIndex", index: nameOf(old, oldPlain), within }
  if (/^ALTER\s+TYPE\b.*\bADD\s+VALUE\b/is.test(text)) return { kind: "addValue", index: "", within: text }
  return /^VACUUM\b/i.test(text) ? { kind: "vacuum", index: "", within: "" } : undefined
}
