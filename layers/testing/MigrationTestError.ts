/** What a check of the test kit found. */
import * as Data from "effect/Data"
import { describeDifference, type SchemaDifference } from "../sqlite/AppliedMigrations/SchemaFingerprint.ts"
import type { InitializationError } from "../sqlite/InitializationReport.ts"

/** Rows of one table that two databases do not share, as `column=value` with values as SQL writes them. */
export interface RowDifference {
  /** The table. */
  readonly table: string
  /** Rows that should be there and are not. */
  readonly missing: ReadonlyArray<string>
  /** Rows that are there and should not be. */
  readonly extra: ReadonlyArray<string>
}

/**
 * What is wrong with the migrations, or why a check could not be made.
 *
 * - `UnknownVersion`: no migration has that version.
 * - `Refused`: a start was refused; `refusal` says why, where it was in this process.
 * - `Differs`: the schema or the rows are not what they should be; `schema` and `rows` say how.
 * - `ProgramFailed`: the program did not end with 0 where nothing was in its way, or it crashed.
 * - `NeedsProgram`: the program of this package cannot run these migrations; give your own.
 * - `Unavailable`: faults cannot be injected on this machine. Skip the test with the `detail`.
 * - `NothingReached`: the program made none of the system calls.
 * - `Unreadable`: a file or a table could not be read or written.
 */
export class MigrationTestError extends Data.TaggedError("MigrationTestError")<{
  /** For programs: the list above. */
  readonly reason:
    | "UnknownVersion"
    | "Refused"
    | "Differs"
    | "ProgramFailed"
    | "NeedsProgram"
    | "Unavailable"
    | "NothingReached"
    | "Unreadable"
  /** What was being done, such as `from 001 with stops at 003, 005`. */
  readonly during: string
  /** What was found, for people. */
  readonly detail: string
  /** How the schema differs. */
  readonly schema?: SchemaDifference | undefined
  /** How the rows differ. */
  readonly rows?: ReadonlyArray<RowDifference> | undefined
  /** The error of a start. */
  readonly refusal?: InitializationError | undefined
}> {
  /** All of it, in one text. */
  override get message(): string {
    return `${this.during}: ${this.detail}`
  }

  /** @internal */
  static refused(during: string, refusal: InitializationError): MigrationTestError {
    return new MigrationTestError({ reason: "Refused", during, detail: refusal.message, refusal })
  }

  /** @internal */
  static differs(during: string, schema: SchemaDifference, rows: ReadonlyArray<RowDifference>): MigrationTestError {
    const detail = [describeDifference(schema), ...rows.map(describeRows)].filter((part) => part !== "").join("; ")
    return new MigrationTestError({ reason: "Differs", during, detail, schema, rows })
  }

  /** @internal */
  static unreadable(during: string) {
    return ({ message }: Error): MigrationTestError =>
      new MigrationTestError({ reason: "Unreadable", during, detail: message })
  }
}

const describeRows = ({ extra, missing, table }: RowDifference): string =>
  [list("missing", missing), list("extra", extra)]
    .filter((part) => part !== "")
    .map((part) => `${table} has ${part}`)
    .join("; ")

/** The error itself has all of them. */
const shown = 3

const list = (what: string, rows: ReadonlyArray<string>): string =>
  rows.length === 0
    ? ""
    : `${rows.length} ${what}: ${rows
        .slice(0, shown)
        .map((row) => `(${row})`)
        .join(", ")}${rows.length > shown ? " ..." : ""}`
