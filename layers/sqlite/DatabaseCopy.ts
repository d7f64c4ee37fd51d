/** Copies a database with its commits, page by page, while others use it. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { permissionsFor } from "../machine/FilePermissions.ts"
import { freeSpaceAt } from "../machine/FreeSpace.ts"
import { files, trySync } from "../machine/files.ts"
import { createExclusively, type NewFile } from "../machine/newFile.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import type { CopyFailure } from "./BackupError.ts"
import { flush } from "./BackupFiles.ts"
import { backupInto } from "./PageCopy.ts"
import { integer, openSqlite, type Sqlite, type SqliteFailure } from "./Sqlite.ts"

/**
 * Copies a database into a new file with the owner and mode of `file`, and flushes it. SQLite copies a hundred pages at
 * a time (https://sqlite.org/backup.html); an interruption stops it between two steps.
 */
export const copyDatabase = (
  from: string,
  copy: string,
  {
    change = () => Effect.void,
    file = from,
    journalMode = "delete",
    permissions: chosen,
    source: given
  }: {
    /** What to change in the copy before it is flushed. */
    readonly change?: ((copy: Sqlite) => Effect.Effect<void, SqliteFailure>) | undefined
    readonly file?: string
    /** Instead of those of `file`. */
    readonly permissions?: NewFile | undefined
    readonly journalMode?: "delete" | "wal"
    /** An open connection to it. */
    readonly source?: Sqlite
  } = {}
) =>
  Effect.gen(function* () {
    const permissions = chosen ?? (yield* trySync(() => permissionsFor(file)))
    yield* Effect.scoped(
      Effect.gen(function* () {
        const source = given ?? (yield* openSqlite({ filename: from, readonly: true }))
        yield* requireSpace(source, copy)
        if (!(yield* createExclusively(copy, permissions))) {
          return yield* new SystemFailure({ code: "EEXIST", detail: `${copy} already exists` })
        }
        const isLarge = (yield* trySync(() => files.stat(from)?.size ?? 0)) > largeCopy
        yield* isLarge ? flushWhile(copy, backupInto(source, copy)) : backupInto(source, copy)
      })
    )
    // In WAL mode a copy could not be opened without creating files beside it.
    yield* Effect.scoped(
      Effect.flatMap(openSqlite({ filename: copy }), (opened) =>
        Effect.zipRight(change(opened), opened.run(`PRAGMA journal_mode = ${journalMode}`))
      )
    )
    yield* flush(copy)
  })

/**
 * Flushes a file again and again while SQLite writes it. Otherwise SQLite's commit flushes all of it in one call that
 * blocks the event loop: 1 s for 500 MB instead of 0.1 s. Errors of these flushes are ignored: SQLite's own flush
 * reports them. Closing this descriptor drops no lock that matters: nobody else uses an unfinished copy.
 */
const flushWhile = <A, E, R>(copy: string, writing: Effect.Effect<A, E, R>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { sync } = yield* Effect.mapError(fs.open(copy), SystemFailure.fromPlatform)
      yield* Effect.forkScoped(Effect.repeat(Effect.ignore(sync), Schedule.spaced("100 millis")))
      return yield* writing
    })
  )

export const refuseEmptyCopy = (copy: string) =>
  Effect.scoped(Effect.flatMap(openSqlite({ filename: copy, readonly: true }), refuseEmpty))

/** An empty file is a sound database too. */
export const refuseEmpty = (copy: Sqlite): Effect.Effect<void, CopyFailure> =>
  Effect.flatMap(copy.run("SELECT 1 FROM sqlite_schema LIMIT 1"), (objects) =>
    objects.length > 0 ? Effect.void : new SystemFailure({ code: "", detail: "it is empty" })
  )

export const requireSpace = Effect.fnUntraced(function* (source: Sqlite, copy: string) {
  const path = yield* Path.Path
  const [size] = yield* source.run("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size")
  const needed = integer(size, "bytes")
  // If the free space is unknown, the copying finds out. But a filesystem that does not answer would stop it, and with it
  // the whole process.
  const free = yield* Effect.catchIf(
    freeSpaceAt(path.dirname(copy)),
    ({ code }) => code !== "ETIMEDOUT",
    () => Effect.succeed(Number.POSITIVE_INFINITY)
  )
  if (free < needed) {
    return yield* new SystemFailure({ code: "ENOSPC", detail: `${needed} bytes are needed, ${free} are free` })
  }
})

/** Above this many bytes SQLite's own flush of a copy blocks the event loop for a tenth of a second or more. */
export const largeCopy = 32 * 1024 * 1024
