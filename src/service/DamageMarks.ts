/**
 * Which contents were read and found damaged, kept across restarts: a small file for each in `files/damaged`, so that
 * several processes never write the same one. It says which file was read. Another file in its place is not known to be
 * damaged.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { type ContentError, entriesOf, lookAt, notOurs, onDisk, orUndefined } from "./ContentError.ts"
import { isHash } from "./StoreInventory.ts"
import { give, type StoreOwner } from "./StoreOwner.ts"

/** The folder; undefined if there is none. What is behind a link is not ours. */
const folderOf = Effect.fnUntraced(function* (directory: string) {
  const folder = join(directory, "damaged")
  const stats = yield* lookAt(folder)
  if (stats?.isDirectory() === false) return yield* notOurs(folder)
  return stats === undefined ? undefined : folder
})

/** The identities of the files that were read, by the SHA-256 of the content. What is not a mark is left out. */
export const damageMarks = (directory: string): Effect.Effect<ReadonlyMap<string, string>, ContentError> =>
  Effect.gen(function* () {
    const folder = yield* folderOf(directory)
    const marks = new Map<string, string>()
    if (folder === undefined) return marks
    for (const entry of (yield* entriesOf(folder)) ?? []) {
      if (!entry.isFile() || !isHash(entry.name)) continue
      const path = join(folder, entry.name)
      const text = yield* orUndefined(onDisk(path, () => readFile(path, "utf8")))
      if (text !== undefined) marks.set(entry.name, text.trim())
    }
    return marks
  })

/** Writes the mark of a content. */
export const markDamaged = Effect.fnUntraced(function* (
  directory: string,
  sha256: string,
  identity: string,
  owner: StoreOwner
) {
  const folder = (yield* folderOf(directory)) ?? (yield* makeFolder(directory, owner))
  const path = join(folder, sha256)
  yield* onDisk(path, async () => {
    // Removed first: it may belong to another user of the group, and only that user may change its mode.
    await rm(path, { force: true })
    await writeFile(path, `${identity}\n`, { mode: 0o600, flag: "wx" })
    await give(path, "file", owner)
  })
})

const makeFolder = (directory: string, owner: StoreOwner) => {
  const folder = join(directory, "damaged")
  return onDisk(folder, async () => {
    if ((await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined) await give(folder, "directory", owner)
    return folder
  })
}

/** Removes the mark of a content, if there is one. */
export const unmarkDamaged = Effect.fnUntraced(function* (directory: string, sha256: string) {
  const folder = yield* folderOf(directory)
  if (folder === undefined) return
  const path = join(folder, sha256)
  yield* onDisk(path, () => rm(path, { force: true }))
})
