/** Unfinished uploads on the local disk that a process has left which is gone. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ContentStore } from "./ContentStore.ts"
import { DueTime } from "./DueTime.ts"
import { collectInTurns } from "./inTurns.ts"
import { Settings } from "./Settings.ts"
import type { Inventory } from "./StoreInventory.ts"

/** An upload that was not written to for this long was left. */
const abandonedAfter = Duration.minutes(10)

/** Makes a function that deletes them. It returns how many, and logs what cannot be deleted. */
export const abandonedUploads = Effect.gen(function* () {
  const { forgetUpload } = yield* ContentStore
  const { earliest } = yield* DueTime
  const { lockPatience } = yield* Settings

  return Effect.fnUntraced(function* ({ incoming }: Inventory) {
    const before = (yield* earliest) - Math.max(Duration.toMillis(abandonedAfter), 2 * Duration.toMillis(lockPatience))
    const old = yield* collectInTurns(incoming, ([name, { since }]) => (since < before ? name : undefined))
    const removed = yield* Effect.filter(old, (name) =>
      Effect.matchEffect(forgetUpload(name), {
        onFailure: ({ message }) =>
          Effect.as(Effect.logWarning(`Cannot delete an unfinished upload: ${message}`), false),
        onSuccess: () => Effect.succeed(true)
      })
    )
    return removed.length
  })
})
