/** How long the copy of an upgrade is going to take, before anything of it is begun. */

/** A backup that is there: when it was created, and written last, in milliseconds since the epoch. */
export interface EarlierCopy {
  readonly bytes: number
  readonly createdAt: number
  readonly modifiedAt: number
}

export interface CopyTime {
  /** Milliseconds that it takes for certain. */
  readonly least: number
  /** Milliseconds that it takes where it is as fast as the fastest one so far. */
  readonly likely: number
}

/** Bytes in a millisecond, copied and checked: six times what was measured, so that no machine is wronged. */
const fastest = 2_000_000

/** A file that took longer than this rate was changed after it had been made. */
const slowest = 1000

/** Earlier copies may have been made under load, or on a slower disk: this one may be four times as fast. */
const benefitOfDoubt = 4

export const copyTime = (bytes: number, earlier: ReadonlyArray<EarlierCopy>): CopyTime => {
  const rates = earlier.flatMap(({ bytes, createdAt, modifiedAt }) => {
    const rate = bytes / (modifiedAt - createdAt)
    // A file that was copied or unpacked is newer than what is in it; some filesystems keep no time of creation.
    return createdAt > 0 && rate >= slowest && Number.isFinite(rate) ? [rate] : []
  })
  const floor = bytes / fastest
  const likely = rates.length === 0 ? floor : Math.max(floor, bytes / Math.max(...rates))
  return { least: Math.max(floor, likely / benefitOfDoubt), likely }
}

/** A deadline that is long enough on any machine, in milliseconds: a minute, ten seconds per GB, and what it took so far. */
export const enoughFor = (bytes: number, { likely }: CopyTime): number => 60_000 + bytes / 100_000 + 4 * likely
