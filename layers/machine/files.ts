/** Synchronous questions to the filesystem. */
import {
  accessSync,
  closeSync,
  constants,
  type Dirent,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  rmdirSync,
  rmSync,
  type Stats,
  statfsSync,
  statSync
} from "node:fs"
import * as Effect from "effect/Effect"
import { codeOf, SystemFailure } from "./SystemFailure.ts"

/**
 * Runs a synchronous step; anything it throws is treated as a SystemFailure. The platform's `FileSystem` goes through a
 * thread pool and decodes every error with a schema: for files that are often absent that took longer than all of
 * SQLite's work. Use it only if the filesystem has answered before or cannot hang: a mount that hangs would stop the
 * whole process.
 */
export const trySync = <A>(questions: () => A): Effect.Effect<A, SystemFailure> =>
  Effect.try({ try: questions, catch: SystemFailure.from })

/** For inside `trySync`: these throw the system's error. */
export const files = {
  /** What is at a path, following links; undefined if nothing is. */
  stat: (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false }),

  /** Which file is at a path, following links, to notice that another took its place; undefined if nothing is there. */
  identity: (path: string): string | undefined => {
    const found = files.stat(path)
    return found === undefined ? undefined : `${found.dev}:${found.ino}`
  },

  /** What is at a path, without following links; undefined if nothing is. */
  lstat: (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false }),

  /** Whether a link itself is at a path. */
  isLink: (path: string): boolean => files.lstat(path)?.isSymbolicLink() === true,

  /** The absolute path without links. */
  realPath: (path: string): string => realpathSync.native(path),

  /** The `realPath` that a link leads to; undefined if it leads nowhere. */
  target: (link: string): string | undefined => unless("ENOENT", () => files.realPath(link)),

  /** Throws if this user may not read the file, or not write it. */
  requireAccess: (path: string, use: Use): void =>
    accessSync(path, use.writing ? constants.R_OK | constants.W_OK : constants.R_OK),

  /** The same for a file that may be absent. Looking first is faster than an error. */
  requireAccessIfThere: (path: string, use: Use): void => {
    if (files.stat(path) !== undefined) unless("ENOENT", () => files.requireAccess(path, use))
  },

  /** The same as a boolean, whatever the reason. */
  isUsable: (path: string, use: Use): boolean => {
    try {
      files.requireAccess(path, use)
      return true
    } catch {
      return false
    }
  },

  /** What is in a directory, without following links. */
  entries: (directory: string): ReadonlyArray<Dirent> => readdirSync(directory, { withFileTypes: true }),

  /** The descriptor numbers that the next opened files get: the lowest free ones (open(2)). */
  nextDescriptors: (count: number): ReadonlyArray<number> => {
    const opened: Array<number> = []
    try {
      while (opened.length < count) opened.push(openSync("/dev/null", "r"))
      return opened
    } finally {
      for (const number of opened) closeSync(number)
    }
  },

  /** The names in a directory. */
  names: (directory: string): ReadonlyArray<string> => readdirSync(directory),

  /** Does nothing if there is no such file. */
  remove: (path: string): void => rmSync(path, { force: true }),

  /** Creates a directory as this user's umask has it. */
  makeDirectory: (path: string): void => mkdirSync(path),

  /** Creates a directory that only this user can enter. */
  makePrivateDirectory: (path: string): void => mkdirSync(path, { mode: 0o700 }),

  /** Removes an empty directory. */
  removeDirectory: (path: string): void => rmdirSync(path),

  text: (path: string): string => readFileSync(path, "utf8"),

  bytes: (path: string): Buffer => readFileSync(path),

  /**
   * Only for a file on which no connection holds locks: closing the descriptor would drop them. Undefined if the file
   * is empty or gone.
   */
  firstByte: (path: string): number | undefined =>
    unless("ENOENT", () => {
      const handle = openSync(path, "r")
      try {
        const buffer = Buffer.alloc(1)
        return readSync(handle, buffer) === 0 ? undefined : buffer[0]
      } finally {
        closeSync(handle)
      }
    }),

  /**
   * Bytes that this user may still write on the filesystem of a path; undefined if unknown. The platform's `FileSystem`
   * cannot tell.
   */
  freeBytes: (path: string): number | undefined => {
    try {
      const { bavail, bsize } = statfsSync(path)
      return bavail * bsize
    } catch {
      return undefined
    }
  }
}

interface Use {
  readonly writing: boolean
}

/** The answer, or undefined if the question fails with this code. */
export const unless = <A>(code: string, question: () => A): A | undefined => {
  try {
    return question()
  } catch (thrown) {
    if (codeOf(thrown) === code) return undefined
    throw thrown
  }
}

/** A word for what is not a regular file. */
export const kindOf = (found: Stats | Dirent): string => {
  if (found.isDirectory()) return "Directory"
  if (found.isFile()) return "File"
  if (found.isFIFO()) return "FIFO"
  if (found.isSymbolicLink()) return "Link"
  return found.isSocket() ? "Socket" : "Device"
}
