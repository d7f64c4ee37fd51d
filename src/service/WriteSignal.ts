/** Signals writes of this process, so that followers of events need not wait for their next look. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database } from "./Database.ts"

export class WriteSignal extends Context.Tag("conversation-files/WriteSignal")<
  WriteSignal,
  {
    /** Finishes when this process has written since the last signal. For one caller only. */
    readonly next: Effect.Effect<void>
  }
>() {}

/** The database, with a signal after each write. */
export const signallingWrites: Layer.Layer<Database | WriteSignal, never, Database> = Layer.effectContext(
  Effect.gen(function* () {
    const ready = yield* Database
    const written = yield* Effect.makeLatch()
    return Context.make(WriteSignal, { next: Effect.zipRight(written.await, written.close) }).pipe(
      Context.add(Database, {
        ...ready,
        write: (body) => Effect.zipLeft(ready.write(body), written.open)
      })
    )
  })
)
