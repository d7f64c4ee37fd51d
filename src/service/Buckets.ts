/** Permissions that fill with time, a bucket per caller; of no more callers than a table of fixed size has. */

interface Bucket {
  permissions: number
  filledAt: number
}

export class Buckets {
  private readonly perSecond: number
  private readonly mostCallers: number
  private readonly buckets = new Map<string, Bucket>()

  /** Twice as many may come at once as in a second. Beyond `mostCallers` the one that asked longest ago is forgotten. */
  constructor(perSecond: number, mostCallers: number) {
    this.perSecond = perSecond
    this.mostCallers = mostCallers
  }

  /** Takes one permission: 0 where there was one, otherwise the seconds until there is. */
  take(caller: string, now: number): number {
    const most = 2 * this.perSecond
    const known = this.buckets.get(caller)
    // A clock that is set back gives nothing, and takes nothing.
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
