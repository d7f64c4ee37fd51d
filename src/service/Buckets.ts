/** Rate limits: one bucket of permissions per caller, refilled over time, in a table of fixed size. */

interface Bucket {
  permissions: number
  filledAt: number
}

export class Buckets {
  private readonly perSecond: number
  private readonly mostCallers: number
  private readonly buckets = new Map<string, Bucket>()

  /**
   * Allows twice as many at once as in a second. Beyond `mostCallers` the caller that asked longest ago is forgotten.
   */
  constructor(perSecond: number, mostCallers: number) {
    this.perSecond = perSecond
    this.mostCallers = mostCallers
  }

  /** Takes one permission. Returns 0, or the seconds until there is one. */
  take(caller: string, now: number): number {
    const most = 2 * this.perSecond
    const known = this.buckets.get(caller)
    // A clock that is set back must neither add nor remove permissions.
    const permissions =
      known === undefined
        ? most
        : Math.min(most, known.permissions + (Math.max(0, now - known.filledAt) / 1000) * this.perSecond)
    const isAllowed = permissions >= 1
    this.buckets.delete(caller)
    this.buckets.set(caller, { permissions: isAllowed ? permissions - 1 : permissions, filledAt: now })
    if (this.buckets.size > this.mostCallers) {
      for (const oldest of this.buckets.keys()) {
        this.buckets.delete(oldest)
        break
      }
    }
    return isAllowed ? 0 : Math.ceil((1 - permissions) / this.perSecond)
  }

  get size(): number {
    return this.buckets.size
  }
}
