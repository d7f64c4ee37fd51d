/**
 * Work that begins in turns, such as requests. Each is worked on without a pause until it waits for something, so that
 * all that are there at once would be one long wait for probes.
 */

/** Milliseconds of such work in one turn of the event loop, after which the others begin in the next. */
const slice = 2

/** How many begin in one turn, however quick they are. */
const atOnce = 16

export class Beginnings {
  /** Those that have not begun, the first to come first. */
  private readonly waiting: Array<() => void> = []
  /** Places in the next turn of the event loop. */
  private next = 0
  /** Places in this turn that nobody has taken. */
  private left = 0
  /** When the first place of this turn was taken (milliseconds). */
  private since = 0
  private isHurried = false

  /** Begins when those before it have begun, as soon as a turn has time for it. */
  inTurn(begin: () => void): void {
    if (this.isHurried) {
      begin()
      return
    }
    this.waiting.push(begin)
    if (this.left === 0) this.arrange()
  }

  /** From now on each begins at once, as do those that wait. */
  hurry(): void {
    this.isHurried = true
    for (const begin of this.waiting.splice(0)) begin()
  }

  private arrange(): void {
    while (this.next < Math.min(atOnce, this.waiting.length)) {
      this.next += 1
      // A callback for each: between two of them Node.js runs what the first has begun.
      setImmediate(() => this.takePlace())
    }
  }

  private takePlace(): void {
    const now = performance.now()
    if (this.left === 0) {
      this.left = this.next
      this.next = 0
      this.since = now
    }
    this.left -= 1
    const begin = now - this.since < slice ? this.waiting.shift() : undefined
    if (this.left === 0) this.arrange()
    begin?.()
  }
}
