/** What is read from the database alone, and told again as long as nothing is written to it. */
import * as Effect from "effect/Effect"
import { DatabaseReady } from "../../layers/index.ts"
import { KeptAnswers } from "./KeptAnswers.ts"

/** Makes what lets the answer to the request at hand stand for as long as the database is as it was before it was read. */
export const keptUnchanged = Effect.gen(function* () {
  const { unsafeVersion } = yield* DatabaseReady
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
