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
    /**
     * Remembers that the bytes of a content were read and do not match its name. It is forgotten when another file is in
     * its place, because anybody may store the content again.
     */
    readonly unsafeDisproven: (sha256: string, isSame: () => boolean) => void
    /** Whether its bytes were read and do not match its name. */
    readonly unsafeIsDisproven: (sha256: string) => boolean
    /** Forgets a fault: the content was uploaded again, or nobody wants it any more. */
    readonly over: (sha256: string) => Effect.Effect<void>
    /** Replaces the known contents that are missing or have another size: all contents were looked at again. */
    readonly replace: (faults: ReadonlyMap<string, ContentFault>) => Effect.Effect<void>
  }
>() {
  static readonly layer: Layer.Layer<ContentFaults> = Layer.sync(ContentFaults, () => {
    let known = new Map<string, ContentFault>()
    const disproven = new Map<string, () => boolean>()

    const unsafeIsDisproven = (sha256: string): boolean => {
      const isSame = disproven.get(sha256)
      if (isSame === undefined || isSame()) return isSame !== undefined
      disproven.delete(sha256)
      return false
    }

    return {
      all: Effect.sync(() => {
        const damaged = [...disproven.keys()].filter(unsafeIsDisproven)
        return new Map<string, ContentFault>([...damaged.map((hash) => [hash, "damaged"] as const), ...known])
      }),
      found: (sha256, fault) => Effect.sync(() => void known.set(sha256, fault)),
      unsafeDisproven: (sha256, isSame) => void disproven.set(sha256, isSame),
      unsafeIsDisproven,
      over: (sha256) =>
        Effect.sync(() => {
          known.delete(sha256)
          disproven.delete(sha256)
        }),
      replace: (faults) =>
        Effect.sync(() => {
          known = new Map(faults)
        })
    }
  })
}
