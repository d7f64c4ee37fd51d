/** Why a command or a setting is not for the engine of a database. */
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"

/** What was asked for is not for the engine of this database. Nothing was looked at. */
export class EngineError extends TaggedRefusal("EngineError")<{
  /**
   * - `OnlyFiles`: PostgreSQL has its own way to do this.
   * - `OtherEngine`: a setting is for the other engine.
   * - `UnknownEngine`: the URL is not one of PostgreSQL.
   * - `PackageMissing`: the package `pg` is not installed, or cannot be loaded.
   * - `NoPasswordFile`: the file with the password cannot be read.
   */
  readonly reason: "OnlyFiles" | "OtherEngine" | "UnknownEngine" | "PackageMissing" | "NoPasswordFile"
  /** What is meant by the reason: a command, a setting, what the system said. */
  readonly detail: string
  /** What to do instead. */
  readonly instead: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** Absolute path of the database file, or the URL without user and password. */
  readonly database?: string | undefined
}> {
  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }
}

const instead = (error: EngineError): string => error.instead

const catalogue: Catalogue<EngineError> = {
  OnlyFiles: {
    sentence: ({ detail }) => `\`${detail}\` is for SQLite files, and this database is on PostgreSQL`,
    remedy: instead,
    means: "usage"
  },
  OtherEngine: { sentence: ({ detail }) => detail, remedy: instead, means: "usage" },
  UnknownEngine: {
    sentence: ({ detail }) =>
      `A database is a file, or a URL that begins with postgres://. This one begins with ${detail}`,
    remedy: "Correct the URL. Write a file with such a name as ./NAME.",
    means: "usage"
  },
  PackageMissing: {
    sentence: ({ detail }) => `The package pg is needed for PostgreSQL, and cannot be loaded (${detail})`,
    remedy: "Run `npm install pg@8` where database-ready is installed.",
    means: "defect"
  },
  NoPasswordFile: {
    sentence: ({ detail }) => `The file with the password cannot be read (${detail})`,
    remedy: "Name a file that this user may read, with the password on its first line.",
    means: "usage"
  }
}
