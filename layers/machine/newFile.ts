/** Files and directories that are made, and whose they are. */
import { chmodSync, closeSync, fchmodSync, fchownSync, fstatSync, lchownSync, lstatSync, openSync } from "node:fs"
import * as Effect from "effect/Effect"
import { codeOf, SystemFailure } from "./SystemFailure.ts"

/** Whose a new file is to be, as far as this user may give it away. */
export interface NewFile {
  readonly uid: number | undefined
  readonly gid: number | undefined
  readonly mode: number
}

/**
 * Creates an empty file; false when there was one already. Without `permissions`, only its owner may use it.
 *
 * This is the only descriptor this library ever holds on a database file. Closing one drops the
 * process's POSIX locks on that file (https://sqlite.org/howtocorrupt.html, 2.2); exclusive
 * creation can only meet a file that nobody has open yet, and it is closed in the same turn.
 */
export const createExclusively = (path: string, permissions?: NewFile): Effect.Effect<boolean, SystemFailure> =>
  Effect.try({
    try: () => {
      const descriptor = openSync(path, "wx", 0o600)
      try {
        if (permissions !== undefined) giveTo(descriptor, permissions)
      } finally {
        closeSync(descriptor)
      }
    },
    catch: SystemFailure.from
  }).pipe(
    Effect.as(true),
    Effect.catchIf(
      ({ code }) => code === "EEXIST",
      () => Effect.succeed(false)
    )
  )

/**
 * Through the descriptor: root must not follow a link that somebody puts there meanwhile. A user other than root may
 * give a file to a group of its own alone; a group that cannot be given the file gets no rights for another one.
 */
const giveTo = (descriptor: number, { gid, mode, uid }: NewFile): void => {
  const own = fstatSync(descriptor)
  const [owner, group] = [uid ?? own.uid, gid ?? own.gid]
  const isGiven =
    (owner === own.uid && group === own.gid) ||
    isAllowed(() => fchownSync(descriptor, owner, group)) ||
    group === own.gid ||
    isAllowed(() => fchownSync(descriptor, own.uid, group))
  const allowed = isGiven ? mode : mode & ~0o070
  // The umask has no say here. Some filesystems have one mode for all their files.
  if ((own.mode & 0o777) !== allowed) isAllowed(() => fchmodSync(descriptor, allowed))
}

/** Gives away a directory that was just created, as far as this user may. Run it inside `trySync`. */
export const giveDirectory = (path: string, { gid, mode, uid }: NewFile): void => {
  const own = lstatSync(path)
  const [owner, group] = [uid ?? own.uid, gid ?? own.gid]
  if (owner !== own.uid || group !== own.gid) isAllowed(() => lchownSync(path, owner, group))
  // A directory that inherits its group says so in its mode, which is to stay.
  if ((own.mode & 0o777) !== (mode & 0o777) || (own.mode & mode) !== mode) isAllowed(() => chmodSync(path, mode))
}

/** False where the system, or a container without this capability, does not allow a change. */
const isAllowed = (change: () => void): boolean => {
  try {
    change()
    return true
  } catch (thrown) {
    const code = codeOf(thrown)
    if (code === "EPERM" || code === "EINVAL" || code === "ENOSYS" || code === "ENOTSUP") return false
    throw thrown
  }
}
