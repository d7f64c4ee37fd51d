/** Contents that rows want but that are missing or damaged on the disk, as far as is known. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export type ContentFault = "missing" | "damaged"

export class ContentFaults extends Context.Tag("conversation-files/ContentFaults")<
  ContentFaults,
  {
    readonly all: Effect.Effect<ReadonlyMap<string, ContentFault>>
    readonly found: (sha256: string, fault: ContentFault) => Effect.Effect<void>
    /** Forgets a fault: the content was uploaded again, or nobody wants it any more. */
    readonly over: (sha256: string) => Effect.Effect<void>
    /** Replaces everything known by what a look at all contents found. */
    readonly replace: (faults: ReadonlyMap<string, ContentFault>) => Effect.Effect<void>
  }
>() {
  static readonly layer: Layer.Layer<ContentFaults> = Layer.sync(ContentFaults, () => {
    let known = new Map<string, ContentFault>()
    return {
      all: Effect.sync(() => known),
      found: (sha256, fault) => Effect.sync(() => void known.set(sha256, fault)),
      over: (sha256) => Effect.sync(() => void known.delete(sha256)),
      replace: (faults) =>
        Effect.sync(() => {
          known = new Map(faults)
        })
    }
  })
}
