/** Whose the contents are, as the database: its owner's alone, or its group's as well. */
import { chmod, chown, stat } from "node:fs/promises"
import type { Permissions } from "../../layers/index.ts"

export interface StoreOwner {
  readonly permissions: Permissions
  /** To whom root gives what it makes: its own would lock the service out that runs as another user. */
  readonly given: { readonly uid: number; readonly gid: number } | undefined
}

/** By the directory that the contents are in. */
export const storeOwnerOf = async (directory: string, permissions: Permissions): Promise<StoreOwner> => {
  const { gid, uid } = await stat(directory)
  const isRoots = process.getuid?.() === 0
  return { permissions, given: isRoots && (uid !== 0 || gid !== 0) ? { uid, gid } : undefined }
}

/** Of what was just made for its owner alone. A umask has no say over what a group gets. */
export const give = async (path: string, kind: "file" | "directory", { given, permissions }: StoreOwner) => {
  if (given !== undefined) await chown(path, given.uid, given.gid)
  if (permissions === "group") await chmod(path, kind === "file" ? 0o660 : 0o2770)
}
