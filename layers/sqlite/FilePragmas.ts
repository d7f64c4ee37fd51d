/** Pragmas that are kept in the file: set only where nothing can be lost by it, or once the database is judged sound. */
import type { DatabaseConfig } from "./DatabaseConfig.ts"
import type { PragmaError } from "./PragmaError.ts"
import { isOfConnection, isOfFile, requiredOf, type Settings, setAndVerify, settleNewFile } from "./pragmas.ts"
import type { SqliteConnection } from "./SqliteConnection.ts"
import type { VerifiedPragmas } from "./VerifiedPragmas.ts"

/** Gives a file that holds nothing yet what it keeps from its first page on, then its journal mode, and reads both back. */
export const setPragmasOfNewFile = (
  config: DatabaseConfig["Type"],
  { sqlite }: SqliteConnection["Type"],
  { settings }: VerifiedPragmas["Type"]
): Settings | PragmaError => {
  const required = requiredOf(config, 0)
  const settled = settleNewFile(sqlite, config)
  // The journal mode writes the first page.
  return settled instanceof Error ? settled : setAndVerify(sqlite, required, required, settings)
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
