/** Long work of fibers, with turns for others in between. */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { unsafeMonotonicMillis } from "./monotonic.ts"

/** Those who wait for their turn, the first to come first. */
const waiting = new Set<() => void>()
let isArranged = false

const arrange = () => {
  if (isArranged || waiting.size === 0) return
  isArranged = true
  setImmediate(() => {
    isArranged = false
    const [first] = waiting
    if (first !== undefined) {
      waiting.delete(first)
      first()
    }
    arrange()
  })
}

/**
 * Waits until everything in the event loop had its turn. A fiber's own yield mostly gives way only to other fibers. Only
 * one of those who wait goes on per turn of the loop: otherwise all steps of many long requests would be one long wait.
 */
export const othersTurn: Effect.Effect<void> = Effect.async((resume) => {
  const mine = () => resume(Effect.void)
  waiting.add(mine)
  arrange()
  return Effect.sync(() => void waiting.delete(mine))
})

let isTaken = false

/** Begins work that takes a while. Nobody waits for it alone, but only one begins per turn of the loop. */
export const ownTurn: Effect.Effect<void> = Effect.suspend(() => {
  if (isTaken || waiting.size > 0) return othersTurn
  isTaken = true
  setImmediate(() => {
    isTaken = false
  })
  return Effect.void
})

/** Milliseconds of work after which others get their turn. */
const slice = 5

/** When work in slices began in this turn of the event loop. */
let begun: number | undefined

/** Whether work in slices, of whatever fibers, has taken long enough in this turn of the event loop. */
const isSliceOver = (clock: Clock.Clock): boolean => {
  const now = unsafeMonotonicMillis(clock)
  if (begun === undefined) {
    begun = now
    setImmediate(() => {
      begun = undefined
    })
  }
  return now - begun >= slice
}

/** To be run between the steps of long work: others get their turn if the steps of this one took a while. */
export const othersTurnIfDue: Effect.Effect<void> = Effect.flatMap(Effect.clock, (clock) =>
  isSliceOver(clock) ? othersTurn : Effect.void
)

/** One after the other, like `Effect.forEach`. Others get their turn first, and whenever the items took a while. */
export const inTurns = <A, B, E, R>(
  items: Iterable<A>,
  work: (item: A) => Effect.Effect<B, E, R>
): Effect.Effect<ReadonlyArray<B>, E, R> =>
  Effect.zipRight(
    othersTurn,
    Effect.forEach(items, (item) => Effect.zipRight(othersTurnIfDue, work(item)))
  )

/** Milliseconds after which a transaction of many steps ends: everybody who reads or writes waits for it. */
const longest = 100

/**
 * The same, until it has taken long. There are as many results as items that were done: at least one, if there is one.
 * The rest is left for the next transaction.
 */
export const someInTurns = <A, B, E, R>(
  items: ReadonlyArray<A>,
  work: (item: A) => Effect.Effect<B, E, R>
): Effect.Effect<ReadonlyArray<B>, E, R> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const begun = unsafeMonotonicMillis(clock)
    const done: Array<B> = []
    yield* othersTurn
    for (const item of items) {
      if (done.length > 0 && unsafeMonotonicMillis(clock) - begun >= longest) break
      yield* othersTurnIfDue
      done.push(yield* work(item))
    }
    return done
  })

/** Runs a generator to its end. Others get their turn whenever its steps took a while. */
export const runInSlices = <A>(steps: Iterator<unknown, A>): Effect.Effect<A> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done === true) return step.value
      if (isSliceOver(clock)) yield* othersTurn
    }
  })

/** What is made of each item, in slices. For work that needs only memory. */
export const inSlices = <A, B>(items: ReadonlyArray<A>, work: (item: A) => B): Effect.Effect<ReadonlyArray<B>> =>
  runInSlices(each(items, work))

function* each<A, B>(items: ReadonlyArray<A>, work: (item: A) => B): Generator<undefined, ReadonlyArray<B>> {
  const made: Array<B> = []
  for (const item of items) {
    made.push(work(item))
    yield undefined
  }
  return made
}

/** How many of a large collection are looked at in one turn. */
const inMemory = 5000

/** What is made of each item, without the undefined. For work that needs only memory. */
export const collectInTurns = <A, B>(
  items: Iterable<A>,
  work: (item: A) => B | undefined
): Effect.Effect<ReadonlyArray<B>> =>
  Effect.gen(function* () {
    const found: Array<B> = []
    let count = 0
    for (const item of items) {
      const made = work(item)
      if (made !== undefined) found.push(made)
      count += 1
      if (count % inMemory === 0) yield* othersTurn
    }
    return found
  })
