/** What a file does with rows that its other statements make harmless. */
import { type FileRun, isNamed, type Ran } from "./LintRun.ts"
import type { TableFacts } from "./SchemaFacts.ts"
import { foldName, unquote } from "./SqlScript.ts"
import { spokenTokens } from "./StatementShape.ts"

/** Whether every row that a DELETE takes out was copied before, into a table from which it is filled again. */
export const isPutBack = ({ shape: deletion, statement }: Ran, { ran }: FileRun): boolean => {
  if (deletion.kind !== "delete" || !deletion.isWhole) return false
  const at = ran.findIndex((one) => one.statement === statement)
  const copies = ran
    .slice(0, at)
    .flatMap(({ shape, statement: { text } }) =>
      shape.kind === "create" && shape.isSelect && isOfAll(text, deletion.table) ? [shape.name] : []
    )
  return ran
    .slice(at)
    .some(
      ({ shape, statement: { text } }) =>
        shape.kind === "insert" &&
        shape.table === deletion.table &&
        copies.includes(shape.from) &&
        isOfAll(text, shape.from)
    )
}

/** Whether a statement ends with `FROM table`: no condition, no other table. DISTINCT leaves rows out, too. */
const isOfAll = (sql: string, table: string): boolean => {
  const [from, name] = spokenTokens(sql).slice(-2)
  if (from?.text.toUpperCase() !== "FROM" || name === undefined || /\bSELECT\s+DISTINCT\b/i.test(sql)) return false
  return foldName(name.kind === "word" ? name.text : unquote(name.text)) === table
}

/** Whether the file made a table and fills only its other columns: it then refers to no row. */
export const isLeftEmpty = (table: TableFacts, columns: ReadonlyArray<string>, { ran }: FileRun): boolean => {
  const name = foldName(table.name)
  const isOfThese = (column: string) => columns.some((one) => foldName(one) === column)
  const hasDefault = columns.some((column) => table.columns.find(isNamed(column))?.default !== null)
  const isMade = ran.some(
    ({ shape }) => shape.kind === "create" && shape.type === "table" && shape.name === name && !shape.isSelect
  )
  return (
    isMade &&
    !hasDefault &&
    ran.every(({ shape }) => {
      if (shape.kind === "insert" && shape.table === name) {
        return shape.columns !== undefined && !shape.columns.some(isOfThese)
      }
      return !(shape.kind === "update" && shape.table === name && shape.sets.some(({ column }) => isOfThese(column)))
    })
  )
}
