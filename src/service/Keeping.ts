/** Writes rows that want a content: afterwards there are both, or neither. */
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ContentError } from "./ContentError.ts"
import { ContentFaults } from "./ContentFaults.ts"
import { ContentFiles } from "./ContentFiles.ts"
import type { Database } from "./Database.ts"
import { Discarding } from "./Discarding.ts"
import { groupedWrites } from "./GroupedWrites.ts"
import type { Received } from "./Incoming.ts"

export class Keeping extends Context.Tag("conversation-files/Keeping")<
  Keeping,
  {
    /** Writes the rows in one transaction, with the lock of all writes held. */
    readonly writeKeeping: <A, E, R>(
      received: Received,
      rows: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | ContentError | SqlError, R>
  }
>() {
  /** With files: stores one before the row that wants it, and deletes it again if no row comes. */
  static readonly layer: Layer.Layer<Keeping, never, ContentFaults | ContentFiles | Database | Discarding> =
    Layer.scoped(
      Keeping,
      Effect.gen(function* () {
        const write = yield* groupedWrites
        const { keep, prepare } = yield* ContentFiles
        const { discardSoon } = yield* Discarding
        const faults = yield* ContentFaults
        return {
          writeKeeping: (received, rows) =>
            // Before the lock is taken, because it takes as long as the disk does.
            Effect.acquireUseRelease(
              prepare(received),
              () => write(Effect.zipRight(keep(received), rows)),
              (isNew, exit) => {
                if (exit._tag === "Success") return faults.over(received.sha256)
                return isNew ? discardSoon(received.sha256) : Effect.void
              }
            )
        }
      })
    )
}
