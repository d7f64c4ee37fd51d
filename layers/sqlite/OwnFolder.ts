/** A folder for files that are thrown away or renamed. Its lock tells whether a killed process left it. */
import { randomBytes } from "node:crypto"
import { basename, dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import { files, trySync } from "../machine/files.ts"
import type { SystemFailure } from "../machine/SystemFailure.ts"
import { lockForFolder } from "./LockFile.ts"
import { isLock } from "./Sqlite.ts"

/** Where a folder goes, and what is in it. */
interface FolderPlace {
  /** Its path, to which a random part is added. */
  readonly stem: string
  /** The names of the files in it. Nothing else is ever deleted. */
  readonly contents: RegExp
  /** Only this user can enter it. */
  readonly isPrivate: boolean
}

/**
 * Gives the path of a new folder, which goes with the scope. First it makes and takes a lock, `FOLDER.partial`, which
 * ends with its process: a lock that is there and free is that of a killed process, and its folder is deleted first.
 * A folder without a lock is never touched.
 */
export const ownFolder = Effect.fnUntraced(function* (place: FolderPlace) {
  yield* clearFolders(place)
  const folder = yield* Effect.retry(newLocked(place.stem), { times: 5, while: ({ code }) => isLock(code) })
  yield* Effect.acquireRelease(
    trySync(() => (place.isPrivate ? files.makePrivateDirectory(folder) : files.makeDirectory(folder))),
    () => Effect.catchAll(removeFolder(folder, place.contents), (failure) => warn(folder, failure))
  )
  return folder
})

/** Between making a lock and taking it, another run may take it for one that a killed process left. */
const newLocked = (stem: string) =>
  Effect.suspend(() => {
    const folder = `${stem}.${randomBytes(6).toString("hex")}`
    return Effect.as(lockForFolder(folder), folder)
  })

const lockName = /^\.[\da-f]{12}\.partial$/

/** Deletes the folders of killed processes at this place. */
export const clearFolders = Effect.fnUntraced(function* (place: FolderPlace) {
  const [directory, name] = [dirname(place.stem), basename(place.stem)]
  const names = yield* Effect.catchAll(
    trySync(() => files.names(directory)),
    ({ detail }) =>
      Effect.as(Effect.logWarning(`What killed runs left in ${directory} could not be looked for: ${detail}`), [])
  )
  const locks = names.filter((other) => other.startsWith(name) && lockName.test(other.slice(name.length)))
  const folders = locks.map((lock) => join(directory, lock).replace(/\.partial$/, ""))
  yield* Effect.forEach(folders, (folder) => clearFolder(folder, place), { discard: true })
})

const clearFolder = (folder: string, { contents }: FolderPlace) =>
  Effect.gen(function* () {
    // In a directory of all users a lock may be another user's: it is left alone.
    if (!(yield* trySync(() => isOurs(`${folder}.partial`)))) return
    yield* Effect.scoped(Effect.zipRight(lockForFolder(folder), removeFolder(folder, contents)))
  }).pipe(Effect.catchAll((failure) => (isLock(failure.code) ? Effect.void : warn(folder, failure))))

const removeFolder = (folder: string, contents: RegExp) =>
  trySync(() => {
    if (files.lstat(folder)?.isDirectory() !== true || !isOurs(folder)) return
    for (const name of files.names(folder)) if (contents.test(name)) files.remove(join(folder, name))
    files.removeDirectory(folder)
  })

const isOurs = (path: string): boolean => {
  const user = process.getuid?.()
  return user === undefined || files.lstat(path)?.uid === user
}

const warn = (folder: string, { detail }: Pick<SystemFailure, "detail">) =>
  Effect.logWarning(`${folder} could not be deleted: ${detail}`)
