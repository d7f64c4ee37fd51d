/** Statements, above all pragmas, that a migration cannot run. */
import type { Obstacle, Script } from "./Obstacle.ts"
import { openingWords, type Statement, tokensOf } from "./SqlScript.ts"

/** Misplaced statements begin with one of these words; skip all others. */
const suspects = /^(?:ATTACH|BEGIN|COMMIT|DETACH|END|EXPLAIN|PRAGMA|ROLLBACK|VACUUM)\b/i

export const misplacedStatement = (statement: Statement, script: Script): Obstacle | undefined => {
  const { text } = statement
  const notAllowed = (detail: string, remedy?: string): Obstacle =>
    remedy === undefined
      ? { reason: "NotAllowed", statement, detail }
      : { reason: "NotAllowed", statement, detail, remedy }
  if (text.includes("\0")) {
    return notAllowed("SQLite reads nothing after a NUL character", "Remove the character, or write it as char(0).")
  }
  if (!suspects.test(text)) return undefined
  const [first = "", second = "", third = ""] = openingWords(text, 3)
  if (first === "ATTACH" || first === "DETACH") {
    return notAllowed("another database is not part of this one's history", "Copy its rows with your program.")
  }
  if (["BEGIN", "COMMIT", "END"].includes(first)) return notAllowed(`${first} would begin or end a transaction`)
  if (first === "ROLLBACK" && second !== "TO" && third !== "TO") {
    return notAllowed("ROLLBACK would undo the other migrations")
  }
  if (first === "VACUUM") {
    return notAllowed(
      "SQLite refuses VACUUM inside a transaction",
      "Remove it. Run VACUUM from the program or by hand, while nobody else uses the database."
    )
  }
  const pragma = pragmaOf(text)
  if (pragma === undefined) return undefined
  const { name, value } = pragma
  if (name === "foreign_keys") return value === undefined ? undefined : foreignKeys(statement, value, script)
  if (name === "user_version") {
    return value === undefined || Number(value) === script.id
      ? undefined
      : notAllowed(
          "user_version is the number of the newest migration, which the library writes",
          "Remove it. Keep a number of your own in a table."
        )
  }
  if (script.declared.settings === "ignored" && isLostSetting(statement)) return undefined
  const why = lost[name] ?? failing[name]
  if (why === undefined) return known.has(name) ? undefined : unknown(statement, name)
  if (value === undefined && name !== "wal_checkpoint") return undefined
  const [detail, remedy] = why
  return notAllowed(detail, isLostSetting(statement) ? `${remedy} ${whereApplied}` : remedy)
}

/**
 * The way out for a file that was applied and cannot change any more. A statement that fails was never applied, so it
 * needs none.
 */
const whereApplied =
  "If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."

/**
 * Whether a statement sets what a migration cannot set, or is a PRAGMA that SQLite does not have. Earlier releases
 * applied such files.
 */
export const isLostSetting = ({ text }: Statement): boolean => {
  const { name, value } = (text.includes("\0") ? undefined : pragmaOf(text)) ?? {}
  if (name === undefined) return false
  return lost[name] === undefined ? !known.has(name) && !others.has(name) : value !== undefined
}

const unknown = (statement: Statement, name: string): Obstacle =>
  /^(?:hex|text)?(?:re)?key$|^cipher|^kdf/.test(name)
    ? {
        reason: "NotAllowed",
        statement,
        detail: `PRAGMA ${name} is for a database that is not open yet`,
        remedy: `Remove it: this library's SQLite does not encrypt. ${whereApplied}`
      }
    : {
        reason: "NotAllowed",
        statement,
        detail: `SQLite has no PRAGMA ${name}, and would ignore it`,
        remedy: `Correct its name, or remove it. ${whereApplied}`
      }

/** What a statement switches foreign keys to; undefined for any other. */
export const foreignKeysSetBy = ({ text }: Statement): "on" | "off" | undefined => {
  const { name, value } = pragmaOf(text) ?? {}
  return name !== "foreign_keys" || value === undefined ? undefined : isOn(value) ? "on" : "off"
}

/** The usual pair of PRAGMAs around a rebuild should become one declaration. */
export const foreignKeys = (statement: Statement, value: string, { declared, statements }: Script): Obstacle => {
  const settings = statements.flatMap(({ line, text }) => {
    const pragma = pragmaOf(text)
    return pragma?.name === "foreign_keys" && pragma.value !== undefined ? [{ line, isOn: isOn(pragma.value) }] : []
  })
  const lines = [...new Set(settings.map(({ line }) => line))]
  const them = lines.length === 1 ? `line ${lines[0]}` : `lines ${lines.slice(0, -1).join(", ")} and ${lines.at(-1)}`
  const bad = (detail: string, remedy: string): Obstacle => ({ reason: "NotAllowed", statement, detail, remedy })
  if (declared.foreignKeys === "off") {
    return bad(
      "SQLite ignores PRAGMA foreign_keys inside a transaction, and the file declares it already",
      `Remove ${them}.`
    )
  }
  if (isOn(value) && settings.every((setting) => setting.isOn)) {
    return bad("foreign keys are on already, and SQLite ignores the PRAGMA inside a transaction", `Remove ${them}.`)
  }
  return bad(
    "SQLite ignores PRAGMA foreign_keys inside a transaction; declare `-- database-ready: foreign_keys = off` instead",
    `Remove ${them}, and write \`-- database-ready: foreign_keys = off\` above the first statement: foreign keys are then off for this file, and on again after it.`
  )
}

/** As SQLite reads a boolean: a number other than 0 or one of these words is true. */
const isOn = (value: string): boolean =>
  /^[+-]?\d/.test(value) ? Number.parseInt(value.replace(/^\+/, ""), 10) !== 0 : /^(?:on|yes|true)$/.test(value)

/** `PRAGMA schema.name = value` or `name(value)`, also after EXPLAIN: some take effect even there. */
const pragmaOf = (text: string): { readonly name: string; readonly value: string | undefined } | undefined => {
  if (!/^(?:EXPLAIN|PRAGMA)\b/i.test(text)) return undefined
  const parts: Array<string> = []
  for (const { kind, text: token } of tokensOf(text)) {
    if (kind === "space" || kind === "comment") continue
    parts.push((kind === "quoted" || kind === "string" ? token.slice(1, -1) : token).toLowerCase())
    if (parts.length > 10) break
  }
  if (parts[0] === "explain") parts.splice(0, parts[1] === "query" ? 3 : 1)
  if (parts.shift() !== "pragma") return undefined
  if (parts[1] === ".") parts.splice(0, 2)
  const [name, sign, ...value] = parts
  if (name === undefined) return undefined
  return { name, value: sign === "=" || sign === "(" ? value.filter((part) => part !== ")").join("") : undefined }
}

const ofNewFile = (name: string, option: string): readonly [string, string] => [
  `PRAGMA ${name} takes effect only before the first page of a file is written, and is lost in a migration`,
  `Remove it. For a new file give DatabaseReady.layer the option \`newFile: { ${option} }\`; an existing file keeps what it has.`
]

const ofSettings = (name: string, option: string): readonly [string, string] => [
  `SQLite ignores or refuses PRAGMA ${name} inside a transaction`,
  `Remove it, and give DatabaseReady.layer the option \`pragmas: { ${option} }\`.`
]

const ofProcess = (name: string, instead: string): readonly [string, string] => [
  `PRAGMA ${name} is set for the whole process, and would outlive the migration`,
  `Remove it. ${instead}`
]

/**
 * Settings without effect in a transaction, or with an effect beyond the migration. A file can declare that they are
 * ignored.
 */
const lost: Partial<Record<string, readonly [detail: string, remedy: string]>> = {
  auto_vacuum: ofNewFile("auto_vacuum", 'autoVacuum: "incremental"'),
  encoding: ofNewFile("encoding", 'encoding: "UTF-16le"'),
  page_size: ofNewFile("page_size", "pageSize: 8192"),
  temp_store: ofSettings("temp_store", 'tempStore: "memory"'),
  default_cache_size: [
    "PRAGMA default_cache_size is overridden by the settings",
    "Remove it, and give DatabaseReady.layer the option `pragmas: { cacheSize: -64000 }`."
  ],
  legacy_file_format: ["PRAGMA legacy_file_format does nothing any more", "Remove it."],
  temp_store_directory: ofProcess("temp_store_directory", "Set the variable SQLITE_TMPDIR of the process."),
  data_store_directory: ofProcess("data_store_directory", "Give an absolute path as the filename."),
  soft_heap_limit: ofProcess(
    "soft_heap_limit",
    "Give DatabaseReady.layer the option `pragmas: { softHeapLimit: 256000000 }`."
  ),
  hard_heap_limit: ofProcess(
    "hard_heap_limit",
    "Give DatabaseReady.layer the option `pragmas: { hardHeapLimit: 512000000 }`."
  )
}

/** Settings that SQLite refuses in a transaction, unless they already have that value. */
const failing: Partial<Record<string, readonly [detail: string, remedy: string]>> = {
  journal_mode: ofSettings("journal_mode", 'journalMode: "wal"'),
  synchronous: ofSettings("synchronous", 'synchronous: "full"'),
  wal_checkpoint: [
    "SQLite refuses PRAGMA wal_checkpoint inside a transaction",
    "Remove it. SQLite checkpoints by itself; the program may do so once the database is ready."
  ]
}

/** Pragmas with a rule of their own. */
const others = new Set(["foreign_keys", "user_version", ...Object.keys(failing)])

/** Pragmas that read, do something, or hold for the rest of the migration: the library resets those that outlive it. */
const known = new Set([
  ...["analysis_limit", "application_id", "automatic_index", "busy_timeout", "cache_size", "cache_spill"],
  ...["case_sensitive_like", "cell_size_check", "checkpoint_fullfsync", "collation_list", "compile_options"],
  ...["count_changes", "data_version", "database_list", "defer_foreign_keys", "empty_result_callbacks"],
  ...["foreign_key_check", "foreign_key_list", "freelist_count", "full_column_names", "fullfsync", "function_list"],
  ...["ignore_check_constraints", "incremental_vacuum", "index_info", "index_list", "index_xinfo", "integrity_check"],
  ...["journal_size_limit", "legacy_alter_table", "locking_mode", "max_page_count", "mmap_size", "module_list"],
  ...["optimize", "page_count", "pragma_list", "query_only", "quick_check", "read_uncommitted", "recursive_triggers"],
  ...["reverse_unordered_selects", "schema_version", "secure_delete", "short_column_names", "shrink_memory", "stats"],
  ...["table_info", "table_list", "table_xinfo", "threads", "trusted_schema", "wal_autocheckpoint", "writable_schema"]
])
