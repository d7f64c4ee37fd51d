/** Real files, real starts, a real neighbour process, and what can be seen of them from outside. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync
} from "node:fs"
import { join } from "node:path"
import { SystemError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import Sqlite from "better-sqlite3"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { type DatabaseOptions, DatabaseReady, Migrations, restoreBackup } from "../../layers/index.ts"
import { type MigrationFile, titleOf } from "./files.ts"
import type { Content } from "./model.ts"
import { contentsOf, within } from "./reference.ts"

/** A directory with a database in it, which moves when it is copied or put behind a link. */
export interface World {
  readonly folder: string
  /** Where the file is. */
  home: string
  /** The path that starts use: the file's, or that of a link to it. */
  opened: string
  places: number
}

export const fileIn = (home: string): string => join(home, "app.db")
export const parts = ["", "-wal", "-shm", "-journal"] as const

export const newWorld = (folder: string): World => {
  const home = join(folder, "0")
  mkdirSync(home, { recursive: true })
  return { folder, home, opened: fileIn(home), places: 1 }
}

/** A new directory name. */
const place = (world: World): string => {
  const home = join(world.folder, String(world.places))
  world.places += 1
  return home
}

/** Continues in a copy; the original is gone. */
export const moveToCopy = (world: World, suffixes: ReadonlyArray<string>, keepTimes: boolean): void => {
  const home = place(world)
  cpSync(world.home, home, { recursive: true, preserveTimestamps: keepTimes })
  for (const part of parts) if (!suffixes.includes(part)) rmSync(fileIn(home) + part, { force: true })
  settleIn(world, home)
}

/** Continues in another directory, unchanged. */
const settleIn = (world: World, home: string): void => {
  const wasLinked = isLinked(world)
  rmSync(world.home, { recursive: true, force: true })
  world.home = home
  if (wasLinked) rmSync(world.opened, { force: true })
  world.opened = fileIn(home)
}

export const isLinked = ({ home, opened }: World): boolean => opened !== fileIn(home)

/** Moves the directory elsewhere and puts a link in its place. */
export const moveBehindLink = (world: World): void => {
  if (isLinked(world)) return
  const [home, before] = [place(world), world.home]
  renameSync(before, home)
  mkdirSync(before)
  symlinkSync(fileIn(home), fileIn(before))
  world.home = home
}

/** Works on the file like somebody who does not know the library. */
export const byHand = <A>(file: string, use: (connection: Sqlite.Database) => A): A => {
  const connection = new Sqlite(file, { timeout: 0 })
  try {
    return use(connection)
  } finally {
    connection.close()
  }
}

/** What the files of a database contain for anybody who opens them, found in a copy. */
export const seenIn = <A>(world: World, use: (connection: Sqlite.Database) => A): A => {
  const scratch = join(world.folder, "scratch")
  rmSync(scratch, { recursive: true, force: true })
  mkdirSync(scratch)
  for (const part of ["", "-wal", "-journal"]) {
    const file = fileIn(world.home) + part
    if (existsSync(file)) copyFileSync(file, fileIn(scratch) + part)
  }
  return byHand(fileIn(scratch), use)
}

const historyStatement =
  "SELECT version, name, status, compatible_from FROM schema_migrations ORDER BY CAST(version AS INTEGER), version"

/** Everything comparable of a content, as text. */
export const pictureOf = (connection: Sqlite.Database): string => {
  const hasHistory =
    connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations'").get() !== undefined
  return JSON.stringify({
    contents: JSON.parse(contentsOf(connection)),
    history: hasHistory ? connection.prepare(historyStatement).raw().all() : undefined,
    userVersion: connection.pragma("user_version", { simple: true }),
    applicationId: connection.pragma("application_id", { simple: true })
  })
}

/** The same for what the model says. */
export const pictureIn = ({ applicationId, history, image, userVersion }: Content): string =>
  JSON.stringify({
    contents: JSON.parse(within(image, contentsOf)),
    history: history
      ?.toSorted((one, other) => Number(one.version) - Number(other.version) || (one.version < other.version ? -1 : 1))
      .map(({ compatibleFrom, name, status, version }) => [version, name, status, compatibleFrom?.toString() ?? null]),
    userVersion,
    applicationId
  })

/** Whether a rollback journal holds an unfinished transaction. Otherwise its header is zeros, or it is empty. */
export const isHot = (journal: string): boolean => (readFileSync(journal)[0] ?? 0) !== 0

/**
 * Each file with a hash of its bytes. Skips shared memory, finished journals, and what a killed process left of a copy.
 */
export const bytesIn = (home: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(home)
      .filter((name) => !/-shm$|\.partial/.test(name) && !(name.endsWith("-journal") && !isHot(join(home, name))))
      .sort()
      .map((name) => [
        name,
        createHash("sha1")
          .update(readFileSync(join(home, name)))
          .digest("hex")
      ])
  )

export const backupsIn = (home: string): ReadonlyArray<string> =>
  readdirSync(home)
    .filter((name) => name.endsWith(".backup"))
    .sort()

export const replacedIn = (home: string): ReadonlyArray<string> =>
  readdirSync(home)
    .filter((name) => /\.replaced-\w+$/.test(name))
    .sort()

export const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0

/** A call that fails, or at which the process is killed: the n-th statement or call of the file system. */
export interface Fault {
  readonly kind: "kill" | "fail"
  readonly nth: number
  readonly code: string
}

const codes = ["SQLITE_IOERR_READ", "SQLITE_FULL", "SQLITE_BUSY", "SQLITE_IOERR_FSYNC", "SQLITE_NOMEM"] as const
export const faultCodes: ReadonlyArray<string> = codes

/** Counts the calls of a start, and injects the fault at the n-th. Returns how to stop counting. */
const watching = (world: World, fault: Fault | undefined) => {
  let count = 0
  let snapshot: string | undefined
  let isReached = false
  const reached = (): boolean => {
    count += 1
    if (fault === undefined || count !== fault.nth) return false
    isReached = true
    if (fault.kind === "fail") return true
    // A kill leaves the files as they are at this moment. Another process copies them: closing a descriptor here would
    // drop this process's locks.
    snapshot = place(world)
    spawnSync("cp", ["-a", world.home, snapshot])
    return false
  }
  const prepare = Sqlite.prototype.prepare
  if (fault !== undefined) {
    Sqlite.prototype.prepare = function (this: Sqlite.Database, sql: string) {
      if (reached()) throw new Sqlite.SqliteError("injected", fault.code)
      return prepare.call(this, sql)
    } as typeof prepare
  }
  const call =
    <Arguments extends ReadonlyArray<unknown>, A, E, R>(use: (...args: Arguments) => Effect.Effect<A, E, R>) =>
    (...args: Arguments): Effect.Effect<A, E | SystemError, R> =>
      Effect.suspend((): Effect.Effect<A, E | SystemError, R> => (reached() ? Effect.fail(broken) : use(...args)))
  const platform = Layer.merge(
    NodePath.layer,
    Layer.effect(
      FileSystem.FileSystem,
      Effect.map(FileSystem.FileSystem, (fs) =>
        fault === undefined
          ? fs
          : {
              ...fs,
              rename: call(fs.rename),
              remove: call(fs.remove),
              open: call(fs.open),
              link: call(fs.link),
              stat: call(fs.stat)
            }
      )
    ).pipe(Layer.provide(NodeFileSystem.layer))
  )
  const end = () => {
    Sqlite.prototype.prepare = prepare
    if (snapshot !== undefined) settleIn(world, snapshot)
    return { isReached }
  }
  return { platform, end }
}

const broken = new SystemError({
  reason: "Unknown",
  module: "FileSystem",
  method: "injected",
  cause: Object.assign(new Error("EIO: injected"), { code: "EIO" })
})

export type StartSettings = Omit<DatabaseOptions, "filename"> & { readonly files: ReadonlyArray<MigrationFile> }

export type Outcome =
  | {
      readonly _tag: "ready"
      readonly applied: ReadonlyArray<string>
      readonly version: string | undefined
      readonly backup: string | undefined
    }
  | { readonly _tag: "refused"; readonly refusal: string; readonly message: string }

const outcomeOf = <A, E extends { readonly _tag: string; readonly reason: string; readonly message: string }>(
  exit: Exit.Exit<A, E>,
  ready: (value: A) => Outcome
): Outcome =>
  Exit.match(exit, {
    onSuccess: ready,
    onFailure: (cause) => {
      const [failure] = Cause.failures(cause)
      return failure === undefined
        ? { _tag: "refused", refusal: "Defect", message: Cause.pretty(cause) }
        : { _tag: "refused", refusal: `${failure._tag}.${failure.reason}`, message: failure.message }
    }
  })

const sourceOf = (files: ReadonlyArray<MigrationFile>) =>
  Migrations.fromRecord(Object.fromEntries(files.map((file) => [`${titleOf(file)}.sql`, file.text])))

/** One start, closed again. */
export const startOn = Effect.fnUntraced(function* (world: World, { files, ...options }: StartSettings, fault?: Fault) {
  const watch = watching(world, fault)
  const exit = yield* Effect.exit(
    Effect.scoped(
      Effect.provide(
        Effect.map(DatabaseReady, ({ report }) => report),
        Layer.fresh(DatabaseReady.layer({ filename: world.opened, migrations: sourceOf(files), ...options })).pipe(
          Layer.provide(watch.platform)
        )
      )
    )
  )
  const { isReached } = watch.end()
  const outcome = outcomeOf(exit, (report) => ({
    _tag: "ready",
    applied: report.applied.map(({ version }) => version),
    version: report.schemaVersion,
    backup: report.backup
  }))
  return { outcome, isReached }
})

/** One restore. */
export const restoreOn = Effect.fnUntraced(function* (world: World, backup: string | undefined, fault?: Fault) {
  const watch = watching(world, fault)
  const exit = yield* Effect.exit(
    Effect.provide(restoreBackup({ filename: world.opened, backup, timeout: "5 seconds" }), watch.platform)
  )
  const { isReached } = watch.end()
  const outcome = outcomeOf(exit, (restored) => ({
    _tag: "ready",
    applied: [],
    version: restored.schemaVersion,
    backup: restored.backup
  }))
  return { outcome, isReached }
})

/** Another process that opens the database, holds it and releases it. */
export const neighbour = () => {
  const script = `const Sqlite = require("better-sqlite3"); let held
process.on("message", ([command, file, sql]) => {
  try {
    if (command === "hold") { held = new Sqlite(file, { timeout: 0 }); held.exec(sql) } else { held?.close(); held = undefined }
    process.send("done")
  } catch (error) { held?.close(); held = undefined; process.send(String(error)) }
})
process.on("disconnect", () => process.exit())`
  let child: ChildProcess | undefined
  const told = (...message: ReadonlyArray<string>) =>
    Effect.async<string>((resume) => {
      child ??= spawn(process.execPath, ["-e", script], {
        cwd: import.meta.dirname,
        stdio: ["ignore", "inherit", "inherit", "ipc"]
      })
      child.once("message", (answer) => resume(Effect.succeed(String(answer))))
      child.send(message)
    })
  return {
    hold: (file: string, sql: string) => told("hold", file, sql),
    release: Effect.suspend(() => (child === undefined ? Effect.succeed("done") : told("let go"))),
    end: Effect.sync(() => child?.disconnect())
  }
}

export type Neighbour = ReturnType<typeof neighbour>
