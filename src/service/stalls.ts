/**
 * What may come at once because the event loop stood still: clients went on sending one by one meanwhile, and all of it is
 * read in one turn.
 */

/** How often the event loop shows that it turns (milliseconds). */
const beat = 20

/**
 * Chunks that may be made up for, for each millisecond, by all connections together. To read one takes up to 10 µs, so
 * making up for a stall takes a tenth of it.
 */
const perMillisecond = 10

/** Nothing is late while nobody watches. */
let last = Number.POSITIVE_INFINITY
let granted = 0
let taken = 0

const late = (): number => performance.now() - last - beat

/** Watches the event loop until the returned function is called. */
export const watchStalls = (): (() => void) => {
  last = performance.now()
  const timer = setInterval(() => {
    granted = late() * perMillisecond
    taken = 0
    last = performance.now()
  }, beat).unref()
  return () => {
    clearInterval(timer)
    last = Number.POSITIVE_INFINITY
  }
}

/** Takes one of the chunks that a stall explains. False if there is none left. */
export const takeLateChunk = (): boolean => {
  // The stall may have been in this very turn, whose timers come later.
  if (taken >= Math.max(granted, late() * perMillisecond)) return false
  taken += 1
  return true
}
