/** Why a directory cannot hold a database. */
import type { SystemFailure } from "../machine/SystemFailure.ts"
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"
import type { DatabaseConfig } from "./DatabaseConfig.ts"
import { faultOfName, urlOf, withoutSecrets } from "./DatabasePath.ts"

/** The directory that should hold the database cannot be had, or SQLite's locks would not work in it. */
export class DirectoryError extends TaggedRefusal("DirectoryError")<{
  /**
   * - `InvalidFilename`: the path cannot be that of a database file.
   * - `Taken`: something is already at the path to which a backup is to be restored.
   * - `OtherEngine`: the name is the URL of another kind of database.
   * - `NotADirectory`: a file is where the directory should be.
   * - `NotFound`: an inspection finds no directory.
   * - `PermissionDenied`: this user cannot create or write the directory.
   * - `BrokenLink`: links lead in a circle or nowhere.
   * - `ReadOnlyFilesystem`: the filesystem is read-only.
   * - `DiskFull`: there is no space.
   * - `NetworkFilesystem`: SQLite's locks do not work there.
   * - `UnknownFilesystem`: it is not known whether locks work there.
   * - `Unavailable`: the system's message says why.
   */
  readonly reason:
    | "InvalidFilename"
    | "Taken"
    | "OtherEngine"
    | "NotADirectory"
    | "NotFound"
    | "PermissionDenied"
    | "BrokenLink"
    | "ReadOnlyFilesystem"
    | "DiskFull"
    | "NetworkFilesystem"
    | "UnknownFilesystem"
    | "Unavailable"
  /** The directory, absolute where it could be resolved; the file whose name is invalid. */
  readonly path: string
  /** What the operating system said, or the kind of filesystem. */
  readonly detail: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** Absolute path of the database file, or `:memory:`. Set when the error leaves its stage. */
  readonly database?: string | undefined
}> {
  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }

  /** @internal The entry's sentence with the facts. */
  override get sentence(): string {
    return `${this.entry.sentence} (${this.detail})`
  }
}

const catalogue: Catalogue<DirectoryError> = {
  InvalidFilename: {
    sentence: ({ path }) => `${JSON.stringify(path)} cannot be the name of a database file`,
    remedy:
      "Give the plain path of a file in UTF-8: no URI, no NUL character, no blank at its ends, no slash at its end.",
    means: "usage"
  },
  Taken: {
    sentence: ({ path }) => `Nothing was restored to ${path}`,
    remedy: "Name a path at which there is nothing yet. To restore in place, leave it out.",
    means: "usage"
  },
  OtherEngine: {
    sentence: ({ path }) => `${path} is a URL, and a SQLite database is a file`,
    remedy: ({ path }) =>
      /^postgres(?:ql)?:/.test(path)
        ? "For PostgreSQL use `DatabaseReady` of `database-ready/postgres`, with this as its `url`; or `database-ready init`, which takes both."
        : "Give the path of a file, and write one of such a name as ./NAME. Of other databases only PostgreSQL is known: `database-ready/postgres`.",
    means: "usage"
  },
  NotADirectory: {
    sentence: ({ path }) => `${path} cannot be a directory: it, or a parent of it, is a file`,
    remedy: "Move that file away, or choose another path for the database.",
    means: "cannotCreate"
  },
  NotFound: {
    sentence: ({ path }) => `The directory ${path} does not exist`,
    remedy:
      "Check the path. If it is right, start the program once, or run `database-ready init`: that creates the directory.",
    means: "tryAgain"
  },
  PermissionDenied: {
    sentence: ({ path }) => `The directory ${path} cannot be created or written by this user`,
    remedy: "Give the directory to the user that runs this program, or choose another path.",
    means: "permission"
  },
  BrokenLink: {
    sentence: ({ path }) => `The links in ${path} lead in a circle or nowhere`,
    remedy: "Fix the symbolic links (`ls -l` shows where they lead), or choose another path.",
    means: "cannotCreate"
  },
  ReadOnlyFilesystem: {
    sentence: ({ path }) => `The filesystem of ${path} is read-only`,
    remedy: "Mount the filesystem for writing, or choose another path.",
    means: "cannotCreate"
  },
  DiskFull: {
    sentence: ({ path }) => `There is no space left for ${path}`,
    remedy: "Free some space or inodes on that filesystem.",
    means: "inputOutput"
  },
  NetworkFilesystem: {
    sentence: ({ path }) => `${path} is on a filesystem where SQLite's locks and shared memory do not work`,
    remedy:
      "Put the database on a local disk. To share data over a network, use a database server. If every program that uses the database runs under one kernel, you can trust the filesystem: `--trust-filesystem TYPE`.",
    means: "cannotCreate"
  },
  UnknownFilesystem: {
    sentence: ({ path }) => `It is not known whether SQLite's locks work on the filesystem of ${path}`,
    remedy:
      "Put the database on a local disk, such as ext4. If every program that uses it runs under one kernel, you can trust the type: `--trust-filesystem TYPE`, `DATABASE_TRUST_FILESYSTEM`, or the option `trustedFilesystems`. If its locks do not work, commits are lost.",
    means: "cannotCreate"
  },
  Unavailable: {
    sentence: ({ path }) => `The directory ${path} cannot be used`,
    remedy: "Fix what the operating system's message names, then start again.",
    means: "inputOutput"
  }
}

/** The refusal of a name that cannot be that of a file; undefined if it can. */
export const refusalOfName = (filename: string): DirectoryError | undefined => {
  const detail = faultOfName(filename)
  if (detail === undefined) return undefined
  const reason = urlOf(filename) === undefined ? "InvalidFilename" : "OtherEngine"
  return new DirectoryError({ reason, path: withoutSecrets(filename), detail, retryable: false })
}

/** `replace` writes the file, as a restore does: the directory has to be there, and writable. */
export type Access = DatabaseConfig["Type"]["access"] | "replace"

const reasons: Partial<Record<string, DirectoryError["reason"]>> = {
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

/** A start never reports `NotFound`: it has just tried to create the directory. */
export const refusal = (access: Access, wanted: string, directory: string, failure: SystemFailure): DirectoryError => {
  const { code, detail, retryable } = failure
  const reason = access !== "initialize" && code === "ENOENT" ? "NotFound" : (reasons[code] ?? "Unavailable")
  return new DirectoryError({ reason, path: reason === "InvalidFilename" ? wanted : directory, detail, retryable })
}
