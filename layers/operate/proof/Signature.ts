/** Signs a text with Ed25519 (RFC 8032), and looks whether a signature holds. Plain. */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto"
import { ProofError, refuseProof } from "./ProofError.ts"

/** A signature and its public key. The reader has to know whether to trust that key. */
export interface ProofSignature {
  /** The only one. */
  readonly algorithm: "Ed25519"
  /** The public key: SubjectPublicKeyInfo in DER, base64. */
  readonly publicKey: string
  /** The 64 bytes of the signature, base64. */
  readonly value: string
}

/** Signs a text. */
export type Signer = (text: string) => ProofSignature

/** A signer with a private key in PEM. */
export const signerWith = (pem: string): Signer | ProofError => {
  const key = keyFrom(() => createPrivateKey(pem))
  if (key instanceof ProofError) return key
  const publicKey = spkiOf(createPublicKey(key))
  return (text) => ({
    algorithm: "Ed25519",
    publicKey,
    value: sign(null, Buffer.from(text), key).toString("base64")
  })
}

/** Undefined where the signature is one of this text and this public key in PEM. */
export const faultOfSignature = (
  text: string,
  { publicKey, value }: ProofSignature,
  pem: string
): ProofError | undefined => {
  const key = keyFrom(() => createPublicKey(pem))
  if (key instanceof ProofError) return key
  if (spkiOf(key) !== publicKey) return refuseProof("OtherKey")
  const bytes = Buffer.from(value, "base64")
  // Node.js reads much as base64, and only one text may be the signature.
  const isSound = bytes.toString("base64") === value && verify(null, Buffer.from(text), key, bytes)
  return isSound ? undefined : refuseProof("Changed")
}

const keyFrom = (read: () => KeyObject): KeyObject | ProofError => {
  try {
    const key = read()
    const type = key.asymmetricKeyType
    return type === "ed25519" ? key : refuseProof("NotAKey", { detail: `it is a key for ${type ?? "something else"}` })
  } catch (thrown) {
    return refuseProof("NotAKey", { detail: thrown instanceof Error ? thrown.message : String(thrown) })
  }
}

const spkiOf = (key: KeyObject): string => key.export({ format: "der", type: "spki" }).toString("base64")
