/** Who may use the files that this library creates: owner, group and mode of what was there, else of the directory. */
import { dirname } from "node:path"
import { files } from "./files.ts"
import type { NewFile } from "./newFile.ts"

/** The values of `Permissions`, for the choices of a flag or a setting. */
export const permissionChoices = ["owner", "group"] as const
/** Who may use a database: its `owner` alone (mode 0600), or its `group` as well (mode 0660). */
export type Permissions = (typeof permissionChoices)[number]

/** Whether a directory is for a group: new files get its group, and the group may write. */
const isForGroup = (mode: number): boolean => (mode & 0o2070) === 0o2070

/**
 * For a file that replaces a database or is created beside it. If the database is absent and nothing is `chosen`, the
 * directory decides. Without this a start as root would create files that lock the service out. Run it inside
 * `trySync`.
 */
export const permissionsFor = (file: string, chosen?: Permissions): NewFile => {
  const there = files.stat(file)
  if (there !== undefined) return { uid: there.uid, gid: there.gid, mode: there.mode & 0o777 }
  const directory = files.stat(dirname(file))
  const isShared = chosen === undefined ? isForGroup(directory?.mode ?? 0) : chosen === "group"
  return { uid: directory?.uid, gid: directory?.gid, mode: isShared ? 0o660 : 0o600 }
}

/**
 * For a directory that was just created. If root created it, it gets the owner of its parent. Run it inside `trySync`.
 */
export const permissionsForDirectory = (directory: string, chosen: Permissions): NewFile => {
  const parent = process.getuid?.() === 0 ? files.stat(dirname(directory)) : undefined
  return { uid: parent?.uid, gid: parent?.gid, mode: chosen === "group" ? 0o2770 : 0o700 }
}

/** What keeps a group from using a database; undefined if nothing does. Run it inside `trySync`. */
export const faultOfSharing = (file: string): { readonly path: string; readonly fault: string } | undefined => {
  const directory = dirname(file)
  const [ofFile, ofDirectory] = [files.stat(file), files.stat(directory)]
  if (ofDirectory !== undefined && !isForGroup(ofDirectory.mode)) {
    return { path: directory, fault: `its mode is ${octal(ofDirectory.mode)}, not 2770` }
  }
  if (ofFile !== undefined && (ofFile.mode & 0o060) !== 0o060) {
    return { path: file, fault: `its mode is ${octal(ofFile.mode)}, not 660` }
  }
  return ofFile !== undefined && ofDirectory !== undefined && ofFile.gid !== ofDirectory.gid
    ? { path: file, fault: `its group is ${ofFile.gid}, its directory's is ${ofDirectory.gid}` }
    : undefined
}

const octal = (mode: number): string => (mode & 0o7777).toString(8)
