/** A pragma that is not as it has to be. */
import { ofSqlite } from "../start/codeMeaning.ts"
import { codeRemedy } from "../start/codeRemedy.ts"
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"
import type { SqliteFailure } from "./Sqlite.ts"

/** A pragma could not be set or read, or reads back as something else. */
export class PragmaError extends TaggedRefusal("PragmaError")<{
  /**
   * `Mismatch`: SQLite took it without complaint and answers another value. `OutOfRange`: no value of SQLite's, which
   * was not asked. `Refused`: SQLite failed. `Unreadable`: SQLite could not even answer.
   */
  readonly reason: "Mismatch" | "OutOfRange" | "Refused" | "Unreadable"
  /** The name of the pragma; "" where none could be read. */
  readonly pragma: string
  /** The value that it should have, as SQLite answers it; "" where none could be read. */
  readonly wanted: string
  /** The value read back, or SQLite's code; "" where it was not asked. */
  readonly got: string
  /** What SQLite said, or which values it takes; "" for a mismatch. */
  readonly detail: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** Absolute path of the database file, or `:memory:`. Set when the error leaves its stage. */
  readonly database?: string | undefined
}> {
  /** SQLite's code, "" where it answered or was not asked. */
  get code(): string {
    return this.reason === "Mismatch" ? "" : this.got
  }

  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }

  /** @internal The entry's remedy with the facts. */
  override get remedy(): string {
    if (this.retryable) return this.pragma === "journal_mode" ? inUse : (codeRemedy(this.code) ?? inUse)
    return this.entry.remedy
  }
}

const inUse =
  "Let the other programs that use the database finish, or stop them. SQLite changes the journal mode of a file only while nobody else uses it."

const otherValue =
  "If the program or a migration sets this pragma, remove that. Otherwise set a value that SQLite accepts (https://sqlite.org/pragma.html)."

const firstPage =
  "Delete the file, or set `newFile` to what the file has. It holds no table, but its first page is written, which fixes this value."

const ranges: Partial<Record<string, string>> = {
  busy_timeout: "Set `pragmas.busyTimeout` to a shorter time, in whole milliseconds.",
  threads: "Set `pragmas.threads` to such a number: this many more threads may sort for one statement.",
  page_size: "Set `newFile.pageSize` to such a number, for example 4096.",
  application_id: "Set `applicationId` to such a number, for example four letters read as a signed integer."
}

const remedies: Partial<Record<string, string>> = {
  page_size: firstPage,
  auto_vacuum: firstPage,
  encoding: firstPage,
  journal_mode:
    "If this was an inspection, start the program once, or run `database-ready init`: that switches the mode. If a start is refused, put the file on a local disk with shared memory, or set `pragmas.journalMode` to another mode.",
  foreign_keys:
    "If the program switches foreign keys off on this connection, remove that: they must stay on. Otherwise use a build of SQLite that has them.",
  mmap_size: "Set `pragmas.mmapSize` to 0: this build of SQLite, or a database in memory, does not map files.",
  max_page_count: "Set `pragmas.maxPageCount` to as many pages as the file has, or more. SQLite takes 1 to 4294967294.",
  hard_heap_limit:
    "Set `pragmas.hardHeapLimit` to what the connection answers, or less: SQLite only lowers it while the process runs.",
  soft_heap_limit: "Set `pragmas.softHeapLimit` to the hard limit of the process (`pragmas.hardHeapLimit`) or less."
}

const otherThan = ({ code, pragma }: PragmaError): string => codeRemedy(code) ?? remedies[pragma] ?? otherValue

const catalogue: Catalogue<PragmaError> = {
  Mismatch: {
    sentence: ({ got, pragma, wanted }) => `PRAGMA ${pragma} should be ${wanted}, but the connection answers ${got}`,
    remedy: otherThan,
    means: "data"
  },
  OutOfRange: {
    sentence: ({ detail, pragma, wanted }) => `PRAGMA ${pragma} cannot be ${wanted} (${detail})`,
    remedy: ({ pragma }) => ranges[pragma] ?? otherValue,
    means: "usage"
  },
  Refused: {
    sentence: ({ detail, got, pragma, wanted }) => `PRAGMA ${pragma} could not be set to ${wanted} (${got}: ${detail})`,
    remedy: otherThan,
    means: ofSqlite
  },
  Unreadable: {
    sentence: ({ detail, got }) => `The pragmas of the connection could not be read (${got}: ${detail})`,
    remedy: ({ code }) => codeRemedy(code) ?? "Fix what SQLite's message names, then start again.",
    means: ofSqlite
  }
}

export const unreadable = ({ code, detail, retryable }: SqliteFailure) =>
  new PragmaError({ reason: "Unreadable", pragma: "", wanted: "", got: code, detail, retryable })

export const failed =
  (pragma: string, wanted: string) =>
  ({ code, detail, retryable }: SqliteFailure) =>
    new PragmaError({ reason: "Refused", pragma, wanted, got: code, detail, retryable })
