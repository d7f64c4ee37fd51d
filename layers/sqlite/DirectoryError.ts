/** Why a directory cannot hold a database. */
import * as Data from "effect/Data"
import type { SystemFailure } from "../machine/SystemFailure.ts"
import { jsonOf, messageOf } from "../start/Refusal.ts"
import type { DatabaseConfig } from "./DatabaseConfig.ts"

/** The directory that should hold the database cannot be had, or SQLite's locks would not work in it. */
export class DirectoryError extends Data.TaggedError("DirectoryError")<{
  /**
   * - `InvalidFilename`: the path cannot be that of a database file.
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
  /** The sentence, the database and the remedy in one line. */
  override get message(): string {
    return messageOf(this)
  }

  /** What JSON loggers write: the sentence as `message`, the remedy, and the facts. */
  override toJSON(): object {
    return jsonOf(this)
  }

  /** What is wrong, for people. */
  get sentence(): string {
    return `${sentences[this.reason](this.path)} (${this.detail})`
  }

  /** What to do now, for people. */
  get remedy(): string {
    return remedies[this.reason]
  }
}

type Reason = DirectoryError["reason"]

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

/** `replace` writes the file, as a restore does: the directory has to be there, and writable. */
export type Access = DatabaseConfig["Type"]["access"] | "replace"

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

/** A start never reports `NotFound`: it has just tried to create the directory. */
export const refusal = (access: Access, wanted: string, directory: string, failure: SystemFailure): DirectoryError => {
  const { code, detail, retryable } = failure
  const reason = access !== "initialize" && code === "ENOENT" ? "NotFound" : (reasons[code] ?? "Unavailable")
  return new DirectoryError({ reason, path: reason === "InvalidFilename" ? wanted : directory, detail, retryable })
}
