/** Room 1: from a file name to the directory that can hold the file. */
import type { PlatformError, SystemErrorReason } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Permissions, permissionsForDirectory } from "../machine/FilePermissions.ts"
import { ask, files } from "../machine/files.ts"
import { kindOfFilesystem, type Mount, mountIn, mountTable, neverHang } from "../machine/MountTable.ts"
import { giveDirectory } from "../machine/newFile.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import { jsonOf, messageOf } from "../start/Refusal.ts"
import { DatabaseConfig } from "./DatabaseConfig.ts"
import { faultOfName, realFile } from "./DatabasePath.ts"
import { Initialization, type StageError } from "./Initialization.ts"

type Reason =
  | "InvalidFilename"
  | "NotADirectory"
  | "NotFound"
  | "PermissionDenied"
  | "BrokenLink"
  | "ReadOnlyFilesystem"
  | "DiskFull"
  | "NetworkFilesystem"
  | "UnknownFilesystem"
  | "Unavailable"

/** The directory that should hold the database cannot be had, or SQLite's locks would not work in it. */
export class DirectoryError extends Data.TaggedError("DirectoryError")<{
  readonly reason: Reason
  /** The directory, absolute where it could be resolved; the file whose name is invalid. */
  readonly path: string
  /** What the operating system said, or the kind of filesystem. */
  readonly detail: string
  readonly retryable: boolean
  /** Absolute path of the database file, once it has left its stage. */
  readonly database?: string | undefined
}> {
  override get message(): string {
    return messageOf(this)
  }

  override toJSON(): object {
    return jsonOf(this)
  }

  get sentence(): string {
    return `${sentences[this.reason](this.path)} (${this.detail})`
  }

  get remedy(): string {
    return remedies[this.reason]
  }
}

const sentences: Record<Reason, (path: string) => string> = {
  InvalidFilename: (path) => `${JSON.stringify(path)} cannot be the name of a database file`,
  NotADirectory: (path) => `${path} cannot be a directory: it, or a parent of it, is a file`,
  NotFound: (path) => `The directory ${path} does not exist`,
  PermissionDenied: (path) => `The directory ${path} cannot be created or written by this user`,
  BrokenLink: (path) => `The links in ${path} lead in a circle or nowhere`,
  ReadOnlyFilesystem: (path) => `The filesystem of ${path} is read-only`,
  DiskFull: (path) => `There is no space left for ${path}`,
  NetworkFilesystem: (path) => `${path} is on a filesystem where SQLite's locks and shared memory do not work`,
  UnknownFilesystem: (path) => `It is not known whether SQLite's locks work on the filesystem of ${path}`,
  Unavailable: (path) => `The directory ${path} cannot be used`
}

const remedies: Record<Reason, string> = {
  InvalidFilename:
    "Give the plain path of a file: no URI, no NUL character, no blank at its ends and no slash at its end.",
  NotADirectory: "Move that file away, or choose another path for the database.",
  NotFound:
    "Check the path. If it is right, start the program once, or run `database-ready init`: that creates the directory.",
  PermissionDenied: "Give the directory to the user that runs this program, or choose another path.",
  BrokenLink: "Fix the symbolic links (`ls -l` shows where they lead), or choose another path.",
  ReadOnlyFilesystem: "Mount the filesystem for writing, or choose another path.",
  DiskFull: "Free some space or inodes on that filesystem.",
  NetworkFilesystem:
    "Put the database on a local disk. To share data over a network, use a database server. If every program that uses the database runs under one kernel, you can trust the filesystem: `--trust-filesystem TYPE`.",
  UnknownFilesystem:
    "Put the database on a local disk, such as ext4. If every program that uses it runs under one kernel, you can trust the type: `--trust-filesystem TYPE`, `DATABASE_TRUST_FILESYSTEM`, or the option `trustedFilesystems`. If its locks do not work, commits are lost.",
  Unavailable: "Fix what the operating system's message names, then start again."
}

/** Evidence of a directory that exists and can be written, on a filesystem that can hold the file. */
export class DatabaseDirectory extends Context.Tag("database-ready/DatabaseDirectory")<
  DatabaseDirectory,
  {
    /** The real, absolute path of the database file, or `:memory:`. */
    readonly file: string
    /** The kind of filesystem, as the mount table names it; `unknown` where there is no such table. */
    readonly filesystem: string
    /** Bytes that can still be written there; undefined where nobody knows. A full disk refuses the write that meets it, not the start. */
    readonly freeBytes: number | undefined
    /** Whether this user may create files there; only an inspection passes without. */
    readonly isWritable: boolean
    /** What was let pass because the settings say so. */
    readonly warnings: ReadonlyArray<string>
  }
>() {
  /** Creates missing parents with mode 0700. Fails with `DirectoryError`, or `StageError`. */
  static readonly make = (
    config: DatabaseConfig["Type"],
    { stage }: Initialization["Type"]
  ): Effect.Effect<DatabaseDirectory["Type"], DirectoryError | StageError, FileSystem.FileSystem | Path.Path> =>
    stage(
      "directory",
      () => (config.inMemory ? Effect.succeed(memory) : prepareDirectory(config)),
      ({ filesystem, freeBytes }) =>
        `${filesystem}${freeBytes === undefined ? "" : `, ${gigabytes(freeBytes)} GB free`}`
    )

  static readonly layer = Layer.effect(
    DatabaseDirectory,
    Effect.flatMap(Effect.all([DatabaseConfig, Initialization]), (before) => DatabaseDirectory.make(...before))
  )
}

/** `replace` writes the file, as a restore does: the directory has to be there, and writable. */
type Access = DatabaseConfig["Type"]["access"] | "replace"

/** From a name to a file in a directory. Only `initialize` creates missing parents. */
export const prepareDirectory = Effect.fnUntraced(function* (config: {
  readonly filename: string
  readonly access: Access
  readonly permissions?: Permissions
  readonly trustedFilesystems?: ReadonlyArray<string> | undefined
}) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const wrong = faultOfName(config.filename)
  if (wrong !== undefined) {
    const facts = { path: config.filename, detail: wrong, retryable: false }
    return yield* new DirectoryError({ reason: "InvalidFilename", ...facts })
  }
  const wanted = path.resolve(config.filename)
  const directory = path.dirname(wanted)
  const refused = Effect.mapError((failure: SystemFailure) => refusal(config.access, wanted, directory, failure))

  const mounts = yield* mountTable
  // Where no mount can hang it is quicker to look first. What is no answer then is one through the platform, where
  // a mount that never answers is given up on.
  if (!(neverHang(mounts) && (yield* isThere(directory)))) {
    const throughPlatform = Effect.mapError(
      config.access === "initialize"
        ? createDirectory(fs, path, directory, config.permissions ?? "owner")
        : fs.access(directory, { ok: true }),
      (error) => (error._tag === "SystemFailure" ? error : SystemFailure.fromPlatform(error))
    )
    yield* refused(throughPlatform)
  }
  const found = yield* refused(ask(() => lookIn(path, wanted, config.access)))
  if (found === undefined) return yield* leadsNowhere(wanted)
  const mount = mountIn(mounts, found.directory)
  const warnings = yield* trusted(mount, found.directory, config.trustedFilesystems ?? [])
  const { file, freeBytes, isWritable } = found
  return { file, filesystem: mount.type, freeBytes, isWritable, warnings }
})

/** Refuses a filesystem that is not known to be local, or warns of it where the settings trust its type. */
const trusted = (
  { point, type }: Mount,
  path: string,
  types: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string>, DirectoryError> => {
  const kind = kindOfFilesystem(type)
  if (kind === "local") return Effect.succeed([])
  if (types.includes(type)) {
    return Effect.succeed([
      `The settings trust the locks of ${type}, mounted at ${point}, which is not known to be local.`
    ])
  }
  return new DirectoryError({
    reason: kind === "shared" ? "NetworkFilesystem" : "UnknownFilesystem",
    path,
    detail: `${type}, mounted at ${point}`,
    retryable: false
  })
}

const isThere = (directory: string): Effect.Effect<boolean> =>
  Effect.orElseSucceed(
    ask(() => files.stat(directory)?.isDirectory() === true),
    () => false
  )

/** The file, and its directory as this user may use it; undefined for a link that leads nowhere. */
const lookIn = (path: Path.Path, wanted: string, access: Access) => {
  const file = realFile(path, wanted)
  if (file === undefined) return undefined
  const real = path.dirname(file)
  files.mayUse(real, { writing: access !== "inspect" })
  return {
    file,
    directory: real,
    isWritable: access !== "inspect" || files.isUsable(real, { writing: true }),
    freeBytes: files.freeBytes(real)
  }
}

/**
 * Creates a directory, and its parents where they are missing, from the top down. Not by the `recursive` of Node.js,
 * which never ends where a directory can be seen but nothing can be created in it, as in `/proc`.
 */
const createDirectory = (
  fs: FileSystem.FileSystem,
  path: Path.Path,
  directory: string,
  permissions: Permissions
): Effect.Effect<void, PlatformError | SystemFailure> => {
  const isDirectory = Effect.map(fs.stat(directory), ({ type }) => type === "Directory")
  // A neighbour may create it between two questions: to find it there is as good as to have created it.
  const create = fs.makeDirectory(directory, { mode: 0o700 }).pipe(
    Effect.zipRight(ask(() => giveDirectory(directory, permissionsForDirectory(directory, permissions)))),
    Effect.catchIf(isSystem("AlreadyExists"), (exists) =>
      Effect.flatMap(isDirectory, (isIt) => (isIt ? Effect.void : Effect.fail(exists)))
    )
  )
  const parent = path.dirname(directory)
  return Effect.catchIf(create, isSystem("NotFound"), (absent) =>
    parent === directory ? Effect.fail(absent) : Effect.zipRight(createDirectory(fs, path, parent, permissions), create)
  )
}

const isSystem =
  (reason: SystemErrorReason) =>
  (error: PlatformError | SystemFailure): boolean =>
    error._tag === "SystemError" && error.reason === reason

const memory: DatabaseDirectory["Type"] = {
  file: ":memory:",
  filesystem: "in memory",
  freeBytes: undefined,
  isWritable: true,
  warnings: []
}

const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1)

const leadsNowhere = (link: string): DirectoryError =>
  new DirectoryError({ reason: "BrokenLink", path: link, detail: "its target is not there", retryable: false })

const reasons: Partial<Record<string, Reason>> = {
  EEXIST: "NotADirectory",
  ENOTDIR: "NotADirectory",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  ELOOP: "BrokenLink",
  EROFS: "ReadOnlyFilesystem",
  ENOSPC: "DiskFull",
  EDQUOT: "DiskFull",
  ENAMETOOLONG: "InvalidFilename"
}

/** A start cannot find that there is no directory: it has just tried to create it. */
const refusal = (access: Access, wanted: string, directory: string, failure: SystemFailure): DirectoryError => {
  const { code, detail, retryable } = failure
  const reason = access !== "initialize" && code === "ENOENT" ? "NotFound" : (reasons[code] ?? "Unavailable")
  return new DirectoryError({ reason, path: reason === "InvalidFilename" ? wanted : directory, detail, retryable })
}
