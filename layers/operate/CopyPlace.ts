/** A private directory next to a database, for a copy that is looked at and thrown away. */
import { basename, join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { files, trySync } from "../machine/files.ts"
import { tellProgressOf } from "../sqlite/Backup.ts"
import type { DatabaseConfig } from "../sqlite/DatabaseConfig.ts"
import { copyDatabase } from "../sqlite/DatabaseCopy.ts"
import { lockForPlace } from "../sqlite/LockFile.ts"
import { text } from "../sqlite/Sqlite.ts"
import type { SqliteConnection } from "../sqlite/SqliteConnection.ts"

/** What the copy is for: it is part of the name of the directory. */
export type Purpose = "rehearsal" | "proof"

/**
 * Gives the path for the copy in `FILE.rehearsal` or `FILE.proof`, a directory that only this user can enter; gone with
 * the scope. What a killed run left is removed first. Only one at a time has it.
 */
export const copyPlace = Effect.fnUntraced(function* (file: string, directory: string, purpose: Purpose) {
  const place = join(directory, `${basename(file)}.${purpose}`)
  yield* lockForPlace(place, file, `another ${purpose} is running`)
  yield* Effect.acquireRelease(
    trySync(() => {
      clear(place)
      files.makePrivateDirectory(place)
    }),
    () =>
      Effect.catchAll(
        trySync(() => clear(place)),
        ({ detail }) => Effect.logWarning(`${place} could not be deleted: ${detail}`)
      )
  )
  return join(place, copyName)
})

const copyName = "copy.db"

/** Deletes only what is made here: somebody may have put something else there. */
const clear = (place: string): void => {
  if (files.lstat(place) === undefined) return
  for (const name of files.names(place)) if (name.startsWith(copyName)) files.remove(join(place, name))
  files.removeDirectory(place)
}

/**
 * Copies one moment. With a rollback journal a snapshot would keep others from committing, so SQLite begins again when
 * they do. The copy has the journal mode of the database, or the one that is named.
 */
export const copyTo = Effect.fnUntraced(function* (
  copy: string,
  { file, sqlite }: Pick<SqliteConnection["Type"], "file" | "sqlite">,
  { onProgress }: Pick<DatabaseConfig["Type"], "onProgress">,
  journalMode?: "delete"
) {
  const [row] = yield* sqlite.run("PRAGMA journal_mode")
  const isWal = text(row, "journal_mode") === "wal"
  if (isWal) yield* Effect.zipRight(sqlite.run("BEGIN"), sqlite.run("SELECT 1 FROM sqlite_schema LIMIT 1"))
  const progress = (_: string, done: number, total: number) =>
    Effect.flatMap(Clock.currentTimeMillis, (at) =>
      Effect.asVoid(onProgress({ ...copying, _tag: "StageProgress", stage: "connection", at, done, total }))
    )
  const copied = copyDatabase(file, copy, {
    source: sqlite,
    journalMode: journalMode ?? (isWal ? "wal" : "delete"),
    permissions: { uid: undefined, gid: undefined, mode: 0o600 }
  })
  yield* tellProgressOf(file, copy, progress, copied)
})

const copying = { doing: "copying the database", unit: "bytes", detail: "" } as const
