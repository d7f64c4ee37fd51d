/** What keeps a script from being run as a migration. */
import type { Declaration } from "./Declaration.ts"
import type { Statement } from "./SqlScript.ts"

/** What is in the way, and what to do about it. */
export interface Obstacle {
  /**
   * `NotAllowed`: it would end the transaction, or has no effect in one. `Incomplete`: something is missing. `NotSql`:
   * it is written for a program other than SQLite.
   */
  readonly reason: "NotAllowed" | "Incomplete" | "NotSql"
  readonly statement: Statement
  readonly detail: string
  readonly remedy?: string
}

export interface Script {
  readonly id: number
  readonly text: string
  readonly declared: Pick<Declaration, "foreignKeys" | "settings" | "transaction">
  readonly statements: ReadonlyArray<Statement>
}
