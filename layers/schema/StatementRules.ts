/**
 * What in a script cannot run as written, found before anything is written. Sources: SQLite's pragma.html and
 * tokenizer.
 */
import { unwrittenIn } from "./EmptyScript.ts"
import type { Obstacle, Script } from "./Obstacle.ts"
import { misplacedStatement } from "./PragmaRules.ts"
import {
  firstLine,
  isBlank,
  openingWords,
  phrasesOf,
  type Statement,
  type Token,
  tokensOf,
  withoutBlanksAtEnd
} from "./SqlScript.ts"

export const obstacleIn = (script: Script): Obstacle | undefined => {
  const { statements, text } = script
  const open = unclosedPartOf(text)
  if (open !== undefined) return open
  const [first] = statements
  if (first === undefined) return unwrittenIn(text)
  if (script.declared.transaction === "none") {
    return {
      reason: "NotAllowed",
      statement: first,
      detail: "`transaction = none` is for PostgreSQL",
      remedy: "Remove the declaration: on SQLite all statements of a migration run in its transaction."
    }
  }
  for (const statement of statements) {
    const obstacle = foreignCommandIn(statement) ?? missingEndOf(statement) ?? misplacedStatement(statement, script)
    if (obstacle !== undefined) return obstacle
  }
  return undefined
}

/** A quote or comment that is never closed reaches to the end, so it is the last token. */
const unclosedPartOf = (text: string): Obstacle | undefined => {
  if (!/['"`[]|\/\*/.test(text)) return undefined
  let last: Pick<Token, "kind" | "text" | "start"> = { kind: "space", text: "", start: 0 }
  for (const token of phrasesOf(text)) last = token
  const open = openPart(last)
  return (
    open && {
      reason: "Incomplete",
      statement: { text: firstLine(last.text), line: lineOf(text, last.start) },
      detail: `the ${open.what} that begins here is never closed`,
      remedy: `Close it with \`${open.end}\` where it ends: until then everything after it belongs to it.`
    }
  )
}

const openPart = ({ kind, text }: Pick<Token, "kind" | "text">) => {
  const quote = text.charAt(0)
  if (kind === "comment") {
    const isOpen = text.startsWith("/*") && !(text.length >= 4 && text.endsWith("*/"))
    return isOpen ? { what: "comment", end: "*/" } : undefined
  }
  if (quote === "[") return text.endsWith("]") ? undefined : { what: "name", end: "]" }
  if (kind !== "string" && kind !== "quoted") return undefined
  // Quotes inside are doubled, so a closed one has an even number of them.
  return text.split(quote).length % 2 === 1 ? undefined : { what: kind === "string" ? "string" : "name", end: quote }
}

const lineOf = (text: string, offset: number): number => text.slice(0, offset).split("\n").length

/** Commands of other programs that read such files. */
const foreignCommandIn = (statement: Statement): Obstacle | undefined => {
  const { line, text } = statement
  const notSql = (detail: string, remedy: string, at = 0): Obstacle => ({
    reason: "NotSql",
    statement: at === 0 ? statement : { text: firstLine(text.slice(at)), line: line + lineOf(text, at) - 1 },
    detail,
    remedy
  })
  if (text.startsWith(".")) return notSql("it is a command of the sqlite3 shell", "Remove it, or write it as SQL.")
  if (text.startsWith("\\")) return notSql("it is a command of psql", "Remove it, or write it as SQL.")
  if (text.startsWith("#")) return notSql("SQLite has no comments with #", "Begin the comment with `--`.")
  if (text.startsWith("//")) return notSql("SQLite has no comments with //", "Begin the comment with `--`.")
  if (/^delimiter\b/i.test(text)) {
    return notSql("DELIMITER is a command of the mysql client", "Remove it; a trigger ends with `END;`.")
  }
  if (!/[<=>|]{7}|^go\b|[?@{}#]|:[a-z_]|\$[a-z_{]/im.test(text)) return undefined
  let before: string | undefined
  for (const { kind, start, text: token } of tokensOf(text)) {
    if (start === 0 || text.charAt(start - 1) === "\n") {
      const rest = firstLine(text.slice(start)).trimEnd()
      if (/^(?:<{7}|={7}|>{7}|\|{7})(?:\s|$)/.test(rest)) {
        return notSql("it is a mark of a merge that was not finished", "Finish the merge.", start)
      }
      if (rest.toLowerCase() === "go" && isBatchEnd(text.slice(start + token.length))) {
        return notSql(
          "GO is a command of SQL Server's tools",
          "End the statement before it with `;`, and remove GO.",
          start
        )
      }
    }
    if ((kind === "other" && /[?@{}#]/.test(token)) || token.startsWith("$") || (before === ":" && kind === "word")) {
      const from = before === ":" ? start - 1 : start
      const [placeholder = token] = /[$:@?#{]*[\w.]*\}*/.exec(text.slice(from)) ?? []
      return notSql(
        `${placeholder} is a placeholder that nobody fills in`,
        "Write the value itself. Text needs quotes around it.",
        from
      )
    }
    before = token
  }
  return undefined
}

/** Whether a statement or nothing follows: after a name, the rest of its own statement would follow. */
const isBatchEnd = (rest: string): boolean =>
  /^$|^\s+(?:alter|analyze|begin|commit|create|delete|drop|go|insert|pragma|reindex|replace|select|update|with)\b/i.test(
    rest
  )

/** Marks at which other tools split statements without the semicolon that SQLite needs. */
export const breakpoint = /^--+(?:>\s*statement-breakpoint|;;|\s*bun:split)/

const missingEndOf = (statement: Statement): Obstacle | undefined => {
  const { line, text } = statement
  if (/statement-breakpoint|--;;|bun:split/.test(text)) {
    for (const { start, text: comment } of tokensOf(text)) {
      if (!breakpoint.test(comment)) continue
      return {
        reason: "Incomplete",
        statement: { text: comment, line: line + lineOf(text, start) - 1 },
        detail: "there is no semicolon before it, and to SQLite it is a comment",
        remedy: `End the statement of line ${line} with \`;\`.`
      }
    }
  }
  return /trigger/i.test(text) ? missingEndOfTrigger(statement) : undefined
}

const missingEndOfTrigger = (statement: Statement): Obstacle | undefined => {
  const { line, text } = statement
  const words = openingWords(text, 3)
  if (!/^CREATE (?:(?:TEMP|TEMPORARY) )?TRIGGER\b/.test(words.join(" "))) return undefined
  let before: string | undefined
  let end: number | undefined
  for (const token of phrasesOf(text)) {
    if (isBlank(token)) continue
    const phrase = withoutBlanksAtEnd(token)
    const isEnd = before === ";" && /^end(?![\w$\u0080-\uFFFF])/i.test(phrase)
    // No statement of a trigger begins with END.
    if (end !== undefined || (isEnd && phrase.length > 3)) {
      const from = end ?? token.start
      return {
        reason: "Incomplete",
        statement: { text: firstLine(text.slice(from)), line: line + lineOf(text, from) - 1 },
        detail: `there is no semicolon after the END of the trigger of line ${line}`,
        remedy: "Write `END;`."
      }
    }
    if (isEnd) end = token.start
    before = phrase
  }
  if (end !== undefined) return undefined
  return {
    reason: "Incomplete",
    statement,
    detail: "the trigger never ends, so everything after it belongs to it",
    remedy: "End the last statement of the trigger with `;`, and the trigger with `END;`."
  }
}
