/** Whether the disk takes another page: one that is written beside the database, and is gone before anyone sees it. */
import { randomUUID } from "node:crypto"
import { constants } from "node:fs"
import { open, unlink } from "node:fs/promises"
import * as Effect from "effect/Effect"
import { SystemFailure } from "../machine/SystemFailure.ts"

/**
 * SQLite has no such question: what a transaction writes before its commit stays in memory, and a commit is written into
 * the user's database. Free space that is only counted knows neither quotas nor a disk that became read-only. The page
 * is not flushed: a filesystem gives the space when it is written (write(2)). Nothing of it is left where the process is
 * killed, for the name is gone before the page is written. Of other obstacles, such as a directory in which this user may
 * make no file, SQLite may know a way around.
 */
export const writeNewPage = (database: string): Effect.Effect<void, SystemFailure> =>
  Effect.tryPromise({ try: () => attempt(`${database}.page-${randomUUID()}`), catch: SystemFailure.from }).pipe(
    Effect.catchIf(
      ({ code }) => !ofTheDisk.has(code),
      () => Effect.void
    )
  )

const ofTheDisk: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EROFS", "EIO"])

/** In the pool of threads: a disk that hangs keeps nobody else waiting. */
const attempt = async (path: string): Promise<void> => {
  const handle = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600)
  try {
    await unlink(path)
    await handle.write(page)
  } finally {
    await handle.close()
  }
}

/** Of bytes that no filesystem makes smaller. */
const page = Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 167 + (index >> 3) * 59) & 0xff))
