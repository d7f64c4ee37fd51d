/** One start of a SQLite database, as a service. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Attempt, StageError } from "../start/Attempt.ts"
import type { StageName } from "../start/policy.ts"
import type { Refusal } from "../start/Refusal.ts"
import { makeStages } from "../start/stages.ts"
import { type LiveHealth, showStart } from "../start/startObservers.ts"
import type { Timeline } from "../start/Timeline.ts"
import { DatabaseConfig } from "./DatabaseConfig.ts"
import { absoluteName } from "./DatabasePath.ts"
import { type OwnLock, watchLocks } from "./LockWatch.ts"
import { withOnOpen } from "./OnOpen.ts"

/** A start that is under way. Here, and not in the class, TypeScript leaves out of the declarations what is marked internal. */
export interface RunningStart {
  /**
   * @internal
   * Runs a stage under its policy: tries again, by the policy's schedule, while the refusal is
   * `retryable`, until the stage's timeout or the deadline of the start.
   */
  readonly stage: <A, E extends Refusal, R>(
    name: StageName,
    attempt: (attempt: Attempt) => Effect.Effect<A, E, R>,
    found: (value: A) => string
  ) => Effect.Effect<A, E | StageError, R>
  /** @internal What the stages that follow do about a lock that this process alone holds. */
  readonly onOwnLock: (choice: OwnLock) => void
  /** @internal Tells what watches the start that the database is ready. */
  readonly onReady: (health: LiveHealth) => void
  /** @internal Tells them that it was refused, or that the database is closed. */
  readonly onGone: () => void
  /** How far the start is at this moment, while it runs and when it is over. */
  readonly timeline: Effect.Effect<Timeline>
}

/**
 * The start that is under way, to be looked at from outside: a probe can tell how far it is. Made once per start: a
 * second start needs a second one. `DatabaseReady.make` has an example.
 */
export class Initialization extends Context.Tag("database-ready/Initialization")<Initialization, RunningStart>() {
  /** Begins a start: its time counts from here. It runs once it is given to `DatabaseReady.make`. */
  static readonly make = (config: DatabaseConfig["Type"]): Effect.Effect<Initialization["Type"]> =>
    Effect.suspend(() => {
      let ownLock: OwnLock = "refuse"
      const onOwnLock = (choice: OwnLock) => {
        ownLock = choice
      }
      const locks = watchLocks(config, () => ownLock)
      const database = absoluteName(config.filename)
      return Effect.gen(function* () {
        const stages = yield* makeStages(config, database, locks)
        const stage: RunningStart["stage"] = (name, attempt, found) =>
          withOnOpen(config.onOpen)(stages.stage(name, attempt, found))
        return { ...stages, stage, onOwnLock, ...(yield* showStart(database, stages.timeline)) }
      })
    })

  /** The same as a service, for `DatabaseReady.pipeline` and the stages. The time of the start counts from when it is built. */
  static readonly layer = Layer.effect(Initialization, Effect.flatMap(DatabaseConfig, Initialization.make))
}
