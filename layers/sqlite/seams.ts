/**
 * The driver and the platform, corrected in one place. Their types promise more than they do: a
 * failing open or prepare arrives as a defect, and what went wrong is a string deep in a cause.
 * From here on it is a value with SQLite's own code.
 */

import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  type Dirent,
  fchmodSync,
  fchownSync,
  fstatSync,
  lchownSync,
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
import { createRequire } from "node:module"
import { dirname, isAbsolute, join } from "node:path"
import type { PlatformError } from "@effect/platform/Error"
import type { Row } from "@effect/sql/SqlConnection"
import Driver from "better-sqlite3"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"

export type { Row }

/** What SQLite answered. It stops at the room that asked, which knows what it means there. */
export class SqliteFailure extends Data.TaggedError("SqliteFailure")<{
  /** SQLite's extended result code, e.g. `SQLITE_BUSY_SNAPSHOT` (https://sqlite.org/rescode.html). */
  readonly code: string
  /** SQLite's sentence. */
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }

  /** Whether another moment can bring another answer. */
  get retryable(): boolean {
    return isTransient(this.code)
  }

  static from(cause: unknown): SqliteFailure {
    return new SqliteFailure({ code: codeOf(cause) ?? "UNKNOWN", detail: sentenceOf(cause) })
  }
}

/**
 * The one place that decides which SQLite codes are worth another attempt: somebody else holds a lock,
 * the lock itself could not be taken, or a file beside the database could not be opened, which is what a
 * neighbour who closes at this moment and takes the WAL away looks like (https://sqlite.org/rescode.html).
 * A file that may not be opened is told apart by looking at its permissions. A process that asked in our
 * place and was ended by somebody can be started again.
 */
const isTransient = (code: string): boolean =>
  isLockFailure(code) || /^SQLITE_CANTOPEN$|^SIG(HUP|INT|KILL|TERM)$/.test(code)

/** Whether somebody else's lock is in the way. */
export const isLock = (code: string): boolean => /^SQLITE_(BUSY|LOCKED|PROTOCOL)/.test(code)

/** Whether a lock could not be had, whoever has it: SQLite says so in both ways where the system refuses a lock. */
export const isLockFailure = (code: string): boolean =>
  isLock(code) || /^SQLITE_IOERR_(LOCK|RDLOCK|UNLOCK|BLOCKED|CHECKRESERVEDLOCK|SHMLOCK)$/.test(code)

/** Obstacles of the operating system that pass by themselves. */
const passing = new Set(["EAGAIN", "EBUSY", "EINTR", "EMFILE", "ENFILE", "ESTALE", "ETIMEDOUT"])

/** What the operating system answered, as its error code (`ENOENT`, `EACCES` ...). */
export class SystemFailure extends Data.TaggedError("SystemFailure")<{
  readonly code: string
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }

  get retryable(): boolean {
    return passing.has(this.code)
  }

  static from(cause: unknown): SystemFailure {
    return new SystemFailure({ code: codeOf(cause) ?? "UNKNOWN", detail: sentenceOf(cause) })
  }

  /** A platform error carries the system's code in its cause; without one its reason has to do. */
  static fromPlatform(error: PlatformError): SystemFailure {
    const fallback = error._tag === "SystemError" ? (reasonCodes[error.reason] ?? "UNKNOWN") : "EINVAL"
    return new SystemFailure({
      code: codeOf(error.cause) ?? fallback,
      detail: error.cause instanceof Error ? error.cause.message : error.message
    })
  }
}

const reasonCodes: Partial<Record<string, string>> = {
  AlreadyExists: "EEXIST",
  BadResource: "ENOTDIR",
  Busy: "EBUSY",
  NotFound: "ENOENT",
  PermissionDenied: "EACCES",
  TimedOut: "ETIMEDOUT",
  WouldBlock: "EAGAIN"
}

const codeOf = (cause: unknown): string | undefined =>
  Predicate.hasProperty(cause, "code") && Predicate.isString(cause.code) ? cause.code : undefined

const sentenceOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** A connection as the rooms use it. */
export interface Sqlite {
  /** One statement, its rows, SQLite's answer. */
  readonly run: (sql: string, parameters?: ReadonlyArray<unknown>) => Effect.Effect<ReadonlyArray<Row>, SqliteFailure>
  /** The driver's own, for the client that is made on it. */
  readonly database: Driver.Database
}

/** Opens a connection that waits for nobody: its busy timeout is 0. */
export const openSqlite = (options: OpenOptions): Effect.Effect<Sqlite, SqliteFailure, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => openSqliteIn(scope, options))

/** The same, closed with a scope that is at hand: to look one up, or to provide one, takes longer than SQLite does. */
export const openSqliteIn = (
  scope: Scope.Scope,
  { filename, readonly = false }: OpenOptions
): Effect.Effect<Sqlite, SqliteFailure> =>
  Effect.try({ try: () => new Driver(filename, { readonly, timeout: 0 }), catch: SqliteFailure.from }).pipe(
    Effect.tap((database) =>
      Scope.addFinalizer(
        scope,
        Effect.sync(() => database.close())
      )
    ),
    Effect.map((database) => ({ run: runOn(database), database })),
    Effect.uninterruptible
  )

interface OpenOptions {
  readonly filename: string
  readonly readonly?: boolean
}

/**
 * The driver's addon, where it would end this process sooner or later; undefined where it is sound. Built with the
 * headers of Node.js 24.19 or newer, better-sqlite3 before 13 aborts when a statement is collected at a moment
 * at which no script runs: it takes back a hook from an environment that it cannot see then. So it is looked at
 * before there is a first statement. Node.js 20 and 22 have no such headers, and need not be asked.
 */
export const fatalAddon: Effect.Effect<string | undefined, SystemFailure> = Effect.suspend(() => {
  if (isSound) return Effect.succeed(undefined)
  return ask(() => {
    const abi = Number(process.versions.modules)
    const fatal =
      abi < abiOfNode22
        ? drivers().find((path) => needsNode22(files.text(path)))
        : abi < abiOfNode24
          ? undefined
          : addonsOfDriver().find((path) => takesBackHooks(files.bytes(path)))
    isSound = fatal === undefined
    return fatal
  })
})

/** It does not change while this process runs. */
let isSound = false

const abiOfNode22 = 127
const abiOfNode24 = 137

/** better-sqlite3 13 asks for Node.js 22, and ends an older one with SIGSEGV when it opens its first database. */
export const needsNode22 = (packageJson: string): boolean => {
  const { version }: { readonly version?: unknown } = JSON.parse(packageJson)
  return Number.parseInt(String(version), 10) >= 13
}

/**
 * Loads the driver's addon, once in a process, before anything is created. Package managers that run no install
 * scripts leave it out, and the driver notices when it opens its first database.
 */
export const loadDriver: Effect.Effect<void, SqliteFailure> = Effect.suspend(() => {
  if (isLoaded) return Effect.void
  return Effect.try({
    try: () => {
      new Driver(":memory:").close()
      isLoaded = true
    },
    catch: SqliteFailure.from
  })
})
let isLoaded = false

/** What runs this program, such as `Node.js 20.20.2`. */
export const runtime = ((): string => {
  const { bun, deno, electron, node } = process.versions
  if (bun !== undefined) return `Bun ${bun}`
  if (deno !== undefined) return `Deno ${deno}`
  return electron === undefined ? `Node.js ${node}` : `Electron ${electron} (Node.js ${node})`
})()

/**
 * From where packages are looked for. A CommonJS bundle has no `import.meta.url`, an ES module has no `__filename`;
 * one that is evaluated has neither.
 */
const bases = (): ReadonlyArray<string> => {
  const module: string | undefined = import.meta.url
  const script = typeof __filename === "string" ? __filename : undefined
  return [script, module, process.argv[1], join(process.cwd(), "index.js")].flatMap((base) =>
    base !== undefined && (base.startsWith("file:") || isAbsolute(base)) ? [base] : []
  )
}

/** The file that a name leads to, from the first base from which it leads anywhere. */
const resolved = (name: string): string | undefined => {
  for (const base of bases()) {
    const found = unless("MODULE_NOT_FOUND", () => createRequire(base).resolve(name))
    if (found !== undefined) return found
  }
  return undefined
}

/** The driver's module, for another process to load. Throws where it cannot be found. */
export const driverModule = (): string => {
  const found = resolved("better-sqlite3")
  if (found === undefined) throw new Error("better-sqlite3 is not to be found from here")
  return found
}

/** Where better-sqlite3 before 13 builds it or puts what it fetched: the client's driver and, where that is another, ours. */
const addonsOfDriver = (): ReadonlyArray<string> =>
  drivers()
    .map((driver) => join(dirname(driver), "build/Release/better_sqlite3.node"))
    .filter((addon) => files.stat(addon) !== undefined)

/** The `package.json` of the driver, ours and the client's. */
const drivers = (): ReadonlyArray<string> => {
  // A bundled program has the client inside, and one that is bundled whole has its addon wherever it put it.
  const client = resolved("@effect/sql-sqlite-node/package.json")
  const name = "better-sqlite3/package.json"
  const theirs =
    client === undefined ? undefined : unless("MODULE_NOT_FOUND", () => createRequire(client).resolve(name))
  return [...new Set([resolved(name), theirs].filter((found) => found !== undefined))]
}

/** A function that is called is named in the binary. */
export const takesBackHooks = (addon: Buffer): boolean => addon.includes("RemoveEnvironmentCleanupHook")

/**
 * Without the statement cache and without a span per statement: the rooms ask each question once, and a
 * span per stage tells more than one per pragma.
 */
const runOn =
  (database: Driver.Database): Sqlite["run"] =>
  (sql, parameters = []) =>
    Effect.try({
      try: () => {
        const statement = database.prepare<Array<unknown>, Row>(sql)
        if (statement.reader) return statement.all(...parameters)
        statement.run(...parameters)
        return []
      },
      catch: SqliteFailure.from
    })

/** Whose a new file is to be, as far as this user may give it away. */
export interface NewFile {
  readonly uid: number | undefined
  readonly gid: number | undefined
  readonly mode: number
}

/**
 * Creates an empty file; false when there was one already. Without `permissions`, only its owner may use it.
 *
 * This is the only descriptor this library ever holds on a database file. Closing one drops the
 * process's POSIX locks on that file (https://sqlite.org/howtocorrupt.html, 2.2); exclusive
 * creation can only meet a file that nobody has open yet, and it is closed in the same turn.
 */
export const createExclusively = (path: string, permissions?: NewFile): Effect.Effect<boolean, SystemFailure> =>
  Effect.try({
    try: () => {
      const descriptor = openSync(path, "wx", 0o600)
      try {
        if (permissions !== undefined) giveTo(descriptor, permissions)
      } finally {
        closeSync(descriptor)
      }
    },
    catch: SystemFailure.from
  }).pipe(
    Effect.as(true),
    Effect.catchIf(
      ({ code }) => code === "EEXIST",
      () => Effect.succeed(false)
    )
  )

/**
 * Through the descriptor: root must not follow a link that somebody puts there meanwhile. A user other than root may
 * give a file to a group of its own alone; a group that cannot be given the file gets no rights for another one.
 */
const giveTo = (descriptor: number, { gid, mode, uid }: NewFile): void => {
  const own = fstatSync(descriptor)
  const [owner, group] = [uid ?? own.uid, gid ?? own.gid]
  const isGiven =
    (owner === own.uid && group === own.gid) ||
    isAllowed(() => fchownSync(descriptor, owner, group)) ||
    group === own.gid ||
    isAllowed(() => fchownSync(descriptor, own.uid, group))
  const allowed = isGiven ? mode : mode & ~0o070
  // The umask has no say here. Some filesystems have one mode for all their files.
  if ((own.mode & 0o777) !== allowed) isAllowed(() => fchmodSync(descriptor, allowed))
}

/** Gives away a directory that was just created, as far as this user may. To be run within `ask`. */
export const giveDirectory = (path: string, { gid, mode, uid }: NewFile): void => {
  const own = lstatSync(path)
  const [owner, group] = [uid ?? own.uid, gid ?? own.gid]
  if (owner !== own.uid || group !== own.gid) isAllowed(() => lchownSync(path, owner, group))
  // A directory that inherits its group says so in its mode, which is to stay.
  if ((own.mode & 0o777) !== (mode & 0o777) || (own.mode & mode) !== mode) isAllowed(() => chmodSync(path, mode))
}

/** False where the system, or a container without this capability, does not allow a change. */
const isAllowed = (change: () => void): boolean => {
  try {
    change()
    return true
  } catch (thrown) {
    const code = codeOf(thrown)
    if (code === "EPERM" || code === "EINVAL" || code === "ENOSYS" || code === "ENOTSUP") return false
    throw thrown
  }
}

/**
 * Copies a whole database over another file, as one transaction of that file. It goes on after an
 * interruption until the connection of the source is closed. The driver takes "busy" for an end like any
 * other when it comes first or last, so that only the file itself can tell whether a copy was committed.
 */
export const backupInto = ({ database }: Sqlite, destination: string): Effect.Effect<void, SqliteFailure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const witness = yield* openSqlite({ filename: destination })
      // It changes with every commit of another connection (https://sqlite.org/pragma.html#pragma_data_version).
      const commits = Effect.map(witness.run("PRAGMA data_version"), ([row]) => integer(row, "data_version"))
      const before = yield* commits
      yield* Effect.tryPromise({ try: () => database.backup(destination), catch: SqliteFailure.from })
      if ((yield* commits) === before) {
        return yield* new SqliteFailure({ code: "SQLITE_BUSY", detail: "a lock kept the copy from being committed" })
      }
    })
  )

/** What is done with a database before it is overwritten, and what takes that back where it was not. */
interface Keeping<E, R, R2> {
  readonly keep: Effect.Effect<void, E, R>
  readonly undo: Effect.Effect<void, never, R2>
}

/**
 * Overwrites a database with another, as one transaction of SQLite's whose lock is held from before `keep` to the
 * commit: nobody commits in between. The client does not pass on the driver's `progress`, which is first asked
 * when SQLite has the lock (https://sqlite.org/backup.html) and says how many pages the next step copies; without
 * the lock it is never asked. Whatever ends this before the commit leaves the database as it was.
 */
export const overwriteKeeping = <E, R, R2>(
  source: string,
  destination: string,
  { keep, undo }: Keeping<E, R, R2>
): Effect.Effect<void, E | SqliteFailure, R | R2> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const driver = yield* Effect.try({
        try: () => new Driver(source, { readonly: true, timeout: 0 }),
        catch: SqliteFailure.from
      })
      // Until then the copying goes on; one that is closed already may be closed again.
      const close = Effect.sync(() => driver.close())
      const locked = yield* Deferred.make<void, SqliteFailure>()
      let pages = 0
      const progress = () => {
        Deferred.unsafeDone(locked, Exit.void)
        return pages
      }
      const copying = yield* Effect.fork(
        Effect.tryPromise({ try: () => driver.backup(destination, { progress }), catch: SqliteFailure.from }).pipe(
          Effect.onExit((exit) => Deferred.done(locked, Exit.zipRight(exit, notLocked)))
        )
      )
      const overwritten = keep.pipe(
        Effect.zipRight(Effect.sync(() => (pages = pagesAtOnce))),
        Effect.zipRight(Fiber.join(copying))
      )
      const undoUnlessCommitted = Effect.flatMap(Fiber.await(copying), (exit) =>
        Exit.isSuccess(exit) ? Effect.void : undo
      )
      yield* restore(Deferred.await(locked)).pipe(
        Effect.zipRight(Effect.onError(restore(overwritten), () => Effect.zipRight(close, undoUnlessCommitted))),
        Effect.ensuring(close)
      )
    })
  )

const notLocked = Exit.fail(
  new SqliteFailure({ code: "SQLITE_BUSY", detail: "a lock keeps it from being overwritten" })
)

/** Between two steps the event loop has its turn. */
const pagesAtOnce = 100

/**
 * Questions to the filesystem that are answered before anything else runs; a step of plain code asks as many as
 * it needs. The platform's `FileSystem` asks through a pool of threads and decodes every refusal by a schema: for
 * files that are expected to be absent that took longer than everything SQLite does. Only where the filesystem
 * has answered before or cannot hang, for a mount that hangs would stop the whole process. What the step throws
 * is taken for what the system answered.
 */
export const ask = <A>(questions: () => A): Effect.Effect<A, SystemFailure> =>
  Effect.try({ try: questions, catch: SystemFailure.from })

/** For within `ask`: they throw the system's refusal. */
export const files = {
  /** What is at a path, links followed; undefined where nothing is. */
  stat: (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false }),

  /** Which file is at a path, links followed, so that another in its place is told apart; undefined where nothing is. */
  identity: (path: string): string | undefined => {
    const found = files.stat(path)
    return found === undefined ? undefined : `${found.dev}:${found.ino}`
  },

  /** What is at a path itself, links not followed; undefined where nothing is. */
  itself: (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false }),

  /** Whether a link itself is at a path. */
  isLink: (path: string): boolean => files.itself(path)?.isSymbolicLink() === true,

  /** The absolute path without links. */
  realPath: (path: string): string => realpathSync.native(path),

  /** What a link leads to, as `realPath`; undefined where it leads nowhere. */
  target: (link: string): string | undefined => unless("ENOENT", () => files.realPath(link)),

  /** Throws where this user may not read, or not write, what is there. */
  mayUse: (path: string, use: Use): void =>
    accessSync(path, use.writing ? constants.R_OK | constants.W_OK : constants.R_OK),

  /** The same for what may be absent. To look first is quicker than to be refused. */
  mayUseIfThere: (path: string, use: Use): void => {
    if (files.stat(path) !== undefined) unless("ENOENT", () => files.mayUse(path, use))
  },

  /** The same as an answer: whatever keeps this user from it, it cannot be used. */
  isUsable: (path: string, use: Use): boolean => {
    try {
      files.mayUse(path, use)
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
const unless = <A>(code: string, question: () => A): A | undefined => {
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

/** Lets timers, signals and what was read have their turn. A timer of 0 ms would wait for one, with nothing to do. */
export const eventLoopTurn: Effect.Effect<void> = Effect.async((resume) => {
  const turn = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(turn))
})

/** A column that SQLite promises to be text; numbers as SQLite would print them, NULL as "". */
export const text = (row: Row | undefined, column: string): string => {
  const value = row?.[column]
  return value === null || value === undefined ? "" : String(value)
}

/** A column that SQLite promises to be a number; NaN when it is none. */
export const integer = (row: Row | undefined, column: string): number => {
  const value = row?.[column]
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : Number.NaN
}
