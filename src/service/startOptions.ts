/** What a start is given on either engine. */
import * as Effect from "effect/Effect"
import { describeMeasure, type ProgressEvent } from "../../layers/index.ts"
import packageJson from "../../package.json" with { type: "json" }

/** Kept with each migration that the service applies. */
export const program = `${packageJson.name} ${packageJson.version}`

/** Shows people who watch a long start what it is doing. */
export const onProgress = (event: ProgressEvent): Effect.Effect<void> =>
  event._tag === "StageProgress"
    ? Effect.logInfo(`${event.doing} in the ${event.stage} stage: ${describeMeasure(event)}`)
    : Effect.void
