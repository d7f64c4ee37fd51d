/** How far the start of the database is, on whichever engine: for the probes, which answer meanwhile. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Timeline } from "../../layers/index.ts"

export class StartTimeline extends Context.Tag("conversation-files/StartTimeline")<
  StartTimeline,
  {
    /** Nothing has begun until a start is followed. */
    readonly timeline: Effect.Effect<Timeline>
    /** Called by the start when it begins. */
    readonly follow: (timeline: Effect.Effect<Timeline>) => void
  }
>() {
  static readonly layer: Layer.Layer<StartTimeline> = Layer.effect(
    StartTimeline,
    Effect.map(Clock.currentTimeMillis, (now) => {
      let followed: Effect.Effect<Timeline> = Effect.succeed({
        startedAt: new Date(now).toISOString(),
        durationMs: 0,
        current: undefined,
        stages: [],
        applied: [],
        backup: undefined,
        doing: "",
        step: undefined
      })
      return {
        timeline: Effect.suspend(() => followed),
        follow: (timeline) => {
          followed = timeline
        }
      }
    })
  )
}
