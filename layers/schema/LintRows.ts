/** What `lint` says of rows that go, and of tables to which others refer. */
import type { Found } from "./LintCodes.ts"
import { isLeftEmpty, isPutBack } from "./LintPutBack.ts"
import {
  declarable,
  declarableFound,
  type FileRun,
  found,
  isNamed,
  type Life,
  type Ran,
  successorOf
} from "./LintRun.ts"
import type { TableFacts } from "./SchemaFacts.ts"
import { foldName } from "./SqlScript.ts"

/** Rows that go without a declaration, and whole tables that are rewritten. */
export const rowsOf = (life: Life, run: FileRun, lives: ReadonlyArray<Life>): ReadonlyArray<Found> => {
  const table = life.origin === undefined ? undefined : run.start.tables.get(life.origin)
  if (table === undefined) return []
  const isCounted = table.keepsRows
  const findings: Array<Found> = []
  const isDeclared = run.declared.deletes.some((name) => life.names.has(foldName(name)))
  const loses = (one: Ran, what: string) => {
    findings.push(
      declarableFound(
        "deletes-undeclared",
        one.statement,
        `${what}, and the file does not declare it: a database in which that deletes rows refuses the upgrade`,
        `deletes = ${declarable(table.name)}`,
        (line) => `If the rows may go, write ${line} above the first statement.`
      )
    )
  }
  for (const one of life.changes) {
    const { shape } = one
    if (shape.kind === "update" && shape.isWhole && !isBackfill(shape.sets, table, run)) {
      findings.push(
        found(
          "whole-table-update",
          one.statement,
          `It rewrites every row of ${table.name}, and nobody else can write for that time`,
          "Add a WHERE for the rows that need it. Where a new column gets one value, write that as its DEFAULT instead. If the table stays small, say so in a lint-ignore."
        )
      )
    }
    if (shape.kind === "delete" && !isDeclared && isCounted && !isPutBack(one, run)) {
      loses(one, shape.isWhole ? `It deletes every row of ${table.name}` : `It deletes rows of ${table.name}`)
    }
  }
  const { dropped } = life
  if (dropped === undefined || isDeclared || !isCounted) return findings
  const successor = successorOf(foldName(table.name), lives)
  if (successor === undefined) loses(dropped, `It drops ${table.name}`)
  else if (successor.copies.length === 0) {
    loses(dropped, `It drops ${table.name} and makes it again without copying its rows`)
  }
  return findings
}

/** Fills columns that the file added with what only a statement can compute: there is no other way. */
const isBackfill = (
  sets: ReadonlyArray<{ readonly column: string; readonly isConstant: boolean }>,
  table: TableFacts,
  { ran }: FileRun
): boolean =>
  sets.every(
    ({ column, isConstant }) =>
      !isConstant &&
      !table.columns.some(isNamed(column)) &&
      ran.some(({ shape }) => shape.kind === "addColumn" && shape.column === column)
  )

/** A DROP TABLE of what others refer to. */
export const dropOf = (life: Life, run: FileRun, lives: ReadonlyArray<Life>): ReadonlyArray<Found> => {
  const { dropped, origin } = life
  const before = dropped?.before
  if (dropped === undefined || before === undefined || dropped.shape.kind !== "drop") return []
  const { name } = dropped.shape
  const title = before.tables.get(name)?.name ?? name
  const referring = [...before.tables.values()].filter(
    (table) =>
      foldName(table.name) !== name &&
      table.foreignKeys.some(({ columns, parent }) => foldName(parent) === name && !isLeftEmpty(table, columns, run))
  )
  if (referring.length === 0) return []
  const them = referring.map((table) => table.name).join(", ")
  const dangling = [...run.end.tables.values()].filter((table) =>
    table.foreignKeys.some(({ parent }) => foldName(parent) === name && !run.end.tables.has(name))
  )
  if (dangling.length > 0) {
    const isRenamed = origin !== undefined && origin !== name
    return [
      found(
        "drop-referenced",
        dropped.statement,
        isRenamed
          ? `The rename took the references of ${them} with it, and now they refer to ${title}, which it drops`
          : `It drops ${title}, to which ${them} still ${verb(referring, "refers", "refer")}`,
        isRenamed
          ? "Make the new table under another name, copy the rows, drop the old table, and rename the new one: then references stay."
          : "First drop or rebuild what refers to it: every later write there would fail."
      )
    ]
  }
  if (run.declared.foreignKeys === "off" || run.switchesForeignKeys) return []
  if (origin !== undefined && successorOf(origin, lives) !== undefined) {
    return [
      declarableFound(
        "rebuild-undeclared",
        dropped.statement,
        `It rebuilds ${title}, to which ${them} ${verb(referring, "refers", "refer")}: with foreign keys on, the DROP first deletes its rows, and ON DELETE actions run`,
        "foreign_keys = off",
        (line) => `Write ${line} above the first statement: they are then off for this file, and checked at its end.`
      )
    ]
  }
  // What refers to it goes later in the file.
  return origin === undefined
    ? []
    : [
        found(
          "drop-referenced",
          dropped.statement,
          `It drops ${title} while ${them} still ${verb(referring, "refers", "refer")} to it: with rows in both, that fails or deletes them`,
          `Drop ${them} first.`
        )
      ]
}

const verb = (tables: ReadonlyArray<TableFacts>, one: string, many: string): string =>
  tables.length === 1 ? one : many
