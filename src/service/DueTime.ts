/**
 * The time by which something is due. The wall clock may be set wrong, and what is deleted by it does not come back:
 * so it is believed as far as it goes on like the clock that is never set.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { monotonicMillis } from "./monotonic.ts"

/** The two clocks may differ by so much more than before (milliseconds): one is corrected in small steps. */
const tolerance = Duration.toMillis("5 minutes")

/** A wall clock that was set is believed again when it has gone on evenly for as long. */
export const settling = Duration.days(1)

/** A wall clock that is ahead of where it should be. */
export interface Jump {
  /** Milliseconds. */
  readonly ahead: number
  /** Milliseconds until it is believed. */
  readonly left: number
}

export class DueTime extends Context.Tag("conversation-files/DueTime")<
  DueTime,
  {
    /** The earlier of the times that it may be (milliseconds): what was due by then may go. */
    readonly earliest: Effect.Effect<number>
    /** The later one: what is to be kept for a while is kept from then on. */
    readonly latest: Effect.Effect<number>
    /** Undefined where the wall clock is believed, or behind. */
    readonly jump: Effect.Effect<Jump | undefined>
  }
>() {
  static readonly layer: Layer.Layer<DueTime> = Layer.effect(
    DueTime,
    Effect.gen(function* () {
      /** When both clocks were believed. */
      let known = { wall: yield* Clock.currentTimeMillis, steady: yield* monotonicMillis }
      let odd: { readonly since: number; readonly by: number } | undefined

      const look = Effect.gen(function* () {
        const wall = yield* Clock.currentTimeMillis
        const steady = yield* monotonicMillis
        const expected = known.wall + (steady - known.steady)
        const by = wall - expected
        const believed = () => {
          known = { wall, steady }
          odd = undefined
          return { wall, expected: wall, left: 0 }
        }
        if (Math.abs(by) <= tolerance) return believed()
        if (odd === undefined || Math.abs(by - odd.by) > tolerance) {
          odd = { since: steady, by }
          const how = Duration.format(Duration.seconds(Math.round(Math.abs(by) / 1000)))
          yield* Effect.logWarning(
            `The clock was set ${by > 0 ? "ahead" : "back"} by ${how}: for ${Duration.format(settling)} nothing is deleted that is not due by both times`
          )
        }
        const left = odd.since + Duration.toMillis(settling) - steady
        return left <= 0 ? believed() : { wall, expected, left }
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
