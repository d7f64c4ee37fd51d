/** A backup as a file that SQLite can read without leaving anything beside the backup. */
import { tmpdir } from "node:os"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import { type Compression, compressionOf, headOf, unpackFile } from "../machine/compression.ts"
import { files, trySync } from "../machine/files.ts"
import { createExclusively } from "../machine/newFile.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import { flush } from "./BackupFiles.ts"
import { ownFolder } from "./OwnFolder.ts"

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
 * The backup itself, or a copy of it: of a compressed one, and where nothing may be written of one in WAL mode, which
 * would get files beside it (byte 18 of https://sqlite.org/fileformat2.html, 1.3.3).
 */
export const readable = Effect.fnUntraced(function* (backup: string, isLookOnly: boolean) {
  const head = yield* trySync(() => headOf(backup, 100))
  const compression = compressionOf(head) ?? (isLookOnly && head[18] === 2 ? "none" : undefined)
  const isOurs = compression !== undefined
  const found: ReadableBackup = { path: isOurs ? yield* readableCopy(backup, compression) : backup, isOurs }
  return found
})
