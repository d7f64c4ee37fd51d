/** Pragmas that are set, read back and compared. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { DatabaseConfig } from "./DatabaseConfig.ts"
import { failed, PragmaError, unreadable } from "./PragmaError.ts"
import { type Sqlite, text } from "./Sqlite.ts"

/** Name of a pragma to the value that was read back, in SQLite's spelling: a word for `journal_mode`, numbers for the rest. */
export type Settings = Readonly<Record<string, string | number>>

interface Required {
  readonly pragma: string
  /** As SQLite answers it. */
  readonly wanted: string
}

/** The order matters: the timeout first, so that nothing after it waits inside SQLite. */
export const requiredOf = (config: DatabaseConfig["Type"], busyTimeout: number): ReadonlyArray<Required> => {
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
    mmap_size: pragmas.mmapSize,
    secure_delete: pragmas.secureDelete === "fast" ? 2 : switchOf(pragmas.secureDelete),
    wal_autocheckpoint: pragmas.walAutocheckpoint,
    recursive_triggers: switchOf(pragmas.recursiveTriggers),
    analysis_limit: pragmas.analysisLimit,
    threads: pragmas.threads,
    soft_heap_limit: pragmas.softHeapLimit
  }).flatMap(([pragma, wanted]) => (wanted === undefined ? [] : [{ pragma, wanted: String(wanted) }]))
}

const switchOf = (isOn: boolean | undefined) => (isOn === undefined ? undefined : isOn ? 1 : 0)

/** SQLite answers with a number where it takes only the word (https://sqlite.org/pragma.html#pragma_secure_delete). */
const spelled = ({ pragma, wanted }: Required): string =>
  pragma === "secure_delete" && wanted === "2" ? "fast" : wanted

/**
 * The file itself only says WAL or not; each connection chooses its kind of rollback journal
 * (https://sqlite.org/pragma.html#pragma_journal_mode), and an inspection has SQLite's default.
 */
const journalModeFor = ({ access, pragmas: { journalMode } }: DatabaseConfig["Type"]): string =>
  access === "inspect" && journalMode !== "wal" ? "delete" : journalMode

export const isOfFile = ({ pragma }: Required): boolean => pragma === "journal_mode"
export const isOfConnection = (required: Required): boolean => !isOfFile(required)
/** SQLite ignores or refuses these within a transaction (https://sqlite.org/pragma.html). */
export const isFixed = (pragma: string): boolean => pragma === "synchronous" || pragma === "temp_store"

/**
 * Sets what differs from the last reading, and reads again. SQLite silently ignores misspelt pragmas and bad values, so
 * only reading back proves anything. Whatever is still wrong is set once more: one pragma may change another, as the
 * switch to WAL changes `synchronous`, and a migration may have set one.
 */
export const setAndVerify = Effect.fnUntraced(function* (
  sqlite: Sqlite,
  mayBeSet: ReadonlyArray<Required>,
  required: ReadonlyArray<Required>,
  lastReading: Settings,
  read: (sqlite: Sqlite) => Effect.Effect<Settings, PragmaError> = (sqlite) => readAll(sqlite, required)
) {
  let found = lastReading
  for (let round = 0; round < 2; round += 1) {
    const wrong = mayBeSet.filter(isMissedBy(found))
    if (round > 0 && wrong.length === 0) break
    for (const one of wrong) {
      yield* Effect.mapError(sqlite.run(`PRAGMA ${one.pragma} = ${spelled(one)}`), failed(one.pragma, one.wanted))
    }
    found = yield* read(sqlite)
  }
  return yield* requireEqual(found, required)
})

const isMissedBy =
  (found: Settings) =>
  ({ pragma, wanted }: Required): boolean =>
    String(found[pragma]) !== wanted

export const requireEqual = (
  found: Settings,
  required: ReadonlyArray<Required>
): Effect.Effect<Settings, PragmaError> => {
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

/** SQLite silently ignores these once the first page is written (https://sqlite.org/pragma.html#pragma_page_size). */
export const settleNewFile = Effect.fnUntraced(function* (sqlite: Sqlite, config: DatabaseConfig["Type"]) {
  const required = newFilePragmas(config)
  if (required.length === 0) return
  for (const { pragma, wanted } of required) {
    yield* Effect.mapError(sqlite.run(`PRAGMA ${pragma} = '${wanted}'`), failed(pragma, wanted))
  }
  const [found = {}] = yield* Effect.mapError(
    sqlite.run("SELECT page_size, auto_vacuum, encoding FROM pragma_page_size, pragma_auto_vacuum, pragma_encoding"),
    unreadable
  )
  yield* requireEqual(Object.fromEntries(Object.entries(found).map(([name, value]) => [name, String(value)])), required)
})

/** Sets the switch whatever it was. */
export const foreignKeys = (sqlite: Sqlite, wanted: "0" | "1") => {
  const required = [{ pragma: "foreign_keys", wanted }]
  return setAndVerify(sqlite, required, required, {})
}

/** What a stage says it found. */
export const summaryOf = (settings: Settings): string =>
  `journal ${settings["journal_mode"]}, synchronous ${settings["synchronous"]}, foreign keys ${settings["foreign_keys"] === 1 ? "on" : "off"}`

/** Refuses values that SQLite would silently change or ignore, or refuse only at the end of the start. */
export const refuseOutOfRange = ({
  applicationId,
  newFile,
  pragmas
}: DatabaseConfig["Type"]): Effect.Effect<void, PragmaError> => {
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

/**
 * Every pragma that each database has in one statement, and each further one that is required. `mmap_size` has no
 * table-valued form and is asked for on its own.
 */
export const readAll = Effect.fnUntraced(function* (sqlite: Sqlite, required: ReadonlyArray<Required>) {
  const [row] = yield* sqlite.run(readStatement)
  const [mapped] = yield* sqlite.run("PRAGMA mmap_size")
  const settings: Record<string, string | number> = {}
  for (const [pragma, value] of Object.entries(row ?? {})) {
    // A program that asks for BigInts gets every number as one.
    settings[pragma] = typeof value === "number" || typeof value === "bigint" ? Number(value) : String(value)
  }
  // An in-memory database maps nothing and answers with no row at all.
  settings["mmap_size"] = mapped === undefined ? 0 : Number(text(mapped, "mmap_size"))
  for (const { pragma } of required) {
    if (Object.hasOwn(settings, pragma)) continue
    const [answer = {}] = yield* sqlite.run(`PRAGMA ${pragma}`)
    settings[pragma] = Number(Object.values(answer)[0])
  }
  return settings
}, Effect.mapError(unreadable))

const readStatement = `SELECT timeout AS busy_timeout, journal_mode, synchronous, foreign_keys, trusted_schema, cell_size_check,
  journal_size_limit, temp_store, cache_size
FROM pragma_busy_timeout, pragma_journal_mode, pragma_synchronous, pragma_foreign_keys, pragma_trusted_schema,
  pragma_cell_size_check, pragma_journal_size_limit, pragma_temp_store, pragma_cache_size`
