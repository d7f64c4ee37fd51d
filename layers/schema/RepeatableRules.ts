/** What a repeatable migration may contain: what can be dropped and made again without losing a row. */
import type { Obstacle } from "./Obstacle.ts"
import { openingWords, type Statement } from "./SqlScript.ts"

export const misplacedInRepeatable = (statements: ReadonlyArray<Statement>): Obstacle | undefined => {
  if (statements.length === 0) {
    return {
      reason: "Incomplete",
      statement: { text: "", line: 0 },
      detail: "nothing in it is run",
      remedy: "Write the view or trigger. To remove what the file has made, leave only its DROP statements in it."
    }
  }
  const statement = statements.find(({ text }) => !allowed.test(openingWords(text, 2).join(" ")))
  return statement === undefined
    ? undefined
    : {
        reason: "NotAllowed",
        statement,
        detail: "a repeatable migration makes only views and triggers, which hold no rows",
        remedy: "Move the statement into a numbered migration, NNN_name.sql."
      }
}

const allowed = /^(?:CREATE|DROP) (?:VIEW|TRIGGER)$/

/** How many objects it says it makes. */
export const countMade = (statements: ReadonlyArray<Statement>): number =>
  statements.filter(({ text }) => openingWords(text, 1)[0] === "CREATE").length
