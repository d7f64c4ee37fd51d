/**
 * What in a script cannot run as written, found before anything is written. Sources: SQLite's pragma.html and
 * tokenizer.
 */
import { unwrittenIn } from "./EmptyScript.ts"
import type { Obstacle, Script } from "./Obstacle.ts"
import { misplacedStatement } from "./PragmaRules.ts"
import { isBlank, openingWords, phrasesOf, type Statement, tokensOf, withoutBlanksAtEnd } from "./SqlScript.ts"

export const obstacleIn = (script: Script): Obstacle | undefined => {
  const { statements, text } = script
  const open = unclosedPartOf(text)
  if (open !== undefined) return open
  if (statements.length === 0) return unwrittenIn(text)
  const [first] = statements
  if (script.declared.transaction === "none" && first !== undefined) {
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
  let last: { readonly kind: string; readonly text: string; readonly start: number } | undefined
  if (!/['"`[]|\/\*/.test(text)) return undefined
  for (const token of phrasesOf(text)) last = token
  if (last === undefined) return undefined
  const [what, end] = openKind(last) ?? []
  if (what === undefined || end === undefined) return undefined
  const line = lineOf(text, last.start)
  const [statement = ""] = last.text.split("\n", 1)
  return {
    reason: "Incomplete",
    statement: { text: statement, line },
    detail: `the ${what} that begins here is never closed`,
    remedy: `Close it with ${end} where it ends: until then everything after it belongs to it.`
  }
}

const openKind = ({ kind, text }: { readonly kind: string; readonly text: string }) => {
  const quote = text.charAt(0)
  if (kind === "comment") {
    const isOpen = text.startsWith("/*") && !(text.length >= 4 && text.endsWith("*/"))
    return isOpen ? ["comment", "`*/`"] : undefined
  }
  if (kind === "quoted" && quote === "[") return text.endsWith("]") ? undefined : ["name", "`]`"]
  if (kind !== "string" && kind !== "quoted") return undefined
  // Quotes inside are doubled, so a closed one has an even number of them.
  return (text.split(quote).length - 1) % 2 === 0 ? undefined : [kind === "string" ? "string" : "name", `\`${quote}\``]
}

const lineOf = (text: string, offset: number): number => text.slice(0, offset).split("\n").length

/** Commands of other programs that read such files. */
const foreignCommandIn = (statement: Statement): Obstacle | undefined => {
  const { line, text } = statement
  const notSql = (detail: string, remedy: string, at = 0): Obstacle => ({
    reason: "NotSql",
    statement:
      at === 0 ? statement : { text: text.slice(at).split("\n", 1).join(""), line: line + lineOf(text, at) - 1 },
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
  if (!/^(?:<{7}|={7}|>{7}|\|{7}|go[ \t\r]*$)|[?@{}#]|:[a-z_]|\$[a-z_{]/im.test(text)) return undefined
  let before = ""
  for (const { kind, start, text: token } of tokensOf(text)) {
    const isLineStart = start === 0 || text.charAt(start - 1) === "\n"
    const rest = isLineStart && kind !== "space" ? text.slice(start).split("\n", 1).join("").trimEnd() : ""
    if (kind === "other" && /^(?:<{7}|={7}|>{7}|\|{7})(?:\s|$)/.test(rest)) {
      return notSql("it is a mark of a merge that was not finished", "Finish the merge.", start)
    }
    if (kind === "word" && /^go$/i.test(rest) && isBatchEnd(text.slice(start + token.length))) {
      return notSql(
        "GO is a command of SQL Server's tools",
        "End the statement before it with `;`, and remove GO.",
        start
      )
    }
    if (
      (kind === "other" && /[?@{}#]/.test(token)) ||
      (kind === "word" && token.startsWith("$")) ||
      (before === ":" && kind === "word")
    ) {
      const from = before === ":" ? start - 1 : start
      const [placeholder = ""] = /^[$:@?#{]*[\w.]*\}*/.exec(text.slice(from)) ?? []
      return notSql(
        `${placeholder || token} is a placeholder that nobody fills in`,
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
  /^\s*$|^\s+(?:alter|analyze|begin|commit|create|delete|drop|go|insert|pragma|reindex|replace|select|update|with)\b/i.test(
    rest
  )

/** Marks at which other tools split statements without the semicolon that SQLite needs. */
export const breakpoint = /^--+(?:>\s*statement-breakpoint|;;|\s*bun:split)/

const missingEndOf = (statement: Statement): Obstacle | undefined => {
  const { line, text } = statement
  if (/statement-breakpoint|--;;|bun:split/.test(text)) {
    for (const { kind, start, text: comment } of tokensOf(text)) {
      if (kind !== "comment" || !breakpoint.test(comment)) continue
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
  let before = ""
  let end = -1
  for (const token of phrasesOf(text)) {
    if (isBlank(token)) continue
    const phrase = withoutBlanksAtEnd(token)
    const isEnd = before === ";" && /^end(?![\w$\u0080-\uFFFF])/i.test(phrase)
    // No statement of a trigger begins with END.
    if (end >= 0 || (isEnd && phrase.length > 3)) {
      const from = end >= 0 ? end : token.start
      return {
        reason: "Incomplete",
        statement: { text: text.slice(from).split("\n", 1).join(""), line: line + lineOf(text, from) - 1 },
        detail: `there is no semicolon after the END of the trigger of line ${line}`,
        remedy: "Write `END;`."
      }
    }
    if (isEnd) end = token.start
    before = phrase
  }
  if (end >= 0) return undefined
  return {
    reason: "Incomplete",
    statement,
    detail: "the trigger never ends, so everything after it belongs to it",
    remedy: "End the last statement of the trigger with `;`, and the trigger with `END;`."
  }
}
