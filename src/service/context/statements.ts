/** Cuts what is asked of the database into statements that take some milliseconds each: nothing is answered meanwhile. */
import * as Effect from "effect/Effect"
import { othersTurnIfDue } from "../inTurns.ts"

/** Passages that have the terms of one statement: their ids are read in a few milliseconds. */
const mostPassages = 5000

/** Passages that one statement reads: it takes some milliseconds. */
const readAtOnce = 200

/** Reads passages by their ids, as JSON, in as many statements as it takes. */
export const inStatements = Effect.fnUntraced(function* <A, E>(
  ids: ReadonlyArray<number>,
  statement: (ids: string) => Effect.Effect<ReadonlyArray<A>, E>
) {
  const rows: Array<A> = []
  for (let from = 0; from < ids.length; from += readAtOnce) {
    if (from > 0) yield* othersTurnIfDue
    rows.push(...(yield* statement(JSON.stringify(ids.slice(from, from + readAtOnce)))))
  }
  return rows
})

/** Terms with their counts, in as many parts as there are statements. */
export function* inParts(
  terms: ReadonlyArray<readonly [term: string, count: number]>
): Generator<ReadonlyArray<string>> {
  let part: Array<string> = []
  let passages = 0
  for (const [term, count] of terms) {
    if (part.length > 0 && passages + count > mostPassages) {
      yield part
      part = []
      passages = 0
    }
    part.push(term)
    passages += count
  }
  if (part.length > 0) yield part
}
