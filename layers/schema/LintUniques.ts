/** What `lint` says of uniqueness that rows may not have. */
import type { Found } from "./LintCodes.ts"
import { sourcesOf } from "./LintCopies.ts"
import { type FileRun, found, isNamed, type Life } from "./LintRun.ts"
import { type ColumnFacts, foldAll, type IndexFacts, type TableFacts } from "./SchemaFacts.ts"
import { foldName, mentions } from "./SqlScript.ts"

/** Uniqueness that rows from before the file may not have. */
export const uniquesOf = (run: FileRun, lives: ReadonlyArray<Life>): ReadonlyArray<Found> => {
  const { end, ran, start } = run
  const findings: Array<Found> = []
  for (const life of lives) {
    if (life.dropped !== undefined) continue
    const { name } = life
    const then = start.tables.get(life.origin ?? name)
    const now = end.tables.get(name)
    const isRemade = life.origin === undefined
    if (then === undefined || now === undefined || (isRemade && life.copies.length === 0)) continue
    const isSorted = life.copies.some(({ statement }) =>
      /\b(?:distinct|group\s+by|where|or\s+(?:ignore|replace))\b/i.test(statement.text)
    )
    if (life.changes.length > 0 || (isRemade && isSorted)) continue
    for (const index of now.indexes) {
      if (!index.isUnique || isImplied(index.columns, then)) continue
      const sources = isRemade ? life.copies.map((copy) => sourcesOf(index.columns, copy, then, now)) : []
      if (sources.some((columns) => columns === undefined || isImplied(columns, then))) continue
      const made = ran.find(
        ({ shape }) => shape.kind === "create" && shape.type === "index" && shape.name === foldName(index.name)
      )
      const { statement } = made ?? life.made ?? {}
      if (statement === undefined || isKnownIndex(index, then)) continue
      // Rows of before have one value in a new column, and the condition may leave them all out.
      if (
        index.isPartial &&
        now.columns.some(({ name }) => isNewIn(name, then) && mentions(statement.text, foldName(name)))
      )
        continue
      const added = index.columns.map((column) => newColumn(column, then, now))
      // A new column without a default holds only NULLs, which are all different.
      if (!isRemade && added.some((column) => column?.default === null)) continue
      const columns = index.columns.map((column) => column ?? "an expression").join(", ")
      const isConstant = !isRemade && added.every((column) => column !== undefined)
      findings.push(
        found(
          "unique-on-existing",
          statement,
          isConstant
            ? `Every row of ${now.name} gets the same default for ${columns}: with two rows this fails`
            : `Two rows of ${now.name} may be the same in ${columns}, and then this fails`,
          "Merge or correct such rows in the same file first; or say in a lint-ignore why there are none."
        )
      )
    }
  }
  return findings
}

/** Whether a unique index of that name was for the same columns. One of fewer columns may fail. */
const isKnownIndex = ({ columns, isPartial, name }: IndexFacts, { indexes }: TableFacts): boolean =>
  indexes.some(
    (index) =>
      foldName(index.name) === foldName(name) &&
      index.isUnique &&
      index.isPartial === isPartial &&
      foldAll(index.columns) === foldAll(columns)
  )

const isNewIn = (column: string, then: TableFacts): boolean => !then.columns.some(isNamed(column))

const newColumn = (column: string | null, then: TableFacts, now: TableFacts): ColumnFacts | undefined =>
  column === null || !isNewIn(column, then) ? undefined : now.columns.find(isNamed(column))

/** Whether fewer columns were unique already. */
const isImplied = (columns: ReadonlyArray<string | null>, then: TableFacts): boolean => {
  const wanted = new Set(columns.flatMap((column) => (column === null ? [] : [foldName(column)])))
  const isWithin = (others: ReadonlyArray<string | null>) =>
    others.length > 0 && others.every((other) => other !== null && wanted.has(foldName(other)))
  const key = then.columns.filter((column) => column.key > 0).map(({ name }) => name)
  return isWithin(key) || then.indexes.some((index) => index.isUnique && !index.isPartial && isWithin(index.columns))
}
