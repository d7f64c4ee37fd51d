/** What a rebuild of a table loses. */
import type { Found } from "./LintCodes.ts"
import { copied, type Remade } from "./LintCopies.ts"
import { type FileRun, found, isNamed } from "./LintRun.ts"
import { foldAll, type IndexFacts, isAutoincrement, rowidOf } from "./SchemaFacts.ts"
import { foldName } from "./SqlScript.ts"

export const rebuildOf = (remade: Remade, run: FileRun): ReadonlyArray<Found> => {
  const { drop, life, now, then } = remade
  // Without its rows it is another table, which may differ in anything.
  if (then.isVirtual || now.isVirtual || life.copies.length === 0) return []
  const make = life.made ?? drop
  const findings: Array<Found> = [...lostWith(remade, run), ...life.copies.flatMap((copy) => copied(remade, copy))]
  if (isAutoincrement(then) && !isAutoincrement(now)) {
    findings.push(
      found(
        "autoincrement-lost",
        make.statement,
        `The new ${now.name} has no AUTOINCREMENT: numbers of deleted rows are used again`,
        "Write AUTOINCREMENT as the old table has it, unless that is meant."
      )
    )
  }
  const key = rowidOf(then)
  if (key !== undefined && rowidOf(now) === undefined && now.columns.some(isNamed(key.name))) {
    findings.push(
      found(
        "rowid-lost",
        make.statement,
        `${now.name}.${key.name} was INTEGER PRIMARY KEY, and is no longer the number that SQLite gives each row`,
        `Declare ${key.name} as INTEGER PRIMARY KEY, unless the program now gives every row its own.`
      )
    )
  }
  return findings
}

/** Indexes and triggers go with the table that is dropped. */
const lostWith = ({ drop, now, then }: Remade, { end, ran, start }: FileRun): ReadonlyArray<Found> => {
  const isThere = (type: string, name: string) =>
    end.objects.some((object) => object.type === type && foldName(object.name) === foldName(name))
  const isDropped = (type: string, name: string) =>
    ran.some(({ shape }) => shape.kind === "drop" && shape.type === type && shape.name === foldName(name))
  const rowid = rowidOf(now)
  const others: ReadonlyArray<Searched> = [
    ...now.indexes,
    // The rows are in its order.
    ...(rowid === undefined ? [] : [{ columns: [rowid.name], isPartial: false, isUnique: true }])
  ]
  const indexes = then.indexes.filter(
    (index) =>
      index.origin === "c" &&
      !isThere("index", index.name) &&
      !isDropped("index", index.name) &&
      index.columns.every((column) => column === null || now.columns.some(isNamed(column))) &&
      !others.some((other) => isCoveredBy(other, index))
  )
  const triggers = start.objects.filter(
    ({ name, table, type }) =>
      type === "trigger" && foldName(table) === foldName(then.name) && !isThere(type, name) && !isDropped(type, name)
  )
  const lost = [...indexes.map(({ name }) => `index ${name}`), ...triggers.map(({ name }) => `trigger ${name}`)]
  return lost.length === 0
    ? []
    : [
        found(
          "rebuild-loses",
          drop.statement,
          `Dropping the old ${then.name} drops ${lost.join(", ")} too, and the file does not make ${lost.length === 1 ? "it" : "them"} again`,
          "Create it again at the end of the file. If it may go, say so with a DROP above."
        )
      ]
}

type Searched = Pick<IndexFacts, "columns" | "isPartial" | "isUnique">

/** Whether an index finds what another one finds, and keeps its rows as unique. */
const isCoveredBy = (other: Searched, { columns, isPartial, isUnique }: Searched): boolean => {
  if (foldAll(other.columns) === foldAll(columns)) {
    return (other.isUnique || !isUnique) && other.isPartial === isPartial
  }
  const beginning = foldAll(other.columns.slice(0, columns.length))
  return !isUnique && !isPartial && !other.isPartial && beginning === foldAll(columns)
}
