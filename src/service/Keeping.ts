/** Stores a content before the row that wants it, and deletes it again if no row comes. */
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { ContentError } from "./ContentError.ts"
import { ContentFaults } from "./ContentFaults.ts"
import { ContentStore } from "./ContentStore.ts"
import { Database } from "./Database.ts"
import { Discarding } from "./Discarding.ts"
import type { Received } from "./Incoming.ts"

export type WriteKeeping = <A, E, R>(
  received: Received,
  rows: Effect.Effect<A, E, R>
) => Effect.Effect<A, E | ContentError | SqlError, R>

/** Writes rows that want a content, in one transaction. */
export const writeKeeping = Effect.gen(function* () {
  const { write } = yield* Database
  const { keep, prepare } = yield* ContentStore
  const { discardSoon } = yield* Discarding
  const faults = yield* ContentFaults

  const writing: WriteKeeping = (received, rows) =>
    // Before the lock is taken, because it takes as long as the disk does.
    Effect.acquireUseRelease(
      prepare(received),
      () => write(Effect.zipRight(keep(received), rows)),
      (isNew, exit) => {
        if (exit._tag === "Success") return faults.over(received.sha256)
        return isNew ? discardSoon(received.sha256) : Effect.void
      }
    )
  return writing
})
