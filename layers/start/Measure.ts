/** How far something is that takes long. */
import * as Duration from "effect/Duration"

/** In whole seconds, or milliseconds below one second. */
export const formatMillis = (millis: number): string =>
  Duration.format(Duration.millis(millis < 1000 ? Math.ceil(millis) : Math.ceil(millis / 1000) * 1000))

/** Milliseconds for the rest at this rate, and half as much again; undefined before anything is done. */
export const neededMillis = ({ done, forMs, total }: Step): number | undefined =>
  done > 0 && done < total ? (1.5 * forMs * (total - done)) / done : undefined

/** How far something is that takes long. */
export interface Step extends Measure {
  /** Milliseconds since it began. */
  readonly forMs: number
}

/** What of something that takes long is done, and what of it there is. */
export interface Measure {
  /** How many of the units are done. */
  readonly done: number
  /** How many there are. */
  readonly total: number
  /** What is counted. */
  readonly unit: "bytes" | "statements" | "tables"
  /** What of it is going on: "statement 3 of 7, line 12"; "" where the figures say it all. */
  readonly detail: string
}

/**
 * A measure as people read it: `300 of 1298 MB`, or `statement 3 of 7, line 12`. Takes a `StageProgress` event as well.
 *
 * @example
 * ```ts
 * import { describeMeasure, type ProgressEvent } from "database-ready"
 * import { Console, Effect } from "effect"
 *
 * export const onProgress = (event: ProgressEvent) =>
 *   event._tag === "StageProgress" ? Console.error(`${event.doing}: ${describeMeasure(event)}`) : Effect.void
 * ```
 */
export const describeMeasure = ({ detail, done, total, unit }: Measure): string =>
  detail !== ""
    ? detail
    : unit === "bytes"
      ? `${megabytes(done)} of ${megabytes(total)} MB`
      : `${done} of ${total} ${unit}`

export const megabytes = (bytes: number): number => Math.round(bytes / 1_000_000)

export const describeStep = (step: Step | undefined): string =>
  step === undefined ? "" : `: ${describeMeasure(step)}, after ${formatMillis(step.forMs)} of it`
