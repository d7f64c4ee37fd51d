/** Room 2: from a directory to one connection that is open and answers. */
import type { Stats } from "node:fs"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { locksOn, nameHolders, strangersOn } from "../machine/FileLocks.ts"
import { faultOfSharing, permissionsFor } from "../machine/FilePermissions.ts"
import { ask, files, kindOf } from "../machine/files.ts"
import { createExclusively } from "../machine/newFile.ts"
import { type Descriptors, openDescriptors, openedAs } from "../machine/OpenFiles.ts"
import { runtime } from "../machine/runtime.ts"
import { codeRemedy, damaged } from "../start/codeRemedy.ts"
import { jsonOf, messageOf } from "../start/Refusal.ts"
import type { Connected } from "./Client.ts"
import { codeReason } from "./codeReason.ts"
import { DatabaseConfig } from "./DatabaseConfig.ts"
import { DatabaseDirectory } from "./DatabaseDirectory.ts"
import { fatalAddon, loadDriver } from "./Driver.ts"
import { type Attempt, Initialization, type StageError } from "./Initialization.ts"
import { isLarge, readBeside, recoverBeside, standstill } from "./LeftoverWal.ts"
import { headOf, likenessOf } from "./Likeness.ts"
import { integer, isLock, openSqlite, openSqliteIn, type Sqlite, type SqliteFailure, text } from "./Sqlite.ts"
import { transactionsOn } from "./Transactions.ts"

type Reason =
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
  | "UnsafeSqlite"
  | "ForeignApplication"

/** The file cannot be opened as this program's SQLite database. Nothing in it was changed. */
export class ConnectionError extends Data.TaggedError("ConnectionError")<{
  readonly reason: Reason
  /** Absolute path of the database file. */
  readonly file: string
  /** What SQLite or the operating system said. */
  readonly detail: string
  /** SQLite's or the system's code, e.g. `SQLITE_NOTADB` or `EMFILE`. */
  readonly code: string
  readonly retryable: boolean
  /** What can be done about this file, where that is more than the reason says. */
  readonly cure?: string | undefined
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
    return `${sentences[this.reason](this.file)} (${this.code === "" || this.detail.startsWith(this.code) ? "" : `${this.code}: `}${this.detail})`
  }

  get remedy(): string {
    if (this.cure !== undefined) return `${this.cure} ${untouched}`
    return (fromCode.has(this.reason) ? codeRemedy(this.code) : undefined) ?? remedies[this.reason]
  }
}

const untouched = "Or choose another path. Nothing in the file was changed."

/** Of these the code knows more: each has several causes. */
const fromCode: ReadonlySet<Reason> = new Set<Reason>(["CannotCreate", "CannotOpen"])

const sentences: Record<Reason, (file: string) => string> = {
  Absent: (file) => `There is no database at ${file}`,
  Orphaned: (file) => `${file} is missing or empty, but its WAL or journal is still there`,
  Moved: (file) => `Another process has the database open that was at ${file} before`,
  NotAFile: (file) => `${file} is not a regular file`,
  NotRecovered: (file) => `A transaction on ${file} was not finished: its rollback journal is still there`,
  NotADatabase: (file) => `${file} is not a SQLite database`,
  Damaged: (file) => `The database ${file} is damaged`,
  CannotCreate: (file) => `The database ${file} cannot be created`,
  CannotOpen: (file) => `The database ${file} cannot be opened`,
  PermissionDenied: (file) => `This user may not open ${file}`,
  ReadOnly: (file) => `SQLite could open ${file} for reading only`,
  NotReadable: (file) =>
    `${file} cannot be inspected: reading it makes a -wal and a -shm, and this user could not delete them again`,
  NotShared: (file) => `The group may not use the database ${file}`,
  DiskFull: (file) => `There is no space left for ${file}`,
  IoError: (file) => `The disk failed while ${file} was read`,
  Busy: (file) => `Another process has locked ${file}`,
  Replaced: (file) => `${file} is no longer the file that was opened`,
  DriverNotLoaded: () => `${runtime} cannot load better-sqlite3`,
  UnsafeDriver: () => "This build of better-sqlite3 crashes on this release of Node.js",
  UnsafeSqlite: () => "This SQLite version can corrupt a database in WAL mode that several connections use",
  ForeignApplication: (file) => `${file} belongs to another program`
}

const remedies: Record<Reason, string> = {
  Absent:
    "Check the path. If it is right, start the program once, or run `database-ready init`: that creates the database.",
  Orphaned:
    "Put the database back. If it is gone, move its -wal or -journal away and keep it: it may hold the only copy of recent commits.",
  Moved:
    "Stop that process, or put its database back in this place. Until then leave the -wal and the -shm where they are: it writes its commits into them.",
  NotAFile: "Choose another path, or move away what is there.",
  NotRecovered:
    "Start the program, or run `database-ready init`: SQLite then rolls that transaction back. An inspection writes nothing, and so cannot.",
  NotADatabase: `Move that file away. ${untouched}`,
  Damaged: damaged,
  CannotCreate: "Check that the directory still exists, and that this user can write in it.",
  CannotOpen: "Check that this user can read and write the file, its -wal and its -shm.",
  PermissionDenied:
    "Give the file, its -wal and its -shm to the user that runs this program, and mount the filesystem for writing.",
  ReadOnly:
    "Let this user write the file. Check its owner and mode, a read-only mount, `lsattr`, a sticky directory (`fs.protected_regular`), AppArmor and Landlock.",
  NotReadable:
    "Run this as a user who can write the database and its directory, or while a program has the database open.",
  NotShared:
    "Run `chgrp GROUP` on the directory and the database, `chmod 2770` on the directory and `chmod 660` on the database; or set `permissions` to `owner`.",
  DiskFull: "Free some space on that filesystem.",
  IoError: "Check the disk and the kernel's log. If the disk is at fault, restore a backup on another one.",
  Busy: "Let the other process finish, or stop it.",
  Replaced:
    "Restart the program. It still has the old file open, and what it wrote there is lost when it ends: copy it out first if you need it.",
  DriverNotLoaded:
    "Run `npm rebuild better-sqlite3` with the runtime that runs this program. If your package manager does not run install scripts, allow them first: `pnpm approve-builds` and `pnpm rebuild better-sqlite3`, or `bun pm trust better-sqlite3`.",
  UnsafeDriver:
    'Run the program on Node.js 22, or install the better-sqlite3 that fits: 12 on Node.js 20; on Node.js 24 and newer 13, by `"overrides": { "better-sqlite3": "^13.2.0" }` in its package.json.',
  UnsafeSqlite: "Update better-sqlite3 to a release with SQLite 3.51.3 or newer. 3.50.7 and 3.44.6 are safe too.",
  ForeignApplication:
    "Check the path: by its application_id the file is another program's. If it is this program's, set `applicationId` to the number in the file."
}

/** Evidence of one connection, open and answering; closed with the layer's scope. */
export class SqliteConnection extends Context.Tag("database-ready/SqliteConnection")<
  SqliteConnection,
  {
    readonly file: string
    /** Which file was opened, whatever is at its path later; undefined in memory. */
    readonly identity: string | undefined
    /** `created` by this start, `empty`: there but without a page, or an `existing` database. */
    readonly origin: "created" | "empty" | "existing"
    /**
     * What the files beside the database told before it was opened. `clean`: no WAL was left.
     * `unclean`: a WAL was left by a process that is gone. `shared`: living processes use it.
     */
    readonly before: "clean" | "unclean" | "shared"
    readonly sqliteVersion: string
    /** For the rooms that follow, not for queries: nothing is configured or migrated yet. */
    readonly sqlite: Connected
    /**
     * Until this is run, closing the connection leaves a WAL that was there before as it is, so that
     * a refused database keeps its bytes. Run once everything is accepted.
     */
    readonly accept: Effect.Effect<void>
    /** Closes it before its scope does, with all its locks. */
    readonly close: Effect.Effect<void>
    /** Proves that SQLite has the file, its WAL and its `-shm` open for writing, as far as each is open by now. */
    readonly canWrite: Effect.Effect<void, ConnectionError>
  }
>() {
  /**
   * Creates an absent file, readable by its owner alone. The busy timeout is 0 from the first
   * statement on: waiting is the schedule's. Fails with `ConnectionError`, or `StageError`.
   */
  static readonly make = (
    config: DatabaseConfig["Type"],
    { stage }: Initialization["Type"],
    directory: DatabaseDirectory["Type"]
  ): Effect.Effect<SqliteConnection["Type"], ConnectionError | StageError, Scope.Scope> => {
    const firstRead: FirstRead = { isAsked: false, stoodStill: false }
    return stage(
      "connection",
      // Looked at when the attempt has closed its connections.
      (attempt) =>
        Effect.mapError(
          whole((scope) => connect(config, directory, scope, attempt, firstRead)),
          likened
        ),
      ({ before, origin, sqliteVersion }) =>
        `SQLite ${sqliteVersion}, ${origin}${before === "clean" ? "" : before === "shared" ? ", in use by others" : ", after an unclean shutdown"}`
    )
  }

  static readonly layer = Layer.scoped(
    SqliteConnection,
    Effect.flatMap(Effect.all([DatabaseConfig, Initialization, DatabaseDirectory]), (before) =>
      SqliteConnection.make(...before)
    )
  )
}

/** An attempt that fails closes what it opened, instead of leaving one open connection per attempt in the scope. */
const whole = <A, E, R>(
  attempt: (scope: Scope.CloseableScope) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
      return yield* Effect.onError(restore(attempt(scope)), (cause) => Scope.close(scope, Exit.failCause(cause)))
    })
  )

/** What a start knows of its first reading. */
interface FirstRead {
  /** Whether another process was asked to read, where that was worth it. */
  isAsked: boolean
  /** Whether SQLite has met a lock that it could not get. */
  stoodStill: boolean
}

const connect = Effect.fnUntraced(function* (
  config: DatabaseConfig["Type"],
  { file, isWritable }: DatabaseDirectory["Type"],
  scope: Scope.CloseableScope,
  { doing, left, progress }: Pick<Attempt, "doing" | "left" | "progress">,
  firstRead: FirstRead
) {
  yield* soundDriver(file)
  const onDisk = !config.inMemory
  const found = onDisk ? yield* look(file, config.access) : { exists: false, empty: true, wal: false, walBytes: 0 }
  if (found.exists && config.access === "inspect" && config.pragmas.journalMode === "wal") {
    yield* staysClean(file, isWritable)
  }
  const before = yield* found.wal ? shutdownOf(file) : Effect.succeed("clean" as const)

  const isShared = onDisk && config.permissions === "group" ? refuseUnshared(file) : Effect.void
  yield* isShared
  if (!found.exists && onDisk && config.access === "inspect") {
    return yield* refusal(file, "Absent", { code: "ENOENT", detail: "no such file", retryable: false })
  }
  const isCreated =
    !found.exists &&
    onDisk &&
    (yield* Effect.mapError(
      Effect.flatMap(
        ask(() => permissionsFor(file, config.permissions)),
        (permissions) => createExclusively(file, permissions)
      ),
      (failure) => refusal(file, systemReasons[failure.code] ?? "CannotCreate", failure)
    ))
  // Read back: some filesystems have one mode for all their files.
  if (isCreated) yield* isShared

  const refused = Effect.mapError((failure: SqliteFailure) => {
    firstRead.stoodStill ||= failure.code === "SQLITE_PROTOCOL"
    return refusal(file, reasonOf(failure.code), failure)
  })
  const identity = onDisk ? yield* identityOf(file) : undefined
  // Gone when this has read: what it found in the WAL stays as long as anybody has the database open.
  const attendant = yield* Scope.fork(scope, ExecutionStrategy.sequential)
  if (before === "unclean" && isLarge(found.walBytes)) {
    yield* Scope.extend(recoverBeside({ file, walBytes: found.walBytes }, progress), attendant)
  }
  // A process of its own takes longer than all the rest: only where a standstill would outlast the deadline.
  const isBeside = firstRead.stoodStill || (!firstRead.isAsked && left() < standstill)
  firstRead.isAsked = true
  if (isBeside && onDisk && found.exists && !found.empty) {
    doing("reading the database for the first time")
    yield* refused(Scope.extend(readBeside(file), attendant))
  }
  const pin = found.wal ? yield* refused(pinned(file, scope)) : undefined
  const readonly = config.access === "inspect" && found.wal
  const descriptors = openDescriptors()
  const opened = yield* refused(openSqliteIn(scope, { filename: file, readonly }))
  const sqlite = { ...opened, ...transactionsOn(opened.database, { ...config.client, readonly }) }
  if (config.access === "inspect") {
    yield* refused(sqlite.run("PRAGMA query_only = 1"))
  }
  const accept = Effect.zipRight(
    pin?.letGo ?? Effect.void,
    pin?.isMixed === true ? inItsHeaderToo(sqlite) : Effect.void
  )
  // Opening reads nothing. The first read tells a database from any other file.
  const [answer] = yield* refused(
    sqlite.run("SELECT sqlite_version() AS version, application_id FROM pragma_application_id, pragma_schema_version")
  )

  yield* Scope.close(attendant, Exit.void)

  if (onDisk && (yield* identityOf(file)) !== identity) {
    return yield* refusal(file, "Replaced", { ...another, retryable: true })
  }

  const canWrite = onDisk && config.access === "initialize" ? writableWith(sqlite, { file, descriptors }) : Effect.void
  // A file without a page is written by every start: there is nothing to lose by finding out then.
  if (found.exists && !found.empty) yield* canWrite

  const sqliteVersion = text(answer, "version")
  if (hasWalResetBug(sqliteVersion) && config.pragmas.journalMode === "wal") {
    return yield* refusal(file, "UnsafeSqlite", { code: sqliteVersion, detail: "WAL-reset bug", retryable: false })
  }
  const applicationId = integer(answer, "application_id")
  if (config.applicationId !== undefined && applicationId !== 0 && applicationId !== config.applicationId) {
    return yield* refusal(file, "ForeignApplication", {
      code: `application_id ${applicationId}`,
      detail: `ours is ${config.applicationId}`,
      retryable: false
    })
  }

  const origin: SqliteConnection["Type"]["origin"] =
    isCreated || config.inMemory ? "created" : found.empty ? "empty" : "existing"
  return {
    file,
    identity,
    origin,
    before,
    sqliteVersion,
    sqlite,
    accept,
    close: Scope.close(scope, Exit.void),
    canWrite
  }
})

/**
 * SQLite opens what it may not write for reading, without a word, and access(2) does not see all that forbids
 * writing. So the descriptors are looked at: that takes no lock. Where they tell nothing SQLite is asked: it refuses
 * a write to a file that is open for reading before it asks for the lock.
 */
const writableWith = (
  sqlite: Sqlite,
  { descriptors, file }: { readonly file: string; readonly descriptors: Descriptors }
): Effect.Effect<void, ConnectionError> => {
  const unproven = new Set(["", "-wal", "-shm"].map((suffix) => `${file}${suffix}`))
  const refused = (path: string, facts = { code: "SQLITE_READONLY", detail: "it may not be opened for writing" }) =>
    refusal(path, "ReadOnly", { ...facts, retryable: false })
  return Effect.suspend(() => {
    for (const path of unproven) {
      const found = openedAs(path, descriptors)
      if (found === "readonly") return refused(path)
      if (found === "writable") unproven.delete(path)
      else if (path === file) {
        unproven.delete(path)
        return Effect.catchIf(asksToWrite(sqlite), isReadOnly, (failure) => refused(file, failure)).pipe(
          Effect.mapError((failure) =>
            failure instanceof ConnectionError ? failure : refusal(file, reasonOf(failure.code), failure)
          )
        )
      }
    }
    return Effect.void
  })
}

/** A lock that another holds is in the way of those alone who may write. */
const asksToWrite = (sqlite: Sqlite): Effect.Effect<void, SqliteFailure> =>
  sqlite.run("BEGIN IMMEDIATE").pipe(
    Effect.zipRight(sqlite.run("ROLLBACK")),
    Effect.catchIf(
      ({ code }) => isLock(code),
      () => Effect.void
    ),
    Effect.asVoid
  )

const isReadOnly = ({ code }: SqliteFailure): boolean => code.startsWith("SQLITE_READONLY")

/** Refuses a database that its group may not use, where the settings give it to the group. */
const refuseUnshared = (file: string): Effect.Effect<void, ConnectionError> =>
  ask(() => faultOfSharing(file)).pipe(
    Effect.mapError((failure) => refusal(file, "CannotOpen", failure)),
    Effect.flatMap((found) =>
      found === undefined
        ? Effect.void
        : refusal(file, "NotShared", { code: "", detail: `${found.path}: ${found.fault}`, retryable: false })
    )
  )

const likened = (error: ConnectionError): ConnectionError => {
  const likeness = error.reason === "NotADatabase" ? likenessOf(headOf(error.file)) : undefined
  if (likeness === undefined) return error
  const { cure, looks } = likeness
  return new ConnectionError({ ...error, detail: `${error.detail}; it looks like ${looks}`, cure })
}

const another = { code: "ESTALE", detail: "another file has taken its place", retryable: false }
const nothing = { code: "ENOENT", detail: "there is nothing any more", retryable: false }

/** What SQLite says when another file, or none, is where the one was that it has open. */
export const replaced = (file: string, code: string): ConnectionError =>
  new ConnectionError({
    reason: "Replaced",
    file,
    code,
    detail: "it was moved, deleted or replaced meanwhile",
    retryable: false
  })

const identityOf = (file: string): Effect.Effect<string | undefined, ConnectionError> =>
  Effect.mapError(
    ask(() => files.identity(file)),
    (failure) => refusal(file, "CannotOpen", failure)
  )

/**
 * Proves that the paths still lead to the files that the connection has open. In WAL mode one of them is the `-shm`
 * with the locks: who opens the database after it was deleted makes another, and neither sees what the other locks.
 */
export const stayingInPlace = Effect.fnUntraced(function* (
  { file, identity }: SqliteConnection["Type"],
  access: DatabaseConfig["Type"]["access"]
) {
  if (identity === undefined) return Effect.void
  const shm = `${file}-shm`
  const writable = Effect.mapError(
    ask(() => files.mayUseIfThere(file, { writing: true })),
    (failure) => refusal(file, "ReadOnly", failure)
  ).pipe(
    // A mode that was changed does not matter to a file that is open; a filesystem or a file that was frozen does.
    Effect.catchIf(
      ({ code }) => code !== "EROFS" && code !== "EPERM",
      () => Effect.void
    )
  )
  const mapped = yield* identityOf(shm)
  const same = (path: string, opened: string) =>
    Effect.flatMap(identityOf(path), (found) =>
      found === opened ? Effect.void : refusal(path, "Replaced", found === undefined ? nothing : another)
    )
  return same(file, identity).pipe(
    Effect.zipRight(mapped === undefined ? Effect.void : same(shm, mapped)),
    Effect.zipRight(access === "initialize" ? writable : Effect.void)
  )
})

/** Refuses a driver that would end this process or cannot be loaded, before anything is opened or created. */
export const soundDriver = (file: string): Effect.Effect<void, ConnectionError> =>
  Effect.matchEffect(fatalAddon, {
    onFailure: (failure) => refusal(file, "CannotOpen", failure),
    onSuccess: (detail) =>
      detail === undefined
        ? Effect.mapError(loadDriver, ({ code, detail }) =>
            refusal(file, "DriverNotLoaded", { code: code === "UNKNOWN" ? "" : code, detail, retryable: false })
          )
        : refusal(file, "UnsafeDriver", { code: `Node.js ${process.versions.node}`, detail, retryable: false })
  })

/**
 * Of a WAL beside a file whose header says that it has none, SQLite reads the WAL, and then says that the mode is WAL:
 * once the WAL is gone, the header has its way again. Somebody who is in the way has it as it was.
 */
const inItsHeaderToo = ({ run }: Sqlite) =>
  Effect.ignore(Effect.zipRight(run("PRAGMA journal_mode = delete"), run("PRAGMA journal_mode = wal")))

/**
 * A second, read-only connection keeps the last one that can write from checkpointing when it closes, until it is let go.
 * `isMixed`: the WAL was beside a rollback journal.
 */
const pinned = Effect.fnUntraced(function* (file: string, scope: Scope.Scope) {
  const pin = yield* Scope.fork(scope, ExecutionStrategy.sequential)
  const reader = yield* openSqliteIn(pin, { filename: file, readonly: true })
  // Beside a rollback journal that a crash left, only a connection that can write reads: it rolls back first. It is
  // open until the other one has read, and so does not checkpoint.
  const isMixed = yield* Effect.as(readSchema(reader), false).pipe(
    Effect.catchIf(isNotRolledBack, () =>
      Effect.scoped(
        Effect.flatMap(openSqlite({ filename: file }), (writer) =>
          Effect.as(Effect.zipRight(readSchema(writer), readSchema(reader)), true)
        )
      )
    )
  )
  return { letGo: Scope.close(pin, Exit.void), isMixed }
})

const readSchema = (sqlite: Sqlite) => sqlite.run("SELECT count(*) FROM sqlite_schema")

const isNotRolledBack = ({ code }: SqliteFailure): boolean => code === "SQLITE_READONLY_ROLLBACK"

const look = Effect.fnUntraced(function* (file: string, access: "initialize" | "inspect") {
  const { journal, main, shm, wal } = yield* Effect.mapError(
    ask(() => filesOf(file, { writing: access === "initialize" })),
    (failure) => refusal(file, systemReasons[failure.code] ?? "CannotOpen", failure)
  )
  // SQLite follows no link to one of them (`O_NOFOLLOW`), and could only say that it cannot open it.
  for (const [suffix, beside] of Object.entries({ "-wal": wal, "-shm": shm, "-journal": journal })) {
    if (beside !== undefined && !beside.isFile()) {
      const facts = { code: kindOf(beside), detail: "not a regular file", retryable: false }
      return yield* refusal(`${file}${suffix}`, "NotAFile", facts)
    }
  }
  if (access === "inspect" && journal !== undefined && journal.size > 0 && (main?.size === 0 || (yield* isHot(file)))) {
    return yield* refusal(file, "NotRecovered", { code: "", detail: `${file}-journal`, retryable: false })
  }
  const moved = shm === undefined ? undefined : yield* movedFrom(file, main)
  if (moved !== undefined) return yield* refusal(file, "Moved", { code: "", detail: moved, retryable: false })
  const isPart = (found: Stats | undefined) => found !== undefined && found.size > 0
  // A journal whose header is zeros holds nothing that anybody could miss.
  const isHotPart = isPart(journal) && (main !== undefined || (yield* isHot(file)))
  // A transaction that made the first page may have left a journal beside an empty file; nothing leaves a WAL there.
  const gone = isHotPart ? journal : isPart(wal) ? wal : undefined
  const part = main === undefined ? gone : main.size <= 1 && isPart(wal) ? wal : undefined
  if (part !== undefined) {
    // SQLite would take an empty file for the whole database, and delete what belongs to the lost one.
    const detail = `${file}${part === wal ? "-wal" : "-journal"}, ${part.size} bytes`
    return yield* refusal(file, "Orphaned", { code: "", detail, retryable: false })
  }
  if (main !== undefined && !main.isFile()) {
    return yield* refusal(file, "NotAFile", { code: kindOf(main), detail: "not a regular file", retryable: false })
  }
  if (main !== undefined && main.size > 0 && main.size < smallestPage && !isPart(journal)) {
    const detail = `${main.size} bytes; a database is one page at least`
    return yield* refusal(file, "NotADatabase", { code: "SQLITE_NOTADB", detail, retryable: false })
  }
  return {
    exists: main !== undefined,
    empty: main === undefined || main.size === 0,
    wal: main !== undefined && wal !== undefined,
    walBytes: main === undefined ? 0 : (wal?.size ?? 0)
  }
})

/**
 * Who uses the `-shm` of a database without having it open: theirs was renamed, deleted or replaced, and its WAL would
 * become that of this one. A `-shm` that is in use is never that of a file without a page.
 */
const movedFrom = Effect.fnUntraced(function* (file: string, main: Stats | undefined) {
  // Where the locks cannot be seen, nobody is.
  const none = { isUsed: false, strangers: [] }
  const { isUsed, strangers } = yield* Effect.orElseSucceed(
    ask(() => strangersOn(file)),
    () => none
  )
  if (strangers.length > 0) return `${file}-shm is locked by ${nameHolders(strangers)}`
  const isBlank = main === undefined || main.size === 0
  return isBlank && isUsed ? `${file}-shm is locked` : undefined
})

/**
 * Whether a transaction was not finished. With `journal_mode = persist` a journal stays behind whose header was
 * overwritten with zeros (https://sqlite.org/pragma.html#pragma_journal_mode).
 */
const isHot = (file: string): Effect.Effect<boolean, ConnectionError> =>
  Effect.mapError(
    ask(() => (files.firstByte(`${file}-journal`) ?? 0) !== 0),
    (failure) => refusal(file, systemReasons[failure.code] ?? "CannotOpen", failure)
  )

/** Of a database's pages (https://sqlite.org/fileformat2.html#pages). SQLite takes a file of one byte for an empty one. */
export const smallestPage = 512

/** What there is of a database, all of which this user may use. */
const filesOf = (file: string, use: { readonly writing: boolean }) => {
  // The file last: a neighbour who makes all of them begins with it.
  const [wal, journal, shm] = [
    files.itself(`${file}-wal`),
    files.itself(`${file}-journal`),
    files.itself(`${file}-shm`)
  ]
  const main = files.stat(file)
  // SQLite would open what it may not write without a word, and only the first write would tell. A neighbour
  // who closes takes what is beside the file away at any moment.
  for (const suffix of ["", "-wal", "-shm"]) files.mayUseIfThere(`${file}${suffix}`, use)
  return { main, wal, journal, shm }
}

/**
 * An inspection may make files only where it can take them away again: those of another user would be in the
 * way of the next start. Where a program has the database open they are there already.
 */
const staysClean = (file: string, isDirectoryWritable: boolean): Effect.Effect<void, ConnectionError> =>
  Effect.suspend(() => {
    const may = (suffix: string, writing: boolean) => files.isUsable(`${file}${suffix}`, { writing })
    const stays = (isDirectoryWritable && may("", true)) || (may("-wal", false) && may("-shm", false))
    return stays
      ? Effect.void
      : refusal(file, "NotReadable", { code: "", detail: "nobody has it open", retryable: false })
  })

/**
 * Whether a living process has the database open in WAL mode: it then holds a shared lock on the
 * `-shm` file (https://sqlite.org/walformat.html, 2.3.1). Not to find one is no proof that nobody is
 * there, so "unclean" is the answer that makes us look harder.
 */
const shutdownOf = (file: string): Effect.Effect<"shared" | "unclean"> =>
  Effect.map(locksOn(`${file}-shm`), (locks) => (locks.length > 0 ? "shared" : "unclean"))

/**
 * Two connections in WAL mode could lose a transaction, from 3.7.0 to 3.51.2; fixed in 3.51.3 and,
 * for older lines, in 3.50.7 and 3.44.6 (https://sqlite.org/wal.html).
 */
export const hasWalResetBug = (version: string): boolean => {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number)
  if (major !== 3) return major < 3
  if (minor === 51) return patch < 3
  if (minor === 50) return patch < 7
  if (minor === 44) return patch < 6
  return minor >= 7 && minor < 51
}

const systemReasons: Partial<Record<string, Reason>> = {
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EROFS: "PermissionDenied",
  ENOSPC: "DiskFull",
  EDQUOT: "DiskFull",
  EIO: "IoError"
}

const reasonOf = (code: string): Reason =>
  codeReason(code) ?? (/^(ERR_DLOPEN_FAILED|MODULE_NOT_FOUND)$/.test(code) ? "DriverNotLoaded" : "CannotOpen")

const refusal = (
  file: string,
  reason: Reason,
  facts: { readonly code: string; readonly detail: string; readonly retryable: boolean }
): ConnectionError =>
  new ConnectionError({ reason, file, code: facts.code, detail: facts.detail, retryable: facts.retryable })
