/** What a schema is: its objects, their fingerprint, and how two schemas differ. Nothing here touches a database. */
import { hash } from "node:crypto"
import { foldName, structureOf } from "../../schema/SqlScript.ts"
import { type Row, text } from "../Sqlite.ts"
import { historyTable } from "./historyTable.ts"

/** A table, index, trigger or view as SQLite keeps it. */
export interface SchemaObject {
  readonly type: string
  readonly name: string
  readonly table: string
  readonly sql: string
}

/**
 * Every object that a migration can define. The history table is the library's own. What SQLite creates for itself
 * (`sqlite_sequence`, statistics, indexes of constraints) follows from the rest or is not part of the schema.
 */
export const schemaStatement = `SELECT type, name, tbl_name, sql FROM sqlite_schema
WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND lower(tbl_name) <> '${historyTable}' ORDER BY type, name`

/**
 * The objects of a reading. Nearly always they are those of the reading before: then it is the same list, and what was
 * found out about it holds.
 */
export const objectsOf = (rows: ReadonlyArray<Row>): ReadonlyArray<SchemaObject> => {
  if (rows.length !== last.length || !rows.every((row, at) => isSame(row, last[at]))) {
    last = rows.map((row) => ({
      type: text(row, "type"),
      name: text(row, "name"),
      table: text(row, "tbl_name"),
      sql: text(row, "sql")
    }))
  }
  return last
}

let last: ReadonlyArray<SchemaObject> = []

const isSame = (row: Row, object: SchemaObject | undefined): boolean =>
  row["sql"] === object?.sql &&
  row["name"] === object?.name &&
  row["type"] === object?.type &&
  row["tbl_name"] === object?.table

/** SHA-256 over the objects exactly as SQLite keeps them, in hexadecimal. Equal fingerprints need no comparison. */
export const fingerprintOf = (objects: ReadonlyArray<SchemaObject>): string => {
  const known = fingerprints.get(objects)
  if (known !== undefined) return known
  const texts = objects.map(({ name, sql, table, type }) => `${type}\0${name}\0${table}\0${sql}\0`)
  const made = hash("sha256", texts.join(""), "hex")
  fingerprints.set(objects, made)
  return made
}

const fingerprints = new WeakMap<ReadonlyArray<SchemaObject>, string>()

/** The fingerprint of numbered and repeatable migrations together. */
export const joinFingerprints = (numbered: string, repeated: ReadonlyArray<SchemaObject>): string =>
  repeated.length === 0 ? numbered : hash("sha256", `${numbered}\n${fingerprintOf(repeated)}`, "hex")

/** How a live schema differs from the one that its migrations make. Each object is its type and name: `table owners`. */
export interface SchemaDifference {
  /** Objects that the migrations make and the database does not have. */
  readonly missing: ReadonlyArray<string>
  /** Objects with other SQL. White space, comments, capitals and quotes around names do not count. */
  readonly changed: ReadonlyArray<{
    /** Type and name. */
    readonly object: string
    /** The SQL that the migrations make. */
    readonly expected: string
    /** The SQL that the database has. */
    readonly found: string
  }>
  /** Objects that no migration makes. By themselves they are no reason to refuse. */
  readonly extra: ReadonlyArray<string>
}

/** Compares by structure: white space, comments, capitals and quotes around names make no difference. */
export const differenceOf = (
  expected: ReadonlyArray<SchemaObject>,
  live: ReadonlyArray<SchemaObject>
): SchemaDifference => {
  const wanted = new Map(expected.map((object) => [keyOf(object), object]))
  const found = new Map(live.map((object) => [keyOf(object), object]))
  return {
    missing: expected.filter((object) => !found.has(keyOf(object))).map(titleOf),
    changed: expected.flatMap((object) => {
      const other = found.get(keyOf(object))
      return other === undefined || saysTheSame(object, other)
        ? []
        : [{ object: titleOf(object), expected: object.sql, found: other.sql }]
    }),
    extra: live.filter((object) => !wanted.has(keyOf(object))).map(titleOf)
  }
}

/** The objects of `live` that `expected` has too: only they are in the fingerprint if the file has extra ones. */
export const withoutExtra = (
  expected: ReadonlyArray<SchemaObject>,
  live: ReadonlyArray<SchemaObject>
): ReadonlyArray<SchemaObject> => divideBy(new Set(expected.map(keyOf)), live).ours

/** A list of objects as the history keeps it, to tell ours from what others add later. */
export const namesOf = (objects: ReadonlyArray<SchemaObject>): string => JSON.stringify(objects.map(keyOf))

/** Reads what `namesOf` wrote; empty if something else wrote it. */
export const namesIn = (kept: string): ReadonlySet<string> => {
  try {
    const names: unknown = JSON.parse(kept)
    return new Set(Array.isArray(names) ? names : [])
  } catch {
    return new Set()
  }
}

/** Objects that are on a list, and all others. */
export const divideBy = (names: ReadonlySet<string>, live: ReadonlyArray<SchemaObject>) => ({
  ours: live.filter((object) => isOn(names, object)),
  extra: live.filter((object) => !isOn(names, object))
})

/** Earlier releases kept names in JavaScript's lower case. */
const isOn = (names: ReadonlySet<string>, object: SchemaObject): boolean =>
  names.has(keyOf(object)) || names.has(`${object.type} ${object.name.toLowerCase()}`)

export const isAccepted = ({ changed, missing }: SchemaDifference): boolean =>
  missing.length === 0 && changed.length === 0

/** A difference in one line. */
export const describeDifference = ({ changed, extra, missing }: SchemaDifference): string =>
  [
    list("missing", missing),
    list(
      "changed",
      changed.map(({ object }) => object)
    ),
    list("extra", extra)
  ]
    .filter((part) => part !== "")
    .join("; ")

const list = (what: string, objects: ReadonlyArray<string>): string =>
  objects.length === 0 ? "" : `${what}: ${objects.join(", ")}`

const keyOf = ({ name, type }: SchemaObject): string => `${type} ${foldName(name)}`
export const titleOf = ({ name, type }: SchemaObject): string => `${type} ${name}`
const saysTheSame = (one: SchemaObject, other: SchemaObject): boolean =>
  one.sql === other.sql || structureOf(one.sql) === structureOf(other.sql)
