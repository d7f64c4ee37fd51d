/**
 * The time for deciding what is due. The wall clock may be set wrong, and a deleted file does not come back. So the
 * wall clock is trusted only while it agrees with a clock that is never set.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { monotonicMillis } from "./monotonic.ts"

/** How much the difference of the two clocks may change (milliseconds): one of them is corrected in small steps. */
const tolerance = Duration.toMillis("5 minutes")

/** A wall clock that was set is trusted again after running evenly for this long. */
export const settling = Duration.days(1)

/** How far the wall clock is ahead of where it should be. */
export interface Jump {
  /** Milliseconds. */
  readonly ahead: number
  /** Milliseconds until it is trusted. */
  readonly left: number
}

export class DueTime extends Context.Tag("conversation-files/DueTime")<
  DueTime,
  {
    /** The earlier possible time (milliseconds): what was due by then may be deleted. */
    readonly earliest: Effect.Effect<number>
    /** The later possible time: what must be kept for a while is kept from then on. */
    readonly latest: Effect.Effect<number>
    /** Undefined if the wall clock is trusted or behind. */
    readonly jump: Effect.Effect<Jump | undefined>
  }
>() {
  static readonly layer: Layer.Layer<DueTime> = Layer.effect(
    DueTime,
    Effect.gen(function* () {
      /** The last time at which both clocks were trusted. */
      let known = { wall: yield* Clock.currentTimeMillis, steady: yield* monotonicMillis }
      let odd: { readonly since: number; readonly by: number } | undefined

      const look = Effect.gen(function* () {
        const wall = yield* Clock.currentTimeMillis
        const steady = yield* monotonicMillis
        const expected = known.wall + (steady - known.steady)
        const by = wall - expected
        const trustClocks = () => {
          known = { wall, steady }
          odd = undefined
          return { wall, expected: wall, left: 0 }
        }
        if (Math.abs(by) <= tolerance) return trustClocks()
        if (odd === undefined || Math.abs(by - odd.by) > tolerance) {
          odd = { since: steady, by }
          const how = Duration.format(Duration.seconds(Math.round(Math.abs(by) / 1000)))
          yield* Effect.logWarning(
            `The clock was set ${by > 0 ? "ahead" : "back"} by ${how}: for ${Duration.format(settling)} only what is due by both times is deleted`
          )
        }
        const left = odd.since + Duration.toMillis(settling) - steady
        return left <= 0 ? trustClocks() : { wall, expected, left }
      })

      return {
        earliest: Effect.map(look, ({ expected, wall }) => Math.min(expected, wall)),
        latest: Effect.map(look, ({ expected, wall }) => Math.max(expected, wall)),
        jump: Effect.map(look, ({ expected, left, wall }) =>
          wall > expected ? { ahead: wall - expected, left } : undefined
        )
      }
    })
  )
}
