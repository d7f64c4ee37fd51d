/**
 * A large WAL that was left: SQLite recovers it at the first read, and writes it into the database at the first commit,
 * in one call each. In the process of the service that would hold the event loop for seconds, the second one while it
 * serves already. So both are done beside, within the start.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { nameHolders, readersOf } from "../machine/FileLocks.ts"
import { files, trySync } from "../machine/files.ts"
import type { Attempt } from "../start/Attempt.ts"
import { megabytes } from "../start/Measure.ts"
import { answerBeside } from "./PageCheck/SqliteBeside.ts"
import { integer, type Sqlite, SqliteFailure, text } from "./Sqlite.ts"

/**
 * Bytes above which a WAL is large. SQLite itself writes it into the database at 4 MiB, with the event loop standing
 * still, and of 16 MiB recovery and checkpoint take about a fifth of a second.
 */
const large = 16 * 1024 * 1024

export const isLarge = (walBytes: number): boolean => walBytes > large

/**
 * Recovers a WAL that nobody has open, and keeps what was found in the `-shm` until the scope closes. Until then another
 * connection that opens the database need not recover it. What cannot be done beside the next connection does, or refuses.
 */
export const recoverBeside = (
  { file, walBytes }: { readonly file: string; readonly walBytes: number },
  progress: Attempt["progress"]
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.ignore(
    answerBeside({ file, sql: "SELECT count(*) FROM sqlite_schema", stays: true }, ({ read = 0 }) =>
      progress("recovering the WAL", read, walBytes)
    )
  )

/**
 * Milliseconds for which SQLite tries again, asleep within one call, where the system refuses it the lock on the `-shm`
 * that reading takes (`walTryBeginRead` in wal.c). Neither a deadline nor an interruption ends that.
 */
export const standstill = 11_000

/** Milliseconds that a process may take until it reads. */
export const launching = 500

/**
 * Whether a database can be read at all, asked in a process that can be ended meanwhile. It fails where SQLite has tried
 * in vain (`SQLITE_PROTOCOL`); whatever else it meets the next connection meets at once. The process stays until the scope
 * closes, for as a reader it could not take away the files that it made beside the database.
 */
export const readBeside = (file: string): Effect.Effect<void, SqliteFailure, Scope.Scope> =>
  Effect.catchAll(
    answerBeside({ file, sql: "SELECT count(*) FROM sqlite_schema", stays: true }, () => Effect.void),
    (failure) =>
      failure instanceof SqliteFailure && failure.code === "SQLITE_PROTOCOL" ? Effect.fail(failure) : Effect.void
  )

/** What became of a large WAL: how much of it there was, and why it is still there. */
export interface Checkpointed {
  readonly bytes: number
  /** Undefined where all of it is in the database now. */
  readonly warning: string | undefined
}

/** Bytes of the WAL that are not in the database yet, 0 where they are not worth a process. */
export const leftoverOf = ({ file, sqlite }: { readonly file: string; readonly sqlite: Sqlite }) =>
  Effect.gen(function* () {
    const bytes = yield* trySync(() => files.stat(`${file}-wal`)?.size ?? 0)
    if (!isLarge(bytes)) return 0
    const [version] = yield* sqlite.run("SELECT sqlite_version() AS version")
    // Without that word SQLite would take it for `PASSIVE`, and do it here.
    if (!knowsNoop(text(version, "version"))) return bytes
    const [size] = yield* sqlite.run("PRAGMA page_size")
    const [found] = yield* sqlite.run("PRAGMA wal_checkpoint(NOOP)")
    const left = (integer(found, "log") - integer(found, "checkpointed")) * integer(size, "page_size")
    return isLarge(left) ? left : 0
  }).pipe(Effect.orElseSucceed(() => 0))

/** From 3.51.0 (https://sqlite.org/pragma.html#pragma_wal_checkpoint). */
const knowsNoop = (version: string): boolean => {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  return major > 3 || (major === 3 && minor >= 51)
}

/**
 * Writes a WAL into the database as far as nobody reads an older state: `PASSIVE` shuts nobody out and waits for nobody.
 * Killed at any moment, it is done again later. It is no reason to refuse a database that is proven: what cannot be done,
 * or not by the deadline, is told.
 */
export const checkpointBeside = (
  { bytes, file, limit }: { readonly bytes: number; readonly file: string; readonly limit: number },
  { left, progress }: Pick<Attempt, "left" | "progress">
): Effect.Effect<Checkpointed> => {
  const doing = "writing the WAL into the database"
  const passive = Effect.scoped(
    answerBeside({ file, sql: "PRAGMA wal_checkpoint(PASSIVE)", writes: true }, ({ written }) =>
      written === undefined ? Effect.void : progress(doing, written, bytes)
    )
  )
  // The first commit would give up what is above the limit, again with the event loop standing still.
  const truncate = Effect.scoped(
    answerBeside({ file, sql: "PRAGMA wal_checkpoint(TRUNCATE)", writes: true }, () => Effect.void)
  )
  const done: Checkpointed = { bytes, warning: undefined }
  const because = (why: string): Checkpointed => ({ bytes, warning: `${why}. ${slow}` })
  return passive.pipe(
    Effect.flatMap(([row]) => {
      const [log, checkpointed] = [integer(row, "log"), integer(row, "checkpointed")]
      if (log >= 0 && log === checkpointed) {
        return Effect.as(bytes > limit ? Effect.ignore(truncate) : Effect.void, done)
      }
      const share = log > 0 ? Math.round((bytes * (log - checkpointed)) / log) : bytes
      return Effect.map(readersOf(file), (found) => {
        const readers = found.filter(({ pid }) => pid !== process.pid)
        const who = readers.length === 0 ? "another process" : nameHolders(readers)
        return because(
          `${megabytes(share)} of the ${megabytes(bytes)} MB of the WAL could not be written into the database, because ${who} reads an older state of it`
        )
      })
    }),
    Effect.catchAll(({ code, detail }) =>
      Effect.succeed(
        because(`The WAL of ${megabytes(bytes)} MB could not be written into the database (${code}: ${detail})`)
      )
    ),
    // The deadline does not wait until the process is gone.
    Effect.disconnect,
    Effect.raceFirst(
      Effect.map(untilLate(left), () =>
        because(`The WAL of ${megabytes(bytes)} MB could not be written into the database by the deadline of the start`)
      )
    )
  )
}

const slow = "The next commits may be slow until it is written."

/** A moment before the deadline, which what moves on may put off. */
const untilLate = (left: () => number): Effect.Effect<void> =>
  Effect.suspend(() => (left() <= 100 ? Effect.void : Effect.zipRight(Effect.sleep(left() - 100), untilLate(left))))
