/** The owner of the contents, as for the database: its owner alone, or its group too. */
import { chmod, chown, stat } from "node:fs/promises"
import type { Permissions } from "../../layers/index.ts"

export interface StoreOwner {
  readonly permissions: Permissions
  /**
   * The user to whom root gives what it creates. Otherwise the service, running as another user, would be locked out.
   */
  readonly given: { readonly uid: number; readonly gid: number } | undefined
}

/** From the directory that holds the contents. */
export const storeOwnerOf = async (directory: string, permissions: Permissions): Promise<StoreOwner> => {
  const { gid, uid } = await stat(directory)
  const isRoots = process.getuid?.() === 0
  return { permissions, given: isRoots && (uid !== 0 || gid !== 0) ? { uid, gid } : undefined }
}

/**
 * Sets owner and mode of something new, which only its creator can read until then. The umask must not restrict the
 * group.
 */
export const give = async (path: string, kind: "file" | "directory", { given, permissions }: StoreOwner) => {
  if (given !== undefined) await chown(path, given.uid, given.gid)
  if (permissions === "group") await chmod(path, kind === "file" ? 0o660 : 0o2770)
}
