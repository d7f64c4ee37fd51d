/** Why a new migration was not written. */
import { ofWriting } from "./codeMeaning.ts"
import { codeRemedy } from "./codeRemedy.ts"
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "./TaggedRefusal.ts"

/** No migration was written. */
export class MigrationFilesError extends TaggedRefusal("MigrationFilesError")<{
  /**
   * - `BadName`: the name cannot be that of a migration.
   * - `BadNumber`: the number that was asked for cannot be that of the next migration.
   * - `Taken`: a migration has the number already.
   * - `NotWritten`: the file cannot be written, or another run does not end.
   */
  readonly reason: "BadName" | "BadNumber" | "Taken" | "NotWritten"
  /** The directory of the migrations. */
  readonly directory: string
  /** The name or the number that was asked for, or the file. */
  readonly subject: string
  /** What is wrong with it, or what the operating system said. */
  readonly detail: string
  /** What could be used instead; "" where nothing is known. */
  readonly instead: string
  /** The system's code, e.g. `EACCES`; "" where it had no say. */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** Never set: no database has a part in it. */
  readonly database?: string | undefined
}> {
  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }
}

const notANumber = {
  sentence: ({ detail, subject }: MigrationFilesError) =>
    `${JSON.stringify(subject)} cannot be the number of a new migration: ${detail}`,
  remedy: ({ instead }: MigrationFilesError) => `Leave the number out, or use ${instead}.`,
  means: "usage"
} as const

const catalogue: Catalogue<MigrationFilesError> = {
  BadName: {
    sentence: ({ detail, subject }) => `${JSON.stringify(subject)} cannot be the name of a migration: ${detail}`,
    remedy: ({ instead }) => `Name it like ${instead}.`,
    means: "usage"
  },
  BadNumber: notANumber,
  Taken: notANumber,
  NotWritten: {
    sentence: ({ detail, subject }) => `The migration ${subject} cannot be written (${detail})`,
    remedy: ({ code, directory }) => codeRemedy(code) ?? `Let this user write in ${directory}.`,
    means: ofWriting
  }
}
