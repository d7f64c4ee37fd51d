/** Whether a proof is what somebody signed, and whether a database is the one that was proven. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { DatabaseConfig } from "../sqlite/DatabaseConfig.ts"
import { absoluteName } from "../sqlite/DatabasePath.ts"
import { Initialization } from "../sqlite/Initialization.ts"
import type { InitializationError } from "../sqlite/InitializationReport.ts"
import { inDatabase } from "../start/Refusal.ts"
import { canonicalJson } from "./proof/CanonicalJson.ts"
import { contentOf, copyContent } from "./proof/contentCopy.ts"
import { proofFormat } from "./proof/Proof.ts"
import { ProofError, refuseProof } from "./proof/ProofError.ts"
import { faultOfSignature, type ProofSignature } from "./proof/Signature.ts"

/** A proof to look at. */
export interface VerifyProofOptions {
  /** The text of the JSON document, byte for byte as it was written; white space at its ends does not count. */
  readonly document: string
  /** The public Ed25519 key in PEM of who signed it. */
  readonly key: string
  /** A database, or an uncompressed copy of one, that should be what was proven. Default: none is looked at. */
  readonly against?: string | undefined
  /** An existing directory for a copy of `against`, which needs its size. Default: that of `against`. */
  readonly directory?: string | undefined
  /** Types of filesystems that are trusted although they are not known to be local. Default none. */
  readonly trustedFilesystems?: ReadonlyArray<string> | undefined
}

/** A proof that holds: what the one who has that key says. */
export interface VerifiedProof {
  /** The database that was proven, as a path on the machine of that time. */
  readonly database: string
  /** When, ISO 8601, UTC, by the clock of that machine. */
  readonly at: string
  /** Which machine. */
  readonly host: string
  /** Its content, in hexadecimal. */
  readonly sha256: string
  /** The public key that signed it: SubjectPublicKeyInfo in DER, base64. */
  readonly publicKey: string
  /** Absolute path of the database that has the same content; undefined where none was named. */
  readonly against: string | undefined
}

/**
 * Looks whether the signature is one of this document and this key. With `against` it also copies that database, and
 * compares the content: a copy that `database-ready backup` made of that state has it, and so has a database that nobody
 * has written to since. One that was restored says so in its history: compare the backup.
 *
 * Fails with `ProofError`, and where `against` cannot be opened with what a start fails with.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { verifyProof } from "database-ready/operate"
 * import { Console, Effect } from "effect"
 *
 * export const program = (document: string, key: string) =>
 *   verifyProof({ document, key, against: "/srv/backups/app.db" }).pipe(
 *     Effect.flatMap(({ at, database }) => Console.log(`${database}, proven at ${at}`)),
 *     Effect.provide(NodeContext.layer)
 *   )
 * ```
 */
export const verifyProof = ({
  against,
  directory,
  document,
  key,
  trustedFilesystems
}: VerifyProofOptions): Effect.Effect<
  VerifiedProof,
  InitializationError | ProofError,
  FileSystem.FileSystem | Path.Path
> =>
  Effect.gen(function* () {
    const read = readDocument(document)
    if (read instanceof ProofError) return yield* read
    const { facts, proof, signature } = read
    const fault = faultOfSignature(proof, signature, key)
    if (fault !== undefined) return yield* fault
    const verified: VerifiedProof = { ...facts, publicKey: signature.publicKey, against: undefined }
    if (against === undefined) return verified
    const file = yield* Effect.mapError(
      Effect.scoped(requireContent(against, facts.sha256, directory, trustedFilesystems)),
      (error) => inDatabase(absoluteName(against), error)
    )
    return { ...verified, against: file }
  })

/** Gives the absolute path. */
const requireContent = Effect.fnUntraced(function* (
  against: string,
  sha256: string,
  directory: string | undefined,
  trustedFilesystems: ReadonlyArray<string> | undefined
) {
  const config = DatabaseConfig.from({ filename: against, access: "inspect", trustedFilesystems })
  if (config.inMemory) return yield* refuseProof("NoFile")
  const copied = yield* copyContent(config, yield* Initialization.make(config), directory)
  const found = yield* contentOf(copied)
  if (found.sha256 === sha256) return copied.file
  return yield* refuseProof("OtherContent", { path: copied.file, detail: `${found.sha256}, and not ${sha256}` })
})

interface ReadDocument {
  readonly facts: Pick<VerifiedProof, "database" | "at" | "host" | "sha256">
  /** What is signed. */
  readonly proof: string
  readonly signature: ProofSignature
}

/** Accepts only one text for each value: of two members with one name, a person might read one and a program the other. */
const readDocument = (document: string): ReadDocument | ProofError => {
  const parsed = parse(document)
  if (parsed === undefined || canonicalJson(parsed) !== document.trim()) return refuseProof("NotAProof")
  const proof = memberOf(parsed, "proof")
  const database = memberOf(proof, "database")
  const [format, at, host] = ["format", "at", "host"].map((name) => memberOf(proof, name))
  const [path, sha256] = ["path", "sha256"].map((name) => memberOf(database, name))
  if (![at, host, path, sha256].every(Predicate.isString) || format !== proofFormat) return refuseProof("NotAProof")
  const signature = memberOf(parsed, "signature")
  if (signature === null) return refuseProof("NotSigned")
  const [publicKey, value] = ["publicKey", "value"].map((name) => memberOf(signature, name))
  if (memberOf(signature, "algorithm") !== "Ed25519" || !Predicate.isString(publicKey) || !Predicate.isString(value)) {
    return refuseProof("NotAProof")
  }
  return {
    facts: { database: String(path), at: String(at), host: String(host), sha256: String(sha256) },
    proof: canonicalJson(proof),
    signature: { algorithm: "Ed25519", publicKey, value }
  }
}

const parse = (document: string): unknown => {
  try {
    return JSON.parse(document)
  } catch {
    return undefined
  }
}

const memberOf = (value: unknown, name: string): unknown =>
  Predicate.hasProperty(value, name) ? value[name] : undefined
