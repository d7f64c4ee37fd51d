/**
 * Files of other tools with two halves: one does, one undoes. To SQLite the marks between them are comments, so both
 * halves would run.
 */
import { openingWords, statementsOf, tokensOf } from "./SqlScript.ts"

/** Where a half begins. */
interface Mark {
  /** The tool whose mark it is. */
  readonly tool: string
  readonly half: "up" | "down"
  readonly text: string
  readonly start: number
  /** Counted from 1. */
  readonly line: number
}

/** A lower half that would run. */
export interface LowerHalf {
  readonly tool: string
  readonly mark: string
  readonly line: number
  /** The last line to remove. */
  readonly lastLine: number
}

/** The first lower half with statements in it; undefined if there is none. */
export const lowerHalfIn = (script: string): LowerHalf | undefined => {
  const marks = marksIn(script)
  for (const [index, { half, line, start, text, tool }] of marks.entries()) {
    if (half === "up") continue
    const end = marks.slice(index).find((mark) => mark.half === "up")?.start ?? script.length
    if (!isRun(script.slice(start + text.length, end))) continue
    // The bare word may be an ordinary heading: require statements above it that it could undo.
    if (tool === anyTool && !isRun(script.slice(0, start))) continue
    const lastLine = line + script.slice(start, end).trimEnd().split("\n").length - 1
    return { tool, mark: text, line, lastLine }
  }
  return undefined
}

/** The script without its lower halves. Lines keep their numbers. */
export const upperHalfOf = (script: string): string => {
  let upper = ""
  let from = 0
  let half: Mark["half"] = "up"
  for (const mark of [...marksIn(script), undefined]) {
    const part = script.slice(from, mark?.start)
    upper += half === "up" ? part : part.replace(/[^\n]+/g, "")
    from = mark?.start ?? script.length
    half = mark?.half ?? half
  }
  return upper
}

/** The tool whose mark a whole comment is; undefined for one that may be a heading. */
export const toolOfMark = (comment: string): string | undefined => {
  const [, other = ""] =
    /^--\s*\+(goose|migrate|micrate)\s+(?:statement\s*(?:begin|end)|no\s*transaction|envsub\s+\w+)$/i.exec(comment) ??
    []
  if (other !== "") return toolOf(other)
  const tool = markIn(comment)?.tool
  return tool === anyTool || tool === "node-pg-migrate" ? undefined : tool
}

/** The line of Liquibase's header; 0 if there is none. What its changesets ask for would be ignored. */
export const liquibaseLineIn = (script: string): number =>
  /liquibase/i.test(script)
    ? script.split("\n").findIndex((line) => /^\uFEFF?\s*--\s*liquibase\s+formatted\s+sql\b/i.test(line)) + 1
    : 0

const isRun = (part: string): boolean => statementsOf(part).some(({ text }) => openingWords(text, 1).length > 0)

const anyTool = "another tool"

/**
 * Each matches a whole comment, because prose may begin with the same words. Sources: the documentation of each tool.
 * Made when a script has such a word: letters of all alphabets in one pattern take as long to read as a stage.
 */
const patterns = (): ReadonlyArray<readonly [tool: string, pattern: RegExp]> => [
  // goose, sql-migrate (`+migrate`), micrate: `-- +goose Up`, `-- +migrate Down notransaction`
  ["", /^--\s*\+([a-z]\w*)\s+(up|down)(?:\s+no\s*transaction)?$/i],
  ["dbmate", /^--\s*(migrate):(up|down)(?:\s+\w+:\w+)*$/i],
  ["rambler", /^--\s*(rambler)\s+(up|down)$/i],
  ["Play evolutions", /^(#|--)[\s-]*!\s*(ups|downs)$/i],
  ["tern", /^(-{2,})\s*create above \/ (drop below)\s*-*$/i],
  ["MyBatis Migrations or dbdeploy", /^--\s*(\/\/)\s*@?(undo)$/i],
  // `-- Up Migration`, as in node-pg-migrate, and with what people write around it
  ["node-pg-migrate", /^--[\s-]*(begin\s+)?(up|down)\s+(?:migration|script|sql)[\s:-]*$/i],
  ["node-pg-migrate", /^--[\s-]*(migrat\w+)[\s:-]+(up|down)[\s:-]*$/i],
  // `-- Down`, `-- @DOWN`, `-- ==== DOWN ====`, `-- [down]`, as in node-sqlite and shmig
  [anyTool, /^--([^\p{L}\d'"`;,]*)(up|down|undo|rollback|revert)[^\p{L}\d'"`;,]*$/iu]
]

/** A fast filter: finds every script with a mark of a lower half. */
const mayHaveHalves = /(?:^|[\n\r\uFEFF])[^\S\n\r]*(?:--|#|\/\*)[^\n\r]*(?:down|drop below|undo|rollback|revert)/i

const marksIn = (script: string): ReadonlyArray<Mark> => {
  if (!mayHaveHalves.test(script)) return []
  const marks: Array<Mark> = []
  let line = 1
  let counted = 0
  for (const { kind, start, text } of tokensOf(script)) {
    if (kind !== "comment" && text !== "#") continue
    const lineStart = script.lastIndexOf("\n", start - 1) + 1
    if (script.slice(lineStart, start).trim() !== "") continue
    // Play's marks begin with `#`, which is no comment to SQLite.
    const whole = kind === "comment" ? text : /[^\n]*/.exec(script.slice(start))?.[0]
    const found = markIn(whole?.trimEnd() ?? "")
    if (found === undefined) continue
    line += script.slice(counted, start).split("\n").length - 1
    counted = start
    marks.push({ ...found, start, line })
  }
  return marks
}

const markIn = (comment: string): Pick<Mark, "half" | "text" | "tool"> | undefined => {
  const said = comment.replace(/^\/\*+[ \t]*([^\n]*?)[ \t]*\*+\/$/, "-- $1")
  for (const [tool, pattern] of patterns()) {
    const [, name = "", half = ""] = pattern.exec(said) ?? []
    if (half === "") continue
    return { tool: tool || toolOf(name), half: /^ups?$/i.test(half) ? "up" : "down", text: comment }
  }
  return undefined
}

const toolOf = (name: string): string => (name.toLowerCase() === "migrate" ? "sql-migrate" : name.toLowerCase())
