/** Signals writes of this process, for those who act on them: so they need not look again and again. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Database } from "./Database.ts"

export class WriteSignal extends Context.Tag("conversation-files/WriteSignal")<
  WriteSignal,
  {
    /**
     * Listens until the scope closes. The inner effect finishes when this process has written since it last finished.
     * For one caller only.
     */
    readonly listen: Effect.Effect<Effect.Effect<void>, never, Scope.Scope>
  }
>() {}

/** The database, with a signal after each write. */
export const signallingWrites: Layer.Layer<Database | WriteSignal, never, Database> = Layer.effectContext(
  Effect.gen(function* () {
    const ready = yield* Database
    const listeners = new Set<Effect.Latch>()
    const listen = Effect.acquireRelease(
      Effect.tap(Effect.makeLatch(), (written) => listeners.add(written)),
      (written) => Effect.sync(() => listeners.delete(written))
    ).pipe(Effect.map((written) => Effect.zipRight(written.await, written.close)))
    const signal = Effect.sync(() => {
      for (const written of listeners) written.unsafeOpen()
    })
    return Context.make(WriteSignal, { listen }).pipe(
      Context.add(Database, { ...ready, write: (body) => Effect.zipLeft(ready.write(body), signal) })
    )
  })
)
