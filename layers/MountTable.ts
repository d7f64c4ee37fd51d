/** What is mounted where, as the kernel tells: Linux lists it in `/proc/self/mountinfo` (proc(5)). */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { textOf } from "./seams.ts"

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

/** `statfs` is not asked: it knows a number, and some servers give a wrong one. None where there is no table. */
const mountTable: Effect.Effect<Option.Option<string>> = Effect.option(textOf("/proc/self/mountinfo"))

/** The type of the longest mount point that holds the directory. No table, or none that can be read, is "unknown". */
export const filesystemOf = (directory: string): Effect.Effect<string> =>
  Effect.map(mountTable, (table) =>
    filesystemIn(
      Option.getOrElse(table, () => ""),
      directory
    )
  )

/** A mount of a mount table: where it is, and of what type. */
interface Mount {
  readonly point: string
  readonly type: string
}

/** Reads a mount table as in proc(5): mount point in the fifth field, type after the lone hyphen. */
const mountsIn = (mountinfo: string): ReadonlyArray<Mount> =>
  Array.from(mountinfo.matchAll(/^\S+ \S+ \S+ \S+ (\S+) .*? - (\S+)/gm), ([, point = "", type = ""]) => ({
    point: point.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    type
  }))

const holds = (directory: string, point: string): boolean =>
  directory === point || directory.startsWith(point === "/" ? "/" : `${point}/`)

export const filesystemIn = (mountinfo: string, directory: string): string => {
  let longest: Mount = { point: "", type: "unknown" }
  for (const mount of mountsIn(mountinfo)) {
    // Of two mounts on one point the later one hides the earlier.
    if (holds(directory, mount.point) && mount.point.length >= longest.point.length) longest = mount
  }
  return longest.type
}

/** What is mounted below the kernel's own directories is the kernel's own, and no place for files. */
export const isAnsweredByKernel = (mountinfo: string): boolean => {
  const mounts = mountsIn(mountinfo)
  return (
    mounts.length > 0 &&
    mounts.every(
      ({ point, type }) =>
        kernelFilesystems.has(type) || ["/proc", "/sys", "/dev"].some((directory) => holds(point, directory))
    )
  )
}

/**
 * Whether no path of this machine can lead to a mount that hangs, so that a question about files may be asked
 * with everything else standing still, which saves two changes of thread. A link may lead anywhere: one mount
 * that somebody else answers for is enough for a no, and so is not to know.
 */
export const neverHangs: Effect.Effect<boolean> = Effect.map(mountTable, Option.exists(isAnsweredByKernel))
