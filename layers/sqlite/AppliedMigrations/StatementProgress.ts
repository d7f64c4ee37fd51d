/** Which statement of a migration runs. */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { millisBetween } from "../../machine/monotonic.ts"
import { openingWords, type Statement } from "../../schema/SqlScript.ts"
import { titleOf } from "../../start/MigrationSource.ts"
import type { Attempt } from "../Initialization.ts"
import type { Script } from "./MigrationRun.ts"

/** Bytes of a database above which a statement that reads a table may take seconds. */
const largeDatabase = 32 * 1024 * 1024

/** Milliseconds within which no more than one statement is told of, unless it may take long. */
const quiet = 2000

/**
 * Tells which statement begins, for nothing can be told while it runs: one that may take long, and another after some
 * silence. Of a file with many of the first kind each would be a line, and they are told as the others are.
 */
export const tellStatements = (progress: Attempt["progress"], bytes: number, clock: Clock.Clock) => {
  let toldAt = clock.unsafeCurrentTimeNanos()
  return (script: Script) => {
    const total = script.statements.length
    const doing = `applying ${titleOf(script.migration)}`
    const isFew = bytes > largeDatabase && script.statements.filter(mayTakeLong).length <= 20
    return {
      begins: (statement: Statement, index: number) => {
        const now = clock.unsafeCurrentTimeNanos()
        const isTold = (isFew && mayTakeLong(statement)) || millisBetween(toldAt, now) >= quiet
        if (isTold) toldAt = now
        const detail = `statement ${index + 1} of ${total}, line ${statement.line}`
        return progress(doing, index, total, { unit: "statements", detail, isTold })
      },
      ends: total === 0 ? Effect.void : progress(doing, total, total, { unit: "statements", isTold: false })
    }
  }
}

/** Whether a statement may read or write a whole table. */
const mayTakeLong = ({ text }: Statement): boolean => {
  const [first = "", second = ""] = openingWords(text, 2)
  if (first === "CREATE" && (second === "VIEW" || second === "TRIGGER")) return false
  if (first === "CREATE" && (second === "INDEX" || second === "UNIQUE")) return true
  return /^(ALTER|ANALYZE|DELETE|DROP|REINDEX|UPDATE)$/.test(first) || /\bselect\b/i.test(text)
}
