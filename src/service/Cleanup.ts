/** Works without a request: deletes what is due, and moves unwanted contents to the trash. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import { Belonging } from "./Belonging.ts"
import { Deletions } from "./Deletions.ts"
import { Refusals } from "./Refusals.ts"
import { Reserve } from "./Reserve.ts"
import { Settings } from "./Settings.ts"
import { nothingSwept, type Sweep, Sweeper } from "./Sweeper.ts"

export class Cleanup extends Context.Tag("conversation-files/Cleanup")<
  Cleanup,
  {
    /** What the last sweep found. The first sweep runs before the first request, then one a day. */
    readonly lastSweep: Effect.Effect<Sweep>
    /** Why the last sweep failed; undefined if it did not. */
    readonly sweepError: Effect.Effect<string | undefined>
  }
>() {
  /** Sweeps once, then continues in the background until the scope closes. */
  static readonly layer: Layer.Layer<Cleanup, never, Belonging | Deletions | Refusals | Reserve | Settings | Sweeper> =
    Layer.scoped(
      Cleanup,
      Effect.gen(function* () {
        const { cleanDue } = yield* Deletions
        const { sweep } = yield* Sweeper
        const { freeing } = yield* Reserve
        const { prune } = yield* Refusals
        const { remember } = yield* Belonging
        const { cleanupInterval } = yield* Settings
        const last = yield* Ref.make<Sweep>(nothingSwept)
        const failure = yield* Ref.make<string | undefined>(undefined)

        /** Logs a failure. The next turn tries again, so only time is lost. */
        const logFailure = <A, E extends { readonly message: string }>(what: string, task: Effect.Effect<A, E>) =>
          Effect.catchAll(task, (error) => Effect.logWarning(`${what} failed: ${error.message}`))

        const some = Effect.zipWith(cleanDue, prune, (files, refusals) => files || refusals)
        const due = logFailure(
          "The cleanup",
          // A full batch may not have been all. Others get their turn in between.
          Effect.repeat(freeing(some), { schedule: Schedule.spaced("10 millis"), while: (more) => more })
        )
        const remembered = logFailure("Recording the state of the database", remember)
        const swept = logFailure(
          "The sweep",
          sweep.pipe(
            Effect.tap(say),
            Effect.tap((found) => Effect.zipRight(Ref.set(last, found), Ref.set(failure, undefined))),
            Effect.tapError(({ message }) => Ref.set(failure, message))
          )
        )

        yield* swept
        yield* Effect.forkScoped(Effect.repeat(due, Schedule.spaced(cleanupInterval)))
        yield* Effect.forkScoped(Effect.schedule(remembered, Schedule.spaced(cleanupInterval)))
        yield* Effect.forkScoped(Effect.schedule(swept, daily))
        return { lastSweep: Ref.get(last), sweepError: Ref.get(failure) }
      })
    )
}

const say = (found: Sweep): Effect.Effect<void> => {
  const { abandoned, contents, damaged, discarded, left, missing, putAway, strays, takenBack, unreadable, why } = found
  const some = (paths: ReadonlyArray<string>) => `${paths.slice(0, 10).join(", ")}${paths.length > 10 ? " ..." : ""}`
  const notes: Array<Effect.Effect<void>> = []
  if (abandoned + putAway + takenBack + discarded > 0) {
    notes.push(
      Effect.logInfo(
        `Swept: moved ${putAway} contents without a file to the trash, took ${takenBack} back, deleted ${discarded} from it for good; removed ${abandoned} abandoned uploads`
      )
    )
  }
  if (why === "TooMany") {
    notes.push(
      Effect.logError(
        `${left} of ${contents} contents have no file in this database: none went to the trash. Make sure that the database is not an older copy, then set ALLOW_SWEEP=${left} for one start`
      )
    )
  }
  if (missing.length > 0) notes.push(Effect.logError(`Contents are missing: ${some(missing)}`))
  if (damaged.length > 0) notes.push(Effect.logError(`Contents differ in size from their files: ${some(damaged)}`))
  if (strays.length > 0) notes.push(Effect.logWarning(`Left alone, not made by the service: ${some(strays)}`))
  if (unreadable.length > 0) notes.push(Effect.logWarning(`Could not look at: ${some(unreadable)}`))
  return Effect.all(notes, { discard: true })
}

/** Only kills leave orphans, so one look a day is enough. */
const daily = Schedule.spaced("1 day")
