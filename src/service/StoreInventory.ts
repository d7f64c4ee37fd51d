/**
 * Lists the directory of the contents: contents, trash, unfinished uploads, and files of others. Links are never
 * followed. What cannot be looked at is reported, not treated as absent.
 */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { type ContentError, entriesOf, lookAt } from "./ContentError.ts"

export interface Stored {
  /** Bytes. */
  readonly size: number
  /** When it was last written, or moved to the trash (milliseconds). */
  readonly since: number
}

export interface Inventory {
  /** By SHA-256. */
  readonly contents: ReadonlyMap<string, Stored>
  readonly trash: ReadonlyMap<string, Stored>
  /** Uploads under way, or left by a process that is gone; by name. */
  readonly incoming: ReadonlyMap<string, Stored>
  /** Paths within the store that this service did not make. They are left alone. */
  readonly strays: ReadonlyArray<string>
  /** Paths that could not be looked at, so their contents are unknown. */
  readonly unreadable: ReadonlyArray<string>
}

export const isHash = (name: string): boolean => /^[0-9a-f]{64}$/.test(name)

/** The name of an upload before it is a content. */
const isUpload = (name: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name)

/** Files of the store itself, next to the directories. */
const ownFiles = new Set(["identity", "proof", "reserve"])

export const inventoryOf = (directory: string): Effect.Effect<Inventory> =>
  Effect.gen(function* () {
    const contents = new Map<string, Stored>()
    const trash = new Map<string, Stored>()
    const incoming = new Map<string, Stored>()
    const strays: Array<string> = []
    const unreadable: Array<string> = []

    const readable = <A>(path: string, look: Effect.Effect<A, ContentError>): Effect.Effect<A | undefined> =>
      Effect.catchAll(look, () => {
        unreadable.push(path)
        return Effect.succeed(undefined)
      })

    const collect = Effect.fnUntraced(function* (
      folder: string,
      found: Map<string, Stored>,
      isOurs: (name: string) => boolean
    ) {
      const entries = yield* readable(folder, entriesOf(join(directory, folder)))
      yield* Effect.forEach(
        entries ?? [],
        Effect.fnUntraced(function* (entry) {
          const path = join(folder, entry.name)
          if (!entry.isFile() || !isOurs(entry.name)) return strays.push(path)
          const stats = yield* readable(path, lookAt(join(directory, path)))
          // It may be gone since it was listed, or be something else.
          if (stats?.isFile() === true) found.set(entry.name, { size: stats.size, since: stats.mtimeMs })
          return undefined
        }),
        { concurrency: 8, discard: true }
      )
    })

    for (const entry of (yield* readable(".", entriesOf(directory))) ?? []) {
      const { name } = entry
      if (entry.isDirectory()) {
        if (/^[0-9a-f]{2}$/.test(name)) yield* collect(name, contents, (hash) => isHash(hash) && hash.startsWith(name))
        else if (name === "trash") yield* collect(name, trash, isHash)
        else if (name === "incoming") yield* collect(name, incoming, isUpload)
        // Which contents are known to be damaged. The marks themselves are of no interest here.
        else if (name === "damaged") yield* collect(name, new Map(), isHash)
        else strays.push(name)
      } else if (!(entry.isFile() && ownFiles.has(name))) strays.push(name)
    }
    const inventory: Inventory = { contents, trash, incoming, strays, unreadable }
    return inventory
  })

/** Whether the place of this content could not be looked at. */
export const isUnknown = ({ unreadable }: Inventory, sha256: string): boolean =>
  unreadable.some((path) => path === "." || path === sha256.slice(0, 2) || path.endsWith(sha256))
