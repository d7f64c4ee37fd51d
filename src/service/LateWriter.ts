/** Writes rows of a log that nobody waits for: at once, or later if that is not possible now. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

export interface LateWriter {
  /** Finishes when it is written, or earlier if that must wait. */
  readonly record: (row: string) => Effect.Effect<void>
  /** How many rows wait to be written, and how many were lost. */
  readonly state: Effect.Effect<{ readonly waiting: number; readonly lost: number }>
}

/** How many rows may wait. Beyond that the oldest are lost, and that is logged. */
const mostWaiting = 10_000

/** How many rows are written in one transaction. */
const most = 500

/** How long those whose rows are being written wait for it. */
const patience = "100 millis"

/**
 * Rows are JSON. Rows of one moment go to `insert` as one JSON array. Writes what still waits when the scope closes.
 */
export const lateWriter = Effect.fnUntraced(function* (
  what: string,
  insert: (rows: string) => Effect.Effect<unknown, { readonly message: string }>
) {
  const waiting: Array<{ readonly row: string; readonly written: Deferred.Deferred<void> }> = []
  const isWaiting = yield* Effect.makeLatch()
  let isBlocked = false
  let lost = 0

  /** Lets nobody wait any more until something was written. */
  const releaseWaiting = Effect.sync(() => {
    isBlocked = true
    for (const { written } of waiting) Deferred.unsafeDone(written, Effect.void)
  })

  const writeSome = Effect.gen(function* () {
    const some = waiting.slice(0, most)
    const overdue = yield* Effect.fork(Effect.delay(releaseWaiting, patience))
    const rows = `[${some.map(({ row }) => row).join(",")}]`
    yield* Effect.ensuring(insert(rows), Fiber.interruptFork(overdue))
    // Rows that were lost meanwhile are gone already.
    const written = new Set(some)
    waiting.splice(0, waiting.length, ...waiting.filter((one) => !written.has(one)))
    for (const one of some) Deferred.unsafeDone(one.written, Effect.void)
    isBlocked = false
  })

  const writeAll = Effect.repeat(
    Effect.suspend(() => (waiting.length === 0 ? Effect.void : writeSome)),
    { until: () => waiting.length === 0 }
  )

  yield* Effect.addFinalizer(() =>
    Effect.catchAll(writeAll, ({ message }) =>
      Effect.logError(`Could not record ${waiting.length} ${what}: ${message}`)
    )
  )
  yield* isWaiting.await.pipe(
    Effect.zipRight(isWaiting.close),
    Effect.zipRight(writeAll),
    Effect.catchAll(({ message }) =>
      Effect.suspend(() => {
        const isNews = !isBlocked
        return Effect.zipRight(
          releaseWaiting,
          isNews ? Effect.logWarning(`Cannot record ${what} now, trying again later: ${message}`) : Effect.void
        )
      }).pipe(Effect.zipRight(Effect.sleep("1 second")), Effect.zipRight(isWaiting.open))
    ),
    Effect.forever,
    Effect.forkScoped
  )

  const writer: LateWriter = {
    record: Effect.fnUntraced(function* (row) {
      const written = yield* Deferred.make<void>()
      waiting.push({ row, written })
      if (waiting.length > mostWaiting) {
        const oldest = waiting.shift()
        if (oldest !== undefined) Deferred.unsafeDone(oldest.written, Effect.void)
        lost += 1
        if (lost === 1) yield* Effect.logError(`${mostWaiting} ${what} wait to be recorded: the oldest are lost`)
      }
      yield* isWaiting.open
      if (isBlocked) return
      yield* Deferred.await(written)
    }),
    state: Effect.sync(() => ({ waiting: waiting.length, lost }))
  }
  return writer
}) satisfies (...args: never) => Effect.Effect<LateWriter, never, Scope.Scope>
