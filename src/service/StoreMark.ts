/** The file `files/identity`: which database the contents belong to, and how far it was when they were last used. */
import { open, readFile, rename, stat, unlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { type ContentError, onDisk, orUndefined } from "./ContentError.ts"
import { give, type StoreOwner } from "./StoreOwner.ts"

export const StoreMark = Schema.Struct({
  /** The same as in the database. */
  identity: Schema.String,
  /** Set by the last start on both: an older copy of either has another one. */
  stamp: Schema.String,
  /** Events that the database had recorded: an older copy has fewer. */
  events: Schema.Number,
  /** The database's inode: another file has another one. */
  inode: Schema.Number,
  /** Until then (milliseconds) no sweep moves anything. */
  quietUntil: Schema.Number
})

export type StoreMark = typeof StoreMark.Type

const decode = Schema.decodeUnknownEither(Schema.parseJson(StoreMark))

const markIn = (directory: string): string => join(directory, "identity")

/** `damaged` if it is not a file of ours; undefined if there is none. */
export const readMark = (directory: string): Effect.Effect<StoreMark | "damaged" | undefined, ContentError> =>
  orUndefined(onDisk(markIn(directory), () => readFile(markIn(directory), "utf8"))).pipe(
    Effect.map((text) => (text === undefined ? undefined : Either.getOrElse(decode(text), () => "damaged" as const))),
    Effect.catchIf(
      ({ code }) => code === "EISDIR",
      () => Effect.succeed("damaged" as const)
    )
  )

/** Writes all of it or nothing, flushed when this finishes. */
export const writeMark = (directory: string, mark: StoreMark, owner: StoreOwner): Effect.Effect<void, ContentError> => {
  const target = markIn(directory)
  // A name of its own per process, because two may write at once.
  const partial = join(directory, "incoming", crypto.randomUUID())
  return onDisk(target, async () => {
    try {
      await writeFile(partial, `${JSON.stringify(mark)}\n`, { mode: 0o600, flush: true })
      await give(partial, "file", owner)
      await rename(partial, target)
    } catch (cause) {
      await unlink(partial).catch(() => undefined)
      throw cause
    }
    const folder = await open(directory)
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  })
}

/**
 * Zero if the filesystem has no lasting inode. The file is only looked at, never opened: closing it would drop SQLite's
 * locks.
 */
export const inodeOf = (file: string): Effect.Effect<number, ContentError> =>
  Effect.map(orUndefined(onDisk(file, () => stat(file))), (stats) => stats?.ino ?? 0)
