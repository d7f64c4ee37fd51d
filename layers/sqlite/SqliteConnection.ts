/** Room 2: from a directory to one connection that is open and answers. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { permissionsFor } from "../machine/FilePermissions.ts"
import { createNew } from "../machine/newFile.ts"
import { freeDescriptors } from "../machine/OpenFiles.ts"
import type { Attempt, StageError } from "../start/Attempt.ts"
import type { Connected } from "./Client.ts"
import { another, type ConnectionError, reasonOf, refusal, systemReasons } from "./ConnectionError.ts"
import { DatabaseConfig } from "./DatabaseConfig.ts"
import { DatabaseDirectory } from "./DatabaseDirectory.ts"
import { atOnce, isPassed, outcomeOf, systemOutcomeOf } from "./edge.ts"
import { look, refuseUnshared, requireRemovableSidecars, type Shutdown, shutdownOf } from "./FileLook.ts"
import { type FirstRead, isReadBeside, tellLost } from "./FirstRead.ts"
import { Initialization } from "./Initialization.ts"
import { isLarge, readBeside, recoverBeside } from "./LeftoverWal.ts"
import { addLikeness } from "./Likeness.ts"
import { lostFromFile, lostFromWal } from "./LostWal.ts"
import { setUpBy } from "./OnOpen.ts"
import { closeIn, closingWhatFails, type Opened, type Place } from "./OpenAttempt.ts"
import { identityOf } from "./SameFile.ts"
import { driverIsSound, hasWalResetBug } from "./SoundDriver.ts"
import { integer, openNow, type SqliteFailure, text } from "./Sqlite.ts"
import { transactionsOn } from "./Transactions.ts"
import { pinWal, type WalPin } from "./WalPin.ts"
import { writableWith } from "./WritableFile.ts"

/** What the connection stage found. Here, and not in the class, TypeScript leaves out of the declarations what is marked internal. */
export interface OpenConnection {
  /** Absolute path of the database file, or `:memory:`. */
  readonly file: string
  /** @internal Which file was opened, whatever is at its path later; undefined in memory. */
  readonly identity: string | undefined
  /** `created` by this start, `empty`: there but without a page, or an `existing` database. */
  readonly origin: "created" | "empty" | "existing"
  /**
   * What the files beside the database told before it was opened. `clean`: no WAL was left.
   * `unclean`: a WAL was left by a process that is gone. `shared`: living processes use it.
   */
  readonly before: Shutdown
  /** When the file or its WAL was written last, in milliseconds since the epoch; undefined where nothing was in it. */
  readonly lastWritten: number | undefined
  /** The warning that commits are missing, because a WAL or a journal is; undefined where nothing tells of that. */
  readonly lost: string | undefined
  /** The version of SQLite in the driver, such as `3.51.3`. */
  readonly sqliteVersion: string
  /** @internal For the rooms that follow, not for queries: nothing is configured or migrated yet. */
  readonly sqlite: Connected
  /** @internal Keeps a WAL that was there before as it is, until the database is judged sound; undefined where there was none. */
  readonly walPin: WalPin | undefined
  /** @internal What is opened in it is closed before the connection. */
  readonly scope: Scope.Scope
  /** @internal Closes it before its scope does, with all its locks. */
  readonly close: Effect.Effect<void>
  /** @internal Proves that SQLite has the file, its WAL and its `-shm` open for writing, as far as each is open by now. */
  readonly canWrite: () => Exit.Exit<void, ConnectionError>
}

/** Evidence of one connection, open and answering; closed with the layer's scope. */
export class SqliteConnection extends Context.Tag("database-ready/SqliteConnection")<
  SqliteConnection,
  OpenConnection
>() {
  /**
   * @internal
   * Creates an absent file, readable by its owner alone. The busy timeout is 0 from the first
   * statement on: waiting is the schedule's. Fails with `ConnectionError`, or `StageError`.
   */
  static readonly make = (
    config: DatabaseConfig["Type"],
    { stage }: Initialization["Type"],
    directory: DatabaseDirectory["Type"]
  ): Effect.Effect<SqliteConnection["Type"], ConnectionError | StageError, Scope.Scope> =>
    Effect.gen(function* () {
      const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
      const opened: Opened = { sqlite: undefined }
      yield* Scope.addFinalizer(
        scope,
        Effect.sync(() => closeIn(opened))
      )
      const firstRead: FirstRead = { isTried: false, stoodStill: false, lost: undefined }
      const found = yield* stage(
        "connection",
        (attempt) => {
          const outcome = closingWhatFails(scope, opened, (place) =>
            connect(config, directory, place, attempt, firstRead)
          )
          // Looked at when the attempt has closed its connections.
          return isPassed(outcome) ? outcome : Effect.mapError(outcome, addLikeness)
        },
        ({ before, lastWritten, lost, origin, sqliteVersion }) => {
          const written = lastWritten === undefined ? "" : `, last written ${toTheSecond(lastWritten)}`
          const how = { clean: "", shared: ", in use by others", unclean: ", after an unclean shutdown" }[before]
          return `SQLite ${sqliteVersion}, ${origin}${written}${how}${lost === undefined ? "" : ", commits are missing"}`
        }
      )
      return { ...found, scope, close: Scope.close(scope, Exit.void) }
    })

  /**
   * The connection stage: opens the file and reads from it. Creates an absent file, readable by its owner alone unless
   * `permissions` says otherwise. Refuses a SQLite with the WAL-reset bug (https://sqlite.org/wal.html). Fails with
   * `ConnectionError`, or `StageError`.
   */
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

/** Where nothing lies beside the file, nothing has to be waited for. */
const connect = (
  config: DatabaseConfig["Type"],
  { file, isWritable }: DatabaseDirectory["Type"],
  { beside, opened }: Place,
  { doing, left, progress }: Pick<Attempt, "doing" | "left" | "progress">,
  firstRead: FirstRead
) =>
  atOnce(function* () {
    const setUp = setUpBy(config.onOpen)
    yield* driverIsSound(file, setUp)
    const onDisk = !config.inMemory
    const found = onDisk ? yield* look(file, config.access) : nothingThere
    if (found.exists && config.access === "inspect" && config.pragmas.journalMode === "wal") {
      yield* requireRemovableSidecars(file, isWritable)
    }
    const before: Shutdown = found.wal ? shutdownOf(file) : "clean"

    if (found.shm && before !== "shared") yield* tellLost(firstRead, () => lostFromWal(file))

    const isGroups = onDisk && config.permissions === "group"
    if (isGroups) yield* refuseUnshared(file)
    if (!found.exists && onDisk && config.access === "inspect") {
      return yield* refusal(file, "Absent", { code: "ENOENT", detail: "no such file", retryable: false })
    }
    const isCreated =
      !found.exists &&
      onDisk &&
      (yield* systemOutcomeOf(
        () => createNew(file, permissionsFor(file, config.permissions)),
        (failure) => refusal(file, systemReasons[failure.code] ?? "CannotCreate", failure)
      ))
    // Read back: some filesystems have one mode for all their files.
    if (isCreated && isGroups) yield* refuseUnshared(file)

    const refused = (failure: SqliteFailure) => {
      firstRead.stoodStill ||= failure.code === "SQLITE_PROTOCOL"
      return refusal(file, reasonOf(failure.code), failure)
    }
    const identity = onDisk ? yield* identityOf(file) : undefined
    const isLargeWal = before === "unclean" && isLarge(found.walBytes)
    const isFirstBeside = onDisk && found.exists && !found.empty && isReadBeside(firstRead, { before, left: left() })
    // Gone when this has read: what it found in the WAL stays as long as anybody has the database open.
    const attendant =
      isLargeWal || isFirstBeside ? yield* Scope.fork(yield* beside, ExecutionStrategy.sequential) : undefined
    if (attendant !== undefined && isLargeWal) {
      yield* Scope.extend(recoverBeside({ file, walBytes: found.walBytes }, progress), attendant)
    }
    if (attendant !== undefined && isFirstBeside) {
      doing("reading the database for the first time")
      yield* Effect.mapError(Scope.extend(readBeside(file), attendant), refused)
    }
    const walPin = found.wal ? yield* Effect.mapError(pinWal(file, yield* beside), refused) : undefined
    const readonly = config.access === "inspect" && found.wal
    const onOpen = yield* Effect.mapError(setUp.load, refused)
    const descriptors = freeDescriptors()
    const plain = yield* outcomeOf(() => {
      opened.sqlite = openNow({ filename: file, readonly }, onOpen)
      return opened.sqlite
    }, refused)
    // So that it is closed before the pin: else its end would checkpoint the WAL.
    if (walPin !== undefined)
      yield* Scope.addFinalizer(
        yield* beside,
        Effect.sync(() => closeIn(opened))
      )
    const sqlite = { ...plain, ...transactionsOn(plain.database, { ...config.client, readonly }, config.onOpen) }
    const ask = (question: string) => outcomeOf(() => sqlite.all(question), refused)
    if (config.access === "inspect") yield* ask("PRAGMA query_only = 1")
    // Opening reads nothing. The first read tells a database from any other file.
    const [answer] = yield* ask(
      "SELECT sqlite_version() AS version, application_id FROM pragma_application_id, pragma_schema_version"
    )

    if (attendant !== undefined) yield* Scope.close(attendant, Exit.void)

    if (found.main !== undefined && !found.empty && !found.wal) {
      const { main } = found
      const [now] = yield* ask("SELECT page_count, page_size FROM pragma_page_count, pragma_page_size")
      const header = { pages: integer(now, "page_count"), pageSize: integer(now, "page_size") }
      yield* tellLost(firstRead, () => lostFromFile(file, main, header))
    }

    if (onDisk && (yield* identityOf(file)) !== identity) {
      return yield* refusal(file, "Replaced", { ...another, retryable: true })
    }

    const canWrite =
      onDisk && config.access === "initialize" ? writableWith(sqlite, { file, descriptors }) : () => Exit.void
    // A file without a page is written by every start: there is nothing to lose by finding out then.
    if (found.exists && !found.empty) yield* canWrite()

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
    const { lastWritten } = found
    return {
      file,
      identity,
      origin,
      before,
      lastWritten,
      lost: firstRead.lost,
      sqliteVersion,
      sqlite,
      walPin,
      canWrite
    }
  })
