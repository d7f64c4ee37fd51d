/**
 * Stores contents on the disk, each once, named by its SHA-256: `files/ab/abcdef...`. What arrives is written to
 * `files/incoming` first, and gets its name only when it is whole and flushed. The database decides which contents are
 * wanted. To discard a content, hold its write lock. To commit a row, hold it too, and check that the
 * content is there. So no other process can come in between.
 */
import { lstatSync } from "node:fs"
import { utimes } from "node:fs/promises"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { arrivalsIn } from "./Arrivals.ts"
import { ContentError, lookAt, lookAtBoth, notOurs, onDisk, orUndefined } from "./ContentError.ts"
import { ContentStore, type OpenContent } from "./ContentStore.ts"
import { diskSpaceOf } from "./DiskSpace.ts"
import { DueTime } from "./DueTime.ts"
import type { Received } from "./Incoming.ts"
import { Settings } from "./Settings.ts"
import { shelve } from "./Shelving.ts"
import { inventoryOf, isHash } from "./StoreInventory.ts"
import { give, type StoreOwner, storeOwnerOf } from "./StoreOwner.ts"

/** Contents as files, and what only files need. */
export class ContentFiles extends Context.Tag("conversation-files/ContentFiles")<
  ContentFiles,
  {
    readonly store: Context.Tag.Service<ContentStore>
    /**
     * Before the transaction of the row that wants it: does what takes as long as the disk does. Returns whether it stored
     * a content that was not there, which is to be discarded if no row comes.
     */
    readonly prepare: (received: Received) => Effect.Effect<boolean, ContentError>
    /**
     * Within that transaction: makes sure that the content is there, whole and durable with the row. An existing one is
     * replaced: it may be damaged, and these bytes were just hashed.
     */
    readonly keep: (received: Received) => Effect.Effect<void, ContentError>
    /** Moves a content to the trash, from which it can come back. Call it with the write lock held. */
    readonly putAway: (sha256: string) => Effect.Effect<void, ContentError>
    /** Takes a content back out of the trash; false if it is not there. */
    readonly takeBack: (sha256: string) => Effect.Effect<boolean, ContentError>
    /** Deletes a content from the trash for good. Call it with the write lock held. */
    readonly emptyOf: (sha256: string) => Effect.Effect<void, ContentError>
  }
>() {
  /** Creates the directories, readable only by their owner. Fails with `ContentError`. */
  static readonly layer: Layer.Layer<
    ContentFiles,
    ContentError,
    DueTime | Settings | FileSystem.FileSystem | Path.Path
  > = Layer.effect(
    ContentFiles,
    Effect.gen(function* () {
      const { dataDirectory, maxFileSize, permissions } = yield* Settings
      const { latest } = yield* DueTime
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const directory = path.resolve(dataDirectory, "files")
      const incoming = path.join(directory, "incoming")
      const trash = path.join(directory, "trash")
      const data = path.resolve(dataDirectory)
      yield* Effect.mapError(fs.makeDirectory(data, { recursive: true, mode: 0o700 }), ContentError.from(data))
      const owner = yield* onDisk(data, () => storeOwnerOf(data, permissions))
      yield* makeDirectory(fs, directory, owner)
      yield* makeDirectory(fs, incoming, owner)

      const relativePathOf = (sha256: string) => path.join("files", sha256.slice(0, 2), sha256)
      const pathOf = (sha256: string) =>
        // An earlier system may have stored anything as a hash. Such a value names no content here.
        isHash(sha256) ? path.resolve(dataDirectory, relativePathOf(sha256)) : path.join(directory, "none")
      const inTrash = (sha256: string) => path.join(trash, sha256)
      const remove = (target: string) => Effect.mapError(fs.remove(target, { force: true }), ContentError.from(target))

      /** The bytes of our own file; undefined if there is none. Anything behind a link is not ours. */
      const sizeAt = Effect.fnUntraced(function* (target: string) {
        const [shelf, stats] = yield* lookAtBoth(path.dirname(target), target)
        if (stats === undefined || shelf === undefined) return undefined
        if (!shelf.isDirectory() || !stats.isFile()) return yield* notOurs(target)
        return stats.size
      })

      /** Moves a content between shelf and trash, durably. */
      const move = Effect.fnUntraced(function* (from: string, to: string) {
        const folder = path.dirname(to)
        if ((yield* lookAt(folder)) === undefined) {
          yield* makeDirectory(fs, folder, owner)
          yield* syncDirectory(fs, directory)
        }
        yield* sizeAt(to)
        yield* Effect.mapError(fs.rename(from, to), ContentError.from(from))
        yield* syncDirectory(fs, folder)
        yield* syncDirectory(fs, path.dirname(from))
      })

      const prepare = ({ path: from, sha256 }: Received) =>
        onDisk(pathOf(sha256), () => shelve({ directory, incoming, owner }, from, pathOf(sha256)))

      const open = Effect.fnUntraced(function* (sha256: string) {
        const target = pathOf(sha256)
        if ((yield* sizeAt(target)) === undefined) yield* takeBack(sha256)
        const file = yield* Effect.mapError(fs.open(target), ContentError.from(target))
        const info = yield* Effect.mapError(file.stat, ContentError.from(target))
        const identity = identityOf(
          Option.getOrUndefined(info.ino),
          Number(info.size),
          Option.getOrUndefined(info.mtime)
        )
        const content: OpenContent = {
          file,
          path: target,
          size: Number(info.size),
          identity,
          unsafeIsThere: () => unsafeIdentityOf(sha256) === identity
        }
        return content
      })

      const unsafeIdentityOf = (sha256: string): string | undefined => {
        try {
          const now = lstatSync(pathOf(sha256), { throwIfNoEntry: false })
          return now === undefined ? undefined : identityOf(now.ino, now.size, now.mtime)
        } catch {
          return "unknown"
        }
      }

      /**
       * Whether a content is there with so many bytes; false if that cannot be seen. Asks the system without waiting for a
       * turn, because nobody else can write meanwhile: for right after `prepare`, with the write lock held.
       */
      const unsafeIsKept = ({ sha256, size }: Received): boolean => {
        try {
          const target = pathOf(sha256)
          const stats = lstatSync(target, { throwIfNoEntry: false })
          return stats?.isFile() === true && stats.size === size && lstatSync(path.dirname(target)).isDirectory()
        } catch {
          return false
        }
      }

      const takeBack = Effect.fnUntraced(function* (sha256: string) {
        if (!isHash(sha256) || (yield* sizeAt(inTrash(sha256))) === undefined) return false
        const moved = yield* orUndefined(Effect.as(move(inTrash(sha256), pathOf(sha256)), true))
        return moved ?? false
      })

      const putAway = Effect.fnUntraced(function* (sha256: string) {
        const from = pathOf(sha256)
        if ((yield* sizeAt(from)) === undefined) return
        const now = new Date(yield* latest)
        // Its time in the trash is counted from when it was moved there.
        yield* onDisk(from, () => utimes(from, now, now))
        yield* move(from, inTrash(sha256))
      })

      const store: Context.Tag.Service<ContentStore> = {
        directory,
        owner,
        ...arrivalsIn({ incoming, owner, maxFileSize }),
        discard: (sha256) => Effect.flatMap(sizeAt(pathOf(sha256)), () => remove(pathOf(sha256))),
        sizeOf: (sha256) => sizeAt(pathOf(sha256)),
        unsafeIdentityOf,
        open,
        relativePathOf,
        inventory: inventoryOf(directory),
        forgetUpload: (name) => remove(path.join(incoming, name)),
        diskSpace: diskSpaceOf(directory)
      }
      return {
        store,
        prepare,
        // Somebody may have discarded or damaged it since.
        keep: (received) =>
          Effect.suspend(() => (unsafeIsKept(received) ? Effect.void : Effect.asVoid(prepare(received)))),
        putAway,
        takeBack,
        emptyOf: (sha256) => remove(inTrash(sha256))
      }
    })
  )

  /** Them as the store of the service. */
  static readonly store = Layer.effect(
    ContentStore,
    Effect.map(ContentFiles, ({ store }) => store)
  )
}

/** Without its device, whose number may be another one after a restart. */
const identityOf = (inode: number | undefined, size: number, changed: Date | undefined): string =>
  `${inode ?? 0} ${size} ${changed?.getTime() ?? 0}`

/** An existing directory keeps its owner and its mode. */
const makeDirectory = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, folder: string, owner: StoreOwner) {
  if ((yield* lookAt(folder)) !== undefined) return
  yield* Effect.mapError(fs.makeDirectory(folder, { recursive: true, mode: 0o700 }), ContentError.from(folder))
  yield* onDisk(folder, () => give(folder, "directory", owner))
})

/** Flushes the entries of a directory, so that a name in it survives a power loss. */
const syncDirectory = (fs: FileSystem.FileSystem, folder: string): Effect.Effect<void, ContentError> =>
  fs.open(folder).pipe(
    Effect.flatMap(({ sync }) => sync),
    Effect.scoped,
    Effect.mapError(ContentError.from(folder))
  )
