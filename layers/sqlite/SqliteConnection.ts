/** Room 2: from a directory to one connection that is open and answers. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { permissionsFor } from "../machine/FilePermissions.ts"
import { ask, files } from "../machine/files.ts"
import { createExclusively } from "../machine/newFile.ts"
import { type Descriptors, openDescriptors, openedAs } from "../machine/OpenFiles.ts"
import type { Connected } from "./Client.ts"
import { another, ConnectionError, nothing, reasonOf, refusal, systemReasons } from "./ConnectionError.ts"
import { DatabaseConfig } from "./DatabaseConfig.ts"
import { DatabaseDirectory } from "./DatabaseDirectory.ts"
import { fatalAddon, loadDriver } from "./Driver.ts"
import { inItsHeaderToo, look, refuseUnshared, shutdownOf, staysClean } from "./FileLook.ts"
import { type Attempt, Initialization, type StageError } from "./Initialization.ts"
import { isLarge, launching, readBeside, recoverBeside, standstill } from "./LeftoverWal.ts"
import { headOf, likenessOf } from "./Likeness.ts"
import { lostFromFile, lostFromWal } from "./LostWal.ts"
import { integer, isLock, openSqlite, openSqliteIn, type Sqlite, type SqliteFailure, text } from "./Sqlite.ts"
import { transactionsOn } from "./Transactions.ts"

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
    /** When the file or its WAL was written last, in milliseconds since the epoch; undefined where nothing was in it. */
    readonly lastWritten: number | undefined
    /** What tells that commits are missing, for a WAL or a journal is; undefined where nothing does. */
    readonly lost: string | undefined
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
    const firstRead: FirstRead = { isAsked: false, stoodStill: false, lost: undefined }
    return stage(
      "connection",
      // Looked at when the attempt has closed its connections.
      (attempt) =>
        Effect.mapError(
          whole((scope) => connect(config, directory, scope, attempt, firstRead)),
          likened
        ),
      ({ before, lastWritten, lost, origin, sqliteVersion }) => {
        const written = lastWritten === undefined ? "" : `, last written ${toTheSecond(lastWritten)}`
        const how = { clean: "", shared: ", in use by others", unclean: ", after an unclean shutdown" }[before]
        return `SQLite ${sqliteVersion}, ${origin}${written}${how}${lost === undefined ? "" : ", commits are missing"}`
      }
    )
  }

  static readonly layer = Layer.scoped(
    SqliteConnection,
    Effect.flatMap(Effect.all([DatabaseConfig, Initialization, DatabaseDirectory]), (before) =>
      SqliteConnection.make(...before)
    )
  )
}

/** A database in memory has no files. */
const nothingThere = {
  exists: false,
  empty: true,
  wal: false,
  lastWritten: undefined,
  walBytes: 0,
  shm: false,
  main: undefined
}

const toTheSecond = (millis: number): string => new Date(millis).toISOString().replace(/\.\d+/, "")

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
  /** What told that commits are missing: SQLite's first reading takes the proof away. */
  lost: string | undefined
}

/** To be told before anything is changed, and once. */
const tellLost = (firstRead: FirstRead, look: Effect.Effect<string | undefined>) =>
  firstRead.lost === undefined
    ? Effect.flatMap(look, (lost) => {
        firstRead.lost = lost
        return lost === undefined ? Effect.void : Effect.logWarning(lost)
      })
    : Effect.void

const connect = Effect.fnUntraced(function* (
  config: DatabaseConfig["Type"],
  { file, isWritable }: DatabaseDirectory["Type"],
  scope: Scope.CloseableScope,
  { doing, left, progress }: Pick<Attempt, "doing" | "left" | "progress">,
  firstRead: FirstRead
) {
  yield* soundDriver(file)
  const onDisk = !config.inMemory
  const found = onDisk ? yield* look(file, config.access) : nothingThere
  if (found.exists && config.access === "inspect" && config.pragmas.journalMode === "wal") {
    yield* staysClean(file, isWritable)
  }
  const before = yield* found.wal ? shutdownOf(file) : Effect.succeed("clean" as const)

  if (found.shm && before !== "shared") yield* tellLost(firstRead, lostFromWal(file))

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
  // A process of its own takes longer than all the rest: only where a standstill would outlast the deadline, and the
  // process would not. Where others hold locks on the same -shm, the system gives them.
  const isShort = before !== "shared" && left() < standstill && left() > launching
  const isBeside = isShort && (firstRead.stoodStill || !firstRead.isAsked)
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

  if (found.main !== undefined && !found.empty && !found.wal) {
    const [now] = yield* refused(sqlite.run("SELECT page_count, page_size FROM pragma_page_count, pragma_page_size"))
    const header = { pages: integer(now, "page_count"), pageSize: integer(now, "page_size") }
    yield* tellLost(firstRead, lostFromFile(file, found.main, header))
  }

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
    lastWritten: found.lastWritten,
    lost: firstRead.lost,
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

const likened = (error: ConnectionError): ConnectionError => {
  const likeness = error.reason === "NotADatabase" ? likenessOf(headOf(error.file)) : undefined
  if (likeness === undefined) return error
  const { cure, looks } = likeness
  return new ConnectionError({ ...error, detail: `${error.detail}; it looks like ${looks}`, cure })
}

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
