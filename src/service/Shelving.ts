/** Gives what has arrived its name as a content, durably. Plain calls, as in `Incoming.ts`. */
import { randomUUID } from "node:crypto"
import { closeSync, constants, fsync, link, mkdir, open, rename, unlink } from "node:fs"
import { lstat } from "node:fs/promises"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import * as Predicate from "effect/Predicate"
import { notOurs } from "./ContentError.ts"
import { give, type StoreOwner } from "./StoreOwner.ts"

interface Store {
  /** The directory of the contents. */
  readonly directory: string
  /** The directory of what arrives. */
  readonly incoming: string
  readonly owner: StoreOwner
}

const disk = {
  fsync: promisify(fsync),
  link: promisify(link),
  mkdir: promisify(mkdir),
  open: promisify(open),
  rename: promisify(rename),
  unlink: promisify(unlink)
}

/** Fails if it is a link or no directory: such a shelf is not ours. */
const folder = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

/** Moves a file into its place. An existing one is replaced. Returns whether there was none. */
export const shelve = async (store: Store, from: string, to: string): Promise<boolean> => {
  const shelf = await openShelf(store, dirname(to))
  if (shelf === undefined) throw notOurs(to)
  try {
    const isNew = await linkNew(from, to)
    const wasThere = !isNew && (await replace(store, from, to))
    await disk.fsync(shelf)
    return !wasThere
  } finally {
    // Nothing is written through it, so closing waits for nothing.
    closeSync(shelf)
  }
}

const openShelf = async ({ directory, owner }: Store, shelf: string): Promise<number | undefined> => {
  try {
    return await disk.open(shelf, folder)
  } catch (cause) {
    if (codeOf(cause) === "ENOTDIR" || codeOf(cause) === "ELOOP") return undefined
    if (codeOf(cause) !== "ENOENT") throw cause
  }
  await disk.mkdir(shelf, { recursive: true, mode: 0o700 })
  await give(shelf, "directory", owner)
  // This one may be a link: to another disk, for example.
  const above = await disk.open(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await disk.fsync(above)
  } finally {
    closeSync(above)
  }
  return disk.open(shelf, folder)
}

/** A second name, so that it can be linked again if somebody discards it before there is a row. */
const linkNew = async (from: string, to: string): Promise<boolean> => {
  try {
    await disk.link(from, to)
    return true
  } catch (cause) {
    if (codeOf(cause) === "EEXIST") return false
    throw cause
  }
}

/** Returns whether one was there; somebody may have discarded it meanwhile. */
const replace = async ({ incoming }: Store, from: string, to: string): Promise<boolean> => {
  const before = await lstat(to).catch((cause: unknown) => {
    if (codeOf(cause) === "ENOENT") return undefined
    throw cause
  })
  if (before !== undefined && !before.isFile()) throw notOurs(to)
  const second = join(incoming, randomUUID())
  try {
    await disk.link(from, second)
    await disk.rename(second, to)
  } finally {
    // rename(2) leaves both names if they are links to the same file.
    await disk.unlink(second).catch(() => undefined)
  }
  return before !== undefined
}

const codeOf = (cause: unknown): string => (Predicate.hasProperty(cause, "code") ? String(cause.code) : "")
