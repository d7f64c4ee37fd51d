/** Whoever asks for context waits, and extraction does not: so it leaves them the event loop, for a while. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** How long work in the background waits for one question after the other: it goes on even if they never end. */
const patience = Duration.millis(100)

export class Questions extends Context.Tag("conversation-files/Questions")<
  Questions,
  {
    /** Marks an effect as a question that somebody waits for. */
    readonly asking: <A, E, R>(question: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
    /** Waits until nobody asks, at most 100 ms. */
    readonly quiet: Effect.Effect<void>
  }
>() {
  static readonly layer: Layer.Layer<Questions> = Layer.sync(Questions, () => {
    const isQuiet = Effect.unsafeMakeLatch(true)
    let open = 0
    const begin = Effect.sync(() => {
      open += 1
      if (open === 1) isQuiet.unsafeClose()
    })
    const end = Effect.sync(() => {
      open -= 1
      if (open === 0) isQuiet.unsafeOpen()
    })
    return {
      asking: (question) =>
        Effect.acquireUseRelease(
          begin,
          () => question,
          () => end
        ),
      quiet: Effect.asVoid(Effect.timeoutOption(isQuiet.await, patience))
    }
  })
}
