/**
 * Whether a database is there without all of its WAL or journal: it was copied alone, or what lay beside it was deleted.
 * The main file by itself cannot tell: a checkpoint leaves a sound database of an earlier moment, as a clean end does
 * (https://sqlite.org/walformat.html). What it is held against are the `-shm`, its own length and its backups.
 */

import type { Stats } from "node:fs"
import { endianness } from "node:os"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import { locksOn, ownDescriptorsOn } from "../machine/FileLocks.ts"
import { files, trySync } from "../machine/files.ts"
import { markOf, siblingNames } from "./BackupFiles.ts"
import { compactTime, parseBackupName } from "./BackupNames.ts"
import { headOf } from "./Likeness.ts"

const again =
  "If you copied it, stop the programs that use it, and copy everything at once: the database, its -wal and its -journal. Otherwise restore a backup."

/**
 * What the `-shm` that a crash left counts as committed, and the WAL does not have. To be asked before SQLite opens the
 * database, which makes that index anew. Who ends cleanly deletes the `-shm` before the WAL (`sqlite3WalClose` in wal.c).
 */
export const lostFromWal = (file: string): Effect.Effect<string | undefined> =>
  Effect.flatMap(locksOn(`${file}-shm`), (locks) =>
    locks.length > 0
      ? Effect.succeed(undefined)
      : Effect.orElseSucceed(
          trySync(() => {
            const shm = `${file}-shm`
            // A descriptor that is closed would drop the locks of this process's other connections.
            if (ownDescriptorsOn(shm) !== 0) return undefined
            const pages = pagesIn(headOf(shm))
            const bytes = files.stat(`${file}-wal`)?.size
            // Who has opened it meanwhile has made the WAL first.
            if (pages === undefined || (bytes ?? 0) >= pages.bytes || files.stat(shm) === undefined) return undefined
            const which = bytes === undefined ? "there is no such file" : `that file has ${bytes} bytes`
            return `Commits are missing: ${shm} counts ${pages.left} pages of them in ${file}-wal, and ${which}. ${again}`
          }),
          () => undefined
        )
  )

/**
 * The pages of a WAL that are not in the database yet, and the bytes of the whole WAL: the header of the index, twice,
 * and how much was checkpointed (https://sqlite.org/walformat.html, 2.1). In the byte order of the machine.
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
 * A database that is longer than its header says was copied while a program wrote to it: the first page is older than
 * the last ones. A commit and a checkpoint make both the same. `before`: the file as it was before it was read.
 */
export const lostFromFile = (
  file: string,
  before: Stats,
  { pages, pageSize }: { readonly pages: number; readonly pageSize: number }
): Effect.Effect<string | undefined> =>
  Effect.orElseSucceed(
    trySync(() => {
      const more = Math.floor(before.size / pageSize) - pages
      const now = more > 0 ? files.stat(file) : undefined
      // Who has written meanwhile may have made it shorter.
      return now === undefined || now.size !== before.size || now.mtimeMs !== before.mtimeMs
        ? undefined
        : `The file is ${more} pages longer than its header says: it was copied while a program wrote to it, without its -wal or -journal. ${again}`
    }),
    () => undefined
  )

/**
 * A backup of an upgrade that was committed, from the version that the database has now or from a later one. One that was
 * not committed is deleted or has a mark. A restore since then, which keeps what was there, explains it. So does
 * another process that has just made the upgrade: look at the version once more.
 */
export const olderThanBackup = (
  file: string,
  version: string | undefined
): Effect.Effect<string | undefined, never, Path.Path> =>
  Effect.flatMap(siblingNames(file), (beside) =>
    trySync(() => {
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
    })
  ).pipe(Effect.orElseSucceed(() => undefined))
