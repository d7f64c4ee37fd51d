/**
 * The database is not what its migrations make of it, or is damaged. In a file of its own because two
 * rooms refuse with it: migrations, before the first write to a schema that has drifted, and integrity.
 */
import * as Data from "effect/Data"
import type { SystemFailure } from "../machine/SystemFailure.ts"
import { codeRemedy, damaged } from "../start/codeRemedy.ts"
import { jsonOf, messageOf } from "../start/Refusal.ts"
import { describeDifference, type SchemaDifference } from "./AppliedMigrations/SchemaFingerprint.ts"
import type { SqliteFailure } from "./Sqlite.ts"

type Reason = "SchemaDiffers" | "SchemaBroken" | "DamagedPages" | "ForeignKeyViolations" | "Unreadable"

export class IntegrityError extends Data.TaggedError("IntegrityError")<{
  readonly reason: Reason
  /** The objects that differ, where the schema does. */
  readonly difference: SchemaDifference | undefined
  /** What SQLite found, at most a hundred lines of it. */
  readonly findings: ReadonlyArray<string>
  /** SQLite's code where SQLite could not look, else "". */
  readonly code: string
  readonly retryable: boolean
  /** Absolute path of the database file, once it has left its stage. */
  readonly database?: string | undefined
}> {
  static schemaDiffers(difference: SchemaDifference): IntegrityError {
    return new IntegrityError({ reason: "SchemaDiffers", difference, findings: [], code: "", retryable: false })
  }

  static found(reason: Reason, findings: ReadonlyArray<string>): IntegrityError {
    return new IntegrityError({ reason, difference: undefined, findings, code: "", retryable: false })
  }

  static unreadable({ code, detail, retryable }: SqliteFailure | SystemFailure): IntegrityError {
    const reason = /^SQLITE_(CORRUPT|NOTADB)/.test(code) ? "DamagedPages" : "Unreadable"
    return new IntegrityError({ reason, difference: undefined, findings: [`${code}: ${detail}`], code, retryable })
  }

  override get message(): string {
    return messageOf(this)
  }

  override toJSON(): object {
    return jsonOf(this)
  }

  get sentence(): string {
    const found = this.findings.slice(0, 3).join("; ")
    const more = this.findings.length > 3 ? ` and ${this.findings.length - 3} more` : ""
    return this.difference === undefined
      ? `${sentences[this.reason]}: ${found}${more}`
      : `${sentences[this.reason]}: ${describeDifference(this.difference)}`
  }

  get remedy(): string {
    return codeRemedy(this.code) ?? remedies[this.reason]
  }
}

const sentences: Record<Reason, string> = {
  SchemaDiffers: "The schema is not the one that the migrations make",
  SchemaBroken: "Views or triggers cannot be used",
  DamagedPages: "The database is damaged",
  ForeignKeyViolations: "Rows refer to rows that do not exist",
  Unreadable: "The integrity of the database cannot be checked"
}

const remedies: Record<Reason, string> = {
  SchemaDiffers:
    "Undo the change that was made outside the migrations, or restore a backup. If the change is wanted, write it as a new migration after that.",
  SchemaBroken:
    "Create the view or trigger again in a migration, with the current names of tables and columns, or drop it. If SQLite misses a function, a collation or a module, drop the object: extensions are loaded only after the start.",
  DamagedPages: damaged,
  ForeignKeyViolations:
    "Run `PRAGMA foreign_key_check`: it lists the rows. Delete them, or insert the rows that they refer to.",
  Unreadable: "Fix what the message names, then start again."
}
