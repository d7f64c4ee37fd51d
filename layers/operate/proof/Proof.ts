/** What a proof says. */
import type { IntegrityPolicy } from "../../sqlite/IntegrityPolicy.ts"
import type { Settings } from "../../sqlite/pragmas.ts"
import type { HistoryEvent } from "../../start/HistoryEvents.ts"
import type { ProofSignature } from "./Signature.ts"

/** The form of the document. It changes where a reader of the old form would misread the new one. */
export const proofFormat = "database-ready proof 1"

/** A migration that is recorded, as the history has it. */
export interface ProvenMigration {
  /** The number as it is written, e.g. `001`. */
  readonly version: string
  /** The rest of the file's name; null where an earlier system recorded it. */
  readonly name: string | null
  /** SHA-256 of the text that was applied, in hexadecimal, or null. */
  readonly checksum: string | null
  /** When it was applied, as the history has it: UTC. */
  readonly appliedAt: string
  /** Milliseconds that it took, or null. */
  readonly executionTimeMs: number | null
  /** Name and version of the program that applied it, or null. */
  readonly program: string | null
}

/** An object of the schema. */
export interface ProvenObject {
  /** Type and name: `table owners`. */
  readonly object: string
  /** SHA-256 of its SQL as SQLite keeps it, in hexadecimal; of the empty text for an index that SQLite makes by itself. */
  readonly sha256: string
}

/** What was proven of a database, when, and by which program. All but the pragmas was found in one copy of one moment. */
export interface Proof {
  /** Which form of the document this is. */
  readonly format: typeof proofFormat
  /** When the proof began, ISO 8601, UTC, by the clock of the machine. */
  readonly at: string
  /** The user of the operating system. */
  readonly by: string
  /** The name of the machine. */
  readonly host: string
  /** The file and its content. */
  readonly database: {
    /** Absolute path. */
    readonly path: string
    /** Bytes of the copy. */
    readonly bytes: number
    /** Its content in few bytes, in hexadecimal: what `hashed` says. */
    readonly sha256: string
    /** What was hashed. */
    readonly hashed: string
    /** `PRAGMA application_id`: 0 where no program has marked it. */
    readonly applicationId: number
    /** `PRAGMA user_version`. */
    readonly userVersion: number
    /** Bytes of a page. */
    readonly pageSize: number
    /** How many pages there are. */
    readonly pageCount: number
    /** How text is kept. */
    readonly encoding: string
  }
  /** The pragmas of a connection to the database itself, read back. */
  readonly pragmas: Settings
  /** The history: the migrations in the order in which they were recorded, and what people did apart from them. */
  readonly history: {
    /** The newest version; null where there are no migrations. */
    readonly schemaVersion: string | null
    /** Each recorded once, none unknown, none missing, none edited. */
    readonly migrations: ReadonlyArray<ProvenMigration>
    /** Repairs and restores, in the order of time. */
    readonly events: ReadonlyArray<HistoryEvent>
  }
  /** The schema: it is the one that the migrations make. */
  readonly schema: {
    /** SHA-256 over type, name, table and SQL of all objects in the order of type and name, each ended by a NUL; in hexadecimal. */
    readonly sha256: string
    /** Every object that is not the history's and not SQLite's own. */
    readonly objects: ReadonlyArray<ProvenObject>
    /** Those of them that no migration made. */
    readonly extra: ReadonlyArray<string>
  }
  /** How far the pages were looked at; nothing was wrong. */
  readonly integrity: {
    /** What was asked for. */
    readonly policy: IntegrityPolicy
    /** What was done: `schema` looks at no page. */
    readonly checked: "schema" | "quick" | "full"
    /** Why. */
    readonly because: string
    /** Whether every row that refers to another was looked at; none refers to nothing. */
    readonly foreignKeys: "checked" | "not checked"
  }
  /** What was at work. */
  readonly versions: {
    /** Of this library. */
    readonly databaseReady: string
    /** The program that asked for it, or "". */
    readonly program: string
    /** Of Node.js. */
    readonly node: string
    /** Of Effect. */
    readonly effect: string
    /** Of SQLite. */
    readonly sqlite: string
  }
}

/** The document: a proof, and its signature where a key was given. */
export interface ProofDocument {
  /** Tells it from a refusal. */
  readonly status: "proven"
  /** What is signed, as canonical JSON (RFC 8785) in UTF-8. */
  readonly proof: Proof
  /** Null where no key was given. */
  readonly signature: ProofSignature | null
}
