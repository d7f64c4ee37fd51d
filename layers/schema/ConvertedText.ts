/** The text of another tool's migration as one of ours. Lines keep their numbers until the last step. */
import { type Declaration, declarationOf, plain } from "./Declaration.ts"
import { toolOfMark, upperHalfOf } from "./Halves.ts"
import { foreignKeysSetBy, misplacedStatement } from "./PragmaRules.ts"
import { firstLine, isBlank, openingWords, statementsOf, tokensOf, trimBlanksAtEnd } from "./SqlScript.ts"
import { breakpoint } from "./StatementRules.ts"

/** What was changed in a text. */
export interface TextChange {
  /** In the other tool's file, counted from 1; 0 for all of it. */
  readonly line: number
  /** What was done, for people. */
  readonly what: string
}

/** A text that a start can read. */
export interface ConvertedText {
  readonly text: string
  readonly changes: ReadonlyArray<TextChange>
  /** What it has to declare, as in `foreign_keys = off`. */
  readonly declares: ReadonlyArray<string>
  /** The tools whose marks are in it. */
  readonly tools: ReadonlySet<string>
}

/** The text as the other tool runs it: pieces that it gives to SQLite one after the other. */
export const piecesOf = (script: string): ReadonlyArray<string> => {
  const upper = upperHalfOf(script)
  const pieces: Array<string> = []
  let from = 0
  for (const { end, start } of marksIn(upper)) {
    pieces.push(upper.slice(from, start))
    from = end
  }
  return [...pieces, upper.slice(from)]
}

/** A line that another tool reads, and not SQLite. */
interface Mark {
  readonly start: number
  readonly end: number
  readonly tool: string | undefined
  /** Whether a statement ends there, with or without a semicolon. */
  readonly isBoundary: boolean
  /** Where what SQLite reads ended before it, and with what. */
  readonly last: { readonly end: number; readonly text: string } | undefined
}

function* marksIn(script: string): Generator<Mark> {
  let last: Mark["last"]
  let read = 0
  for (const token of tokensOf(script)) {
    const { kind, start, text } = token
    if (start < read) continue
    // Play's marks begin with `#`, which is no comment to SQLite.
    const whole = text === "#" ? firstLine(script.slice(start)) : text
    const comment = whole.trimEnd()
    const tool = kind === "comment" || text === "#" ? toolOfMark(comment) : undefined
    const isBoundary = kind === "comment" && (breakpoint.test(text) || isStatementMark.test(comment))
    if (tool !== undefined || isBoundary) {
      read = start + comment.length
      yield { start, end: read, tool, isBoundary, last }
    } else if (!isBlank(token)) last = { end: start + text.length, text }
  }
}

const isStatementMark = /^--\s*\+\w+\s+statement\s*(?:begin|end)$/i

export const convertText = (script: string): ConvertedText => {
  const source = script.replace(/^\uFEFF/, "")
  const upper = upperHalfOf(source)
  const changes: Array<TextChange> = []
  const lower = changedLines(source, upper)
  if (lower.length > 0)
    changes.push({
      line: lower[0] ?? 0,
      what: `left out the half that undoes${lower.length === 1 ? "" : `, to line ${lower.at(-1)}`}`
    })
  const { ended, text: separated, tools } = endStatements(upper)
  for (const line of ended) changes.push({ line, what: "wrote the semicolon that was missing" })
  const { declares, removed, text } = removeMisplaced(separated)
  changes.push(...removed)
  changes.sort((one, other) => one.line - other.line)
  const lines = whatIsLeft(source, text)
  if (statementsOf(lines).length > 0) return { text: lines, changes, declares, tools }
  changes.push({ line: 0, what: "nothing in it is run: wrote SELECT 1" })
  return {
    // Above, for a comment below may not end.
    text: `-- Nothing is run here.\nSELECT 1;\n${lines}`,
    changes,
    declares,
    tools
  }
}

/** Declarations above everything else. One of a name that the text declares already is left out. */
export const declaring = (text: string, declares: ReadonlyArray<string>): string =>
  `${declares.map((one) => `-- database-ready: ${one}\n`).join("")}${text}`

/** One declaration for all tables. */
export const joinDeclarations = (declares: ReadonlyArray<string>): ReadonlyArray<string> => {
  const tables = new Set(declares.flatMap((one) => (one.startsWith(deletes) ? [one.slice(deletes.length)] : [])))
  const others = new Set(declares.filter((one) => !one.startsWith(deletes)))
  return [...others, ...(tables.size === 0 ? [] : [`${deletes}${[...tables].join(", ")}`])]
}

const deletes = "deletes = "

const changedLines = (before: string, after: string): ReadonlyArray<number> => {
  const now = after.split("\n")
  return before
    .split("\n")
    .flatMap((line, index) => (!isBlankLine(line) && isBlankLine(now[index] ?? "") ? [index + 1] : []))
}

const isBlankLine = (line: string): boolean => trimBlanksAtEnd(line) === ""

/** Takes the marks of other tools out, and ends each statement where they do. */
const endStatements = (script: string) => {
  const tools = new Set<string>()
  const ended: Array<number> = []
  let closed = -1
  const edits: Array<Edit> = []
  for (const { end, isBoundary, last, start, tool } of marksIn(script)) {
    if (tool !== undefined) tools.add(tool)
    if (isBoundary && last !== undefined && last.text !== ";" && last.end !== closed) {
      closed = last.end
      edits.push({ at: closed, length: 0, instead: ";" })
      ended.push(script.slice(0, closed).split("\n").length)
    }
    edits.push({ at: start, length: end - start, instead: "" })
  }
  return { tools, ended, text: edited(script, edits) }
}

interface Edit {
  readonly at: number
  readonly length: number
  readonly instead: string
}

/** What is written where something else is removed comes first. */
const byPlace = (one: Edit, other: Edit): number => one.at - other.at || one.length - other.length

const edited = (script: string, edits: ReadonlyArray<Edit>): string => {
  let result = ""
  let from = 0
  for (const { at, instead, length } of edits.toSorted(byPlace)) {
    result += script.slice(from, at) + instead
    from = at + length
  }
  return result + script.slice(from)
}

/** What the library does itself, or what has no effect in a migration. */
const removable = ["BEGIN", "COMMIT", "END", "PRAGMA", "VACUUM"]

const removeMisplaced = (script: string) => {
  const statements = statementsOf(script)
  const declared: Pick<Declaration, "foreignKeys" | "settings"> = declaredIn(script)
  const removed: Array<TextChange> = []
  const declares: Array<string> = []
  const edits: Array<Edit> = []
  const places = placesOf(
    script,
    statements.map(({ text }) => text.length)
  )
  for (const [index, statement] of statements.entries()) {
    const place = places[index]
    // The number of a migration is not known yet: user_version is the library's in any case.
    const obstacle = misplacedStatement(statement, { id: -1, text: script, declared, statements })
    const [verb = ""] = openingWords(statement.text, 1)
    if (place === undefined || obstacle?.reason !== "NotAllowed" || !removable.includes(verb)) continue
    const foreignKeys = foreignKeysSetBy(statement)
    if (foreignKeys === "off" && declared.foreignKeys === "on") declares.push("foreign_keys = off")
    // A comment that begins the line then may say there that what follows undoes.
    const behind = firstLine(script.slice(place.end))
    const instead = upperHalfOf(`${behind}\nx`).endsWith("x") ? "" : ";"
    edits.push({ at: place.start, length: place.end - place.start, instead })
    removed.push({
      line: statement.line,
      what: `removed ${oneLine(statement.text)}: ${foreignKeys === undefined ? obstacle.detail : "the library switches foreign keys"}`
    })
  }
  return { removed, declares: joinDeclarations(declares), text: edited(script, edits) }
}

const declaredIn = (script: string): Declaration => {
  const declared = declarationOf(script, Number.MAX_SAFE_INTEGER)
  return typeof declared === "string" ? plain : declared
}

/** Where the statements of these lengths stand, each with its semicolon. Only blanks and semicolons are between them. */
const placesOf = (script: string, lengths: ReadonlyArray<number>) => {
  const starts: Array<number> = []
  let end = 0
  for (const token of tokensOf(script)) {
    if (token.start < end || isBlank(token) || token.text === ";") continue
    const length = lengths[starts.length] ?? 0
    starts.push(token.start)
    end = token.start + length
  }
  return starts.map((start, index) => {
    const end = start + (lengths[index] ?? 0)
    const [ending = ""] = /^[ \t]*;/.exec(script.slice(end)) ?? []
    return { start, end: end + ending.length }
  })
}

const oneLine = (sql: string): string => {
  const line = sql.replaceAll(/\s+/g, " ")
  return line.length > 60 ? `${line.slice(0, 59)}…` : line
}

/** The lines that have something left in them, and those that were empty before. */
const whatIsLeft = (before: string, after: string): string => {
  const lines = before.split("\n")
  const left = after.split("\n").filter((line, index) => !isBlankLine(line) || isBlankLine(lines[index] ?? ""))
  const text = trimBlanksAtEnd(left.join("\n").replace(/(?:[ \t\f\r\uFEFF]*\n)*\uFEFF*/, ""))
  return text === "" ? "" : `${text}\n`
}
