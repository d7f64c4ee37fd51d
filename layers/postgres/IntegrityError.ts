/** The schema is not what its migrations make of it. */
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"
import { codeAndDetail, type PostgresFailure } from "./PostgresFailure.ts"
import { describeDifference, type SchemaDifference } from "./SchemaFingerprint.ts"

/** The schema is not what its migrations make of it. Nothing was changed. */
export class IntegrityError extends TaggedRefusal("IntegrityError")<{
  /** `SchemaDiffers`: the schema is not the one of the migrations. `Unreadable`: PostgreSQL could not look. */
  readonly reason: "SchemaDiffers" | "Unreadable"
  /** The objects that differ; undefined where the migrations could not be replayed to find them. */
  readonly difference: SchemaDifference | undefined
  /** What PostgreSQL said, or why the difference is not known. */
  readonly detail: string
  /** PostgreSQL's code where it could not look, else "". */
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

const catalogue: Catalogue<IntegrityError> = {
  SchemaDiffers: {
    sentence: ({ detail, difference }) =>
      `The schema is not the one that the migrations make: ${difference === undefined ? detail : describeDifference(difference)}`,
    remedy: ({ difference }) => {
      const invalid = difference?.changed.find(({ expected, found }) => found === `${expected} INVALID`)
      const repair =
        invalid === undefined ? "" : `Run \`REINDEX INDEX CONCURRENTLY ${invalid.object.slice("index ".length)}\`. `
      return `${repair}Undo ${invalid === undefined ? "the" : "any other"} change that was made outside the migrations, or restore the database. If the change is wanted, write it as a new migration after that.`
    },
    means: "data"
  },
  Unreadable: {
    sentence: (error) => `The schema of the database cannot be read (${codeAndDetail(error)})`,
    remedy: "Fix what PostgreSQL's message names, then start again.",
    means: "data"
  }
}

export const schemaUnreadable = ({ code, detail, retryable }: PostgresFailure): IntegrityError =>
  new IntegrityError({ reason: "Unreadable", difference: undefined, code, detail, retryable })
