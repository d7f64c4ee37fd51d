/** Creates files and directories with the right owner and mode. */
import { chmodSync, closeSync, fchmodSync, fchownSync, fstatSync, lchownSync, lstatSync, openSync } from "node:fs"
import type * as Effect from "effect/Effect"
import { trySync } from "./files.ts"
import { codeOf, type SystemFailure } from "./SystemFailure.ts"

/** Who should own a new file, if this user may give it away. */
export interface NewFile {
  readonly uid: number | undefined
  readonly gid: number | undefined
  readonly mode: number
}

/**
 * Creates an empty file; false if there was one already. Without `permissions` only its owner may use it.
 *
 * This is the only descriptor this library ever holds on a database file. Closing one drops the process's POSIX locks
 * on that file (https://sqlite.org/howtocorrupt.html, 2.2); a file created exclusively is not open anywhere else yet,
 * and this descriptor is closed in the same turn.
 */
export const createExclusively = (path: string, permissions?: NewFile): Effect.Effect<boolean, SystemFailure> =>
  trySync(() => createNew(path, permissions))

/** The same for inside `trySync`. */
export const createNew = (path: string, permissions?: NewFile): boolean => {
  try {
    const descriptor = openSync(path, "wx", 0o600)
    try {
      if (permissions !== undefined) giveTo(descriptor, permissions)
    } finally {
      closeSync(descriptor)
    }
    return true
  } catch (thrown) {
    if (codeOf(thrown) === "EEXIST") return false
    throw thrown
  }
}

/**
 * Works on the descriptor, so that root does not follow a link that somebody puts there meanwhile. Other users may give
 * a file only to a group of their own. If that fails, the group bits are cleared: they would apply to the wrong group.
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
  // Set the mode explicitly: the umask changed it. Some filesystems refuse, because all their files share one mode.
  if ((own.mode & 0o777) !== allowed) isAllowed(() => fchmodSync(descriptor, allowed))
}

/** Gives a directory that was just created to its owner and group, if this user may. Run it inside `trySync`. */
export const giveDirectory = (path: string, { gid, mode, uid }: NewFile): void => {
  const own = lstatSync(path)
  const [owner, group] = [uid ?? own.uid, gid ?? own.gid]
  if (owner !== own.uid || group !== own.gid) isAllowed(() => lchownSync(path, owner, group))
  // Keep the setgid bit of a directory that passes on its group.
  if ((own.mode & 0o777) !== (mode & 0o777) || (own.mode & mode) !== mode) isAllowed(() => chmodSync(path, mode))
}

/** False if the system does not allow the change, such as a container without this capability. */
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
