/** What is done without being asked: what is due is deleted, what nobody wants is swept. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import { ContentStore } from "./ContentStore.ts"
import { ConversationFiles, type Sweep } from "./ConversationFiles.ts"
import { Settings } from "./Settings.ts"

export class Cleanup extends Context.Tag("conversation-files/Cleanup")<
  Cleanup,
  {
    /** What the last sweep found. One is made before the first request, and one a day. */
    readonly lastSweep: Effect.Effect<Sweep>
  }
>() {
  /** Sweeps once, then goes on in the background until the scope closes. */
  static readonly layer: Layer.Layer<Cleanup, never, ContentStore | ConversationFiles | Settings> = Layer.scoped(
    Cleanup,
    Effect.gen(function* () {
      const files = yield* ConversationFiles
      const store = yield* ContentStore
      const { cleanupInterval } = yield* Settings
      const last = yield* Ref.make<Sweep>({ discarded: 0, missing: [] })

      /** What fails now is tried again at the next turn: nothing is lost but time. */
      const tried = <A, E extends { readonly message: string }>(what: string, task: Effect.Effect<A, E>) =>
        Effect.catchAll(task, (error) => Effect.logWarning(`${what} failed: ${error.message}`))

      const due: Effect.Effect<void> = tried(
        "The cleanup",
        // A batch that was full may not have been all.
        Effect.repeat(files.cleanDue, { while: (count) => count === 100 })
      )
      const sweep = tried(
        "The sweep",
        Effect.gen(function* () {
          const abandoned = yield* store.sweepIncoming
          const found = yield* files.sweep
          yield* Ref.set(last, found)
          if (abandoned + found.discarded > 0) {
            yield* Effect.logInfo(`Swept ${abandoned} abandoned uploads and ${found.discarded} contents without a file`)
          }
          if (found.missing.length > 0) yield* Effect.logError(`Contents are missing: ${found.missing.join(", ")}`)
        })
      )

      yield* sweep
      yield* Effect.forkScoped(Effect.repeat(due, Schedule.spaced(cleanupInterval)))
      yield* Effect.forkScoped(Effect.schedule(sweep, daily))
      return { lastSweep: Ref.get(last) }
    })
  )
}

/** Orphans are made by kills alone, so that one look a day is more than enough. */
const daily = Schedule.spaced("1 day")
