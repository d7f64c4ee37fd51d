/** Limits how fast one user may send requests, and how many at once. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { TooManyRequests } from "./Api.ts"
import { Buckets } from "./Buckets.ts"
import { holding } from "./holding.ts"
import { unsafeMonotonicMillis } from "./monotonic.ts"
import { Settings } from "./Settings.ts"
import { SharedLimits } from "./SharedLimits.ts"

/** What runs now. */
interface Caller {
  running: number
  streams: number
}

export class Limits extends Context.Tag("conversation-files/Limits")<
  Limits,
  {
    /** Admits a user for as long as the scope lives, or fails and tells when to try again. */
    readonly admit: (user: string) => Effect.Effect<void, TooManyRequests, Scope.Scope>
    /** Whether a user may send a request that is answered at once. */
    readonly unsafeTake: (user: string) => boolean
    /** Counts a user's admitted request as a stream: separately, so that it takes no other request's place. */
    readonly holdStream: (user: string) => Effect.Effect<void, TooManyRequests, Scope.Scope>
  }
>() {
  static readonly layer: Layer.Layer<Limits, never, Settings | SharedLimits> = Layer.effect(
    Limits,
    Effect.gen(function* () {
      const { concurrentRequests, eventStreams, requestsPerSecond } = yield* Settings
      const shared = yield* SharedLimits
      // As many as there are accounts.
      const buckets = new Buckets(requestsPerSecond, Number.POSITIVE_INFINITY)
      const clock = yield* Effect.clock
      const callers = new Map<string, Caller>()

      const callerOf = (user: string): Caller => {
        const known = callers.get(user)
        if (known !== undefined) return known
        const caller: Caller = { running: 0, streams: 0 }
        callers.set(user, caller)
        return caller
      }

      const tooFast = (retryAfterSeconds: number): Effect.Effect<void, TooManyRequests> => {
        const message = `You may send ${requestsPerSecond} requests a second.`
        return retryAfterSeconds > 0 ? new TooManyRequests({ retryAfterSeconds, message }) : Effect.void
      }
      const own = (user: string) => Effect.suspend(() => tooFast(buckets.take(user, unsafeMonotonicMillis(clock))))
      const permitted = shared.isShared
        ? (user: string) =>
            Effect.flatMap(shared.take(user), (wait) => (wait === undefined ? own(user) : tooFast(wait)))
        : own

      const admit = (user: string) =>
        Effect.suspend((): Effect.Effect<void, TooManyRequests, Scope.Scope> => {
          const caller = callerOf(user)
          if (caller.running >= concurrentRequests) {
            const message = `You may have ${concurrentRequests} requests at once.`
            return new TooManyRequests({ retryAfterSeconds: 1, message })
          }
          const counted = holding(() => {
            caller.running += 1
            return {
              value: undefined,
              release: () => {
                caller.running -= 1
              }
            }
          })
          // A request that waits for Redis counts as running. Without Redis one that is refused does not.
          return shared.isShared ? Effect.zipRight(counted, permitted(user)) : Effect.zipRight(permitted(user), counted)
        })

      const holdStream = Effect.fnUntraced(function* (user: string) {
        const caller = callerOf(user)
        if (caller.streams >= eventStreams) {
          const message = `You may have ${eventStreams} event streams at once.`
          return yield* new TooManyRequests({ retryAfterSeconds: 5, message })
        }
        const count = (streams: 1 | -1) =>
          Effect.sync(() => {
            caller.streams += streams
            caller.running -= streams
          })
        yield* Effect.acquireRelease(count(1), () => count(-1))
      })

      // Redis cannot be asked at once.
      const unsafeTake = (user: string) =>
        !shared.isShared &&
        callerOf(user).running < concurrentRequests &&
        buckets.take(user, unsafeMonotonicMillis(clock)) === 0

      return { admit, unsafeTake, holdStream }
    })
  )
}
