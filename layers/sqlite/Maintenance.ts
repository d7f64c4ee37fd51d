/** What a database needs after its start: each task by a schedule of its own, all of them in one scope. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { files, trySync } from "../machine/files.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import { megabytes } from "../start/Measure.ts"
import { flushDirectoryOf, remove, removeCopyOrWarn, removeUnused, rename, siblingFiles } from "./BackupFiles.ts"
import { copyTimeIn, formatCopyName, unfinishedCopy } from "./BackupNames.ts"
import { whileReading } from "./ClientConnection.ts"
import type { DatabaseConfig } from "./DatabaseConfig.ts"
import { databaseVersion } from "./DatabaseVersion.ts"
import { checkpointBeside, isLarge } from "./LeftoverWal.ts"
import { copyOnline } from "./OnlineCopy.ts"
import { withOnOpen } from "./OnOpen.ts"
import { bytesOf, checkPages } from "./PageCheck.ts"
import { type Looks, SharedLooks } from "./SharedLooks.ts"
import { integer, openSqlite, SqliteFailure } from "./Sqlite.ts"
import type { SqliteConnection } from "./SqliteConnection.ts"
import type { WriteError } from "./WriteError.ts"

/** When a task runs: after each delay of the schedule. It ends with the schedule. */
type When = Schedule.Schedule<unknown>

/**
 * What to do after the start, and when. What is not given is not done. A task runs for the first time after the first
 * delay of its schedule, and for the last time when its schedule ends. Only one runs at a time.
 */
export interface MaintenanceOptions {
  /** `PRAGMA optimize`, under the write lock: keeps the statistics of the query planner (https://sqlite.org/pragma.html#pragma_optimize). */
  readonly optimize?: When | undefined
  /** A checkpoint of the WAL that blocks nobody (`PASSIVE`); a WAL of more than 16 MiB in a child process. */
  readonly checkpoint?: When | undefined
  /** Gives free pages back to the filesystem, 1000 at a time, under the write lock. Only with `auto_vacuum` `incremental`. */
  readonly vacuum?: When | undefined
  /** A checked copy of the database at another place. */
  readonly backup?:
    | {
        /** When. */
        readonly schedule: When
        /** Where. It is created when it is missing, with mode 0700. */
        readonly directory: string
        /** How many to keep. Default 7. Others are deleted, the oldest first. */
        readonly keep?: number | undefined
      }
    | undefined
  /** `quick_check` and `foreign_key_check`, for files of more than 32 MiB in a child process. */
  readonly integrity?:
    | {
        /** When. */
        readonly schedule: When
        /** It begins when nothing was written for this long, or has waited 60 times as long. Default 5 s. */
        readonly quiet?: Duration.DurationInput | undefined
      }
    | undefined
}

/** The name of a task: `optimize`, `checkpoint`, `vacuum`, `backup` or `integrity`. */
export type MaintenanceTask = keyof MaintenanceOptions

/** How a task ran last. */
export interface MaintenanceRun {
  /** When it ended, in ISO 8601. */
  readonly at: string
  /** Whether it failed. The next run that does not fail ends the warning. */
  readonly failed: boolean
  /** What it did, or why it failed. */
  readonly result: string
}

/** A copy that `maintain` has made, or has found when it began. */
export interface LastBackup {
  /** Absolute path. */
  readonly file: string
  /** When it was begun, in milliseconds since the epoch. */
  readonly at: number
}

/** @internal What health tells of the tasks. Changed in place. */
export interface Maintained {
  readonly runs: Partial<Record<MaintenanceTask, MaintenanceRun>>
  backup: LastBackup | undefined
}

/** @internal */
export const makeMaintenance = (
  config: DatabaseConfig["Type"],
  { file, sqlite }: SqliteConnection["Type"],
  write: <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.Effect<A, E | WriteError, R>,
  looks: Looks
) => {
  const maintained: Maintained = { runs: {}, backup: undefined }
  const alone = Effect.unsafeMakeSemaphore(1).withPermits(1)
  const onePragma = (pragma: string) => Effect.map(sqlite.run(`PRAGMA ${pragma}`), ([row]) => integer(row, pragma))

  const optimize = Effect.as(write(sqlite.run("PRAGMA optimize")), "done")

  const checkpoint = Effect.gen(function* () {
    const bytes = yield* trySync(() => files.stat(`${file}-wal`)?.size ?? 0)
    if (isLarge(bytes)) {
      const { journalSizeLimit: limit } = config.pragmas
      const { warning } = yield* checkpointBeside(
        { bytes, file, limit: limit < 0 ? Number.POSITIVE_INFINITY : limit, readings: sqlite.readings.size },
        { left: () => Number.POSITIVE_INFINITY, progress: () => Effect.void }
      )
      return warning === undefined ? `${megabytes(bytes)} MB` : yield* new SystemFailure({ code: "", detail: warning })
    }
    const [row] = yield* Effect.scoped(
      Effect.flatMap(openSqlite({ filename: file }), ({ run }) => run("PRAGMA wal_checkpoint(PASSIVE)"))
    )
    return `${integer(row, "checkpointed")} of ${integer(row, "log")} pages`
  })

  const vacuum = Effect.gen(function* () {
    if ((yield* onePragma("auto_vacuum")) !== 2) return "auto_vacuum is not incremental"
    const before = yield* onePragma("freelist_count")
    // Each step frees one page, and `run` of the driver makes one.
    yield* write(
      Effect.try({
        try: () => sqlite.database.exec("PRAGMA incremental_vacuum(1000)"),
        catch: SqliteFailure.from
      })
    )
    return `${before - (yield* onePragma("freelist_count"))} of ${before} pages`
  })

  const backup = Effect.fnUntraced(function* (target: string, keep: number) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const at = yield* Clock.currentTimeMillis
    yield* Effect.mapError(
      fs.makeDirectory(path.dirname(target), { recursive: true, mode: 0o700 }),
      SystemFailure.fromPlatform
    )
    const copy = `${target}${formatCopyName(at)}`
    const partial = `${copy}.partial`
    if (yield* trySync(() => files.stat(copy) !== undefined)) {
      return yield* new SystemFailure({ code: "EEXIST", detail: `${copy} already exists` })
    }
    // With a rollback journal a snapshot would keep others from committing.
    const isHeld = config.pragmas.journalMode === "wal"
    yield* copyOnline(file, partial, { isHeld, opened: whileReading(sqlite.readings, "backup") }).pipe(
      Effect.zipRight(Effect.uninterruptible(rename(partial, copy))),
      Effect.onError(() => removeCopyOrWarn(partial))
    )
    yield* flushDirectoryOf(copy)
    maintained.backup = { file: copy, at }
    const there = yield* siblingFiles(target, /\.backup(\.|$)/)
    const unfinished = there.filter(({ path }) => unfinishedCopy.test(path.slice(target.length)))
    yield* Effect.forEach(unfinished, ({ path }) => removeUnused(path), { discard: true })
    // The copies of a fleet have one directory, which is not read again for each.
    const others = copiesIn(target, there).filter(({ file }) => file !== copy)
    const copies = [{ file: copy, at }, ...others]
    yield* Effect.forEach(copies.slice(Math.max(keep, 1)), ({ file }) => remove(file), { discard: true })
    return copy
  })

  // Opened for reading, SQLite would look at no row by the CHECKs of its table.
  const integrity = Effect.scoped(
    Effect.gen(function* () {
      const beside = yield* openSqlite({ filename: file, readonly: config.access === "inspect" })
      yield* beside.run("PRAGMA query_only = 1")
      yield* checkPages({ file, sqlite: beside, bytes: yield* bytesOf(beside) }, "quick", () => Effect.void)
    })
  ).pipe(Effect.as("pages and foreign keys ok"))

  const version = databaseVersion(sqlite)
  const untilQuiet = (quiet: Duration.DurationInput) =>
    Effect.suspend(() => {
      let last = version()
      return Effect.repeat(
        Effect.map(Effect.sleep(quiet), () => {
          const isQuiet = version() === last
          last = version()
          return isQuiet
        }),
        { until: (isQuiet) => isQuiet, times: 59 }
      )
    })

  /** Runs a task by its schedule. However one run ends, the next one comes. */
  const by = <E extends { readonly message: string }, R>(
    task: MaintenanceTask,
    schedule: When | undefined,
    run: Effect.Effect<string, E, R>,
    before: Effect.Effect<unknown> = Effect.void
  ) => {
    if (schedule === undefined || config.inMemory) return Effect.void
    const note = (failed: boolean, result: string) =>
      Effect.map(Clock.currentTimeMillis, (at) => {
        maintained.runs[task] = { at: new Date(at).toISOString(), failed, result }
      })
    return before.pipe(
      Effect.zipRight(alone(Effect.provideService(withOnOpen(config.onOpen)(run), SharedLooks, looks))),
      Effect.withSpan(`database-ready.maintenance.${task}`, { attributes: { "database.file": file } }),
      Effect.matchCauseEffect({
        onFailure: (cause) => {
          if (Cause.isInterruptedOnly(cause)) return Effect.interrupt
          const why = Cause.prettyErrors(cause)
            .map(({ message }) => message)
            .join("; ")
          return Effect.zipRight(note(true, why), Effect.logWarning(`The maintenance task ${task} failed: ${why}`))
        },
        onSuccess: (result) =>
          Effect.zipRight(note(false, result), Effect.logDebug(`The maintenance task ${task}: ${result}`))
      }),
      Effect.annotateLogs("database", file),
      Effect.schedule(schedule),
      Effect.forkScoped,
      Effect.asVoid
    )
  }

  const maintain = Effect.fnUntraced(function* (
    options: MaintenanceOptions
  ): Effect.fn.Return<void, never, FileSystem.FileSystem | Path.Path | Scope.Scope> {
    const path = yield* Path.Path
    const { directory = "", keep = 7, schedule } = options.backup ?? {}
    const target = path.resolve(directory, path.basename(file))
    if (schedule !== undefined) {
      // Where it cannot be read, the task itself says why.
      const found = Effect.provideService(siblingFiles(target, /\.backup$/), SharedLooks, looks)
      const [newest] = copiesIn(target, yield* Effect.orElseSucceed(found, () => []))
      maintained.backup = newest
    }
    yield* by("optimize", options.optimize, optimize)
    yield* by("checkpoint", options.checkpoint, checkpoint)
    yield* by("vacuum", options.vacuum, vacuum)
    yield* by("backup", schedule, backup(target, keep))
    yield* by("integrity", options.integrity?.schedule, integrity, untilQuiet(options.integrity?.quiet ?? "5 seconds"))
  })
  return { maintain, maintained }
}

/** The copies of a database at a place, the newest first: their names have the time. */
const copiesIn = (target: string, found: ReadonlyArray<{ readonly path: string }>): ReadonlyArray<LastBackup> =>
  found
    .flatMap(({ path }): ReadonlyArray<LastBackup> => {
      const at = copyTimeIn(path.slice(target.length))
      return at === undefined ? [] : [{ file: path, at }]
    })
    .sort((one, other) => other.at - one.at)
