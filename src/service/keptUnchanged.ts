/** Repeats answers that come only from the database, as long as nothing is written to it. */
import * as Effect from "effect/Effect"
import { Database } from "./Database.ts"
import { KeptAnswers } from "./KeptAnswers.ts"

/** Returns a function that lets the answer to the current request be repeated while the database stays unchanged. */
export const keptUnchanged = Effect.gen(function* () {
  const { unsafeVersion } = yield* Database
  const { keepWhile } = yield* KeptAnswers
  return <A, E, R>(read: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      const before = unsafeVersion()
      return Effect.zipLeft(
        read,
        keepWhile(() => before !== undefined && unsafeVersion() === before)
      )
    })
})
