/** Rows of a log that nobody waits for: what cannot be written at once is written when it can. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export interface LateWriter {
  /** Written when this is done, or as soon as it can be. */
  readonly record: (row: string) => Effect.Effect<void>
  /** How many wait to be written, and how many were lost. */
  readonly state: Effect.Effect<{ readonly waiting: number; readonly lost: number }>
}

/** So many wait at most; the oldest are lost then, and that is said. */
const mostWaiting = 10_000

/** So many are written in one transaction. */
const most = 500

/**
 * Rows are JSON; those of one moment are given to `insert` as one JSON array. Writes what still waits when the scope
 * closes.
 */
export const lateWriter = Effect.fnUntraced(function* (
  what: string,
  insert: (rows: string) => Effect.Effect<unknown, { readonly message: string }>
) {
  const waiting: Array<{ readonly row: string; readonly written: Deferred.Deferred<void> }> = []
  const isWaiting = yield* Effect.makeLatch()
  let isBlocked = false
  let lost = 0

  const writeSome = Effect.gen(function* () {
    const some = waiting.slice(0, most)
    yield* insert(`[${some.map(({ row }) => row).join(",")}]`)
    // Those that were lost meanwhile are not there any more.
    const written = new Set(some)
    waiting.splice(0, waiting.length, ...waiting.filter((one) => !written.has(one)))
    yield* Effect.forEach(some, (one) => Deferred.succeed(one.written, undefined), { discard: true })
    isBlocked = false
  })

  const writeAll = Effect.repeat(
    Effect.suspend(() => (waiting.length === 0 ? Effect.void : writeSome)),
    { until: () => waiting.length === 0 }
  )

  yield* Effect.addFinalizer(() =>
    Effect.catchAll(writeAll, ({ message }) =>
      Effect.logError(`${waiting.length} ${what} could not be recorded: ${message}`)
    )
  )
  yield* isWaiting.await.pipe(
    Effect.zipRight(isWaiting.close),
    Effect.zipRight(writeAll),
    Effect.catchAll(({ message }) =>
      Effect.suspend(() => {
        const isNews = !isBlocked
        isBlocked = true
        return isNews
          ? Effect.logWarning(`The record of ${what} is written later, it cannot be done now: ${message}`)
          : Effect.void
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
        waiting.shift()
        lost += 1
        if (lost === 1) yield* Effect.logError(`${mostWaiting} ${what} wait to be recorded: the oldest are lost`)
      }
      yield* isWaiting.open
      if (isBlocked) return
      yield* Deferred.await(written).pipe(
        Effect.timeoutOption("100 millis"),
        Effect.tap((done) => {
          if (done._tag === "None") isBlocked = true
        })
      )
    }),
    state: Effect.sync(() => ({ waiting: waiting.length, lost }))
  }
  return writer
}) satisfies (...args: never) => Effect.Effect<LateWriter, never, Scope.Scope>
