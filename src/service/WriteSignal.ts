/** Tells that this process has written, so that those who follow the events do not wait for their next look. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { DatabaseReady } from "../../layers/index.ts"

export class WriteSignal extends Context.Tag("conversation-files/WriteSignal")<
  WriteSignal,
  {
    /** Done when this process has written since the last time that it was. For one caller. */
    readonly next: Effect.Effect<void>
  }
>() {}

/** The database whose writes are told of, whoever asks for them. */
export const signallingWrites: Layer.Layer<DatabaseReady | WriteSignal, never, DatabaseReady> = Layer.effectContext(
  Effect.gen(function* () {
    const ready = yield* DatabaseReady
    const written = yield* Effect.makeLatch()
    return Context.make(WriteSignal, { next: Effect.zipRight(written.await, written.close) }).pipe(
      Context.add(DatabaseReady, {
        ...ready,
        write: (body) => Effect.zipLeft(ready.write(body), written.open)
      })
    )
  })
)
