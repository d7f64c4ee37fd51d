/**
 * Waiting by a monotonic clock. Effect's own `Schedule.upTo` compares wall-clock times: if the clock is set back by an
 * hour, it waits an hour longer. `Clock`'s nanoseconds are monotonic: the live ones come from `process.hrtime`.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Decision from "effect/ScheduleDecision"
import * as Interval from "effect/ScheduleInterval"

/** A schedule that ends this long after its first step. */
export const upTo = <Out, In, R>(
  schedule: Schedule.Schedule<Out, In, R>,
  duration: Duration.DurationInput
): Schedule.Schedule<Out, In, R> => {
  const limit = Duration.toMillis(duration)
  const begunAt = (): bigint | undefined => undefined
  const inTime = Schedule.makeWithState(begunAt(), (now, _: unknown, begun) =>
    Effect.map(Clock.currentTimeNanos, (nanos) => {
      const since = begun ?? nanos
      const isOver = millisBetween(since, nanos) >= limit
      return [since, undefined, isOver ? Decision.done : Decision.continueWith(Interval.after(now))] as const
    })
  )
  return Schedule.zipLeft(schedule, inTime)
}

/** Milliseconds between two readings of `Clock`'s nanoseconds. */
export const millisBetween = (from: bigint, to: bigint): number => Number(to - from) / 1_000_000
