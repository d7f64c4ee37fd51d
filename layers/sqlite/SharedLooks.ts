/** What the starts of many databases look at once instead of each: what they have in common. */
import { basename, dirname } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { files } from "../machine/files.ts"
import { type Mount, readMountTable } from "../machine/MountTable.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import type { Migration } from "../start/MigrationSource.ts"
import type { SchemaObject } from "./AppliedMigrations/SchemaFingerprint.ts"
import type { IntegrityError } from "./IntegrityError.ts"

/** Without a fleet every start looks for itself. */
export interface Looks {
  readonly mounts: () => ReadonlyArray<Mount>
  /**
   * What the names of files beside a database have after its own. They may be those of some seconds ago, and without
   * what no start looks for. Throws the system's error.
   */
  readonly beside: (file: string) => ReadonlyArray<string>
  /** The same as they are now, for the one that has the write lock of the database. */
  readonly besideNow: (file: string) => Effect.Effect<ReadonlyArray<string>, SystemFailure, FileSystem.FileSystem>
  /** Something is there that `besideNow` did not tell of: the next look reads the directory. */
  readonly forget: (file: string) => void
  /** Runs a replay of these migrations, or gives what it made before. */
  readonly replayed: (
    migrations: ReadonlyArray<Migration>,
    replay: Effect.Effect<ReadonlyArray<SchemaObject>, IntegrityError>
  ) => Effect.Effect<ReadonlyArray<SchemaObject>, IntegrityError>
}

export class SharedLooks extends Context.Reference<SharedLooks>()("database-ready/SharedLooks", {
  defaultValue: (): Looks => ({
    mounts: readMountTable,
    beside: (file) => namesAfter(file, files.names(dirname(file))),
    besideNow: (file) => Effect.map(namesThrough(dirname(file)), (names) => namesAfter(file, names)),
    forget: () => undefined,
    replayed: (_, replay) => replay
  })
}) {}

const namesAfter = (file: string, names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const base = basename(file)
  return names.flatMap((name) => (name.startsWith(base) && name !== base ? [name.slice(base.length)] : []))
}

/** Through the platform: a directory of copies may be on a mount that hangs. */
const namesThrough = (directory: string) =>
  FileSystem.FileSystem.pipe(
    Effect.flatMap((fs) => fs.readDirectory(directory)),
    Effect.mapError(SystemFailure.fromPlatform)
  )

/** What was in a directory. */
interface Listing {
  readonly names: Sorted
  /** When it was read, by the clock of the program. */
  readonly at: number
  /** The same by the system's clock, which writes the times of files. */
  readonly readAt: number
}

/**
 * For databases of one list of migrations. `isDatabase` tells which names no start looks for. A directory of thousands
 * is read once in some seconds, and not by every start. So what lies beside a database may be seen some seconds late: a
 * warning comes with the next start then, and leftovers are removed by it.
 */
export const shareLooks = (isDatabase: (name: string) => boolean, clock: Clock.Clock): Looks => {
  const made = new Map<string, ReadonlyArray<SchemaObject>>()
  const alone = Effect.unsafeMakeSemaphore(1).withPermits(1)
  const listings = new Map<string, Listing>()
  const begin = () => ({ at: clock.unsafeCurrentTimeMillis(), readAt: Date.now() })
  const keep = (directory: string, names: ReadonlyArray<string>, times: ReturnType<typeof begin>): Listing => {
    const listing = { names: sorted(names.filter((name) => !isDatabase(name.replace(/-(?:wal|shm)$/, "")))), ...times }
    listings.set(directory, listing)
    return listing
  }
  const kept = (directory: string): Listing | undefined => {
    const listing = listings.get(directory)
    return listing !== undefined && isRecent(clock, listing) ? listing : undefined
  }
  return {
    mounts: keepFor(clock, readMountTable),
    beside: (file) => {
      const directory = dirname(file)
      const { names } = kept(directory) ?? keep(directory, files.names(directory), begin())
      return endingsIn(names, basename(file))
    },
    besideNow: (file) =>
      Effect.suspend(() => {
        const directory = dirname(file)
        const listing = kept(directory)
        if (listing !== undefined && !isWrittenSince(file, listing.readAt)) {
          return Effect.succeed(endingsIn(listing.names, basename(file)))
        }
        const times = begin()
        return Effect.map(namesThrough(directory), (names) =>
          endingsIn(keep(directory, names, times).names, basename(file))
        )
      }),
    forget: (file) => {
      listings.delete(dirname(file))
    },
    replayed: (migrations, replay) => {
      const key = migrations.map(({ checksum, name, version }) => `${version}_${name} ${checksum}`).join()
      // Not `Effect.cached`: the interruption of one start would be the result of all others.
      const once = Effect.suspend(() => {
        const before = made.get(key)
        if (before !== undefined) return Effect.succeed(before)
        return Effect.tap(replay, (objects) => Effect.sync(() => made.set(key, objects)))
      })
      return Effect.suspend(() => (made.has(key) ? once : alone(once)))
    }
  }
}

/**
 * A process that makes a backup of a database, or restores one, writes the database. Unless it was written since the
 * directory was read, only a process that was killed can have left something beside it.
 */
const isWrittenSince = (file: string, time: number): boolean =>
  ["", "-wal", "-journal"].some((part) => {
    const found = files.stat(`${file}${part}`)
    // A start of ours makes an empty WAL.
    return found !== undefined && found.size > 0 && found.mtimeMs > time - coarsest
  })

/** Milliseconds: the times of a file on FAT are two seconds apart. */
const coarsest = 3000

/** In the order of their code units, so that all with one beginning are neighbours. */
type Sorted = ReadonlyArray<string>

const sorted = (names: ReadonlyArray<string>): Sorted => [...names].sort()

/** What those that begin so have after it, without a look at all of them. */
const endingsIn = (names: Sorted, beginning: string): ReadonlyArray<string> => {
  let [low, high] = [0, names.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((names[middle] ?? "") < beginning) low = middle + 1
    else high = middle
  }
  const endings: Array<string> = []
  for (let name = names[low]; name?.startsWith(beginning) === true; name = names[low]) {
    if (name !== beginning) endings.push(name.slice(beginning.length))
    low += 1
  }
  return endings
}

/** Milliseconds that a look at the machine counts. */
const keptFor = 10_000

/** The wall clock may have been set back. */
const isRecent = (clock: Clock.Clock, { at }: { readonly at: number }): boolean => {
  const now = clock.unsafeCurrentTimeMillis()
  return now >= at && now - at < keptFor
}

const keepFor = <A>(clock: Clock.Clock, look: () => A): (() => A) => {
  let last: { readonly at: number; readonly value: A } | undefined
  return () => {
    if (last === undefined || !isRecent(clock, last)) last = { at: clock.unsafeCurrentTimeMillis(), value: look() }
    return last.value
  }
}
