/** A file that ran to its end, as the rules of `lint` see it: which tables it made, renamed and dropped. */
import type { Declaration } from "./Declaration.ts"
import type { Found } from "./LintCodes.ts"
import type { SchemaFacts } from "./SchemaFacts.ts"
import { foldName, identifier, mentions, type Statement } from "./SqlScript.ts"
import type { Shape } from "./StatementShape.ts"

/** A statement that ran, and the schema before it where a rule asks for it. */
export interface Ran {
  readonly statement: Statement
  readonly shape: Shape
  readonly before: SchemaFacts | undefined
}

/** A file that ran to its end. */
export interface FileRun {
  readonly ran: ReadonlyArray<Ran>
  readonly declared: Pick<Declaration, "deletes" | "foreignKeys">
  /** It says `PRAGMA foreign_keys`, which has a finding of its own. */
  readonly switchesForeignKeys: boolean
  readonly start: SchemaFacts
  readonly end: SchemaFacts
}

/** One table, under whatever names. */
export interface Life {
  /** Its name before the file; undefined if the file made it. */
  readonly origin: string | undefined
  readonly made: Ran | undefined
  /** The last that it has in the file. */
  name: string
  /** All that it has in the file. */
  readonly names: Set<string>
  dropped?: Ran
  /** Statements that changed rows of it. */
  readonly changes: Array<Ran>
  /** Statements that filled it with the rows of a SELECT. */
  readonly copies: Array<Ran>
}

export const livesOf = ({ ran, start }: FileRun): ReadonlyArray<Life> => {
  const lifeOf = (name: string, origin?: string, made?: Ran): Life => {
    return { origin, made, name, names: new Set([name]), changes: [], copies: [] }
  }
  const all = [...start.tables.keys()].map((origin) => lifeOf(origin, origin))
  const living = (name: string) => all.find((life) => life.dropped === undefined && life.name === name)
  for (const one of ran) {
    const { shape } = one
    if (shape.kind === "create" && shape.type === "table" && !shape.isTemporary && living(shape.name) === undefined) {
      const life = lifeOf(shape.name, undefined, one)
      if (shape.isSelect) life.copies.push(one)
      all.push(life)
    } else if (shape.kind === "renameTable") {
      const life = living(shape.table)
      if (life !== undefined) {
        life.name = shape.to
        life.names.add(shape.to)
      }
    } else if (shape.kind === "drop" && shape.type === "table") {
      const life = living(shape.name)
      if (life !== undefined) life.dropped = one
    } else if (shape.kind === "insert" && shape.isSelect) {
      living(shape.table)?.copies.push(one)
    } else if (shape.kind === "update" || shape.kind === "delete") {
      living(shape.table)?.changes.push(one)
    }
  }
  return all
}

export const found = (code: Found["code"], { line }: Statement, message: string, remedy: string): Found => ({
  code,
  line,
  message,
  remedy
})

export const declarableFound = (
  code: Found["code"],
  statement: Statement,
  message: string,
  declares: string,
  remedyWith: (declaration: string) => string
): Found => ({ ...found(code, statement, message, remedyWith(`\`-- database-ready: ${declares}\``)), declares })

/** The table that stands at the end under the name that a dropped one had at the start. */
export const successorOf = (origin: string, lives: ReadonlyArray<Life>): Life | undefined =>
  lives.find(({ dropped, name }) => dropped === undefined && name === origin)

/** As a declaration can have it. */
export const declarable = (name: string): string => (/^[\w.]+$/.test(name) ? name : identifier(name))

export const isNamed =
  (name: string) =>
  (column: { readonly name: string }): boolean =>
    foldName(column.name) === foldName(name)

/** The statement of a file to which an object that it broke owes that. */
export const culpritOf = (
  run: Pick<FileRun, "ran">,
  { name, sql }: { readonly name: string; readonly sql: string }
): Statement | undefined => {
  const made = run.ran.find(({ shape }) => shape.kind === "create" && shape.name === foldName(name))
  const changing = run.ran.find(
    ({ shape }) =>
      (shape.kind === "drop" && mentions(sql, shape.name)) ||
      ((shape.kind === "renameTable" || shape.kind === "alter") && mentions(sql, shape.table)) ||
      (shape.kind === "renameTable" && mentions(sql, shape.to))
  )
  return (made ?? changing ?? run.ran.at(-1))?.statement
}
