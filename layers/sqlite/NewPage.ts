/** Whether the disk accepts another page: writes one beside the database, into a file that is already deleted. */
import { randomUUID } from "node:crypto"
import fs from "node:fs"
import * as Effect from "effect/Effect"
import { SystemFailure } from "../machine/SystemFailure.ts"

/**
 * SQLite cannot tell without a commit: before it, a transaction's pages stay in memory. Counting free space misses
 * quotas and a disk that became read-only. The page is not flushed: a filesystem allocates the space at write(2). The
 * name is deleted before the page is written, so a killed process leaves nothing. Other errors are ignored, such as a
 * directory in which this user may create no file: SQLite may still be able to write.
 */
export const writeNewPage = (database: string): Effect.Effect<void, SystemFailure> =>
  Effect.tryPromise({ try: () => attempt(`${database}.page-${randomUUID()}`), catch: SystemFailure.from }).pipe(
    Effect.catchIf(
      ({ code }) => !ofTheDisk.has(code),
      () => Effect.void
    )
  )

const ofTheDisk: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EROFS", "EIO"])

/** In the thread pool: a disk that hangs does not block the event loop. */
const attempt = async (path: string): Promise<void> => {
  const { O_CREAT, O_EXCL, O_WRONLY } = fs.constants
  const handle = await fs.promises.open(path, O_CREAT | O_EXCL | O_WRONLY, 0o600)
  try {
    await fs.promises.unlink(path)
    await handle.write(page())
  } finally {
    await handle.close()
  }
}

/** Bytes that no filesystem can compress. */
const page = (): Buffer =>
  Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 167 + (index >> 3) * 59) & 0xff))
