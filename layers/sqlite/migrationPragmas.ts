/** Settings of the connection that a migration can change, and how they are reset. */
import { failed, type PragmaError } from "./PragmaError.ts"
import { type Settings, set, setAndVerify } from "./pragmas.ts"
import type { Sqlite } from "./Sqlite.ts"

/** Settings that a migration can change beside the required ones. The next start would not have them. */
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

export const readOthers = ({ all }: Sqlite): Settings => {
  const [row = {}] = all(readableStatement)
  // This pragma has no table-valued form.
  const [automatic] = all("PRAGMA wal_autocheckpoint")
  return Object.fromEntries(Object.entries({ ...row, ...automatic }).map(([pragma, value]) => [pragma, String(value)]))
}

/**
 * What cannot be read back is reset to SQLite's defaults; `cache_spill` answers no less than the size of the cache. An
 * exclusive lock is released by the next read.
 */
const defaults = ["cache_spill = 1", "case_sensitive_like = 0", "locking_mode = normal"]

export const setBack = (sqlite: Sqlite, before: Settings): Settings | PragmaError => {
  for (const one of defaults) {
    const refused = set(sqlite, one, failed(one.split(" ", 1).join(), "its default"))
    if (refused !== undefined) return refused
  }
  sqlite.all("SELECT count(*) FROM sqlite_schema")
  const required = Object.entries(before).map(([pragma, value]) => ({ pragma, wanted: String(value) }))
  return setAndVerify(sqlite, required, required, readOthers(sqlite), () => readOthers(sqlite))
}
