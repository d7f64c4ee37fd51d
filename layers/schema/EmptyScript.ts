/** A migration without a statement: a placeholder that says so, or a file that nobody has finished. */
import type { Obstacle } from "./Obstacle.ts"
import { tokensOf } from "./SqlScript.ts"

/**
 * What is missing in a script without statements; undefined if a comment in it is somebody's own. Then there is nothing
 * to do, as where another engine of the same program needs a change that SQLite does not.
 */
export const unwrittenIn = (script: string): Obstacle | undefined => {
  const said = [...tokensOf(script)].flatMap(({ kind, text }) => (kind === "comment" ? wordsOf(text) : []))
  if (said.length > 0 && !said.some((line) => template.test(line))) return undefined
  return {
    reason: "Incomplete",
    statement: { text: "", line: 0 },
    detail:
      said.length === 0 ? "nothing in it is run" : "nothing is written into the template yet, and nothing in it is run",
    remedy:
      "Write the missing statements. If there is nothing to do, write a comment that says why, instead of all that is there. Delete the file if no database has applied it and none should."
  }
}

/** The lines of a comment with a word in them, without those that are written for tools. */
const wordsOf = (comment: string): ReadonlyArray<string> =>
  comment.split("\n").flatMap((line) => {
    const words = line.replace(/^\s*(?:--+|\/?\*+)\s*|\s*\*+\/\s*$/g, "")
    return /\p{L}/u.test(words) && !mark.test(words) ? [words] : []
  })

/** Declarations, and the marks of other tools. */
const mark = /^(?:database-ready:|>\s*statement-breakpoint|bun:split|\+\w+\s|\w+:\w+$)/i

/** What tools write into a new file: ours, Diesel's, sqlx's, Drizzle's, goose's. */
const template =
  /^(?:Write SQL statements here\.|Your SQL goes here|Add (?:up |down )?migration script here|Custom SQL migration file|SQL in (?:this )?section )/i
