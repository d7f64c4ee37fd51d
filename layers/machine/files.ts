/** The filesystem, asked at once. */
import {
  accessSync,
  closeSync,
  constants,
  type Dirent,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  rmSync,
  type Stats,
  statfsSync,
  statSync
} from "node:fs"
import * as Effect from "effect/Effect"
import { codeOf, SystemFailure } from "./SystemFailure.ts"

/**
 * Questions to the filesystem that are answered before anything else runs; a step of plain code asks as many as
 * it needs. The platform's `FileSystem` asks through a pool of threads and decodes every refusal by a schema: for
 * files that are expected to be absent that took longer than everything SQLite does. Only where the filesystem
 * has answered before or cannot hang, for a mount that hangs would stop the whole process. What the step throws
 * is taken for what the system answered.
 */
export const trySync = <A>(questions: () => A): Effect.Effect<A, SystemFailure> =>
  Effect.try({ try: questions, catch: SystemFailure.from })

/** For inside `trySync`: they throw the system's refusal. */
export const files = {
  /** What is at a path, links followed; undefined where nothing is. */
  stat: (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false }),

  /** Which file is at a path, links followed, so that another in its place is told apart; undefined where nothing is. */
  identity: (path: string): string | undefined => {
    const found = files.stat(path)
    return found === undefined ? undefined : `${found.dev}:${found.ino}`
  },

  /** What is at a path itself, links not followed; undefined where nothing is. */
  lstat: (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false }),

  /** Whether a link itself is at a path. */
  isLink: (path: string): boolean => files.lstat(path)?.isSymbolicLink() === true,

  /** The absolute path without links. */
  realPath: (path: string): string => realpathSync.native(path),

  /** What a link leads to, as `realPath`; undefined where it leads nowhere. */
  target: (link: string): string | undefined => unless("ENOENT", () => files.realPath(link)),

  /** Throws where this user may not read, or not write, what is there. */
  requireAccess: (path: string, use: Use): void =>
    accessSync(path, use.writing ? constants.R_OK | constants.W_OK : constants.R_OK),

  /** The same for what may be absent. To look first is quicker than to be refused. */
  requireAccessIfThere: (path: string, use: Use): void => {
    if (files.stat(path) !== undefined) unless("ENOENT", () => files.requireAccess(path, use))
  },

  /** The same as an answer: whatever keeps this user from it, it cannot be used. */
  isUsable: (path: string, use: Use): boolean => {
    try {
      files.requireAccess(path, use)
      return true
    } catch {
      return false
    }
  },

  /** What is in a directory, links not followed. */
  entries: (directory: string): ReadonlyArray<Dirent> => readdirSync(directory, { withFileTypes: true }),

  /** The number that the next file to be opened is given (open(2): the lowest that is free). */
  nextDescriptor: (): number => {
    const next = openSync("/dev/null", "r")
    closeSync(next)
    return next
  },

  /** The names in a directory. */
  names: (directory: string): ReadonlyArray<string> => readdirSync(directory),

  /** Nothing happens where nothing is. */
  remove: (path: string): void => rmSync(path, { force: true }),

  text: (path: string): string => readFileSync(path, "utf8"),

  bytes: (path: string): Buffer => readFileSync(path),

  /** Of a file that no connection holds locks on: closing its descriptor would drop them. Undefined where it is empty or gone. */
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

  /** Bytes that this user may still write on the filesystem of a path, undefined where nobody knows. The platform has no such question. */
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

/** What an answer is, undefined where it is the one refusal that is expected. */
export const unless = <A>(code: string, question: () => A): A | undefined => {
  try {
    return question()
  } catch (thrown) {
    if (codeOf(thrown) === code) return undefined
    throw thrown
  }
}

/** What is not a regular file, as a word. */
export const kindOf = (found: Stats | Dirent): string => {
  if (found.isDirectory()) return "Directory"
  if (found.isFIFO()) return "FIFO"
  if (found.isSymbolicLink()) return "Link"
  return found.isSocket() ? "Socket" : "Device"
}
