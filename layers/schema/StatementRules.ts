/** What of a script cannot be run as it says, found before anything is written. Sources: SQLite's pragma.html and tokenizer. */
import type { Declaration } from "./Declaration.ts"
import { openingWords, phrasesOf, type Statement, tokensOf } from "./SqlScript.ts"

/** What stands in the way, and what can be done about it. */
export interface Obstacle {
  /**
   * `NotAllowed`: it would end the transaction, or has no effect in one. `Incomplete`: something is missing. `NotSql`:
   * it is for another program than SQLite.
   */
  readonly reason: "NotAllowed" | "Incomplete" | "NotSql"
  readonly statement: Statement
  readonly detail: string
  readonly remedy?: string
}

interface Script {
  readonly id: number
  readonly text: string
  readonly declared: Pick<Declaration, "foreignKeys" | "settings">
  readonly statements: ReadonlyArray<Statement>
}

export const obstacleIn = (script: Script): Obstacle | undefined => {
  const { statements, text } = script
  const open = neverClosed(text)
  if (open !== undefined) return open
  if (statements.length === 0) {
    return {
      reason: "Incomplete",
      statement: { text: "", line: 0 },
      detail: "nothing in it is run",
      remedy: "Write the statements that are missing, or delete the file where it was applied nowhere."
    }
  }
  for (const statement of statements) {
    const obstacle = foreignTo(statement) ?? unfinished(statement) ?? outOfPlace(statement, script)
    if (obstacle !== undefined) return obstacle
  }
  return undefined
}

/** A quote or a comment that is never closed reaches to the end, and so is the last token. */
const neverClosed = (text: string): Obstacle | undefined => {
  let last: { readonly kind: string; readonly text: string; readonly start: number } | undefined
  if (!/['"`[]|\/\*/.test(text)) return undefined
  for (const token of phrasesOf(text)) last = token
  if (last === undefined) return undefined
  const [what, end] = openKind(last) ?? []
  if (what === undefined || end === undefined) return undefined
  const line = lineOf(text, last.start)
  const [statement = ""] = last.text.split("\n", 1)
  return {
    reason: "Incomplete",
    statement: { text: statement, line },
    detail: `the ${what} that begins here is never closed`,
    remedy: `Close it with ${end} where it ends: all that follows belongs to it until then.`
  }
}

const openKind = ({ kind, text }: { readonly kind: string; readonly text: string }) => {
  const quote = text.charAt(0)
  if (kind === "comment") {
    const isOpen = text.startsWith("/*") && !(text.length >= 4 && text.endsWith("*/"))
    return isOpen ? ["comment", "`*/`"] : undefined
  }
  if (kind === "quoted" && quote === "[") return text.endsWith("]") ? undefined : ["name", "`]`"]
  if (kind !== "string" && kind !== "quoted") return undefined
  // Those within it are doubled, so that of a closed one there is an even number.
  return (text.split(quote).length - 1) % 2 === 0 ? undefined : [kind === "string" ? "string" : "name", `\`${quote}\``]
}

const lineOf = (text: string, offset: number): number => text.slice(0, offset).split("\n").length

/** Commands of other programs, which read the same files. */
const foreignTo = (statement: Statement): Obstacle | undefined => {
  const { line, text } = statement
  const notSql = (detail: string, remedy: string, at = 0): Obstacle => ({
    reason: "NotSql",
    statement:
      at === 0 ? statement : { text: text.slice(at).split("\n", 1).join(""), line: line + lineOf(text, at) - 1 },
    detail,
    remedy
  })
  if (text.startsWith(".")) return notSql("it is a command of the sqlite3 shell", "Take it out, or write it as SQL.")
  if (text.startsWith("\\")) return notSql("it is a command of psql", "Take it out, or write it as SQL.")
  if (text.startsWith("#")) return notSql("SQLite has no comments with #", "Begin the comment with `--`.")
  if (text.startsWith("//")) return notSql("SQLite has no comments with //", "Begin the comment with `--`.")
  if (/^delimiter\b/i.test(text)) {
    return notSql("DELIMITER is a command of the mysql client", "Take it out; a trigger ends with `END;`.")
  }
  if (!/^(?:<{7}|={7}|>{7}|\|{7}|go[ \t\r]*$)|[?@{}#]|:[a-z_]|\$[a-z_{]/im.test(text)) return undefined
  let before = ""
  for (const { kind, start, text: token } of tokensOf(text)) {
    const isLineStart = start === 0 || text.charAt(start - 1) === "\n"
    const rest = isLineStart && kind !== "space" ? text.slice(start).split("\n", 1).join("").trimEnd() : ""
    if (kind === "other" && /^(?:<{7}|={7}|>{7}|\|{7})(?:\s|$)/.test(rest)) {
      return notSql("it is a mark of a merge that was not finished", "Finish the merge.", start)
    }
    if (kind === "word" && /^go$/i.test(rest) && isBatchEnd(text.slice(start + token.length))) {
      return notSql(
        "GO is a command of SQL Server's tools",
        "End the statement before it with `;`, and take GO out.",
        start
      )
    }
    if (
      (kind === "other" && /[?@{}#]/.test(token)) ||
      (kind === "word" && token.startsWith("$")) ||
      (before === ":" && kind === "word")
    ) {
      const from = before === ":" ? start - 1 : start
      const [placeholder = ""] = /^[$:@?#{]*[\w.]*\}*/.exec(text.slice(from)) ?? []
      return notSql(
        `${placeholder || token} is a placeholder that nobody fills in`,
        "Write the value itself. Text needs quotes around it.",
        from
      )
    }
    before = token
  }
  return undefined
}

/** Whether a statement follows, or nothing: a name would have more of its own statement behind it. */
const isBatchEnd = (rest: string): boolean =>
  /^\s*$|^\s+(?:alter|analyze|begin|commit|create|delete|drop|go|insert|pragma|reindex|replace|select|update|with)\b/i.test(
    rest
  )

/** What two statements are cut by in other tools, without the semicolon that SQLite needs. */
const breakpoint = /^--+(?:>\s*statement-breakpoint|;;|\s*bun:split)/

const unfinished = (statement: Statement): Obstacle | undefined => {
  const { line, text } = statement
  if (/statement-breakpoint|--;;|bun:split/.test(text)) {
    for (const { kind, start, text: comment } of tokensOf(text)) {
      if (kind !== "comment" || !breakpoint.test(comment)) continue
      return {
        reason: "Incomplete",
        statement: { text: comment, line: line + lineOf(text, start) - 1 },
        detail: "there is no semicolon before it, and to SQLite it is a comment",
        remedy: `End the statement of line ${line} with \`;\`.`
      }
    }
  }
  return /trigger/i.test(text) ? openTrigger(statement) : undefined
}

const openTrigger = (statement: Statement): Obstacle | undefined => {
  const { line, text } = statement
  const words = openingWords(text, 3)
  if (!/^CREATE (?:(?:TEMP|TEMPORARY) )?TRIGGER\b/.test(words.join(" "))) return undefined
  let before = ""
  let end = -1
  for (const { kind, start, text: token } of tokensOf(text)) {
    if (kind === "space" || kind === "comment") continue
    // No statement of a trigger begins with END.
    if (end >= 0) {
      return {
        reason: "Incomplete",
        statement: { text: text.slice(end).split("\n", 1).join(""), line: line + lineOf(text, end) - 1 },
        detail: `there is no semicolon behind the END of the trigger of line ${line}`,
        remedy: "Write `END;`."
      }
    }
    if (before === ";" && /^end$/i.test(token)) end = start
    before = token
  }
  if (end >= 0) return undefined
  return {
    reason: "Incomplete",
    statement,
    detail: "the trigger never ends, so that all that follows belongs to it",
    remedy: "End the last statement of the trigger with `;`, and the trigger with `END;`."
  }
}

/** Statements that are out of place begin with one of these words, all others need not be read further. */
const suspects = /^(?:ATTACH|BEGIN|COMMIT|DETACH|END|EXPLAIN|PRAGMA|ROLLBACK|VACUUM)\b/i

const outOfPlace = (statement: Statement, script: Script): Obstacle | undefined => {
  const { text } = statement
  const notAllowed = (detail: string, remedy?: string): Obstacle =>
    remedy === undefined
      ? { reason: "NotAllowed", statement, detail }
      : { reason: "NotAllowed", statement, detail, remedy }
  if (text.includes("\0")) {
    return notAllowed("SQLite reads nothing behind a NUL character", "Take the character out, or write it as char(0).")
  }
  if (!suspects.test(text)) return undefined
  const [first = "", second = "", third = ""] = openingWords(text, 3)
  if (first === "ATTACH" || first === "DETACH") {
    return notAllowed("another database is not part of this one's history", "Copy what is in it with the program.")
  }
  if (["BEGIN", "COMMIT", "END"].includes(first)) return notAllowed(`${first} would begin or end a transaction`)
  if (first === "ROLLBACK" && second !== "TO" && third !== "TO") {
    return notAllowed("ROLLBACK would undo the other migrations")
  }
  if (first === "VACUUM") {
    return notAllowed(
      "SQLite refuses VACUUM inside a transaction",
      "Take it out. Run VACUUM from the program or by hand, when nobody else uses the database."
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
          "Take it out. Keep a number of your own in a table."
        )
  }
  if (script.declared.settings === "ignored" && isLostSetting(statement)) return undefined
  const why = lost[name] ?? failing[name]
  if (why === undefined) return known.has(name) ? undefined : unknown(statement, name)
  if (value === undefined && name !== "wal_checkpoint") return undefined
  const [detail, remedy] = why
  return notAllowed(detail, isLostSetting(statement) ? `${remedy} ${whereApplied}` : remedy)
}

/** The way out for a file that cannot be changed any more. What failed was never applied, and has none. */
const whereApplied =
  "If a database has applied this file already, do not change its statements: write `-- database-ready: settings = ignored` above the first one. The setting is then skipped."

/**
 * Whether a statement is a setting that a migration cannot make, or a PRAGMA that SQLite does not have. Earlier
 * releases applied such files.
 */
export const isLostSetting = ({ text }: Statement): boolean => {
  const { name, value } = (text.includes("\0") ? undefined : pragmaOf(text)) ?? {}
  if (name === undefined || name === "") return false
  return lost[name] === undefined ? !known.has(name) && !others.has(name) : value !== undefined
}

const unknown = (statement: Statement, name: string): Obstacle =>
  /^(?:hex|text)?(?:re)?key$|^cipher|^kdf/.test(name)
    ? {
        reason: "NotAllowed",
        statement,
        detail: `PRAGMA ${name} is for a database that is not open yet`,
        remedy: `Take it out: this library's SQLite does not encrypt. ${whereApplied}`
      }
    : {
        reason: "NotAllowed",
        statement,
        detail: `SQLite has no PRAGMA ${name}, and would ignore it`,
        remedy: `Correct its name, or take it out. ${whereApplied}`
      }

/** The usual pair around a rebuild is to become one declaration. */
const foreignKeys = (statement: Statement, value: string, { declared, statements }: Script): Obstacle => {
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
      `Take ${them} out.`
    )
  }
  if (isOn(value) && settings.every((setting) => setting.isOn)) {
    return bad("foreign keys are on already, and SQLite ignores the PRAGMA inside a transaction", `Take ${them} out.`)
  }
  return bad(
    "SQLite ignores PRAGMA foreign_keys inside a transaction; declare `-- database-ready: foreign_keys = off` instead",
    `Take ${them} out, and write \`-- database-ready: foreign_keys = off\` above the first statement: they are off around this file then, and on again behind it.`
  )
}

/** As SQLite reads a boolean: a number other than 0, or one of these words; all else is false. */
const isOn = (value: string): boolean =>
  /^[+-]?\d/.test(value) ? Number.parseInt(value.replace(/^\+/, ""), 10) !== 0 : /^(?:on|yes|true)$/.test(value)

/** `PRAGMA schema.name = value` or `name(value)`, also behind EXPLAIN, which sets some all the same. */
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
  const [name = "", sign, ...value] = parts
  return { name, value: sign === "=" || sign === "(" ? value.filter((part) => part !== ")").join("") : undefined }
}

const ofNewFile = (name: string, option: string): readonly [string, string] => [
  `PRAGMA ${name} takes effect before the first page of a file is written, and is lost in a migration`,
  `Take it out. For a new file give DatabaseReady.layer the option \`newFile: { ${option} }\`; a file that is there keeps what it has.`
]

const ofSettings = (name: string, option: string): readonly [string, string] => [
  `SQLite ignores or refuses PRAGMA ${name} inside a transaction`,
  `Take it out, and give DatabaseReady.layer the option \`pragmas: { ${option} }\`.`
]

const ofProcess = (name: string, instead: string): readonly [string, string] => [
  `PRAGMA ${name} is of the whole process, and would outlive the migration`,
  `Take it out. ${instead}`
]

/** Settings that have no effect in a transaction, or none that is the migration's. They can be declared to be ignored. */
const lost: Partial<Record<string, readonly [detail: string, remedy: string]>> = {
  auto_vacuum: ofNewFile("auto_vacuum", 'autoVacuum: "incremental"'),
  encoding: ofNewFile("encoding", 'encoding: "UTF-16le"'),
  page_size: ofNewFile("page_size", "pageSize: 8192"),
  temp_store: ofSettings("temp_store", 'tempStore: "memory"'),
  default_cache_size: [
    "PRAGMA default_cache_size is overridden by the settings",
    "Take it out, and give DatabaseReady.layer the option `pragmas: { cacheSize: -64000 }`."
  ],
  legacy_file_format: ["PRAGMA legacy_file_format does nothing any more", "Take it out."],
  temp_store_directory: ofProcess("temp_store_directory", "Set the variable SQLITE_TMPDIR of the process."),
  data_store_directory: ofProcess("data_store_directory", "Give an absolute path as the filename."),
  soft_heap_limit: ofProcess("soft_heap_limit", "Set it in the program, where it opens the database."),
  hard_heap_limit: ofProcess("hard_heap_limit", "Set it in the program, where it opens the database.")
}

/** Settings on which SQLite fails in a transaction, unless they are what holds already. */
const failing: Partial<Record<string, readonly [detail: string, remedy: string]>> = {
  journal_mode: ofSettings("journal_mode", 'journalMode: "wal"'),
  synchronous: ofSettings("synchronous", 'synchronous: "full"'),
  wal_checkpoint: [
    "SQLite refuses PRAGMA wal_checkpoint inside a transaction",
    "Take it out. SQLite checkpoints by itself; the program may do so once the database is ready."
  ]
}

/** What has a rule of its own. */
const others = new Set(["foreign_keys", "user_version", ...Object.keys(failing)])

/** What is read, done, or set for the rest of the migration: the library sets back what outlives it. */
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
