/** One start of a PostgreSQL database. */
import * as Effect from "effect/Effect"
import type { Holder } from "../machine/FileLocks.ts"
import type { Attempt, StageError } from "../start/Attempt.ts"
import type { StageName } from "../start/policy.ts"
import type { Refusal } from "../start/Refusal.ts"
import { makeStages } from "../start/stages.ts"
import type { Timeline } from "../start/Timeline.ts"
import type { PostgresConfig } from "./PostgresConfig.ts"

/** A start that is under way. */
export interface RunningStart {
  /** @internal Runs a stage under its policy. */
  readonly stage: <A, E extends Refusal, R>(
    name: StageName,
    attempt: (attempt: Attempt) => Effect.Effect<A, E, R>,
    found: (value: A) => string
  ) => Effect.Effect<A, E | StageError, R>
  /** Who was seen to hold what the last attempt waited for. */
  readonly seeHolders: (holders: ReadonlyArray<Holder>) => void
  readonly timeline: Effect.Effect<Timeline>
}

/** Begins a start: its time counts from here. */
export const makeStart = (config: PostgresConfig): Effect.Effect<RunningStart> =>
  Effect.suspend(() => {
    let holders: ReadonlyArray<Holder> = []
    const watch = () => () =>
      Effect.sync(() => {
        const seen = holders
        holders = []
        return seen
      })
    const seeHolders: RunningStart["seeHolders"] = (seen) => {
      holders = seen
    }
    return Effect.map(makeStages(config, config.database, watch), (stages) => ({ ...stages, seeHolders }))
  })
