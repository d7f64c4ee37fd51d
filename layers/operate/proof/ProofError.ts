/** Why there is no proof, or why one does not hold. */
import type { PlatformError } from "@effect/platform/Error"
import { SystemFailure } from "../../machine/SystemFailure.ts"
import { ofSystem, ofWriting } from "../../start/codeMeaning.ts"
import { codeRemedy } from "../../start/codeRemedy.ts"
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../../start/TaggedRefusal.ts"

/** A proof could not be made or written, or one that was looked at does not hold. The database is as it was. */
export class ProofError extends TaggedRefusal("ProofError")<{
  /**
   * - `NoFile`: a database in memory cannot be copied.
   * - `Unreadable`: the file of a key or a document cannot be read.
   * - `NotAKey`: the text is not a key of the kind that is needed, Ed25519 in PEM.
   * - `Busy`: another proof of the database is being made there.
   * - `NoSpace`: there is no space for the copy.
   * - `NotCopied`: the copy cannot be made for another reason.
   * - `Exists`: something is where the document should be written.
   * - `NotWritten`: the document cannot be written.
   * - `NotAProof`: this library did not write the document, or another program has rewritten it.
   * - `NotSigned`: the document has no signature.
   * - `OtherKey`: it was signed with another key.
   * - `Changed`: the document is not what was signed.
   * - `OtherContent`: the database that was named is not the one that was proven.
   */
  readonly reason:
    | "NoFile"
    | "Unreadable"
    | "NotAKey"
    | "Busy"
    | "NoSpace"
    | "NotCopied"
    | "Exists"
    | "NotWritten"
    | "NotAProof"
    | "NotSigned"
    | "OtherKey"
    | "Changed"
    | "OtherContent"
  /** The file or directory that it is about, or "". */
  readonly path: string
  /** What SQLite, the operating system or Node.js said, or what was found. */
  readonly detail: string
  /** SQLite's or the system's code, or "". */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** Absolute path of the database file. */
  readonly database?: string | undefined
}> {
  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }

  /** The refusal for a file of a key or a document that cannot be read. */
  static unreadable(path: string, failure: PlatformError): ProofError {
    const { code, detail, retryable } = SystemFailure.fromPlatform(failure)
    return refuseProof("Unreadable", { path, code, detail, retryable })
  }

  /** @internal The entry's sentence with the facts. */
  override get sentence(): string {
    const said = [this.code, this.detail].filter((part) => part !== "").join(": ")
    return `${this.entry.sentence}${said === "" ? "" : ` (${said})`}`
  }
}

const askForAnother = "Do not rely on it. Ask for the document again, by a way that you trust, as it was written."

const catalogue: Catalogue<ProofError> = {
  NoFile: {
    sentence: "A database in memory has no file that could be proven",
    remedy: "Name the file of a database.",
    means: "usage"
  },
  Unreadable: {
    sentence: ({ path }) => `${path} cannot be read`,
    remedy: ({ code }) => (code === "ENOENT" ? "Name a file that is there." : "Let this user read the file."),
    means: ofSystem
  },
  NotAKey: {
    sentence: "The key cannot be used",
    remedy:
      "Give an Ed25519 key in PEM, without a passphrase: `openssl genpkey -algorithm ed25519 -out key.pem` makes one to sign with, `openssl pkey -in key.pem -pubout -out public.pem` the one to verify with.",
    means: "usage"
  },
  Busy: {
    sentence: ({ path }) => `Another proof is being made at ${path}`,
    remedy: "Wait until it has ended, or stop it.",
    means: ofWriting
  },
  NoSpace: {
    sentence: ({ path }) => `There is no space in ${path} for a copy of the database`,
    remedy: "Free some space there, or name another directory with --directory.",
    means: ofWriting
  },
  NotCopied: {
    sentence: ({ path }) => `The database could not be copied to ${path}`,
    remedy: ({ code }) => codeRemedy(code) ?? "Name a directory in which this user can write, with --directory.",
    means: ofWriting
  },
  Exists: {
    sentence: ({ path }) => `${path} is already there, and is not overwritten`,
    remedy: "Name another file with --to.",
    means: "usage"
  },
  NotWritten: {
    sentence: ({ path }) => `The proof could not be written to ${path}`,
    remedy: ({ code }) => codeRemedy(code) ?? "Name a file in a directory in which this user can write, with --to.",
    means: (error) => (error.code === "ENOENT" || error.code === "ENOTDIR" ? ofSystem(error) : ofWriting(error))
  },
  NotAProof: {
    sentence: "The document is not a proof as this program writes it",
    remedy:
      "Name the JSON document that `database-ready proof --json` or `--to` wrote, byte for byte: it is one line, and a program that formats it makes another document of it.",
    means: "data"
  },
  NotSigned: {
    sentence: "The document has no signature: anybody may have written it",
    remedy: "Ask for one that `database-ready proof --key` signed.",
    means: "data"
  },
  OtherKey: {
    sentence: "The document was signed with another key",
    remedy: `Give the public key of who signed it, if you trust that key. ${askForAnother}`,
    means: "data"
  },
  Changed: { sentence: "The document was changed after it was signed", remedy: askForAnother, means: "data" },
  OtherContent: {
    sentence: ({ path }) => `${path} is not what was proven`,
    remedy:
      "Compare the copy that was made together with the proof. A database that was written to, restored or vacuumed since has other bytes: make a proof of it as it is now.",
    means: "data"
  }
}

interface Facts {
  readonly path?: string
  readonly detail?: string
  readonly code?: string
  readonly retryable?: boolean
}

export const refuseProof = (
  reason: ProofError["reason"],
  { code = "", detail = "", path = "", retryable = false }: Facts = {}
): ProofError => new ProofError({ reason, path, detail, code, retryable })
