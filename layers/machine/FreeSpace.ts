/** How much can still be written on a filesystem that may have stopped answering since it was opened. */
import fs from "node:fs"
import * as Effect from "effect/Effect"
import { SystemFailure } from "./SystemFailure.ts"

/** A filesystem that works answers in well under a millisecond, a server far away in some hundred milliseconds. */
const patience = 1000

/**
 * The questions under way, by path. Nobody can end one, and each keeps one of the four threads that all of Node.js' file
 * work shares. So there is never a second one: a second request waits for the same answer.
 */
const underWay = new Map<string, Promise<number>>()

const ask = (path: string): Promise<number> => {
  const known = underWay.get(path)
  if (known !== undefined) return known
  const asked = fs.promises
    .statfs(path)
    .then(({ bavail, bsize }) => bavail * bsize)
    .finally(() => underWay.delete(path))
  underWay.set(path, asked)
  return asked
}

/**
 * The bytes that this user may still write on the filesystem of a path. Asks outside of the event loop: on a mount whose
 * server is gone, `statfs` waits for hours. Fails with `ETIMEDOUT` then, by the machine's clock.
 */
export const freeSpaceAt = (path: string): Effect.Effect<number, SystemFailure> =>
  Effect.async((resume) => {
    const late = setTimeout(() => resume(noAnswer), patience)
    ask(path).then(
      (bytes) => {
        clearTimeout(late)
        resume(Effect.succeed(bytes))
      },
      (cause) => {
        clearTimeout(late)
        resume(SystemFailure.from(cause))
      }
    )
    return Effect.sync(() => clearTimeout(late))
  })

const noAnswer = new SystemFailure({
  code: "ETIMEDOUT",
  detail: `its filesystem did not answer within ${patience} milliseconds`
})
