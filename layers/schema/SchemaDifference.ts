/** How two schemas differ, object by object, and within a table part by part. */
import type { ObjectFacts, SchemaFacts, TableFacts } from "./SchemaFacts.ts"
import { foldName, structureOf } from "./SqlScript.ts"
import { type TableDefinition, tableDefinition } from "./TableDefinition.ts"

/** What differs within a table. */
export interface PartDifference {
  /** `definition` for a table whose text cannot be cut into parts, such as a virtual one. */
  readonly part: "column" | "constraint" | "options" | "column order" | "definition"
  /** The name of a column; else "". */
  readonly name: string
  /** As it is written, in one line; null where it is not there. */
  readonly before: string | null
  /** The same in the second schema. */
  readonly after: string | null
}

/** A table, index, trigger or view that differs. */
export interface ObjectDifference {
  /** What leads from the first schema to the second. */
  readonly change: "added" | "removed" | "changed"
  /** `table`, `index`, `trigger` or `view`. */
  readonly type: string
  /** Its name. */
  readonly name: string
  /** The table or view that it belongs to; its own name for a table or view. */
  readonly table: string
  /** Its SQL in the first schema; null where it is not there. */
  readonly before: string | null
  /** Its SQL in the second schema. */
  readonly after: string | null
  /** What differs within a table that is in both; else empty. */
  readonly parts: ReadonlyArray<PartDifference>
}

/** White space, comments, capitals and needless quotes make no difference. */
export const differencesOf = (from: SchemaFacts, to: SchemaFacts): ReadonlyArray<ObjectDifference> => {
  const [before, after] = [objectsIn(from), objectsIn(to)]
  const found: Array<ObjectDifference> = []
  for (const [key, { name, sql, table, type }] of before) {
    const other = after.get(key)
    const same = { type, name, table, before: sql, after: other?.sql ?? null }
    if (other === undefined) found.push({ change: "removed", ...same, parts: [] })
    else if (!saysTheSame(sql, other.sql)) {
      found.push({ change: "changed", ...same, parts: type === "table" ? partsOf(key, from, to) : [] })
    }
  }
  for (const [key, { name, sql, table, type }] of after) {
    if (!before.has(key)) found.push({ change: "added", type, name, table, before: null, after: sql, parts: [] })
  }
  return found.sort((one, other) => order.indexOf(one.type) - order.indexOf(other.type) || byName(one, other))
}

const order = ["table", "index", "view", "trigger"]
const byName = (one: ObjectDifference, other: ObjectDifference): number => (one.name < other.name ? -1 : 1)

/** Tells what differs from all else that differs: `table notes`, or `table notes` with a part. */
export const keyOf = ({ name, type }: { readonly type: string; readonly name: string }, part?: PartDifference) =>
  [
    `${type} ${foldName(name)}`,
    ...(part === undefined ? [] : [part.part, part.part === "constraint" ? (part.before ?? part.after) : part.name])
  ]
    .map((text) => foldName(text ?? ""))
    .join("\0")

/** The keys of an object, or of each part of a table that differs in parts. */
export const keysOf = (difference: ObjectDifference): ReadonlyArray<string> =>
  difference.parts.length === 0 ? [keyOf(difference)] : difference.parts.map((part) => keyOf(difference, part))

const objectsIn = ({ objects, tables }: SchemaFacts): ReadonlyMap<string, ObjectFacts> =>
  new Map(
    [...[...tables.values()].map(({ name, sql }) => ({ type: "table", name, table: name, sql })), ...objects].map(
      (object) => [keyOf(object), object]
    )
  )

const saysTheSame = (one: string, other: string): boolean => one === other || structureOf(one) === structureOf(other)

const partsOf = (key: string, from: SchemaFacts, to: SchemaFacts): ReadonlyArray<PartDifference> => {
  const name = key.slice("table ".length)
  const [before, after] = [from.tables.get(name), to.tables.get(name)]
  const [one, other] = [definitionOf(before), definitionOf(after)]
  const parts = one === undefined || other === undefined ? [] : partsBetween(one, other)
  return parts.length > 0
    ? parts
    : [{ part: "definition", name: "", before: before?.sql ?? null, after: after?.sql ?? null }]
}

const definitionOf = (table: TableFacts | undefined): TableDefinition | undefined =>
  table === undefined || table.isVirtual ? undefined : tableDefinition(table.sql)

const partsBetween = (one: TableDefinition, other: TableDefinition): ReadonlyArray<PartDifference> => {
  const parts: Array<PartDifference> = []
  const add = (part: PartDifference["part"], name: string, before: string | null, after: string | null) =>
    parts.push({ part, name, before, after })
  for (const [key, { name, text }] of one.columns) {
    const after = other.columns.get(key)
    if (after === undefined || !saysTheSame(text, after.text)) add("column", name, text, after?.text ?? null)
  }
  for (const [key, { name, text }] of other.columns) if (!one.columns.has(key)) add("column", name, null, text)
  const lacks = (all: ReadonlyArray<string>, text: string) => !all.some((known) => saysTheSame(known, text))
  for (const text of one.constraints) if (lacks(other.constraints, text)) add("constraint", "", text, null)
  for (const text of other.constraints) if (lacks(one.constraints, text)) add("constraint", "", null, text)
  if (!saysTheSame(one.options, other.options)) add("options", "", one.options, other.options)
  // A column that is added goes behind all others.
  const expected = [
    ...[...one.columns.keys()].filter((key) => other.columns.has(key)),
    ...[...other.columns.keys()].filter((key) => !one.columns.has(key))
  ]
  const names = ({ columns }: TableDefinition) => [...columns.values()].map(({ name }) => name).join(", ")
  if (expected.join("\0") !== [...other.columns.keys()].join("\0")) add("column order", "", names(one), names(other))
  return parts
}
