/** How much is free on a disk that may have stopped answering. */
import { statfs } from "node:fs/promises"
import * as Effect from "effect/Effect"

export interface DiskSpace {
  /** Bytes that this user may still write. */
  readonly free: number
  /** Bytes of the whole filesystem. */
  readonly size: number
}

/** Milliseconds. A disk that works answers in well under one. */
const patience = 1000

/**
 * Undefined if the disk cannot tell, or does not answer in time: on a mount whose server is gone, `statfs` waits for
 * hours. Nobody can end such a question, and it keeps a thread that all files share. So there is never a second one:
 * a second request waits for the same answer.
 */
export const diskSpaceOf = (directory: string): Effect.Effect<DiskSpace | undefined> => {
  let underWay: Promise<DiskSpace | undefined> | undefined
  const ask = () => {
    underWay ??= statfs(directory)
      .then(
        ({ bavail, blocks, bsize }) => ({ free: bavail * bsize, size: blocks * bsize }),
        () => undefined
      )
      .finally(() => {
        underWay = undefined
      })
    return underWay
  }
  return Effect.async((resume) => {
    const late = setTimeout(() => resume(Effect.succeed(undefined)), patience)
    void ask().then((space) => {
      clearTimeout(late)
      resume(Effect.succeed(space))
    })
    return Effect.sync(() => clearTimeout(late))
  })
}
