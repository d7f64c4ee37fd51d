/** What the starts of many databases look at once instead of each: what they have in common. */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { files } from "../machine/files.ts"
import { type Mount, readMountTable } from "../machine/MountTable.ts"
import type { Migration } from "../start/MigrationSource.ts"
import type { SchemaObject } from "./AppliedMigrations/SchemaFingerprint.ts"
import type { IntegrityError } from "./IntegrityError.ts"

/** Without a fleet every start looks for itself. */
export interface Looks {
  readonly mounts: () => ReadonlyArray<Mount>
  /** The names in a directory; those that no start looks for may be missing. Throws the system's error. */
  readonly namesIn: (directory: string) => ReadonlyArray<string>
  /** Runs a replay of these migrations, or gives what it made before. */
  readonly replayed: (
    migrations: ReadonlyArray<Migration>,
    replay: Effect.Effect<ReadonlyArray<SchemaObject>, IntegrityError>
  ) => Effect.Effect<ReadonlyArray<SchemaObject>, IntegrityError>
}

export class SharedLooks extends Context.Reference<SharedLooks>()("database-ready/SharedLooks", {
  defaultValue: (): Looks => ({
    mounts: readMountTable,
    namesIn: files.names,
    replayed: (_, replay) => replay
  })
}) {}

/**
 * For databases of one list of migrations. `isDatabase` tells which names no start looks for: in a directory of
 * thousands every start would go through all of them. What lies beside a database may be seen some seconds late: a
 * warning comes with the next start then, and leftovers are removed by it.
 */
export const shareLooks = (isDatabase: (name: string) => boolean, clock: Clock.Clock): Looks => {
  const made = new Map<string, ReadonlyArray<SchemaObject>>()
  const alone = Effect.unsafeMakeSemaphore(1).withPermits(1)
  const mounts = keepFor(clock, readMountTable)
  const listings = new Map<string, () => ReadonlyArray<string>>()
  return {
    mounts,
    namesIn: (directory) => {
      const known = listings.get(directory)
      if (known !== undefined) return known()
      const looked = keepFor(clock, () =>
        files.names(directory).filter((name) => !isDatabase(name.replace(/-(?:wal|shm)$/, "")))
      )
      listings.set(directory, looked)
      return looked()
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

/** Milliseconds that a look at the machine counts. */
const keptFor = 10_000

const keepFor = <A>(clock: Clock.Clock, look: () => A): (() => A) => {
  let last: { readonly at: number; readonly value: A } | undefined
  return () => {
    const now = clock.unsafeCurrentTimeMillis()
    // The wall clock may have been set back.
    if (last === undefined || now < last.at || now - last.at >= keptFor) last = { at: now, value: look() }
    return last.value
  }
}
