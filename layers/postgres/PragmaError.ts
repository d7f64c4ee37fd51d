/** A setting of a session that is not as it has to be. */
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"
import { codeAndDetail } from "./PostgresFailure.ts"

/** A setting could not be made, or reads back as something else. */
export class PragmaError extends TaggedRefusal("PragmaError")<{
  /** `Mismatch`: it reads back as another value. `Refused`: PostgreSQL did not take one of them. */
  readonly reason: "Mismatch" | "Refused"
  /** The name of the setting; "" where PostgreSQL did not say. */
  readonly pragma: string
  /** The value that it should have; "" where PostgreSQL did not say. */
  readonly wanted: string
  /** The value read back; "" where none was. */
  readonly got: string
  /** What PostgreSQL said; "" for a mismatch. */
  readonly detail: string
  /** PostgreSQL's code, "" for a mismatch. */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** The URL of the database, without user and password. */
  readonly database?: string | undefined
}> {
  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }
}

const catalogue: Catalogue<PragmaError> = {
  Mismatch: {
    sentence: ({ got, pragma, wanted }) => `The setting ${pragma} should be ${wanted}, but the session answers ${got}`,
    remedy: ({ pragma }) =>
      `Find who sets it: \`SELECT source, sourcefile FROM pg_settings WHERE name = '${pragma}'\`. For a role, run \`ALTER ROLE ... RESET ${pragma}\`.`,
    means: "data"
  },
  Refused: {
    sentence: (error) => `The settings of the session could not be made (${codeAndDetail(error)})`,
    remedy: "Fix what PostgreSQL's message names, then start again.",
    means: "data"
  }
}
