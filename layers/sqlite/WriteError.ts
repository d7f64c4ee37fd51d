/** What `write` fails with. */
import { SqlError } from "@effect/sql/SqlError"
import * as Predicate from "effect/Predicate"
import { describeHolders, type Holder } from "../machine/FileLocks.ts"
import type { SystemFailure } from "../machine/SystemFailure.ts"
import { codeRemedy } from "../start/codeRemedy.ts"
import type { HistoryError } from "./AppliedMigrations/HistoryError.ts"
import { type ConnectionError, ofConnection } from "./ConnectionError.ts"
import { type CodeReason, codeReason, isDiskFull } from "./codeReason.ts"
import { SqliteFailure } from "./Sqlite.ts"
import { SqlRefusal } from "./SqlRefusal.ts"

/** Why a `write` fails. */
type WriteReason = ConnectionError["reason"] | HistoryError["reason"] | "WithinRead" | "Refused"

/**
 * A `write` failed, and nothing was committed. It is a `SqlError`: code that handles the errors of `SqlClient` handles it
 * too. Its `cause` has SQLite's `code`, or is the `HistoryError` or `ConnectionError` for which nothing may be written.
 */
export class WriteError extends SqlRefusal<WriteReason> {
  /**
   * - `Busy`: another connection has the write lock, of this process or another, for longer than `lockPatience`.
   * - `DiskFull`, `IoError`, `PermissionDenied`: the disk, or the rights of this process, do not let it write.
   * - `Damaged`, `NotADatabase`, `NotRecovered`: the file is not sound any more.
   * - `Replaced`: another file is at the path of the one that was opened.
   * - `WithinRead`: the write is inside a `read` of the same database.
   * - `Refused`: SQLite failed with a code that has many causes.
   * - A reason of `HistoryError`, such as `NewerDatabase`, or of `ConnectionError`: this program may not write any more.
   */
  declare readonly reason: WriteReason
  /** The processes that hold the lock, as far as they can be seen. */
  readonly holders: ReadonlyArray<Holder>

  /** For tests of programs that handle it. */
  constructor({
    holders = [],
    ...facts
  }: ConstructorParameters<typeof SqlRefusal<WriteReason>>[0] & {
    /** Default none. */
    readonly holders?: ReadonlyArray<Holder>
  }) {
    super(facts)
    this.holders = holders
  }

  /** @internal From SQLite's error for a write. */
  static fromSqlite(database: string, cause: SqliteFailure, holders: ReadonlyArray<Holder> = []): WriteError {
    const { code, detail, retryable } = cause
    const reason = reasonOf(database, code)
    const sentence = `${texts[reason].sentence(database)} (${code}: ${detail}${describeHolders(holders)})`
    const remedy = texts[reason].remedy ?? codeRemedy(code) ?? unclear
    return new WriteError({ cause, reason, sentence, remedy, code, retryable, database, holders })
  }

  /** @internal From the disk's error for a page that SQLite does not know of. */
  static fromSystem(database: string, cause: SystemFailure): WriteError {
    const { code, detail, retryable } = cause
    const reason = code === "EIO" ? "IoError" : code === "EROFS" ? "PermissionDenied" : "DiskFull"
    const sentence = `${texts[reason].sentence(database)} (${detail})`
    const remedy = texts[reason].remedy ?? codeRemedy(code) ?? unclear
    return new WriteError({ cause, reason, sentence, remedy, code, retryable, database })
  }

  /** @internal From a reason not to write that SQLite does not know of. */
  static fromRefusal(database: string, cause: HistoryError | ConnectionError): WriteError {
    const { code, reason, remedy, retryable, sentence } = cause
    return new WriteError({ cause, reason, sentence, remedy, code, retryable, database })
  }

  /** @internal A write would go on from rows that others may have changed since the `read` began. */
  static withinRead(database: string): WriteError {
    return new WriteError({
      cause: undefined,
      reason: "WithinRead",
      sentence: `A write to ${database} is inside a \`read\` of it`,
      remedy: "Call `write` outside `read`. If the write depends on what is read, read it inside the `write`.",
      code: "",
      retryable: false,
      database
    })
  }

  /**
   * @internal
   * Turns a statement's error into a `WriteError` if its code tells what is wrong with the database; else returns it
   * unchanged.
   */
  static classify<E>(database: string, error: E): E | WriteError {
    if (!(error instanceof SqlError) || error instanceof SqlRefusal || !Predicate.hasProperty(error.cause, "code")) {
      return error
    }
    const failure = SqliteFailure.from(error.cause)
    return codeReason(failure.code) === undefined ? error : WriteError.fromSqlite(database, failure)
  }
}

const reasonOf = (database: string, code: string): CodeReason | "Refused" =>
  isDiskFull(database, code) ? "DiskFull" : (codeReason(code) ?? "Refused")

const unclear = "Fix what SQLite's message names. Nothing was committed."

interface Text {
  readonly sentence: (database: string) => string
  /** Undefined where the code says more. */
  readonly remedy: string | undefined
}

const texts: Record<CodeReason | "Refused", Text> = {
  NotADatabase: { sentence: (database) => `${database} is no longer a SQLite database`, remedy: undefined },
  Damaged: { sentence: (database) => `The database ${database} is damaged`, remedy: undefined },
  Busy: {
    sentence: () => "Another connection has the write lock",
    remedy:
      "Let the one that holds the lock finish, or set a longer `lockPatience`. If it is this process, do not write to one file through two databases at once."
  },
  NotRecovered: {
    sentence: (database) => `A transaction on ${database} was not finished: its rollback journal is still there`,
    remedy: undefined
  },
  Replaced: {
    sentence: (database) => `${database} is no longer the file that was opened`,
    remedy: ofConnection.Replaced.remedy
  },
  PermissionDenied: {
    sentence: (database) => `This process may not write to ${database}`,
    remedy: ofConnection.PermissionDenied.remedy
  },
  DiskFull: {
    sentence: (database) => `There is no space left for ${database}`,
    remedy:
      "Free some space on that filesystem. If `pragmas.maxPageCount` is set, raise it. What was committed before is safe."
  },
  IoError: { sentence: (database) => `The disk failed while ${database} was written`, remedy: undefined },
  Refused: { sentence: (database) => `SQLite did not write to ${database}`, remedy: undefined }
}
