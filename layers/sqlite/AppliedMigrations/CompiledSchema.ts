/**
 * Proves that views and triggers work. SQLite compiles one only when a statement needs it, so one that names a missing
 * table passes every page check (https://sqlite.org/lang_altertable.html, 2).
 */
import { foldName, identifier, mentions } from "../../schema/SqlScript.ts"
import { cureOfMissing } from "../MissingExtension.ts"
import { answerOr, type Sqlite, text } from "../Sqlite.ts"
import { complaintOf, eventOf, statementOn } from "./Complaint.ts"
import { withoutExtension } from "./ExtensionsInUse.ts"
import { objectsOf, type SchemaObject, schemaStatement } from "./SchemaFingerprint.ts"
import { unlessSound } from "./SoundSchemas.ts"

/** A view, the triggers of a table, or a table, that no statement can use. */
export interface Broken {
  /** `view v`, or `trigger t of table x`. */
  readonly object: string
  /** SQLite's message. */
  readonly detail: string
}

/** What can be done where SQLite misses what is not part of the file. */
export const cureOfBroken = (broken: ReadonlyArray<Broken>): string | undefined =>
  broken.map(({ detail }) => cureOfMissing(detail)).find((cure) => cure !== undefined)

export const describeBroken = ({ detail, object }: Broken): string => `${object} (${detail})`

/**
 * Compiles every view, and a statement of each kind for every table with triggers, without running any. All triggers of
 * a table and event are compiled together, so SQLite's message must tell which one is broken. A schema that this process
 * has found sound is not compiled again.
 */
export const brokenObjects = (
  sqlite: Sqlite,
  objects: ReadonlyArray<SchemaObject> = objectsOf(sqlite.all(schemaStatement))
): ReadonlyArray<Broken> => unlessSound(sound, sqlite, [objects], () => findBroken(sqlite, objects))

const sound: Parameters<typeof unlessSound>[0] = []

const findBroken = (sqlite: Sqlite, objects: ReadonlyArray<SchemaObject>): ReadonlyArray<Broken> => {
  const broken: Array<Broken> = []
  for (const { name, type } of objects) {
    if (type !== "view") continue
    const detail = complaintOf(sqlite, `SELECT * FROM main.${identifier(name)}`)
    if (detail !== undefined) broken.push({ object: `view ${name}`, detail })
  }
  const triggers = objects.filter(({ type }) => type === "trigger")
  for (const table of new Set(triggers.map((trigger) => trigger.table))) {
    const ofTable = triggers.filter((trigger) => trigger.table === table)
    for (const event of ["INSERT", "UPDATE", "DELETE"] as const) {
      const asked = ofTable.filter(({ sql }) => eventOf(sql) === event)
      if (asked.length === 0) continue
      const statement = statementOn(sqlite, table, event)
      const first = complaintOf(sqlite, statement)
      const detail =
        first !== undefined && mayBeForeignKey(sqlite, table, first)
          ? complaintWithoutForeignKeys(sqlite, statement)
          : first
      if (detail === undefined) continue
      broken.push({ object: `trigger ${meantBy(detail, asked).join(", ")} of ${table}`, detail })
    }
  }
  // The others were compiled just now.
  return broken.length > 0
    ? broken
    : withoutExtension(
        sqlite,
        objects.filter(({ type }) => type === "table" || type === "index")
      )
}

/** The triggers that mention what SQLite misses; all of them if none does. */
const meantBy = (detail: string, triggers: ReadonlyArray<SchemaObject>): ReadonlyArray<string> => {
  const missed = missedIn(detail)
  const isMissedIn = (sql: string, name: string) =>
    mentions(sql, name) || name.split(".").every((part) => mentions(sql, part))
  const naming = missed === undefined ? [] : triggers.filter(({ sql }) => isMissedIn(sql, missed))
  return (naming.length === 0 ? triggers : naming).map(({ name }) => name)
}

/** `no such table: main.x`, `no such column: new.x` */
const missedIn = (detail: string): string | undefined => {
  const [, missed] = /^no such \w+(?: \w+)?: (?:main\.)?(.+)$/.exec(detail) ?? []
  return missed === undefined ? undefined : foldName(missed)
}

/** Whether SQLite complains of a foreign key of the table, or of something that has the name of a missing parent. */
const mayBeForeignKey = (sqlite: Sqlite, table: string, detail: string): boolean => {
  if (detail.startsWith("foreign key mismatch")) return true
  const missed = missedIn(detail)
  const parents = sqlite.all(`SELECT lower("table") AS parent FROM pragma_foreign_key_list(?)`, [table])
  return parents.some((row) => text(row, "parent") === missed)
}

/**
 * A foreign key to a missing table stops the same statement, and is not a trigger's fault. So the statement is compiled in
 * a copy of the schema in memory, with foreign keys off: here they cannot be switched off within a transaction.
 */
const complaintWithoutForeignKeys = (sqlite: Sqlite, statement: string): string | undefined => {
  const copy = sqlite.inMemory()
  try {
    copy.all("PRAGMA foreign_keys = 0")
    // A virtual table creates tables of its own, which are listed too, and cannot be created twice.
    for (const row of sqlite.all(definitions)) {
      answerOr(
        () => copy.all(text(row, "sql")),
        () => []
      )
    }
    return complaintOf(copy, statement)
  } finally {
    copy.database.close()
  }
}

const definitions = `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND type <> 'index' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'view' THEN 1 ELSE 2 END, sql LIKE 'CREATE VIRTUAL %' DESC`
