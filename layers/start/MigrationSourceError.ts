/** What is wrong with the migrations as they are written. */
import { declarationNames } from "../schema/Declaration.ts"
import { ofSystem } from "./codeMeaning.ts"
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "./TaggedRefusal.ts"

/** The migrations themselves cannot be used; no database was opened. */
export class MigrationSourceError extends TaggedRefusal("MigrationSourceError")<{
  /**
   * - `DirectoryUnreadable`: the directory of migrations cannot be read.
   * - `BadName`: a file looks like a migration and is not named like one.
   * - `BadLayout`: a file is laid out for another tool.
   * - `NotUtf8`: a file is not UTF-8 text.
   * - `BadDeclaration`: a declaration cannot be understood.
   * - `Duplicate`: two migrations have one number.
   * - `NotLoaded`: the loader of `Migrations.fromLoader` failed.
   */
  readonly reason:
    | "DirectoryUnreadable"
    | "BadName"
    | "BadLayout"
    | "NotUtf8"
    | "BadDeclaration"
    | "Duplicate"
    | "NotLoaded"
  /** The directory, or the names of the files at fault. */
  readonly path: string
  /** What is wrong with it, or what the operating system said. */
  readonly detail: string
  /** The system's code, e.g. `ENOENT`, else "". */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** What can be done about this one, where that is more than the reason says: then it is the remedy. */
  readonly cure?: string | undefined
  /** What a loader failed with. */
  readonly cause?: unknown
  /** Absolute path of the database file, or `:memory:`. Set when the error leaves its stage. */
  readonly database?: string | undefined
}> {
  /** @internal Without what only the remedy or the detail tells of. */
  override toJSON(): object {
    // Anything may be in a cause, even what cannot be written; the detail tells of it, as the remedy does of the cure.
    return { ...super.toJSON(), cause: undefined, cure: undefined }
  }

  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }

  /** @internal The entry's sentence with the facts. */
  override get sentence(): string {
    return `${this.entry.sentence} (${this.detail})`
  }

  /** @internal The entry's remedy with the facts. */
  override get remedy(): string {
    return this.cure ?? this.entry.remedy
  }
}

const catalogue: Catalogue<MigrationSourceError> = {
  DirectoryUnreadable: {
    sentence: ({ path }) => `The migrations in ${path} cannot be read`,
    remedy: "Check the path of the migrations directory, and that this user can read it.",
    means: ofSystem
  },
  BadName: {
    sentence: ({ path }) => `${path} is not named like a migration`,
    remedy: "Name it NNN_name.sql, for example 002_add_owner.sql, or move it out of the directory.",
    means: "data"
  },
  BadLayout: {
    sentence: ({ path }) => `${path} is laid out for another tool`,
    remedy: "Keep in NNN_name.sql only what should run. Move what undoes it out of the directory.",
    means: "data"
  },
  NotUtf8: {
    sentence: ({ path }) => `${path} is not UTF-8 text`,
    remedy: "Save it as UTF-8. It may be UTF-16 or Latin-1 now.",
    means: "data"
  },
  BadDeclaration: {
    sentence: ({ path }) => `${path} declares something that cannot be understood`,
    remedy: () =>
      `Fix the declaration, at the head of the file or in the call of Migrations.fromLoader. The names are ${declarationNames().join(", ")}.`,
    means: "data"
  },
  Duplicate: {
    sentence: ({ path }) => `Two migrations have the same number: ${path}`,
    remedy:
      "Number them in the order in which they should run, and then the files after them. A file that any database has applied keeps its number and name: give new files numbers above it.",
    means: "data"
  },
  NotLoaded: {
    sentence: ({ path }) => `The migrations of ${path} cannot be loaded`,
    remedy: "Fix the loader that was given to Migrations.fromLoader.",
    means: "data"
  }
}
