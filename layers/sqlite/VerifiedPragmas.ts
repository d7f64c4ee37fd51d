/** Room 3: from a connection to one whose every pragma reads back as required. */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { codeRemedy } from "../start/codeRemedy.ts"
import { jsonOf, messageOf } from "../start/Refusal.ts"
import { DatabaseConfig } from "./DatabaseConfig.ts"
import { Initialization, type StageError } from "./Initialization.ts"
import { type Sqlite, type SqliteFailure, text } from "./Sqlite.ts"
import { SqliteConnection } from "./SqliteConnection.ts"

/** A pragma could not be set or read, or reads back as something else. */
export class PragmaError extends Data.TaggedError("PragmaError")<{
  /**
   * `Mismatch`: SQLite took it without complaint and answers another value. `OutOfRange`: no value of SQLite's, which
   * was not asked. `Refused`: SQLite failed. `Unreadable`: SQLite could not even answer.
   */
  readonly reason: "Mismatch" | "OutOfRange" | "Refused" | "Unreadable"
  readonly pragma: string
  readonly wanted: string
  /** The value read back, or SQLite's code; "" where it was not asked. */
  readonly got: string
  readonly detail: string
  readonly retryable: boolean
  /** Absolute path of the database file, once it has left its stage. */
  readonly database?: string | undefined
}> {
  /** SQLite's code, "" where it answered or was not asked. */
  get code(): string {
    return this.reason === "Mismatch" ? "" : this.got
  }

  override get message(): string {
    return messageOf(this)
  }

  override toJSON(): object {
    return jsonOf(this)
  }

  get sentence(): string {
    if (this.reason === "Mismatch") {
      return `PRAGMA ${this.pragma} should be ${this.wanted}, but the connection answers ${this.got}`
    }
    if (this.reason === "OutOfRange") return `PRAGMA ${this.pragma} cannot be ${this.wanted} (${this.detail})`
    const what = this.reason === "Refused" ? `PRAGMA ${this.pragma} could not be made ${this.wanted}` : unread
    return `${what} (${this.got}: ${this.detail})`
  }

  get remedy(): string {
    if (this.retryable) return this.pragma === "journal_mode" ? inUse : (codeRemedy(this.code) ?? inUse)
    if (this.reason === "OutOfRange") return ranges[this.pragma] ?? otherValue
    return codeRemedy(this.code) ?? (this.reason === "Unreadable" ? unclear : (remedies[this.pragma] ?? otherValue))
  }
}

const inUse =
  "Let the other programs that use the database finish, or stop them. SQLite changes the journal mode of a file only when nobody else uses it."

const unclear = "Fix what SQLite's message names, then start again."

const otherValue =
  "If the program or a migration sets this pragma itself, take that out. Otherwise choose a value in the settings that SQLite takes (https://sqlite.org/pragma.html)."

const unread = "The pragmas of the connection could not be read"

const firstPage =
  "The file holds no table, but its first page is written, which fixes this value. Delete the file, or set `newFile` to what the file has."

const ranges: Partial<Record<string, string>> = {
  busy_timeout: "Set `pragmas.busyTimeout` to a shorter time, in whole milliseconds.",
  page_size: "Set `newFile.pageSize` to such a number, for example 4096.",
  application_id: "Set `applicationId` to such a number: the four bytes of a word, for example, as a signed integer."
}

const remedies: Partial<Record<string, string>> = {
  page_size: firstPage,
  auto_vacuum: firstPage,
  encoding: firstPage,
  journal_mode:
    "If the database was only inspected, start the program once, or run `database-ready init`: that switches the mode. If a start is refused, put the file on a local disk with shared memory, or set `pragmas.journalMode` to another mode.",
  foreign_keys:
    "If the program switches foreign keys off on this connection, take that out: they have to stay on. Otherwise use a build of SQLite that has them.",
  mmap_size: "Set `pragmas.mmapSize` to 0: this build of SQLite, or a database in memory, does not map files."
}

/** Pragma to the value read back, in SQLite's spelling: words for the journal mode, numbers for the rest. */
export type Settings = Readonly<Record<string, string | number>>

/** Evidence that the connection's pragmas were set and read back as required. */
export class VerifiedPragmas extends Context.Tag("database-ready/VerifiedPragmas")<
  VerifiedPragmas,
  {
    readonly settings: Settings
    /**
     * Switches a file that holds nothing yet to its journal mode, and reads it back. For a file with a
     * history that waits for `confirm`: it may be touched only once everything in it is judged.
     */
    readonly settle: Effect.Effect<void, PragmaError>
    /**
     * Runs something with foreign keys off, outside a transaction, where alone they can be switched
     * (https://sqlite.org/pragma.html#pragma_foreign_keys). However it ends, they are on again.
     */
    readonly withoutForeignKeys: <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.Effect<A, E | PragmaError, R>
    /** Runs a migration that may set pragmas, within its transaction, and sets back what it has set of them. */
    readonly leavingOthers: <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.Effect<A, E | PragmaError, R>
    /**
     * Runs a statement with the busy timeout 0: SQLite refuses at once, whatever the settings say, where it would
     * wait with the event loop standing still. Nobody reads the pragmas meanwhile.
     */
    readonly withoutWaiting: <A>(statement: Effect.Effect<A, SqliteFailure>) => Effect.Effect<A, SqliteFailure>
    /** Once everything is judged: sets what is kept in the file and the runtime busy timeout, and reads everything back. */
    readonly confirm: Effect.Effect<Settings, PragmaError | StageError>
    /** Reads everything back and compares it with what `confirm` found. Sets nothing; for the live health check. */
    readonly stillHold: Effect.Effect<Settings, PragmaError>
  }
>() {
  /** Sets what differs on this connection and reads it back. Fails with `PragmaError`, or `StageError`. */
  static readonly make = Effect.fnUntraced(function* (
    config: DatabaseConfig["Type"],
    { stage }: Initialization["Type"],
    { sqlite }: SqliteConnection["Type"]
  ): Effect.fn.Return<VerifiedPragmas["Type"], PragmaError | StageError> {
    const busyTimeout = Duration.toMillis(config.pragmas.busyTimeout)
    const during = requiredOf(config, 0)
    const ofConnection = during.filter(isOfConnection)
    const unswitched = ofConnection.filter(({ pragma }) => pragma !== "foreign_keys" && !isFixed(pragma))
    const atRuntime = requiredOf(config, busyTimeout)
    const alone = Effect.unsafeMakeSemaphore(1).withPermits(1)
    let others: Settings | undefined

    const settings = yield* stage(
      "pragmas",
      () =>
        Effect.zipRight(
          inRange(config),
          Effect.flatMap(readAll(sqlite), (found) => verified(sqlite, ofConnection, ofConnection, found))
        ),
      summary
    )
    // Before the journal mode, with which the first page is written.
    const settle = Effect.zipRight(settleNewFile(sqlite, config), verified(sqlite, during, during, settings))
    // The journal mode first, for it may have to wait, and once the runtime timeout holds SQLite would do
    // the waiting. An inspection may not switch it, but insists on it all the same.
    const confirm = verified(
      sqlite,
      [...(config.access === "inspect" ? [] : atRuntime.filter(isOfFile)), ...atRuntime.filter(isOfConnection)],
      atRuntime,
      settings
    )
    return {
      settings,
      settle: Effect.asVoid(settle),
      withoutForeignKeys: (body) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            yield* foreignKeys(sqlite, "0")
            const exit = yield* Effect.exit(restore(body))
            const on = foreignKeys(sqlite, "1")
            // What went wrong first is what has to be told; a connection that is refused is closed anyhow.
            yield* Exit.isSuccess(exit) ? on : Effect.catchAll(on, (error) => Effect.logWarning(error.message))
            return yield* exit
          })
        ),
      leavingOthers: (body) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            // Of an attempt before this one some may be set still.
            others ??= yield* readOthers(sqlite)
            const exit = yield* Effect.exit(restore(body))
            // Switching foreign keys off is the library's own doing here, and cannot be undone in a transaction.
            const back = Effect.zipRight(setBack(sqlite, others), verified(sqlite, unswitched, unswitched, {}))
            yield* Exit.isSuccess(exit) ? back : Effect.catchAll(back, (error) => Effect.logWarning(error.message))
            return yield* exit
          })
        ),
      withoutWaiting: (statement) =>
        busyTimeout === 0
          ? statement
          : Effect.gen(function* () {
              yield* sqlite.run("PRAGMA busy_timeout = 0")
              const exit = yield* Effect.exit(statement)
              yield* sqlite.run(`PRAGMA busy_timeout = ${busyTimeout}`)
              return yield* exit
            }).pipe(Effect.uninterruptible, alone),
      confirm: stage("pragmas", () => confirm, summary),
      stillHold: Effect.flatMap(alone(readAll(sqlite)), (found) => compared(found, atRuntime))
    }
  })

  static readonly layer = Layer.effect(
    VerifiedPragmas,
    Effect.flatMap(Effect.all([DatabaseConfig, Initialization, SqliteConnection]), (before) =>
      VerifiedPragmas.make(...before)
    )
  )
}

interface Required {
  readonly pragma: string
  /** As SQLite answers it. */
  readonly wanted: string
}

/** In this order: the timeout first, so that nothing that follows waits inside SQLite. */
const requiredOf = (config: DatabaseConfig["Type"], busyTimeout: number): ReadonlyArray<Required> => {
  const { inMemory, pragmas } = config
  return Object.entries({
    busy_timeout: busyTimeout,
    journal_mode: inMemory ? "memory" : journalModeFor(config),
    synchronous: { normal: 1, full: 2, extra: 3 }[pragmas.synchronous],
    foreign_keys: 1,
    trusted_schema: pragmas.trustedSchema ? 1 : 0,
    cell_size_check: pragmas.cellSizeCheck ? 1 : 0,
    journal_size_limit: pragmas.journalSizeLimit,
    temp_store: { default: 0, file: 1, memory: 2 }[pragmas.tempStore],
    cache_size: pragmas.cacheSize,
    mmap_size: pragmas.mmapSize
  }).map(([pragma, wanted]) => ({ pragma, wanted: String(wanted) }))
}

/**
 * A file is in WAL mode or not; what becomes of a rollback journal is up to each connection
 * (https://sqlite.org/pragma.html#pragma_journal_mode), and one that inspects has SQLite's default.
 */
const journalModeFor = ({ access, pragmas: { journalMode } }: DatabaseConfig["Type"]): string =>
  access === "inspect" && journalMode !== "wal" ? "delete" : journalMode

const isOfFile = ({ pragma }: Required): boolean => pragma === "journal_mode"
const isOfConnection = (required: Required): boolean => !isOfFile(required)
/** What SQLite does not change within a transaction, or refuses to (https://sqlite.org/pragma.html). */
const isFixed = (pragma: string): boolean => pragma === "synchronous" || pragma === "temp_store"

/**
 * Sets what differs from the last reading, and reads again. SQLite takes a misspelt pragma and a bad value without
 * a word, so only the reading afterwards proves anything. What it finds wrong is set once more: one pragma may
 * follow another, as `synchronous` follows the switch to WAL, and a migration may have set one.
 */
const verified = Effect.fnUntraced(function* (
  sqlite: Sqlite,
  mayBeSet: ReadonlyArray<Required>,
  required: ReadonlyArray<Required>,
  lastReading: Settings,
  read: (sqlite: Sqlite) => Effect.Effect<Settings, PragmaError> = readAll
) {
  let found = lastReading
  for (let round = 0; round < 2; round += 1) {
    const wrong = mayBeSet.filter(isMissedBy(found))
    if (round > 0 && wrong.length === 0) break
    for (const { pragma, wanted } of wrong) {
      yield* Effect.mapError(sqlite.run(`PRAGMA ${pragma} = ${wanted}`), failed(pragma, wanted))
    }
    found = yield* read(sqlite)
  }
  return yield* compared(found, required)
})

const isMissedBy =
  (found: Settings) =>
  ({ pragma, wanted }: Required): boolean =>
    String(found[pragma]) !== wanted

const compared = (found: Settings, required: ReadonlyArray<Required>): Effect.Effect<Settings, PragmaError> => {
  const missed = required.find(isMissedBy(found))
  if (missed === undefined) return Effect.succeed(found)
  const got = String(found[missed.pragma])
  return new PragmaError({ reason: "Mismatch", ...missed, got, detail: "", retryable: false })
}

const newFilePragmas = ({ newFile: { autoVacuum, encoding, pageSize } }: DatabaseConfig["Type"]) =>
  Object.entries({
    page_size: pageSize,
    auto_vacuum: autoVacuum === undefined ? undefined : { none: 0, full: 1, incremental: 2 }[autoVacuum],
    encoding
  }).flatMap(([pragma, wanted]) => (wanted === undefined ? [] : [{ pragma, wanted: String(wanted) }]))

/** SQLite ignores them without a word where the first page is written (https://sqlite.org/pragma.html#pragma_page_size). */
const settleNewFile = Effect.fnUntraced(function* (sqlite: Sqlite, config: DatabaseConfig["Type"]) {
  const required = newFilePragmas(config)
  if (required.length === 0) return
  for (const { pragma, wanted } of required) {
    yield* Effect.mapError(sqlite.run(`PRAGMA ${pragma} = '${wanted}'`), failed(pragma, wanted))
  }
  const [found = {}] = yield* Effect.mapError(
    sqlite.run("SELECT page_size, auto_vacuum, encoding FROM pragma_page_size, pragma_auto_vacuum, pragma_encoding"),
    unreadable
  )
  yield* compared(Object.fromEntries(Object.entries(found).map(([name, value]) => [name, String(value)])), required)
})

/** The switch is set whatever it was. */
const foreignKeys = (sqlite: Sqlite, wanted: "0" | "1") => {
  const required = [{ pragma: "foreign_keys", wanted }]
  return verified(sqlite, required, required, {})
}

const unreadable = ({ code, detail, retryable }: SqliteFailure) =>
  new PragmaError({ reason: "Unreadable", pragma: "", wanted: "", got: code, detail, retryable })

/** What SQLite would take for another value, or for none, in the file or once everything else is done. */
const inRange = ({ applicationId, newFile, pragmas }: DatabaseConfig["Type"]): Effect.Effect<void, PragmaError> => {
  const busyTimeout = Duration.toMillis(pragmas.busyTimeout)
  if (!(Number.isInteger(busyTimeout) && busyTimeout <= largest)) {
    return outOfRange("busy_timeout", busyTimeout, `whole milliseconds, ${largest} at most`)
  }
  const { pageSize = 4096 } = newFile
  if (!(pageSize >= 512 && pageSize <= 65_536 && Number.isInteger(Math.log2(pageSize)))) {
    return outOfRange("page_size", pageSize, "a power of two from 512 to 65536")
  }
  if (applicationId === undefined) return Effect.void
  const isKept = Number.isInteger(applicationId) && applicationId >= -largest - 1 && applicationId <= largest
  return isKept && applicationId !== 0
    ? Effect.void
    : outOfRange("application_id", applicationId, `a whole number from ${-largest - 1} to ${largest}, and not 0`)
}

const largest = 0x7f_ff_ff_ff

const outOfRange = (pragma: string, wanted: number, detail: string) =>
  new PragmaError({ reason: "OutOfRange", pragma, wanted: String(wanted), got: "", detail, retryable: false })

/** Every pragma in one statement; `mmap_size` has no table-valued form and is asked for on its own. */
const readAll = Effect.fnUntraced(function* (sqlite: Sqlite) {
  const [row] = yield* sqlite.run(readStatement)
  const [mapped] = yield* sqlite.run("PRAGMA mmap_size")
  const settings: Record<string, string | number> = {}
  for (const [pragma, value] of Object.entries(row ?? {})) {
    // A host that asks for large integers gets all of them as such.
    settings[pragma] = typeof value === "number" || typeof value === "bigint" ? Number(value) : String(value)
  }
  // An in-memory database maps nothing and answers with no row at all.
  settings["mmap_size"] = mapped === undefined ? 0 : Number(text(mapped, "mmap_size"))
  return settings
}, Effect.mapError(unreadable))

const readStatement = `SELECT timeout AS busy_timeout, journal_mode, synchronous, foreign_keys, trusted_schema, cell_size_check,
  journal_size_limit, temp_store, cache_size
FROM pragma_busy_timeout, pragma_journal_mode, pragma_synchronous, pragma_foreign_keys, pragma_trusted_schema,
  pragma_cell_size_check, pragma_journal_size_limit, pragma_temp_store, pragma_cache_size`

/** What a migration can set of a connection beside these, and the next start would not have. */
const readable = [
  "analysis_limit",
  "automatic_index",
  "checkpoint_fullfsync",
  "count_changes",
  "empty_result_callbacks",
  "full_column_names",
  "fullfsync",
  "ignore_check_constraints",
  "legacy_alter_table",
  "max_page_count",
  "query_only",
  "read_uncommitted",
  "recursive_triggers",
  "reverse_unordered_selects",
  "secure_delete",
  "short_column_names",
  "threads",
  "writable_schema"
]

const readableStatement = `SELECT ${readable.join(", ")} FROM ${readable.map((pragma) => `pragma_${pragma}`).join(", ")}`

const readOthers = Effect.fnUntraced(function* (sqlite: Sqlite) {
  const [row = {}] = yield* sqlite.run(readableStatement)
  // This one has no table-valued form either.
  const [automatic] = yield* sqlite.run("PRAGMA wal_autocheckpoint")
  return Object.fromEntries(Object.entries({ ...row, ...automatic }).map(([pragma, value]) => [pragma, String(value)]))
}, Effect.mapError(unreadable))

/**
 * What cannot be read back is reset to SQLite's defaults; `cache_spill` answers no less than the size of the cache. An
 * exclusive lock is released by the next read.
 */
const defaults = ["cache_spill = 1", "case_sensitive_like = 0", "locking_mode = normal"]

const setBack = Effect.fnUntraced(function* (sqlite: Sqlite, before: Settings) {
  for (const one of defaults) {
    yield* Effect.mapError(sqlite.run(`PRAGMA ${one}`), failed(one.split(" ", 1).join(), "set back"))
  }
  yield* Effect.mapError(sqlite.run("SELECT count(*) FROM sqlite_schema"), unreadable)
  const required = Object.entries(before).map(([pragma, value]) => ({ pragma, wanted: String(value) }))
  yield* verified(sqlite, required, required, yield* readOthers(sqlite), readOthers)
})

const failed =
  (pragma: string, wanted: string) =>
  ({ code, detail, retryable }: SqliteFailure) =>
    new PragmaError({ reason: "Refused", pragma, wanted, got: code, detail, retryable })

const summary = (settings: Settings): string =>
  `journal ${settings["journal_mode"]}, synchronous ${settings["synchronous"]}, foreign keys ${settings["foreign_keys"] === 1 ? "on" : "off"}`
