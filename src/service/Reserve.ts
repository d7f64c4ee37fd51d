/**
 * Keeps space on the disk for reading and deleting. Uploads stop before they use it, and a file holds it against other
 * programs. A deletion that does not fit gives it up, which frees space again.
 */
import { randomBytes } from "node:crypto"
import { open, rename, unlink } from "node:fs/promises"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { makeRoom, StorageFull } from "./Api.ts"
import { type ContentError, lookAt, onDisk } from "./ContentError.ts"
import { ContentStore } from "./ContentStore.ts"
import { isFull } from "./failures.ts"
import { unsafeMonotonicMillis } from "./monotonic.ts"
import { Settings } from "./Settings.ts"
import { give, type StoreOwner } from "./StoreOwner.ts"

export interface Space {
  readonly free: number
  /** Below it uploads are refused. */
  readonly kept: number
  /** Below it health warns. */
  readonly low: number
}

export class Reserve extends Context.Tag("conversation-files/Reserve")<
  Reserve,
  {
    /** Undefined if unknown. */
    readonly space: Effect.Effect<Space | undefined>
    /** Whether the reserve is there, to be given up for a deletion. */
    readonly isHeld: Effect.Effect<boolean>
    /** Fails if so many more bytes would use the reserve. */
    readonly mayStore: (bytes: number) => Effect.Effect<void, StorageFull>
    /** Runs an effect that frees space. If the disk is full, gives up the reserve and tries again. */
    readonly freeing: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  }
>() {
  /** Holds the reserve whenever there is space for it. */
  static readonly layer: Layer.Layer<Reserve, never, ContentStore | Settings> = Layer.scoped(
    Reserve,
    Effect.gen(function* () {
      const { directory, diskSpace, owner } = yield* ContentStore
      const { cleanupInterval, diskReserve, maxFileSize } = yield* Settings
      const file = join(directory, "reserve")
      const clock = yield* Effect.clock

      const space = Effect.map(diskSpace, (seen): Space | undefined => {
        if (seen === undefined) return undefined
        const { free, size } = seen
        // On a small disk only a small part, so that there is something left to use.
        const kept = Math.min(diskReserve, Math.floor(size / 20))
        return { free, kept, low: Math.min(4 * kept + maxFileSize, size / 5) }
      })

      /** What was free a moment ago, without what was promised since. */
      let known: { readonly at: number; readonly kept: number; free: number } | undefined
      /** Returns whether so much is free without another look. */
      const promise = (bytes: number): boolean => {
        if (known === undefined || unsafeMonotonicMillis(clock) - known.at > aMoment) return false
        if (known.free - bytes < known.kept) return false
        known.free -= bytes
        return true
      }

      const hold = Effect.gen(function* () {
        const now = yield* space
        if (now === undefined || now.kept === 0) return
        const held = yield* lookAt(file)
        if (held !== undefined || now.free < 3 * now.kept) return
        yield* onDisk(file, () => allocate(directory, file, now.kept, owner))
      })

      const release = Effect.matchEffect(
        onDisk(file, () => unlink(file)),
        {
          onFailure: () => Effect.succeed(false),
          onSuccess: () => Effect.as(Effect.logWarning("The disk is full: giving up the reserve for a deletion"), true)
        }
      )

      yield* Effect.forkScoped(
        Effect.repeat(
          Effect.catchAll(hold, ({ message }: ContentError) =>
            Effect.logWarning(`Cannot hold space for deleting: ${message}`)
          ),
          Schedule.spaced(cleanupInterval)
        )
      )

      return {
        space,
        isHeld: Effect.match(lookAt(file), { onFailure: () => false, onSuccess: (held) => held !== undefined }),
        mayStore: (bytes) =>
          Effect.suspend(() => {
            if (promise(bytes)) return Effect.void
            return Effect.flatMap(space, (seen) => {
              known = seen === undefined ? undefined : { ...seen, at: unsafeMonotonicMillis(clock) }
              return known === undefined || promise(bytes)
                ? Effect.void
                : new StorageFull({
                    message: `The disk is full, except for the reserve for reading and deleting. ${makeRoom}`
                  })
            })
          }),
        freeing: (effect) =>
          Effect.catchAll(effect, (error) =>
            isFull(error)
              ? Effect.flatMap(release, (released) => (released ? effect : Effect.fail(error)))
              : Effect.fail(error)
          )
      }
    })
  )
}

/** For so long (milliseconds) a look at the disk counts for the uploads that follow. */
const aMoment = 100

/** Written, because a hole takes no space; and with bytes that no filesystem can compress. */
const allocate = async (directory: string, target: string, size: number, owner: StoreOwner): Promise<void> => {
  const partial = join(directory, "incoming", crypto.randomUUID())
  const handle = await open(partial, "wx", 0o600)
  try {
    const chunk = randomBytes(Math.min(size, 1024 * 1024))
    for (let at = 0; at < size; at += chunk.length) {
      await handle.write(chunk, 0, Math.min(chunk.length, size - at))
    }
    await handle.sync()
    await give(partial, "file", owner)
    await rename(partial, target)
  } catch (cause) {
    await unlink(partial).catch(() => undefined)
    throw cause
  } finally {
    await handle.close()
  }
}
