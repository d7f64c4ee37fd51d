/**
 * Whether a database lacks its WAL or journal, or a part of it: it was copied alone, or the files beside it were
 * deleted. The database file alone cannot tell: after a checkpoint it is a sound database of an earlier moment
 * (https://sqlite.org/walformat.html). So compare it with the `-shm`, its own length and its backups.
 */

import type { Stats } from "node:fs"
import { endianness } from "node:os"
import { locksOn, ownDescriptorsOn } from "../machine/FileLocks.ts"
import { files } from "../machine/files.ts"
import { markOf } from "./BackupFiles.ts"
import { compactTime, parseBackupName } from "./BackupNames.ts"
import { headOf } from "./Likeness.ts"

const again =
  "If you copied it, stop the programs that use it, and copy everything at once: the database, its -wal and its -journal. Otherwise restore a backup with `database-ready restore`."

/**
 * Commits that the `-shm` of a crash counts but the WAL lacks. Run it before SQLite opens the database: that rebuilds
 * the `-shm`. A clean end deletes the `-shm` before the WAL (`sqlite3WalClose` in wal.c).
 */
export const lostFromWal = (file: string): string | undefined => {
  const shm = `${file}-shm`
  // Closing our descriptor would drop the locks of this process's other connections.
  if (locksOn(shm).length > 0 || ownDescriptorsOn(shm) !== 0) return undefined
  try {
    const pages = pagesIn(headOf(shm))
    const bytes = files.stat(`${file}-wal`)?.size
    // A process that opened it meanwhile has created the WAL first.
    if (pages === undefined || (bytes ?? 0) >= pages.bytes || files.stat(shm) === undefined) return undefined
    const which = bytes === undefined ? "there is no such file" : `that file has ${bytes} bytes`
    return `Commits are missing: ${shm} counts ${pages.left} pages of them in ${file}-wal, and ${which}. ${again}`
  } catch {
    // What cannot be read proves nothing.
    return undefined
  }
}

/**
 * The pages of a WAL that are not in the database yet, and the bytes of the whole WAL, from the header of the `-shm`:
 * it is stored twice, and followed by how much was checkpointed (https://sqlite.org/walformat.html, 2.1). In the byte
 * order of the machine.
 */
const pagesIn = (index: Buffer): { readonly left: number; readonly bytes: number } | undefined => {
  const number = (at: number) => (endianness() === "LE" ? index.readUInt32LE(at) : index.readUInt32BE(at))
  if (index.length < 136 || !index.subarray(0, 48).equals(index.subarray(48, 96)) || number(0) !== 3_007_000) {
    return undefined
  }
  const short = endianness() === "LE" ? index.readUInt16LE(14) : index.readUInt16BE(14)
  const pageSize = short === 1 ? 65_536 : short
  const left = number(16) - number(96)
  return left > 0 ? { left, bytes: 32 + number(16) * (24 + pageSize) } : undefined
}

/**
 * A database that is longer than its header says was copied while a program wrote to it: its first page is older than
 * its last ones. After a commit or a checkpoint both agree. `before`: the file before it was read.
 */
export const lostFromFile = (
  file: string,
  before: Stats,
  { pages, pageSize }: { readonly pages: number; readonly pageSize: number }
): string | undefined => {
  const more = Math.floor(before.size / pageSize) - pages
  if (more <= 0) return undefined
  try {
    const now = files.stat(file)
    // A process that wrote meanwhile may have shortened it.
    return now === undefined || now.size !== before.size || now.mtimeMs !== before.mtimeMs
      ? undefined
      : `The file is ${more} pages longer than its header says: it was copied while a program wrote to it, without its -wal or -journal. ${again}`
  } catch {
    return undefined
  }
}

/**
 * Finds a backup of a committed upgrade from the database's current version or a later one: then the database is older
 * than it was. (Backups of uncommitted upgrades are deleted or marked.) A restore since then explains it; it left a
 * `.replaced-` file. So does another process that just upgraded: the caller reads the version again.
 */
export const olderThanBackup = (
  file: string,
  version: string | undefined,
  /** From `SharedLooks`. */
  beside: ReadonlyArray<string>
): string | undefined => {
  const now = BigInt(version ?? -1)
  const restoredAt = beside
    .flatMap((suffix) => /^\.replaced-(\w+)$/.exec(suffix)?.[1] ?? [])
    .sort()
    .at(-1)
  const later = beside.filter((suffix) => {
    const name = parseBackupName(suffix)
    if (name === undefined || BigInt(name.from ?? -1) < now) return false
    if (files.stat(markOf(`${file}${suffix}`)) !== undefined) return false
    const madeAt = files.stat(`${file}${suffix}`)?.mtimeMs
    return madeAt !== undefined && (restoredAt === undefined || restoredAt < compactTime(madeAt))
  })
  const [suffix] = later
  if (suffix === undefined) return undefined
  const from = parseBackupName(suffix)?.from
  const was = from === undefined ? "without a history" : `at ${from}`
  const is = version === undefined ? "it has none" : `it is at ${version}`
  return `The database is older than a backup of it: ${file}${suffix} was made when the database ${was} was upgraded, and ${is} now. If you restored a backup, go on: the next upgrade ends this warning. If not, an older copy was put there, or a copy without its WAL: to go back to the backup, run database-ready restore --database ${file} --backup ${file}${suffix}`
}
