/**
 * What the schema uses that is not part of the file: functions of the program, collations, modules, tokenizers. SQLite
 * misses one only when a statement needs it, so a start would pass and the first write fail.
 */
import { foldName, identifier } from "../../schema/SqlScript.ts"
import { cureOfMissing } from "../MissingExtension.ts"
import { answerOr, type Sqlite } from "../Sqlite.ts"
import { complaintOf, eventOf, statementOn } from "./Complaint.ts"
import { HistoryError } from "./HistoryError.ts"
import { type History, readHistory } from "./MigrationHistory.ts"
import { type Recorded, readRecord } from "./RepeatableRecord.ts"
import { divideBy, namesIn, namesOf, objectsOf, type SchemaObject, schemaStatement } from "./SchemaFingerprint.ts"

/** An object that lacks something, and SQLite's message. */
interface Lacking {
  readonly object: string
  readonly detail: string
}

/**
 * The objects that this connection cannot use because it lacks something, with SQLite's message. Only SQLite decides:
 * the text only says about which objects it is asked, so that an ordinary schema costs nothing.
 */
export const withoutExtension = (sqlite: Sqlite, objects: ReadonlyArray<SchemaObject>): ReadonlyArray<Lacking> => {
  const names = new Set(objects.map(({ name }) => foldName(name)))
  const unusual = objects.filter(({ sql }) => isUnusual(sql, names))
  if (unusual.length === 0) return []
  const found: Array<Lacking> = []
  for (const object of unusual) {
    const detail = missedBy(sqlite, object)
    if (detail !== undefined) found.push({ object: `${object.type} ${object.name}`, detail })
  }
  return found
}

/**
 * The same of what migrations made, for a database whose migrations are not at hand: of all objects where its history
 * does not tell which those are.
 */
export const withoutOwnExtension = (sqlite: Sqlite): ReadonlyArray<Lacking> =>
  withoutExtension(sqlite, ownObjects(historyIn(sqlite), objectsOf(sqlite.all(schemaStatement))))

/** Undefined where it cannot be read: whatever proves a copy reads it too, and says why. */
const historyIn = (sqlite: Sqlite): History | undefined => {
  const history = answerOr(
    () => readHistory(sqlite),
    () => undefined
  )
  return history instanceof HistoryError ? undefined : history
}

const ownObjects = (
  history: History | undefined,
  objects: ReadonlyArray<SchemaObject>
): ReadonlyArray<SchemaObject> => {
  const rows = history?.rows ?? []
  const [newest] = [...rows].sort((one, other) => Number(other.version) - Number(one.version))
  if (newest?.ours === undefined) return objects
  const repeated = newest.repeatables === undefined ? undefined : readRecord(newest.repeatables)
  return ofMigrations(newest.ours, repeated, objects)
}

/** Of these objects those that migrations made, repeatable ones too. `ours`: as the history keeps their names. */
export const ofMigrations = (
  ours: string,
  repeated: Recorded | undefined,
  objects: ReadonlyArray<SchemaObject>
): ReadonlyArray<SchemaObject> => {
  const made = repeated?.files.flatMap((file) => file.objects) ?? []
  return divideBy(new Set([...namesIn(ours), ...namesIn(namesOf(made))]), objects).ours
}

const missedBy = (sqlite: Sqlite, { name, sql, table, type }: SchemaObject): string | undefined => {
  const event = type === "trigger" ? eventOf(sql) : undefined
  const isVirtual = virtual.test(sql)
  const questions = [
    ...(type === "view" ? [`SELECT * FROM main.${identifier(name)}`] : []),
    // DISTINCT compares: it needs the collation of each column.
    ...(type === "table" ? [`SELECT DISTINCT * FROM main.${identifier(name)}`] : []),
    ...((type === "table" && !isVirtual) || type === "index"
      ? [`INSERT INTO main.${identifier(table)} DEFAULT VALUES`]
      : []),
    ...(event === undefined ? [] : [statementOn(sqlite, table, event)])
  ]
  const unmade = type === "table" && !isVirtual ? missedByCheck(sqlite, { name, sql }) : undefined
  if (unmade !== undefined) return unmade
  for (const question of questions) {
    const detail = complaintOf(sqlite, question)
    if (detail !== undefined && cureOfMissing(detail) !== undefined) return detail
  }
  // A full-text table looks for its tokenizer only when it is searched.
  return isVirtual && /\btokenize\b/i.test(sql) ? missedBySearch(sqlite, name) : undefined
}

/**
 * On a connection that only reads SQLite leaves the CHECKs out of the schema (`sqlite3AddCheckConstraint` in build.c):
 * neither a statement nor `quick_check` misses their functions there. So the table is made in memory.
 */
const missedByCheck = (sqlite: Sqlite, { name, sql }: Pick<SchemaObject, "name" | "sql">): string | undefined => {
  const memory = sqlite.inMemory()
  try {
    const detail = complaintOf(memory, sql) ?? complaintOnceMade(memory, name, sql)
    return detail !== undefined && cureOfMissing(detail) !== undefined ? detail : undefined
  } finally {
    memory.database.close()
  }
}

const complaintOnceMade = (memory: Sqlite, name: string, sql: string): string | undefined => {
  memory.all(sql)
  return complaintOf(memory, `INSERT INTO main.${identifier(name)} DEFAULT VALUES`)
}

const missedBySearch = (sqlite: Sqlite, table: string): string | undefined =>
  answerOr(
    () => {
      sqlite.all(`SELECT 1 FROM main.${identifier(table)} WHERE ${identifier(table)} MATCH 'a' LIMIT 1`)
      return undefined
    },
    (failure) => {
      if (cureOfMissing(failure.detail) !== undefined) return failure.detail
      // What else is wrong with it others find out.
      if (failure.code.startsWith("SQLITE_ERROR")) return undefined
      throw failure
    }
  )

const virtual = /^\s*CREATE\s+VIRTUAL\b/i

/** Whether a definition may use something that SQLite does not bring along. */
const isUnusual = (sql: string, names: ReadonlySet<string>): boolean => {
  if (virtual.test(sql))
    return !/\busing\s+(fts[345]|rtree|rtree_i32|geopoly)\b/i.test(sql) || /\btokenize\b/i.test(sql)
  if (/\bcollate\b(?!\s+["'`[]?(binary|nocase|rtrim)\b)/i.test(sql)) return true
  for (const [, bare, quoted] of sql.matchAll(called)) {
    const name = foldName(bare ?? quoted ?? "")
    if (!usual.has(name) && !names.has(name)) return true
  }
  return false
}

/** A name, or one in quotes, before a parenthesis; comments may be between. As in SQLite, a letter is what is not ASCII. */
const called =
  /(?:(?<![\w$\u0080-\uFFFF])([A-Za-z_\u0080-\uFFFF][\w$\u0080-\uFFFF]*)|["'`[]([^"'`\]]*)["'`\]])(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*\(/g

/** Words before a parenthesis that are not functions, and SQLite's functions that schemas call most. */
const usual = new Set(
  `and as between by case check conflict constraint default distinct else except exists filter foreign from generated
  glob having in index intersect into is join key like limit match materialized not notnull null of offset on or
  order over partition primary references regexp returning select set temp then union unique unindexed update using
  values virtual when where window with within
  bigint binary blob boolean char character clob date datetime decimal double float int int2 int4 int8 integer mediumint
  nchar number numeric nvarchar real smallint string text time timestamp tinyint varbinary varchar varying
  abs avg changes char coalesce concat count format glob group_concat hex ifnull iif instr json json_array
  json_array_length json_each json_extract json_group_array json_group_object json_insert json_object json_patch
  json_remove json_set json_tree json_type json_valid julianday last_insert_rowid length like lower ltrim max min nullif
  printf quote raise random randomblob replace round rtrim sqlite_version strftime substr substring sum total trim
  typeof unicode unixepoch upper zeroblob row_number rank dense_rank lag lead first_value last_value`.split(/\s+/)
)
