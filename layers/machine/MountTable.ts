/** What is mounted where: Linux lists it in `/proc/self/mountinfo` (proc(5)). */
import { files } from "./files.ts"

/** Filesystems that the kernel serves by itself from disk or memory: no other process or machine can make them hang. */
const kernelFilesystems = new Set(
  "ext2 ext3 ext4 xfs btrfs zfs f2fs bcachefs vfat exfat iso9660 squashfs erofs overlay tmpfs ramfs".split(" ")
)

/**
 * Filesystems that only one kernel uses: all its processes see their locks. `fuse.fuse-overlayfs` is the private root
 * of a container; `lxfs` and `wslfs` are the root of WSL 1.
 */
const localFilesystems = new Set([
  ...kernelFilesystems,
  ..."msdos ntfs ntfs3 fuseblk hfs hfsplus apfs jfs reiserfs reiser4 nilfs2 ubifs jffs2 yaffs2 minix udf".split(" "),
  ..."ecryptfs aufs shiftfs rootfs devtmpfs fuse.fuse-overlayfs lxfs wslfs".split(" ")
])

/**
 * Filesystems that several kernels share: one does not see the locks or the shared memory of another
 * (https://sqlite.org/wal.html, 1). A type that is in no list here is unfamiliar.
 */
const sharedFilesystems = new Set([
  ..."nfs nfs4 cifs smb smb2 smb3 smbfs ncpfs afs coda davfs fuse.davfs2 fuse.sshfs fuse.rclone".split(" "),
  ..."9p virtiofs fuse.virtiofs grpcfuse fuse.grpcfuse osxfs fuse.osxfs fakeowner vboxsf drvfs prl_fs".split(" "),
  ..."vmhgfs fuse.vmhgfs-fuse fuse.s3fs fuse.gcsfuse fuse.goofys fuse.blobfuse fuse.mount-s3".split(" "),
  ..."ceph fuse.ceph fuse.ceph-fuse glusterfs fuse.glusterfs lustre juicefs fuse.juicefs gpfs ocfs2 gfs2 beegfs".split(
    " "
  ),
  ..."fhgfs orangefs pvfs2 moosefs fuse.mfs lizardfs fuse.lizardfs fuse.seaweedfs panfs wekafs quobyte".split(" ")
])

/**
 * Whether SQLite's locks work on a filesystem. `unknown` means that there is no mount table: then there is nothing to
 * decide by.
 */
export const kindOfFilesystem = (type: string): "local" | "shared" | "unfamiliar" => {
  if (type === unknown || localFilesystems.has(type)) return "local"
  return sharedFilesystems.has(type) ? "shared" : "unfamiliar"
}

const unknown = "unknown"

/** A mount of a mount table: where it is, and of what type. */
export interface Mount {
  readonly point: string
  readonly type: string
}

/** Reads a mount table as in proc(5): mount point in the fifth field, type after the lone hyphen. */
export const mountsIn = (mountinfo: string): ReadonlyArray<Mount> =>
  Array.from(mountinfo.matchAll(/^\S+ \S+ \S+ \S+ (\S+) .*? - (\S+)/gm), ([, point = "", type = ""]) => ({
    point: point.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    type
  }))

/** Not by `statfs`: it gives only a number, and some servers give a wrong one. Empty if there is no readable table. */
export const readMountTable = (): ReadonlyArray<Mount> => {
  try {
    const text = files.text("/proc/self/mountinfo")
    // Nearly always it says what it said before.
    if (text !== last.text) last = { text, mounts: mountsIn(text) }
    return last.mounts
  } catch {
    return []
  }
}

let last: { readonly text: string; readonly mounts: ReadonlyArray<Mount> } = { text: "", mounts: [] }

const isIn = (directory: string, point: string): boolean =>
  directory === point || directory.startsWith(point === "/" ? "/" : `${point}/`)

/** The mount of a directory: the longest mount point above it; of type "unknown" if the table has none. */
export const mountIn = (mounts: ReadonlyArray<Mount>, directory: string): Mount => {
  let longest: Mount = { point: "", type: unknown }
  for (const mount of mounts) {
    // Of two mounts on one point the later one hides the earlier.
    if (isIn(directory, mount.point) && mount.point.length >= longest.point.length) longest = mount
  }
  return longest
}

/**
 * Whether no mount of this machine can hang. Then files can be read synchronously, which saves two changes of thread. A
 * link may lead anywhere, so one mount that is not the kernel's own makes this false, and so does an unknown table.
 * Mounts below /proc, /sys and /dev are the kernel's own, and hold no files of users.
 */
export const noMountCanHang = (mounts: ReadonlyArray<Mount>): boolean =>
  mounts.length > 0 &&
  mounts.every(
    ({ point, type }) =>
      kernelFilesystems.has(type) || ["/proc", "/sys", "/dev"].some((directory) => isIn(point, directory))
  )
