/** Databases that are open while they are used and for a while after it, and never more than a given number. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { RcMap } from "effect/RcMap"
import * as Scope from "effect/Scope"

/** How many are open, and how long one stays open that nobody uses. */
export interface Bounds {
  readonly idleTimeToLive: Duration.DurationInput
  readonly maxOpen: number
}

/**
 * One opening of a database, from its start until it is closed. It is the key in `RcMap`, so that every opening has a
 * key of its own: `RcMap` keeps a failure as long as a value, and takes an old entry for a new one of the same key.
 */
class Opening {
  users = 0
  isOpen = false
  /** Whether it stays open for a while after its last user. */
  stays = false
  mayCreate = false
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

/** How somebody wants to use a database. */
export interface Use {
  readonly mayCreate: boolean
  readonly stays: boolean
}

/** `start` opens one in its scope, once its turn has come. */
export const openDatabases = Effect.fnUntraced(function* <A, E>(
  { idleTimeToLive, maxOpen }: Bounds,
  start: (name: string, use: Use) => Effect.Effect<A, E, Scope.Scope>
) {
  // Only a fleet needs it: other programs do not load it.
  const rcMap = yield* Effect.promise(() => import("effect/RcMap"))
  const openings = new Map<string, Opening>()
  // In the order in which their last users left them.
  const idle = new Set<Opening>()
  const turns = Effect.unsafeMakeSemaphore(maxOpen)
  let taken = 0
  let waiting = 0

  const forget = (opening: Opening) => {
    idle.delete(opening)
    if (openings.get(opening.name) === opening) openings.delete(opening.name)
  }

  const map: RcMap<Opening, A, E> = yield* rcMap.make({
    lookup: (opening: Opening) =>
      Effect.gen(function* () {
        yield* Effect.acquireRelease(takeTurn, () => giveTurn)
        const opened = yield* start(opening.name, opening)
        // Runs before the other finalizers: from then on no request finds a database that is closing.
        yield* Effect.addFinalizer(() => Effect.sync(() => forget(opening)))
        opening.isOpen = true
        return opened
      }).pipe(Effect.onError(() => Effect.sync(() => forget(opening)))),
    idleTimeToLive
  })

  /**
   * In a fiber of its own: one that closes a scope takes over what its finalizers have of the fibers before them
   * (`FiberRefs`). A fiber that closes one database and opens another would hand that on, and each one keep something
   * of all those before it.
   */
  const close = (opening: Opening) =>
    Effect.suspend(() => {
      forget(opening)
      return Effect.flatMap(Effect.forkDaemon(rcMap.invalidate(map, opening)), Fiber.await)
    }).pipe(Effect.flatten)

  /** If all turns are taken, closes the database that is idle for longest. If none is idle, waits until one is left. */
  const takeTurn = Effect.suspend(() => {
    const [oldest] = taken + waiting < maxOpen ? [] : idle
    waiting += 1
    return Effect.zipRight(
      oldest === undefined ? Effect.void : close(oldest),
      Effect.interruptible(turns.take(1))
    ).pipe(
      Effect.tap(() =>
        Effect.sync(() => {
          taken += 1
        })
      ),
      Effect.ensuring(
        Effect.sync(() => {
          waiting -= 1
        })
      )
    )
  })
  const giveTurn = Effect.suspend(() => {
    taken -= 1
    return turns.release(1)
  })

  const leave = (opening: Opening) =>
    Effect.suspend(() => {
      opening.users -= 1
      if (opening.users > 0) return Effect.void
      // A start that nobody waits for any more ends, like any other.
      if (!opening.isOpen || !opening.stays || waiting > 0) return close(opening)
      idle.add(opening)
      return Effect.void
    })

  const enter = (name: string, { mayCreate, stays }: Use) => {
    const opening = openings.get(name) ?? new Opening(name)
    openings.set(name, opening)
    idle.delete(opening)
    opening.users += 1
    opening.mayCreate ||= mayCreate
    opening.stays ||= stays
    return opening
  }

  const get = (name: string, use: Use): Effect.Effect<A, E, Scope.Scope> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const scope = yield* Effect.scope
        const opening = enter(name, use)
        yield* Scope.addFinalizer(scope, leave(opening))
        return yield* restore(rcMap.get(map, opening))
      })
    )

  const names = Effect.sync(() => [...openings.values()].flatMap(({ isOpen, name }) => (isOpen ? [name] : [])).sort())
  return { get, names }
})
