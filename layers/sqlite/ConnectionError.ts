/** Why a database cannot be opened, or may not be. */
import { runtime } from "../machine/runtime.ts"
import { codeRemedy, damaged, onOpenRemedy } from "../start/codeRemedy.ts"
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"
import { codeReason, isDiskFull } from "./codeReason.ts"
import { giveOnOpen } from "./MissingExtension.ts"
import { onOpenFailed } from "./OnOpen.ts"

/** The file cannot be opened as this program's SQLite database. Nothing in it was changed. */
export class ConnectionError extends TaggedRefusal("ConnectionError")<{
  /**
   * - `Absent`: an inspection finds no database.
   * - `Orphaned`: the file is missing, its WAL or journal is there.
   * - `Moved`: another process has the former file open.
   * - `NotAFile`: something else is at the path.
   * - `NotRecovered`: a rollback journal is there, and an inspection cannot roll it back.
   * - `NotADatabase`: the file is not a SQLite database.
   * - `Damaged`: the database is damaged.
   * - `CannotCreate`: the file cannot be created.
   * - `CannotOpen`: the file cannot be opened.
   * - `PermissionDenied`: this user may not open the file.
   * - `ReadOnly`: SQLite got it for reading only.
   * - `NotReadable`: an inspection could not remove what reading makes.
   * - `NotShared`: the group may not use the file, and `permissions` is `group`.
   * - `DiskFull`: there is no space.
   * - `IoError`: the disk failed.
   * - `Busy`: another process has locked the file.
   * - `Replaced`: another file is at the path now.
   * - `DriverNotLoaded`: better-sqlite3 cannot be loaded.
   * - `UnsafeDriver`: this build of it crashes on this Node.js.
   * - `OnOpenFailed`: `onOpen` threw, or its module cannot be loaded.
   * - `MissingExtension`: the schema uses a function, collation, module or tokenizer that the connection does not have.
   * - `UnsafeSqlite`: this SQLite has the WAL-reset bug.
   * - `ForeignApplication`: the file has another application id.
   */
  readonly reason:
    | "Absent"
    | "Orphaned"
    | "Moved"
    | "NotAFile"
    | "NotRecovered"
    | "NotADatabase"
    | "Damaged"
    | "CannotCreate"
    | "CannotOpen"
    | "PermissionDenied"
    | "ReadOnly"
    | "NotReadable"
    | "NotShared"
    | "DiskFull"
    | "IoError"
    | "Busy"
    | "Replaced"
    | "DriverNotLoaded"
    | "UnsafeDriver"
    | "OnOpenFailed"
    | "MissingExtension"
    | "UnsafeSqlite"
    | "ForeignApplication"
  /** Absolute path of the database file. */
  readonly file: string
  /** What SQLite or the operating system said. */
  readonly detail: string
  /** SQLite's or the system's code, e.g. `SQLITE_NOTADB` or `EMFILE`. */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** What can be done about this file, where that is more than the reason says. */
  readonly cure?: string | undefined
  /** Absolute path of the database file, or `:memory:`. Set when the error leaves its stage. */
  readonly database?: string | undefined
}> {
  /** @internal */
  get entry(): Entry {
    return entryOf<ConnectionError>(ofConnection, this)
  }

  /** @internal The entry's sentence with the facts. */
  override get sentence(): string {
    return `${this.entry.sentence} (${this.code === "" || this.detail.startsWith(this.code) ? "" : `${this.code}: `}${this.detail})`
  }

  /** @internal The entry's remedy with the facts. */
  override get remedy(): string {
    if (this.cure !== undefined) return this.reason === "NotADatabase" ? `${this.cure} ${untouched}` : this.cure
    return this.entry.remedy
  }
}

type Reason = ConnectionError["reason"]

const untouched = "Or choose another path. Nothing in the file was changed."

export const ofConnection = {
  Absent: {
    sentence: ({ file }) => `There is no database at ${file}`,
    remedy:
      "Check the path. If it is right, start the program once, or run `database-ready init`: that creates the database.",
    means: "tryAgain"
  },
  Orphaned: {
    sentence: ({ file }) => `${file} is missing or empty, but its WAL or journal is still there`,
    remedy:
      "Put the database back. If it is gone, move its -wal or -journal away and keep it: it may hold the only copy of recent commits.",
    means: "data"
  },
  Moved: {
    sentence: ({ file }) => `Another process still uses the database that was at ${file} before`,
    remedy:
      "Stop that process, or move its database back here. Until then leave the -wal and the -shm alone: it writes its commits into them.",
    means: "tryAgain"
  },
  NotAFile: {
    sentence: ({ file }) => `${file} is not a regular file`,
    remedy: "Choose another path, or move what is there away.",
    means: "cannotCreate"
  },
  NotRecovered: {
    sentence: ({ file }) => `A transaction on ${file} was not finished: its rollback journal is still there`,
    remedy:
      "Start the program, or run `database-ready init`: SQLite then rolls that transaction back. An inspection may not write, so it cannot.",
    means: "tryAgain"
  },
  NotADatabase: {
    sentence: ({ file }) => `${file} is not a SQLite database`,
    remedy: `Move that file away. ${untouched}`,
    means: "data"
  },
  Damaged: {
    sentence: ({ file }) => `The database ${file} is damaged`,
    remedy: damaged,
    means: "data"
  },
  CannotCreate: {
    sentence: ({ file }) => `The database ${file} cannot be created`,
    remedy: ({ code }) =>
      codeRemedy(code) ?? "Check that the directory still exists, and that this user can write in it.",
    means: "cannotCreate"
  },
  CannotOpen: {
    sentence: ({ file }) => `The database ${file} cannot be opened`,
    remedy: ({ code }) =>
      codeRemedy(code) ?? "Check that this user can read and write the file, its -wal and its -shm.",
    means: "cannotCreate"
  },
  PermissionDenied: {
    sentence: ({ file }) => `This user may not open ${file}`,
    remedy:
      "Give the file, its -wal and its -shm to the user that runs this program, and mount the filesystem for writing.",
    means: "permission"
  },
  ReadOnly: {
    sentence: ({ file }) => `SQLite could open ${file} only for reading`,
    remedy:
      "Let this user write the file. Check its owner and mode, a read-only mount, `lsattr`, a sticky directory (`fs.protected_regular`), AppArmor and Landlock.",
    means: "permission"
  },
  NotReadable: {
    sentence: ({ file }) =>
      `${file} cannot be inspected: reading it creates a -wal and a -shm, which this user could not delete`,
    remedy:
      "Run this as a user who can write the database and its directory, or while a program has the database open.",
    means: "permission"
  },
  NotShared: {
    sentence: ({ file }) => `The group may not use the database ${file}`,
    remedy:
      "Run `chgrp GROUP` on the directory and the database, `chmod 2770` on the directory and `chmod 660` on the database; or set `permissions` to `owner`.",
    means: "permission"
  },
  DiskFull: {
    sentence: ({ file }) => `There is no space left for ${file}`,
    remedy: "Free some space on that filesystem.",
    means: "inputOutput"
  },
  IoError: {
    sentence: ({ file }) => `The disk failed while ${file} was read`,
    remedy: "Check the disk and the kernel's log. If the disk is at fault, restore a backup on another one.",
    means: "inputOutput"
  },
  Busy: {
    sentence: ({ file }) => `Another process has locked ${file}`,
    remedy: "Let the other process finish, or stop it.",
    means: "tryAgain"
  },
  Replaced: {
    sentence: ({ file }) => `${file} is no longer the file that was opened`,
    remedy:
      "Restart the program. It still has the old file open: what it wrote there is lost when it ends. Copy it out first if you need it.",
    means: "tryAgain"
  },
  DriverNotLoaded: {
    sentence: () => `${runtime} cannot load better-sqlite3`,
    remedy:
      "Run `npm rebuild better-sqlite3` with the runtime that runs this program. If your package manager does not run install scripts, allow them first: `pnpm approve-builds` and `pnpm rebuild better-sqlite3`, or `bun pm trust better-sqlite3`.",
    means: "defect"
  },
  UnsafeDriver: {
    sentence: () => "This build of better-sqlite3 crashes on this release of Node.js",
    remedy:
      'Run the program on Node.js 22, or install the better-sqlite3 that fits: 12 on Node.js 20; 13 on Node.js 24 and newer, with `"overrides": { "better-sqlite3": "^13.2.0" }` in its package.json.',
    means: "defect"
  },
  OnOpenFailed: {
    sentence: () => "`onOpen` did not set up the connection",
    remedy: onOpenRemedy,
    means: "defect"
  },
  MissingExtension: {
    sentence: ({ file }) => `The schema of ${file} needs something that this connection does not have`,
    remedy: giveOnOpen,
    means: "defect"
  },
  UnsafeSqlite: {
    sentence: () => "This SQLite version can corrupt a database in WAL mode that several connections use",
    remedy: "Update better-sqlite3 to a release with SQLite 3.51.3 or newer. 3.50.7 and 3.44.6 are safe too.",
    means: "defect"
  },
  ForeignApplication: {
    sentence: ({ file }) => `${file} belongs to another program`,
    remedy:
      "Check the path: the application_id in the file is another program's. If the file is this program's, set `applicationId` to that number; or give the file this program's with `database-ready repair set-application-id --application-id NUMBER --reason \"...\"`.",
    means: "data"
  }
} as const satisfies Catalogue<ConnectionError>

export const another = { code: "ESTALE", detail: "another file is there now", retryable: false }
export const nothing = { code: "ENOENT", detail: "the file is gone", retryable: false }

export const systemReasons: Partial<Record<string, Reason>> = {
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EROFS: "PermissionDenied",
  ENOSPC: "DiskFull",
  EDQUOT: "DiskFull",
  EIO: "IoError"
}

export const reasonOf = (code: string): Reason =>
  codeReason(code) ??
  (code === onOpenFailed ? "OnOpenFailed" : undefined) ??
  (/^(ERR_DLOPEN_FAILED|MODULE_NOT_FOUND)$/.test(code) ? "DriverNotLoaded" : "CannotOpen")

export const refusal = (file: string, reason: Reason, { code, detail, retryable }: typeof nothing): ConnectionError =>
  new ConnectionError({ reason: isDiskFull(file, code) ? "DiskFull" : reason, file, code, detail, retryable })
