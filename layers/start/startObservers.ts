/** Shows the starts in a layer to those who watch them, whatever that layer is made of. */
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"
import type { Refusal } from "./Refusal.ts"
import type { Timeline } from "./Timeline.ts"

/** One start, while it goes on and when it is over. */
export interface ObservedStart {
  /** Absolute path of the database file, or `:memory:`. */
  readonly database: string
  /** How far it is. */
  readonly timeline: Effect.Effect<Timeline>
  /** Whether the database is still ready; undefined as long as it is not ready for the first time. */
  health: LiveHealth | undefined
}

/** What a ready database says of itself. */
export type LiveHealth = Effect.Effect<
  { readonly schemaVersion: string | undefined; readonly warnings: ReadonlyArray<string> },
  Refusal
>

/** A start that begins is put into each of these. */
export const startObservers: FiberRef.FiberRef<ReadonlyArray<Set<ObservedStart>>> = globalValue(
  "database-ready/startObservers",
  () => FiberRef.unsafeMake<ReadonlyArray<Set<ObservedStart>>>([])
)

/** What a start tells those who watch it. */
export interface ShownStart {
  readonly onReady: (health: LiveHealth) => void
  /** It was refused, or its database is closed. A later start of the same database is a new one. */
  readonly onGone: () => void
}

/** Shows a start to those who watch. */
export const showStart = (database: string, timeline: Effect.Effect<Timeline>): Effect.Effect<ShownStart> =>
  Effect.map(FiberRef.get(startObservers), (observers) => {
    const start: ObservedStart = { database, timeline, health: undefined }
    for (const observer of observers) observer.add(start)
    return {
      onReady: (health) => {
        start.health = health
      },
      onGone: () => {
        for (const observer of observers) observer.delete(start)
      }
    }
  })
