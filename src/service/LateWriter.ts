/** Writes rows of a log that nobody waits for: at once, or later if that is not possible now. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { othersTurn } from "./inTurns.ts"

export interface LateWriter {
  /** Finishes when they are written, or earlier if that must wait. */
  readonly record: (rows: ReadonlyArray<string>) => Effect.Effect<void>
  /** The same of one row for a caller without a fiber: `written` is called once, at once or later. */
  readonly unsafeRecord: (row: string, written: () => void) => void
  /** How many rows wait to be written, and how many were lost. */
  readonly state: Effect.Effect<{ readonly waiting: number; readonly lost: number }>
}

/** How many rows may wait. Beyond that the oldest are lost, and that is logged. */
const mostWaiting = 10_000

/** How many rows are written in one transaction, which takes some milliseconds. */
const most = 100

/** How long those whose rows are being written wait for it. */
const patience = "100 millis"

/** A row whose writer stopped waiting is still written later. */
const once = (act: () => void): (() => void) => {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    act()
  }
}

/**
 * Rows are JSON. Rows of one moment go to `insert` as one JSON array. Writes what still waits when the scope closes.
 */
export const lateWriter = Effect.fnUntraced(function* (
  what: string,
  insert: (rows: string) => Effect.Effect<unknown, { readonly message: string }>
) {
  const waiting: Array<{ readonly row: string; readonly written: () => void }> = []
  const isWaiting = yield* Effect.makeLatch()
  let isBlocked = false
  let lost = 0
  let hasToldLost = false

  /** Lets nobody wait any more until something was written. */
  const releaseWaiting = Effect.sync(() => {
    isBlocked = true
    for (const { written } of waiting) written()
  })

  const writeSome = Effect.gen(function* () {
    const some = waiting.slice(0, most)
    const overdue = yield* Effect.fork(Effect.delay(releaseWaiting, patience))
    const rows = `[${some.map(({ row }) => row).join(",")}]`
    yield* Effect.ensuring(insert(rows), Fiber.interruptFork(overdue))
    // Rows that were lost meanwhile are gone already.
    const written = new Set(some)
    waiting.splice(0, waiting.length, ...waiting.filter((one) => !written.has(one)))
    for (const { written } of some) written()
    isBlocked = false
    if (waiting.length > 0) yield* othersTurn
  })

  const writeAll = Effect.repeat(
    Effect.suspend(() => (waiting.length === 0 ? Effect.void : writeSome)),
    { until: () => waiting.length === 0 }
  )

  yield* Effect.addFinalizer(() =>
    Effect.catchAll(writeAll, ({ message }) =>
      Effect.zipRight(releaseWaiting, Effect.logError(`Could not record ${waiting.length} ${what}: ${message}`))
    )
  )
  const tellLost = Effect.suspend(() => {
    if (lost === 0 || hasToldLost) return Effect.void
    hasToldLost = true
    return Effect.logError(`${mostWaiting} ${what} wait to be recorded: the oldest are lost`)
  })
  yield* isWaiting.await.pipe(
    Effect.zipRight(isWaiting.close),
    Effect.zipRight(tellLost),
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

  const unsafeRecord: LateWriter["unsafeRecord"] = (row, written) => {
    const entry = { row, written: once(written) }
    waiting.push(entry)
    if (waiting.length > mostWaiting) {
      waiting.shift()?.written()
      lost += 1
    }
    isWaiting.unsafeOpen()
    if (isBlocked) entry.written()
  }

  const writer: LateWriter = {
    record: (rows) =>
      Effect.async((resume) => {
        let left = rows.length
        if (left === 0) resume(Effect.void)
        for (const row of rows) {
          unsafeRecord(row, () => {
            left -= 1
            if (left === 0) resume(Effect.void)
          })
        }
      }),
    unsafeRecord,
    state: Effect.sync(() => ({ waiting: waiting.length, lost }))
  }
  return writer
}) satisfies (...args: never) => Effect.Effect<LateWriter, never, Scope.Scope>
