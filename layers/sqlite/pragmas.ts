/** Pragmas that are set, read back and compared. */
import type { DatabaseConfig } from "./DatabaseConfig.ts"
import { failed, PragmaError } from "./PragmaError.ts"
import { answerOr, type Sqlite, type SqliteFailure } from "./Sqlite.ts"

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
    automatic_index: switchOf(pragmas.automaticIndex),
    fullfsync: switchOf(pragmas.fullFsync),
    checkpoint_fullfsync: switchOf(pragmas.checkpointFullFsync),
    cache_spill: pragmas.cacheSpill === false ? 0 : undefined,
    max_page_count: pragmas.maxPageCount,
    hard_heap_limit: pragmas.hardHeapLimit,
    // Not above the one before it, which it is cut to.
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
export const setAndVerify = (
  sqlite: Sqlite,
  mayBeSet: ReadonlyArray<Required>,
  required: ReadonlyArray<Required>,
  lastReading: Settings,
  read: () => Settings = () => readAll(sqlite, required)
): Settings | PragmaError => {
  let found = lastReading
  for (let round = 0; round < 2; round += 1) {
    const wrong = mayBeSet.filter(isMissedBy(found))
    if (round > 0 && wrong.length === 0) break
    for (const one of wrong) {
      const refused = set(sqlite, `${one.pragma} = ${spelled(one)}`, failed(one.pragma, one.wanted))
      if (refused !== undefined) return refused
    }
    found = read()
  }
  return requireEqual(found, required)
}

/** Sets a pragma; gives the refusal where SQLite refuses. */
export const set = (
  { all }: Sqlite,
  setting: string,
  refused: (failure: SqliteFailure) => PragmaError
): PragmaError | undefined =>
  answerOr(() => {
    all(`PRAGMA ${setting}`)
    return undefined
  }, refused)

const isMissedBy =
  (found: Settings) =>
  ({ pragma, wanted }: Required): boolean =>
    String(found[pragma]) !== wanted

export const requireEqual = (found: Settings, required: ReadonlyArray<Required>): Settings | PragmaError => {
  const missed = required.find(isMissedBy(found))
  if (missed === undefined) return found
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
export const settleNewFile = (sqlite: Sqlite, config: DatabaseConfig["Type"]): Settings | PragmaError => {
  const required = newFilePragmas(config)
  if (required.length === 0) return {}
  for (const { pragma, wanted } of required) {
    const refused = set(sqlite, `${pragma} = '${wanted}'`, failed(pragma, wanted))
    if (refused !== undefined) return refused
  }
  const [found = {}] = sqlite.all(
    "SELECT page_size, auto_vacuum, encoding FROM pragma_page_size, pragma_auto_vacuum, pragma_encoding"
  )
  return requireEqual(Object.fromEntries(Object.entries(found).map(([name, value]) => [name, String(value)])), required)
}

/** Sets the switch whatever it was. */
export const foreignKeys = (sqlite: Sqlite, wanted: "0" | "1"): Settings | PragmaError => {
  const required = [{ pragma: "foreign_keys", wanted }]
  return setAndVerify(sqlite, required, required, {})
}

/** What a stage says it found. */
export const summaryOf = (settings: Settings): string =>
  `journal ${settings["journal_mode"]}, synchronous ${settings["synchronous"]}, foreign keys ${settings["foreign_keys"] === 1 ? "on" : "off"}`

/**
 * Refuses values that SQLite would silently change or ignore, or refuse only at the end of the start. `busyTimeout` is in
 * milliseconds.
 */
export const refuseOutOfRange = (
  { applicationId, newFile, pragmas: { threads = 0 } }: DatabaseConfig["Type"],
  busyTimeout: number
): PragmaError | undefined => {
  if (!(Number.isInteger(busyTimeout) && busyTimeout <= largest)) {
    return outOfRange("busy_timeout", busyTimeout, `whole milliseconds, ${largest} at most`)
  }
  if (!(Number.isInteger(threads) && threads >= 0 && threads <= 8)) {
    return outOfRange("threads", threads, "a whole number from 0 to 8")
  }
  const { pageSize = 4096 } = newFile
  if (!(pageSize >= 512 && pageSize <= 65_536 && Number.isInteger(Math.log2(pageSize)))) {
    return outOfRange("page_size", pageSize, "a power of two from 512 to 65536")
  }
  if (applicationId === undefined) return undefined
  const isKept = Number.isInteger(applicationId) && applicationId >= -largest - 1 && applicationId <= largest
  return isKept && applicationId !== 0
    ? undefined
    : outOfRange("application_id", applicationId, `a whole number from ${-largest - 1} to ${largest}, and not 0`)
}

const largest = 0x7f_ff_ff_ff

const outOfRange = (pragma: string, wanted: number, detail: string) =>
  new PragmaError({ reason: "OutOfRange", pragma, wanted: String(wanted), got: "", detail, retryable: false })

/** Every pragma that each database has, and each further one that is required: one plain statement each is quickest. */
export const readAll = ({ all }: Sqlite, required: ReadonlyArray<Required>): Settings => {
  const settings: Record<string, string | number> = {}
  for (const pragma of alwaysRead) settings[pragma] = read(all, pragma)
  for (const { pragma } of required) if (!Object.hasOwn(settings, pragma)) settings[pragma] = read(all, pragma)
  return settings
}

const alwaysRead = [
  "busy_timeout",
  "journal_mode",
  "synchronous",
  "foreign_keys",
  "trusted_schema",
  "cell_size_check",
  "journal_size_limit",
  "temp_store",
  "cache_size",
  "mmap_size"
]

/** The name of the column is not always the pragma's. */
const read = (all: Sqlite["all"], pragma: string): string | number => {
  const [row] = all(`PRAGMA ${pragma}`)
  // An in-memory database maps nothing and answers with no row at all.
  if (row === undefined && pragma === "mmap_size") return 0
  const [value] = Object.values(row ?? {})
  // A program that asks for BigInts gets every number as one.
  return typeof value === "string" ? value : Number(value)
}
