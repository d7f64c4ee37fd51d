/** Refusals that were counted and are not written yet: few enough for memory, whoever asks how often. */

export interface RefusalCount {
  readonly minute: string
  readonly actor: string
  readonly address: string
  readonly reason: string
  path: string
  count: number
}

/** How many callers and reasons have a row of their own per minute. The rest are counted together. */
const mostAMinute = 100

/** How many counts may wait for the lock. Later ones are counted together. */
const mostWaiting = 10_000

/** Stands for the addresses that are counted together. */
const others = "others"

type Counts = ReadonlyMap<string, RefusalCount>

export interface WaitingCounts {
  /** Counts one, together with others where there are too many. */
  readonly add: (count: RefusalCount) => void
  /** Takes out the `most` that wait longest. */
  readonly take: (most: number) => Counts
  /** Puts back what could not be written. */
  readonly putBack: (counts: Counts) => void
  readonly isEmpty: () => boolean
}

export const waitingCounts = (): WaitingCounts => {
  let waiting = new Map<string, RefusalCount>()
  let seen = { minute: "", keys: new Set<string>() }

  const keep = (count: RefusalCount): void => {
    const key = JSON.stringify([count.minute, count.actor, count.address, count.reason])
    const known = waiting.get(key)
    if (known === undefined) waiting.set(key, count)
    else {
      known.count += count.count
      known.path = count.path
    }
  }

  /** Whether a caller may have a row of its own in this minute. */
  const isOneOfFew = ({ actor, address, minute, reason }: RefusalCount): boolean => {
    if (seen.minute !== minute) seen = { minute, keys: new Set() }
    const key = JSON.stringify([actor, address, reason])
    if (seen.keys.has(key)) return true
    if (seen.keys.size >= mostAMinute || waiting.size >= mostWaiting) return false
    seen.keys.add(key)
    return true
  }

  return {
    add: (count) => keep(isOneOfFew(count) ? count : { ...count, actor: "", address: others }),
    take: (most) => {
      const counts = new Map([...waiting].slice(0, most))
      for (const key of counts.keys()) waiting.delete(key)
      return counts
    },
    putBack: (counts) => {
      // The newer counts have the newer path.
      const newer = waiting
      waiting = new Map(counts)
      for (const count of newer.values()) keep(count)
    },
    isEmpty: () => waiting.size === 0
  }
}
