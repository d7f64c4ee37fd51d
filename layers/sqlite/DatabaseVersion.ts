/** Whether a database has changed since it was read. */
import type { Sqlite } from "./Sqlite.ts"

/**
 * Two counters of SQLite: one changes with each commit of another connection, one with each row that this connection
 * changes (https://sqlite.org/pragma.html#pragma_data_version). Undefined if SQLite does not answer.
 */
export const databaseVersion = ({ database }: Sqlite): (() => string | undefined) => {
  let ask: (() => string) | undefined
  const prepare = () => {
    const others = database.prepare<[], number>("PRAGMA data_version").pluck()
    const own = database.prepare<[], number>("SELECT total_changes()").pluck()
    return () => `${others.get()} ${own.get()}`
  }
  return () => {
    try {
      ask ??= prepare()
      return ask()
    } catch {
      return undefined
    }
  }
}
