/**
 * How often a passage has each of its terms, as bytes that are stored with it. To split its text into terms again for
 * each question took longer than all the rest of the answer.
 *
 * First the hash of each term, four bytes (little-endian), in ascending order. Then a byte for each: how often it is
 * there, 255 at most. Two terms may have the same hash: a term that a passage of 200 terms does not have is found there
 * once in 20 million times.
 */

export type TermCounts = Buffer

/** FNV-1a, of 32 bits, over the UTF-16 of a term. Stored bytes depend on it: never change it. */
export const hashOf = (term: string): number => {
  let hash = 0x811c9dc5
  for (let at = 0; at < term.length; at += 1) hash = Math.imul(hash ^ term.charCodeAt(at), 0x01000193)
  return hash >>> 0
}

const mostTimes = 255

export const countsOf = (terms: ReadonlyArray<string>): TermCounts => {
  const times = new Map<number, number>()
  for (const term of terms) {
    const hash = hashOf(term)
    times.set(hash, (times.get(hash) ?? 0) + 1)
  }
  const hashes = Uint32Array.from(times.keys()).sort()
  const counts = Buffer.alloc(hashes.length * 5)
  hashes.forEach((hash, at) => {
    counts.writeUInt32LE(hash, at * 4)
    counts.writeUInt8(Math.min(mostTimes, times.get(hash) ?? 0), hashes.length * 4 + at)
  })
  return counts
}

/** How many different terms there are. */
export const sizeOf = (counts: TermCounts): number => Math.floor(counts.length / 5)

/** In ascending order. */
export const hashesIn = (counts: TermCounts): Uint32Array => {
  const hashes = new Uint32Array(sizeOf(counts))
  for (let at = 0; at < hashes.length; at += 1) hashes[at] = counts.readUInt32LE(at * 4)
  return hashes
}

/** How often the term with this hash is there. */
export const timesIn = (counts: TermCounts, hash: number): number => {
  const size = sizeOf(counts)
  let [from, to] = [0, size]
  while (from < to) {
    const middle = (from + to) >> 1
    if (counts.readUInt32LE(middle * 4) < hash) from = middle + 1
    else to = middle
  }
  return from < size && counts.readUInt32LE(from * 4) === hash ? counts.readUInt8(size * 4 + from) : 0
}
