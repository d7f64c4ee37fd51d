/** What is in a file, in few bytes. */
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import * as Effect from "effect/Effect"
import { SystemFailure } from "./SystemFailure.ts"

/** Bytes from one place up to another, which is not among them. */
export type Range = readonly [from: number, to: number]

/**
 * SHA-256 in hexadecimal; bytes in a range of `blank` count as zero. Not of a file that a connection of this process has
 * open: closing it drops SQLite's locks.
 */
export const digestOf = (path: string, blank: ReadonlyArray<Range> = []): Effect.Effect<string, SystemFailure> =>
  Effect.tryPromise({
    try: async (signal) => {
      const hash = createHash("sha256")
      let at = 0
      for await (const read of createReadStream(path, { signal })) {
        const chunk: Buffer = read
        for (const [from, to] of blank) {
          if (from < at + chunk.length && to > at)
            chunk.fill(0, Math.max(0, from - at), Math.min(chunk.length, to - at))
        }
        hash.update(chunk)
        at += chunk.length
      }
      return hash.digest("hex")
    },
    catch: SystemFailure.from
  })
