/** Room 1: from a file name to the directory that can hold the file. */
import type { PlatformError, SystemErrorReason } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Permissions, permissionsForDirectory } from "../machine/FilePermissions.ts"
import { files, trySync, unless } from "../machine/files.ts"
import { kindOfFilesystem, type Mount, mountIn, noMountCanHang } from "../machine/MountTable.ts"
import { giveDirectory } from "../machine/newFile.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import type { StageError } from "../start/Attempt.ts"
import { DatabaseConfig } from "./DatabaseConfig.ts"
import { realFile } from "./DatabasePath.ts"
import { type Access, DirectoryError, refusal, refusalOfName } from "./DirectoryError.ts"
import { atOnce, verdictOf } from "./edge.ts"
import { Initialization } from "./Initialization.ts"
import { SharedLooks } from "./SharedLooks.ts"

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
  /** @internal Creates missing parents with mode 0700. Fails with `DirectoryError`, or `StageError`. */
  static readonly make = (
    config: DatabaseConfig["Type"],
    { stage }: Initialization["Type"]
  ): Effect.Effect<DatabaseDirectory["Type"], DirectoryError | StageError, FileSystem.FileSystem | Path.Path> =>
    Effect.flatMap(services, (using) =>
      stage(
        "directory",
        () => (config.inMemory ? Effect.succeed(memory) : prepare(config, using)),
        ({ filesystem, freeBytes }) => `${filesystem}${freeBytes === undefined ? "" : `, ${sizeOf(freeBytes)} free`}`
      )
    )

  /**
   * The directory stage: finds the real path, and proves that the directory can be written and that SQLite's locks work
   * there (https://sqlite.org/howtocorrupt.html#_filesystems_with_broken_or_missing_lock_implementations). Creates missing
   * parents with mode 0700, or 2770 for a group. Fails with `DirectoryError`, or `StageError`.
   */
  static readonly layer = Layer.effect(
    DatabaseDirectory,
    Effect.flatMap(Effect.all([DatabaseConfig, Initialization]), (before) => DatabaseDirectory.make(...before))
  )
}

interface Wanted {
  readonly filename: string
  readonly access: Access
  readonly permissions?: Permissions
  readonly trustedFilesystems?: ReadonlyArray<string> | undefined
}

/** @internal From a name to a file in a directory. Only `initialize` creates missing parents. */
export const prepareDirectory = (config: Wanted) => Effect.flatMap(services, (using) => prepare(config, using))

const services = Effect.contextWith((context: Context.Context<FileSystem.FileSystem | Path.Path>) => ({
  fs: Context.get(context, FileSystem.FileSystem),
  path: Context.get(context, Path.Path),
  looks: Context.get(context, SharedLooks)
}))

/** Where no mount can hang and the directory is there, nothing has to be waited for. */
const prepare = (config: Wanted, { fs, looks, path }: Effect.Effect.Success<typeof services>) =>
  atOnce(function* () {
    const wrong = refusalOfName(config.filename)
    if (wrong !== undefined) return yield* wrong
    const wanted = path.resolve(config.filename)
    const directory = path.dirname(wanted)
    const refused = (failure: SystemFailure) => refusal(config.access, wanted, directory, failure)

    const mounts = looks.mounts()
    const isInitialized = config.access === "initialize"
    const permissions = config.permissions ?? "owner"
    // When no mount can hang, check and create directly: through the platform each call changes threads, and fibers. If
    // that fails, retry through the platform's FileSystem, where we can time out.
    const isReady =
      noMountCanHang(mounts) && (isThere(directory) || (isInitialized && isCreated(path, directory, permissions)))
    if (!isReady) {
      const throughPlatform = Effect.mapError(
        isInitialized ? createDirectory(fs, path, directory, permissions) : fs.access(directory, { ok: true }),
        (error) => (error._tag === "SystemFailure" ? error : SystemFailure.fromPlatform(error))
      )
      yield* Effect.mapError(throughPlatform, refused)
    }
    const found = yield* verdictOf(lookIn(path, wanted, config.access, refused))
    if (found === undefined) return yield* leadsNowhere(wanted)
    const mount = mountIn(mounts, found.directory)
    const warnings = yield* verdictOf(checkFilesystem(mount, found.directory, config.trustedFilesystems ?? []))
    const { file, freeBytes, isWritable } = found
    return { file, filesystem: mount.type, freeBytes, isWritable, warnings }
  })

/** Refuses a filesystem that is not known to be local, or warns if the settings trust its type. */
const checkFilesystem = (
  { point, type }: Mount,
  path: string,
  types: ReadonlyArray<string>
): ReadonlyArray<string> | DirectoryError => {
  const kind = kindOfFilesystem(type)
  if (kind === "local") return []
  if (types.includes(type)) {
    return [`The settings trust the locks of ${type}, mounted at ${point}, which is not known to be local.`]
  }
  return new DirectoryError({
    reason: kind === "shared" ? "NetworkFilesystem" : "UnknownFilesystem",
    path,
    detail: `${type}, mounted at ${point}`,
    retryable: false
  })
}

const isThere = (directory: string): boolean => {
  try {
    return files.stat(directory)?.isDirectory() === true
  } catch {
    return false
  }
}

/** The file, and its directory if this user may use it; undefined for a link that leads nowhere. */
const lookIn = (
  path: Path.Path,
  wanted: string,
  access: Access,
  refused: (failure: SystemFailure) => DirectoryError
) => {
  try {
    const file = realFile(path, wanted)
    if (file === undefined) return undefined
    const real = path.dirname(file)
    files.requireAccess(real, { writing: access !== "inspect" })
    return {
      file,
      directory: real,
      isWritable: access !== "inspect" || files.isUsable(real, { writing: true }),
      freeBytes: files.freeBytes(real)
    }
  } catch (thrown) {
    return refused(SystemFailure.from(thrown))
  }
}

/** `createDirectory` at once; false where it could not be created. */
const isCreated = (path: Path.Path, directory: string, permissions: Permissions): boolean => {
  const attempt = () => unless("ENOENT", () => makeDirectory(directory, permissions))
  try {
    const isMade = attempt() ?? (isCreated(path, path.dirname(directory), permissions) && attempt() === true)
    return isMade || isThere(directory)
  } catch {
    return false
  }
}

const makeDirectory = (directory: string, permissions: Permissions): boolean => {
  // Another process may create it meanwhile: that is as good.
  const isOurs = unless("EEXIST", () => {
    files.makePrivateDirectory(directory)
    return true
  })
  if (isOurs !== true) return false
  try {
    giveDirectory(directory, permissionsForDirectory(directory, permissions))
  } catch (thrown) {
    // Else the next attempt would find it, and not know that it is not as it should be.
    files.removeDirectory(directory)
    throw thrown
  }
  return true
}

/**
 * Creates a directory and its missing parents, from the top down. Not with Node.js's `recursive`: that never ends where
 * a directory exists but nothing can be created in it, such as `/proc`.
 */
const createDirectory = (
  fs: FileSystem.FileSystem,
  path: Path.Path,
  directory: string,
  permissions: Permissions
): Effect.Effect<void, PlatformError | SystemFailure> => {
  const isDirectory = Effect.map(fs.stat(directory), ({ type }) => type === "Directory")
  // Another process may create it meanwhile: that is as good.
  const create = fs.makeDirectory(directory, { mode: 0o700 }).pipe(
    Effect.zipRight(trySync(() => giveDirectory(directory, permissionsForDirectory(directory, permissions)))),
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

export const memory: DatabaseDirectory["Type"] = {
  file: ":memory:",
  filesystem: "in memory",
  freeBytes: undefined,
  isWritable: true,
  warnings: []
}

const sizeOf = (bytes: number): string =>
  bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`

const leadsNowhere = (link: string): DirectoryError =>
  new DirectoryError({ reason: "BrokenLink", path: link, detail: "its target does not exist", retryable: false })
