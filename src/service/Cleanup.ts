/** What is done without being asked: what is due is deleted, what nobody wants is put away. */
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
    /** What the last sweep found. One is made before the first request, and one a day. */
    readonly lastSweep: Effect.Effect<Sweep>
    /** Why the last sweep did not come to its end; undefined where it did. */
    readonly sweepError: Effect.Effect<string | undefined>
  }
>() {
  /** Sweeps once, then goes on in the background until the scope closes. */
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

        /** What fails now is tried again at the next turn: nothing is lost but time. */
        const tried = <A, E extends { readonly message: string }>(what: string, task: Effect.Effect<A, E>) =>
          Effect.catchAll(task, (error) => Effect.logWarning(`${what} failed: ${error.message}`))

        const some = Effect.zipWith(cleanDue, prune, (files, refusals) => files || refusals)
        const due = tried(
          "The cleanup",
          // A batch that was full may not have been all. Others get their turn in between.
          Effect.repeat(freeing(some), { schedule: Schedule.spaced("10 millis"), while: (more) => more })
        )
        const remembered = tried("Remembering how far the database is", remember)
        const swept = tried(
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
        `Swept: ${putAway} contents without a file to the trash, ${takenBack} back from it, ${discarded} out of it for good; ${abandoned} abandoned uploads`
      )
    )
  }
  if (why === "TooMany") {
    notes.push(
      Effect.logError(
        `${left} of ${contents} contents have no file in this database: none was put away. Make sure that it is not an older copy; then set ALLOW_SWEEP=${left}`
      )
    )
  }
  if (missing.length > 0) notes.push(Effect.logError(`Contents are missing: ${some(missing)}`))
  if (damaged.length > 0) notes.push(Effect.logError(`Contents have another size than their files: ${some(damaged)}`))
  if (strays.length > 0) notes.push(Effect.logWarning(`None of the service's, left alone: ${some(strays)}`))
  if (unreadable.length > 0) notes.push(Effect.logWarning(`Could not be looked at: ${some(unreadable)}`))
  return Effect.all(notes, { discard: true })
}

/** Orphans are made by kills alone, so that one look a day is more than enough. */
const daily = Schedule.spaced("1 day")
