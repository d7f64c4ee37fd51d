/** Where contents arrive, on whichever engine: a directory of temporary files on the local disk. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { FileTooLarge } from "./Api.ts"
import { type ContentError, onDisk, orUndefined } from "./ContentError.ts"
import { Arrival, type Received } from "./Incoming.ts"
import type { StoreOwner } from "./StoreOwner.ts"

export interface Arrivals {
  /** Uses a file on its way in. What of it is not kept is deleted afterwards. */
  readonly withArrival: <A, E, R>(use: (arrival: Arrival) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /**
   * Writes a stream to the disk while hashing it. Bytes beyond the limit are read, so that the client gets the answer,
   * but not written. Deleted when the scope closes, unless it was kept.
   */
  readonly receive: <E>(
    content: Stream.Stream<Uint8Array, E>
  ) => Effect.Effect<Received, E | FileTooLarge | ContentError, Scope.Scope>
}

export const arrivalsIn = (place: {
  readonly incoming: string
  readonly owner: StoreOwner
  readonly maxFileSize: number
}): Arrivals => {
  const newArrival = Effect.sync(() => new Arrival(place))
  const forget = (arriving: Arrival) =>
    Effect.ignoreLogged(orUndefined(onDisk(place.incoming, () => arriving.discard())))
  return {
    withArrival: (use) => Effect.acquireUseRelease(newArrival, use, forget),
    receive: Effect.fnUntraced(function* (content) {
      const arriving = yield* Effect.acquireRelease(newArrival, forget)
      const waitFor = (call: () => Promise<unknown>) =>
        Effect.tryPromise({ try: call, catch: (cause) => arriving.refusalOf(cause) })
      yield* Stream.runForEach(content, (chunk) => {
        const full = arriving.take(chunk)
        return full === undefined ? Effect.void : waitFor(() => full)
      })
      return yield* Effect.tryPromise({ try: () => arriving.end(), catch: (cause) => arriving.refusalOf(cause) })
    })
  }
}
