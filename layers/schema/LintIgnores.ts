/** Comments that silence a finding: `-- lint-ignore CODE: reason`. */
import { type Found, isLintCode, type LintCode } from "./LintCodes.ts"
import { type Statement, tokensOf } from "./SqlScript.ts"

interface Ignore {
  readonly code: LintCode
  /** The lines of the statement that it is for. */
  readonly from: number
  readonly to: number
  readonly line: number
}

/**
 * What is left of a file's findings. A comment is for the statement that it is in, or on a line with, else for the next
 * one. `isSeen`: the file was looked at to its end, so that a comment for nothing is known to be for nothing.
 */
export const withoutIgnored = (
  text: string,
  statements: ReadonlyArray<Statement>,
  found: ReadonlyArray<Found>,
  isSeen = true
): ReadonlyArray<Found> => {
  if (!/lint-ignore/i.test(text)) return found
  const { ignores, wrong } = ignoresIn(text, statements)
  const used = new Set<Ignore>()
  const left = found.filter(({ code, line }) => {
    const silencing = ignores.filter((ignore) => ignore.code === code && line >= ignore.from && line <= ignore.to)
    for (const ignore of silencing) used.add(ignore)
    return silencing.length === 0
  })
  const unused = ignores.filter((ignore) => isSeen && !used.has(ignore))
  return [
    ...left,
    ...wrong,
    ...unused.map(
      ({ code, line }): Found => ({
        code: "ignore-unused",
        line,
        message: `Nothing here is ${code}`,
        remedy: "Remove the comment, or put it directly above the statement that it is for."
      })
    )
  ]
}

const ignoresIn = (text: string, statements: ReadonlyArray<Statement>) => {
  const ignores: Array<Ignore> = []
  const wrong: Array<Found> = []
  let line = 1
  for (const { kind, text: token } of tokensOf(text)) {
    const at = line
    line += token.split("\n").length - 1
    if (kind !== "comment") continue
    const [, codes, reason = ""] = mark.exec(token.replace(/\*\/$/, "")) ?? []
    if (codes === undefined) continue
    const range = rangeFor(at, statements)
    for (const code of codes.split(/[\s,]+/).filter((part) => part !== "")) {
      if (!isLintCode(code)) {
        wrong.push({
          code: "ignore-unknown",
          line: at,
          message: `There is no code ${code}`,
          remedy: "Write the code as the finding has it: `-- lint-ignore CODE: reason`."
        })
      } else if (reason.trim() === "") {
        wrong.push({
          code: "ignore-without-reason",
          line: at,
          message: `The comment gives no reason, so it does not silence ${code}`,
          remedy: `Write why it is safe here: \`-- lint-ignore ${code}: reason\`.`
        })
      } else ignores.push({ code, line: at, ...range })
    }
    if (codes.trim() === "") {
      wrong.push({
        code: "ignore-unknown",
        line: at,
        message: "The comment names no code",
        remedy: "Write `-- lint-ignore CODE: reason`, or remove it."
      })
    }
  }
  return { ignores, wrong }
}

const mark = /^(?:--|\/\*)[\s*]*lint-ignore\b([^:]*)(?::([\s\S]*))?$/

const rangeFor = (line: number, statements: ReadonlyArray<Statement>) => {
  const next = statements.find((statement) => endOf(statement) >= line)
  return next === undefined ? { from: line, to: line } : { from: Math.min(line, next.line), to: endOf(next) }
}

const endOf = ({ line, text }: Statement): number => line + text.split("\n").length - 1
