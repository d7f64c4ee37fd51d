/** How fast, and how much at once, one caller may ask. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { TooManyRequests } from "./Api.ts"
import { retryAfter } from "./retryAfter.ts"
import { Settings } from "./Settings.ts"

/** A bucket of permissions that fills with time, and what runs now. */
interface Caller {
  permissions: number
  filledAt: number
  running: number
  streams: number
}

/** So many callers are remembered before those who could do anything again are forgotten. */
const mostCallers = 10_000

export class Limits extends Context.Tag("conversation-files/Limits")<
  Limits,
  {
    /** Lets a caller in for as long as the scope lives, or fails with when to come again. */
    readonly admit: (caller: string) => Effect.Effect<void, TooManyRequests, Scope.Scope>
    /** Makes the request of a caller who was let in a stream, which is counted apart: it takes no one's turn. */
    readonly holdStream: (caller: string) => Effect.Effect<void, TooManyRequests, Scope.Scope>
  }
>() {
  static readonly layer: Layer.Layer<Limits, never, Settings> = Layer.effect(
    Limits,
    Effect.gen(function* () {
      const { concurrentRequests, eventStreams, requestsPerSecond } = yield* Settings
      const most = 2 * requestsPerSecond
      const callers = new Map<string, Caller>()

      const filled = (caller: Caller, now: number): number =>
        // A clock that is set back gives nothing, and takes nothing.
        Math.min(most, caller.permissions + (Math.max(0, now - caller.filledAt) / 1000) * requestsPerSecond)

      const callerOf = (name: string, now: number): Caller => {
        const known = callers.get(name)
        if (known !== undefined) return known
        if (callers.size >= mostCallers) {
          for (const [other, caller] of callers) {
            if (caller.running === 0 && caller.streams === 0 && filled(caller, now) === most) callers.delete(other)
          }
        }
        const caller: Caller = { permissions: most, filledAt: now, running: 0, streams: 0 }
        callers.set(name, caller)
        return caller
      }

      const admit = Effect.fnUntraced(function* (name: string) {
        const now = yield* Clock.currentTimeMillis
        const caller = callerOf(name, now)
        caller.permissions = filled(caller, now)
        caller.filledAt = now
        if (caller.running >= concurrentRequests) {
          return yield* retryAfter(
            new TooManyRequests({
              retryAfterSeconds: 1,
              message: `${concurrentRequests} requests at once are the most.`
            })
          )
        }
        if (caller.permissions < 1) {
          const retryAfterSeconds = Math.ceil((1 - caller.permissions) / requestsPerSecond)
          return yield* retryAfter(
            new TooManyRequests({ retryAfterSeconds, message: `${requestsPerSecond} requests a second are the most.` })
          )
        }
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            caller.permissions -= 1
            caller.running += 1
          }),
          () =>
            Effect.sync(() => {
              caller.running -= 1
            })
        )
      })

      const holdStream = Effect.fnUntraced(function* (name: string) {
        const caller = callerOf(name, yield* Clock.currentTimeMillis)
        if (caller.streams >= eventStreams) {
          return yield* retryAfter(
            new TooManyRequests({
              retryAfterSeconds: 5,
              message: `${eventStreams} streams of events at once are the most.`
            })
          )
        }
        const count = (streams: 1 | -1) =>
          Effect.sync(() => {
            caller.streams += streams
            caller.running -= streams
          })
        yield* Effect.acquireRelease(count(1), () => count(-1))
      })

      return { admit, holdStream }
    })
  )
}
