/** What is in a file, in few bytes. */
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import * as Effect from "effect/Effect"
import { SystemFailure } from "./SystemFailure.ts"

/** SHA-256 in hexadecimal. Not of a file that a connection of this process has open: closing it drops SQLite's locks. */
export const digestOf = (path: string): Effect.Effect<string, SystemFailure> =>
  Effect.tryPromise({
    try: async (signal) => {
      const hash = createHash("sha256")
      for await (const chunk of createReadStream(path, { signal })) hash.update(chunk)
      return hash.digest("hex")
    },
    catch: SystemFailure.from
  })
