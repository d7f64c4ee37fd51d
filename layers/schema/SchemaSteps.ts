/** The statements that lead from one schema to another, where rows cannot be lost and cannot be in the way. */
import { keyOf, type ObjectDifference, type PartDifference } from "./SchemaDifference.ts"
import type { ColumnFacts, SchemaFacts } from "./SchemaFacts.ts"
import { foldName, identifier, tokensOf } from "./SqlScript.ts"

/** What is left to a person. */
export interface NotGenerated {
  /** What differs, such as `table notes: column age`. */
  readonly object: string
  /** Why there is no statement for it. */
  readonly reason: string
}

/** A statement, and when it runs among the others. */
interface Planned {
  readonly phase: number
  readonly sql: string
  /** It is not needed if the step with this key is taken. */
  readonly unless?: string
}

/** What settles one difference. */
export interface Step {
  readonly key: string
  readonly object: string
  readonly statements: ReadonlyArray<Planned>
  /** For a column: what a table of it alone is made of, to see whether every row can have it. */
  readonly column?: { readonly definition: string; readonly isStrict: boolean } | undefined
}

/** What is dropped makes room for what is made, and what is made first is there for what refers to it. */
const phases = {
  dropTrigger: 0,
  dropView: 1,
  dropIndex: 2,
  addColumn: 3,
  createTable: 4,
  createIndex: 5,
  createView: 6,
  createTrigger: 7
} as const

export interface Steps {
  readonly steps: ReadonlyArray<Step>
  readonly notGenerated: ReadonlyArray<NotGenerated & { readonly key: string }>
}

export const stepsFor = (differences: ReadonlyArray<ObjectDifference>, from: SchemaFacts, to: SchemaFacts): Steps => {
  const steps: Array<Step> = []
  const notGenerated: Array<NotGenerated & { readonly key: string }> = []
  for (const difference of differences) {
    const key = keyOf(difference)
    const object = `${difference.type} ${difference.name}`
    const refuse = (reason: string) => notGenerated.push({ key, object, reason })
    if (difference.type !== "table") {
      const isOnRows = difference.change !== "removed" && from.tables.has(foldName(difference.table))
      if (isOnRows && isUnique(difference, to)) refuse("rows may have equal values")
      else steps.push({ key, object, statements: statementsFor(difference, from) })
    } else if (difference.change === "removed") refuse("its rows would be lost")
    else if (difference.change === "added") {
      steps.push({ key, object, statements: [{ phase: phases.createTable, sql: difference.after ?? "" }] })
    } else {
      for (const part of difference.parts) {
        const whole = { key: keyOf(difference, part), object: `${object}: ${titleOf(part)}` }
        const reason = reasonAgainst(difference, part, to)
        if (reason === undefined) steps.push({ ...whole, ...addedColumn(difference, part, to) })
        else notGenerated.push({ ...whole, reason })
      }
    }
  }
  return { steps, notGenerated }
}

/** The statements of steps, in the order in which they run, each with its step. */
export const inOrder = (steps: ReadonlyArray<Step>): ReadonlyArray<{ readonly step: Step; readonly sql: string }> => {
  const keys = new Set(steps.map(({ key }) => key))
  return steps
    .flatMap((step) => step.statements.map((statement) => ({ step, ...statement })))
    .filter(({ unless }) => unless === undefined || !keys.has(unless))
    .sort((one, other) => one.phase - other.phase)
}

export const titleOf = ({ after, before, name, part }: PartDifference): string => {
  if (part === "column") return `column ${name}`
  return part === "constraint" ? (before ?? after ?? "") : part
}

const isUnique = ({ name, table }: ObjectDifference, { tables }: SchemaFacts): boolean =>
  tables.get(foldName(table))?.indexes.some((index) => index.isUnique && foldName(index.name) === foldName(name)) ===
  true

const statementsFor = (
  { after, before, name, type }: ObjectDifference,
  { objects }: SchemaFacts
): ReadonlyArray<Planned> => {
  const { create, drop } = {
    index: { drop: phases.dropIndex, create: phases.createIndex },
    view: { drop: phases.dropView, create: phases.createView }
  }[type] ?? { drop: phases.dropTrigger, create: phases.createTrigger }
  const statements: Array<Planned> = []
  if (before !== null) statements.push({ phase: drop, sql: `DROP ${type.toUpperCase()} ${identifier(name)}` })
  if (after !== null) statements.push({ phase: create, sql: after })
  if (type !== "view" || before === null || after === null) return statements
  // A view takes its triggers with it.
  const lost = objects.filter((object) => object.type === "trigger" && foldName(object.table) === foldName(name))
  return [
    ...statements,
    ...lost.map((trigger) => ({ phase: phases.createTrigger, sql: trigger.sql, unless: keyOf(trigger) }))
  ]
}

const columnIn = ({ name }: ObjectDifference, part: PartDifference, { tables }: SchemaFacts): ColumnFacts | undefined =>
  tables.get(foldName(name))?.columns.find((column) => foldName(column.name) === foldName(part.name))

const reasonAgainst = (table: ObjectDifference, part: PartDifference, to: SchemaFacts): string | undefined => {
  if (part.part !== "column" || (part.before !== null && part.after !== null)) return "it takes a rebuild of the table"
  if (part.after === null) return "what the column holds would be lost"
  const column = columnIn(table, part, to)
  if (column === undefined || column.hidden !== 0) return "it is generated from the rows"
  if (column.default !== null && !isConstant(column.default)) return "its default is not a constant"
  const words = new Set(
    [...tokensOf(part.after)].flatMap(({ kind, text }) => (kind === "word" ? [foldName(text)] : []))
  )
  // SQLite refuses that where foreign keys are on (https://sqlite.org/lang_altertable.html, 4).
  const hasValue = column.default !== null && foldName(column.default) !== "null"
  if (words.has("references") && hasValue) return "its default may be no row of the other table"
  if (["rowid", "oid", "_rowid_"].some((word) => words.has(word))) return "its check depends on the rows"
  return undefined
}

/** The default as SQLite tells it: no expression, and no time. */
const isConstant = (value: string): boolean =>
  /^(?:[+-]?\s*(?:\d[\d_]*(?:\.[\d_]*)?(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|0x[\da-f_]+)|x?'(?:[^']|'')*'|true|false|null)$/i.test(
    value
  )

const addedColumn = (
  table: ObjectDifference,
  part: PartDifference,
  to: SchemaFacts
): Pick<Step, "statements" | "column"> => {
  const definition = part.after ?? ""
  return {
    statements: [{ phase: phases.addColumn, sql: `ALTER TABLE ${identifier(table.name)} ADD COLUMN ${definition}` }],
    column: { definition, isStrict: to.tables.get(foldName(table.name))?.isStrict === true }
  }
}
