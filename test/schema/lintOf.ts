/** What lint says of statements that ran on a database in memory. */
import { declarationOf } from "../../layers/schema/Declaration.ts"
import { lintFile } from "../../layers/schema/LintRules.ts"
import type { FileRun } from "../../layers/schema/LintRun.ts"
import type { SchemaFacts } from "../../layers/schema/SchemaFacts.ts"
import { statementsOf } from "../../layers/schema/SqlScript.ts"
import { shapeOf } from "../../layers/schema/StatementShape.ts"
import { statesAfter } from "./facts.ts"

const none: SchemaFacts = { tables: new Map(), objects: [] }

export const factsOf = (script: string): SchemaFacts => statesAfter([script]).at(-1) ?? none

/** A file that ran on what the first one made. */
export const runOf = (first: string, file: string, switchesForeignKeys = false): FileRun => {
  const declared = declarationOf(file, 2)
  if (typeof declared === "string") throw new Error(declared)
  const statements = statementsOf(file)
  const states = statesAfter([first, ...statements.map(({ text }) => text)])
  const ran = statements.map((statement, at) => ({ statement, shape: shapeOf(statement.text), before: states[at] }))
  return { ran, declared, switchesForeignKeys, start: states[0] ?? none, end: states.at(-1) ?? none }
}

/** What is dangerous in a file, given what the first one made. */
export const lintOf = (first: string, file: string, switchesForeignKeys = false): ReadonlyArray<string> =>
  lintFile(runOf(first, file, switchesForeignKeys)).map(
    ({ code, declares, line, message, remedy }) =>
      `${code} ${line}: ${message} | ${remedy}${declares === undefined ? "" : ` | ${declares}`}`
  )
