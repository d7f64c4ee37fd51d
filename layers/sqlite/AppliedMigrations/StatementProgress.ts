/**
 * Tells which part of an upgrade runs. While SQLite runs a statement nothing can be told, so each is told before it
 * runs.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { millisBetween } from "../../machine/monotonic.ts"
import { openingWords, type Statement } from "../../schema/SqlScript.ts"
import type { Attempt } from "../../start/Attempt.ts"
import { titleOf } from "../../start/MigrationSource.ts"
import { whileALookRuns } from "../../start/policy.ts"
import type { Script } from "./MigrationRun.ts"

/** Above this many bytes a statement that reads a table once may take seconds. */
const largeDatabase = 32 * 1024 * 1024

/** The same for a statement that may read a table for each row of another. */
const notableDatabase = 1024 * 1024

/** At most one quick statement is told in this many milliseconds. */
const quiet = 2000

/**
 * Tells what begins: anything that may take long, and anything else after some silence. If many may take long, they are
 * told like the others, so that not each becomes a line.
 */
export const tellWork = (progress: Attempt["progress"], bytes: number, clock: Clock.Clock) => {
  let toldAt = clock.unsafeCurrentTimeNanos()
  const isDue = (mayTakeLong: boolean): boolean => {
    const now = clock.unsafeCurrentTimeNanos()
    const isTold = mayTakeLong || millisBetween(toldAt, now) >= quiet
    if (isTold) toldAt = now
    return isTold
  }
  return {
    /** The statements of a migration, by number and line. */
    statementsOf: (script: Script, verb = "applying") => {
      const total = script.statements.length
      const doing = `${verb} ${titleOf(script.migration)}`
      const isFew = script.statements.filter(mayTakeLong(bytes)).length <= few
      return {
        begins: (statement: Statement, index: number) => {
          const isTold = isDue(isFew && mayTakeLong(bytes)(statement))
          const detail = `statement ${index + 1} of ${total}, line ${statement.line}`
          return progress(doing, index, total, { unit: "statements", detail, isTold })
        },
        ends: () => (total === 0 ? Effect.void : progress(doing, total, total, { unit: "statements", isTold: false }))
      }
    },
    /** Work that is not a statement of a migration. `isOneOfFew`: there are so few that each may be a line. */
    begins: (
      doing: string,
      { isOneOfFew, ...measure }: { readonly total: number; readonly isOneOfFew: boolean } & Partial<Counted>
    ) => {
      const { done = 0, detail = "", total, unit = "bytes" } = measure
      return progress(doing, done, total, { unit, detail, isTold: bytes > largeDatabase && isDue(isOneOfFew) })
    },
    /** An Effect has no statements: it is told at once if it may take long, and then while it runs. */
    whileItRuns: <A, E, R>(doing: string, run: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
      const begun = clock.unsafeCurrentTimeNanos()
      const tell = Effect.suspend(() => {
        const seconds = Math.round(millisBetween(begun, clock.unsafeCurrentTimeNanos()) / 1000)
        return progress(doing, 0, 1, {
          unit: "statements",
          detail: `an Effect, for ${seconds} s`,
          isTold: seconds > 0 || bytes > largeDatabase
        })
      })
      const again = Effect.forkScoped(Effect.schedule(tell, whileALookRuns))
      return Effect.zipRight(tell, Effect.scoped(Effect.zipRight(again, run)))
    }
  }
}

export type WorkTeller = ReturnType<typeof tellWork>

interface Counted {
  readonly done: number
  readonly unit: "bytes" | "tables"
  readonly detail: string
}

/** So many lines are not too many. */
export const few = 20

/** Whether a statement makes rows from nothing: it can take long in any database. */
export const makesRows = ({ text }: Statement): boolean => /\brecursive\b|\bgenerate_series\b/i.test(text)

/** Whether a statement may take long, in a database of that many bytes: it may read or write a whole table. */
const mayTakeLong =
  (bytes: number) =>
  (statement: Statement): boolean => {
    const [first = "", second = ""] = openingWords(statement.text, 2)
    if (first === "CREATE" && (second === "VIEW" || second === "TRIGGER")) return false
    if (makesRows(statement)) return true
    if (/\bselect\b/i.test(statement.text)) return bytes > notableDatabase
    const isOfTable = /^(ALTER|ANALYZE|DELETE|DROP|REINDEX|UPDATE)$/.test(first)
    const isIndex = first === "CREATE" && (second === "INDEX" || second === "UNIQUE")
    return (isOfTable || isIndex) && bytes > largeDatabase
  }
