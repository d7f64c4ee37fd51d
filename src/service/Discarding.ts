/** Discards contents whose last row is gone, after another check under the write lock. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { Belonging } from "./Belonging.ts"
import type { ContentError } from "./ContentError.ts"
import { ContentFaults } from "./ContentFaults.ts"
import { ContentStore } from "./ContentStore.ts"
import type { ContentsError } from "./ContentsError.ts"
import { Database } from "./Database.ts"
import { inTurns } from "./inTurns.ts"

export type DiscardError = SqlError | ContentError | ContentsError

/** How many are checked under one lock. */
export const underOneLock = 100

export class Discarding extends Context.Tag("conversation-files/Discarding")<
  Discarding,
  {
    /** Whether a row has this content. Ask within a transaction. */
    readonly isWanted: (sha256: string) => Effect.Effect<boolean, SqlError>
    /** Runs an action on each content that no row wants, with the write lock held. Returns how many. */
    readonly forUnwanted: <E>(
      hashes: ReadonlyArray<string>,
      act: (sha256: string) => Effect.Effect<void, E>
    ) => Effect.Effect<number, E | DiscardError>
    /** Deletes contents whose rows were deleted for good; later, if that cannot be done now. */
    readonly discard: (hashes: ReadonlyArray<string>) => Effect.Effect<void>
    /** Deletes contents stored for a row that never came, as soon as possible. Nobody waits. */
    readonly discardSoon: (sha256: string) => Effect.Effect<void>
  }
>() {
  static readonly layer: Layer.Layer<
    Discarding,
    never,
    Belonging | ContentFaults | ContentStore | Database | SqlClient.SqlClient
  > = Layer.scoped(
    Discarding,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { write } = yield* Database
      const { discard } = yield* ContentStore
      const { verify } = yield* Belonging
      const faults = yield* ContentFaults
      const later = yield* Queue.unbounded<string>()

      const isWanted = (sha256: string) =>
        Effect.map(sql`SELECT 1 FROM conversation_files WHERE file_hash = ${sha256} LIMIT 1`, (rows) => rows.length > 0)

      const forUnwanted = Effect.fnUntraced(function* <E>(
        hashes: ReadonlyArray<string>,
        act: (sha256: string) => Effect.Effect<void, E>
      ) {
        let count = 0
        for (let at = 0; at < hashes.length; at += underOneLock) {
          const unwanted = Effect.map(
            inTurns(hashes.slice(at, at + underOneLock), (hash) =>
              Effect.map(isWanted(hash), (wanted) => (wanted ? [] : [hash]))
            ),
            (some) => some.flat()
          )
          const some = yield* write(
            verify.pipe(
              Effect.zipRight(unwanted),
              Effect.tap((hashes) => Effect.forEach(hashes, act, { discard: true }))
            )
          )
          count += some.length
          // Others want the lock too.
          if (at + underOneLock < hashes.length) yield* Effect.sleep("10 millis")
        }
        return count
      })

      const discardNow = (hashes: ReadonlyArray<string>) =>
        forUnwanted(hashes, (hash) => Effect.zipRight(discard(hash), faults.over(hash)))

      const discardSoon = (sha256: string) => Effect.asVoid(Queue.offer(later, sha256))

      yield* Queue.take(later).pipe(
        Effect.flatMap((hash) =>
          Effect.catchAll(discardNow([hash]), ({ message }) =>
            Effect.logWarning(`A content without a file is left for the next try: ${message}`).pipe(
              Effect.zipRight(Effect.sleep("1 second")),
              Effect.zipRight(discardSoon(hash))
            )
          )
        ),
        Effect.forever,
        Effect.forkScoped
      )

      return {
        isWanted,
        forUnwanted,
        discard: (hashes) =>
          Effect.catchAll(discardNow(hashes), ({ message }) =>
            Effect.logWarning(`Contents without a file are removed later: ${message}`).pipe(
              Effect.zipRight(Effect.forEach(hashes, discardSoon, { discard: true }))
            )
          ),
        discardSoon
      }
    })
  )
}
