/** How long the backup of an upgrade will take, estimated before it begins. */

/** An existing backup: when it was created and last written, in milliseconds since the epoch. */
export interface EarlierCopy {
  readonly bytes: number
  readonly createdAt: number
  readonly modifiedAt: number
}

export interface CopyTime {
  /** Milliseconds that it takes at least. */
  readonly least: number
  /** Milliseconds if it is as fast as the fastest one so far. */
  readonly likely: number
}

/** Bytes copied and checked in a millisecond: six times what was measured, so that no fast machine is refused. */
const fastest = 2_000_000

/** A slower file was changed after it was made. */
const slowest = 1000

/** Earlier copies may have been made under load or on a slower disk: this one may be four times as fast. */
const benefitOfDoubt = 4

export const copyTime = (bytes: number, earlier: ReadonlyArray<EarlierCopy>): CopyTime => {
  const rates = earlier.flatMap(({ bytes, createdAt, modifiedAt }) => {
    const rate = bytes / (modifiedAt - createdAt)
    // A file that was copied or unpacked was created after its last write. Some filesystems keep no creation time.
    return createdAt > 0 && rate >= slowest && Number.isFinite(rate) ? [rate] : []
  })
  const floor = bytes / fastest
  const likely = rates.length === 0 ? floor : Math.max(floor, bytes / Math.max(...rates))
  return { least: Math.max(floor, likely / benefitOfDoubt), likely }
}

/**
 * A deadline, in milliseconds, that is long enough on any machine: a minute, ten seconds per GB, and four times the
 * likely time.
 */
export const enoughFor = (bytes: number, { likely }: CopyTime): number => 60_000 + bytes / 100_000 + 4 * likely
