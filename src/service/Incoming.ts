/** Writes what arrives to the disk, under a name of its own, while hashing it. */
import { createHash, randomUUID } from "node:crypto"
import { unlink } from "node:fs/promises"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { tooLarge } from "./Api.ts"
import { ContentError, onDisk, orUndefined } from "./ContentError.ts"
import { give, type StoreOwner } from "./StoreOwner.ts"

/** What has arrived, whole and flushed, but is not a content yet. */
export interface Received {
  readonly path: string
  /** In hexadecimal. */
  readonly sha256: string
  /** Bytes. */
  readonly size: number
}

interface Place {
  readonly fs: FileSystem.FileSystem
  readonly path: Path.Path
  /** The directory of what arrives. */
  readonly incoming: string
  readonly owner: StoreOwner
  /** Bytes. */
  readonly maxFileSize: number
}

export const receiveInto =
  ({ fs, incoming, maxFileSize, owner, path }: Place) =>
  <E>(content: Stream.Stream<Uint8Array, E>) =>
    Effect.gen(function* () {
      const target = path.join(incoming, randomUUID())
      const failed = Effect.mapError(ContentError.from(target))
      yield* Effect.addFinalizer(() => Effect.ignoreLogged(orUndefined(onDisk(target, () => unlink(target)))))
      const { sha256, size } = yield* Effect.scoped(
        Effect.gen(function* () {
          const file = yield* failed(fs.open(target, { flag: "wx", mode: 0o600 }))
          yield* onDisk(target, () => give(target, "file", owner))
          const hash = createHash("sha256")
          let size = 0
          const take = (chunk: Uint8Array): Effect.Effect<void, ContentError> => {
            size += chunk.length
            if (size > maxFileSize) return Effect.void
            hash.update(chunk)
            return failed(file.writeAll(chunk))
          }
          yield* Stream.runForEach(content, take)
          if (size > maxFileSize) return yield* tooLarge(maxFileSize)
          yield* failed(file.sync)
          return { sha256: hash.digest("hex"), size }
        })
      )
      const received: Received = { path: target, sha256, size }
      return received
    })
