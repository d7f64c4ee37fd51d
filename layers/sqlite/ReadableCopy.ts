/** A backup as a file that SQLite can read without leaving anything beside the backup. */
import { tmpdir } from "node:os"
import { dirname } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import { type Compression, compressionOf, headOf, unpackFile } from "../machine/compression.ts"
import { files, trySync } from "../machine/files.ts"
import { createExclusively } from "../machine/newFile.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import { flush } from "./BackupFiles.ts"
import { ownFolder } from "./OwnFolder.ts"
import { openSqlite } from "./Sqlite.ts"

/** A copy of a backup in the directory for temporary files, unpacked, which goes with the scope. */
export const readableCopy = Effect.fnUntraced(function* (file: string, compression: Compression | "none") {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const orFail = Effect.mapError(SystemFailure.fromPlatform)
  const stem = path.join(tmpdir(), "database-ready")
  const folder = yield* ownFolder({ stem, contents: /^backup(?:-wal|-shm|-journal)?$/, isPrivate: true })
  const copy = path.join(folder, "backup")
  if (compression === "none") {
    for (const suffix of ["", "-wal", "-journal"]) {
      const isThere = yield* trySync(() => files.stat(`${file}${suffix}`) !== undefined)
      if (isThere) yield* orFail(fs.copyFile(`${file}${suffix}`, `${copy}${suffix}`))
    }
  } else {
    yield* createExclusively(copy)
    yield* unpackFile(file, copy, compression)
    yield* flush(copy)
  }
  return copy
})

/** A file that SQLite can read. */
export interface ReadableBackup {
  readonly path: string
  /** Whether it is a copy of the backup, which may be changed. */
  readonly isOurs: boolean
}

/**
 * The backup itself, or a copy of it. One in WAL mode would get files beside it (byte 18 of
 * https://sqlite.org/fileformat2.html, 1.3.3): it is copied, unless SQLite can delete them again or others have them too.
 */
export const readable = Effect.fnUntraced(function* (backup: string, isLookOnly: boolean) {
  const head = yield* trySync(() => headOf(backup, 100))
  const compression = compressionOf(head)
  const isInWal = compression === undefined && head[18] === 2
  const beside = isInWal ? yield* trySync(() => filesOf(backup)) : "stay"
  const isCopied = compression !== undefined || (isInWal && isLookOnly) || beside === "would stay"
  if (isInWal && !isCopied && beside === "go") yield* Effect.addFinalizer(() => removeEmptyWal(backup))
  const found: ReadableBackup = {
    path: isCopied ? yield* readableCopy(backup, compression ?? "none") : backup,
    isOurs: isCopied
  }
  return found
})

/** What becomes of the files that SQLite makes beside a backup in WAL mode. For inside `trySync`. */
const filesOf = (backup: string): "go" | "stay" | "would stay" => {
  const [wal, shm] = ["-wal", "-shm"].map((part) => files.stat(`${backup}${part}`) !== undefined)
  if (wal === true) return shm === true ? "stay" : "would stay"
  return shm !== true && files.isUsable(dirname(backup), { writing: true }) ? "go" : "would stay"
}

/** A connection that may write deletes them when it is the last one that closes. There is nothing to checkpoint. */
const removeEmptyWal = (backup: string) =>
  Effect.scoped(
    Effect.flatMap(openSqlite({ filename: backup }), ({ run }) => run("SELECT count(*) FROM sqlite_schema"))
  ).pipe(
    Effect.catchAll(({ detail }) => Effect.logWarning(`${backup}-wal and ${backup}-shm may stay: ${detail}`)),
    Effect.asVoid
  )
