/**
 * Contents that rows want but that are missing or damaged on the disk, as far as is known. What is missing or has another
 * size is found again by the sweep of each start. What was found by reading is kept in marks (`files/damaged`).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { ContentStore } from "./ContentStore.ts"
import { damageMarks, markDamaged, unmarkDamaged } from "./DamageMarks.ts"

export type ContentFault = "missing" | "damaged"

export class ContentFaults extends Context.Tag("conversation-files/ContentFaults")<
  ContentFaults,
  {
    readonly all: Effect.Effect<ReadonlyMap<string, ContentFault>>
    readonly found: (sha256: string, fault: ContentFault) => Effect.Effect<void>
    /**
     * Remembers that the bytes of a content were read and do not match its name, also across restarts. It is forgotten
     * when another file is in its place than the one with this identity, because anybody may store the content again.
     */
    readonly unsafeDisproven: (sha256: string, identity: string) => void
    /** Whether its bytes were read and do not match its name. */
    readonly unsafeIsDisproven: (sha256: string) => boolean
    /** Forgets a fault: the content was uploaded again, or nobody wants it any more. */
    readonly over: (sha256: string) => Effect.Effect<void>
    /** Replaces the known contents that are missing or have another size: all contents were looked at again. */
    readonly replace: (faults: ReadonlyMap<string, ContentFault>) => Effect.Effect<void>
  }
>() {
  static readonly layer: Layer.Layer<ContentFaults, never, ContentStore> = Layer.scoped(
    ContentFaults,
    Effect.gen(function* () {
      const { directory, owner, unsafeIdentityOf } = yield* ContentStore
      let known = new Map<string, ContentFault>()
      const disproven = new Map<string, string>()
      const changed = yield* Queue.unbounded<string>()

      const disprove = (sha256: string, identity: string): void => {
        disproven.set(sha256, identity)
        changed.unsafeOffer(sha256)
      }
      const forget = (sha256: string): void => {
        if (disproven.delete(sha256)) changed.unsafeOffer(sha256)
      }

      const unsafeIsDisproven = (sha256: string): boolean => {
        const identity = disproven.get(sha256)
        if (identity === undefined) return false
        const now = unsafeIdentityOf(sha256)
        if (now === identity || now === "unknown") return true
        forget(sha256)
        return false
      }

      /** Writes what is known of a content by now. */
      const keep = (sha256: string) =>
        Effect.suspend(() => {
          const identity = disproven.get(sha256)
          return identity === undefined
            ? unmarkDamaged(directory, sha256)
            : markDamaged(directory, sha256, identity, owner)
        }).pipe(
          Effect.uninterruptible,
          Effect.catchAll(({ message }) =>
            Effect.logWarning(`Cannot keep across a restart which contents are damaged: ${message}`)
          )
        )

      const marks = yield* Effect.catchAll(damageMarks(directory), ({ message }) =>
        Effect.as(
          Effect.logWarning(`Which contents were damaged before is not known: ${message}`),
          new Map<string, string>()
        )
      )
      for (const [sha256, identity] of marks) {
        disproven.set(sha256, identity)
        if (unsafeIsDisproven(sha256)) yield* Effect.logError(`A content is still damaged: ${sha256}`)
      }

      // What is found at the very end is written too.
      yield* Effect.addFinalizer(() => Effect.flatMap(Queue.takeAll(changed), Effect.forEach(keep, { discard: true })))
      yield* Effect.forkScoped(Effect.forever(Effect.flatMap(Queue.take(changed), keep)))

      return {
        all: Effect.sync(() => {
          const damaged = [...disproven.keys()].filter(unsafeIsDisproven)
          return new Map<string, ContentFault>([...damaged.map((hash) => [hash, "damaged"] as const), ...known])
        }),
        found: (sha256, fault) => Effect.sync(() => void known.set(sha256, fault)),
        unsafeDisproven: disprove,
        unsafeIsDisproven,
        over: (sha256) =>
          Effect.sync(() => {
            known.delete(sha256)
            forget(sha256)
          }),
        replace: (faults) =>
          Effect.sync(() => {
            known = new Map(faults)
          })
      }
    })
  )
}
