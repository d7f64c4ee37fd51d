/**
 * Runs the fibers of a process in slices. Effect's own scheduler runs everything that is ready in one turn of the event
 * loop. When many requests get their results at once, that is one long wait for a probe, which needs no fiber.
 */
import type { RuntimeFiber } from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"

/** Milliseconds of the work of fibers in one turn of the event loop. What is left over goes on in the next. */
const slice = 4

export class SlicedScheduler implements Scheduler.Scheduler {
  /** Those that are next, and the first of them that has not run. */
  private ready: Array<Scheduler.Task> = []
  private at = 0
  /** Those behind them. */
  private readonly behind = new Scheduler.PriorityBuckets()
  private isArranged = false
  /** When the first of this turn began. */
  private begun: number | undefined

  shouldYield(fiber: RuntimeFiber<unknown, unknown>): number | false {
    return Scheduler.defaultScheduler.shouldYield(fiber)
  }

  scheduleTask(task: Scheduler.Task, priority: number): void {
    this.behind.scheduleTask(task, priority)
    if (this.isArranged) return
    this.isArranged = true
    if (this.isSliceOver()) setImmediate(this.runSlice)
    else void Promise.resolve().then(this.runSlice)
  }

  private readonly runSlice = (): void => {
    this.begin()
    do {
      const task = this.next()
      if (task === undefined) {
        this.isArranged = false
        return
      }
      task()
    } while (!this.isSliceOver())
    setImmediate(this.runSlice)
  }

  private next(): Scheduler.Task | undefined {
    if (this.at >= this.ready.length) {
      this.ready = this.behind.buckets.flatMap(([, tasks]) => tasks)
      this.behind.buckets = []
      this.at = 0
    }
    return this.ready[this.at++]
  }

  /** Begins the slice of this turn, unless it has begun. Returns when that was. */
  private begin(): number {
    if (this.begun === undefined) {
      this.begun = performance.now()
      setImmediate(() => {
        this.begun = undefined
      })
    }
    return this.begun
  }

  private isSliceOver(): boolean {
    return performance.now() - this.begin() >= slice
  }
}
