/** Settings of the connection that a migration can change, and how they are reset. */
import * as Effect from "effect/Effect"
import { failed, unreadable } from "./PragmaError.ts"
import { type Settings, setAndVerify } from "./pragmas.ts"
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

export const readOthers = Effect.fnUntraced(function* (sqlite: Sqlite) {
  const [row = {}] = yield* sqlite.run(readableStatement)
  // This pragma has no table-valued form.
  const [automatic] = yield* sqlite.run("PRAGMA wal_autocheckpoint")
  return Object.fromEntries(Object.entries({ ...row, ...automatic }).map(([pragma, value]) => [pragma, String(value)]))
}, Effect.mapError(unreadable))

/**
 * What cannot be read back is reset to SQLite's defaults; `cache_spill` answers no less than the size of the cache. An
 * exclusive lock is released by the next read.
 */
const defaults = ["cache_spill = 1", "case_sensitive_like = 0", "locking_mode = normal"]

export const setBack = Effect.fnUntraced(function* (sqlite: Sqlite, before: Settings) {
  for (const one of defaults) {
    yield* Effect.mapError(sqlite.run(`PRAGMA ${one}`), failed(one.split(" ", 1).join(), "its default"))
  }
  yield* Effect.mapError(sqlite.run("SELECT count(*) FROM sqlite_schema"), unreadable)
  const required = Object.entries(before).map(([pragma, value]) => ({ pragma, wanted: String(value) }))
  yield* setAndVerify(sqlite, required, required, yield* readOthers(sqlite), readOthers)
})
