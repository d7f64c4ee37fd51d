/**
 * The database is not what its migrations make of it, or is damaged. In a file of its own because two
 * rooms refuse with it: migrations, before the first write to a schema that has drifted, and integrity.
 */
import type { SystemFailure } from "../machine/SystemFailure.ts"
import { ofSqlite } from "../start/codeMeaning.ts"
import { codeRemedy, damaged } from "../start/codeRemedy.ts"
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"
import { repairWith } from "./AppliedMigrations/Cures.ts"
import { describeDifference, type SchemaDifference } from "./AppliedMigrations/SchemaFingerprint.ts"
import { cureOfMissing } from "./MissingExtension.ts"
import type { SqliteFailure } from "./Sqlite.ts"

/** The database is not what its migrations make of it, or is damaged. Nothing was changed. */
export class IntegrityError extends TaggedRefusal("IntegrityError")<{
  /**
   * - `SchemaDiffers`: the schema is not the one of the migrations.
   * - `SchemaBroken`: a view or trigger does not compile.
   * - `DamagedPages`: pages are damaged.
   * - `ForeignKeyViolations`: rows refer to nothing.
   * - `Unreadable`: SQLite could not look.
   */
  readonly reason: "SchemaDiffers" | "SchemaBroken" | "DamagedPages" | "ForeignKeyViolations" | "Unreadable"
  /** The objects that differ, where the schema does. */
  readonly difference: SchemaDifference | undefined
  /** What SQLite found, at most a hundred lines of it. */
  readonly findings: ReadonlyArray<string>
  /** SQLite's code where SQLite could not look, else "". */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** Absolute path of the database file, or `:memory:`. Set when the error leaves its stage. */
  readonly database?: string | undefined
}> {
  /** @internal */
  static schemaDiffers(difference: SchemaDifference): IntegrityError {
    return new IntegrityError({ reason: "SchemaDiffers", difference, findings: [], code: "", retryable: false })
  }

  /** @internal */
  static found(reason: IntegrityError["reason"], findings: ReadonlyArray<string>): IntegrityError {
    return new IntegrityError({ reason, difference: undefined, findings, code: "", retryable: false })
  }

  /** @internal */
  static unreadable({ code, detail, retryable }: SqliteFailure | SystemFailure): IntegrityError {
    const reason = /^SQLITE_(CORRUPT|NOTADB)/.test(code) ? "DamagedPages" : "Unreadable"
    return new IntegrityError({ reason, difference: undefined, findings: [`${code}: ${detail}`], code, retryable })
  }

  /** @internal What the connection lacks; undefined where it lacks nothing. The code is what SQLite says of it. */
  static lacking(
    lacking: ReadonlyArray<{ readonly object: string; readonly detail: string }>
  ): IntegrityError | undefined {
    if (lacking.length === 0) return undefined
    const findings = lacking.map(({ detail, object }) => `${object} (${detail})`)
    const facts = { difference: undefined, findings, code: "SQLITE_ERROR", retryable: false }
    return new IntegrityError({ reason: "Unreadable", ...facts })
  }

  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }

  /** @internal The entry's sentence with the facts. */
  override get sentence(): string {
    const found = this.findings.slice(0, 3).join("; ")
    const more = this.findings.length > 3 ? ` and ${this.findings.length - 3} more` : ""
    return this.difference === undefined
      ? `${this.entry.sentence}: ${found}${more}`
      : `${this.entry.sentence}: ${describeDifference(this.difference)}`
  }

  /** @internal The entry's remedy with the facts. */
  override get remedy(): string {
    const extension = this.findings.map(cureOfMissing).find((cure) => cure !== undefined)
    return codeRemedy(this.code) ?? extension ?? this.entry.remedy
  }
}

const catalogue: Catalogue<IntegrityError> = {
  SchemaDiffers: {
    sentence: "The schema is not the one that the migrations make",
    remedy: `Look at the difference with \`database-ready diff\`. Undo the change that was made outside the migrations, or restore a backup with \`database-ready restore\`. If the change is wanted, write it as a new migration after that. If it is what a pending migration does, run ${repairWith("record-applied NUMBER")} with its number. If it undid a migration that the next start should apply again, run ${repairWith("remove-record NUMBER")}.`,
    means: ofSqlite
  },
  SchemaBroken: {
    sentence: "Views or triggers cannot be used",
    remedy:
      "Create the view or trigger again in a migration, with the current names of tables and columns, or drop it.",
    means: ofSqlite
  },
  DamagedPages: {
    sentence: "The database is damaged",
    remedy: damaged,
    means: ofSqlite
  },
  ForeignKeyViolations: {
    sentence: "Rows refer to rows that do not exist",
    remedy: "Run `PRAGMA foreign_key_check`: it lists the rows. Delete them, or insert the rows that they refer to.",
    means: ofSqlite
  },
  Unreadable: {
    sentence: "The integrity of the database cannot be checked",
    remedy: "Fix what the message names, then start again.",
    means: ofSqlite
  }
}
