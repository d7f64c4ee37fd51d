/** Pragmas that are kept in the file: set only where nothing can be lost by it, or once the database is judged sound. */
import type { DatabaseConfig } from "./DatabaseConfig.ts"
import type { PragmaError } from "./PragmaError.ts"
import { isOfConnection, isOfFile, requiredOf, type Settings, setAndVerify, settleNewFile } from "./pragmas.ts"
import { integer, type Sqlite } from "./Sqlite.ts"
import type { SqliteConnection } from "./SqliteConnection.ts"
import type { VerifiedPragmas } from "./VerifiedPragmas.ts"

/** Gives a file that holds nothing yet what it keeps from its first page on, then its journal mode, and reads both back. */
export const setPragmasOfNewFile = (
  config: DatabaseConfig["Type"],
  { sqlite }: { readonly sqlite: Sqlite },
  { settings }: Pick<VerifiedPragmas["Type"], "settings">
): Settings | PragmaError => {
  const required = requiredOf(config, 0)
  const settled = settleNewFile(sqlite, config)
  if (settled instanceof Error) return settled
  // The journal mode writes the first page.
  const setAll = () => setAndVerify(sqlite, required, required, settings)
  const isWal = !config.inMemory && config.pragmas.journalMode === "wal"
  return isWal && pagesOf(sqlite) === 0 ? withoutJournal(sqlite, setAll) : setAll()
}

const pagesOf = ({ all }: Sqlite): number => integer(all("PRAGMA page_count")[0], "page_count")

/**
 * The switch to WAL writes one page. Where it is the first one, its journal would keep nothing: without it the switch
 * flushes once instead of three times. Where it fails, the connection has SQLite's default again: another process may
 * fill the file, and what is written into that needs a journal.
 */
const withoutJournal = ({ all }: Sqlite, switchToWal: () => Settings | PragmaError): Settings | PragmaError => {
  all("PRAGMA journal_mode = memory")
  let switched: Settings | PragmaError | undefined
  try {
    switched = switchToWal()
    return switched
  } finally {
    if (switched === undefined || switched instanceof Error) all("PRAGMA journal_mode = delete")
  }
}

/**
 * For a database that was judged sound: sets its journal mode and the runtime busy timeout, in milliseconds, and reads
 * everything back.
 */
export const setFileAndRuntimePragmas = (
  config: DatabaseConfig["Type"],
  busyTimeout: number,
  { sqlite }: SqliteConnection["Type"],
  { settings }: VerifiedPragmas["Type"]
): Settings | PragmaError => {
  const required = requiredOf(config, busyTimeout)
  // The journal mode comes first, because it may have to wait: with the runtime timeout SQLite would wait with the event
  // loop blocked. An inspection may not switch it, but requires it.
  const settable = [
    ...(config.access === "inspect" ? [] : required.filter(isOfFile)),
    ...required.filter(isOfConnection)
  ]
  return setAndVerify(sqlite, settable, required, settings)
}
