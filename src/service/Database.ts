/** The database of the service, whichever engine it is on. What is built on it cannot exist before it is ready. */
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { ReadyReport, Refusal } from "../../layers/index.ts"
import type { ReadyReport as PostgresReport } from "../../layers/postgres.ts"

/** Why nothing can be written at this moment. */
export interface Unwritable {
  readonly reason: string
  readonly message: string
  /** Whether this is only a warning: what is stored can still be read, and others say what is wrong. */
  readonly isWarning: boolean
}

export class Database extends Context.Tag("conversation-files/Database")<
  Database,
  {
    readonly engine: "sqlite" | "postgres"
    readonly report: ReadyReport | PostgresReport
    /** Proves again that the same database answers, with the history and the schema of our migrations. */
    readonly health: Effect.Effect<
      { readonly schemaVersion: string | undefined; readonly warnings: ReadonlyArray<string> },
      Refusal
    >
    /** Proves that a write would be possible. Changes nothing. */
    readonly writable: Effect.Effect<void, Unwritable>
    /**
     * Runs an effect in one transaction, alone: no other write of this or another process runs meanwhile. So what it has
     * read stays true until it has written.
     */
    readonly write: <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
    /**
     * A text that is another one once anything was written since, known at once. Undefined where this cannot be known
     * without asking.
     */
    readonly unsafeVersion: () => string | undefined
  }
>() {}
