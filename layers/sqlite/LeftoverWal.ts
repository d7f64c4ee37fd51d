/**
 * A large WAL that was left behind: SQLite recovers it at the first read, and writes it into the database at the first
 * commit, in one call each. In the service's process each would block the event loop for seconds, the second one while
 * it already serves. So the start does both in a child process.
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
 * Above this many bytes a WAL is large: at 16 MiB recovery and checkpoint take about a fifth of a second. (SQLite
 * itself checkpoints at 4 MiB, blocking the event loop.)
 */
const large = 16 * 1024 * 1024

export const isLarge = (walBytes: number): boolean => walBytes > large

/**
 * Recovers a WAL that no process has open, and keeps the recovered `-shm` until the scope closes: until then other
 * connections need not recover it. If this fails, the next connection recovers it, or refuses.
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
 * If the system refuses the read lock on the `-shm`, SQLite retries for this many milliseconds, asleep in one call
 * (`walTryBeginRead` in wal.c). Neither a deadline nor an interruption can stop that.
 */
export const standstill = 11_000

/** Milliseconds that a child process may need until it reads. */
export const launching = 500

/**
 * Checks in a child process, which can be killed, whether a database can be read at all. Fails only if SQLite gave up
 * trying (`SQLITE_PROTOCOL`): the next connection meets any other error at once. The child stays until the scope closes:
 * as a reader it could not delete the files that it created beside the database.
 */
export const readBeside = (file: string): Effect.Effect<void, SqliteFailure, Scope.Scope> =>
  Effect.catchAll(
    answerBeside({ file, sql: "SELECT count(*) FROM sqlite_schema", stays: true }, () => Effect.void),
    (failure) =>
      failure instanceof SqliteFailure && failure.code === "SQLITE_PROTOCOL" ? Effect.fail(failure) : Effect.void
  )

/** The result for a large WAL: its size, and why it is still there. */
export interface Checkpointed {
  readonly bytes: number
  /** Undefined if all of it is in the database now. */
  readonly warning: string | undefined
}

/** Bytes of the WAL that are not in the database yet; 0 if they are too few for a child process. */
export const leftoverOf = ({ file, sqlite }: { readonly file: string; readonly sqlite: Sqlite }) =>
  Effect.gen(function* () {
    const bytes = yield* trySync(() => files.stat(`${file}-wal`)?.size ?? 0)
    if (!isLarge(bytes)) return 0
    const [version] = yield* sqlite.run("SELECT sqlite_version() AS version")
    // An SQLite that does not know `NOOP` would do a `PASSIVE` checkpoint here.
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
 * Writes a WAL into the database, as far as no process reads an older state: `PASSIVE` blocks nobody and waits for
 * nobody. If it is killed, a later checkpoint does it again. A failure or the deadline is only a warning: the database
 * is already proven.
 */
export const checkpointBeside = (
  {
    bytes,
    file,
    limit,
    readings = 0
  }: {
    readonly bytes: number
    readonly file: string
    readonly limit: number
    /** How many reads go on in this process. */
    readonly readings?: number
  },
  { left, progress }: Pick<Attempt, "left" | "progress">
): Effect.Effect<Checkpointed> => {
  const doing = "writing the WAL into the database"
  const passive = Effect.scoped(
    answerBeside({ file, sql: "PRAGMA wal_checkpoint(PASSIVE)", writes: true }, ({ written }) =>
      written === undefined ? Effect.void : progress(doing, written, bytes)
    )
  )
  // Otherwise the first commit truncates the WAL to the limit, blocking the event loop.
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
        const readers = found.filter(({ pid }) => pid !== process.pid || readings > 0)
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
    // Do not let the deadline wait for the end of the child process.
    Effect.disconnect,
    Effect.raceFirst(
      Effect.map(untilLate(left), () =>
        because(`The WAL of ${megabytes(bytes)} MB could not be written into the database by the deadline of the start`)
      )
    )
  )
}

const slow = "The next commits may be slow until it is written."

/** Waits until just before the deadline, which progress may extend. */
const untilLate = (left: () => number): Effect.Effect<void> =>
  Effect.suspend(() => (left() <= 100 ? Effect.void : Effect.zipRight(Effect.sleep(left() - 100), untilLate(left))))
