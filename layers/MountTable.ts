/** What is mounted where, as the kernel tells: Linux lists it in `/proc/self/mountinfo` (proc(5)). */
import * as Effect from "effect/Effect"
import { ask, files } from "./seams.ts"

/** Filesystems without working POSIX locks or shared memory between machines (https://sqlite.org/wal.html, 1). */
export const networkFilesystems = new Set([
  "nfs",
  "nfs4",
  "cifs",
  "smb3",
  "smbfs",
  "fuse.sshfs",
  "fuse.rclone",
  "9p",
  "virtiofs"
])

/** Filesystems for which the kernel answers by itself, from disks and memory: nobody else has to be waited for. */
const kernelFilesystems = new Set(
  "ext2 ext3 ext4 xfs btrfs zfs f2fs bcachefs vfat exfat iso9660 squashfs erofs overlay tmpfs ramfs".split(" ")
)

/** A mount of a mount table: where it is, and of what type. */
interface Mount {
  readonly point: string
  readonly type: string
}

/** Reads a mount table as in proc(5): mount point in the fifth field, type after the lone hyphen. */
export const mountsIn = (mountinfo: string): ReadonlyArray<Mount> =>
  Array.from(mountinfo.matchAll(/^\S+ \S+ \S+ \S+ (\S+) .*? - (\S+)/gm), ([, point = "", type = ""]) => ({
    point: point.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    type
  }))

/** `statfs` is not asked: it knows a number, and some servers give a wrong one. Empty where there is no table, or none that can be read. */
export const mountTable: Effect.Effect<ReadonlyArray<Mount>> = ask(() =>
  mountsIn(files.text("/proc/self/mountinfo"))
).pipe(Effect.orElseSucceed(() => []))

const holds = (directory: string, point: string): boolean =>
  directory === point || directory.startsWith(point === "/" ? "/" : `${point}/`)

/** The type of the longest mount point that holds the directory; "unknown" where the table has none. */
export const filesystemIn = (mounts: ReadonlyArray<Mount>, directory: string): string => {
  let longest: Mount = { point: "", type: "unknown" }
  for (const mount of mounts) {
    // Of two mounts on one point the later one hides the earlier.
    if (holds(directory, mount.point) && mount.point.length >= longest.point.length) longest = mount
  }
  return longest.type
}

/**
 * Whether no path of this machine can lead to a mount that hangs, so that a question about files may be asked
 * with everything else standing still, which saves two changes of thread. A link may lead anywhere: one mount
 * that somebody else answers for is enough for a no, and so is not to know. What is mounted below the kernel's
 * own directories is the kernel's own, and no place for files.
 */
export const neverHang = (mounts: ReadonlyArray<Mount>): boolean =>
  mounts.length > 0 &&
  mounts.every(
    ({ point, type }) =>
      kernelFilesystems.has(type) || ["/proc", "/sys", "/dev"].some((directory) => holds(point, directory))
  )
